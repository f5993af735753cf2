//! `rhea engine-child`: the other end of `--engine process`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rhea_child::{Model, Served, fingerprint, serve};
use rhea_engine::generate::Generator;
use rhea_engine::spread::{DeviceInfo, ParallelPlan, ParallelRequest, devices_found};
use rhea_engine::{EngineError, Imagination, ModelFolder, OpenOptions};
use rhea_nn::transformer::WeightForm;

use crate::engine::walking;
use crate::fault::WithHint as _;
use crate::place;
use crate::spread::{SpreadArgs, placed};

/// What the process serves.
#[derive(Clone, Debug, Args)]
pub struct ChildArgs {
    /// The model folder.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Where the model runs; without any of it, on one rank of the processor.
    #[command(flatten)]
    pub spread: SpreadArgs,
    /// Where a device cannot be used, take those that are left, or the processor.
    #[arg(long)]
    pub what_is_left: bool,
    /// Answers questions with so many guidance branches, instead of drawing walks.
    #[arg(long, value_name = "N")]
    branches: Option<usize>,
    /// Tokens that question and answer may have together.
    #[arg(long, value_name = "N", requires = "branches")]
    context: Option<usize>,
    /// How weights are held.
    #[arg(long, value_name = "FORM", requires = "branches")]
    quant: Option<String>,
}

/// A model with its name.
type Named = (String, Model);

impl ChildArgs {
    /// How the model is opened for questions; `None` for walks.
    ///
    /// # Errors
    /// When there is no such form of weights, or no vision tokenizer for the folder.
    pub fn answers(&self) -> Result<Option<OpenOptions>, EngineError> {
        let Some(branches) = self.branches else { return Ok(None) };
        let wrong = |name: &String| EngineError::Request(format!("{name:?} is no form of weights"));
        let form = self.quant.as_ref().map(|name| WeightForm::named(name).ok_or_else(|| wrong(name))).transpose()?;
        let vision = place::vision_folder(&self.model).map_err(|error| EngineError::Request(error.to_string()))?;
        Ok(Some(OpenOptions { form, context: self.context, branches, vision: Some(vision), ..OpenOptions::default() }))
    }

    /// Opens the model; where it may, on what is left of its devices, which is then said.
    fn open_somewhere(&self) -> Result<(Named, Option<String>), EngineError> {
        let answers = self.answers()?;
        let options = answers.clone().unwrap_or_else(walking);
        let open = |plan: Option<&ParallelPlan>| -> Result<Named, EngineError> {
            let folder = ModelFolder::open_with(&self.model, &placed(options.clone(), plan))?;
            let name = folder.name().to_owned();
            Ok(match answers {
                Some(_) => (name, Model::Answers(Box::new(Generator::new(folder)?))),
                None => (name, Model::Walks(Box::new(Imagination::new(folder)?))),
            })
        };
        // The program that started this one has printed the plan.
        let open_on = |parallel: ParallelRequest, devices: &[DeviceInfo]| {
            let (plan, sizes) = ModelFolder::plan(&self.model, &options, parallel, devices)?;
            plan.check(&sizes)?;
            open(Some(&plan))
        };
        let SpreadArgs { device, parallel } = &self.spread;
        let opened = if device.is_none() && parallel.is_none() {
            open(None)
        } else {
            let there = device.clone().unwrap_or_default().among(&devices_found());
            there.and_then(|devices| open_on(parallel.unwrap_or_default(), &devices))
        };
        let why = match opened {
            Ok(model) => return Ok((model, None)),
            Err(error) if self.what_is_left && error.is_of_devices() => error,
            Err(error) => return Err(error),
        };
        let on = |place: &str| Some(format!("The model now runs on {place}: {why}"));
        let left: Vec<DeviceInfo> = device.clone().unwrap_or_default().those_left(&devices_found());
        if let Ok(model) = open_on(ParallelRequest::Auto, &left) {
            let names: Vec<String> = left.iter().map(|info| info.device.to_string()).collect();
            return Ok((model, on(&names.join(", "))));
        }
        Ok((open(None)?, on("the processor")))
    }
}

/// Serves the program that started this one, over standard input and output, until it hangs up.
///
/// # Errors
/// When whoever started this program is not Rhea.
pub fn run(args: &ChildArgs) -> Result<ExitCode> {
    // Where memory runs out, this process goes and the walk stays. A system that does not allow it decides by itself.
    std::fs::write("/proc/self/oom_score_adj", "500").ok();
    let args = args.clone();
    let open = move || -> Result<Served, EngineError> {
        let (((name, model), note), folder) = (args.open_somewhere()?, &args.model);
        let fingerprint = fingerprint(folder)
            .map_err(|e| EngineError::Folder { what: format!("cannot be read: {e}"), path: folder.clone() })?;
        Ok(Served { name, model, fingerprint, note })
    };
    serve(std::io::stdin(), std::io::stdout(), open, || std::process::exit(0))
        .hint("This job is started by `rhea --engine process`, not by hand.")?;
    Ok(ExitCode::SUCCESS)
}
