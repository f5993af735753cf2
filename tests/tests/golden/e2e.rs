//! The whole loop: a tiny model over the whole vocabulary writes stories and pictures, greedily, token by token.
//!
//! Its weights (9 MB) do not stand beside the tests: they are taken from the folder that `RHEA_GOLDEN` names, or from the
//! reference folder beside the repository.

use std::path::{Path, PathBuf};

use rhea_engine::generate::{
    FinishReason, GenerateMemory, GenerateSettings, Pace, Stop, TokenEvent, TokenRequest, answer_tokens,
};
use rhea_engine::{Cancel, Filter};
use rhea_nn::transformer::{Loading, Transformer, TransformerConfig, WeightForm};
use rhea_nn::weights::Weights;
use rhea_tokens::prompts::Task;
use rhea_tokens::{Grid, Vocabulary};
use serde::Deserialize;

use crate::fixtures::{group, json};
use crate::vocabulary::emu35;

#[derive(Deserialize)]
pub struct Case {
    pub label: String,
    target_height: Option<usize>,
    target_width: Option<usize>,
    guidance_scale: f32,
    max_new_tokens: usize,
    input_ids: Vec<u32>,
    unconditional_ids: Vec<u32>,
    pub generated: Vec<u32>,
    n_images: usize,
    stopped_on_eos: bool,
}

pub fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/golden/e2e_generate");
    let found = [group("e2e_generate"), beside].into_iter().find(|dir| dir.join("model.safetensors").is_file());
    if found.is_none() {
        eprintln!("skipped: golden e2e needs e2e_generate/model.safetensors; RHEA_GOLDEN names a folder that has it");
    }
    found
}

fn model(dir: &Path, vocabulary: &Vocabulary, form: WeightForm) -> Transformer {
    let config = TransformerConfig::from_json(&std::fs::read_to_string(dir.join("config.json")).unwrap()).unwrap();
    let weights = Weights::open_folder(dir).unwrap();
    let first = vocabulary.visual_base() as usize;
    Transformer::from_weights(config, &weights, first, Loading { form, positions: 1024 }).unwrap()
}

pub fn request(case: &Case, pace: Pace) -> TokenRequest {
    let greedy = |top_k: usize, top_p: f32| Filter { temperature: 0.0, top_k, top_p };
    TokenRequest {
        conditional: case.input_ids.clone(),
        unconditional: case.unconditional_ids.clone(),
        without_pictures: None,
        size: case.target_height.zip(case.target_width).map(|(rows, cols)| Grid::new(rows, cols).unwrap()),
        settings: GenerateSettings {
            text: greedy(1024, 0.9),
            picture: greedy(5120, 1.0),
            guidance: case.guidance_scale,
            stop: Stop { tokens: case.max_new_tokens, pictures: None, answer: false },
            pace,
            ..GenerateSettings::for_task(Task::Story)
        },
        seed: 1,
    }
}

#[test]
fn golden_e2e_greedy() {
    let Some(dir) = folder() else { return };
    let vocabulary = emu35();
    let cases: Vec<Case> = json(&dir.join("cases.json"));
    let model = model(&dir, &vocabulary, WeightForm::Stored);
    let (mut tokens, mut passes, mut reference_passes) = (0, 0, 0);
    for case in &cases {
        for pace in [Pace::Reference, Pace::Fused] {
            let mut memory = GenerateMemory::new(&model, 1024, 2).unwrap();
            let mut heard = Vec::new();
            let mut pictures = 0;
            let mut hear = |event: TokenEvent<'_>| match event {
                TokenEvent::Token(id) => heard.push(id),
                TokenEvent::PictureDone(grid, codes) => {
                    assert_eq!(codes.len(), grid.cells());
                    pictures += 1;
                }
                _ => {}
            };
            let calm = Cancel::default();
            let asked = request(case, pace);
            let got = answer_tokens(&model, &vocabulary, &mut memory, &asked, None, &calm, &mut hear).unwrap();
            assert_eq!(got.ids, case.generated, "{} {pace:?}", case.label);
            assert_eq!((heard, pictures), (got.ids, case.n_images));
            let reason = if case.stopped_on_eos { FinishReason::EndOfStream } else { FinishReason::Tokens };
            assert_eq!(got.finish, reason);
            match pace {
                // Every token has a pass of its own, or none has but those that were drawn.
                Pace::Reference => assert_eq!(got.usage.passes, got.usage.tokens),
                Pace::Fused => assert_eq!(got.usage.passes, got.usage.drawn),
            }
            if pace == Pace::Fused {
                passes += got.usage.passes;
                tokens += got.usage.tokens;
            } else {
                reference_passes += got.usage.passes;
            }
        }
    }
    println!(
        "golden e2e: {} answers of {tokens} tokens, in {passes} passes fused and {reference_passes} one by one",
        cases.len()
    );
}

