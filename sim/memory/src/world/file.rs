//! Writing and reading a world.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use rhea_scene::Pose;
use serde::{Deserialize, Serialize};

use super::chunks::{Found, MAGIC, chunks, put};
use super::{About, WORLD_VERSION, World, WorldError};
use crate::graph::{Edge, Edit, Node};
use crate::limits::{MAX_CODES, MAX_COORDINATE_M, MAX_EDGES, MAX_EDITS, MAX_TEXT_BYTES, MAX_VIEWS, MAX_WORLD_BYTES};
use crate::memory::Memory;
use crate::pictures::{colour_png, depth_png, view_from_pngs};
use crate::view::View;

const ABOUT: [u8; 4] = *b"ABOU";
const VIEW: [u8; 4] = *b"VIEW";
const EDGES: [u8; 4] = *b"EDGE";
const EDITS: [u8; 4] = *b"EDIT";
const DONE: [u8; 4] = *b"DONE";
/// Edges in one chunk.
const EDGES_A_CHUNK: usize = 1000;

/// A part of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins, bytes; `None` when something is missing altogether.
    pub offset: Option<usize>,
    /// What is wrong.
    pub what: String,
}

/// A world as it could be read.
#[derive(Debug)]
pub struct Loaded {
    /// The world, without what was damaged.
    pub world: World,
    /// What was damaged; empty for a whole file.
    pub damage: Vec<Damage>,
}

/// A view without its pictures.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewNote {
    index: u32,
    pose: Pose,
    codes: Vec<u32>,
    step: u32,
    lineage: u32,
    narration: String,
    node: Node,
}

#[derive(Serialize, Deserialize)]
struct Done {
    views: u32,
    edges: u32,
}

impl World {
    /// The world as the bytes of a file.
    ///
    /// # Errors
    /// When a view has a pose that is not finite, or is too large for a PNG.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WorldError> {
        let mut file = MAGIC.to_vec();
        file.extend(WORLD_VERSION.to_le_bytes());
        let json = |index: usize, value: Result<Vec<u8>, serde_json::Error>| {
            value.map_err(|error| WorldError::View { index, what: error.to_string() })
        };
        put(&mut file, ABOUT, &json(0, serde_json::to_vec(&self.about))?);
        for (index, (view, node)) in self.memory.views().iter().zip(self.memory.nodes()).enumerate() {
            let wrong = |what: String| WorldError::View { index, what };
            check_pose(&view.pose).map_err(wrong)?;
            let note = ViewNote {
                index: index as u32,
                pose: view.pose,
                codes: view.codes.clone(),
                step: view.step,
                lineage: view.lineage,
                narration: view.narration.clone(),
                node: node.clone(),
            };
            let mut payload = Vec::new();
            for part in [
                json(index, serde_json::to_vec(&note))?,
                colour_png(&view.rgbd).map_err(wrong)?,
                depth_png(&view.rgbd).map_err(wrong)?,
            ] {
                payload.extend((part.len() as u32).to_le_bytes());
                payload.extend(part);
            }
            put(&mut file, VIEW, &payload);
        }
        for edges in self.memory.edges().chunks(EDGES_A_CHUNK) {
            put(&mut file, EDGES, &json(0, serde_json::to_vec(edges))?);
        }
        put(&mut file, EDITS, &json(0, serde_json::to_vec(self.memory.edits()))?);
        let done = Done { views: self.memory.len() as u32, edges: self.memory.edges().len() as u32 };
        put(&mut file, DONE, &json(0, serde_json::to_vec(&done))?);
        Ok(file)
    }

    /// Writes the world. The file is written beside its place first and then moved there, so that a crash leaves the old one.
    ///
    /// # Errors
    /// As [`World::to_bytes`], and when the disk refuses.
    pub fn save(&self, path: &Path) -> Result<u64, WorldError> {
        let bytes = self.to_bytes()?;
        let write = |source| WorldError::Write { path: path.to_path_buf(), source };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let written = std::fs::File::create(&beside)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&beside, path));
        if written.is_err() {
            // The write's own error is the one to report.
            std::fs::remove_file(&beside).ok();
        }
        written.map_err(write)?;
        Ok(bytes.len() as u64)
    }

    /// Does a file begin like a world?
    #[must_use]
    pub fn is_file(path: &Path) -> bool {
        let mut first = [0; MAGIC.len()];
        std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == MAGIC
    }

    /// Reads a world; parts that are damaged are left out and told.
    ///
    /// # Errors
    /// When the file cannot be read, is no world, has a later format, or holds no view that can be read.
    pub fn load(path: &Path) -> Result<Loaded, WorldError> {
        let read = |source| WorldError::Read { path: path.to_path_buf(), source };
        let about = std::fs::metadata(path).map_err(read)?;
        if !about.is_file() || about.len() > MAX_WORLD_BYTES {
            let what = format!("{} bytes; allowed is a file of up to {MAX_WORLD_BYTES} bytes", about.len());
            return Err(WorldError::Foreign { what, path: path.to_path_buf() });
        }
        Self::from_bytes(&std::fs::read(path).map_err(read)?, path)
    }

    /// Reads a world from bytes; `path` is only for messages.
    ///
    /// # Errors
    /// As [`World::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Loaded, WorldError> {
        let foreign = |what: &str| WorldError::Foreign { what: what.to_owned(), path: path.to_path_buf() };
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(|| foreign("it does not begin like one"))?;
        let version = rest.first_chunk::<4>().ok_or_else(|| foreign("it ends after its first bytes"))?;
        let found = u32::from_le_bytes(*version);
        if !(1..=WORLD_VERSION).contains(&found) {
            return Err(WorldError::Version { found, path: path.to_path_buf() });
        }
        let mut reader = Reader::default();
        for found in chunks(bytes, MAGIC.len() + 4) {
            match found {
                Found::Chunk(kind, payload) => {
                    if let Err(what) = reader.take(kind, payload) {
                        reader.damaged(None, what);
                    }
                }
                Found::Damage { offset, what } => reader.damaged(Some(offset), what),
            }
        }
        reader.finish().map_err(|what| foreign(&what))
    }
}

