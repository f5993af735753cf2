//! What runs where, and what it needs there.

use std::fmt;

use rhea_nn::parallel::{Place, Spread};
use rhea_nn::transformer::WeightForm;

use super::sizes::{ModelSizes, buffers, device_buffers, matrices, weights};
use super::{Device, DeviceInfo, ParallelRequest};
use crate::error::EngineError;
use crate::estimate::{Bytes, KV_BYTES, SHORTER};

/// What one rank needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankPlan {
    /// Where it runs.
    pub device: Device,
    /// Weights, mapped ones included.
    pub weights_bytes: u64,
    /// Keys and values of its branches, layers and heads.
    pub kv_bytes: u64,
    /// Buffers of a pass, and the vision tokenizer on the first rank.
    pub other_bytes: u64,
}

impl RankPlan {
    /// All of it.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.kv_bytes + self.other_bytes
    }
}

/// How a model is spread over devices, and what that takes.
#[derive(Clone, Debug, PartialEq)]
pub struct ParallelPlan {
    /// How it is cut.
    pub spread: Spread,
    /// What each rank needs.
    pub ranks: Vec<RankPlan>,
    /// Threads of each rank's kernels, on the processor.
    pub threads: usize,
    /// Weights of the whole model.
    pub whole_bytes: u64,
    /// Why this plan, in a sentence.
    pub why: String,
    form: WeightForm,
    context: usize,
    branches: usize,
    devices: Vec<DeviceInfo>,
    /// Key heads that several ranks hold, each in full.
    repeated_key_heads: bool,
}

impl ParallelPlan {
    /// The plan that is asked for, or with [`ParallelRequest::Auto`] the one that devices suggest. Whether it fits is said by
    /// [`Self::check`].
    ///
    /// # Errors
    /// When the model cannot be spread so, or there are fewer devices than ranks.
    pub fn new(request: ParallelRequest, devices: &[DeviceInfo], sizes: &ModelSizes) -> Result<Self, EngineError> {
        if devices.is_empty() {
            return Err(EngineError::Devices("a plan without devices; at least one is needed".to_owned()));
        }
        let (spread, why) = match request {
            ParallelRequest::Auto => suggest(devices, sizes),
            ParallelRequest::Parts { tp, context, cfg } => {
                (Spread { tensor: tp, context, lanes: cfg, ..Spread::SINGLE }, "as asked for".to_owned())
            }
            ParallelRequest::Layers { runs, cfg } => {
                let runs = runs.unwrap_or_else(|| (devices.len() / cfg).max(1));
                (Spread { stages: runs, lanes: cfg, ..Spread::SINGLE }, "as asked for".to_owned())
            }
        };
        Self::of(spread, devices, sizes, why)
    }

