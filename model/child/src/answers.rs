//! Questions and what is heard of their answers, as plain values.

use rhea_engine::generate::{
    FinishReason, GenerateEvent, GenerateRequest, GenerateSettings, Generated, Prompt, ThoughtAbout, Usage,
};
use rhea_picture::Picture;
use rhea_tokens::TurnPrompt;
use rhea_tokens::prompts::Task;
use serde::{Deserialize, Serialize};

use crate::error::ChildError;
use crate::message::{How, grid, sides};

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    asked: Asked,
    size: Option<(u32, u32)>,
    settings: Settings,
    seed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Asked {
    /// The tag of a task, user text, reference pictures.
    Task(String, String, Vec<Colours>),
    /// Ids with and without text, and turns that were left out.
    Turn(Vec<u32>, Vec<u32>, u64),
}

/// Settings with what their own form on disk leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    settings: GenerateSettings,
    how: How,
}

impl From<&GenerateSettings> for Settings {
    fn from(settings: &GenerateSettings) -> Self {
        Self { settings: settings.clone(), how: How::from(settings.decoding) }
    }
}

impl From<Settings> for GenerateSettings {
    fn from(sent: Settings) -> Self {
        Self { decoding: sent.how.into(), ..sent.settings }
    }
}

impl From<&GenerateRequest> for Question {
    fn from(request: &GenerateRequest) -> Self {
        let asked = match &request.prompt {
            Prompt::Task { task, text, pictures } => {
                Asked::Task(task.tag().to_owned(), text.clone(), pictures.iter().map(Colours::from).collect())
            }
            Prompt::Turn(TurnPrompt { conditional, unconditional, left_out }) => {
                Asked::Turn(conditional.clone(), unconditional.clone(), *left_out as u64)
            }
        };
        let settings = Settings::from(&request.settings);
        Self { asked, size: request.size.map(sides), settings, seed: request.seed }
    }
}

impl Question {
    pub(crate) fn into_request(self) -> Result<GenerateRequest, ChildError> {
        let prompt = match self.asked {
            Asked::Task(tag, text, pictures) => Prompt::Task {
                task: Task::from_tag(&tag).ok_or_else(|| ChildError::Damaged(format!("{tag:?} is no task")))?,
                text,
                pictures: pictures.into_iter().map(Colours::into_picture).collect::<Result<_, _>>()?,
            },
            Asked::Turn(conditional, unconditional, left_out) => {
                Prompt::Turn(TurnPrompt { conditional, unconditional, left_out: left_out as usize })
            }
        };
        let (size, settings) = (self.size.map(grid).transpose()?, self.settings.into());
        Ok(GenerateRequest { prompt, size, settings, seed: self.seed })
    }
}

/// A picture without depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Colours {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl From<&Picture> for Colours {
    fn from(picture: &Picture) -> Self {
        Self { width: picture.width as u32, height: picture.height as u32, rgb: picture.rgb.clone() }
    }
}

impl Colours {
    pub(crate) fn into_picture(self) -> Result<Picture, ChildError> {
        let (width, height) = (self.width as usize, self.height as usize);
        if width == 0 || width.checked_mul(height).and_then(|n| n.checked_mul(3)) != Some(self.rgb.len()) {
            let what = format!("a picture of {width} x {height} px with {} values of colour", self.rgb.len());
            return Err(ChildError::Damaged(what));
        }
        Ok(Picture { width, height, rgb: self.rgb })
    }
}

/// What happens while an answer is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Happened {
    PromptRead { done: u64, of: u64 },
    Text(String),
    Thought { about: ThoughtAbout, text: String },
    ThoughtDone { about: ThoughtAbout, text: String },
    PictureStarted { index: u64, grid: (u32, u32) },
    PicturePartial { index: u64, grid: (u32, u32), rows: u64, preview: Option<Colours> },
    PictureDone { index: u64, grid: (u32, u32), codes: Vec<u32>, picture: Colours },
    Usage(Usage),
    Finished(FinishReason),
}

impl From<GenerateEvent> for Happened {
    fn from(event: GenerateEvent) -> Self {
        match event {
            GenerateEvent::PromptRead { done, of } => Self::PromptRead { done: done as u64, of: of as u64 },
            GenerateEvent::Text(text) => Self::Text(text),
            GenerateEvent::Thought { about, text } => Self::Thought { about, text },
            GenerateEvent::ThoughtDone { about, text } => Self::ThoughtDone { about, text },
            GenerateEvent::PictureStarted { index, grid } => {
                Self::PictureStarted { index: index as u64, grid: sides(grid) }
            }
            GenerateEvent::PicturePartial { index, grid, rows, preview } => Self::PicturePartial {
                index: index as u64,
                grid: sides(grid),
                rows: rows as u64,
                preview: preview.as_ref().map(Colours::from),
            },
            GenerateEvent::PictureDone { index, grid, codes, picture } => {
                Self::PictureDone { index: index as u64, grid: sides(grid), codes, picture: Colours::from(&picture) }
            }
            GenerateEvent::Usage(usage) => Self::Usage(usage),
            GenerateEvent::Finished(reason) => Self::Finished(reason),
        }
    }
}

