//! Whole answers from tiny folders: one that draws canvases, and one of the published kind.

use rhea_picture::Picture;
use rhea_tokens::prompts::Task;
use rhea_tokens::{Grid, Segment, parse_stream};

use super::*;
use crate::estimate::MemoryEstimate;
use crate::folder::OpenOptions;
use crate::generate::{
    FinishReason, GenerateEvent, GenerateRequest, GenerateSettings, Generated, Generator, Pace, Prompt, Stop,
};

fn ask(settings: GenerateSettings, task: Task, pictures: Vec<Picture>) -> GenerateRequest {
    let prompt = Prompt::Task { task, text: "a red door <|image start|>".to_owned(), pictures };
    GenerateRequest { prompt, size: None, settings, seed: 3 }
}

fn answer(generator: &mut Generator, request: &GenerateRequest) -> (Generated, Vec<GenerateEvent>) {
    let mut events = Vec::new();
    let generated = generator.generate(request, &Cancel::default(), &mut |event| events.push(event)).unwrap();
    (generated, events)
}

/// The codes of the pictures that were told of are those that a reader of the ids finds.
fn check_pictures(generator: &Generator, generated: &Generated, events: &[GenerateEvent]) -> usize {
    let parsed = parse_stream(generator.folder().text(), &generated.ids);
    let read = parsed.segments.iter().filter_map(|segment| match segment {
        Segment::Picture(picture) => Some((picture.grid, picture.codes.clone())),
        _ => None,
    });
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            GenerateEvent::PictureDone { grid, codes, picture, .. } => {
                assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
                Some((*grid, codes.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(read.collect::<Vec<_>>(), told);
    told.len()
}

#[test]
fn weights_that_know_canvases_answer_with_a_picture_first() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), |_, _| {});
    let mut generator = Generator::new(ModelFolder::open(dir.path()).unwrap()).unwrap();
    let settings = generator.settings_for(Task::Explore);
    assert!(settings.begin_with_picture && settings.stop.answer);
    let request =
        ask(GenerateSettings { stop: Stop { tokens: 40, ..settings.stop }, ..settings }, Task::Explore, vec![]);
    let (first, events) = answer(&mut generator, &request);
    assert!(check_pictures(&generator, &first, &events) >= 1);
    assert!(matches!(events.last(), Some(GenerateEvent::Finished(_))));
    let GenerateEvent::PictureStarted { index: 0, grid } = events[0] else { panic!("{:?}", events[0]) };
    assert_eq!((grid.rows(), grid.cols()), (2, 2));
    // Another request between does not change it, and a fresh folder gives the same.
    answer(&mut generator, &GenerateRequest { seed: 4, ..request.clone() });
    assert_eq!(answer(&mut generator, &request).0.ids, first.ids);
    let mut fresh = Generator::new(ModelFolder::open(dir.path()).unwrap()).unwrap();
    assert_eq!(answer(&mut fresh, &request).0.ids, first.ids);
}

