//! `rhea doctor`: what this machine offers, one line per finding, with what to do where something is missing.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use rhea_engine::OpenOptions;
use rhea_engine::generate::Answers as _;
use rhea_nn::device::{DeviceError, Found};
use rhea_nn::kernels::{Arithmetic, Isa, Unit, weights_asked};
use rhea_window::display;
use serde::Serialize;
use serde_json::json;

use crate::cli::DoctorArgs;
use crate::engine::EngineChoice;
use crate::say::say;
use crate::{engine, explore, machine, place};

/// Memory that a walk with the shipped model needs, gigabytes; measured with room to spare.
const NEEDED_GB: f64 = 1.0;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    /// As it should be.
    Good,
    /// Works, with something left out.
    Less,
    /// Walking is impossible.
    Bad,
}

#[derive(Serialize)]
struct Finding {
    grade: Grade,
    about: &'static str,
    what: String,
}

/// Prints the findings. The exit code is 1 when even a walk without a window is impossible.
///
/// # Errors
/// Never; the signature is that of all jobs.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    let mut findings = vec![processor(), kernels(), memory()];
    findings.extend(cuda());
    findings.extend([window(), gamepads(), scenes(), output(), model(args)]);
    let possible = findings.iter().all(|finding| finding.grade != Grade::Bad);
    let code = if possible { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.json {
        let told = json!({ "rhea": version, "possible": possible, "findings": findings });
        say!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(code);
    }
    say!("Rhea {version}");
    for Finding { grade, about, what } in &findings {
        let mark = match grade {
            Grade::Good => "ok  ",
            Grade::Less => "less",
            Grade::Bad => "BAD ",
        };
        say!("{mark} {about:10} {what}");
    }
    say!("{}", if possible { "Ready to walk: rhea" } else { "Rhea cannot walk here yet; see the lines marked BAD." });
    Ok(code)
}

fn processor() -> Finding {
    let (name, features) = machine::processor();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fast = features.iter().any(|feature| feature.starts_with("AVX"));
    let list = if features.is_empty() { "no vector extensions that Rhea uses".to_owned() } else { features.join(", ") };
    let grade = if fast { Grade::Good } else { Grade::Less };
    Finding { grade, about: "processor", what: format!("{name}, {cores} threads, {list}") }
}

fn kernels() -> Finding {
    let Arithmetic { unit, isa, .. } = rhea_nn::kernels::arithmetic();
    let units = if unit == Unit::F32 { isa.name().to_owned() } else { format!("{} and {}", unit.name(), isa.name()) };
    let weights = weights_asked().map_or("weights as a model has them".to_owned(), |f| format!("{} weights", f.name()));
    let grade = if isa == Isa::Portable { Grade::Less } else { Grade::Good };
    Finding { grade, about: "kernels", what: format!("{units}, {weights}") }
}

fn memory() -> Finding {
    let Some((free, total)) = machine::memory_gb() else {
        return Finding { grade: Grade::Less, about: "memory", what: "unknown".to_owned() };
    };
    let grade = if free >= NEEDED_GB { Grade::Good } else { Grade::Less };
    Finding {
        grade,
        about: "memory",
        what: format!("{free:.1} of {total:.1} GB free; a walk needs about {NEEDED_GB} GB"),
    }
}

