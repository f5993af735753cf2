//! Requests on a whole, tiny model folder with random weights.
#![allow(clippy::unwrap_used, reason = "tests")]

mod answers;
mod canvases;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use rhea_nn::NnError;
use rhea_nn::transformer::{Parameters as Transformer, TransformerConfig};
use rhea_nn::vision::{Init, Parameters, VisionConfig, VisionNet};
use rhea_nn::weights::{Stored, save};
use rhea_picture::{Rgbd, Warp};
use rhea_tokens::{TextTokenizer, train_bpe};

use crate::*;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Deterministic values with a spread that keeps activations alive.
fn normal(state: &mut u64) -> f32 {
    let mut sum = -6.0;
    for _ in 0..12 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sum += (*state >> 40) as f32 / (1 << 24) as f32;
    }
    sum
}

/// Random vision weights that remember what was asked of them.
struct Fresh {
    state: RefCell<u64>,
    tensors: RefCell<Tensors>,
}

impl Fresh {
    fn values(&self, n: usize, init: Init) -> Vec<f32> {
        let std = match init {
            Init::Normal(std) => std,
            Init::Zero => 0.02,
            Init::One => return vec![1.0; n],
        };
        let mut state = self.state.borrow_mut();
        (0..n).map(|_| normal(&mut state) * std).collect()
    }

    fn keep(&self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> Result<Tensor, NnError> {
        self.tensors.borrow_mut().insert(name.to_owned(), (shape.clone(), values.clone()));
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }
}

impl Parameters for Fresh {
    fn conv(&self, name: &str, c_out: usize, c_in: usize, side: usize, init: Init) -> Result<Tensor, NnError> {
        let values = self.values(c_out * c_in * side * side, init);
        Ok(self.keep(name, vec![c_out, c_in, side, side], values)?.permute((0, 2, 3, 1))?.contiguous()?)
    }