/// Pictures of 16 px cells in any size, three channels, no canvases.
fn published_kind(dir: &Path) -> Generator {
    let vision = VisionConfig {
        ch: 32,
        ch_mult: vec![1, 1, 1],
        attn_resolutions: vec![8],
        resolution: 32,
        z_channels: 16,
        codebook_size: 32,
        in_channels: 3,
        out_ch: 3,
        patch_size: 1,
        memory_skip: false,
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
    write_sized(dir, &vision, config, 300, |_, _| {});
    let options = OpenOptions { context: Some(600), branches: 3, ..OpenOptions::default() };
    Generator::new(ModelFolder::open_with(dir, &options).unwrap()).unwrap()
}

#[test]
fn published_kinds_draw_any_size_with_guidance_and_previews() {
    let dir = tempfile::tempdir().unwrap();
    let mut generator = published_kind(dir.path());
    let settings = GenerateSettings {
        begin_with_picture: true,
        preview_rows: 2,
        picture_area: 16 * 24,
        stop: Stop { tokens: 90, pictures: Some(2), answer: false },
        ..GenerateSettings::for_task(Task::Story)
    };
    let mut request = ask(settings, Task::Story, vec![]);
    request.size = Some(Grid::new(5, 3).unwrap());
    let (generated, events) = answer(&mut generator, &request);
    assert!(check_pictures(&generator, &generated, &events) >= 1);
    let previews: Vec<(usize, Option<usize>)> = events
        .iter()
        .filter_map(|event| match event {
            GenerateEvent::PicturePartial { index: 0, rows, preview, .. } => {
                Some((*rows, preview.as_ref().map(|p| p.height)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(previews, [(1, None), (2, Some(8)), (3, None), (4, Some(16))]);
    // The fused pace draws what the reference's does: both from the same numbers.
    let mut slow = request.clone();
    slow.settings.pace = Pace::Reference;
    slow.settings.stop.pictures = Some(1);
    request.settings.stop.pictures = Some(1);
    let (fast, slow) = (answer(&mut generator, &request).0, answer(&mut generator, &slow).0);
    assert_eq!(fast.ids, slow.ids);
    assert!(fast.usage.passes + 7 < slow.usage.passes, "{} and {}", fast.usage.passes, slow.usage.passes);
    // With a reference picture of 4 x 6 cells and no size asked for, pictures are of its size.
    request.size = None;
    request.prompt = ask(request.settings.clone(), Task::X2i, vec![Picture::filled(50, 33, [200, 20, 20])]).prompt;
    for picture_guidance in [None, Some(1.5)] {
        request.settings.picture_guidance = picture_guidance;
        let (generated, events) = answer(&mut generator, &request);
        check_pictures(&generator, &generated, &events);
        let grid = events.iter().find_map(|e| match e {
            GenerateEvent::PictureStarted { grid, .. } => Some((grid.rows(), grid.cols())),
            _ => None,
        });
        assert_eq!(grid, Some((4, 4)));
        assert!(events.iter().any(|e| matches!(e, GenerateEvent::PromptRead { done, of } if done == of)));
    }
}

#[test]
fn a_full_context_ends_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut generator = published_kind(dir.path());
    let settings = GenerateSettings {
        begin_with_picture: true,
        stop: Stop { tokens: 5000, pictures: None, answer: false },
        ..GenerateSettings::for_task(Task::Story)
    };
    let mut request = ask(settings, Task::Story, vec![]);
    request.size = Some(Grid::new(40, 40).unwrap());
    let (generated, _) = answer(&mut generator, &request);
    assert_eq!(generated.finish, FinishReason::Context);
    assert!(generated.ids.len() > 500);
}

#[test]
fn an_estimate_is_what_is_held() {
    let dir = tempfile::tempdir().unwrap();
    drop(published_kind(dir.path()));
    for form in [rhea_nn::transformer::WeightForm::Stored, rhea_nn::transformer::WeightForm::Q8] {
        let options = OpenOptions { form: Some(form), ..OpenOptions::default() };
        let estimate: MemoryEstimate = ModelFolder::estimate(dir.path(), &options).unwrap();
        let folder = ModelFolder::open_with(dir.path(), &options).unwrap();
        let (own, mapped) = folder.transformer().weight_bytes();
        assert_eq!((estimate.mapped_bytes, folder.memory().mapped_bytes), (mapped, mapped));
        // Panels are padded to whole registers, which is much for matrices as small as these and nothing for real ones.
        let close = (estimate.weights_bytes..=2 * estimate.weights_bytes).contains(&own);
        assert!(close, "{own} held, {} estimated", estimate.weights_bytes);
        assert!(estimate.to_string().contains("keys and values"), "{estimate}");
    }
}

#[test]
fn a_walk_with_a_published_kind_draws_every_view_and_sees_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(published_kind(dir.path()));
    let mut model = Imagination::open(dir.path()).unwrap();
    // Without depth a warp of the last view covers everything, also where the walker has moved on.
    let mut warp = half_known(32);
    warp.view.depth_m.fill(rhea_picture::FARTHEST_M);
    let mut seen = Vec::new();
    for memory in [None, Some(warp)] {
        let asked = ViewRequest { memory, ..request(None, Decoding::NextToken) };
        let drawn = model.imagine(&asked, &Cancel::default()).unwrap();
        assert_eq!((drawn.passes, drawn.view.width), (64, 32), "every cell is drawn");
        assert!(drawn.view.depth_m.iter().all(|depth| *depth > 0.99 * rhea_picture::FARTHEST_M));
        seen.push(drawn.codes);
    }
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn shown_views_stand_in_the_prompt_and_pinned_cells_are_not_drawn() {
    let dir = tempfile::tempdir().unwrap();
    drop(published_kind(dir.path()));
    let mut model = Imagination::open(dir.path()).unwrap();
    let room = model.reads_views().unwrap();
    assert_eq!((room.context, room.grid.cells()), (512, 64));
    let calm = Cancel::default();
    let mut draw = |memory: Option<Warp>, shown: Option<ShownViews>| {
        model.imagine(&ViewRequest { memory, shown, ..request(None, Decoding::NextToken) }, &calm).unwrap()
    };
    let plain = draw(None, Some(ShownViews::default()));
    let seen = |at: u32| ShownViews {
        anchor: Some(vec![1; 64]),
        recalled: vec![(format!("Seen at step {at}, 30 degrees to the left"), vec![2; 64])],
        turns: vec![ShownTurn { command: "turn left".into(), codes: vec![3; 64], narration: "a door".into() }],
        pinned: Vec::new(),
    };
    let (three, four) = (draw(None, Some(seen(3))), draw(None, Some(seen(4))));
    assert_eq!(plain.passes, 64);
    assert_ne!(plain.codes, three.codes);
    assert_ne!(three.codes, four.codes, "the words are read");
    // Far more than fits: the nearest of them stay.
    let many = ShownViews { recalled: vec![("Seen".into(), vec![5; 64]); 40], ..seen(3) };
    assert_eq!(draw(None, Some(many)).passes, 64);

    let mut memory = Warp::empty(32, 32);
    memory.view.rgb.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7 % 251) as u8);
    memory.valid.fill(true);
    memory.magnification.fill(1.0);
    let codes = draw_codes(dir.path(), &memory);
    let pinned: Vec<bool> = (0..64).map(|cell| cell % 8 < 5).collect();
    let mended = draw(Some(memory), Some(ShownViews { pinned: pinned.clone(), ..seen(3) }));
    assert_eq!(mended.passes, 64 - 40);
    for (cell, pinned) in pinned.iter().enumerate().filter(|(_, pinned)| **pinned) {
        assert!(*pinned && mended.codes[cell] == codes[cell], "{cell}");
    }
}

/// The codes of a warped picture.
fn draw_codes(dir: &Path, memory: &Warp) -> Vec<u32> {
    ModelFolder::open(dir).unwrap().vision().encode(&memory.filled()).unwrap()
}
