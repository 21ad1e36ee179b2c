//! Many calls, as many at once as asked for.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::call::{Call, Caller};

/// How much is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// 0 is until the program is told to stop.
    pub(crate) requests: u64,
    /// Calls that run at once.
    pub(crate) concurrency: usize,
}

/// What became of all of them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) started: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// How many answers had which status; 0 is no answer.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// How many the sidecar has refused, by its word for why.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// One of the errors, so that a test that fails says why.
    pub(crate) error: Option<String>,
    pub(crate) first_start_ms: u64,
    pub(crate) last_end_ms: u64,
    pub(crate) bytes: u64,
}

impl Summary {
    fn add(&mut self, call: &Call) {
        if call.succeeded() {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        *self.statuses.entry(call.status).or_default() += 1;
        if let Some(reason) = &call.reason {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
        if let Some(error) = &call.error {
            self.error.get_or_insert_with(|| error.clone());
        }
        self.first_start_ms =
            if self.first_start_ms == 0 { call.start_ms } else { self.first_start_ms.min(call.start_ms) };
        self.last_end_ms = self.last_end_ms.max(call.end_ms);
        self.bytes += call.bytes;
    }
}

/// Makes the calls and writes a line for each to `lines`. Told to stop, it begins no more and finishes what runs.
pub(crate) async fn run(
    load: Load,
    caller: Caller,
    stop: CancellationToken,
    mut lines: impl Write,
) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut running = JoinSet::new();
    loop {
        let more = |started| load.requests == 0 || started < load.requests;
        while !stop.is_cancelled() && running.len() < load.concurrency && more(summary.started) {
            running.spawn(caller.clone().call());
            summary.started += 1;
        }
        let Some(ended) = running.join_next().await else { return Ok(summary) };
        let call = ended.map_err(io::Error::other)?;
        write_line(&mut lines, &call)?;
        summary.add(&call);
    }
}

/// One line of JSON, in one write: lines of loads that run at once stay whole.
pub(crate) fn write_line(lines: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    lines.write_all(&line)?;
    lines.flush()
}
