//! The logits processor: grammar, sizes, guidance and filters, step by step over the whole vocabulary.

use rhea_engine::generate::{Branches, GenerateSettings, Machine, Next, Scales, Sizes, guide, reference_scores};
use rhea_engine::{Filter, Sampler};
use rhea_tokens::prompts::Task;
use rhea_tokens::{Grid, Vocabulary};
use serde::Deserialize;
use serde_json::Value;

use crate::fixtures::{Tensors, group, json};
use crate::vocabulary::emu35;

const VOCABULARY: u32 = 282_926;

#[derive(Deserialize)]
struct Scenarios {
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    name: String,
    kwargs: Kwargs,
    prompt_ids: Vec<u32>,
    unconditional_ids: Vec<u32>,
    tokens: Vec<u32>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Kwargs {
    guidance_scale: f32,
    image_cfg_scale: Option<f32>,
    use_differential_sampling: bool,
    force_same_image_size: bool,
    target_height: Option<usize>,
    target_width: Option<usize>,
    text_top_k: Option<usize>,
    text_top_p: Option<f32>,
    text_temperature: Option<f32>,
    image_top_k: Option<usize>,
    image_top_p: Option<f32>,
    image_temperature: Option<f32>,
}

#[derive(Deserialize)]
struct Step {
    step: usize,
    scores_seed: u32,
    in_image: bool,
    in_visual: bool,
    height: Option<usize>,
    width: Option<usize>,
    uncond_calls: Vec<Call>,
    out: Out,
}

#[derive(Deserialize)]
struct Call {
    logits_seed: u32,
}

#[derive(Deserialize)]
struct Out {
    n_finite: usize,
    finite_runs: Option<Vec<[usize; 2]>>,
    sum_finite: f64,
    top: Vec<(usize, f32)>,
    min: (usize, f32),
    probes: Vec<(usize, Option<f32>)>,
    kept_ids: Option<Vec<usize>>,
}

/// Logits by the formula of the fixtures.
fn synthetic(seed: u32, count: u32) -> Vec<f32> {
    let value = |i: u32| {
        let mut h = i.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(2_246_822_519));
        h = h.wrapping_add(374_761_393);
        h ^= h >> 15;
        h = h.wrapping_mul(2_246_822_519);
        h ^= h >> 13;
        h = h.wrapping_mul(3_266_489_917);
        h ^= h >> 16;
        (h >> 10) as f32 / (1 << 18) as f32 - 8.0
    };
    (0..count).map(value).collect()
}

fn settings(kwargs: &Kwargs) -> GenerateSettings {
    let filter = |temperature: Option<f32>, top_k: Option<usize>, top_p: Option<f32>| {
        let plain = Filter { temperature: 1.0, top_k: 0, top_p: 1.0 };
        if !kwargs.use_differential_sampling {
            return plain;
        }
        Filter { temperature: temperature.unwrap(), top_k: top_k.unwrap(), top_p: top_p.unwrap() }
    };
    GenerateSettings {
        text: filter(kwargs.text_temperature, kwargs.text_top_k, kwargs.text_top_p),
        picture: filter(kwargs.image_temperature, kwargs.image_top_k, kwargs.image_top_p),
        guidance: kwargs.guidance_scale,
        // The reference's processor takes no notice of `image_cfg_scale`: what it recorded is the formula at 1, to 1e-7.
        // `small_vectors` have the formula itself at other scales.
        picture_guidance: kwargs.image_cfg_scale.map(|_| 1.0),
        ..GenerateSettings::for_task(Task::Story)
    }
}

fn machine<'v>(vocabulary: &'v Vocabulary, scenario: &Scenario) -> Machine<'v> {
    let sides = scenario.kwargs.target_height.zip(scenario.kwargs.target_width);
    let sizes = Sizes {
        target: sides.map(|(rows, cols)| Grid::new(rows, cols).unwrap()),
        reference: Grid::of_last_picture(vocabulary, &scenario.unconditional_ids),
        target_first: scenario.kwargs.force_same_image_size,
        same: true,
    };
    Machine::new(vocabulary, sizes)
}

