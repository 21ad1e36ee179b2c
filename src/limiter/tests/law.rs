//! An independent account of what the law may do to the pace, whatever the trace.

use std::time::Instant;

use super::super::{Limiter, PaceState, Settings, Snapshot, Transition};

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct LawAccount {
    seen: Option<(PaceState, u32)>,
}

impl LawAccount {
    /// The most sends of one window that these settings ever allow.
    pub(super) fn most(settings: &Settings) -> u32 {
        let base = settings.rate.window_quota();
        let ceiling = settings.retreat.ceiling_requests_per_minute.filter(|_| settings.retreat.enabled);
        base.max(ceiling.map_or(0, |ceiling| scaled(ceiling, settings)))
    }

    /// Looks after time has passed or a verdict has come: I1, I6, L2.
    pub(super) fn look(&mut self, limiter: &mut Limiter<u32>, settings: &Settings, now: Instant) {
        let snapshot = limiter.snapshot(now);
        let mut state = self.seen.map_or(PaceState::Normal, |(state, _)| state);
        let mut moved = false;
        while let Some(transition) = limiter.next_transition() {
            assert_eq!(transition.from, state, "a transition is missing");
            assert!(is_edge(&transition), "{transition:?}");
            (state, moved) = (transition.to, true);
        }
        assert_eq!(state, snapshot.learned.state, "a change of state is a transition");
        check_bounds(&snapshot, settings);
        let limit = snapshot.window_limit;
        if let Some((before_state, before)) = self.seen.filter(|_| !moved) {
            assert_eq!(before_state, state);
            assert!(state != PaceState::Retreat || limit <= before, "it rises in retreat");
            assert!(state != PaceState::Recover || limit >= before, "it falls in recover");
        }
        self.seen = Some((state, limit));
    }

    /// The settings were edited: the pace may move within a state, and an edit may end the retreat.
    pub(super) fn edited(&mut self, limiter: &mut Limiter<u32>, settings: &Settings, now: Instant) {
        let snapshot = limiter.snapshot(now);
        while limiter.next_transition().is_some() {}
        check_bounds(&snapshot, settings);
        self.seen = Some((snapshot.learned.state, snapshot.window_limit));
    }

    /// A verdict came that says nothing new about the quota: I7.
    pub(super) fn taught_nothing(&self, limiter: &mut Limiter<u32>, now: Instant) {
        let limit = limiter.snapshot(now).window_limit;
        assert!(self.seen.is_none_or(|(_, before)| limit >= before), "it falls for no reason");
    }
}

/// The four edges of I6.
fn is_edge(transition: &Transition) -> bool {
    use PaceState::{Normal, Recover, Retreat};
    matches!(
        (transition.from, transition.to),
        (Normal, Retreat) | (Retreat, Recover) | (Recover, Retreat | Normal)
    )
}

fn check_bounds(snapshot: &Snapshot, settings: &Settings) {
    let (base, retreat) = (settings.rate.window_quota(), &settings.retreat);
    let (limit, learned) = (snapshot.window_limit, snapshot.learned);
    let least = scaled(retreat.floor_requests_per_minute, settings).min(base);
    assert!((least..=LawAccount::most(settings)).contains(&limit), "{limit} below {least} or too much");
    if learned.state == PaceState::Normal && retreat.ceiling_requests_per_minute.is_none() {
        assert_eq!(limit, base, "the normal pace is the configured one");
    }
    assert!(learned.short.iter().flatten().all(|(_, count)| *count >= 1), "{:?}", learned.short);
    assert!(learned.burst.is_none_or(|burst| (1..settings.rate.capacity).contains(&burst)));
    if !retreat.enabled {
        let nothing = (learned.state, learned.limit_rpm, learned.burst) == (PaceState::Normal, None, None);
        assert!(limit == base && nothing && learned.short == [None; 5], "disabled, it learns: {learned:?}");
    }
}

/// Sends of one window at this rate.
fn scaled(rpm: u32, settings: &Settings) -> u32 {
    let sends = u64::from(rpm) * settings.rate.window.as_secs() / 60;
    u32::try_from(sends).unwrap_or(u32::MAX).max(1)
}
