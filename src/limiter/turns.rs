//! Whose turn it is: strict priority, tempered by the minimum shares.
//!
//! A lane that waits while another is served earns its share of a turn each time; with a
//! whole turn earned it is served before more urgent ones, and a turn is spent each time it
//! is served. Of several lanes that are owed a turn the least urgent goes first: it earns the
//! most slowly. Over any stretch in which a lane waits it so gets at least
//! `share / (1 + share)` of the turns (invariant I11 of `docs/rate-control.md`).
//!
//! Wanting counts like waiting: a request that was turned away because it would have come
//! too late keeps its lane's claim alive, or a lane with a short wait would never earn a turn.

use super::lane::Lane;
use super::priority::{PerPriority, Priority};

/// One turn, in the unit shares are given in.
const TURN: u32 = 100;
/// The most turns a lane can have saved up.
const MOST_SAVED: u32 = 2 * TURN;

#[derive(Debug, Default)]
pub(super) struct Turns {
    share: PerPriority<u32>,
    earned: PerPriority<u32>,
    wanted: PerPriority<bool>,
}

impl Turns {
    pub(super) fn new(share: PerPriority<u32>) -> Self {
        Self { share, ..Self::default() }
    }

    pub(super) fn reconfigure(&mut self, share: PerPriority<u32>) {
        self.share = share;
    }

    /// Notes that somebody would have liked to wait in this lane.
    pub(super) fn want(&mut self, priority: Priority) {
        self.wanted[priority] = true;
    }

    /// The lane to serve next.
    pub(super) fn next(&self, lanes: &PerPriority<Lane>) -> Option<Priority> {
        let waiting = |priority: &Priority| !lanes[*priority].is_empty();
        let due = |priority: &Priority| self.share[*priority] > 0 && self.earned[*priority] >= TURN;
        let most_urgent = Priority::ALL.into_iter().find(waiting)?;
        let owed = Priority::ALL.into_iter().rev().filter(|priority| *priority > most_urgent);
        Some(owed.filter(waiting).find(due).unwrap_or(most_urgent))
    }

    /// A request of `served` has been given its turn; `lanes` is what was waiting just before.
    pub(super) fn served(&mut self, served: Priority, lanes: &PerPriority<Lane>) {
        for priority in Priority::ALL {
            let earned = self.earned[priority];
            self.earned[priority] = if priority == served {
                earned.saturating_sub(TURN)
            } else if self.wanted[priority] || !lanes[priority].is_empty() {
                (earned + self.share[priority]).min(MOST_SAVED)
            } else {
                earned
            };
            self.wanted[priority] = false;
        }
    }

