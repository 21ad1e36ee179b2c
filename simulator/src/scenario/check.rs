//! What a scenario must be beyond its types.

use std::ops::RangeInclusive;

use super::{Demand, Fault, Kind, Scenario, Spread, Step, Tenant};

/// The largest rate and size the limiter takes.
const MOST: u32 = 1_000_000;
/// The most that may wait.
const DEEPEST: u32 = 100_000;

type Problem = Option<(String, String)>;

impl Scenario {
    /// The first key with a value that makes no sense, and why.
    pub(super) fn fault(&self) -> Problem {
        None.or_else(|| positive("T", self.end.as_secs_f64()))
            .or_else(|| within("rpm", self.rpm, 1..=MOST))
            .or_else(|| within("capacity", self.capacity, 1..=MOST))
            .or_else(|| within("floor", self.floor, 1..=MOST))
            .or_else(|| self.ceiling.and_then(|ceiling| within("ceiling", ceiling, 1..=MOST)))
            .or_else(|| within("qmax", self.qmax, 0..=DEEPEST))
            .or_else(|| first(&self.minshare, |at, share| share_of(&format!("minshare[{at}]"), *share)))
            .or_else(|| first(&self.age, |at, age| not_negative(&format!("age[{at}]"), *age)))
            .or_else(|| self.upstream())
            .or_else(|| self.wire.and_then(|wire| spread("wire.there", wire.there)))
            .or_else(|| self.wire.and_then(|wire| spread("wire.head", wire.head)))
            .or_else(|| first(&self.steps, |at, step| quota(&format!("steps[{at}]"), *step)))
            .or_else(|| first(&self.demand, |at, demand| demand.fault(&format!("demand[{at}]"))))
            .or_else(|| first(&self.other, |at, tenant| tenant.fault(&format!("other[{at}]"))))
    }

    fn upstream(&self) -> Problem {
        let up = &self.up;
        None.or_else(|| within("up.q", up.quota, 1..=MOST))
            .or_else(|| positive("up.window", up.window.as_secs_f64()))
            .or_else(|| up.burst.and_then(|burst| within("up.burst", burst, 1..=MOST)))
            .or_else(|| first(&up.sched, |at, step| quota(&format!("up.sched[{at}]"), *step)))
            .or_else(|| up.sub.and_then(|sub| within("up.sub[0]", sub.quota, 1..=MOST)))
            .or_else(|| up.sub.and_then(|sub| positive("up.sub[1]", sub.window.as_secs_f64())))
            .or_else(|| first(&up.brown, |at, fault| trouble(&format!("up.brown[{at}]"), fault)))
            .or_else(|| first(&up.err, |at, fault| trouble(&format!("up.err[{at}]"), fault)))
    }
}

impl Demand {
    fn fault(&self, path: &str) -> Problem {
        let n = || missing(path, "n", self.n);
        match self.kind {
            Kind::Closed => n(),
            Kind::Poisson => missing(path, "rpm", self.rpm)
                .or_else(|| positive(&format!("{path}.rpm"), self.rpm.unwrap_or_default())),
            Kind::Burst => n()
                .or_else(|| missing(path, "every", self.every))
                .or_else(|| positive(&format!("{path}.every"), self.every.unwrap_or_default().as_secs_f64())),
            Kind::Onoff => n()
                .or_else(|| missing(path, "on", self.on))
                .or_else(|| missing(path, "off", self.off))
                .or_else(|| positive(&format!("{path}.on"), self.on.unwrap_or_default().as_secs_f64())),
        }
    }
}

impl Tenant {
    fn fault(&self, path: &str) -> Problem {
        positive(&format!("{path}.rpm"), self.rpm).or_else(|| match (self.on, self.off) {
            (None, None) => None,
            (Some(on), Some(_)) => positive(&format!("{path}.on"), on.as_secs_f64()),
            (Some(_), None) => missing(path, "off", self.off),
            (None, Some(_)) => missing(path, "on", self.on),
        })
    }
}

fn first<T>(list: &[T], fault: impl Fn(usize, &T) -> Problem) -> Problem {
    list.iter().enumerate().find_map(|(at, entry)| fault(at, entry))
}

fn missing<T: Copy>(path: &str, key: &str, value: Option<T>) -> Problem {
    let wanted = || (format!("{path}.{key}"), "is missing; this kind needs it".to_owned());
    if value.is_some() { None } else { Some(wanted()) }
}

fn within(key: &str, value: u32, accepted: RangeInclusive<u32>) -> Problem {
    let (least, most) = (accepted.start(), accepted.end());
    let wrong = || (key.to_owned(), format!("{value} is out of range; accepted are {least} to {most}"));
    if accepted.contains(&value) { None } else { Some(wrong()) }
}

fn positive(key: &str, value: f64) -> Problem {
    let fine = value > 0.0 && value.is_finite();
    if fine { None } else { Some((key.to_owned(), format!("{value} must be more than 0"))) }
}

fn not_negative(key: &str, value: f64) -> Problem {
    let fine = value >= 0.0 && value.is_finite();
    if fine { None } else { Some((key.to_owned(), format!("{value} must be 0 or more"))) }
}

fn share_of(key: &str, value: f64) -> Problem {
    let wrong = || (key.to_owned(), format!("{value} is out of range; accepted are 0 to 1"));
    if (0.0..=1.0).contains(&value) { None } else { Some(wrong()) }
}

fn quota(path: &str, step: Step) -> Problem {
    within(&format!("{path}[1]"), step.quota, 1..=MOST)
}

fn spread(key: &str, spread: Spread) -> Problem {
    let (least, most) = (spread.least.as_secs_f64(), spread.most.as_secs_f64());
    let wrong = || (key.to_owned(), format!("[{least}, {most}] must be the shortest time, then the longest"));
    if least <= most { None } else { Some(wrong()) }
}

fn trouble(path: &str, fault: &Fault) -> Problem {
    share_of(&format!("{path}[2]"), fault.probability)
}
