//! The figures of a run, as `util`, `r429`, `cvf` and their like.

mod settle;

use std::time::Duration;

use pacer::limiter::{PerPriority, Priority};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::history::History;
use crate::scenario::Scenario;
use crate::time::count;

/// What came of a run, or of several: means, but `max60` the maximum. `None` where there is nothing
/// to tell, as the wait of a class that nobody used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Requests accepted over what the upstream had to give: the quota, but for full brownouts and
    /// what other tenants got.
    pub util: f64,
    /// Requests accepted a minute.
    pub goodput: f64,
    /// Refusals for 1000 attempts.
    pub r429: f64,
    /// Failures that clients of the classes above LOW saw, in percent of their requests.
    pub cvf: f64,
    /// Those that were 429s.
    pub cvf429: f64,
    /// Attempts.
    pub attempts: f64,
    /// By class.
    pub classes: PerPriority<ClassFigures>,
    /// The most attempts that arrived at the upstream in any 60 s.
    pub max60: usize,
    /// The share of other tenants' requests that was accepted.
    pub other_ok: Option<f64>,
    /// How long it took to settle after each step that the scenario asks about.
    pub settle: Vec<Settle>,
}

/// The figures of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassFigures {
    /// The median wait of those served, from request to departure, in seconds.
    pub p50: Option<f64>,
    /// The wait that 99 % do not exceed.
    pub p99: Option<f64>,
    /// The share that was served.
    pub served: Option<f64>,
}

/// How long it took to settle after one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settle {
    /// When the step was, in whole seconds.
    pub step: u64,
    /// Seconds until the new quota was used with few refusals; `None` if the run ended before.
    pub seconds: Option<f64>,
}

impl Figures {
    /// The figures of one run.
    pub fn of(scenario: &Scenario, history: &History) -> Self {
        let accepted = count(history.accepted.len());
        let available = quota_given(scenario) - f64::from(history.tenants_served);
        let offered: u32 = Priority::ALL.into_iter().take(3).map(|class| history.offered[class]).sum();
        let percent = |part: u32| 100.0 * f64::from(part) / f64::from(offered.max(1));
        let refused_to_clients = history.rate_limited + history.locally;
        Self {
            util: if available > 0.0 { accepted / available } else { 0.0 },
            goodput: accepted / scenario.end.as_secs_f64() * 60.0,
            r429: 1000.0 * count(history.refused.len()) / count(history.sent.len().max(1)),
            cvf: percent(refused_to_clients + history.timed_out + history.full + history.unavailable),
            cvf429: percent(refused_to_clients),
            attempts: count(history.sent.len()),
            classes: PerPriority(Priority::ALL.map(|class| ClassFigures::of(history, class))),
            max60: most_in_a_minute(&history.arrived),
            other_ok: share(history.tenants_served, history.tenants_asked),
            settle: scenario.steps.iter().map(|step| settle::settle(scenario, history, *step)).collect(),
        }
    }

    /// The means over several runs of one scenario, but `max60` their maximum.
    pub fn mean(runs: &[Self]) -> Self {
        let over =
            |figure: fn(&Self) -> f64| mean(runs.iter().map(|run| Some(figure(run)))).unwrap_or_default();
        let steps = runs.iter().map(|run| run.settle.len()).max().unwrap_or_default();
        Self {
            util: over(|run| run.util),
            goodput: over(|run| run.goodput),
            r429: over(|run| run.r429),
            cvf: over(|run| run.cvf),
            cvf429: over(|run| run.cvf429),
            attempts: over(|run| run.attempts),
            classes: PerPriority(Priority::ALL.map(|class| ClassFigures {
                p50: mean(runs.iter().map(|run| run.classes[class].p50)),
                p99: mean(runs.iter().map(|run| run.classes[class].p99)),
                served: mean(runs.iter().map(|run| run.classes[class].served)),
            })),
            max60: runs.iter().map(|run| run.max60).max().unwrap_or_default(),
            other_ok: mean(runs.iter().map(|run| run.other_ok)),
            settle: (0..steps).filter_map(|step| Settle::mean(runs, step)).collect(),
        }
    }

    /// Every figure under its name, in the order it is printed.
    pub fn named(&self) -> Vec<(String, Option<f64>)> {
        let mut named: Vec<_> = [
            ("util", self.util),
            ("goodput", self.goodput),
            ("r429", self.r429),
            ("cvf", self.cvf),
            ("cvf429", self.cvf429),
            ("attempts", self.attempts),
        ]
        .map(|(name, figure)| (name.to_owned(), Some(figure)))
        .into();
        for class in Priority::ALL {
            let ClassFigures { p50, p99, served } = self.classes[class];
            let class = class.as_str().to_uppercase();
            named.extend(
                [("p50", p50), ("p99", p99), ("served", served)]
                    .map(|(name, figure)| (format!("{name}_{class}"), figure)),
            );
        }
        named.push(("max60".to_owned(), Some(count(self.max60))));
        named.push(("other_ok".to_owned(), self.other_ok));
        named.extend(self.settle.iter().map(|settle| (format!("settle_{}", settle.step), settle.seconds)));
        named
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.named();
        let mut map = serializer.serialize_map(Some(named.len()))?;
        for (name, figure) in named {
            if name == "max60" {
                map.serialize_entry(&name, &self.max60)?;
            } else {
                map.serialize_entry(&name, &figure)?;
            }
        }
        map.end()
    }
}

impl ClassFigures {
    fn of(history: &History, class: Priority) -> Self {
        let mut waits: Vec<_> = history.waits[class].iter().map(Duration::as_secs_f64).collect();
        waits.sort_by(f64::total_cmp);
        let served = u32::try_from(history.served(class)).unwrap_or(u32::MAX);
        Self {
            p50: quantile(&waits, 50),
            p99: quantile(&waits, 99),
            served: share(served, history.offered[class]),
        }
    }
}

impl Settle {
    fn mean(runs: &[Figures], index: usize) -> Option<Self> {
        let settled = || runs.iter().filter_map(|run| run.settle.get(index));
        let step = settled().next()?.step;
        Some(Self { step, seconds: mean(settled().map(|settle| settle.seconds)) })
    }
}

/// What the upstream would grant to one well-behaved caller in the whole run.
fn quota_given(scenario: &Scenario) -> f64 {
    let second = Duration::from_secs(1);
    let mut given = 0.0;
    let mut now = Duration::ZERO;
    while now < scenario.end {
        if !scenario.up.is_out(now) {
            let part = second.min(scenario.end.saturating_sub(now)).as_secs_f64();
            given += f64::from(scenario.up.quota_at(now)) / 60.0 * part;
        }
        now += second;
    }
    given
}

/// The most of `times`, which are in order, that lie within less than 60 s.
fn most_in_a_minute(times: &[Duration]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while times.get(first).is_some_and(|first| at.saturating_sub(*first) >= Duration::from_secs(60)) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// The value at `percent` of a sorted list.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * percent / 100).min(last)).copied()
}

/// The mean of those that are there.
fn mean(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, number) =
        figures.flatten().fold((0.0, 0_u32), |(sum, number), figure| (sum + figure, number + 1));
    (number > 0).then(|| sum / f64::from(number))
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

#[cfg(test)]
mod tests;
