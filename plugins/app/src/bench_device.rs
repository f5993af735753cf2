//! `rhea bench --device`: a device beside the processor. The shipped model has to say the same tokens on both before anything is timed;
//! then come steps and canvases of layers as wide as the published model's.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use rhea_bench::Row;
use rhea_engine::generate::{GenerateRequest, GenerateSettings, Generator, Prompt, Stop};
use rhea_engine::spread::{Device, DeviceRequest, devices_found};
use rhea_engine::{Cancel, Decoding, Filter, ModelFolder, OpenOptions};
use rhea_nn::kernels::{Arithmetic, Format, arithmetic};
use rhea_nn::transformer::WeightForm;
use rhea_tokens::prompts::Task;

use crate::fault::WithHint as _;
use crate::say::say;

/// What is asked of the shipped model.
const PROMPTS: [&str; 4] = [
    "a room with teal walls and a red door. walk forward 1 m",
    "a garden with tall hedges. turn left 30 degrees",
    "a corridor of grey stone. go back 0.5 m",
    "an attic full of boxes. look up 10 degrees",
];
/// Tokens of an answer: a picture and words about it.
const TOKENS: usize = 90;
/// What to do about a device that cannot be used.
const HINT: &str = "Choose another --device; `rhea doctor` says what this machine has.";

/// Measures a device, and gives the rows of the list.
///
/// # Errors
/// When the device cannot be used, or says other tokens than the processor.
pub fn rows(folder: &Path, request: &DeviceRequest, layers: usize) -> Result<Vec<Row>> {
    let devices = request.among(&devices_found()).hint(HINT)?;
    let [info] = &devices[..] else {
        bail!("{} devices are named; one is measured at a time", devices.len());
    };
    let Some(on) = info.device.open(1).map_err(|e| e.to_string()).hint(HINT)? else {
        bail!("--device cpu is what a device is compared with; name cuda:N, or candle to try this without one");
    };
    let mut rows = greedy(folder, info.device)?;
    rows.extend(rhea_bench::device_speed(&on, layers, &mut |done| say!("  measured {done}")).hint(HINT)?);
    if let Some(replays) = on.replays() {
        let kept = format!("{} passes were recorded, {} replayed", replays.recorded, replays.replayed);
        say!("  {kept}{}", replays.refused.map(|why| format!("; then no more: {why}")).unwrap_or_default());
    }
    say!("  computed: rows that end in x64 are for 64 layers, from the time of {layers} and of half as many");
    Ok(rows)
}

/// Greedy answers of the shipped model on both.
fn greedy(folder: &Path, device: Device) -> Result<Vec<Row>> {
    let exact = Arithmetic { format: Format::F32, ..arithmetic() };
    let open = |devices: Vec<Device>| -> Result<Generator> {
        let form = Some(WeightForm::Packed(exact));
        let options = OpenOptions { form, context: Some(1024), devices, ..OpenOptions::default() };
        let opened = ModelFolder::open_with(folder, &options).and_then(Generator::new);
        opened.hint("Name a model folder with --model DIR; `rhea doctor` says more.")
    };
    let (mut here, mut there) = (open(Vec::new())?, open(vec![device])?);
    let (mut tokens, mut secs) = (0, 0.0);
    for (number, text) in PROMPTS.into_iter().enumerate() {
        for guidance in [1.0, 3.0] {
            let want = answer(&mut here, text, guidance)?;
            let began = Instant::now();
            let got = answer(&mut there, text, guidance)?;
            secs += began.elapsed().as_secs_f64();
            tokens += got.len();
            if let Some(at) = (0..want.len().max(got.len())).find(|at| got.get(*at) != want.get(*at)) {
                bail!(
                    "prompt {number} with guidance {guidance}: token {at} of the answer is {:?} on {device} and {:?} on the processor; \
                     nothing was timed",
                    got.get(at),
                    want.get(at)
                );
            }
        }
    }
    say!("  {tokens} greedy tokens of the shipped model on {device} are those of the processor");
    let ours = tokens as f64 / secs;
    let name = "device_nano_greedy".to_owned();
    Ok(vec![Row { name, ours, peer: None, peer_name: "", ratio: None, unit: "tokens/s", floor_share: None }])
}

fn answer(generator: &mut Generator, text: &str, guidance: f32) -> Result<Vec<u32>> {
    let settings = generator.settings_for(Task::Explore);
    let settings = GenerateSettings {
        decoding: Decoding::NextToken,
        picture: Filter::GREEDY,
        text: Filter::GREEDY,
        guidance,
        stop: Stop { tokens: TOKENS, ..settings.stop },
        ..settings
    };
    let prompt = Prompt::Task { task: Task::Explore, text: text.to_owned(), pictures: Vec::new() };
    let request = GenerateRequest { prompt, size: None, settings, seed: 1 };
    Ok(generator.generate(&request, &Cancel::default(), &mut |_| ())?.ids)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::place;

    #[test]
    fn a_device_that_cannot_be_had_is_one_clear_error() {
        let nano = place::repository().join("model/nano");
        for (device, says) in [
            ("cuda:4096", "there is no cuda:4096 here"),
            ("cpu", "name cuda:N, or candle"),
            ("cuda:4095,4096", "there is no cuda:4095 here"),
        ] {
            let error = rows(&nano, &device.parse().unwrap(), 2).unwrap_err().to_string();
            assert!(error.contains(says) && error.lines().count() == 1, "{error}");
        }
    }
}
