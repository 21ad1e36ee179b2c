//! A runtime of one's own, so that helpers work from `#[test]` and from `#[tokio::test]` alike.

use tokio::runtime::{Builder, Handle, Runtime};

/// Runs tasks on a thread of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start(name: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
        Self(Some(runtime.unwrap()))
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.as_ref().unwrap().spawn(task);
    }
}

impl Drop for Background {
    /// Does not wait: that would be forbidden inside of an async test.
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

/// Runs a task on the [`Background`] this is called on.
pub(crate) fn spawn_here(task: impl Future<Output = ()> + Send + 'static) {
    Handle::current().spawn(task);
}
