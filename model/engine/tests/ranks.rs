//! The shipped model on several ranks: the same tokens as on one, drawn token by token and as whole canvases, with guidance and
//! without; and what each rank holds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use rhea_engine::generate::{GenerateEvent, GenerateRequest, GenerateSettings, Generator, Prompt, Stop};
use rhea_engine::spread::{Device, DeviceInfo, ParallelPlan, ParallelRequest};
use rhea_engine::{Cancel, Decoding, Filter, ModelFolder, OpenOptions, Stream};
use rhea_nn::kernels::{Arithmetic, Format, Unit, arithmetic};
use rhea_nn::parallel::Spread;
use rhea_nn::transformer::{Half, Transformer, WeightForm};
use rhea_tokens::prompts::Task;

/// What ranks may differ from one rank, in f32.
const TOLERANCE: f32 = 1e-4;
/// Spreads beside the single rank (layers in parts and in runs, readers, guidance lanes with and without), and which share of the
/// keys and values of two branches their first rank has.
const SPREADS: [((usize, usize, usize, usize), f64); 8] = [
    ((2, 1, 1, 1), 0.5),
    ((4, 1, 1, 1), 0.5),
    ((1, 2, 1, 1), 0.5),
    ((1, 3, 1, 1), 1.0 / 3.0),
    ((1, 1, 2, 1), 1.0),
    ((2, 1, 2, 1), 0.5),
    ((1, 1, 1, 2), 0.5),
    ((2, 1, 1, 2), 0.25),
];

fn nano() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nano")
}

fn spread((tensor, stages, context, lanes): (usize, usize, usize, usize)) -> Spread {
    Spread { tensor, stages, context, lanes }
}

fn options(spread: Spread) -> OpenOptions {
    let exact = Arithmetic { unit: Unit::F32, format: Format::F32, ..arithmetic() };
    OpenOptions { form: Some(WeightForm::Packed(exact)), context: Some(1024), spread, ..OpenOptions::default() }
}

fn generator(spread: Spread) -> Generator {
    Generator::new(ModelFolder::open_with(&nano(), &options(spread)).unwrap()).unwrap()
}

/// A picture and what is said of it; the ids, and the picture's pixels.
fn answer(generator: &mut Generator, decoding: Decoding, picture: Filter, guidance: f32) -> (Vec<u32>, Vec<u8>) {
    let settings = generator.settings_for(Task::Explore);
    let settings = GenerateSettings {
        decoding,
        picture,
        guidance,
        text: Filter::GREEDY,
        stop: Stop { tokens: 90, ..settings.stop },
        ..settings
    };
    let text = "a room with teal walls and a red door. walk forward 1 m".to_owned();
    let prompt = Prompt::Task { task: Task::Explore, text, pictures: Vec::new() };
    let request = GenerateRequest { prompt, size: None, settings, seed: 11 };
    let mut pixels = Vec::new();
    let generated = generator.generate(&request, &Cancel::default(), &mut |event| {
        if let GenerateEvent::PictureDone { picture, .. } = event {
            pixels = picture.rgb;
        }
    });
    (generated.unwrap().ids, pixels)
}

/// Token by token and as a canvas, greedy and with filters, by lists and by all logits, guided and not.
fn answers(generator: &mut Generator) -> Vec<(Vec<u32>, Vec<u8>)> {
    let sampled = Filter { temperature: 1.0, top_k: 64, top_p: 0.95 };
    let whole = Decoding::Parallel { passes: 4 };
    vec![
        answer(generator, Decoding::NextToken, Filter::GREEDY, 3.0),
        answer(generator, Decoding::NextToken, sampled, 3.0),
        answer(generator, Decoding::NextToken, Filter { top_k: 0, ..sampled }, 1.0),
        answer(generator, whole, Filter::GREEDY, 1.0),
        answer(generator, whole, sampled, 3.0),
    ]
}

/// Logits of both halves behind two branches.
fn logits(model: &Transformer) -> Vec<f32> {
    let mut store = model.new_store_for(512, 2).unwrap();
    let (mut first, mut second) = (store.branch_on(0), store.branch_on(1));
    let vocab = model.config().vocab_size as u32;
    let ids: Vec<u32> = (0..150).map(|i| i * 7919 % vocab).collect();
    model.extend(&mut store, &mut [(&mut first, &ids), (&mut second, &ids[..70])]).unwrap();
    let mut logits = model.last_logits(&mut store, Half::Visual).unwrap().to_vec();
    logits.extend_from_slice(model.last_logits(&mut store, Half::Text).unwrap());
    logits
}

