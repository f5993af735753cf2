//! The loop over an answer whose tokens are drawn elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhea_engine::generate::{
    Answers, FinishReason, GenerateEvent, GenerateRequest, GenerateSettings, Generated, History, Listener, Machine,
    Next, Pace, Sizes, Stop, TokenEvent, TokenRequest, Tokenizers, Trail, Usage,
};
use rhea_engine::{Cancel, EngineError, Filter, OpenOptions, Sampler};
use rhea_picture::Picture;
use rhea_tokens::prompts::Task;
use rhea_tokens::{Grid, TextTokenizer, Vocabulary};

use crate::api::{Chunk, Completion, IdList, Prompts};
use crate::client::{Client, Failed};
use crate::error::RemoteError;
use crate::guided;
use crate::limits;

/// Text is drawn with seeds of its own, apart from the pictures'.
const TEXT_SEED: u64 = 0x7465_7874;
/// Tokens of text when nobody says otherwise, for models that draw one picture.
const SHORT_TEXT_TOKENS: usize = 48;

/// A model behind a server, with its tokenizers here.
pub struct RemoteGenerator {
    client: Client,
    tokenizers: Arc<Tokenizers>,
    model: String,
    context: usize,
    lists: Lists,
}

/// Ids that may be drawn.
pub(crate) struct Lists {
    text: IdList,
    pub codes: IdList,
    /// Without 0 and with it.
    digits: [IdList; 2],
}

impl Lists {
    fn of(vocabulary: &Vocabulary) -> Self {
        let all = vocabulary.len() as u32;
        let list = |what, next: Next| IdList::new(what, (0..all).filter(|id| next.draws(vocabulary, *id)).collect());
        Self {
            text: list("text", Next::Text),
            codes: list("codes of a picture", Next::Code { cell: 0 }),
            digits: [1, 0].map(|least| list("digits", Next::Digit { least })),
        }
    }
}

impl RemoteGenerator {
    /// Opens the tokenizers of a folder, and asks the server which model it has. The folder's weights need not be there.
    ///
    /// # Errors
    /// When the tokenizers cannot be opened, or the server cannot be reached or is something else.
    pub fn open(folder: &Path, options: &OpenOptions, client: Client) -> Result<Self, EngineError> {
        let tokenizers = Arc::new(Tokenizers::open(folder, options)?);
        let (model, room) = client.endpoint().ask(&client)?;
        let positions = tokenizers.config().max_position_embeddings;
        let context = options.context.unwrap_or(positions).min(positions).min(room.unwrap_or(usize::MAX));
        let lists = Lists::of(tokenizers.text().vocabulary());
        Ok(Self { client, tokenizers, model, context, lists })
    }

    /// The model's name on the server.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How long the server was waited for so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.client.waited()
    }

    /// # Errors
    /// When settings ask for what a server cannot do.
    fn check(&self, settings: &GenerateSettings) -> Result<(), EngineError> {
        let refused = |what: &str| Err(EngineError::Request(format!("a server cannot {what}")));
        settings.check()?;
        let codes = self.tokenizers.vision().codebook_size();
        if settings.guidance != 1.0 && codes > limits::GUIDED_CODES {
            return Err(RemoteError::Guidance { codes }.into());
        }
        match (settings.pace, settings.picture_guidance) {
            (Pace::Reference, _) => refused("be paced as the reference; allowed is pace fused"),
            (_, Some(_)) => refused("be guided by reference pictures; leave picture_cfg out"),
            _ => Ok(()),
        }
    }

    fn run(
        &mut self,
        request: &TokenRequest,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(TokenEvent<'_>),
    ) -> Result<Generated, EngineError> {
        let vocabulary = self.tokenizers.text().vocabulary();
        let settings = &request.settings;
        let sizes = Sizes {
            target: request.size,
            reference: Grid::of_last_picture(vocabulary, &request.unconditional),
            target_first: settings.size_before_references,
            same: settings.same_size,
        };
        let mut run = Run {
            model: &self.model,
            context: self.context,
            lists: &self.lists,
            vocabulary,
            request,
            machine: Machine::new(vocabulary, sizes),
            ids: request.conditional.clone(),
            unconditional: request.unconditional.clone(),
            sampler: Sampler::new(request.seed, settings.picture)?,
            written: Vec::new(),
            usage: Usage { prompt_tokens: request.conditional.len(), ..Usage::default() },
            cancel,
            on_event,
        };
        let finish = run.answer(&mut self.client)?;
        (run.on_event)(TokenEvent::Usage(run.usage));
        Ok(Generated { ids: run.written, usage: run.usage, finish })
    }
}