    /// A plan with a given spread.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(spread: Spread, devices: &[DeviceInfo], sizes: &ModelSizes, why: String) -> Result<Self, EngineError> {
        let ModelSizes { config, visual_start, .. } = sizes;
        spread.check(config, *visual_start).map_err(|e| EngineError::Devices(plain(&e)))?;
        if spread.lanes > sizes.branches {
            return Err(EngineError::Devices(format!(
                "cfg={}: this answer has {} guidance branches; allowed are 1 to {}",
                spread.lanes, sizes.branches, sizes.branches
            )));
        }
        if let Some(info) = devices.iter().find(|info| info.device != Device::Cpu) {
            if matches!(sizes.form, WeightForm::Q8 | WeightForm::Q4K) {
                let text = "allowed there are stored and fp8";
                return Err(EngineError::Devices(format!("{} weights on {}: {text}", sizes.form.name(), info.device)));
            }
        } else if sizes.form == WeightForm::Fp8 {
            let text = "fp8 weights are those of CUDA devices; allowed on the processor are stored, q8_0 and q4_k";
            return Err(EngineError::Devices(text.to_owned()));
        }
        let crowded = devices.iter().all(|info| info.device.is_processor());
        if !crowded && spread.ranks() > devices.len() {
            let names: Vec<String> = devices.iter().map(|info| info.device.to_string()).collect();
            return Err(EngineError::Devices(format!(
                "{} ranks on {} devices ({}); each device runs one rank",
                spread.ranks(),
                devices.len(),
                names.join(", ")
            )));
        }
        let rank = |rank: usize| {
            let place = Place { spread, rank };
            let slice = place.slice(config, *visual_start);
            let branches = (0..sizes.branches).filter(|branch| branch % spread.lanes == place.lane()).count() as u64;
            let vision = if rank == 0 { sizes.vision_bytes } else { 0 };
            let device = devices[rank % devices.len()].device;
            let kv_values = branches * sizes.context as u64 * slice.kv_values() as u64;
            match device {
                Device::Cuda(_) => RankPlan {
                    device,
                    weights_bytes: matrices(sizes, &slice),
                    kv_bytes: kv_values * sizes.device_value(),
                    other_bytes: device_buffers(sizes, &slice),
                },
                Device::Cpu | Device::Candle => RankPlan {
                    device,
                    weights_bytes: weights(sizes, &slice),
                    kv_bytes: kv_values * KV_BYTES,
                    other_bytes: buffers(sizes, &slice, branches) + vision,
                },
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            spread,
            ranks: (0..spread.ranks()).map(rank).collect(),
            // Where all ranks are on CUDA devices, a thread each: what a device records belongs to the thread that recorded it.
            threads: if devices.iter().any(|info| info.device.is_processor()) {
                (cores / spread.ranks()).max(1)
            } else {
                1
            },
            whole_bytes: weights(sizes, &Place::ONLY.slice(config, *visual_start)),
            why,
            form: sizes.form,
            context: sizes.context,
            branches: sizes.branches,
            devices: devices.to_vec(),
            repeated_key_heads: config.num_key_value_heads < spread.tensor,
        })
    }

    /// The device of each rank.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.ranks.iter().map(|rank| rank.device).collect()
    }

    /// What a device has to hold.
    #[must_use]
    pub fn device_bytes(&self, device: Device) -> u64 {
        self.ranks.iter().filter(|rank| rank.device == device).map(RankPlan::total_bytes).sum()
    }

    /// The first device whose ranks need more than it has: what they need, and what there is.
    fn overfull(&self) -> Option<(Device, u64, u64)> {
        self.devices.iter().find_map(|info| {
            let (needs, free) = (self.device_bytes(info.device), info.free_bytes?);
            (needs > free).then_some((info.device, needs, free))
        })
    }

    /// Refuses a plan that does not fit, with its numbers and with one that would.
    ///
    /// # Errors
    /// [`EngineError::Devices`].
    pub fn check(&self, sizes: &ModelSizes) -> Result<(), EngineError> {
        let Some((device, needs, free)) = self.overfull() else { return Ok(()) };
        let advice = self.that_fits(sizes).unwrap_or_else(|| {
            "no spread over these devices, quantised or with a shorter context, would fit: name more devices".to_owned()
        });
        Err(EngineError::Devices(format!(
            "the plan {} needs {} on {device}, which has {} left; {advice}",
            self.name(),
            Bytes(needs),
            Bytes(free)
        )))
    }

    /// The mildest change that fits: another spread over the same devices first, then quantised weights, then a shorter context.
    fn that_fits(&self, sizes: &ModelSizes) -> Option<String> {
        let forms = if self.devices.iter().all(|info| info.device == Device::Cpu) {
            [sizes.form, WeightForm::Q8, WeightForm::Q4K]
        } else {
            [sizes.form, WeightForm::Fp8, WeightForm::Fp8]
        };
        let forms = &forms[forms[1..].iter().position(|form| *form == sizes.form).map_or(0, |at| at + 1)..];
        let contexts = std::iter::once(sizes.context).chain(SHORTER.into_iter().filter(|c| *c < sizes.context));
        for context in contexts {
            for form in forms {
                let sizes = ModelSizes { form: *form, context, ..sizes.clone() };
                // The spread that was asked for goes before others.
                let spreads = std::iter::once(self.spread).chain(spreads(&self.devices, &sizes));
                let plans = spreads.filter_map(|s| Self::of(s, &self.devices, &sizes, String::new()).ok());
                if let Some(plan) = plans.into_iter().find(|plan| plan.overfull().is_none()) {
                    let mut words = vec![format!("--parallel {}", plan.name())];
                    words.extend((*form != self.form).then(|| format!("--quant {}", form.name())));
                    words.extend((context != self.context).then(|| format!("--context {context}")));
                    let most = self.devices.iter().map(|info| plan.device_bytes(info.device)).max().unwrap_or(0);
                    return Some(format!("{} would need {} on its fullest device", words.join(" "), Bytes(most)));
                }
            }
        }
        None
    }

    /// As on the command line.
    #[must_use]
    pub fn name(&self) -> String {
        let Spread { tensor, stages, context, lanes } = self.spread;
        let lanes = if lanes > 1 { format!(",cfg={lanes}") } else { String::new() };
        let context = if context > 1 { format!(",context={context}") } else { String::new() };
        if stages > 1 { format!("layers={stages}{lanes}") } else { format!("tp={tensor}{context}{lanes}") }
    }
}