impl Happened {
    pub(crate) fn into_event(self) -> Result<GenerateEvent, ChildError> {
        Ok(match self {
            Self::PromptRead { done, of } => GenerateEvent::PromptRead { done: done as usize, of: of as usize },
            Self::Text(text) => GenerateEvent::Text(text),
            Self::Thought { about, text } => GenerateEvent::Thought { about, text },
            Self::ThoughtDone { about, text } => GenerateEvent::ThoughtDone { about, text },
            Self::PictureStarted { index, grid: size } => {
                GenerateEvent::PictureStarted { index: index as usize, grid: grid(size)? }
            }
            Self::PicturePartial { index, grid: size, rows, preview } => GenerateEvent::PicturePartial {
                index: index as usize,
                grid: grid(size)?,
                rows: rows as usize,
                preview: preview.map(Colours::into_picture).transpose()?,
            },
            Self::PictureDone { index, grid: size, codes, picture } => GenerateEvent::PictureDone {
                index: index as usize,
                grid: grid(size)?,
                codes,
                picture: picture.into_picture()?,
            },
            Self::Usage(usage) => GenerateEvent::Usage(usage),
            Self::Finished(reason) => GenerateEvent::Finished(reason),
        })
    }
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Written {
    ids: Vec<u32>,
    usage: Usage,
    finish: FinishReason,
}

impl From<Generated> for Written {
    fn from(Generated { ids, usage, finish }: Generated) -> Self {
        Self { ids, usage, finish }
    }
}

impl From<Written> for Generated {
    fn from(Written { ids, usage, finish }: Written) -> Self {
        Self { ids, usage, finish }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_engine::{CanvasMethod, Decoding, Grid};

    use super::*;
    use crate::wire::sent;

    #[test]
    fn a_question_arrives_as_it_was() {
        let picture = Picture::filled(3, 2, [9, 8, 7]);
        let turn = TurnPrompt { conditional: vec![1, 2], unconditional: vec![3], left_out: 4 };
        let task = Prompt::Task { task: Task::Story, text: "a fox".to_owned(), pictures: vec![picture] };
        for (prompt, size) in [(task, None), (Prompt::Turn(turn), Some(Grid::new(5, 7).unwrap()))] {
            for decoding in [
                Decoding::NextToken,
                Decoding::Canvas { method: CanvasMethod::Masked, passes: 6 },
                Decoding::Parallel { passes: 3 },
            ] {
                let settings = GenerateSettings {
                    decoding,
                    guidance: 2.5,
                    picture_guidance: Some(1.5),
                    ..GenerateSettings::for_task(Task::Story)
                };
                let request = GenerateRequest { prompt: prompt.clone(), size, settings, seed: u64::MAX };
                let back = sent(&Question::from(&request)).into_request().unwrap();
                // `GenerateRequest` has no equality of its own; its parts have.
                assert_eq!(Question::from(&back), Question::from(&request));
                assert_eq!((back.settings, back.size), (request.settings, request.size));
            }
        }
        let mut question = Question {
            asked: Asked::Task("sing".to_owned(), String::new(), Vec::new()),
            size: None,
            settings: Settings::from(&GenerateSettings::for_task(Task::T2i)),
            seed: 0,
        };
        assert!(question.clone().into_request().unwrap_err().to_string().contains("\"sing\" is no task"));
        let wrong = Colours { width: 4, height: 4, rgb: vec![0; 47] };
        question.asked = Asked::Task("t2i".to_owned(), String::new(), vec![wrong]);
        assert!(question.into_request().unwrap_err().to_string().contains("4 x 4 px with 47 values"));
    }

    #[test]
    fn what_happens_is_heard_as_it_was() {
        let (grid, picture) = (Grid::new(2, 3).unwrap(), Picture::filled(48, 32, [1, 2, 3]));
        let text = "wörds".to_owned();
        let usage = Usage { prompt_tokens: 5, tokens: 9, drawn: 7, passes: 3, pictures: 1, ..Usage::default() };
        let (reading_secs, writing_secs) = (0.25, 1.5);
        let about = ThoughtAbout::Picture;
        for event in [
            GenerateEvent::PromptRead { done: 3, of: 5 },
            GenerateEvent::Text(text.clone()),
            GenerateEvent::Thought { about: ThoughtAbout::Answer, text: text.clone() },
            GenerateEvent::ThoughtDone { about, text },
            GenerateEvent::PictureStarted { index: 1, grid },
            GenerateEvent::PicturePartial { index: 1, grid, rows: 1, preview: Some(picture.clone()) },
            GenerateEvent::PicturePartial { index: 1, grid, rows: 2, preview: None },
            GenerateEvent::PictureDone { index: 1, grid, codes: vec![1, 2, 3, 4, 5, 6], picture },
            GenerateEvent::Usage(Usage { reading_secs, writing_secs, ..usage }),
            GenerateEvent::Finished(FinishReason::Context),
        ] {
            assert_eq!(sent(&Happened::from(event.clone())).into_event().unwrap(), event);
        }
        let generated = Generated { ids: vec![7], usage, finish: FinishReason::Cancelled };
        assert_eq!(Generated::from(sent(&Written::from(generated.clone()))), generated);
    }
}
