//! Pacer beside its peers, in the scenarios and over the population.

use pacer_simulator::{Law, Scenario, batch, population, report, scenario};

use super::population::SEED;
use super::{page, processors};

fn table(scenarios: &[Scenario], seeds: u64) -> String {
    let mut out = Vec::new();
    report::markdown(&batch::run(scenarios, &Law::ALL, seeds, processors()), &Law::ALL, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_page_shows_pacer_beside_its_peers() {
    let scenarios = scenario::read(include_str!("../../scenarios.jsonl")).unwrap();
    page::shows("peers", &table(&scenarios, 5));
    let drawn = scenario::read(&population::draw(500, SEED).join("\n")).unwrap();
    let (with_tenant, alone): (Vec<_>, Vec<_>) =
        drawn.into_iter().partition(|scenario| !scenario.other.is_empty());
    let means = [("alone on the key", alone), ("with a tenant", with_tenant)].map(|(group, scenarios)| {
        let table = table(&scenarios, 1);
        let mean = table.lines().find(|line| line.starts_with("| **mean**")).unwrap();
        format!("{}\n", mean.replace("**mean**", group).replace("**", ""))
    });
    let head = table(&[], 1).lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    page::shows("peers in the population", &(head + &means.concat()));
}
