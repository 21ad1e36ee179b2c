//! Claims about upstreams that count every request, refused ones too.

use super::*;

/// Grants a request if no more than the quota, it included, came within the last minute.
struct CountsEvery {
    quota: usize,
    came: VecDeque<Nanos>,
}

impl CountsEvery {
    fn grants(&mut self, now: Nanos) -> bool {
        self.came.push_back(now);
        self.came.retain(|came| came + 60 * SECOND > now);
        self.came.len() <= self.quota
    }
}

/// Sends for an hour, backing off as long as the law asks for; how many of the last half were refused.
fn run(quota: usize) -> (Trial, usize) {
    const HOUR: Nanos = 3_600 * SECOND;
    let mut upstream = CountsEvery { quota, came: VecDeque::new() };
    let (mut trial, mut in_a_row, mut refused) = (Trial::new(), 0_u32, 0);
    while trial.now < HOUR {
        let flow = trial.law.flow();
        let mut next = trial.now + flow.period / u64::from(flow.tokens);
        if upstream.grants(trial.now) {
            trial.serve_held_back();
            in_a_row = 0;
        } else {
            let patience = trial.refuse();
            let backoff = (patience.pace << in_a_row.min(16)).min(patience.backoff_max);
            next = next.max(patience.not_before).max(trial.now + backoff);
            in_a_row += 1;
            refused += usize::from(trial.now > HOUR / 2);
        }
        trial.now = next;
        trial.law.advance(false, next);
    }
    (trial, refused)
}

#[test]
fn the_limit_of_an_upstream_that_counts_what_it_refuses_is_found() {
    for quota in [8_u32, 20, 30] {
        let (trial, refused) = run(quota as usize);
        let limit = trial.law.learned(trial.now).limit_rpm;
        assert_eq!((limit, trial.found(Cause::Limit)), (Some(quota), 1));
        assert!(refused * 10 < quota as usize * 30, "{refused} refused of {quota} a minute");
    }
}

#[test]
fn a_refused_send_stays_in_the_last_count_alone() {
    let mut trial = Trial::new();
    trial.serve();
    trial.refuse();
    let counts = trial.send().counts;
    assert_eq!(Scale::all().map(|scale| counts.get(scale)).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1, 2]);
}
