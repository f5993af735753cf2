//! Which devices a model runs on, and how it is spread over them.
//!
//! A flag goes before `RHEA_DEVICE` and `RHEA_PARALLEL`, these before `device` and `parallel` of the user's `config.ron`, those
//! before `auto`. Where nobody says anything and there is no CUDA device, no plan is made and one rank does everything.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use rhea_engine::spread::{Device, DeviceInfo, DeviceRequest, ParallelPlan, ParallelRequest, devices_found};
use rhea_engine::{EngineError, ModelFolder, OpenOptions};

use crate::config::{ConfigFile, Origin, chosen};
use crate::fault::WithHint as _;
use crate::say::say;

/// Environment variable with the devices.
pub const DEVICE_VARIABLE: &str = "RHEA_DEVICE";
/// Environment variable with the plan.
pub const PARALLEL_VARIABLE: &str = "RHEA_PARALLEL";
/// What to do about a device that is not there.
const DEVICE_HINT: &str = "Choose another --device; `rhea doctor` says what this machine has.";
/// What to do about a plan that cannot be followed.
const PLAN_HINT: &str = "Choose another --device or --parallel, or of `rhea imagine` another --context or --quant; `rhea models plan` tries them.";

/// Where a model runs, and how it is spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct SpreadArgs {
    /// Devices: auto, cpu, cuda:N or a list such as cuda:0,1; candle checks on the processor what CUDA devices run [default: $RHEA_DEVICE, else that of config.ron, else auto].
    #[arg(long, value_name = "DEVICES", value_parser = str::parse::<DeviceRequest>)]
    pub device: Option<DeviceRequest>,
    /// How the model is spread over ranks: auto, tp=N (layers in parts), context=N (rows of long prompts and of canvases shared out
    /// over N readers, each with all layers, keys and values; only where it is asked for), cfg=N (guidance branches apart), lists of
    /// these such as tp=N,cfg=N, or layers (runs of layers, one a device; layers=N for N). On the processor ranks are threads
    /// [default: $RHEA_PARALLEL, else that of config.ron, else auto].
    #[arg(long, value_name = "PLAN", value_parser = str::parse::<ParallelRequest>)]
    pub parallel: Option<ParallelRequest>,
}

/// Who hears of a plan.
pub type Tell = fn(&ParallelPlan);

/// Prints a plan.
pub fn print_plan(plan: &ParallelPlan) {
    say!("Plan: {plan}");
}

/// What flags, variables and file say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpreadChoice {
    /// The devices that are meant.
    pub device: (DeviceRequest, Origin),
    /// The plan that is meant.
    pub parallel: (ParallelRequest, Origin),
}

impl SpreadArgs {
    /// The choice, and where it comes from.
    ///
    /// # Errors
    /// When a variable or the file says something else than devices and plans.
    pub fn choice(&self) -> Result<SpreadChoice> {
        let file = ConfigFile::of_user()?;
        let device = chosen(("--device", self.device.as_ref()), DEVICE_VARIABLE, ("device", file.device))?;
        let parallel = chosen(("--parallel", self.parallel.as_ref()), PARALLEL_VARIABLE, ("parallel", file.parallel))?;
        Ok(SpreadChoice {
            device: device.unwrap_or((DeviceRequest::default(), Origin::Default)),
            parallel: parallel.unwrap_or((ParallelRequest::default(), Origin::Default)),
        })
    }

    /// The plan for a folder, told and checked before anything is loaded; `None` where nobody asked for one and the model runs on
    /// the processor as it always does.
    ///
    /// # Errors
    /// When a device is not there, the model cannot be spread so, or the plan does not fit.
    pub fn plan(&self, model: &Path, options: &OpenOptions, tell: Tell) -> Result<Option<ParallelPlan>> {
        let choice = self.choice()?;
        let there = devices_found();
        if !choice.asked() && !choice.on_cuda(&there).hint(DEVICE_HINT)? {
            return Ok(None);
        }
        choice.checked(model, options, &there, tell).map(Some)
    }
}

impl SpreadChoice {
    /// Did anybody ask for devices or for a plan?
    #[must_use]
    pub fn asked(&self) -> bool {
        self.device.1 != Origin::Default || self.parallel.1 != Origin::Default
    }

    /// Would any rank run on a CUDA device?
    ///
    /// # Errors
    /// When a device that is named is not among `there`.
    pub fn on_cuda(&self, there: &[DeviceInfo]) -> Result<bool, EngineError> {
        Ok(self.device.0.among(there)?.iter().any(|info| matches!(info.device, Device::Cuda(_))))
    }

    /// The plan for a folder; it is told before it is checked, so that the numbers stand above what is wrong with them.
    ///
    /// # Errors
    /// As [`SpreadArgs::plan`].
    pub fn checked(
        &self,
        model: &Path,
        options: &OpenOptions,
        there: &[DeviceInfo],
        tell: Tell,
    ) -> Result<ParallelPlan> {
        let devices = self.device.0.among(there).hint(DEVICE_HINT)?;
        let (plan, sizes) = ModelFolder::plan(model, options, self.parallel.0, &devices).hint(PLAN_HINT)?;
        tell(&plan);
        plan.check(&sizes).hint(PLAN_HINT)?;
        Ok(plan)
    }
}

/// Options that open a folder as a plan says.
#[must_use]
pub fn placed(options: OpenOptions, plan: Option<&ParallelPlan>) -> OpenOptions {
    match plan {
        Some(plan) => OpenOptions { spread: plan.spread, devices: plan.devices(), ..options },
        None => options,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn cuda_is_told_apart_from_the_processor_by_what_is_there() {
        let gpu = |n| DeviceInfo { device: Device::Cuda(n), name: "a GPU".to_owned(), free_bytes: Some(80 << 30) };
        let (with, without) = ([DeviceInfo::processor(), gpu(0)], [DeviceInfo::processor()]);
        let on = |text: &str, there: &[DeviceInfo]| {
            let device = (text.parse().unwrap(), Origin::Flag("--device"));
            SpreadChoice { device, parallel: (ParallelRequest::Auto, Origin::Default) }.on_cuda(there)
        };
        assert!(on("auto", &with).unwrap() && on("cuda:0", &with).unwrap());
        assert!(!on("cpu", &with).unwrap() && !on("auto", &without).unwrap());
        assert!(on("cuda:0", &without).unwrap_err().to_string().contains("there are: cpu"));
    }
}
