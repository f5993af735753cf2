//! `rhea imagine`: words and pictures in, a folder with the answer out.

mod progress;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use rhea_engine::generate::{
    Answers, FinishReason, GenerateEvent, GenerateRequest, GenerateSettings, Generated, Generator, Prompt,
    ThoughtAbout, Usage,
};
use rhea_engine::spread::devices_found;
use rhea_engine::{Cancel, EngineError, ModelFolder, OpenOptions};
use rhea_nn::transformer::{TransformerConfig, WeightForm};
use rhea_picture::{CELL_PX, Picture, load_picture};
use rhea_record::{AnswerFolder, AnswerMark, RecordError};
use rhea_tokens::prompts::Task;
use rhea_tokens::{Aspect, Conversation, Grid, TurnPrompt};

use crate::cli::ImagineArgs;
use crate::engine::{self, EngineChoice};
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::say::say;
use crate::spread::{SpreadArgs, placed, print_plan};
use progress::{AnswerProgress, speed};
use settings::Wishes;

/// Reference pictures of one answer. The published models know up to three.
const MAX_IMAGES: usize = 8;
/// Tokens of a prompt's template, at most.
const TEMPLATE_TOKENS: usize = 64;
/// What stands in a request until its turn comes.
const NO_PROMPT: Prompt = Prompt::Turn(TurnPrompt { conditional: Vec::new(), unconditional: Vec::new(), left_out: 0 });
/// The record's name.
const RECORD: &str = "answer";

/// Answers and writes the folder.
///
/// # Errors
/// When model, pictures, settings or output folder cannot be used, or the model fails on the way.
pub fn run(args: &ImagineArgs) -> Result<ExitCode> {
    let task = Task::from_tag(&args.task).ok_or_else(|| Fault::new("no such task", "See rhea imagine --help."))?;
    if !args.then.is_empty() && !matches!(task, Task::Explore | Task::Vla) {
        let what = format!("{} is answered in one turn", task.tag());
        return Err(Fault::new(what, "Use --then with --task explore or --task vla.").into());
    }
    let wishes = Wishes::of_arguments(args)?;
    let pictures = load_pictures(&args.images)?;
    let aspect = wishes.aspect(task, pictures.len())?;
    let model = place::model_folder(args.model.model.as_deref())?;
    let out = (!args.plan_only).then(|| place::answer_folder(args.out.as_deref())).transpose()?;

    let began = Instant::now();
    let opened = open(&model, task, args, &wishes, pictures.len())?;
    let (Some(out), Some(Opened { mut generator, place, tries_again })) = (out, opened) else {
        return Ok(ExitCode::SUCCESS);
    };
    say!("Model {} opened in {:.1} s{place}.", model.display(), began.elapsed().as_secs_f32());
    let mut settings = generator.settings_for(task);
    wishes.change(&mut settings);
    let asked = wishes.aspect.is_some();
    let size = size_for(generator.as_ref(), aspect, asked)?;

    let turns: Vec<&str> = std::iter::once(&args.prompt).chain(&args.then).map(String::as_str).collect();
    let mut answer = Answer::create(&out, &turns.join("\n"), &pictures, turns.len() * settings.stop.tokens)?;
    let request = GenerateRequest { prompt: NO_PROMPT, size, settings, seed: wishes.seed() };
    let generator = &mut Talker { generator: generator.as_mut(), tries_again };
    let talked = talk(generator, (task, &turns), &pictures, request, &mut answer);
    answer.finish(talked, &out)
}

/// A model that is open.
struct Opened {
    generator: Box<dyn Answers>,
    /// Where it is, if it is not in this program.
    place: String,
    /// How often a turn is tried again whose model was lost.
    tries_again: u32,
}

/// A model that is asked again when it was lost.
struct Talker<'a> {
    generator: &'a mut dyn Answers,
    tries_again: u32,
}