/// Gathers chunks.
#[derive(Default)]
struct Reader {
    about: Option<About>,
    views: BTreeMap<u32, (View, Node)>,
    edges: Vec<Edge>,
    edits: Vec<Edit>,
    done: Option<Done>,
    damage: Vec<Damage>,
}

impl Reader {
    fn damaged(&mut self, offset: Option<usize>, what: String) {
        self.damage.push(Damage { offset, what });
    }

    fn take(&mut self, kind: [u8; 4], payload: &[u8]) -> Result<(), String> {
        let wrong = |what: &str, error: serde_json::Error| format!("{what} cannot be read: {error}");
        match kind {
            ABOUT => self.about = Some(serde_json::from_slice(payload).map_err(|e| wrong("what the world is", e))?),
            VIEW => {
                if self.views.len() >= MAX_VIEWS {
                    return Err(format!("more than {MAX_VIEWS} views"));
                }
                let (index, view, node) = view(payload)?;
                self.views.insert(index, (view, node));
            }
            EDGES => {
                let edges: Vec<Edge> = serde_json::from_slice(payload).map_err(|e| wrong("edges", e))?;
                let sane = edges.into_iter().filter(|edge| edge.motion.is_finite() && edge.spread.is_sane());
                self.edges.extend(sane.take(MAX_EDGES.saturating_sub(self.edges.len())));
            }
            EDITS => {
                let edits: Vec<Edit> = serde_json::from_slice(payload).map_err(|e| wrong("edits", e))?;
                self.edits = edits.into_iter().filter(|edit| edit.region.is_sane()).take(MAX_EDITS).collect();
            }
            DONE => self.done = Some(serde_json::from_slice(payload).map_err(|e| wrong("the end", e))?),
            // A later Rhea may add kinds that do not matter here.
            _ => {}
        }
        Ok(())
    }

    /// Puts together what there is; views that are missing are left out everywhere.
    fn finish(mut self) -> Result<Loaded, String> {
        let about = self.about.take().ok_or("what it says about itself is missing or damaged")?;
        if self.views.is_empty() {
            return Err("none of its views can be read".to_owned());
        }
        match &self.done {
            None => self.damaged(None, "the file is cut short: its end is missing".to_owned()),
            Some(done) if done.views as usize != self.views.len() => {
                let what = format!(
                    "{} of {} views are missing",
                    done.views as usize - self.views.len().min(done.views as usize),
                    done.views
                );
                self.damaged(None, what);
            }
            Some(_) => {}
        }
        let places: BTreeMap<u32, u32> = self.views.keys().enumerate().map(|(new, old)| (*old, new as u32)).collect();
        let mut memory = Memory::new();
        for (_, (view, mut node)) in std::mem::take(&mut self.views) {
            node.sources = node.sources.iter().filter_map(|old| places.get(old).copied()).collect();
            memory.push(view, node);
        }
        let before = self.edges.len();
        let edges: Vec<Edge> = self
            .edges
            .iter()
            .filter_map(|edge| Some(Edge { from: *places.get(&edge.from)?, to: *places.get(&edge.to)?, ..*edge }))
            .collect();
        if edges.len() < before {
            let what = format!("{} edges to missing views are left out", before - edges.len());
            self.damaged(None, what);
        }
        memory.set_edges(edges);
        let at = |old: u32| places.range(..old).count() as u32;
        memory.set_edits(self.edits.iter().map(|edit| Edit { at: at(edit.at), ..*edit }).collect());
        Ok(Loaded { world: World { about, memory }, damage: self.damage })
    }
}

fn view(payload: &[u8]) -> Result<(u32, View, Node), String> {
    let mut rest = payload;
    let mut part = || -> Option<&[u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = after;
        Some(part)
    };
    let (note, colour, depth) = part()
        .and_then(|note| Some((note, part()?, part()?)))
        .ok_or_else(|| "a view has parts of the wrong length".to_owned())?;
    let note: ViewNote = serde_json::from_slice(note).map_err(|e| format!("a view's note cannot be read: {e}"))?;
    let wrong = |what: String| format!("view {}: {what}", note.index);
    check_pose(&note.pose).map_err(wrong)?;
    if note.codes.len() > MAX_CODES || note.narration.len() > MAX_TEXT_BYTES {
        return Err(wrong(format!(
            "{} codes and {} bytes of words are too many",
            note.codes.len(),
            note.narration.len()
        )));
    }
    if !note.node.spread.is_sane() {
        return Err(wrong("its spread is not finite".to_owned()));
    }
    let rgbd = Arc::new(view_from_pngs(colour, depth).map_err(wrong)?);
    let ViewNote { index, pose, codes, step, lineage, narration, node } = note;
    Ok((index, View { rgbd, pose, codes, step, lineage, narration }, node))
}

fn check_pose(pose: &Pose) -> Result<(), String> {
    let [x, y, z] = pose.position_m;
    let sane =
        [x, y, z].iter().all(|v| v.abs() <= MAX_COORDINATE_M) && pose.yaw_rad.is_finite() && pose.pitch_rad.is_finite();
    if sane {
        return Ok(());
    }
    let (yaw, pitch) = (pose.yaw_rad, pose.pitch_rad);
    Err(format!(
        "its pose x {x} y {y} z {z} m, yaw {yaw}, pitch {pitch} is not allowed; finite numbers up to {MAX_COORDINATE_M} m are"
    ))
}