    fn plain(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, NnError> {
        self.keep(name, shape.to_vec(), self.values(shape.iter().product(), init))
    }

    fn frozen(&self) -> bool {
        false
    }
}

/// 32 x 32 px views of 2 x 2 codes out of 32.
fn write_folder(dir: &Path, spoil: impl Fn(&mut TransformerConfig, &mut Tensors)) {
    let vision = VisionConfig {
        ch: 32,
        ch_mult: vec![1, 1, 1],
        resolution: 8,
        z_channels: 32,
        codebook_size: 32,
        ..VisionConfig::nano()
    };
    let config = TransformerConfig {
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        head_dim: 16,
        initializer_range: 0.2,
        max_position_embeddings: 512,
        ..TransformerConfig::nano(0)
    };
    write_sized(dir, &vision, config, 300, spoil);
}

fn write_sized(
    dir: &Path,
    vision: &VisionConfig,
    config: TransformerConfig,
    entries: usize,
    spoil: impl Fn(&mut TransformerConfig, &mut Tensors),
) {
    std::fs::create_dir_all(dir.join("vision")).unwrap();
    std::fs::write(dir.join("vision/config.json"), serde_json::to_string(vision).unwrap()).unwrap();
    let fresh = Fresh { state: RefCell::new(5), tensors: RefCell::default() };
    VisionNet::new(vision, &fresh).unwrap();
    save(&dir.join("vision/model.safetensors"), &fresh.tensors.borrow(), Stored::F32).unwrap();

    let lines = ["go forward 0.5 m", "a red door stands ahead", "the room is bright and wide"].map(str::to_owned);
    train_bpe(lines, entries, &dir.join("tokenizer.json")).unwrap();
    let codes = u32::try_from(vision.codebook_size).unwrap();
    let text = TextTokenizer::from_file(&dir.join("tokenizer.json"), codes).unwrap();
    let control = text.vocabulary().control();
    let mut config = TransformerConfig {
        vocab_size: text.vocabulary().len(),
        pad_token_id: control.pad,
        bos_token_id: control.bos,
        eos_token_id: control.eos,
        boi_token_id: Some(control.boi),
        eoi_token_id: Some(control.eoi),
        img_token_id: Some(control.img),
        eol_token_id: Some(control.eol),
        eof_token_id: Some(control.eof),
        ..config
    };
    let mut state = 11;
    let parameters = Transformer::fresh(config.clone(), || normal(&mut state)).unwrap();
    let mut tensors = Tensors::new();
    for (name, var) in parameters.vars() {
        let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        tensors.insert(name.clone(), (var.dims().to_vec(), values));
    }
    spoil(&mut config, &mut tensors);
    std::fs::write(dir.join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
    save(&dir.join("model.safetensors"), &tensors, Stored::Bf16).unwrap();
}

fn folder() -> (tempfile::TempDir, Imagination) {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), |_, _| {});
    let model = Imagination::open(dir.path()).unwrap();
    (dir, model)
}

fn request(memory: Option<Warp>, decoding: Decoding) -> ViewRequest {
    ViewRequest {
        task: ViewTask::Explore,
        world: "a bright room".to_owned(),
        prompt: "go forward 0.5 m <|image start|>".to_owned(),
        memory,
        decoding,
        picture: Filter { temperature: 1.0, top_k: 0, top_p: 1.0 },
        guidance: None,
        shown: None,
        seed: 4,
    }
}

/// A warp that knows the left `columns` of 32 pixel columns.
fn half_known(columns: usize) -> Warp {
    let mut warp = Warp::empty(32, 32);
    for i in (0..1024).filter(|i| i % 32 < columns) {
        warp.valid[i] = true;
        warp.magnification[i] = 1.0;
        warp.source[i] = 0;
        warp.view.rgb[i * 3] = (i % 251) as u8;
        warp.view.depth_m[i] = 2.0;
    }
    warp
}

#[test]
fn the_same_request_gives_the_same_view_whatever_came_before() {
    let (dir, mut model) = folder();
    let calm = Cancel::default();
    for decoding in [Decoding::Parallel { passes: 3 }, Decoding::NextToken] {
        let first = model.imagine(&request(None, decoding), &calm).unwrap();
        model
            .imagine(&ViewRequest { prompt: "turn left".into(), ..request(Some(half_known(16)), decoding) }, &calm)
            .unwrap();
        let again = model.imagine(&request(None, decoding), &calm).unwrap();
        let fresh = Imagination::open(dir.path()).unwrap().imagine(&request(None, decoding), &calm).unwrap();
        assert_eq!((&first.codes, &first.view), (&again.codes, &again.view));
        assert_eq!(first.codes, fresh.codes);
        let other = model.imagine(&ViewRequest { seed: 5, ..request(None, decoding) }, &calm).unwrap();
        assert_ne!(first.codes, other.codes);
        assert_eq!((first.codes.len(), first.rows, first.cols), (4, 2, 2));
    }
}

#[test]
fn known_cells_are_never_drawn_again() {
    let (_dir, mut model) = folder();
    let warp = half_known(16);
    let codes = model.folder().vision().encode(&warp.filled()).unwrap();
    for seed in 0..6 {
        let request = ViewRequest { seed, ..request(Some(warp.clone()), Decoding::Parallel { passes: 8 }) };
        let drawn = model.imagine(&request, &Cancel::default()).unwrap();
        assert_eq!([drawn.codes[0], drawn.codes[2]], [codes[0], codes[2]]);
        assert_eq!(drawn.passes, 2, "two unknown cells need no more than two passes");
    }
    let all =
        model.imagine(&request(Some(half_known(32)), Decoding::Parallel { passes: 8 }), &Cancel::default()).unwrap();
    assert_eq!(all.passes, 0);
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let (_dir, mut model) = folder();
    let mut refuse = |request: ViewRequest| model.imagine(&request, &Cancel::default()).unwrap_err().to_string();
    assert!(refuse(request(None, Decoding::Parallel { passes: 0 })).contains("1 to 64"));
    assert!(refuse(request(Some(Warp::empty(16, 16)), Decoding::NextToken)).contains("16 x 16"));
    let long = "word ".repeat(2000);
    assert!(refuse(ViewRequest { prompt: long, ..request(None, Decoding::NextToken) }).contains("up to 512"));
    let cancel = Cancel::default();
    cancel.cancel();
    let error = model.imagine(&request(None, Decoding::NextToken), &cancel).unwrap_err();
    assert!(matches!(error, EngineError::Cancelled));
}

#[test]
fn narration_arrives_piece_by_piece_and_is_plain_text() {
    let (_dir, mut model) = folder();
    let narration = NarrationRequest {
        world: String::new(),
        prompt: "turn left 15 degrees".to_owned(),
        codes: vec![1, 2, 3, 4],
        text: Filter { temperature: 1.0, top_k: 0, top_p: 1.0 },
        seed: 9,
    };
    let mut pieces = String::new();
    let whole = model.narrate(&narration, &Cancel::default(), &mut |piece| pieces.push_str(piece.text)).unwrap();
    assert_eq!(whole, pieces);
    assert!(!whole.contains("<|"), "{whole}");
    let again = model.narrate(&narration, &Cancel::default(), &mut |_| {}).unwrap();
    assert_eq!(whole, again);
    model.imagine(&request(None, Decoding::NextToken), &Cancel::default()).unwrap();
    assert_eq!(whole, model.narrate(&narration, &Cancel::default(), &mut |_| {}).unwrap());
    let short = NarrationRequest { codes: vec![1, 2, 3], ..narration };
    assert!(model.narrate(&short, &Cancel::default(), &mut |_| {}).is_err());
}

#[test]
fn a_round_trip_takes_pictures_of_any_size() {
    let (_dir, mut model) = folder();
    let back = model.round_trip(&Rgbd::filled(50, 70, [200, 10, 10]), None).unwrap();
    assert_eq!((back.view.width, back.view.height, back.codes.len()), (32, 32, 4));
}

#[test]
fn broken_folders_name_the_file() {
    let check = |spoil: fn(&mut TransformerConfig, &mut Tensors), words: [&str; 2]| {
        let dir = tempfile::tempdir().unwrap();
        write_folder(dir.path(), spoil);
        let Err(error) = Imagination::open(dir.path()) else { panic!("opened a folder without {words:?}") };
        let error = error.to_string();
        assert!(words.iter().all(|w| error.contains(w)), "{error}");
    };
    check(|c, _| c.vocab_size += 1, ["config.json", "vocab_size"]);
    check(|c, _| c.boi_token_id = Some(1), ["config.json", "boi_token_id"]);
    check(|c, _| c.hidden_act = "gelu".into(), ["config.json", "hidden_act"]);
    check(|_, t| drop(t.remove("model.norm.weight")), ["model.safetensors", "model.norm.weight"]);
    let dir = tempfile::tempdir().unwrap();
    assert!(Imagination::open(&dir.path().join("nothing")).is_err());
    assert!(Imagination::open(dir.path()).err().unwrap().to_string().contains("config.json"));
}

#[test]
fn logits_that_are_not_finite_become_an_error_not_a_token() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), |_, tensors| {
        tensors.get_mut("model.norm.weight").unwrap().1[3] = f32::NAN;
    });
    let mut model = Imagination::open(dir.path()).unwrap();
    for decoding in [Decoding::Parallel { passes: 2 }, Decoding::NextToken] {
        let error = model.imagine(&request(None, decoding), &Cancel::default()).unwrap_err();
        assert!(matches!(error, EngineError::NonFinite { .. }), "{error}");
    }
}

