//! llama.cpp, in this process.

use std::num::NonZeroU32;
use std::path::Path;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use crate::error::BenchError;
use crate::passes::largest;

/// How the report calls it.
pub const NAME: &str = "llama.cpp q8_0, each prompt by itself";

/// The library and a model; contexts borrow it.
pub struct Llama {
    backend: LlamaBackend,
    model: LlamaModel,
    visual_start: usize,
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Peer(format!("llama.cpp: {error}"))
}

impl Llama {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// When llama.cpp refuses it.
    pub fn open(path: &Path, visual_start: usize) -> Result<Self, BenchError> {
        let mut backend = LlamaBackend::init().map_err(failed)?;
        backend.void_logs();
        let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default()).map_err(failed)?;
        Ok(Self { backend, model, visual_start })
    }

    /// A context for `rows` rows, on as many threads as the process has cores.
    ///
    /// # Errors
    /// When llama.cpp refuses it.
    pub fn context(&self, rows: usize) -> Result<Run<'_>, BenchError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as i32;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(rows as u32))
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context = self.model.new_context(&self.backend, params).map_err(failed)?;
        Ok(Run { context, batch: LlamaBatch::new(rows, 1), visual_start: self.visual_start })
    }
}

/// One sequence.
pub struct Run<'a> {
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    visual_start: usize,
}

impl Run<'_> {
    /// Reads ids behind `position` rows and gives the visual logits of the last one.
    fn read(&mut self, ids: &[u32], position: usize) -> Result<&[f32], BenchError> {
        self.batch.clear();
        for (i, id) in ids.iter().enumerate() {
            let last = i + 1 == ids.len();
            self.batch.add(LlamaToken(*id as i32), (position + i) as i32, &[0], last).map_err(failed)?;
        }
        self.context.decode(&mut self.batch).map_err(failed)?;
        let logits = self.context.get_logits_ith(self.batch.n_tokens() - 1);
        Ok(logits.get(self.visual_start..).unwrap_or_default())
    }

    /// Visual logits behind a prompt.
    ///
    /// # Errors
    /// What llama.cpp says.
    pub fn logits(&mut self, ids: &[u32]) -> Result<Vec<f32>, BenchError> {
        self.context.clear_kv_cache();
        self.read(ids, 0).map(<[f32]>::to_vec)
    }

    /// Greedy visual tokens behind a prompt, without guidance.
    ///
    /// # Errors
    /// What llama.cpp says.
    pub fn greedy(&mut self, prompt: &[u32], count: usize) -> Result<Vec<u32>, BenchError> {
        self.context.clear_kv_cache();
        let visual_start = self.visual_start as u32;
        let mut tokens = vec![largest(self.read(prompt, 0)?) + visual_start];
        while tokens.len() < count {
            let last = tokens[tokens.len() - 1];
            let at = prompt.len() + tokens.len() - 1;
            tokens.push(largest(self.read(&[last], at)?) + visual_start);
        }
        Ok(tokens)
    }
}
