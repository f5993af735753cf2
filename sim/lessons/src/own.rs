//! The model's own view of every frame: its codes and what they decode to. World lessons take memory from here, because at
//! run time memory is what the model drew itself.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;
use rhea_nn::vision::VisionTokenizer;
use rhea_picture::{Rgbd, decode_depth, encode_depth};

use crate::LessonError;
use crate::frames::{FrameStore, SIDE_PX, VIEWS};

const PIXELS: usize = SIDE_PX * SIDE_PX;

/// Codes and decoded views of all frames, for one state of the vision tokenizer.
pub struct OwnViews {
    file: Mutex<File>,
    cells: usize,
    record: usize,
}

impl OwnViews {
    /// Opens `own.bin` in the folder of the frames, or makes it when it is missing, too short, or of another tokenizer
    /// (`stamp` names its state).
    ///
    /// # Errors
    /// When files cannot be read or written, or the tokenizer fails.
    pub fn prepare(
        dir: &Path,
        frames: &FrameStore,
        tokenizer: &VisionTokenizer,
        stamp: &str,
        on_scene: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, LessonError> {
        let (rows, cols) = tokenizer.grid();
        let cells = rows * cols;
        let record = cells * 4 + PIXELS * 5;
        let (path, stamp_path) = (dir.join("own.bin"), dir.join("own.stamp"));
        let failed = |source| LessonError::File { path: path.clone(), source };
        let want = (frames.scenes() * VIEWS * record) as u64;
        let fresh = std::fs::read_to_string(&stamp_path).is_ok_and(|s| s == stamp)
            && std::fs::metadata(&path).is_ok_and(|m| m.len() == want);
        if !fresh {
            let mut out = BufWriter::new(File::create(&path).map_err(failed)?);
            let all: Vec<usize> = (0..frames.scenes()).collect();
            for part in all.chunks(16) {
                let made: Vec<Result<Vec<u8>, LessonError>> =
                    part.par_iter().map(|scene| make(frames, tokenizer, *scene)).collect();
                for data in made {
                    out.write_all(&data?).map_err(failed)?;
                }
                on_scene(part.last().map_or(0, |s| s + 1));
            }
            out.flush().map_err(failed)?;
            std::fs::write(&stamp_path, stamp).map_err(failed)?;
        }
        Ok(Self { file: Mutex::new(File::open(&path).map_err(failed)?), cells, record })
    }

    fn read(&self, scene: usize, view: usize, from: usize, len: usize) -> Result<Vec<u8>, LessonError> {
        let failed = |source| LessonError::File { path: "own.bin".into(), source };
        let mut data = vec![0; len];
        let mut file = self.file.lock().map_err(|_| failed(std::io::Error::other("a reader panicked")))?;
        file.seek(SeekFrom::Start(((scene * VIEWS + view) * self.record + from) as u64)).map_err(failed)?;
        file.read_exact(&mut data).map_err(failed)?;
        Ok(data)
    }

    /// The codes of a frame.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn codes(&self, scene: usize, view: usize) -> Result<Vec<u32>, LessonError> {
        let data = self.read(scene, view, 0, self.cells * 4)?;
        Ok(data.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// What the codes decode to without memory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn view(&self, scene: usize, view: usize) -> Result<Rgbd, LessonError> {
        let data = self.read(scene, view, self.cells * 4, PIXELS * 5)?;
        let (rgb, depth) = data.split_at(PIXELS * 3);
        let depth_m = depth
            .chunks_exact(2)
            .map(|b| decode_depth(f32::from(u16::from_le_bytes([b[0], b[1]])) / 32_767.5 - 1.0))
            .collect();
        Ok(Rgbd { width: SIDE_PX, height: SIDE_PX, rgb: rgb.to_vec(), depth_m })
    }
}

fn make(frames: &FrameStore, tokenizer: &VisionTokenizer, scene: usize) -> Result<Vec<u8>, LessonError> {
    let views: Vec<Rgbd> = (0..VIEWS).map(|v| Ok(frames.view(scene, v)?.rgbd)).collect::<Result<_, LessonError>>()?;
    let mut data = Vec::new();
    for part in views.chunks(10) {
        let codes = tokenizer.encode_batch(&part.iter().collect::<Vec<_>>())?;
        let own =
            tokenizer.decode_batch(&codes.iter().map(Vec::as_slice).collect::<Vec<_>>(), &vec![None; part.len()])?;
        for (codes, own) in codes.iter().zip(own) {
            codes.iter().for_each(|c| data.extend_from_slice(&c.to_le_bytes()));
            data.extend_from_slice(&own.rgb);
            for depth in &own.depth_m {
                let value = ((encode_depth(*depth) + 1.0) * 32_767.5).round() as u16;
                data.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    Ok(data)
}