fn compare(scores: &[f32], want: &Out, at: &str) {
    let finite: Vec<usize> = (0..scores.len()).filter(|i| scores[*i].is_finite()).collect();
    assert_eq!(finite.len(), want.n_finite, "{at}: finite scores");
    if let Some(runs) = &want.finite_runs {
        assert!(finite.iter().copied().eq(runs.iter().flat_map(|[first, end]| *first..*end)), "{at}: runs");
    }
    if let Some(kept) = &want.kept_ids {
        assert_eq!(&finite, kept, "{at}: kept");
    }
    let sum: f64 = finite.iter().map(|i| f64::from(scores[*i])).sum();
    assert!((sum - want.sum_finite).abs() <= 1e-5 * want.sum_finite.abs().max(1.0), "{at}: sum {sum}");
    let near = |index: usize, value: f32| {
        assert!((scores[index] - value).abs() <= 1e-3, "{at}: score {index} is {}, not {value}", scores[index]);
    };
    want.top.iter().for_each(|(index, value)| near(*index, *value));
    near(want.min.0, want.min.1);
    let largest = finite.iter().map(|i| scores[*i]).fold(f32::NEG_INFINITY, f32::max);
    assert!((largest - want.top[0].1).abs() <= 1e-3, "{at}: largest");
    for (index, value) in &want.probes {
        match value {
            Some(value) => near(*index, *value),
            None => assert_eq!(scores[*index], f32::NEG_INFINITY, "{at}: score {index}"),
        }
    }
}

#[test]
fn golden_logits_formula() {
    let check = Tensors::open(&group("logits_processor").join("synthetic_logits_check.safetensors"));
    let mut seeds = 0;
    for seed in [0, 1, 1000, 501_000] {
        assert_eq!(synthetic(seed, 4096), check.f32(&format!("seed{seed}")), "seed {seed}");
        seeds += 1;
    }
    println!("golden logits formula: {seeds} seeds");
}

#[test]
fn golden_logits_scenarios() {
    let vocabulary = emu35();
    let file: Scenarios = json(&group("logits_processor").join("scenarios.json"));
    let mut compared = 0;
    for scenario in &file.scenarios {
        let settings = settings(&scenario.kwargs);
        let mut machine = machine(&vocabulary, scenario);
        assert!(!scenario.prompt_ids.is_empty());
        let mut read = 0;
        for step in &scenario.steps {
            for id in &scenario.tokens[read..step.step] {
                machine.push(*id);
            }
            read = step.step;
            let at = format!("{} step {}", scenario.name, step.step);
            assert_eq!(machine.in_picture(), step.in_image, "{at}");
            assert_eq!(machine.rows().is_some(), step.in_visual, "{at}: rows");
            let size = machine.size().map(|grid| (grid.rows(), grid.cols()));
            assert_eq!(size, step.height.zip(step.width), "{at}: size");
            let next = machine.next();
            // The unconditional branch is read at every step of a picture; the third one behind it.
            let seeds: Vec<u32> = step.uncond_calls.iter().map(|call| call.logits_seed).collect();
            let conditional = synthetic(step.scores_seed, VOCABULARY);
            let others: Vec<Vec<f32>> = seeds.iter().map(|seed| synthetic(*seed, VOCABULARY)).collect();
            let branches = Branches {
                conditional: &conditional,
                unconditional: others.first().unwrap_or(&conditional),
                without_pictures: others.get(1).map(Vec::as_slice),
            };
            compare(&reference_scores(next, &vocabulary, branches, &settings).unwrap(), &step.out, &at);
            compared += 1;
        }
    }
    println!("golden logits scenarios: {} scenarios, {compared} steps", file.scenarios.len());
}

/// Along every scenario, whole: what the grammar allows is what was written, and forced tokens are forced.
#[test]
fn golden_logits_histories() {
    let vocabulary = emu35();
    let file: Scenarios = json(&group("logits_processor").join("scenarios.json"));
    let (mut tokens, mut forced) = (0, 0);
    for scenario in &file.scenarios {
        let mut machine = machine(&vocabulary, scenario);
        for (index, id) in scenario.tokens.iter().enumerate() {
            let next = machine.next();
            assert!(next.allows(&vocabulary, *id), "{} token {index}: {next:?}, written {id}", scenario.name);
            forced += usize::from(matches!(next, Next::Forced(_)));
            tokens += 1;
            machine.push(*id);
        }
    }
    println!("golden logits histories: {tokens} tokens, {forced} of them forced");
}

