//! Canvas decoding on whole folders: every method in both forms, what the folder's file says, and the commit pass.

use rhea_tokens::prompts::narration_prefix;

use super::*;
use crate::canvas_samplers::{EntropySettings, Flow};

const METHODS: [CanvasMethod; 4] = [
    CanvasMethod::Masked,
    CanvasMethod::Flow(Flow::METRIC),
    CanvasMethod::Flow(Flow::MIXTURE),
    CanvasMethod::Entropy(EntropySettings::PICTURE),
];

fn open_with(generation_config: &str) -> (tempfile::TempDir, Result<Imagination, EngineError>) {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), |_, _| {});
    std::fs::write(GenerationConfig::file(dir.path()), generation_config).unwrap();
    let model = Imagination::open(dir.path());
    (dir, model)
}

#[test]
fn every_method_keeps_known_cells_and_repeats_itself() {
    let warp = half_known(16);
    for form in ["hole", "uniform_noise"] {
        let (dir, model) = open_with(&format!("{{\"canvas_form\": \"{form}\", \"top_k\": 5}}"));
        let mut model = model.unwrap();
        let codes = model.folder().vision().encode(&warp.filled()).unwrap();
        for method in METHODS.into_iter().filter(|m| form == "hole" || *m != CanvasMethod::Masked) {
            for seed in 0..3 {
                let decoding = Decoding::Canvas { method, passes: 5 };
                let request = ViewRequest { seed, ..request(Some(warp.clone()), decoding) };
                let drawn = model.imagine(&request, &Cancel::default()).unwrap();
                assert_eq!([drawn.codes[0], drawn.codes[2]], [codes[0], codes[2]], "{form} {}", method.name());
                assert!((1..=5).contains(&drawn.passes));
                let mut fresh = Imagination::open(dir.path()).unwrap();
                assert_eq!(drawn.codes, fresh.imagine(&request, &Cancel::default()).unwrap().codes);
            }
        }
    }
}

#[test]
fn a_folder_says_how_it_is_decoded() {
    let flow = r#"{"flow": {"path": {"metric": {"alpha": 0.7, "c": 2.0}}, "shift": 1.5}}"#;
    let (_dir, model) =
        open_with(&format!(r#"{{"canvas_form": "uniform_noise", "canvas_sampler": {flow}, "do_sample": true}}"#));
    let mut model = model.unwrap();
    assert_eq!(model.canvas_form(), Some(CanvasForm::UniformNoise));
    let usual = model.imagine(&request(None, Decoding::Parallel { passes: 9 }), &Cancel::default()).unwrap();
    let method: CanvasMethod = serde_json::from_str(flow).unwrap();
    assert_eq!(method.name(), "metric");
    let named = model.imagine(&request(None, Decoding::Canvas { method, passes: 9 }), &Cancel::default()).unwrap();
    assert_eq!((&usual.codes, usual.passes), (&named.codes, 8), "the metric path's first pass need not be made");
    let masked = Decoding::Canvas { method: CanvasMethod::Masked, passes: 9 };
    let error = model.imagine(&request(None, masked), &Cancel::default()).unwrap_err().to_string();
    assert!(error.contains("holes"), "{error}");

    let (dir, model) = folder();
    assert_eq!(model.canvas_form(), Some(CanvasForm::Hole));
    let config = GenerationConfig { canvas_form: Some(CanvasForm::UniformNoise), canvas_sampler: Some(method) };
    config.write(dir.path()).unwrap();
    assert_eq!(Imagination::open(dir.path()).unwrap().canvas_form(), Some(CanvasForm::UniformNoise));
}

#[test]
fn generation_configs_that_cannot_work_are_refused_by_name() {
    for (text, word) in [
        ("{", "EOF"),
        (r#"{"canvas_form": "mask"}"#, "uniform_noise"),
        (r#"{"canvas_form": "uniform_noise", "canvas_sampler": "masked"}"#, "know holes"),
        (r#"{"canvas_sampler": {"flow": {"path": "mixture", "shift": 0}}}"#, "shift is 0"),
        (r#"{"canvas_sampler": {"flow": {"path": "mixture"}}}"#, "shift"),
    ] {
        let (_dir, model) = open_with(text);
        let error = model.err().unwrap().to_string();
        assert!(error.contains(word) && error.contains("generation_config.json"), "{error}");
    }
}

#[test]
fn a_vocabulary_without_canvas_tokens_needs_the_second_form() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), |_, _| {});
    // The same vocabulary, where the last three control tokens have other names, as in published folders.
    let path = dir.path().join("tokenizer.json");
    let renamed = std::fs::read_to_string(&path).unwrap();
    let renamed = ["hole", "partial", "canvas"]
        .into_iter()
        .fold(renamed, |text, name| text.replace(&format!("<|{name}|>"), &format!("<|spare {name}|>")));
    std::fs::write(&path, renamed).unwrap();
    let mut model = Imagination::open(dir.path()).unwrap();
    assert_eq!(model.canvas_form(), None);
    assert_eq!(
        model.imagine(&request(None, Decoding::NextToken), &Cancel::default()).unwrap().passes,
        4,
        "one pass a cell"
    );
    let in_part = request(Some(half_known(16)), Decoding::NextToken);
    assert_eq!(model.imagine(&in_part, &Cancel::default()).unwrap().codes.len(), 4, "it cannot say what is unknown");
    let error = model.imagine(&request(None, Decoding::Parallel { passes: 2 }), &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("next-token decoding is allowed"), "{error}");

    std::fs::write(GenerationConfig::file(dir.path()), r#"{"canvas_form": "hole"}"#).unwrap();
    let error = Imagination::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("no canvas tokens"), "{error}");
    std::fs::write(GenerationConfig::file(dir.path()), r#"{"canvas_form": "uniform_noise"}"#).unwrap();
    let mut model = Imagination::open(dir.path()).unwrap();
    model.imagine(&request(None, Decoding::Parallel { passes: 4 }), &Cancel::default()).unwrap();
}

#[test]
fn a_finished_picture_is_read_before_words() {
    let (dir, model) = open_with(r#"{"canvas_form": "uniform_noise"}"#);
    let mut model = model.unwrap();
    let request = request(None, Decoding::Parallel { passes: 6 });
    let drawn = model.imagine(&request, &Cancel::default()).unwrap();
    let grid = model.folder().grid;
    let prompt = narration_prefix(model.folder().text(), &request.world, &request.prompt, grid, &drawn.codes).unwrap();
    assert_eq!(model.streams.conditional.ids(), prompt, "what narration reads has been read");
    let narration = NarrationRequest {
        world: request.world.clone(),
        prompt: request.prompt.clone(),
        codes: drawn.codes,
        text: Filter::GREEDY,
        seed: 1,
    };
    let said = model.narrate(&narration, &Cancel::default(), &mut |_| {}).unwrap();
    let mut fresh = Imagination::open(dir.path()).unwrap();
    assert_eq!(said, fresh.narrate(&narration, &Cancel::default(), &mut |_| {}).unwrap());
}