fn guided(scale: f32, share: f32, decoding: Decoding) -> ViewRequest {
    ViewRequest { guidance: Some(Guidance { scale, share }), ..request(Some(half_known(10)), decoding) }
}

#[test]
fn guidance_of_scale_one_or_of_no_pass_is_none() {
    let (_dir, mut model) = folder();
    let calm = Cancel::default();
    for decoding in [Decoding::Parallel { passes: 4 }, Decoding::NextToken] {
        let plain = model.imagine(&request(Some(half_known(10)), decoding), &calm).unwrap();
        let one = model.imagine(&guided(1.0, 1.0, decoding), &calm).unwrap();
        assert_eq!(plain.codes, one.codes);
    }
    let decoding = Decoding::Parallel { passes: 4 };
    let plain = model.imagine(&request(Some(half_known(10)), decoding), &calm).unwrap();
    assert_eq!(plain.codes, model.imagine(&guided(9.0, 0.0, decoding), &calm).unwrap().codes);
}

#[test]
fn guided_views_do_not_depend_on_what_came_before() {
    let (dir, mut model) = folder();
    let calm = Cancel::default();
    for decoding in [Decoding::Parallel { passes: 3 }, Decoding::NextToken] {
        let mut differ = 0;
        for seed in 0..8 {
            let asked = ViewRequest { seed, ..guided(6.0, 0.6, decoding) };
            let first = model.imagine(&asked, &calm).unwrap();
            let plain = model.imagine(&ViewRequest { guidance: None, ..asked.clone() }, &calm).unwrap();
            model.imagine(&ViewRequest { prompt: "turn left".into(), ..guided(2.0, 1.0, decoding) }, &calm).unwrap();
            assert_eq!(first.codes, model.imagine(&asked, &calm).unwrap().codes);
            let mut fresh = Imagination::open(dir.path()).unwrap();
            assert_eq!(first.codes, fresh.imagine(&asked, &calm).unwrap().codes);
            differ += usize::from(first.codes != plain.codes);
        }
        assert!(differ > 0, "{decoding:?} is not guided at all");
    }
    let refuse = |guidance| {
        let asked = ViewRequest { guidance: Some(guidance), ..request(None, Decoding::NextToken) };
        Imagination::open(dir.path()).unwrap().imagine(&asked, &calm).unwrap_err().to_string()
    };
    assert!(refuse(Guidance::new(f32::NAN)).contains("0 to 100"));
    assert!(refuse(Guidance { scale: 2.0, share: -1.0 }).contains("share"));
}

