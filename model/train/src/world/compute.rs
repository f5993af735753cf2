//! Where gradients are computed: by this project's kernels on the processor, or by candle's autograd on CUDA devices.

use candle_core::{DType, Device, Tensor};
use rhea_nn::NnError;
use rhea_nn::device::OnDevice;
use rhea_nn::transformer::Parameters;

use super::network::{BatchLoss, CandleNetwork};
use super::{Laid, Scores};

/// Sequences of one pass on a device.
const SEQUENCES: usize = 32;

/// Where gradients are computed.
#[derive(Clone, Debug, Default)]
pub enum Compute {
    /// The kernels of `rhea-nn`, on worker threads.
    #[default]
    Kernels,
    /// candle on each of these, the samples of a step shared out. Products are bf16 on CUDA, f32 elsewhere.
    Devices(Vec<Device>),
}

impl Compute {
    /// `cpu`, or CUDA devices as `cuda:0` or `cuda:0,cuda:1`.
    ///
    /// # Errors
    /// When it is neither, a device is not there, or the program was built without CUDA.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "cpu" {
            return Ok(Self::Kernels);
        }
        let wrong = || format!("{text:?} is no device; allowed are cpu, cuda:N and lists such as cuda:0,cuda:1");
        let ids: Vec<usize> = text
            .split(',')
            .map(|part| part.trim().strip_prefix("cuda:").and_then(|id| id.parse().ok()).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        if let Some(twice) = (1..ids.len()).find(|i| ids[..*i].contains(&ids[*i])) {
            return Err(format!("{text:?} names cuda:{} twice", ids[twice]));
        }
        ids.into_iter().map(cuda).collect::<Result<_, _>>().map(Self::Devices)
    }

    /// The name that logs use.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Kernels => format!("{} kernels", rhea_nn::kernels::unit().name()),
            Self::Devices(devices) => {
                let names: Vec<String> = devices.iter().map(|device| format!("{:?}", device.location())).collect();
                format!("candle on {}", names.join(", "))
            }
        }
    }
}

/// A CUDA device.
fn cuda(id: usize) -> Result<Device, String> {
    let opened = OnDevice::cuda(id).map_err(|error| format!("cuda:{id} cannot be used: {error}"))?;
    Ok(opened.device().clone())
}

/// The summed loss, its figures, and the gradients in the order of the parameters.
pub(super) type Gradients = (f32, Scores, Vec<Option<Tensor>>);

/// Loss, times `scale`, and gradients of all sequences. Every device takes a share; shares are added in the order of devices.
pub(super) fn gradients(
    devices: &[Device],
    parameters: &Parameters,
    visual_start: usize,
    laid: &[&Laid],
    scale: f32,
) -> Result<Gradients, NnError> {
    let share = laid.len().div_ceil(devices.len().max(1)).max(1);
    let parts: Vec<Result<Gradients, NnError>> = std::thread::scope(|scope| {
        let one = |(device, laid)| scope.spawn(move || on_device(device, parameters, visual_start, laid, scale));
        let running: Vec<_> = devices.iter().zip(laid.chunks(share)).map(one).collect();
        let ended = |_| NnError::Input("a device's thread ended before its work was done".to_owned());
        running.into_iter().map(|thread| thread.join().map_err(ended)?).collect()
    });
    let (mut loss, mut scores, mut sum) = (0.0, Scores::default(), vec![None; parameters.vars().len()]);
    for part in parts {
        let (part_loss, part_scores, part) = part?;
        loss += part_loss;
        scores.add(&part_scores);
        add(&mut sum, part)?;
    }
    Ok((loss, scores, sum))
}

fn on_device(
    device: &Device,
    parameters: &Parameters,
    visual_start: usize,
    laid: &[&Laid],
    scale: f32,
) -> Result<Gradients, NnError> {
    let products = if device.is_cuda() { DType::BF16 } else { DType::F32 };
    let network = CandleNetwork::new(parameters, visual_start, device, products)?;
    let (mut loss, mut scores, mut sum) = (0.0, Scores::default(), vec![None; parameters.vars().len()]);
    for laid in laid.chunks(SEQUENCES) {
        let BatchLoss { total, rows, .. } = network.loss(laid)?;
        let total = (total * f64::from(scale))?;
        let found = total.backward()?;
        loss += total.to_scalar::<f32>()?;
        rows.into_iter().for_each(|(kind, row)| scores.count(kind, row));
        let of = |name: &String| network.vars().get(name).and_then(|var| found.get(var));
        let part = parameters.vars().iter().map(|(name, _)| of(name).map(|g| g.to_device(&Device::Cpu)).transpose());
        add(&mut sum, part.collect::<Result<_, _>>()?)?;
    }
    Ok((loss, scores, sum))
}

fn add(sum: &mut [Option<Tensor>], part: Vec<Option<Tensor>>) -> Result<(), NnError> {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum = match (sum.take(), part) {
            (Some(a), Some(b)) => Some((a + b)?),
            (a, b) => a.or(b),
        };
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_or_refused() {
        assert!(matches!(Compute::parse("cpu"), Ok(Compute::Kernels)));
        for wrong in ["", "gpu", "cuda", "cuda:", "cuda:x", "cpu,cuda:0", "cuda:0,"] {
            assert!(Compute::parse(wrong).unwrap_err().contains("allowed are cpu"), "{wrong}");
        }
        assert!(Compute::parse("cuda:1,cuda:1").unwrap_err().contains("twice"));
        // No machine has this many.
        assert!(Compute::parse("cuda:4096").unwrap_err().contains("cannot be used"));
    }
}
