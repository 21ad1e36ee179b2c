//! Many runs at once, in the order they were asked for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::figures::Figures;
use crate::law::Law;
use crate::scenario::Scenario;

/// One scenario under one law, with the means over its seeds.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The law.
    pub law: Law,
    /// The figures.
    pub figures: Figures,
}

/// Runs every scenario under every law with seeds 1 to `seeds`, on `jobs` threads. The rows come by
/// scenario, then by law.
pub fn run<'a>(scenarios: &'a [Scenario], laws: &[Law], seeds: u64, jobs: usize) -> Vec<Row<'a>> {
    let wanted: Vec<_> =
        scenarios.iter().flat_map(|scenario| laws.iter().map(move |law| (scenario, *law))).collect();
    in_order(&wanted, jobs, |&(scenario, law)| {
        let runs: Vec<_> = (1..=seeds).map(|seed| law.run(scenario, seed)).collect();
        Row { scenario, law, figures: Figures::mean(&runs) }
    })
}

/// `work` on every item, on `jobs` threads; the results in the order of the items.
///
/// # Panics
///
/// If `work` does.
pub fn in_order<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = work(item);
                    done.lock().expect("no thread panics while it holds the list").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics while it holds the list");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let items: Vec<u64> = (0..100).collect();
        let alone = in_order(&items, 1, |item| item * 3);
        assert_eq!(in_order(&items, 7, |item| item * 3), alone);
        assert_eq!(alone.get(41), Some(&123));
    }
}