impl Talker<'_> {
    /// One turn. Where its model is lost, what it wrote is forgotten, and the next model writes it.
    fn turn(
        &mut self,
        request: &GenerateRequest,
        cancel: &Cancel,
        answer: &mut Answer,
    ) -> Result<Generated, EngineError> {
        let mut again = 0;
        loop {
            let mark = answer.folder.mark();
            let generated = self.generator.generate(request, cancel, &mut |event| answer.hear(event, cancel));
            self.generator.mended().iter().for_each(|what| answer.progress.say(what));
            match generated {
                Err(EngineError::Elsewhere(why)) if again < self.tries_again => {
                    again += 1;
                    answer.forget(mark, cancel);
                    answer.progress.say(&format!("{why}; this turn is written again"));
                }
                generated => return generated,
            }
        }
    }
}

/// Asks turn by turn; each reads what was said and drawn before, as far as it fits the context. Ends early when an answer does.
fn talk(
    talker: &mut Talker<'_>,
    (task, turns): (Task, &[&str]),
    pictures: &[Picture],
    mut request: GenerateRequest,
    answer: &mut Answer,
) -> Result<FinishReason, EngineError> {
    let area = request.settings.picture_area;
    let ids = pictures.iter().map(|picture| talker.generator.picture_ids(picture, area));
    let mut references = ids.collect::<Result<Vec<_>, _>>()?;
    let context = talker.generator.context();
    let room = context - request.settings.stop.tokens.min(context / 2);
    let mut conversation = Conversation::new(task);
    let cancel = Cancel::default();
    let mut finish = FinishReason::EndOfAnswer;
    for words in turns {
        let tokenizer = talker.generator.text();
        conversation.ask(tokenizer, words, &std::mem::take(&mut references))?;
        let prompt = conversation.prompt(tokenizer, room)?;
        if prompt.left_out > 0 {
            answer.progress.say(&format!("{} earlier turns no longer fit the context", prompt.left_out));
        }
        request.prompt = Prompt::Turn(prompt);
        let generated = talker.turn(&request, &cancel, answer)?;
        conversation.answer(talker.generator.text().vocabulary(), &generated.ids);
        request.seed = request.seed.wrapping_add(1);
        answer.end_turn(&generated, &cancel);
        finish = generated.finish;
        if matches!(finish, FinishReason::Context | FinishReason::Cancelled) {
            break;
        }
    }
    Ok(finish)
}

fn load_pictures(files: &[PathBuf]) -> Result<Vec<Picture>> {
    if files.len() > MAX_IMAGES {
        let what = format!("{} reference pictures; up to {MAX_IMAGES} are allowed", files.len());
        return Err(Fault::new(what, "Leave some --image out.").into());
    }
    let load = |file: &PathBuf| load_picture(file).hint("Name PNG or JPEG files with --image FILE.");
    files.iter().map(load).collect()
}

