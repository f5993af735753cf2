//! Self-distillation: pictures and words that a model makes itself, token by token, kept as lessons for drawing whole canvases.
//!
//! A teacher sees the prompts of [`WorldLessons`](crate::worlds::WorldLessons), memory included, writes the picture with its
//! next-token decoder and talks about it. What it wrote takes the place of the truth.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rhea_engine::{Cancel, Filter, Imagination};
use rhea_tokens::{Grid, encode_picture};
use rhea_train::world::{NextTokenForm, WorldSample, WorldSource};

use crate::LessonError;

/// One lesson in this many also has a next-token form, so that writing token by token is not forgotten.
const FORM_EVERY: u64 = 5;

/// Lets the teacher answer a lesson. The lesson must have a next-token form, whose prompt the teacher reads.
///
/// # Errors
/// When the lesson has none, or the teacher fails.
pub fn answer(
    teacher: &mut Imagination,
    lesson: &WorldSample,
    (picture, text): (Filter, Filter),
    index: u64,
) -> Result<WorldSample, LessonError> {
    let words = |e: rhea_tokens::TokensError| LessonError::Text(e.to_string());
    let vocabulary = teacher.folder().text().vocabulary().clone();
    let control = vocabulary.control();
    let form = lesson.next_token_form.as_ref();
    let end = form.and_then(|form| Some((form, form.ids.iter().position(|id| *id == control.bss)?)));
    let Some((form, end)) = end else {
        return Err(LessonError::Text(format!("lesson {index} has no prompt for next-token decoding")));
    };
    let prompt = &form.ids[..=end];
    let calm = Cancel::default();
    let (codes, _) = teacher.write_picture(prompt, picture, index, &calm)?;
    let grid = Grid::new(lesson.rows, lesson.cols).map_err(words)?;
    let drawn = encode_picture(&vocabulary, grid, &codes).map_err(words)?;
    let mut narration_ids = Vec::new();
    if !lesson.narration_ids.is_empty() {
        // Words are about what was drawn, not about how memory saw it: the prompt without memory, up to its header.
        let bare = lesson.prefix_ids.len() - grid.header(&vocabulary).len();
        let read: Vec<u32> = lesson.prefix_ids[..bare].iter().chain(&drawn).copied().collect();
        let said = teacher.write_text(&read, text, index, &calm, &mut |_| ())?;
        narration_ids = teacher.folder().text().encode_text(&said).map_err(words)?;
        narration_ids.extend([control.ess, control.eos]);
    }
    let next_token_form = index.is_multiple_of(FORM_EVERY).then(|| {
        // A picture without words ends its answer too.
        let end = [control.ess, control.eos];
        let words = if narration_ids.is_empty() { &end[..] } else { &narration_ids };
        let ids: Vec<u32> = prompt.iter().chain(&drawn).chain(words).copied().collect();
        let picture_end = prompt.len() + drawn.len();
        let learn = |(i, id): (usize, &u32)| i >= picture_end || (i >= prompt.len() && vocabulary.code(*id).is_some());
        let learn = ids.iter().enumerate().map(learn).collect();
        NextTokenForm { ids, learn }
    });
    Ok(WorldSample { target_codes: codes, narration_ids, next_token_form, ..lesson.clone() })
}

/// Lessons in a file, one JSON object a line; a cut last line is dropped when the file is opened.
pub struct LessonFile {
    path: PathBuf,
    file: File,
    /// Lessons in the file.
    pub count: usize,
}

impl LessonFile {
    /// Opens or makes a file. What another `stamp` (teacher and choices) left in it is thrown away.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, stamp: &str) -> Result<Self, LessonError> {
        let failed = |source| LessonError::File { path: path.to_owned(), source };
        let stamp_path = path.with_extension("stamp");
        let fresh = std::fs::read_to_string(&stamp_path).is_ok_and(|s| s == stamp);
        let mut file = OpenOptions::new().read(true).create(true).append(true).open(path).map_err(failed)?;
        if !fresh {
            file.set_len(0).map_err(failed)?;
            std::fs::write(&stamp_path, stamp).map_err(failed)?;
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        let count = text[..whole].iter().filter(|byte| **byte == b'\n').count();
        Ok(Self { path: path.to_owned(), file, count })
    }

    /// Appends a lesson.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, lesson: &WorldSample) -> Result<(), LessonError> {
        let line = serde_json::to_string(lesson).map_err(|e| LessonError::Text(e.to_string()))? + "\n";
        let failed = |source| LessonError::File { path: self.path.clone(), source };
        self.file.write_all(line.as_bytes()).map_err(failed)?;
        self.count += 1;
        Ok(())
    }
}

/// What a teacher answered, in memory.
pub struct Distilled {
    training: Vec<WorldSample>,
    held_out: Vec<WorldSample>,
}

impl Distilled {
    /// Where training and held-out lessons are under a work folder.
    #[must_use]
    pub fn files(work: &Path) -> [PathBuf; 2] {
        ["training.jsonl", "held-out.jsonl"].map(|name| work.join("distil").join(name))
    }

    /// Reads both files.
    ///
    /// # Errors
    /// When one is missing, empty or damaged.
    pub fn read(work: &Path) -> Result<Self, LessonError> {
        let read = |path: &PathBuf| -> Result<Vec<WorldSample>, LessonError> {
            let text =
                std::fs::read_to_string(path).map_err(|source| LessonError::File { path: path.clone(), source })?;
            let wrong = |what: String| LessonError::Cache { path: path.clone(), what };
            let lines: Result<Vec<WorldSample>, _> = text.lines().map(serde_json::from_str).collect();
            let lessons = lines.map_err(|e| wrong(e.to_string()))?;
            if lessons.is_empty() { Err(wrong("it holds no lesson".to_owned())) } else { Ok(lessons) }
        };
        let [training, held_out] = Self::files(work);
        Ok(Self { training: read(&training)?, held_out: read(&held_out)? })
    }
}

