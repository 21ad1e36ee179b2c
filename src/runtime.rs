//! The threads everything runs on.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::runtime::Builder;

/// A proxy of one application's calls needs few threads, and every one costs memory: without
/// this limit a sidecar without a CPU limit would start one a core of the node. At least two,
/// so that a probe is answered while a handler computes.
const THREADS: std::ops::RangeInclusive<usize> = 2..=4;

/// Runs `future` to its end, and ends whatever it left running.
///
/// # Errors
/// When the threads cannot be had.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let threads = available_parallelism().map_or(*THREADS.start(), NonZero::get);
    let threads = threads.clamp(*THREADS.start(), *THREADS.end());
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let output = runtime.block_on(future);
    // A name that is being resolved blocks a thread for seconds; nobody waits for it any more.
    runtime.shutdown_background();
    Ok(output)
}
