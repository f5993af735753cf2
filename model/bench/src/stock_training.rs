//! A training step of the same network in stock candle: autograd over padded batches, f32, candle's AdamW.

use candle_core::{DType, Device};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rhea_train::world::{CandleNetwork, Laid};

use crate::error::BenchError;
use crate::model::RandomModel;

/// How the report calls it.
pub const NAME: &str = "the same step in stock candle f32";

/// The network with candle's optimiser.
pub struct StockTrainer {
    network: CandleNetwork,
    optimiser: AdamW,
}

impl StockTrainer {
    /// Copies of the weights.
    ///
    /// # Errors
    /// What candle says.
    pub fn new(random: &RandomModel, rate: f64) -> Result<Self, BenchError> {
        let network = CandleNetwork::new(&random.parameters, random.visual_start, &Device::Cpu, DType::F32)?;
        let settings = ParamsAdamW { lr: rate, ..ParamsAdamW::default() };
        let optimiser = AdamW::new(network.vars().values().cloned().collect(), settings)?;
        Ok(Self { network, optimiser })
    }

    /// One step on the sequences. Returns the weighted mean loss before it.
    ///
    /// # Errors
    /// What candle says.
    pub fn step(&mut self, laid: &[Laid]) -> Result<f32, BenchError> {
        let loss = self.network.loss(&laid.iter().collect::<Vec<_>>())?;
        let mean = (loss.total / loss.weight)?;
        self.optimiser.backward_step(&mean)?;
        Ok(mean.to_scalar()?)
    }
}
