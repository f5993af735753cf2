//! The model's own view of every frame. Its codes are kept in a file, and what they decode to is made when a lesson asks:
//! world lessons take memory from here, because at run time memory is what the model drew itself.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use rhea_nn::vision::VisionTokenizer;
use rhea_picture::Rgbd;

use crate::LessonError;
use crate::frames::{FrameStore, VIEWS};

/// Codes of all frames, for one state of the vision tokenizer.
pub struct OwnViews {
    vision: Arc<VisionTokenizer>,
    codes: Vec<u32>,
    cells: usize,
}

impl OwnViews {
    /// Reads `codes.bin` in the folder of the frames, or makes it when it is missing, of another size, or of another tokenizer
    /// (`stamp` names its state).
    ///
    /// # Errors
    /// When files cannot be read or written, or the tokenizer fails.
    pub fn prepare(
        dir: &Path,
        frames: &FrameStore,
        vision: &Arc<VisionTokenizer>,
        stamp: &str,
        on_scene: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, LessonError> {
        let (rows, cols) = vision.grid();
        let cells = rows * cols;
        let (path, stamp_path) = (dir.join("codes.bin"), dir.join("codes.stamp"));
        let failed = |source| LessonError::File { path: path.clone(), source };
        let want = (frames.scenes() * VIEWS * cells * 4) as u64;
        let fresh = std::fs::read_to_string(&stamp_path).is_ok_and(|s| s == stamp)
            && std::fs::metadata(&path).is_ok_and(|m| m.len() == want);
        if !fresh {
            let mut out = BufWriter::new(File::create(&path).map_err(failed)?);
            let all: Vec<usize> = (0..frames.scenes()).collect();
            for part in all.chunks(16) {
                let made: Vec<Result<Vec<u8>, LessonError>> =
                    part.par_iter().map(|scene| encode(frames, vision, *scene)).collect();
                for data in made {
                    out.write_all(&data?).map_err(failed)?;
                }
                on_scene(part.last().map_or(0, |s| s + 1));
            }
            out.flush().map_err(failed)?;
            std::fs::write(&stamp_path, stamp).map_err(failed)?;
        }
        let data = std::fs::read(&path).map_err(failed)?;
        let codes = data.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Self { vision: Arc::clone(vision), codes, cells })
    }

    /// The codes of a frame.
    ///
    /// # Panics
    /// When there is no such frame.
    #[must_use]
    pub fn codes(&self, scene: usize, view: usize) -> &[u32] {
        &self.codes[(scene * VIEWS + view) * self.cells..][..self.cells]
    }

    /// What the codes decode to without memory.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn view(&self, scene: usize, view: usize) -> Result<Rgbd, LessonError> {
        Ok(self.vision.decode(self.codes(scene, view), None)?)
    }
}

fn encode(frames: &FrameStore, vision: &VisionTokenizer, scene: usize) -> Result<Vec<u8>, LessonError> {
    let views: Vec<Rgbd> = (0..VIEWS).map(|v| Ok(frames.view(scene, v)?.rgbd)).collect::<Result<_, LessonError>>()?;
    let mut data = Vec::new();
    for part in views.chunks(10) {
        for codes in vision.encode_batch(&part.iter().collect::<Vec<_>>())? {
            codes.iter().for_each(|c| data.extend_from_slice(&c.to_le_bytes()));
        }
    }
    Ok(data)
}
