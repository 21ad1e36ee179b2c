//! The promise of the rolling window, held against what came to the upstream.
//!
//! At every departure, the departures of the last window and margin, this one included, are at most the window's
//! quota at that moment. The margin is for the way to the upstream: if that takes no longer, no window of arrivals
//! holds more than the quota at the departure of its last one.

use std::time::Duration;

use tokio::time::Instant;

/// `windowSeconds` of the policy.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// `windowMarginMilliseconds` of the policy, which is its default.
pub(super) const MARGIN: Duration = Duration::from_millis(500);

/// Which quotas were in force when.
#[derive(Debug)]
pub(super) struct Promise(Vec<InForce>);

/// A quota, and the time in which it may have been in force.
#[derive(Debug)]
struct InForce {
    quota: usize,
    /// The edit was sent.
    from: Instant,
    /// The next one was seen to be in force.
    until: Option<Instant>,
}

impl InForce {
    /// At the departure of what came at `arrival`.
    fn covers(&self, arrival: Instant) -> bool {
        self.from <= arrival && self.until.is_none_or(|until| arrival <= until + MARGIN)
    }
}

impl Promise {
    /// A rate, in requests a minute, that is in force from now on.
    pub(super) fn new(rate: u32) -> Self {
        Self(vec![InForce { quota: quota(rate), from: Instant::now(), until: None }])
    }

    /// An edit of the rate that was sent, and later seen in force.
    pub(super) fn changes(&mut self, rate: u32, sent: Instant, in_force: Instant) {
        self.0.last_mut().unwrap().until = Some(in_force);
        self.0.push(InForce { quota: quota(rate), from: sent, until: None });
    }

    /// Asserts that every window kept the promise.
    pub(super) fn judge(&self, arrivals: &[Instant]) {
        for (index, &arrival) in arrivals.iter().enumerate() {
            let in_window = arrivals[..=index].iter().filter(|&&earlier| arrival < earlier + WINDOW).count();
            let quotas = self.0.iter().filter(|held| held.covers(arrival));
            let quota = quotas.map(|held| held.quota).max().unwrap();
            assert!(in_window <= quota, "arrival {index}: {in_window} in a window of {quota}; {self:#?}");
        }
    }
}

/// The most departures of one window, as the policy reference says.
fn quota(requests_per_minute: u32) -> usize {
    let scaled = u64::from(requests_per_minute) * WINDOW.as_secs() / 60;
    usize::try_from(scaled).unwrap().max(1)
}