impl fmt::Display for ParallelPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form, context, branches, .. } = self;
        let ranks = if self.ranks.len() == 1 { "1 rank".to_owned() } else { format!("{} ranks", self.ranks.len()) };
        write!(f, "{} on {ranks}: {}", self.name(), self.why)?;
        write!(
            f,
            "\n  weights {} ({}), {branches} branches of {context} tokens",
            Bytes(self.whole_bytes),
            form.name()
        )?;
        for (number, rank) in self.ranks.iter().enumerate() {
            let share = rank.weights_bytes as f64 / self.whole_bytes.max(1) as f64;
            write!(f, "\n  rank {number} on {}: weights {} ({share:.3})", rank.device, Bytes(rank.weights_bytes))?;
            write!(f, ", keys and values {}, buffers {}", Bytes(rank.kv_bytes), Bytes(rank.other_bytes))?;
            write!(f, ", in all {}", Bytes(rank.total_bytes()))?;
        }
        for info in self.devices.iter().filter(|info| self.ranks.iter().any(|rank| rank.device == info.device)) {
            write!(f, "\n  {} ({}): {}", info.device, info.name, Bytes(self.device_bytes(info.device)))?;
            match info.free_bytes {
                Some(free) => write!(f, " of {} left", Bytes(free))?,
                None => write!(f, ", what it has left is unknown")?,
            }
        }
        if self.spread.context > 1 {
            write!(
                f,
                "\n  {} readers of a branch share out the rows of prompts and canvases; each holds all layers, keys and values",
                self.spread.context
            )?;
            if self.ranks.iter().any(|rank| !rank.device.is_processor()) {
                write!(f, "\n  keys and values go from reader to reader through the processor, once a layer")?;
            }
        }
        if self.spread.tensor > 1 && self.ranks.iter().any(|rank| !rank.device.is_processor()) {
            match rhea_nn::device::nccl_version() {
                Ok(version) => write!(f, "\n  sums of layers go from device to device (NCCL {version})")?,
                Err(why) => write!(f, "\n  sums of layers go through the processor: {why}")?,
            }
        }
        if self.repeated_key_heads {
            write!(f, "\n  fewer key heads than ranks: some ranks hold the same key head")?;
        }
        Ok(())
    }
}

/// What cannot be done, without where it was said.
fn plain(error: &rhea_nn::transformer::TransformerError) -> String {
    let text = error.to_string();
    text.strip_prefix("transformer input: ").map_or(text.clone(), str::to_owned)
}

/// Spreads over so many devices, the quickest first: guidance branches apart, which share nothing but logits, then layers in
/// parts, then runs of layers; and more devices before fewer.
fn spreads(devices: &[DeviceInfo], sizes: &ModelSizes) -> Vec<Spread> {
    let count = devices.len();
    let parts = Spread::tensor_parts(&sizes.config);
    let mut all = Vec::new();
    for lanes in (1..=sizes.branches.min(count).min(rhea_nn::parallel::limits::LANES)).rev() {
        let each = count / lanes;
        all.extend(parts.iter().rev().filter(|p| **p <= each).map(|p| Spread { tensor: *p, lanes, ..Spread::SINGLE }));
        let runs = each.min(sizes.config.num_hidden_layers);
        all.extend((2..=runs).rev().map(|stages| Spread { stages, lanes, ..Spread::SINGLE }));
    }
    all.sort_by_key(|spread| std::cmp::Reverse(spread.ranks()));
    all
}

