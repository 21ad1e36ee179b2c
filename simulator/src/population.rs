//! Scenarios drawn at random: a law tuned to a fixed suite shows here.
//!
//! All kinds of limit, a second short limit, steps, brownouts, bursts of 503, tenants and demands mix.

use serde_json::{Map, Value, json};

use crate::rng::Rng;

/// `number` scenarios drawn from `seed`, each a line of JSON that [`crate::scenario::read`] reads. The
/// first of them are the same whatever the number.
pub fn draw(number: usize, seed: u64) -> Vec<String> {
    (0..number)
        .map(|index| Draw(Rng::named(&format!("R{index}"), "population", seed)).scenario(index))
        .collect()
}

struct Draw(Rng);

impl Draw {
    fn scenario(mut self, index: usize) -> String {
        let mut scenario = Map::new();
        scenario.insert("name".to_owned(), json!(format!("R{index}")));
        scenario.insert("T".to_owned(), json!(3000));
        scenario.insert("up".to_owned(), Value::Object(self.upstream()));
        scenario.insert("demand".to_owned(), json!([self.demand()]));
        if self.0.chance(0.3) {
            scenario.insert("other".to_owned(), json!({ "rpm": self.0.whole(2, 24) }));
        }
        Value::Object(scenario).to_string()
    }

    fn upstream(&mut self) -> Map<String, Value> {
        let mut up = Map::new();
        let kind = self.one_of(["slog", "fixed", "swc", "bucket", "gcra"]);
        up.insert("kind".to_owned(), json!(kind));
        let (below, above) = (self.0.whole(6, 39), self.0.whole(41, 60));
        up.insert("q".to_owned(), json!(self.one_of([40, 40, 40, below, above])));
        up.insert("ra".to_owned(), json!(self.one_of(["none", "none", "exact", "ceil", "one", "zero"])));
        up.insert("hdrs".to_owned(), json!(self.one_of(["none", "none", "none", "std"])));
        if matches!(kind, "bucket" | "gcra") {
            up.insert("burst".to_owned(), json!(self.one_of([2, 5, 10, 40])));
        }
        if self.0.chance(0.5) {
            up.insert("sched".to_owned(), self.steps());
        }
        if self.0.chance(0.25) {
            up.insert("count429".to_owned(), json!(true));
        }
        if self.0.chance(0.2) {
            up.insert("sub".to_owned(), json!([self.0.whole(4, 12), 10]));
        }
        if self.0.chance(0.25) {
            let (from, to) = self.trouble(120.0);
            up.insert("brown".to_owned(), json!([[from, to, self.one_of([1.0, 1.0, 0.5])]]));
        }
        if self.0.chance(0.25) {
            let (from, to) = self.trouble(60.0);
            up.insert("err".to_owned(), json!([[from, to, self.0.between(0.2, 0.9)]]));
        }
        up
    }

    /// One to three changes of the quota.
    fn steps(&mut self) -> Value {
        let number = self.0.whole(1, 3);
        let mut times: Vec<_> = (0..number).map(|_| self.0.between(300.0, 2400.0).round()).collect();
        times.sort_by(f64::total_cmp);
        times.into_iter().map(|at| json!([at, self.0.whole(8, 40)])).collect()
    }

    /// When trouble begins and ends; it takes 10 s to `longest`.
    fn trouble(&mut self, longest: f64) -> (f64, f64) {
        let from = self.0.between(300.0, 2000.0);
        (from, from + self.0.between(10.0, longest))
    }

    fn demand(&mut self) -> Value {
        let kind = self.0.unit();
        if kind < 0.5 {
            json!({ "kind": "closed", "n": self.0.whole(5, 60) })
        } else if kind < 0.7 {
            json!({ "kind": "poisson", "rpm": self.0.whole(5, 60) })
        } else if kind < 0.85 {
            json!({ "kind": "burst", "n": self.0.whole(10, 60), "every": self.0.between(60.0, 200.0) })
        } else {
            json!({ "kind": "onoff", "n": self.0.whole(10, 40), "on": 300, "off": self.0.whole(30, 300) })
        }
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        let index = self.0.whole(0, u32::try_from(N - 1).unwrap_or(0));
        let chosen = choices.get(usize::try_from(index).unwrap_or(0));
        *chosen.expect("the index is below the number of choices")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, LimitKind, read};

    #[test]
    fn what_is_drawn_can_be_read_and_holds_every_kind() {
        let drawn = read(&draw(300, 1).join("\n")).unwrap();
        let some = |is: &dyn Fn(&crate::Scenario) -> bool| drawn.iter().filter(|drawn| is(drawn)).count();
        for kind in [LimitKind::Slog, LimitKind::Fixed, LimitKind::Swc, LimitKind::Bucket, LimitKind::Gcra] {
            assert!(some(&|drawn| drawn.up.kind == kind) > 30, "{kind:?}");
        }
        for kind in [Kind::Closed, Kind::Poisson, Kind::Burst, Kind::Onoff] {
            assert!(some(&|drawn| drawn.demand[0].kind == kind) > 20, "{kind:?}");
        }
        let tenants = some(&|drawn| !drawn.other.is_empty());
        assert!((60..120).contains(&tenants), "{tenants} with a tenant");
        assert!(some(&|drawn| drawn.up.sub.is_some()) > 30);
        assert!(some(&|drawn| !drawn.up.brown.is_empty() && !drawn.up.err.is_empty()) > 5);
    }

    #[test]
    fn a_seed_draws_the_same_scenarios_and_more_of_them_begin_alike() {
        assert_eq!(draw(20, 7)[..], draw(30, 7)[..20]);
        assert_ne!(draw(20, 7), draw(20, 8));
    }
}