/// Bytes that the first rank reserves for two branches.
fn reserved(model: &Transformer) -> f64 {
    model.new_store_for(1024, 2).unwrap().reserved_bytes() as f64
}

#[test]
fn the_shipped_model_answers_alike_on_any_number_of_ranks() {
    let mut alone = generator(Spread::SINGLE);
    let want = answers(&mut alone);
    assert!(want.iter().all(|(ids, pixels)| ids.len() > 70 && !pixels.is_empty()));
    let alone = alone.folder().transformer();
    let (want_logits, want_reserved) = (logits(alone), reserved(alone));
    // Two key heads: keys and values of a half each for two ranks, and no less for four, two of which hold the same head.
    for (size, share) in SPREADS {
        let mut several = generator(spread(size));
        assert_eq!(answers(&mut several), want, "{size:?}");
        let model = several.folder().transformer();
        assert_eq!(model.ranks(), size.0 * size.1 * size.2 * size.3);
        let got = logits(model);
        let off = got.iter().zip(&want_logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(got.len() == want_logits.len() && off <= TOLERANCE, "{size:?}: {off}");
        println!("nano in {size:?}: the same answers, logits within {off:.1e}");
        assert!((reserved(model) / want_reserved - share).abs() < 1e-6, "{size:?}");
    }
}

#[test]
fn the_shipped_model_answers_alike_on_a_device() {
    let mut kernels = generator(Spread::SINGLE);
    let want = answers(&mut kernels);
    let want_logits = logits(kernels.folder().transformer());
    for (size, devices) in [((1, 1, 1, 1), 1), ((2, 1, 1, 2), 4)] {
        let options = OpenOptions { devices: vec![Device::Candle; devices], ..options(spread(size)) };
        let mut device = Generator::new(ModelFolder::open_with(&nano(), &options).unwrap()).unwrap();
        assert_eq!(answers(&mut device), want, "{size:?}");
        let model = device.folder().transformer();
        assert!(model.device().is_some_and(|on| on.name() == "cpu"));
        let got = logits(model);
        let off = got.iter().zip(&want_logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(got.len() == want_logits.len() && off <= TOLERANCE, "{size:?}: {off}");
        println!("nano on a device in {size:?}: the same answers, logits within {off:.1e}");
    }
}

#[test]
fn devices_that_are_not_there_are_refused_before_anything_is_loaded() {
    let open = |devices: Vec<Device>, form| {
        let options = OpenOptions { devices, form, ..options(Spread::SINGLE) };
        ModelFolder::open_with(&nano(), &options).err().map(|error| error.to_string())
    };
    let text = open(vec![Device::Cuda(4096)], None).unwrap();
    assert!(text.contains("there is no cuda:4096 here") && text.lines().count() == 1, "{text}");
    let text = open(vec![Device::Candle], Some(WeightForm::Q8)).unwrap();
    assert!(text.contains("q8_0 weights on candle: allowed there are stored and fp8"), "{text}");
}

#[test]
fn prompts_of_two_branches_are_read_side_by_side_and_stay_what_they_are() {
    let folder = |spread| ModelFolder::open_with(&nano(), &options(spread)).unwrap();
    let (alone, apart) = (folder(Spread::SINGLE), folder(spread((1, 1, 1, 2))));
    let vocab = alone.transformer().config().vocab_size as u32;
    let ids = |len: u32, salt: u32| (0..len).map(|i| (i * 7919 + salt) % vocab).collect::<Vec<u32>>();
    // The second branch is the longer one, then the first; both keep what they have in common with what was read before.
    let mut known = (ids(300, 5), ids(420, 9));
    let [mut one, mut two] = [&alone, &apart].map(|folder| {
        let store = folder.transformer().new_store_for(1024, 2).unwrap();
        let streams = [Stream::on(&store, 1024, 0), Stream::on(&store, 1024, 1)];
        (store, streams)
    });
    for _ in 0..2 {
        let (model, (store, [first, second])) = (alone.transformer(), &mut one);
        let mut want = Vec::new();
        for (stream, ids) in [(first, &known.0), (second, &known.1)] {
            stream.hold(model, store, ids, true, 0).unwrap();
            want.extend_from_slice(model.last_logits(store, Half::Visual).unwrap());
        }
        let (model, (store, [first, second])) = (apart.transformer(), &mut two);
        Stream::hold_each(model, store, &mut [(first, &known.0), (second, &known.1)], true, 0).unwrap();
        assert!(model.last_logits(store, Half::Visual).unwrap() == want, "logits differ");
        assert_eq!((first.ids(), second.ids()), (&known.0[..], &known.1[..]));
        known.0.truncate(200);
        known.0.extend(ids(330, 77));
        known.1.truncate(64);
        known.1.extend(ids(3, 78));
    }
}

#[test]
fn each_of_four_ranks_holds_less_than_three_tenths_of_the_weights() {
    for form in [options(Spread::SINGLE).form, Some(WeightForm::Stored), Some(WeightForm::Q8)] {
        let open = |spread| ModelFolder::open_with(&nano(), &OpenOptions { form, ..options(spread) }).unwrap();
        let whole = open(Spread::SINGLE).transformer().rank_bytes()[0];
        let four = spread((4, 1, 1, 1));
        let held = open(four).transformer().rank_bytes();
        let shares: Vec<f64> = held.iter().map(|bytes| *bytes as f64 / whole as f64).collect();
        println!("{:10} whole {whole} bytes, ranks {held:?}, shares {shares:.3?}", form.map_or("", WeightForm::name));
        assert!(shares.len() == 4 && shares.iter().all(|share| *share <= 0.30), "{shares:?}");
        // What the plan said before: it leaves out norms, and padding of the kernels' panels.
        let options = OpenOptions { form, ..options(four) };
        let request = ParallelRequest::Parts { tp: 4, context: 1, cfg: 1 };
        let (plan, _) = ModelFolder::plan(&nano(), &options, request, &[DeviceInfo::processor()]).unwrap();
        for (rank, held) in plan.ranks.iter().zip(&held) {
            let ratio = rank.weights_bytes as f64 / *held as f64;
            assert!((0.96..1.01).contains(&ratio), "{ratio}");
        }
    }
}

#[test]
fn a_plan_of_readers_counts_layers_keys_and_values_for_each_of_them() {
    let plan = |request: &str, devices: &[DeviceInfo]| {
        ModelFolder::plan(&nano(), &options(Spread::SINGLE), request.parse().unwrap(), devices).map(|(plan, _)| plan)
    };
    let cpu = [DeviceInfo::processor()];
    let (alone, readers) = (plan("tp=1", &cpu).unwrap(), plan("context=2", &cpu).unwrap());
    assert_eq!(readers.ranks.len(), 2);
    for rank in &readers.ranks {
        assert_eq!(rank.kv_bytes, alone.ranks[0].kv_bytes, "all keys and values");
        // All layers, and half of the vocabulary.
        let share = rank.weights_bytes as f64 / alone.whole_bytes as f64;
        assert!((0.8..0.9).contains(&share), "{share}");
    }
    let both = plan("tp=2,context=2,cfg=2", &cpu).unwrap();
    assert_eq!((both.ranks.len(), both.ranks[0].kv_bytes), (8, alone.ranks[0].kv_bytes / 4));
    let text = both.to_string();
    assert!(text.contains("tp=2,context=2,cfg=2 on 8 ranks") && text.contains("2 readers of a branch"), "{text}");
    // It is never chosen unasked; on CUDA devices keys and values go by way of the processor.
    let gpu = |n| DeviceInfo { device: Device::Cuda(n), name: "GPU".to_owned(), free_bytes: Some(80 << 30) };
    let gpus: Vec<DeviceInfo> = (0..4).map(gpu).collect();
    assert_eq!(plan("auto", &gpus).unwrap().spread.context, 1);
    let text = plan("context=2,cfg=2", &gpus).unwrap().to_string();
    assert!(text.contains("rank 3 on cuda:3") && text.contains("through the processor, once a layer"), "{text}");
    let text = plan("tp=4,cfg=2", &gpus).unwrap_err().to_string();
    assert!(text.contains("8 ranks on 4 devices"), "{text}");
}

#[test]
fn a_plan_that_does_not_fit_is_refused_before_anything_is_loaded() {
    let small = DeviceInfo { free_bytes: Some(12 << 20), ..DeviceInfo::processor() };
    let (plan, sizes): (ParallelPlan, _) =
        ModelFolder::plan(&nano(), &options(Spread::SINGLE), "tp=2".parse().unwrap(), &[small]).unwrap();
    let text = plan.check(&sizes).unwrap_err().to_string();
    assert!(text.contains("the plan tp=2 needs") && text.contains("12.0 MiB left"), "{text}");
    let refuse = |request: &str| {
        let request = request.parse().unwrap();
        ModelFolder::plan(&nano(), &options(Spread::SINGLE), request, &[DeviceInfo::processor()])
            .unwrap_err()
            .to_string()
    };
    assert!(refuse("tp=3").contains("[1, 2, 4]"));
    assert!(refuse("layers=7").contains("6 layers"));
    assert!(refuse("cfg=3").contains("allowed are 1 to 2"));
}
