//! Checkpoints: variables, optimiser and step in one folder, written whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rhea_nn::NnError;
use rhea_nn::weights::{Stored, Weights, save};
use serde::{Deserialize, Serialize};

use crate::optim::{Moments, Optimiser};

/// What a run needs besides tensors to go on where it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Finished training steps.
    pub step: u64,
    /// Updates the optimiser has made.
    pub optimiser_steps: u64,
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.safetensors")
}

fn position_file(dir: &Path) -> PathBuf {
    dir.join("position.json")
}

/// Writes a checkpoint into `dir`.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(dir: &Path, optimiser: &Optimiser, step: u64) -> Result<(), NnError> {
    let failed = |path: PathBuf| move |source| NnError::File { doing: "writing", path, source };
    std::fs::create_dir_all(dir).map_err(failed(dir.into()))?;
    let (moments, optimiser_steps) = optimiser.state();
    let mut tensors = BTreeMap::new();
    for ((name, var), m) in optimiser.vars().iter().zip(moments) {
        let shape = var.dims().to_vec();
        tensors.insert(format!("first.{name}"), (shape.clone(), m.first.clone()));
        if !m.second.is_empty() {
            tensors.insert(format!("second.{name}"), (shape.clone(), m.second.clone()));
        }
        tensors.insert(format!("value.{name}"), (shape, var.flatten_all()?.to_vec1::<f32>()?));
    }
    // The position names the state it belongs to, so that a cut between the two files is noticed.
    tensors.insert("step".into(), (vec![1], vec![step as f32]));
    save(&state_file(dir), &tensors, Stored::F32)?;
    let path = position_file(dir);
    let text = serde_json::to_string(&Position { step, optimiser_steps }).unwrap_or_default();
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).map_err(failed(partial.clone()))?;
    std::fs::rename(&partial, &path).map_err(failed(path))
}

/// Restores a checkpoint, if there is one; the variables must be those of the run that wrote it.
///
/// # Errors
/// When the checkpoint is damaged or belongs to another model.
pub fn restore(dir: &Path, optimiser: &mut Optimiser) -> Result<Option<Position>, NnError> {
    let path = position_file(dir);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|source| NnError::File {
        doing: "reading",
        path: path.clone(),
        source,
    })?;
    let mut position: Position =
        serde_json::from_str(&text).map_err(|e| NnError::Config { path: path.clone(), what: e.to_string() })?;
    let weights = Weights::open(&state_file(dir))?;
    let stored = weights.values_f32("step", &[1])?[0] as u64;
    if stored != position.step {
        position = Position { step: stored, optimiser_steps: stored };
    }
    let mut moments = Vec::new();
    for ((name, var), now) in optimiser.vars().iter().zip(optimiser.state().0) {
        let shape = var.dims();
        let value = weights.values_f32(&format!("value.{name}"), shape)?;
        var.set(&Tensor::from_vec(value, shape, &Device::Cpu)?)?;
        let second =
            if now.second.is_empty() { Vec::new() } else { weights.values_f32(&format!("second.{name}"), shape)? };
        moments.push(Moments { first: weights.values_f32(&format!("first.{name}"), shape)?, second });
    }
    optimiser.restore(moments, position.optimiser_steps)?;
    Ok(Some(position))
}