/// CUDA devices, and in builds that have it NCCL, which several of them want.
fn cuda() -> Vec<Finding> {
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let device = |found: &Found| {
        let Found { number, name, free_bytes, total_bytes, capability } = found;
        format!("cuda:{number} {name} ({capability}), {:.1} of {:.1} GB free", gb(*free_bytes), gb(*total_bytes))
    };
    let (grade, what) = match rhea_nn::device::found() {
        Ok(found) if found.is_empty() => {
            (Grade::Less, "a driver, but no device; the processor does everything".to_owned())
        }
        Ok(found) => (Grade::Good, found.iter().map(device).collect::<Vec<_>>().join("; ")),
        // Nothing is missing that this program could use.
        Err(why @ DeviceError::NotBuilt) => {
            return vec![Finding { grade: Grade::Good, about: "cuda", what: why.to_string() }];
        }
        Err(why) => (Grade::Less, why.to_string()),
    };
    let libraries = rhea_nn::device::check_libraries();
    let libraries = libraries.err().map(|why| Finding { grade: Grade::Less, about: "cuda", what: why.to_string() });
    let (nccl_grade, nccl) = match rhea_nn::device::nccl_version() {
        Ok(version) => (Grade::Good, format!("version {version}; devices that hold parts of layers meet through it")),
        Err(why) => (Grade::Less, why.to_string()),
    };
    let device = Finding { grade, about: "cuda", what };
    let nccl = Finding { grade: nccl_grade, about: "nccl", what: nccl };
    std::iter::once(device).chain(libraries).chain([nccl]).collect()
}

fn window() -> Finding {
    match display::check() {
        Ok(()) => Finding {
            grade: Grade::Good,
            about: "window",
            what: "display, libraries and Vulkan driver found".to_owned(),
        },
        Err(why) => Finding { grade: Grade::Less, about: "window", what: format!("none: {why}; walks run headless") },
    }
}

fn gamepads() -> Finding {
    let entries = std::fs::read_dir("/dev/input").into_iter().flatten().flatten();
    let count = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("js")).count();
    let what =
        if count == 0 { "none plugged in; the keyboard does everything".to_owned() } else { format!("{count} found") };
    Finding { grade: Grade::Good, about: "gamepads", what }
}

fn scenes() -> Finding {
    match place::shipped(explore::SAMPLE_WALK) {
        Ok(path) => Finding { grade: Grade::Good, about: "scenes", what: format!("sample walk {}", path.display()) },
        Err(error) => Finding { grade: Grade::Less, about: "scenes", what: error.to_string() },
    }
}

fn output() -> Finding {
    let probe = Path::new(".rhea-probe");
    match std::fs::write(probe, []).and_then(|()| std::fs::remove_file(probe)) {
        Ok(()) => Finding { grade: Grade::Good, about: "output", what: "this folder can be written to".to_owned() },
        Err(error) => {
            Finding { grade: Grade::Less, about: "output", what: format!("this folder: {error}; use --out DIR") }
        }
    }
}

/// A server with the model, and the tokenizers here.
fn server(args: &DoctorArgs, url: &str) -> Finding {
    let began = Instant::now();
    let folder = place::model_folder(args.model.model.as_deref());
    let opened = folder.and_then(|folder| engine::open_server(&folder, url, &OpenOptions::default()));
    match opened {
        Ok(remote) => {
            let (secs, context, name) = (began.elapsed().as_secs_f32(), remote.context(), remote.model());
            let what = format!("{name} behind {url}, {context} tokens, reached in {secs:.2} s; for `rhea imagine`");
            Finding { grade: Grade::Good, about: "model", what }
        }
        Err(why) => Finding { grade: Grade::Bad, about: "model", what: why.to_string() },
    }
}

fn model(args: &DoctorArgs) -> Finding {
    let began = Instant::now();
    if let Ok((EngineChoice::Server(url), _)) = args.engine.choice() {
        return server(args, &url);
    }
    let opened = place::model_folder(args.model.model.as_deref()).and_then(|folder| {
        let choice = args.engine.local_told(&folder, |_| ())?;
        let model = engine::open(&folder, &choice)?;
        Ok((folder, model, choice.choice().clone()))
    });
    match opened {
        Ok((folder, model, choice)) => {
            let secs = began.elapsed().as_secs_f32();
            let side = model.side_px();
            let what = format!(
                "{}, {side} x {side} px, opened in {secs:.2} s, engine {choice} ({})",
                model.name(),
                folder.display()
            );
            Finding { grade: Grade::Good, about: "model", what }
        }
        Err(why) => Finding { grade: Grade::Bad, about: "model", what: why.to_string() },
    }
}
