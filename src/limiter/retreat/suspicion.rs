//! Which limit explains the refusals: one suspicion per time scale.
//!
//! One refusal proves nothing. A limit is where refusals begin each time and below which
//! everything is served, so each episode of refusals leaves on every scale the lowest own
//! count at which it refused. A count served later at which another was refused acquits the
//! scale; an episode that begins at the same count again, with the count just below served
//! in between, convicts it. What was served at such counts a moment ago is a contradiction
//! and asks for one episode more, and so does every limit that proved to be none before.

use super::super::clock::Nanos;
use super::episode::Episode;
use super::history::{Counts, Scale};
use super::rules::{HITS, SECOND};

/// The highest count served lately, in two halves of the time it is remembered.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    since: Nanos,
    newer: u32,
    older: u32,
}

impl Peak {
    fn turn(&mut self, memory: Nanos, now: Nanos) {
        let halves = now.saturating_sub(self.since) / (memory / 2).max(1);
        if halves > 0 {
            self.older = if halves == 1 { self.newer } else { 0 };
            self.newer = 0;
            self.since = now;
        }
    }

    fn highest(&self) -> u32 {
        self.newer.max(self.older)
    }
}

/// A count at which refusals began, on one scale.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    count: u32,
    /// The highest count served since an episode last agreed.
    served: Option<u32>,
    seen: Nanos,
    hits: u32,
    hit: Nanos,
}

impl Suspicion {
    fn new(count: u32, served: u32, seen: Nanos) -> Self {
        Self { count, served: Some(served), seen, hits: 1, hit: seen }
    }

    /// Whether refusals at `count` are explained by the same limit.
    fn agrees(&self, scale: Scale, count: u32) -> bool {
        let tolerance = tolerance(scale, count);
        let bracketed = scale.is_long()
            && count <= self.count + tolerance
            && self.served.is_some_and(|served| served < count && count - served <= 1 + tolerance);
        count.abs_diff(self.count) <= tolerance || bracketed
    }
}

/// How far two counts may differ and still mean one limit.
fn tolerance(scale: Scale, count: u32) -> u32 {
    let least = match scale {
        Scale::EVERY => 0,
        Scale::WINDOW => 1,
        _ => u32::from(count >= 6),
    };
    least.max(count / 20)
}

/// One scale's case.
#[derive(Clone, Copy, Debug, Default)]
struct Case {
    peak: Peak,
    suspicion: Option<Suspicion>,
}

/// What else speaks for or against a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Limits that proved to be none, lately.
    pub(super) doubt: u32,
    /// How many episodes must agree on a limit of the window at least, because the refusals are rare and cheap.
    pub(super) steady: u32,
}

/// The cases of all scales.
#[derive(Debug)]
pub(super) struct Suspicions {
    window: Nanos,
    cases: [Case; Scale::COUNT],
}

impl Suspicions {
    pub(super) fn new(window: Nanos) -> Self {
        Self { window, cases: [Case::default(); Scale::COUNT] }
    }

    /// A departure at these counts was served.
    pub(super) fn served(&mut self, counts: &Counts, now: Nanos) {
        for (scale, case) in Scale::all().zip(&mut self.cases) {
            let count = counts.get(scale);
            case.peak.turn(self.window, now);
            case.peak.newer = case.peak.newer.max(count);
            case.suspicion =
                case.suspicion.filter(|suspicion| count < suspicion.count + suspicion.count / 20);
            if let Some(suspicion) = &mut case.suspicion {
                suspicion.served = suspicion.served.max(Some(count));
            }
        }
    }

    /// The scale of the window on which a departure at these counts was to be refused.
    pub(super) fn expected(&self, counts: &Counts, now: Nanos) -> Option<Scale> {
        [Scale::WINDOW, Scale::EVERY].into_iter().find(|scale| {
            let scale = *scale;
            let suspicion = self.cases.get(scale.index()).and_then(|case| case.suspicion);
            suspicion.is_some_and(|suspicion| {
                self.is_fresh(scale, &suspicion, now) && suspicion.agrees(scale, counts.get(scale))
            })
        })
    }

    /// The limit of the whole window that episodes agree on, whether or not it is worth lowering the pace for.
    pub(super) fn agreed(&self, now: Nanos) -> Option<u32> {
        let cases = [Scale::WINDOW, Scale::EVERY].into_iter().filter_map(|scale| {
            let suspicion = self.cases.get(scale.index())?.suspicion?;
            (suspicion.hits >= HITS && self.is_fresh(scale, &suspicion, now)).then_some(suspicion.count)
        });
        cases.max()
    }

    /// Takes the evidence of an episode that ended with a departure served at `served`. The
    /// limit that is now believed, of several the one that allows most.
    pub(super) fn judge(
        &mut self,
        episode: &Episode,
        served: &Counts,
        circumstances: Circumstances,
    ) -> Option<(Scale, u32)> {
        let mut believed: Option<(Scale, u32)> = None;
        for scale in Scale::all() {
            let Some(count) = self.weigh(scale, episode, served, circumstances) else { continue };
            let sends = |scale: Scale, count: u32| {
                u128::from(count) * u128::from(self.window) / u128::from(scale.length(self.window).max(1))
            };
            if believed.is_none_or(|(other, least)| sends(scale, count) > sends(other, least)) {
                believed = Some((scale, count));
            }
        }
        if let Some((scale, _)) = believed
            && let Some(case) = self.cases.get_mut(scale.index())
        {
            case.suspicion = None;
        }
        believed
    }

    /// One scale's part of that: the count, if it is believed.
    fn weigh(
        &mut self,
        scale: Scale,
        episode: &Episode,
        served: &Counts,
        circumstances: Circumstances,
    ) -> Option<u32> {
        let (window, opened) = (self.window, episode.opened);
        let count = episode.counts.get(scale);
        let acquits = count + u32::from(scale == Scale::WINDOW && episode.refusals >= 2);
        let known = self.cases.get(scale.index())?.suspicion;
        let known = known.filter(|known| self.is_fresh(scale, known, opened) && known.agrees(scale, count));
        let case = self.cases.get_mut(scale.index())?;
        if count < 1 || served.get(scale) >= acquits {
            case.suspicion = None;
            return None;
        }
        let suspicion = match known {
            None => Suspicion::new(count, served.get(scale), opened),
            Some(known) => {
                let again = opened.saturating_sub(known.hit) >= scale.length(window) / 4;
                Suspicion {
                    count: known.count.min(count),
                    served: None,
                    seen: opened,
                    hits: known.hits + u32::from(again),
                    hit: if again { opened } else { known.hit },
                }
            }
        };
        case.suspicion = Some(suspicion);
        case.peak.turn(window, opened);
        let contradicted = case.peak.highest() >= suspicion.count + tolerance(scale, count);
        let needed = HITS + circumstances.doubt + u32::from(contradicted);
        let worthless = scale.is_long() && suspicion.hits < circumstances.steady;
        (suspicion.hits >= needed && !worthless).then_some(suspicion.count)
    }

    fn is_fresh(&self, scale: Scale, suspicion: &Suspicion, now: Nanos) -> bool {
        let length = scale.length(self.window);
        now.saturating_sub(suspicion.seen) <= (length * 5 / 2).max(60 * SECOND)
    }
}

#[cfg(test)]
mod tests;