/// Opens a model with room for what the task may write; `None` where only the plan was asked for.
fn open(model: &Path, task: Task, args: &ImagineArgs, wishes: &Wishes, pictures: usize) -> Result<Option<Opened>> {
    let (choice, _) = args.engine.choice()?;
    if let EngineChoice::Server(url) = &choice {
        let SpreadArgs { device, parallel } = &args.engine.spread;
        if device.is_some() || parallel.is_some() || args.plan_only {
            let what = format!("--device, --parallel and --plan-only spread a model here, and this one is at {url}");
            return Err(Fault::new(what, "Leave them out, or take --engine inside.").into());
        }
        if args.quant.is_some() {
            let what = format!("--quant says how weights are held here, and they are at {url}");
            return Err(Fault::new(what, "Leave --quant out, or take --engine inside.").into());
        }
        let options = OpenOptions { context: wishes.context, ..OpenOptions::default() };
        let remote = engine::open_server(model, url, &options)?;
        let place = format!(", behind {url} as {}", remote.model());
        // A server is asked again by its own client.
        return Ok(Some(Opened { generator: Box::new(remote), place, tries_again: 0 }));
    }
    let mut settings = GenerateSettings::for_task(task);
    wishes.change(&mut settings);
    // No text has more tokens than bytes. A picture has its codes, row ends and frame.
    let picture = settings.picture_area / (CELL_PX * CELL_PX) * 9 / 8 + TEMPLATE_TOKENS;
    let prompt = TEMPLATE_TOKENS + args.prompt.len() + pictures * picture;
    let turns = 1 + args.then.len();
    let later = args.then.iter().map(|words| TEMPLATE_TOKENS + words.len()).sum::<usize>();
    let wanted = settings.stop.tokens.saturating_mul(turns).saturating_add(prompt + later);
    let positions = positions(model);
    let context = wishes.context.or_else(|| Some(wanted.min(positions?)));
    let form = match &args.quant {
        Some(name) => {
            Some(WeightForm::named(name).ok_or_else(|| Fault::new("no such form of weights", "See --help."))?)
        }
        None => None,
    };
    let vision = Some(place::vision_folder(model)?);
    let options = OpenOptions { form, context, branches: wishes.branches(), vision, ..OpenOptions::default() };
    let hint = "`rhea models verify DIR` checks a folder; --context N and --quant q8_0 make a model smaller.";
    let spread = &args.engine.spread;
    let plan = match spread.plan(model, &options, print_plan)? {
        None if args.plan_only => Some(spread.choice()?.checked(model, &options, &devices_found(), print_plan)?),
        plan => plan,
    };
    if plan.is_none() {
        let estimate = ModelFolder::estimate(model, &options).hint(hint)?;
        say!("Memory: {estimate}");
    }
    if args.plan_only {
        return Ok(None);
    }
    if choice == EngineChoice::Process {
        let generator = engine::open_answers(model, &spread.choice()?, plan.as_ref(), &options)?;
        let (place, tries_again) = (", in a process of its own".to_owned(), engine::TRIES_AGAIN);
        return Ok(Some(Opened { generator: Box::new(generator), place, tries_again }));
    }
    let options = placed(options, plan.as_ref());
    let generator = ModelFolder::open_with(model, &options).and_then(Generator::new).hint(hint)?;
    Ok(Some(Opened { generator: Box::new(generator), place: String::new(), tries_again: 0 }))
}

/// The positions that a model's settings name. What is wrong with them is said when the model is opened.
fn positions(model: &Path) -> Option<usize> {
    let text = std::fs::read_to_string(model.join("config.json")).ok()?;
    Some(TransformerConfig::from_json(&text).ok()?.max_position_embeddings)
}

/// The size of the pictures, as far as the model leaves a choice.
fn size_for(generator: &dyn Answers, aspect: Aspect, asked: bool) -> Result<Option<Grid>> {
    match (aspect.grid(), generator.only_grid()) {
        (Some(grid), Some(only)) if asked && grid != only => {
            let (rows, cols) = (only.rows(), only.cols());
            let what = format!("this model draws pictures of {rows} x {cols} cells only");
            Err(Fault::new(what, "Leave --aspect out, or say auto.").into())
        }
        (grid, None) => Ok(grid),
        (_, only) => Ok(only),
    }
}

/// The answer as it comes: on disk, and on the screen.
struct Answer {
    folder: AnswerFolder,
    /// Text since the last picture or thought.
    text: String,
    progress: AnswerProgress,
    /// Rows of the picture that is being drawn: done, and all.
    rows: Option<(usize, usize)>,
    /// What the turns before this one took.
    before: Usage,
    /// The first part that could not be written.
    failed: Option<RecordError>,
}

impl Answer {
    fn create(out: &Path, prompt: &str, pictures: &[Picture], most: usize) -> Result<Self> {
        let create = || {
            let mut folder = AnswerFolder::create(out, prompt)?;
            pictures.iter().try_for_each(|picture| folder.reference_image(picture))?;
            Ok::<_, RecordError>(folder)
        };
        let folder = create().hint("Choose a folder that you may write to with --out DIR.")?;
        let progress = AnswerProgress::new(most);
        Ok(Self { folder, text: String::new(), progress, rows: None, before: Usage::default(), failed: None })
    }