pub(crate) struct Run<'a, 'v> {
    pub model: &'a str,
    context: usize,
    pub lists: &'a Lists,
    pub vocabulary: &'v Vocabulary,
    pub request: &'a TokenRequest,
    pub machine: Machine<'v>,
    /// Prompt and what was written.
    pub ids: Vec<u32>,
    /// The same without task and text; only guidance reads it.
    pub unconditional: Vec<u32>,
    pub sampler: Sampler,
    written: Vec<u32>,
    pub usage: Usage,
    pub cancel: &'a Cancel,
    on_event: &'a mut dyn FnMut(TokenEvent<'_>),
}

/// What a stream of ids came to.
pub(crate) enum Drawn {
    /// Go on.
    More,
    /// The answer ends.
    End(FinishReason),
}

impl Run<'_, '_> {
    fn answer(&mut self, client: &mut Client) -> Result<FinishReason, EngineError> {
        let guided = self.request.settings.guidance != 1.0;
        let control = *self.vocabulary.control();
        if self.request.settings.begin_with_picture
            && let Some(reason) = self.push(control.boi)
        {
            return Ok(reason);
        }
        loop {
            if self.cancel.cancelled() {
                return Ok(FinishReason::Cancelled);
            }
            if self.ids.len() >= self.context {
                return Ok(FinishReason::Context);
            }
            let next = self.machine.next();
            let settings = &self.request.settings;
            let drawn = match next {
                Next::Forced(id) => self.push(id).map_or(Drawn::More, Drawn::End),
                Next::Code { .. } if guided => guided::code(self, client)?,
                Next::Code { cell } => {
                    let (row, count) = self.machine.rows().map_or((0, 1), |(grid, _)| {
                        let (row, col) = (cell / grid.cols(), cell % grid.cols());
                        (row + 1, grid.cols() - col)
                    });
                    let doing = format!("drawing row {row} of a picture");
                    self.draw(client, (&self.lists.codes, count), settings.picture, &[], &doing)?
                }
                Next::Digit { least } => {
                    let digits = &self.lists.digits[usize::from(least == 0)];
                    self.draw(client, (digits, 1), settings.picture, &[], "choosing the size of a picture")?
                }
                Next::Text => {
                    let stops = [control.boi, control.eos, control.ess];
                    let stops = if settings.stop.answer { &stops[..] } else { &stops[..2] };
                    let most = settings.stop.tokens.saturating_sub(self.usage.tokens).max(1);
                    self.draw(client, (&self.lists.text, most), settings.text, stops, "writing text")?
                }
            };
            if let Drawn::End(reason) = drawn {
                return Ok(reason);
            }
        }
    }

    /// Writes an id. Says why the answer ends with it, if it does.
    pub(crate) fn push(&mut self, id: u32) -> Option<FinishReason> {
        let inside = self.machine.in_picture();
        let Self { vocabulary, machine, written, usage, on_event, .. } = self;
        let stop = self.request.settings.stop;
        let finish = Trail { vocabulary, machine, written, usage, stop }.push(id, on_event);
        self.ids.push(id);
        if inside || self.machine.in_picture() || self.request.settings.history == History::Everything {
            self.unconditional.push(id);
        }
        finish
    }

