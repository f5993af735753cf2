//! Is the folder of a vision tokenizer whole? Settings and headers are read, weights are not.

use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::config::VisionConfig;
use super::layers::{Init, Parameters};
use super::net::VisionNet;
use crate::error::NnError;
use crate::weights::Weights;

/// Checks that a folder has every tensor that its settings ask for, with its shape and in a type that can be read.
///
/// # Errors
/// When settings or files are damaged, or the first tensor that is missing or different.
pub fn check_folder(dir: &Path) -> Result<VisionConfig, NnError> {
    let config = VisionConfig::open_folder(dir)?;
    VisionNet::new(&config, &Headers(Weights::open_folder(dir)?))?;
    Ok(config)
}

/// Parameters that are looked up, but stand for nothing: all of a tensor's values are one zero in memory.
struct Headers(Weights);

impl Headers {
    fn look_up(&self, name: &str, stored: &[usize], shape: &[usize]) -> Result<Tensor, NnError> {
        self.0.stored(name, stored)?;
        Ok(Tensor::zeros(1, DType::F32, &Device::Cpu)?.broadcast_as(shape)?)
    }
}

impl Parameters for Headers {
    fn conv(&self, name: &str, c_out: usize, c_in: usize, side: usize, _: Init) -> Result<Tensor, NnError> {
        self.look_up(name, &[c_out, c_in, side, side], &[c_out, side, side, c_in])
    }

    fn plain(&self, name: &str, shape: &[usize], _: Init) -> Result<Tensor, NnError> {
        self.look_up(name, shape, shape)
    }

    fn frozen(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_must_have_what_its_settings_ask_for() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nano/vision");
        check_folder(&shipped).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (settings, weights) = ("config.json", "model.safetensors");
        std::fs::copy(shipped.join(weights), folder.path().join(weights)).unwrap();
        let text = std::fs::read_to_string(shipped.join(settings)).unwrap();
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (field, change) in [("embed_dim", 1), ("ch", 32), ("num_res_blocks", 1), ("codebook_size", 1)] {
            let mut changed = config.clone();
            changed[field] = (config[field].as_u64().unwrap() + change).into();
            std::fs::write(folder.path().join(settings), changed.to_string()).unwrap();
            assert!(check_folder(folder.path()).is_err(), "{field}");
        }
        std::fs::write(folder.path().join(settings), text).unwrap();
        check_folder(folder.path()).unwrap();
    }
}
