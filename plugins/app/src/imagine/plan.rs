//! The plan of a model over devices, printed before anything is loaded.

use std::path::Path;

use anyhow::Result;
use rhea_engine::spread::devices_found;
use rhea_engine::{ModelFolder, OpenOptions};
use rhea_nn::parallel::Spread;

use crate::cli::SpreadArgs;
use crate::fault::WithHint as _;
use crate::say::say;

/// Prints the plan that is asked for, and gives its spread.
///
/// # Errors
/// When a device is not there, the model cannot be spread so, or the plan does not fit.
pub fn checked(model: &Path, options: &OpenOptions, args: &SpreadArgs) -> Result<Spread> {
    let devices = args.device.clone().unwrap_or_default().among(&devices_found());
    let devices = devices.hint("Choose another --device; `rhea doctor` says what this machine has.")?;
    let request = args.parallel.unwrap_or_default();
    let hint = "Choose another --parallel, --context or --quant; `rhea models plan` tries them without loading.";
    let (plan, sizes) = ModelFolder::plan(model, options, request, &devices).hint(hint)?;
    say!("Plan: {plan}");
    plan.check(&sizes).hint(hint)?;
    Ok(plan.spread)
}