    /// The seed of the next request: a row that is asked for again in the middle goes on otherwise than it began.
    fn seed(&self, text: bool) -> u64 {
        let seed = if text { self.request.seed ^ TEXT_SEED } else { self.request.seed };
        seed.wrapping_add(self.written.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Lets the server draw up to `count` ids of a list, up to one of `stops`. What came before a connection broke is kept, and the rest is
    /// asked for again.
    fn draw(
        &mut self,
        client: &mut Client,
        (allowed, count): (&IdList, usize),
        filter: Filter,
        stops: &[u32],
        doing: &str,
    ) -> Result<Drawn, EngineError> {
        let url = client.endpoint().to_string();
        let count = count.min(self.context.saturating_sub(self.ids.len()));
        let (mut got, mut tries) = (0, 0);
        let (mut stopped, mut end) = (false, None);
        while got < count && !stopped {
            let completion = Completion {
                stop_token_ids: stops,
                ..Completion::new(
                    self.model,
                    Prompts::One(&self.ids),
                    count - got,
                    filter,
                    self.seed(!stops.is_empty()),
                )
            };
            let body = completion.json(allowed).map_err(|e| EngineError::Request(e.to_string()))?;
            let (before, began) = (got, Instant::now());
            let outcome = client.complete(body, self.cancel, &mut |chunk| {
                for id in new_ids(&url, chunk)? {
                    if got == count || stopped {
                        break;
                    }
                    if !allowed.holds(id) {
                        return Err(RemoteError::Id { url: url.clone(), id, allowed: allowed.what });
                    }
                    if self.usage.drawn == 0 {
                        let prompt = self.usage.prompt_tokens;
                        (self.on_event)(TokenEvent::PromptRead(prompt, prompt));
                    }
                    got += 1;
                    self.usage.drawn += 1;
                    stopped = stops.contains(&id);
                    end = self.push(id);
                    if end.is_some() {
                        // Behind its last id a stream ends by itself, and the connection serves the next request.
                        return Ok(got == count);
                    }
                }
                Ok(true)
            });
            self.passed(began, 1.max(got - before));
            match (outcome, end) {
                (_, Some(reason)) => return Ok(Drawn::End(reason)),
                (Err(Failed::Cancelled), None) => return Ok(Drawn::End(FinishReason::Cancelled)),
                (Err(Failed::Finally(error)), None) => return Err(error.into()),
                (Err(failed), None) if got < count && !stopped => {
                    tries = if got > before { 1 } else { tries + 1 };
                    self.pause_or_give_up(client, failed, doing, tries)?;
                }
                // It says that it is finished and drew nothing: there is no room.
                (Ok(()), None) if got == before => return Ok(Drawn::End(FinishReason::Context)),
                _ => {}
            }
        }
        Ok(if got == 0 { Drawn::End(FinishReason::Context) } else { Drawn::More })
    }

    /// Counts what a request took.
    pub(crate) fn passed(&mut self, began: Instant, passes: usize) {
        let secs = began.elapsed().as_secs_f64();
        if self.usage.passes == 0 {
            self.usage.reading_secs += secs;
        } else {
            self.usage.writing_secs += secs;
        }
        self.usage.passes += passes;
        (self.on_event)(TokenEvent::Usage(self.usage));
    }

    /// Waits before the next attempt, unless it was the last.
    pub(crate) fn pause_or_give_up(
        &self,
        client: &Client,
        failed: Failed,
        doing: &str,
        tries: u32,
    ) -> Result<(), EngineError> {
        let Failed::Again { what, after } = &failed else { return Err(client.given_up(failed, doing, tries).into()) };
        if tries >= client.patience().tries {
            return Err(client.given_up(failed, doing, tries).into());
        }
        tracing::warn!(target: "rhea", "the server {} {what} while {doing}; trying again", client.endpoint());
        let until = Instant::now() + client.pause(tries, *after);
        while Instant::now() < until && !self.cancel.cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Answers for RemoteGenerator {
    fn text(&self) -> &TextTokenizer {
        self.tokenizers.text()
    }

    fn only_grid(&self) -> Option<Grid> {
        self.tokenizers.only_grid()
    }

    fn context(&self) -> usize {
        self.context
    }

    /// The published settings; for models that draw pictures of one size, one picture first, an end at ESS and no guidance, as they were
    /// trained.
    fn settings_for(&self, task: Task) -> GenerateSettings {
        let settings = GenerateSettings::for_task(task);
        let Some(grid) = self.only_grid() else { return settings };
        let stop = Stop { tokens: SHORT_TEXT_TOKENS + 2 * grid.cells(), answer: true, ..settings.stop };
        GenerateSettings { guidance: 1.0, begin_with_picture: true, stop, ..settings }
    }

    fn picture_ids(&mut self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError> {
        self.tokenizers.picture_ids(picture, area)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(GenerateEvent),
    ) -> Result<Generated, EngineError> {
        let tokens = self.tokenizers.token_request(request)?;
        self.check(&tokens.settings)?;
        let tokenizers = Arc::clone(&self.tokenizers);
        let preview = tokens.settings.preview_rows;
        let mut listener = Listener::new(tokenizers.text(), tokenizers.vision(), preview, on_event);
        let generated = self.run(&tokens, cancel, &mut |event| listener.hear(event))?;
        listener.finish()?;
        on_event(GenerateEvent::Finished(generated.finish));
        Ok(generated)
    }
}

/// The ids of an event.
fn new_ids(url: &str, chunk: Chunk) -> Result<Vec<u32>, RemoteError> {
    let Some(choice) = chunk.choices.into_iter().next() else { return Ok(Vec::new()) };
    match choice.token_ids {
        Some(ids) => Ok(ids),
        None if choice.finish_reason.is_some() => Ok(Vec::new()),
        None => Err(RemoteError::SomethingElse {
            url: url.to_owned(),
            what: "its answers have no token_ids, although return_token_ids asks for them".to_owned(),
        }),
    }
}
