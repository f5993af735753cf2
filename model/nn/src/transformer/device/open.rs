//! Transformers whose layers are on a device.

use super::{DeviceNet, FromFiles, Held, Random};
use crate::NnError;
use crate::device::OnDevice;
use crate::parallel::Place;
use crate::transformer::inference::{check_sizes, fingerprint, ids, positions};
use crate::transformer::matrix::{FromWeights, Source as _, Table, TableRows, WeightForm};
use crate::transformer::{Loading, Transformer, TransformerConfig};
use crate::weights::{StoredType, Weights};

/// Rows of the small table that all ids of a random model share, and how often it is repeated; ids behind that read zeros.
const RANDOM_ROWS: usize = 256;
const RANDOM_PARTS: usize = 16;

impl Transformer {
    /// As [`Self::from_weights_at`] on a device: layers, heads, keys and values are there; the embedding, of which a pass reads
    /// single rows, stays in its file.
    ///
    /// # Errors
    /// As [`Self::from_weights_at`], when the form is not one of devices, or when the device's memory is full.
    pub fn on_device(
        config: TransformerConfig,
        weights: &Weights,
        visual_start: usize,
        loading: Loading,
        (place, on): (Place, &OnDevice),
    ) -> Result<Self, NnError> {
        let positions = positions(&config, loading)?;
        check_sizes(&config, visual_start, place)?;
        let head = weights.stored("lm_head.weight", &[config.vocab_size, config.hidden_size])?;
        let held = Held::of(loading.form, head.stored_type() == StoredType::F32)?;
        let slice = place.slice(&config, visual_start);
        let net = DeviceNet::load(&config, &slice, visual_start, on, &mut FromFiles::new(weights, held, on))?;
        let shape = [config.vocab_size, config.hidden_size];
        let mut embedding = FromWeights { weights, form: WeightForm::Stored };
        let embedding = embedding.table("model.embed_tokens.weight", shape, &ids(&slice, visual_start))?;
        let mut model = Self::of_net(config, (visual_start, positions), place, embedding, net);
        if place.spread.ranks() > 1 {
            model.fingerprint = fingerprint(&model.config, weights);
        }
        Ok(model)
    }

    /// A model of random weights on a device, for measuring speed at sizes of which there is no file. What it says means nothing.
    ///
    /// # Errors
    /// Settings that are not supported, or when the device's memory is full.
    pub fn random_on_device(
        config: TransformerConfig,
        visual_start: usize,
        loading: Loading,
        on: &OnDevice,
    ) -> Result<Self, NnError> {
        let positions = positions(&config, loading)?;
        check_sizes(&config, visual_start, Place::ONLY)?;
        let mut tensors = Random::new(Held::of(loading.form, false)?, on);
        let slice = Place::ONLY.slice(&config, visual_start);
        let net = DeviceNet::load(&config, &slice, visual_start, on, &mut tensors)?;
        // Speed does not depend on what rows hold, so all ids share the rows of one small table.
        let (width, rows) = (config.hidden_size, config.vocab_size);
        let row = |id: usize| (0..width).map(move |i| ((id * 31 + i * 17) % 97) as f32 / 970.0 - 0.05);
        let table: Vec<f32> = (0..RANDOM_ROWS.min(rows)).flat_map(row).collect();
        let parts = (0..rows.div_ceil(RANDOM_ROWS)).map(|part| (part * RANDOM_ROWS, TableRows::Held(table.clone())));
        let embedding = Table::new(width, parts.take(RANDOM_PARTS).collect());
        Ok(Self::of_net(config, (visual_start, positions), Place::ONLY, embedding, net))
    }

    /// Where its layers are; `None` for the kernels of this project.
    #[must_use]
    pub fn device(&self) -> Option<&OnDevice> {
        self.device.as_ref().map(DeviceNet::on)
    }
}
