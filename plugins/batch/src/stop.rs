//! Being told to stop: Ctrl+C once lets the job in hand be finished, twice gives it back; SIGTERM gives it back at once, because what
//! sends it kills soon after.

use std::path::Path;

use tokio::sync::watch;

use crate::error::BatchError;

/// How much is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Nothing,
    NoMoreJobs,
    Everything,
}

/// Whether somebody wants an end.
#[derive(Clone, Debug)]
pub struct Stop {
    wanted: watch::Receiver<Wanted>,
    /// Keeps the channel open where no signal task holds it.
    _keeper: Option<std::sync::Arc<watch::Sender<Wanted>>>,
}

impl Stop {
    /// Listens to the process's signals; `tell` hears what is going to happen.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn listen(mut tell: impl FnMut(&str) + 'static) -> Result<Self, BatchError> {
        let (sender, wanted) = watch::channel(Wanted::Nothing);
        let mut signals = Signals::new()?;
        tokio::task::spawn_local(async move {
            loop {
                let urgent = signals.next().await;
                let now = if urgent || *sender.borrow() == Wanted::NoMoreJobs {
                    Wanted::Everything
                } else {
                    Wanted::NoMoreJobs
                };
                tell(match now {
                    Wanted::Everything => "stopping; the job in hand is given back",
                    _ => "stopping after the job in hand; Ctrl+C again gives it back",
                });
                if sender.send(now).is_err() {
                    return;
                }
            }
        });
        Ok(Self { wanted, _keeper: None })
    }

    /// Never wants an end.
    #[must_use]
    pub fn never() -> Self {
        let (sender, wanted) = watch::channel(Wanted::Nothing);
        Self { wanted, _keeper: Some(std::sync::Arc::new(sender)) }
    }

    /// Shall no more jobs be begun?
    #[must_use]
    pub fn wanted(&self) -> bool {
        *self.wanted.borrow() != Wanted::Nothing
    }

    /// Shall the job in hand be given back?
    #[must_use]
    pub fn everything(&self) -> bool {
        *self.wanted.borrow() == Wanted::Everything
    }

    /// Waits until no more jobs shall be begun.
    pub async fn soon(&self) {
        self.until(Wanted::NoMoreJobs).await;
    }

    /// Waits until the job in hand shall be given back.
    pub async fn now(&self) {
        self.until(Wanted::Everything).await;
    }

    async fn until(&self, least: Wanted) {
        let mut wanted = self.wanted.clone();
        if wanted.wait_for(|wanted| *wanted >= least).await.is_err() {
            // Nobody can want anything any more.
            std::future::pending::<()>().await;
        }
    }
}

struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, BatchError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(BatchError::file("listen to signals", Path::new("this process")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next signal: is it urgent?
    #[cfg(unix)]
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => false,
            _ = self.terminate.recv() => true,
        }
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, BatchError> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> bool {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        false
    }
}