#[test]
fn candidates_are_the_views_of_their_seeds() {
    let (_dir, mut model) = folder();
    let calm = Cancel::default();
    for decoding in [Decoding::Parallel { passes: 2 }, Decoding::NextToken] {
        for guidance in [None, Some(Guidance::new(3.0))] {
            let asked = ViewRequest { guidance, ..request(None, decoding) };
            let candidates = model.candidates(&asked, 5, &calm).unwrap();
            assert_eq!(candidates.len(), 5);
            for (seed, candidate) in (asked.seed..).zip(&candidates) {
                let alone = model.imagine(&ViewRequest { seed, ..asked.clone() }, &calm).unwrap();
                assert_eq!((&candidate.codes, candidate.seed), (&alone.codes, seed));
                assert_eq!(model.picture(&candidate.codes, None).unwrap(), alone.view);
                // 32 codes: a mean below that of a blind guess would be odd for drawn ones, above 0 impossible.
                assert!((-12.0..0.0).contains(&candidate.mean_log_probability), "{}", candidate.mean_log_probability);
            }
            assert!(candidates.windows(2).any(|pair| pair[0].codes != pair[1].codes));
        }
    }
    let known = model.candidates(&request(Some(half_known(32)), Decoding::NextToken), 2, &calm).unwrap();
    assert_eq!((known[0].mean_log_probability, known[0].passes), (0.0, 0));
    assert!(
        model.candidates(&request(None, Decoding::NextToken), 65, &calm).unwrap_err().to_string().contains("1 to 64")
    );
}

#[test]
fn a_forked_stream_goes_its_own_way_and_a_step_can_be_taken_back() {
    let (_dir, model) = folder();
    let model = &model.folder().transformer;
    let mut store = model.new_store(1024).unwrap();
    let mut trunk = Stream::new(&store, 512);
    let ids: Vec<u32> = (0..150).map(|i| i % 200).collect();
    let read = |stream: &mut Stream, store: &mut rhea_nn::transformer::KvStore, ids: &[u32]| {
        stream.hold(model, store, ids, true, 0).unwrap();
        model.last_logits(store, rhea_nn::transformer::Half::Text).unwrap().to_vec()
    };
    let at_fork = read(&mut trunk, &mut store, &ids);
    let free = store.usage().free;
    let mut fork = trunk.fork();
    assert_eq!((store.usage().free, fork.ids()), (free, &ids[..]));
    let other: Vec<u32> = ids.iter().copied().chain(3..60).collect();
    let forked = read(&mut fork, &mut store, &other);
    assert_eq!(read(&mut trunk, &mut store, &ids), at_fork, "the trunk did not hear of it");
    let mut fresh_store = model.new_store(512).unwrap();
    let mut fresh = Stream::new(&fresh_store, 512);
    assert_eq!(read(&mut fresh, &mut fresh_store, &other), forked);
    fork.truncate(ids.len());
    assert_eq!(fork.ids(), &ids[..]);
    assert_eq!(read(&mut fork, &mut store, &ids), at_fork, "taken back");
    drop((trunk, fork));
    assert_eq!(store.usage().free, store.usage().pages);
}
