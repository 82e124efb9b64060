//! When to stop: Ctrl-C or SIGTERM.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two signals that ask the process to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens from now on; a signal before [`Stop::requested`] is awaited is not lost.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub(crate) async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for SIGTERM alone; each Ctrl-C until then is given to `interrupted`.
    pub(crate) async fn terminated(&mut self, mut interrupted: impl FnMut()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                signal = self.interrupt.recv() => match signal {
                    Some(()) => interrupted(),
                    None => return,
                },
            }
        }
    }
}
