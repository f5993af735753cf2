//! A model that answers questions, in a process that may go at any time.

use rhea_engine::generate::{Answers, GenerateEvent, GenerateRequest, GenerateSettings, Generated};
use rhea_engine::{Cancel, EngineError, Grid};
use rhea_picture::Picture;
use rhea_tokens::TextTokenizer;
use rhea_tokens::prompts::Task;

use crate::answers::{Colours, Question};
use crate::error::ChildError;
use crate::link::{Link, Restart, Said};
use crate::message::{Answer, Ask, Kind, grid};
use crate::process::Launch;

/// A model that answers, in a process of its own. The process is started again when it is lost.
pub struct ChildGenerator {
    link: Link,
    text: TextTokenizer,
    only_grid: Option<Grid>,
    context: usize,
    /// By task, in the order of [`Task::ALL`].
    settings: Vec<GenerateSettings>,
}

impl ChildGenerator {
    /// Starts a process and waits until its model is open. `text` is the tokenizer of the same folder.
    ///
    /// # Errors
    /// When the process cannot be started, answers no questions, or cannot open its model.
    pub fn open(launch: Launch, text: TextTokenizer) -> Result<Self, EngineError> {
        let link = Link::open(launch)?;
        let Kind::Answers { only_grid, context, settings } = &link.ready().kind else {
            return Err(ChildError::Damaged("it draws walks and answers no questions".to_owned()).into());
        };
        if settings.len() != Task::ALL.len() {
            let what = format!("settings of {} tasks; there are {}", settings.len(), Task::ALL.len());
            return Err(ChildError::Damaged(what).into());
        }
        let settings = settings.iter().cloned().map(GenerateSettings::from).collect();
        let (only_grid, context) = (only_grid.map(grid).transpose()?, *context as usize);
        Ok(Self { link, text, only_grid, context, settings })
    }

    /// The number of the running process.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.link.process_id()
    }

    /// The restarts so far; of very many, the latest.
    #[must_use]
    pub fn restarts(&self) -> &[Restart] {
        self.link.restarts()
    }
}

impl Answers for ChildGenerator {
    fn text(&self) -> &TextTokenizer {
        &self.text
    }

    fn only_grid(&self) -> Option<Grid> {
        self.only_grid
    }

    fn context(&self) -> usize {
        self.context
    }

    fn settings_for(&self, task: Task) -> GenerateSettings {
        let at = Task::ALL.iter().position(|other| *other == task).unwrap_or(0);
        self.settings[at].clone()
    }

    fn picture_ids(&mut self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError> {
        match self.link.ask_now(Ask::PictureIds { picture: Colours::from(picture), area: area as u64 })? {
            Answer::Codes { codes, .. } => Ok(codes),
            other => Err(self.link.unexpected("the ids of a picture", &other)),
        }
    }

    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(GenerateEvent),
    ) -> Result<Generated, EngineError> {
        let mut hear = |said: Said<'_>| {
            if let Said::Event(happened) = said {
                on_event(happened.into_event()?);
            }
            Ok(())
        };
        match self.link.ask(Ask::Answer(Box::new(Question::from(request))), cancel, &mut hear)? {
            Answer::Written(written) => Ok(written.into()),
            other => Err(self.link.unexpected("an answer", &other)),
        }
    }

    fn mended(&mut self) -> Vec<String> {
        self.link.mended()
    }
}
