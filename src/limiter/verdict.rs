//! What becomes of attempts: the verdict of the upstream, or that there was none.

use std::time::{Duration, Instant};

use super::clock::{Nanos, nanos};
use super::decision::Grant;
use super::gate::{PRESUME_AFTER, RETRY_AFTER_MEANT};
use super::outcome::Outcome;
use super::retreat::{ADVICE_SPREAD, Advice, Refused, Sent};
use super::{Attempt, Limiter};

impl<W> Limiter<W> {
    /// The answer to the attempt came with this advice. To be told before the attempt is settled.
    pub fn advise(&mut self, grant: Grant, advice: Advice, now: Instant) {
        let now = self.advance(now);
        if let Some(sent) = self.attempts.get(grant.attempt).and_then(|attempt| attempt.departed) {
            let spread = self.gate.draw(ADVICE_SPREAD);
            self.retreat.advised(&sent, advice, spread, now);
        }
    }

    /// The attempt is over. Returns how long the request should pause before it is readmitted.
    ///
    /// One that never departed and ends [`Outcome::Unknown`] or [`Outcome::Unreachable`] gives
    /// its token and its place back.
    pub fn settle(&mut self, grant: Grant, outcome: Outcome, now: Instant) -> Duration {
        let now = self.advance(now);
        if !matches!(outcome, Outcome::Unknown | Outcome::Unreachable) {
            self.depart_at(grant.attempt, now);
        }
        let Some(attempt) = self.attempts.remove(grant.attempt) else { return Duration::ZERO };
        if attempt.departed.is_none() {
            self.window.release();
            if let Some(taken) = attempt.token {
                self.bucket.give_back(taken);
            }
        }
        if let Some(sent) = attempt.departed {
            self.judge(&attempt, &sent, outcome, now);
        }
        let pause = match outcome {
            Outcome::Unavailable { retry_after } => {
                self.gate.unavailable(grant.attempt, retry_after.map(nanos), now)
            }
            Outcome::Unreachable => self.gate.unavailable(grant.attempt, None, now),
            Outcome::Exhausted { pause } => {
                self.gate.forget(grant.attempt);
                nanos(pause)
            }
            Outcome::Unknown => {
                self.gate.forget(grant.attempt);
                0
            }
            Outcome::Accepted | Outcome::RateLimited { .. } => 0,
        };
        self.follow(now);
        Duration::from_nanos(pause)
    }

    /// What an attempt that departed taught about the quota.
    fn judge(&mut self, attempt: &Attempt, sent: &Sent, outcome: Outcome, now: Nanos) {
        match outcome {
            Outcome::Accepted if !attempt.presumed => self.accepted(sent, now),
            Outcome::Accepted => {}
            Outcome::RateLimited { retry_after } => {
                self.refusals.refused(now);
                let news = self.gate.is_news(sent.at);
                let named = retry_after.is_some_and(|asked| nanos(asked) > RETRY_AFTER_MEANT);
                let refused = Refused { news, named };
                let patience = self.retreat.refused(sent, refused, self.refusals.share(now), now);
                self.gate.refused(sent.at, retry_after.map(nanos), patience, now);
                if news {
                    self.bucket.keep_one();
                }
            }
            Outcome::Unavailable { .. }
            | Outcome::Unreachable
            | Outcome::Exhausted { .. }
            | Outcome::Unknown => self.retreat.forget(sent),
        }
    }

    fn accepted(&mut self, sent: &Sent, now: Nanos) {
        let news = self.gate.accepted(sent.at);
        self.retreat.served(sent, news, self.refusals.share(now), now);
    }

    /// Takes for accepted what nobody has refused in time.
    pub(super) fn presume(&mut self, now: Nanos) {
        while let Some((key, at)) = self.fresh.front().copied()
            && at.saturating_add(PRESUME_AFTER) <= now
        {
            self.fresh.pop_front();
            let Some(attempt) = self.attempts.get_mut(key) else { continue };
            attempt.presumed = true;
            if let Some(sent) = attempt.departed {
                self.accepted(&sent, now);
            }
        }
    }
}