#[test]
fn golden_e2e_cancelled_between_any_two_tokens() {
    let Some(dir) = folder() else { return };
    let vocabulary = emu35();
    let cases: Vec<Case> = json(&dir.join("cases.json"));
    let model = model(&dir, &vocabulary, WeightForm::Stored);
    let mut memory = GenerateMemory::new(&model, 1024, 2).unwrap();
    let case = &cases[0];
    let mut count = 0;
    for after in (1..case.generated.len()).step_by(7) {
        let cancel = Cancel::default();
        let mut heard = 0;
        let mut hear = |event: TokenEvent<'_>| {
            heard += usize::from(matches!(event, TokenEvent::Token(_)));
            if heard == after {
                cancel.cancel();
            }
        };
        let asked = request(case, Pace::Fused);
        let got = answer_tokens(&model, &vocabulary, &mut memory, &asked, None, &cancel, &mut hear).unwrap();
        assert_eq!((got.finish, &got.ids[..]), (FinishReason::Cancelled, &case.generated[..after]));
        count += 1;
    }
    // What was read before changes nothing.
    let asked = request(case, Pace::Fused);
    let got = answer_tokens(&model, &vocabulary, &mut memory, &asked, None, &Cancel::default(), &mut |_| {}).unwrap();
    assert_eq!(got.ids, case.generated);
    println!("golden e2e: cancelled after {count} different tokens");
}

#[test]
fn golden_e2e_stops_after_a_picture_and_draws_by_seed() {
    let Some(dir) = folder() else { return };
    let vocabulary = emu35();
    let cases: Vec<Case> = json(&dir.join("cases.json"));
    let model = model(&dir, &vocabulary, WeightForm::Stored);
    let mut memory = GenerateMemory::new(&model, 1024, 3).unwrap();
    let mut answer = |asked: &TokenRequest| {
        answer_tokens(&model, &vocabulary, &mut memory, asked, None, &Cancel::default(), &mut |_| {}).unwrap()
    };
    let mut asked = request(&cases[0], Pace::Fused);
    asked.settings.stop.pictures = Some(1);
    let got = answer(&asked);
    assert_eq!((got.finish, got.usage.pictures), (FinishReason::Pictures, 1));
    assert_eq!(got.ids[..], cases[0].generated[..got.ids.len()]);
    assert_eq!(got.ids.last(), Some(&vocabulary.control().eoi));
    // Drawn by seed, both paces from the same numbers; three-way guidance has a branch of its own.
    asked.settings.text = Filter { temperature: 1.0, top_k: 0, top_p: 1.0 };
    asked.settings.picture = Filter { temperature: 1.0, top_k: 100, top_p: 0.95 };
    asked.settings.begin_with_picture = true;
    asked.settings.stop = Stop { tokens: 40, pictures: Some(2), answer: false };
    for picture_guidance in [None, Some(1.5)] {
        asked.settings.picture_guidance = picture_guidance;
        asked.seed = 5;
        let first = answer(&asked);
        assert_eq!(first.ids, answer(&asked).ids, "the same seed");
        asked.seed = 6;
        assert_ne!(first.ids, answer(&asked).ids, "another seed");
    }
    println!("golden e2e: stop rules and seeds");
}