/// The spread that devices suggest, and why.
fn suggest(devices: &[DeviceInfo], sizes: &ModelSizes) -> (Spread, String) {
    let [first, ..] = devices else { return (Spread::SINGLE, String::new()) };
    if first.device.is_processor() {
        let why = "ranks on one processor share its memory, so one rank with all threads is the quickest";
        return (Spread::SINGLE, why.to_owned());
    }
    if devices.len() == 1 {
        return (Spread::SINGLE, "there is one device".to_owned());
    }
    let fits = |spread: &Spread| {
        let plan = ParallelPlan::of(*spread, devices, sizes, String::new());
        plan.is_ok_and(|plan| plan.overfull().is_none())
    };
    let all = spreads(devices, sizes);
    let spread = all.iter().copied().find(fits).or_else(|| all.first().copied()).unwrap_or(Spread::SINGLE);
    let mut why = Vec::new();
    if spread.lanes > 1 {
        why.push(format!("{} guidance branches run side by side and share nothing but logits", spread.lanes));
    }
    if spread.tensor > 1 {
        why.push(format!("layers in {} parts make every step shorter", spread.tensor));
    }
    if spread.stages > 1 {
        why.push(format!("layers in {} runs fit where parts of layers do not", spread.stages));
    }
    if spread.ranks() < devices.len() {
        why.push(format!("{} of {} devices are enough or all that can be used", spread.ranks(), devices.len()));
    }
    (spread, why.join("; "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_nn::transformer::TransformerConfig;

    use super::*;
    use crate::estimate::MemoryEstimate;

    const GIB: u64 = 1 << 30;

    /// The published model.
    fn emu(form: WeightForm, context: usize, branches: usize) -> ModelSizes {
        let config = TransformerConfig {
            hidden_size: 5120,
            intermediate_size: 25_600,
            num_hidden_layers: 64,
            num_attention_heads: 64,
            num_key_value_heads: 8,
            head_dim: 128,
            max_position_embeddings: 32_768,
            ..TransformerConfig::nano(282_926)
        };
        ModelSizes { config, visual_start: 151_854, stored: 2, form, context, branches, vision_bytes: 2 * GIB }
    }

    fn cuda(count: usize, gib: u64) -> Vec<DeviceInfo> {
        let info = |n| DeviceInfo { device: Device::Cuda(n), name: "GPU".to_owned(), free_bytes: Some(gib * GIB) };
        (0..count).map(info).collect()
    }

    #[test]
    fn one_rank_needs_what_the_estimate_of_the_whole_says() {
        for form in [WeightForm::Stored, WeightForm::Q8, WeightForm::Q4K] {
            let sizes = emu(form, 8192, 2);
            let plan = ParallelPlan::new(ParallelRequest::Auto, &[DeviceInfo::processor()], &sizes).unwrap();
            let size = (sizes.stored, sizes.visual_start);
            let whole = MemoryEstimate::new(&sizes.config, size, form, (8192, 2), sizes.vision_bytes);
            assert_eq!(plan.ranks[0].weights_bytes, whole.weights_bytes + whole.mapped_bytes);
            assert_eq!(plan.ranks[0].kv_bytes, whole.kv_bytes);
        }
    }

    #[test]
    fn a_cuda_device_holds_bf16_keys_and_no_embedding() {
        let need = |form, context| {
            let plan = ParallelPlan::new(ParallelRequest::Auto, &cuda(1, 200), &emu(form, context, 2)).unwrap();
            plan.ranks[0]
        };
        let (bf16, fp8) = (need(WeightForm::Stored, 8192), need(WeightForm::Fp8, 8192));
        let values = 34_103_460_864_u64 - 282_926 * 5120 - (64 * (2 * 5120 + 2 * 128) + 5120);
        assert_eq!(bf16.weights_bytes, 2 * values);
        // 256 KiB a token and branch.
        assert_eq!(bf16.kv_bytes, 2 * 8192 * 256 * 1024);
        let share = fp8.weights_bytes as f64 / values as f64;
        assert!((1.0..1.01).contains(&share) && fp8.kv_bytes == bf16.kv_bytes, "{share}");
        assert!(fp8.other_bytes > bf16.other_bytes, "what fp8 is widened to takes room");
    }

    #[test]
    fn four_ranks_hold_a_quarter_each_and_lanes_hold_their_own_branches() {
        let sizes = emu(WeightForm::Stored, 8192, 2);
        let plan =
            ParallelPlan::new(ParallelRequest::Parts { tp: 4, context: 1, cfg: 2 }, &cuda(8, 80), &sizes).unwrap();
        assert_eq!(plan.ranks.len(), 8);
        for rank in &plan.ranks {
            let share = rank.weights_bytes as f64 / plan.whole_bytes as f64;
            // A quarter, less the embedding.
            assert!((0.237..0.241).contains(&share), "{share}");
            // One branch of 8192 tokens, 256 KiB each in bf16, over 4 ranks.
            assert_eq!(rank.kv_bytes, 8192 * 256 * 1024 / 4);
        }
        plan.check(&sizes).unwrap();
        let text = plan.to_string();
        assert!(text.contains("tp=4,cfg=2 on 8 ranks") && text.contains("rank 7 on cuda:7"), "{text}");
    }

    #[test]
    fn devices_suggest_branches_apart_first_and_parts_of_layers_then() {
        let auto = |count, gib, form, branches| {
            ParallelPlan::new(ParallelRequest::Auto, &cuda(count, gib), &emu(form, 8192, branches)).unwrap().spread
        };
        assert_eq!(auto(2, 141, WeightForm::Stored, 2), Spread { tensor: 1, stages: 1, context: 1, lanes: 2 });
        // Two whole models do not fit two devices of 80 GB with their keys and values; two halves do.
        assert_eq!(auto(2, 60, WeightForm::Stored, 2), Spread { tensor: 2, stages: 1, context: 1, lanes: 1 });
        assert_eq!(auto(8, 80, WeightForm::Stored, 2), Spread { tensor: 4, stages: 1, context: 1, lanes: 2 });
        assert_eq!(auto(4, 80, WeightForm::Stored, 1), Spread { tensor: 4, stages: 1, context: 1, lanes: 1 });
        // Three cannot share 64 heads; runs of layers use all three.
        assert_eq!(auto(3, 40, WeightForm::Stored, 1), Spread { tensor: 1, stages: 3, context: 1, lanes: 1 });
        let cpu = ParallelPlan::new(ParallelRequest::Auto, &[DeviceInfo::processor()], &emu(WeightForm::Stored, 64, 2));
        let cpu = cpu.unwrap();
        assert!(cpu.spread == Spread::SINGLE && cpu.why.contains("one rank with all threads"));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers_and_with_a_plan_that_does() {
        let refuse = |request, count, gib, form, context| {
            let sizes = emu(form, context, 2);
            let plan = ParallelPlan::new(request, &cuda(count, gib), &sizes).unwrap();
            plan.check(&sizes).unwrap_err().to_string()
        };
        let whole = ParallelRequest::Parts { tp: 1, context: 1, cfg: 1 };
        let text = refuse(whole, 2, 60, WeightForm::Stored, 8192);
        assert!(text.contains("on cuda:0, which has 60.0 GiB left; --parallel tp=2 would need"), "{text}");
        let text = refuse(whole, 1, 60, WeightForm::Stored, 8192);
        assert!(text.contains("--parallel tp=1 --quant fp8 would need"), "{text}");
        let text = refuse(whole, 1, 44, WeightForm::Stored, 32_768);
        assert!(text.contains("--quant fp8") && text.contains("--context"), "{text}");
        let text = refuse(ParallelRequest::Parts { tp: 2, context: 1, cfg: 1 }, 2, 4, WeightForm::Fp8, 2048);
        assert!(text.contains("name more devices"), "{text}");
    }

    #[test]
    fn plans_that_a_model_or_its_devices_cannot_follow_are_refused() {
        let refuse = |request, devices: &[DeviceInfo], branches| {
            ParallelPlan::new(request, devices, &emu(WeightForm::Stored, 512, branches)).unwrap_err().to_string()
        };
        let text = refuse(ParallelRequest::Parts { tp: 4, context: 1, cfg: 2 }, &cuda(4, 80), 2);
        assert!(text.contains("8 ranks on 4 devices (cuda:0, cuda:1, cuda:2, cuda:3)"), "{text}");
        let text = refuse(ParallelRequest::Parts { tp: 3, context: 1, cfg: 1 }, &cuda(4, 80), 2);
        assert!(text.contains("[1, 2, 4, 8, 16, 32, 64]"), "{text}");
        let text = refuse(ParallelRequest::Parts { tp: 1, context: 1, cfg: 2 }, &cuda(4, 80), 1);
        assert!(text.contains("cfg=2: this answer has 1 guidance branches"), "{text}");
        let text = refuse(ParallelRequest::Layers { runs: Some(65), cfg: 1 }, &[DeviceInfo::processor()], 1);
        assert!(text.contains("allowed are 1 to 64"), "{text}");
        let text = refuse(ParallelRequest::Parts { tp: 1, context: 3, cfg: 1 }, &cuda(2, 80), 1);
        assert!(text.contains("3 ranks on 2 devices"), "{text}");
        let form = |form, devices: &[DeviceInfo]| {
            ParallelPlan::new(ParallelRequest::Auto, devices, &emu(form, 64, 1)).unwrap_err().to_string()
        };
        assert!(
            form(WeightForm::Q8, &cuda(1, 80)).contains("q8_0 weights on cuda:0: allowed there are stored and fp8")
        );
        assert!(form(WeightForm::Fp8, &[DeviceInfo::processor()]).contains("allowed on the processor are stored"));
        assert!(ParallelPlan::new(ParallelRequest::Auto, &[], &emu(WeightForm::Q8, 64, 1)).is_err());
    }
}
