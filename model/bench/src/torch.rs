//! PyTorch in bf16, a program beside us that times what it is asked to (`tests/peers/torch_bf16.py`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::error::BenchError;
use crate::model::RandomModel;

/// How the report calls it.
pub const NAME: &str = "PyTorch bf16";
/// The setting that names a Python with PyTorch, numpy and safetensors.
pub const PYTHON: &str = "RHEA_PEER_PYTHON";

/// OpenMP threads spin for up to 200 ms before they sleep.
const SPIN: Duration = Duration::from_millis(300);

/// The running program. One line asks, one line answers: seconds, or numbers, or a line that begins with `error`.
pub struct Torch {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Torch {
    /// Starts the program, where [`PYTHON`] is set.
    ///
    /// # Errors
    /// When Python or one of its packages is missing.
    pub fn start() -> Result<Option<Self>, BenchError> {
        let Some(python) = std::env::var_os(PYTHON) else { return Ok(None) };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/torch_bf16.py");
        let failed = |what: String| BenchError::Peer(format!("{PYTHON}={}: {what}", python.to_string_lossy()));
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no input or output".to_owned()));
        };
        let mut torch = Self { child, to, from: BufReader::new(from) };
        torch.ask("hello")?;
        Ok(Some(torch))
    }

    /// Sends a line, gives the numbers of the answer.
    fn ask(&mut self, line: &str) -> Result<Vec<f64>, BenchError> {
        let failed = |what: &str| BenchError::Peer(format!("PyTorch, asked {line:?}: {what}"));
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).map_err(|error| failed(&error.to_string()))?;
        let mut answer = String::new();
        self.from.read_line(&mut answer).map_err(|error| failed(&error.to_string()))?;
        let answer = answer.trim();
        let numbers: Option<Vec<f64>> = answer.split_whitespace().map(|word| word.parse().ok()).collect();
        numbers
            .filter(|numbers| !numbers.is_empty())
            .ok_or_else(|| failed(if answer.is_empty() { "it ended" } else { answer }))
    }

    /// Asks for seconds, and waits until the threads of the other side have stopped spinning: they would slow ours.
    fn timed(&mut self, line: &str) -> Result<f64, BenchError> {
        let secs = self.ask(line)?[0];
        std::thread::sleep(SPIN);
        Ok(secs)
    }

    /// Seconds of one product of `m` rows with weights `(n, k)`, over `times` of them.
    ///
    /// # Errors
    /// What PyTorch says.
    pub fn product(&mut self, (m, n, k): (usize, usize, usize), times: usize) -> Result<f64, BenchError> {
        self.timed(&format!("product {m} {n} {k} {times}"))
    }

    /// Loads the model; writes it to `path` first.
    ///
    /// # Errors
    /// When the file cannot be written, or what PyTorch says.
    pub fn load(&mut self, random: &RandomModel, path: &Path) -> Result<(), BenchError> {
        let vars = random.parameters.vars();
        let tensors: std::collections::HashMap<&str, candle_core::Tensor> =
            vars.iter().map(|(name, var)| (name.as_str(), var.as_tensor().clone())).collect();
        candle_core::safetensors::save(&tensors, path)?;
        let config = random.parameters.config();
        self.ask(&format!(
            "load {} {} {} {} {} {} {}",
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
            config.rms_norm_eps,
            config.rope_theta,
            random.visual_start,
            path.display(),
        ))?;
        Ok(())
    }

    /// Reads the rows that later passes look back on.
    ///
    /// # Errors
    /// What PyTorch says.
    pub fn prefix(&mut self, ids: &[u32]) -> Result<(), BenchError> {
        self.ask(&format!("prefix {}", joined(ids))).map(|_| ())
    }

    /// Seconds of one causal pass over `ids` behind the prefix, visual logits of all rows included.
    ///
    /// # Errors
    /// What PyTorch says.
    pub fn pass(&mut self, ids: &[u32]) -> Result<f64, BenchError> {
        self.timed(&format!("pass {}", joined(ids)))
    }

    /// The visual logits of the last row of such a pass.
    ///
    /// # Errors
    /// What PyTorch says.
    pub fn logits(&mut self, ids: &[u32]) -> Result<Vec<f32>, BenchError> {
        self.ask(&format!("logits {}", joined(ids))).map(|all| all.into_iter().map(|v| v as f32).collect())
    }
}

fn joined(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

impl Drop for Torch {
    fn drop(&mut self) {
        // It ends by itself when its input does; a hanging one must not outlive us.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
