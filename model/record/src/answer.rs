//! An answer that is being given: each part is on disk as soon as it is known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rhea_picture::Picture;

use crate::builder::StoryBuilder;
use crate::error::RecordError;
use crate::layout::{create, page_file, viewer_files, write};

/// How far an answer had come.
#[derive(Clone, Debug)]
pub struct AnswerMark(StoryBuilder);

/// A folder that is filled with the viewer's files while an answer comes, and gets the record and the page at its end.
pub struct AnswerFolder {
    folder: PathBuf,
    builder: StoryBuilder,
    written: BTreeSet<String>,
}

impl AnswerFolder {
    /// Makes the folder and writes the question.
    ///
    /// # Errors
    /// When it cannot be written; so for all methods.
    pub fn create(folder: &Path, question: &str) -> Result<Self, RecordError> {
        create(folder)?;
        let mut answer =
            Self { folder: folder.to_owned(), builder: StoryBuilder::new(question), written: BTreeSet::new() };
        answer.write_new()?;
        Ok(answer)
    }

    /// A picture that came with the question; all of them come before anything else.
    ///
    /// # Errors
    /// Also when its buffer does not fit its size.
    pub fn reference_image(&mut self, picture: &Picture) -> Result<(), RecordError> {
        self.builder.reference_image(picture)?;
        self.write_new()
    }

    /// Thoughts about the whole answer.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn global_thought(&mut self, text: &str) -> Result<(), RecordError> {
        self.builder.global_thought(text);
        self.write_new()
    }

    /// A finished text.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn text(&mut self, text: &str) -> Result<(), RecordError> {
        self.builder.text(text);
        self.write_new()
    }

    /// Thoughts about the picture that comes next.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn picture_thought(&mut self, text: &str) -> Result<(), RecordError> {
        self.builder.picture_thought(text);
        self.write_new()
    }

    /// A finished picture.
    ///
    /// # Errors
    /// As [`Self::reference_image`].
    pub fn picture(&mut self, picture: &Picture) -> Result<(), RecordError> {
        self.builder.picture(picture)?;
        self.write_new()
    }

    /// How far it has come, for [`Self::back_to`].
    #[must_use]
    pub fn mark(&self) -> AnswerMark {
        AnswerMark(self.builder.clone())
    }

    /// Forgets what came behind a mark; its files go.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn back_to(&mut self, mark: AnswerMark) -> Result<(), RecordError> {
        let kept: BTreeSet<String> = viewer_files(mark.0.so_far()).into_iter().map(|(name, _)| name).collect();
        for name in self.written.extract_if(.., |name| !kept.contains(name)) {
            let path = self.folder.join(name);
            std::fs::remove_file(&path).map_err(|source| RecordError::File { action: "remove", path, source })?;
        }
        self.builder = mark.0;
        Ok(())
    }

    /// Writes the record as `NAME.pb` and the page. Returns the record's path.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn finish(self, name: &str) -> Result<PathBuf, RecordError> {
        let Self { folder, builder, written } = self;
        let story = builder.finish();
        let files = viewer_files(&story);
        // Thoughts at the very end are in no record; what was written of them goes as well.
        for name in written.iter().filter(|name| !files.iter().any(|(file, _)| file == *name)) {
            let path = folder.join(name);
            std::fs::remove_file(&path).map_err(|source| RecordError::File { action: "remove", path, source })?;
        }
        let missing = files.iter().filter(|(name, _)| !written.contains(name));
        for (name, content) in missing {
            write(&folder.join(name), content)?;
        }
        let (page, content) = page_file(&story);
        write(&folder.join(page), &content)?;
        let record = folder.join(format!("{name}.pb"));
        story.save(&record)?;
        Ok(record)
    }

    fn write_new(&mut self) -> Result<(), RecordError> {
        for (name, content) in viewer_files(self.builder.so_far()) {
            // An empty picture is one that is still awaited.
            if !content.is_empty() && !self.written.contains(&name) {
                write(&self.folder.join(&name), &content)?;
                self.written.insert(name);
            }
        }
        Ok(())
    }
}
