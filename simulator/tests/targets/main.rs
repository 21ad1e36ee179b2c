//! What the adaptive law must reach, and what must never happen, in simulated hours of the real limiter.
//!
//! Optimised builds only (`make targets`): here are thousands of hours. Three sets of scenarios:
//! the [`suite`] that the law was designed with, a [`population`] drawn from a committed seed, and one
//! drawn anew in every run, whose seed is printed. A [`watch`] looks on at every event of all of them.
//!
//! Where each invariant of `docs/rate-control.md` is held. *Model* is `src/limiter/tests/` (random traces), *watch* is
//! `targets/watch.rs`, *unit* are the tests beside the module named.
//!
//! | invariant | where |
//! | --- | --- |
//! | I1: pace between floor and ceiling | model, watch, unit `pace` |
//! | I2: window never overfull, hence never more than `rpm` a minute | model, watch |
//! | I3: alone on an honest upstream no 429 | suite, A1 to A3 |
//! | I4: nothing before gate, `Retry-After`, gap | model, watch |
//! | I5: one unverified attempt in an episode | model, watch |
//! | I6: four edges; normal is the configured pace; no rise in retreat, no fall in recover | model, watch; edges: unit `pace` |
//! | I7: 5xx and stale verdicts lower nothing | model, watch |
//! | I8: one attempt a request, none after an answer that was relayed; order within a class | watch; model |
//! | I9: work conserving | model |
//! | I10, L8: the pace comes back | `liveness` |
//! | I11: shares of waiting classes | unit `turns`, suite P1 |
//! | I12: same trace, same seed, same sends | model, `simulator/src/world/tests.rs` |
//! | L1: no short window overfull | watch; unit `short` |
//! | L2: a short window holds at least one, ages away | watch; unit `short` |
//! | L3: a limit is a count that was refused | watch, restated below |
//! | L4: one episode sets no limit | watch, `liveness`, unit `suspicion` |
//! | L5: a count served acquits | unit `suspicion` |
//! | L6, L7: one step at a time; refused, back to where it began | unit `pace`, `short`, `judge` |
//! | L9: undone, no further than before | unit `pace`, `judge` |
//! | L10: doubt is bounded and ages | unit `doubt`, `judge` |
//! | L11: the look behind the headers | unit `advice` |
//! | L12: `Retry-After` proved too short | unit `gate`, `patience` |
//! | L13: who did not wait raises nothing | unit `retreat` |

#[cfg(debug_assertions)]
compile_error!("these tests run optimised: `make targets`");

mod claims;
mod liveness;
mod page;
mod peers;
mod population;
mod suite;
mod watch;

use pacer_simulator::rng::Rng;
use pacer_simulator::{Figures, Law, Pacer, Scenario, World, batch};

use watch::Watcher;

/// One run of Pacer, with somebody who looks on at every event.
fn watched(scenario: &Scenario, seed: u64) -> (Figures, Watcher) {
    let pacer = Pacer::new(scenario, Rng::named(&scenario.name, "sidecar", seed));
    let watcher = Watcher::new(scenario, &pacer, seed);
    let (history, watcher) = World::watched(scenario, pacer, seed, watcher).finish();
    let figures = Figures::of(scenario, &history);
    let most = scenario.ceiling.unwrap_or(scenario.rpm).max(scenario.rpm) as usize;
    assert!(watcher.most_in_a_minute <= most, "{}, seed {seed}: more than {most}", scenario.name);
    assert!(figures.cvf429 <= 0.0, "{}, seed {seed}: a client saw a 429", scenario.name);
    (figures, watcher)
}

/// The same without the law.
fn disabled(scenario: &Scenario, seed: u64) -> Figures {
    Law::Disabled.run(scenario, seed)
}

/// `work` on every item, on all processors; the results in the order of the items.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    batch::in_order(items, processors(), work)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
