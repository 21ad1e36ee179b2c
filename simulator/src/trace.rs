//! A run as a table to plot: what held, and what happened since the last line.

use std::fmt::Write;
use std::time::Duration;

use crate::history::End;
use crate::law::Law;
use crate::scenario::Scenario;
use crate::sidecar::{Gauges, Sidecar};
use crate::upstream::Status;
use crate::world::{Happened, Watch};

/// The columns. `seconds` is the end of the stretch that a line is about. What holds at that time:
/// `quota_rpm` the upstream's quota in its own window, `effective_rpm` the pace in force, `window_used`
/// the requests in the sidecar's own window, `gate_seconds` how long nothing may leave, `waiting` how
/// many wait. What happened in the stretch: `came` requests, `sent` attempts, `accepted` and `refused`
/// attempts as the upstream counted them, `errors` its 503s, `failed` requests that ended without an
/// answer, `tenant_accepted` requests of other tenants. A column that a law knows nothing about is empty.
pub const COLUMNS: &str = "seconds,quota_rpm,effective_rpm,window_used,gate_seconds,waiting,\
    came,sent,accepted,refused,errors,failed,tenant_accepted";

/// Runs a scenario and returns its table as CSV, a line for every `step`.
pub fn csv(scenario: &Scenario, law: Law, seed: u64, step: Duration) -> String {
    let mut trace = Trace { scenario, step, counts: Counts::default(), text: format!("{COLUMNS}\n") };
    law.history(scenario, seed, &mut trace);
    trace.text
}

/// What happened since the last line.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    came: u32,
    sent: u32,
    accepted: u32,
    refused: u32,
    errors: u32,
    failed: u32,
    tenant_accepted: u32,
}

/// Writes lines while a world runs.
#[derive(Debug)]
struct Trace<'a> {
    scenario: &'a Scenario,
    step: Duration,
    counts: Counts,
    text: String,
}

impl Trace<'_> {
    fn line(&mut self, gauges: Gauges, now: Duration) {
        let Counts { came, sent, accepted, refused, errors, failed, tenant_accepted } =
            std::mem::take(&mut self.counts);
        let quota = self.scenario.up.quota_at(now);
        let written = writeln!(
            self.text,
            "{},{quota},{},{},{},{},{came},{sent},{accepted},{refused},{errors},{failed},{tenant_accepted}",
            now.as_secs_f64(),
            or_empty(gauges.effective_rpm),
            or_empty(gauges.window_used),
            or_empty(gauges.gate.map(|gate| gate.as_secs_f64())),
            gauges.waiting,
        );
        written.expect("text grows without limit");
    }
}

fn or_empty<T: ToString>(figure: Option<T>) -> String {
    figure.map(|figure| figure.to_string()).unwrap_or_default()
}

impl<S: Sidecar> Watch<S> for Trace<'_> {
    fn after(&mut self, happened: &Happened, sidecar: &mut S, now: Duration) {
        let counts = &mut self.counts;
        let count = match happened {
            Happened::Came(..) => &mut counts.came,
            Happened::Sent(_) => &mut counts.sent,
            Happened::Arrived(_, answer) => match answer.status {
                Status::Accepted => &mut counts.accepted,
                Status::RateLimited => &mut counts.refused,
                Status::Unavailable => &mut counts.errors,
            },
            Happened::Ended(_, end) if *end != End::Served => &mut counts.failed,
            Happened::TenantAsked { accepted: true } => &mut counts.tenant_accepted,
            Happened::Tick => return self.line(sidecar.gauges(now), now),
            Happened::Answered(..)
            | Happened::Returned(_)
            | Happened::Ended(..)
            | Happened::TenantAsked { .. }
            | Happened::Restarted
            | Happened::Woke => return,
        };
        *count += 1;
    }

    fn tick(&self) -> Option<Duration> {
        Some(self.step)
    }
}