#[test]
fn golden_logits_small_vectors() {
    let dir = group("logits_processor");
    let tensors = Tensors::open(&dir.join("small_vectors.safetensors"));
    let cases: Value = json(&dir.join("small_vectors.json"));
    let near = |got: &[f32], want: &[f32], case: &str| {
        assert_eq!(got.len(), want.len(), "{case}");
        for (g, w) in got.iter().zip(want) {
            assert!(g == w || (g - w).abs() <= 1e-5 * (1.0 + w.abs()), "{case}: {g}, should be {w}");
        }
    };
    let log_softmax = |values: Vec<f32>| {
        let sum: f64 = values.iter().map(|v| f64::from(*v).exp()).sum();
        values.iter().map(|v| (f64::from(*v) - sum.ln()) as f32).collect::<Vec<f32>>()
    };
    let mut count = 0;
    for case in cases.as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let get = |part: &str| tensors.f32(&format!("{name}.{part}"));
        let number = |field: &str| case[field].as_f64().map(|v| v as f32);
        let want = get("out");
        if name.starts_with("filter") {
            let filter = Filter {
                temperature: number("temperature").unwrap(),
                top_k: case["top_k"].as_u64().unwrap() as usize,
                top_p: number("top_p").unwrap(),
            };
            // What is removed already has no number to filter.
            let inputs = get("in");
            let finite: Vec<f32> = inputs.iter().map(|v| v.max(-1e9)).collect();
            let got = Sampler::new(0, filter).unwrap().filtered(&finite, |i| inputs[i].is_finite()).unwrap();
            assert_eq!(got.iter().filter(|v| v.is_finite()).count() as u64, case["n_kept"].as_u64().unwrap(), "{name}");
            near(&got, &want, name);
        } else {
            let scales = Scales { text: number("cfg_scale").unwrap(), pictures: number("image_cfg_scale") };
            let three = scales.pictures.is_some();
            let mut guided = log_softmax(get("cond"));
            let other = log_softmax(get(if three { "no_text" } else { "uncond" }));
            let without = three.then(|| log_softmax(get("no_any")));
            guide(&mut guided, &other, without.as_deref(), scales);
            near(&guided, &want, name);
            // Plain logits give the same up to one number for all.
            let mut plain = get("cond");
            let without = three.then(|| get("no_any"));
            guide(&mut plain, &get(if three { "no_text" } else { "uncond" }), without.as_deref(), scales);
            let shift = plain[0] - want[0];
            near(&plain.iter().map(|v| v - shift).collect::<Vec<_>>(), &want, name);
        }
        count += 1;
    }
    println!("golden logits small vectors: {count} cases");
}

/// The generic top-k of 131,072 that other code applies behind the processor removes the lowest text ids.
#[test]
fn golden_logits_generic_top_k() {
    #[derive(Deserialize)]
    struct File {
        scores_seed: u32,
        before: Out,
        after: Out,
    }
    let file: File = json(&group("logits_processor").join("hf_topk_after_text.json"));
    let (vocabulary, conditional) = (emu35(), synthetic(file.scores_seed, VOCABULARY));
    let branches = Branches { conditional: &conditional, unconditional: &conditional, without_pictures: None };
    let plain = Filter { temperature: 1.0, top_k: 0, top_p: 1.0 };
    let mut settings = GenerateSettings { text: plain, ..GenerateSettings::for_task(Task::Story) };
    compare(&reference_scores(Next::Text, &vocabulary, branches, &settings).unwrap(), &file.before, "before");
    settings.text.top_k = 131_072;
    compare(&reference_scores(Next::Text, &vocabulary, branches, &settings).unwrap(), &file.after, "after");
    println!("golden logits generic top-k: 2 cases");
}
