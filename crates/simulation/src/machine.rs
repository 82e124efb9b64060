//! What one node runs on: a runtime of its own, which ends with everything in it.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How long a machine may take to let go of what it was doing.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A machine with one thread. Dropped, it ends in the background.
#[derive(Debug)]
pub struct Machine(Option<Runtime>);

impl Machine {
    /// A machine that runs.
    ///
    /// # Panics
    /// When the system gives no thread.
    #[must_use]
    pub fn start(name: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
        Self(Some(runtime.unwrap()))
    }

    /// Begins with something on the machine.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime().spawn(future)
    }

    /// Does something on the machine.
    ///
    /// # Panics
    /// When that panics, or the machine ends meanwhile.
    pub async fn run<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn(future).await.unwrap()
    }

    /// Ends everything on the machine wherever it stands, as if the power were gone. Returns when it is.
    ///
    /// # Panics
    /// When the machine does not end.
    pub async fn crash(mut self) {
        let runtime = self.0.take().expect("a machine ends once");
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(END_WITHIN)).await.unwrap();
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("a machine runs until it is ended")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
