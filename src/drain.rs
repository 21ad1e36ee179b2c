//! Stopping: the signals that ask for it, and the tasks that must end.
//!
//! Everything that runs beside the caller is spawned here, so that shutdown can wait for
//! it. Stopping has two steps, each a token: `draining` says that no new work is taken,
//! `shutdown` that everything ends now. A task needs to listen to neither: at shutdown it
//! is dropped wherever it waits, and what it held is settled by its destructors.

use std::process::ExitCode;
use std::{fmt, io};

use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one sidecar and the tokens that stop them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    tasks: TaskTracker,
    draining: CancellationToken,
    shutdown: CancellationToken,
}

impl Drain {
    /// Nothing runs, nothing stops.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` beside the caller until it ends or everything is shut down.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shutdown = self.shutdown.clone();
        // Each future around a future holds it twice, as what it was given and as what it waits for: boxed,
        // a connection costs 2 KiB and not 7.
        let task = Box::pin(task);
        self.tasks.spawn(async move {
            shutdown.run_until_cancelled_owned(task).await;
        });
    }

    /// Cancelled when no new work is taken.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Cancelled when everything must end.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Ends every task and waits until the last one is gone.
    pub async fn finish(&self) {
        self.draining.cancel();
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A signal that asks the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: the kubelet, or a service manager, wants the process gone.
    Terminate,
}

impl Signal {
    /// 128 and the signal's number, as shells report a process that a signal ended.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// The signals that ask the process to stop, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Catches SIGINT and SIGTERM, which no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system does not let the process have a handler.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finishing_drops_a_task_wherever_it_waits() {
        let drain = Drain::new();
        let (held, released) = tokio::sync::oneshot::channel::<()>();
        drain.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drain.finish().await;
        assert!(released.await.is_err(), "the task's belongings were dropped");
        assert!(drain.draining().is_cancelled());
    }

    #[tokio::test]
    async fn a_task_spawned_after_shutdown_does_not_run() {
        let drain = Drain::new();
        drain.finish().await;
        let (held, released) = tokio::sync::oneshot::channel::<()>();
        drain.spawn(async move {
            held.send(()).ok();
        });
        drain.finish().await;
        assert!(released.await.is_err());
    }
}