    /// How many turns come before that of a request with `ahead` others of its lane before it.
    ///
    /// The lower of two counts: by priority, where everybody more urgent goes first and
    /// less urgent lanes take the turns they are owed; and by share, where this lane's own
    /// claim brings it forward. Right as long as nobody else comes.
    pub(super) fn before(&self, priority: Priority, ahead: usize, lanes: &PerPriority<Lane>) -> u64 {
        let ahead = ahead as u64;
        let more_urgent: u64 = Priority::ALL
            .into_iter()
            .filter(|other| *other < priority)
            .map(|other| lanes[other].len() as u64)
            .sum();
        let first = more_urgent + ahead;
        let owed = |other: Priority| {
            let earned = first * u64::from(self.share[other]) + u64::from(self.earned[other]);
            (earned / u64::from(TURN)).min(lanes[other].len() as u64)
        };
        let owed_to_others: u64 = Priority::ALL.into_iter().filter(|other| *other > priority).map(owed).sum();
        let by_priority = first + owed_to_others;
        let Some(share) = Some(u64::from(self.share[priority])).filter(|share| *share > 0) else {
            return by_priority;
        };
        let missing = ((ahead + 1) * u64::from(TURN)).saturating_sub(u64::from(self.earned[priority]));
        by_priority.min(ahead + missing.div_ceil(share))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::slab::Slab;
    use super::*;

    /// Serves `turns` requests from lanes that never run empty where `waiting` says so.
    fn serve(turns: &mut Turns, waiting: [bool; 4], count: usize) -> [usize; 4] {
        let mut pool = Slab::new();
        let mut lanes = PerPriority::<Lane>::default();
        for priority in Priority::ALL.into_iter().filter(|priority| waiting[priority.index()]) {
            lanes[priority].push(&mut pool, (), 0);
        }
        let mut served = [0; 4];
        for _ in 0..count {
            let next = turns.next(&lanes).unwrap();
            turns.served(next, &lanes);
            served[next.index()] += 1;
        }
        served
    }

    fn mk_turns() -> Turns {
        Turns::new(PerPriority([0, 20, 10, 5]))
    }

    #[test]
    fn every_waiting_lane_gets_its_minimum_share() {
        let served = serve(&mut mk_turns(), [true; 4], 1_000);
        for (priority, share) in [(1, 0.20), (2, 0.10), (3, 0.05)] {
            let least = 1_000.0 * share / (1.0 + share);
            assert!(f64::from(u32::try_from(served[priority]).unwrap()) >= least - 1.0, "{served:?}");
        }
        assert!(served[0] > 600, "the rest goes to the most urgent: {served:?}");
    }

    proptest! {
        /// Invariant I11, whatever the others do: `always` waits all the time, the rest come and go.
        #[test]
        fn over_any_100_turns_in_which_it_waits_a_lane_gets_its_share(
            shares in (0_u32..40, 0_u32..30, 0_u32..30),
            always in 1_usize..4,
            others in vec(any::<[bool; 4]>(), 400),
        ) {
            let shares = [0, shares.0, shares.1, shares.2];
            let mut turns = Turns::new(PerPriority(shares));
            let mut served = Vec::new();
            for mut waiting in others {
                waiting[always] = true;
                served.push(serve(&mut turns, waiting, 1)[always]);
            }
            for hundred in served.windows(100) {
                let (got, share) = (hundred.iter().sum::<usize>(), shares[always] as usize);
                // A stretch may begin just after a turn and end just before one, and others may be owed as well.
                prop_assert!(got + 2 >= 100 * share / (100 + share), "{got} turns for {share} %");
            }
        }
    }

    #[test]
    fn without_shares_only_the_most_urgent_is_served() {
        assert_eq!(serve(&mut Turns::new(PerPriority([0; 4])), [false, true, true, true], 50), [0, 50, 0, 0]);
    }

    #[test]
    fn a_lane_that_only_wants_earns_turns_too() {
        let mut turns = mk_turns();
        for _ in 0..20 {
            turns.want(Priority::Low);
            serve(&mut turns, [true, false, false, false], 1);
        }
        assert_eq!(serve(&mut turns, [true, false, false, true], 1), [0, 0, 0, 1]);
    }

    #[test]
    fn the_count_of_turns_before_follows_the_lower_of_priority_and_share() {
        let turns = mk_turns();
        let mut pool = Slab::new();
        let mut lanes = PerPriority::<Lane>::default();
        for serial in 0..1_000 {
            lanes[Priority::Normal].push(&mut pool, (), serial);
        }
        assert_eq!(turns.before(Priority::Urgent, 0, &lanes), 0);
        assert_eq!(turns.before(Priority::Low, 0, &lanes), 20, "by share");
        let low = lanes[Priority::Low].push(&mut pool, (), 1_000);
        assert_eq!(
            turns.before(Priority::Normal, 1_000, &lanes),
            1_001,
            "one waiter is owed one turn at most"
        );
        lanes[Priority::Low].remove(&mut pool, low);
        assert_eq!(turns.before(Priority::Normal, 1_000, &lanes), 1_000);
    }

    #[test]
    fn no_lane_saves_up_more_than_two_turns() {
        let mut turns = mk_turns();
        for _ in 0..1_000 {
            turns.want(Priority::Low);
            serve(&mut turns, [true, false, false, false], 1);
        }
        assert_eq!(serve(&mut turns, [true, false, false, true], 10), [8, 0, 0, 2]);
    }

    #[test]
    fn wanting_once_earns_the_share_of_one_turn() {
        let mut turns = mk_turns();
        turns.want(Priority::Low);
        serve(&mut turns, [true, false, false, false], 100);
        assert_eq!(serve(&mut turns, [true, false, false, true], 1), [1, 0, 0, 0]);
    }

    #[test]
    fn of_two_lanes_owed_a_turn_the_less_urgent_goes_first() {
        let mut turns = mk_turns();
        for _ in 0..20 {
            turns.want(Priority::High);
            turns.want(Priority::Low);
            serve(&mut turns, [true, false, false, false], 1);
        }
        assert_eq!(serve(&mut turns, [true, true, false, true], 1), [0, 0, 0, 1]);
    }
}