    fn hear(&mut self, event: GenerateEvent, cancel: &Cancel) {
        let written = match event {
            GenerateEvent::PromptRead { done, of } => {
                self.progress.prompt(done, of);
                Ok(())
            }
            GenerateEvent::Text(text) => {
                self.text.push_str(&text);
                Ok(())
            }
            GenerateEvent::ThoughtDone { about, text } => self.end_text().and_then(|()| match about {
                ThoughtAbout::Answer => self.folder.global_thought(&text),
                ThoughtAbout::Picture => self.folder.picture_thought(&text),
            }),
            GenerateEvent::PictureStarted { grid, .. } => {
                self.rows = Some((0, grid.rows()));
                self.end_text()
            }
            GenerateEvent::PicturePartial { grid, rows, .. } => {
                self.rows = Some((rows, grid.rows()));
                Ok(())
            }
            GenerateEvent::PictureDone { index, picture, .. } => {
                self.rows = None;
                let (width, height) = (picture.width, picture.height);
                let number = self.before.pictures + index + 1;
                self.progress.say(&format!("picture {number}: {width} x {height} px"));
                self.end_text().and_then(|()| self.folder.picture(&picture))
            }
            GenerateEvent::Usage(usage) => {
                self.progress.usage(&sum(self.before, usage), self.rows);
                Ok(())
            }
            GenerateEvent::Thought { .. } | GenerateEvent::Finished(_) => Ok(()),
        };
        self.keep(written, cancel);
    }

    /// An answer is finished; what comes next answers another question.
    fn end_turn(&mut self, generated: &Generated, cancel: &Cancel) {
        let written = self.end_text();
        self.keep(written, cancel);
        self.before = sum(self.before, generated.usage);
    }

    /// Forgets what came behind a mark, as if it had not been written.
    fn forget(&mut self, mark: AnswerMark, cancel: &Cancel) {
        self.text.clear();
        self.rows = None;
        let gone = self.folder.back_to(mark);
        self.keep(gone, cancel);
    }

    /// There is no sense in going on when nothing can be written.
    fn keep(&mut self, written: Result<(), RecordError>, cancel: &Cancel) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
            cancel.cancel();
        }
    }

    /// Writes the text that is finished, unless it is blank.
    fn end_text(&mut self) -> Result<(), RecordError> {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return Ok(());
        }
        self.progress.say(text.trim());
        self.folder.text(&text)
    }

    /// Writes what is left and says what there is now. What came before an error stays on disk.
    fn finish(mut self, talked: Result<FinishReason, EngineError>, out: &Path) -> Result<ExitCode> {
        let last = self.end_text();
        self.progress.finish();
        let written = match self.failed {
            Some(error) => Err(error),
            None => last.and_then(|()| self.folder.finish(RECORD)),
        };
        let record = written.hint("What was written stays; choose another place with --out DIR.")?;
        let stays = format!("What was written until then is in {}; `rhea doctor` checks the model.", out.display());
        let (finish, usage) = (talked.hint(stays)?, self.before);
        let why = match finish {
            FinishReason::EndOfStream | FinishReason::EndOfAnswer | FinishReason::Pictures => "the answer is complete",
            FinishReason::Tokens => "it ends at the limit of tokens (max_new_tokens of a settings file)",
            FinishReason::Context => "it ends where the context is full (--context N)",
            FinishReason::Cancelled => "it was cancelled",
        };
        let (tokens, pictures) = (usage.tokens, usage.pictures);
        say!("{tokens} tokens and {pictures} pictures, {:.1} tokens/s behind the prompt; {why}", speed(&usage));
        say!("folder  {}", out.display());
        say!("record  {}", record.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// What two turns took.
fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        prompt_tokens: a.prompt_tokens + b.prompt_tokens,
        tokens: a.tokens + b.tokens,
        drawn: a.drawn + b.drawn,
        passes: a.passes + b.passes,
        pictures: a.pictures + b.pictures,
        reading_secs: a.reading_secs + b.reading_secs,
        writing_secs: a.writing_secs + b.writing_secs,
    }
}
