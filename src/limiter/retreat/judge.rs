//! What an episode of refusals meant, and what follows from it.

use super::super::clock::Nanos;
use super::episode::Episode;
use super::history::Scale;
use super::pace::Pace;
use super::rules::{CHEAP, Milli, ONE, Rules, STEADY, STEADY_NAMED, UNEXPLAINED, UNEXPLAINED_CUT};
use super::suspicion::Circumstances;
use super::{Burst, Cause, PaceState, Retreat, Sent, Share};

/// What an episode is judged by.
struct Evidence {
    /// The limit that episodes agree on.
    believed: Option<(Scale, u32)>,
    /// The pace, or the higher one that a limit that was none held back.
    base: Milli,
    /// How often refusals came.
    share: Share,
}

impl Retreat {
    /// The first departure after the refusals was served: the episode is judged, once.
    pub(super) fn judge(&mut self, episode: &Episode, served: &Sent, share: Share, now: Nanos) {
        self.doubt.age(now);
        let undone = self.doubt_of_limit(episode, now);
        let cheap = episode.refusals < 2 && !self.is_often(share) && now - episode.opened <= CHEAP;
        let steady = match (cheap, episode.named) {
            (false, _) => 0,
            (true, false) => STEADY,
            (true, true) => STEADY_NAMED,
        };
        let circumstances = Circumstances { doubt: self.doubt.limits(), steady };
        let believed = self.suspicions.judge(episode, &served.counts, circumstances);
        let base = self.pace.sends().max(undone.unwrap_or(0));
        let cause = self.sentence(episode, &Evidence { believed, base, share }, now);
        if let Some(found) = Cause::ALL.iter().position(|each| *each == cause)
            && let Some(count) = self.found.get_mut(found)
        {
            *count += 1;
        }
        let unmoved = matches!(cause, Cause::Burst | Cause::ShortLimit | Cause::Passing);
        if unmoved && base > self.pace.sends() {
            self.rise_to(Cause::Doubt, base, now);
        } else if unmoved && self.pace.state() == PaceState::Retreat && self.pace.sends() >= self.rules.base {
            self.rise_to(Cause::Served, base, now);
        }
    }

    /// Rises at once.
    fn rise_to(&mut self, cause: Cause, sends: Milli, now: Nanos) {
        self.step(cause, |pace, _| pace.recover(now));
        self.step(Cause::Restored, |pace, rules| pace.rise_to(sends, rules, now));
    }

    /// Falls, or rises where a limit that was none held more back.
    fn move_to(&mut self, cause: Cause, sends: Milli, now: Nanos, fall: impl FnOnce(&mut Pace, &Rules)) {
        if sends > self.pace.sends() {
            self.rise_to(Cause::Doubt, sends, now);
        } else {
            self.step(cause, fall);
        }
    }

    /// A limit that refuses far below itself was none: what it held back, if there was one.
    fn doubt_of_limit(&mut self, episode: &Episode, now: Nanos) -> Option<Milli> {
        let limit = self.pace.limit()?;
        let count = u64::from(episode.counts.get(Scale::WINDOW)) * ONE;
        if count + ONE + ONE.max(limit / 20) >= limit || self.short.explain(&episode.counts) {
            return None;
        }
        self.doubt.raise(now);
        Some(self.pace.doubt_limit(&self.rules))
    }

    /// What the episode meant, the first that holds, with what follows from it.
    fn sentence(&mut self, episode: &Episode, evidence: &Evidence, now: Nanos) -> Cause {
        let Evidence { believed, base, share } = *evidence;
        if self.short.refused(episode, &self.rules, now) {
            return Cause::Passing;
        }
        if self.refused_step(episode) {
            let cost = now - episode.opened;
            self.step(Cause::Probe, |pace, rules| pace.refused_step(cost, rules, now));
            return Cause::Probe;
        }
        if episode.burst && episode.refusals == 1 {
            self.learn_burst(episode, now);
            return Cause::Burst;
        }
        match believed {
            Some((scale, count)) if scale.is_long() => {
                let sends = (u64::from(count) * ONE).min(base);
                self.pace.locate(sends, base, &self.rules, now);
                self.move_to(Cause::Limit, sends, now, |pace, rules| pace.fall(sends, rules, now));
                return Cause::Limit;
            }
            Some((scale, count)) if self.short.learn(scale, count, &self.rules, now) => {
                return Cause::ShortLimit;
            }
            _ => {}
        }
        if share.refused >= UNEXPLAINED
            && share.departed >= self.rules.minimum_samples
            && self.is_often(share)
        {
            self.cut(episode, base, now);
            return Cause::Unexplained;
        }
        Cause::Passing
    }

    /// Whether the episode refused the step under way.
    fn refused_step(&self, episode: &Episode) -> bool {
        let in_margin = self.pace.in_margin(&self.rules);
        self.pace.probing_from().is_some_and(|from| {
            let near = ONE.max(from / 20);
            [Scale::WINDOW, Scale::EVERY].into_iter().any(|scale| {
                let count = u64::from(episode.counts.get(scale)) * ONE;
                count <= from + near && from <= count + in_margin + near
            })
        })
    }

    /// What leaves at once beyond what the pace brings is as much as the upstream takes at once.
    fn learn_burst(&mut self, episode: &Episode, now: Nanos) {
        let flow = self.flow();
        let sixth = Scale::SIXTH.length(self.rules.window);
        let paced = sixth.saturating_mul(u64::from(flow.tokens)) / flow.period.max(1);
        let tokens = u64::from(episode.recent).saturating_sub(paced).max(1);
        self.burst = Some(Burst { tokens: u32::try_from(tokens).unwrap_or(u32::MAX), since: now });
    }

    /// Somebody else may use the quota: a little less, and not less than is delivered.
    fn cut(&mut self, episode: &Episode, base: Milli, now: Nanos) {
        let left = (100 - UNEXPLAINED_CUT).max(self.rules.factor);
        let count = u64::from(episode.counts.get(Scale::WINDOW)) * ONE;
        let forget = self.pace.limit().is_some_and(|limit| count + ONE.max(count / 20) < limit);
        let sends = base * left / 100;
        let fall = |pace: &mut Pace, rules: &Rules| pace.cut(sends, forget, rules, now);
        self.move_to(Cause::Unexplained, sends, now, fall);
    }
}

#[cfg(test)]
mod tests;