impl WorldSource for Distilled {
    fn sample(&self, index: u64) -> Result<WorldSample, String> {
        // An odd factor visits the lessons in a scattered order.
        let place = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let lesson = self.training.get((place % self.training.len() as u64) as usize);
        lesson.cloned().ok_or_else(|| "there are no distilled lessons".to_owned())
    }

    fn held_out(&self, n: usize) -> Result<Vec<WorldSample>, String> {
        Ok(self.held_out.iter().take(n).cloned().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_tokens::documents::explore_document;
    use rhea_tokens::prompts::explore_prefix;
    use rhea_train::world::CanvasCell;

    use super::*;

    #[test]
    fn what_a_teacher_answers_takes_the_place_of_the_truth() {
        let nano = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/nano");
        let mut teacher = Imagination::open(&nano).unwrap();
        let text = teacher.folder().text();
        let (grid, vocabulary) = (Grid::new(8, 8).unwrap(), text.vocabulary().clone());
        let memory: Vec<Option<u32>> = (0..64).map(|i| (i % 2 == 0).then_some(i)).collect();
        let (world, command) = ("a bright room", "turn left 15 degrees");
        let told = "a red door stands ahead.";
        let document = explore_document(text, (world, command), Some(&memory), (grid, &[7; 64]), told).unwrap();
        let mut prefix_ids = explore_prefix(text, world, command, None, grid).unwrap();
        prefix_ids.extend(grid.header(&vocabulary));
        let lesson = WorldSample {
            prefix_ids,
            rows: 8,
            cols: 8,
            target_codes: vec![7; 64],
            canvas: vec![CanvasCell::Hole; 64],
            narration_ids: text.encode_text(told).unwrap(),
            next_token_form: Some(NextTokenForm { learn: vec![false; document.ids.len()], ids: document.ids.clone() }),
        };
        let filters = (Filter { temperature: 0.7, top_k: 0, top_p: 0.9 }, Filter::GREEDY);
        let answered = answer(&mut teacher, &lesson, filters, 5).unwrap();
        assert_eq!((&answered.prefix_ids, &answered.canvas), (&lesson.prefix_ids, &lesson.canvas));
        assert_eq!(answered.target_codes.len(), 64);
        let control = vocabulary.control();
        assert!(answered.narration_ids.ends_with(&[control.ess, control.eos]));
        let form = answered.next_token_form.as_ref().unwrap();
        assert_eq!(form.ids[..document.prompt_len], document.ids[..document.prompt_len], "memory stays in the prompt");
        let picture = encode_picture(&vocabulary, grid, &answered.target_codes).unwrap();
        assert_eq!(form.ids[document.picture], picture);
        assert!(form.ids.ends_with(&answered.narration_ids));
        let learned = form.learn.iter().filter(|learn| **learn).count();
        assert_eq!(learned, 64 + answered.narration_ids.len(), "codes and words, no prompt, header or row ends");

        assert_eq!(answer(&mut teacher, &lesson, filters, 5).unwrap(), answered, "the same index, the same answer");
        assert!(answer(&mut teacher, &lesson, filters, 6).unwrap().next_token_form.is_none());
        let bare = WorldSample { next_token_form: None, ..lesson };
        assert!(answer(&mut teacher, &bare, filters, 5).unwrap_err().to_string().contains("lesson 5"));
    }

    fn lesson(code: u32) -> WorldSample {
        WorldSample {
            prefix_ids: vec![1, 2],
            rows: 1,
            cols: 1,
            target_codes: vec![code],
            canvas: vec![CanvasCell::Partial(4)],
            narration_ids: vec![3],
            next_token_form: Some(NextTokenForm { ids: vec![1, 9], learn: vec![false, true] }),
        }
    }

    #[test]
    fn a_file_goes_on_where_it_stopped_and_forgets_another_teacher() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("distil")).unwrap();
        let [training, held_out] = Distilled::files(dir.path());
        assert!(Distilled::read(dir.path()).is_err());
        let mut file = LessonFile::open(&training, "teacher 1").unwrap();
        file.push(&lesson(5)).unwrap();
        file.push(&lesson(6)).unwrap();
        drop(file);
        // A run that was cut short left half a line.
        let mut text = std::fs::read(&training).unwrap();
        text.extend_from_slice(b"{\"prefix_ids\":[1");
        std::fs::write(&training, text).unwrap();
        let mut file = LessonFile::open(&training, "teacher 1").unwrap();
        assert_eq!(file.count, 2);
        file.push(&lesson(7)).unwrap();
        LessonFile::open(&held_out, "teacher 1").unwrap().push(&lesson(8)).unwrap();
        let distilled = Distilled::read(dir.path()).unwrap();
        assert_eq!(distilled.training, [lesson(5), lesson(6), lesson(7)]);
        assert_eq!(distilled.held_out(9).unwrap(), [lesson(8)]);
        let seen: std::collections::BTreeSet<u32> =
            (0..50).map(|i| distilled.sample(i).unwrap().target_codes[0]).collect();
        assert_eq!(seen.len(), 3);
        assert_eq!(LessonFile::open(&training, "teacher 2").unwrap().count, 0);
        assert!(Distilled::read(dir.path()).is_err(), "an empty file is no data set");
    }
}
