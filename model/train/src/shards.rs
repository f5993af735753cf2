//! Worker threads that train on equal parts of a batch, each with its kernels on one thread.

use rayon::{ThreadPool, ThreadPoolBuilder};
use rhea_nn::NnError;

/// A fixed number of single-threaded workers.
pub struct Shards {
    pools: Vec<ThreadPool>,
}

impl Shards {
    /// `n` workers, at least one.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(n: usize) -> Result<Self, String> {
        let pools = (0..n.max(1))
            .map(|_| ThreadPoolBuilder::new().num_threads(1).stack_size(16 << 20).build().map_err(|e| e.to_string()))
            .collect::<Result<_, _>>()?;
        Ok(Self { pools })
    }

    /// Runs `work(index)` on every worker at once; results in the order of the indices.
    ///
    /// # Errors
    /// The first error of a worker.
    pub fn run<T: Send>(&self, work: impl Fn(usize) -> Result<T, NnError> + Sync) -> Result<Vec<T>, NnError> {
        let work = &work;
        std::thread::scope(|scope| {
            let running: Vec<_> = self
                .pools
                .iter()
                .enumerate()
                .map(|(index, pool)| scope.spawn(move || pool.install(|| work(index))))
                .collect();
            running
                .into_iter()
                .map(|r| r.join().unwrap_or_else(|_| Err(NnError::Input("a training worker panicked".into()))))
                .collect()
        })
    }

    /// Runs `work` on one worker.
    ///
    /// # Errors
    /// What `work` says.
    pub fn one<T: Send>(&self, work: impl FnOnce() -> Result<T, NnError> + Send) -> Result<T, NnError> {
        match self.pools.first() {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// How many workers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    /// Is there no worker? Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }
}
