//! An application of four kinds of callers that together want more than the quota.
//!
//! `Normal` is a batch of agents that call again as soon as they are answered: it alone would
//! use up the quota, and it keeps the queue filled. The other three make single calls with
//! pauses between them, at a fixed share of the quota. Nobody retries sooner than told.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::call::App;
use super::dice::Dice;
use super::tally::{Answer, Tally};
use crate::limiter::Priority;

/// The most callers of one kind: beyond about 20,000 requests a minute they no longer use up the quota.
const MOST_CALLERS: u32 = 300;

/// All callers make their first call within this time, so that a short demo shows each kind.
const START_WITHIN: Duration = Duration::from_secs(3);

/// Pause after a call that failed, so that an upstream that is down is not asked in a loop.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Callers of one priority.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    priority: Priority,
    callers: u32,
    /// The pause between an answer and the caller's next call.
    pause: Range<Duration>,
    /// How many percent of the calls are streamed.
    streamed_percent: u8,
}

/// The callers that fill a quota of `rpm` requests a minute.
fn mix(rpm: u32) -> [Kind; 4] {
    let seconds = |range: Range<u64>| Duration::from_secs(range.start)..Duration::from_secs(range.end);
    let kind = |priority, callers: u64, pause, streamed_percent| Kind {
        priority,
        callers: u32::try_from(callers).unwrap_or(MOST_CALLERS).clamp(1, MOST_CALLERS),
        pause,
        streamed_percent,
    };
    let rpm = u64::from(rpm);
    [
        // One person asks about five times a minute: together a tenth of the quota.
        kind(Priority::Urgent, rpm / 50, seconds(8..16), 80),
        // About seven calls a minute each: together a fifth of the quota.
        kind(Priority::High, rpm / 35, seconds(4..12), 50),
        // As many as the quota serves in twenty seconds: that is about how long each waits.
        kind(Priority::Normal, rpm.div_ceil(3), Duration::ZERO..Duration::from_millis(500), 50),
        // About seven calls a minute each: together an eighth of the quota, which is rarely to spare.
        kind(Priority::Low, rpm / 55, seconds(4..12), 0),
    ]
}

/// Calls until it is dropped.
pub(super) async fn run(app: &App, rpm: u32, seed: u64, tally: &Mutex<Tally>) {
    let mut dice = Dice::new(seed);
    let callers = mix(rpm).into_iter().flat_map(|kind| {
        let dices: Vec<_> = (0..kind.callers).map(|_| dice.split()).collect();
        dices.into_iter().map(move |dice| caller(app, kind.clone(), dice, tally))
    });
    join_all(callers.collect::<Vec<_>>()).await;
}

async fn caller(app: &App, kind: Kind, mut dice: Dice, tally: &Mutex<Tally>) {
    tokio::time::sleep(dice.duration(&(Duration::ZERO..START_WITHIN))).await;
    loop {
        let answer = app.call(kind.priority, dice.chance(kind.streamed_percent)).await;
        tally.lock().unwrap_or_else(PoisonError::into_inner).ended(kind.priority, answer);
        tokio::time::sleep(dice.duration(&kind.pause).max(told_to_wait(answer))).await;
    }
}

fn told_to_wait(answer: Answer) -> Duration {
    match answer {
        Answer::Served { .. } => Duration::ZERO,
        Answer::Refused { retry_after } => retry_after.unwrap_or(FAILURE_PAUSE),
        Answer::RateLimited | Answer::Failed => FAILURE_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls a minute of one kind if every call is answered after `service`.
    fn offered(kind: &Kind, service: Duration) -> f64 {
        let pause = (kind.pause.start + kind.pause.end) / 2;
        f64::from(kind.callers) * 60.0 / (pause + service).as_secs_f64()
    }

    #[test]
    fn agents_alone_want_more_than_the_quota_and_the_others_leave_them_most_of_it() {
        for rpm in [10, 40, 100, 600, 6000] {
            let kinds = mix(rpm);
            let by_priority = |priority: Priority| &kinds[priority.index()];
            let answered = Duration::from_secs(1);
            assert!(offered(by_priority(Priority::Normal), answered) > 1.1 * f64::from(rpm), "{rpm}");
            let others: f64 = [Priority::Urgent, Priority::High, Priority::Low]
                .map(|priority| offered(by_priority(priority), answered))
                .iter()
                .sum();
            assert!(others < 0.5 * f64::from(rpm).max(36.0), "{rpm}: {others}");
        }
    }

    #[test]
    fn every_priority_calls_whatever_the_quota() {
        for rpm in [1, 40, u32::MAX] {
            let kinds = mix(rpm);
            assert_eq!(kinds.clone().map(|kind| kind.priority), Priority::ALL);
            assert!(kinds.iter().all(|kind| (1..=MOST_CALLERS).contains(&kind.callers)), "{rpm}");
        }
    }

    #[test]
    fn both_streamed_and_plain_calls_are_made() {
        let kinds = mix(40);
        assert!(kinds.iter().any(|kind| kind.streamed_percent > 0));
        assert!(kinds.iter().any(|kind| kind.streamed_percent < 100));
    }

    #[test]
    fn nobody_comes_back_sooner_than_told() {
        let told = Duration::from_secs(7);
        assert_eq!(told_to_wait(Answer::Refused { retry_after: Some(told) }), told);
        assert_eq!(told_to_wait(Answer::Failed), FAILURE_PAUSE);
    }
}
