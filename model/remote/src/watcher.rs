//! A thread that closes the connections of a request when somebody wishes to cancel it, while another thread reads from them.
//!
//! Reading where the answer is wanted spares handing every event from thread to thread, which on a busy machine takes as long as
//! the system's scheduler likes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rhea_engine::Cancel;
use ureq::Agent;

/// How often a wish to cancel is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Looks without a request after which the thread sleeps. Until then the next request need not wake it, which takes longer than to look.
const LOOKS: u32 = 200;

/// What the thread looks at.
#[derive(Default)]
struct Watched {
    /// The connections of the request in hand, and who may cancel it.
    request: Option<(Agent, Cancel)>,
    /// Does the thread sleep until it is woken?
    asleep: bool,
    over: bool,
}

type Shared = (Mutex<Watched>, Condvar);

/// The thread, until it is dropped.
pub(crate) struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Nothing in here is ever left half-changed.
fn lock(shared: &Shared) -> MutexGuard<'_, Watched> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("engine-cancel".to_owned()).spawn(move || watch(&watched))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Closes the connections of `agent` as soon as `cancel` says so, until [`Self::release`].
    pub fn watch(&self, agent: Agent, cancel: Cancel) {
        let mut watched = lock(&self.shared);
        watched.request = Some((agent, cancel));
        if watched.asleep {
            self.shared.1.notify_one();
        }
    }

    /// The request is over. Says whether its connections were closed.
    pub fn release(&self) -> bool {
        lock(&self.shared).request.take().is_none()
    }
}

fn watch(shared: &Shared) {
    let mut watched = lock(shared);
    let mut idle = 0;
    while !watched.over {
        let cancelled = watched.request.as_ref().is_some_and(|(_, cancel)| cancel.cancelled());
        if cancelled && let Some((agent, _)) = watched.request.take() {
            agent.shutdown();
        }
        idle = if watched.request.is_some() { 0 } else { idle + 1 };
        if idle < LOOKS {
            watched = shared.1.wait_timeout(watched, TICK).unwrap_or_else(PoisonError::into_inner).0;
        } else {
            watched.asleep = true;
            watched = shared.1.wait(watched).unwrap_or_else(PoisonError::into_inner);
            watched.asleep = false;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        lock(&self.shared).over = true;
        self.shared.1.notify_one();
        // It cannot panic, and if it did nothing would depend on it.
        self.thread.take().map(JoinHandle::join).transpose().ok();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn connections_are_closed_when_somebody_wishes_it_and_not_otherwise() {
        let watcher = Watcher::start().unwrap();
        let calm = Cancel::default();
        watcher.watch(ureq::agent(), calm.clone());
        std::thread::sleep(4 * TICK);
        assert!(!watcher.release(), "nobody wished it");
        // A wish that comes behind the end closes nothing.
        calm.cancel();
        watcher.watch(ureq::agent(), Cancel::default());
        assert!(!watcher.release());
        // Awake or asleep.
        for sleeps in [false, true] {
            let began = Instant::now();
            let until = |done: &dyn Fn() -> bool| {
                while !done() {
                    assert!(began.elapsed() < Duration::from_secs(60), "asleep: {sleeps}");
                    std::thread::yield_now();
                }
            };
            until(&|| !sleeps || lock(&watcher.shared).asleep);
            let wish = Cancel::default();
            watcher.watch(ureq::agent(), wish.clone());
            wish.cancel();
            until(&|| lock(&watcher.shared).request.is_none());
            assert!(watcher.release());
        }
    }
}
