//! Claims about what an episode is found to mean, and what follows.

mod thresholds;

use super::super::rules::{DOUBT_AGE, SECOND};
use super::super::tests::{Trial, mk_settings};
use super::*;

#[test]
fn two_episodes_that_agree_make_the_pace_the_limit() {
    let mut trial = Trial::new();
    trial.episode(20);
    assert_eq!((trial.found(Cause::Passing), trial.law.quota()), (1, 40), "one means nothing");
    trial.episode(20);
    assert_eq!((trial.found(Cause::Limit), trial.law.quota()), (1, 20));
    assert_eq!(trial.law.pace.state(), PaceState::Retreat);
}

#[test]
fn only_refusals_that_are_rare_and_cheap_need_no_limit() {
    for (refusals, refused, cost, limited) in
        [(1, 1, 30_000, false), (1, 1, 30_001, true), (2, 1, 29_000, true), (1, 6, 30_000, true)]
    {
        let mut trial = Trial::new();
        trial.share.refused = refused;
        for _ in 0..2 {
            trial.fill(20, 200);
            trial.pass(31_000);
            (0..refusals).for_each(|_| _ = trial.refuse());
            trial.pass(cost);
            trial.serve();
            trial.pass(31_000);
        }
        let limit = trial.law.pace.limit();
        assert_eq!(limit.is_some(), limited, "{refusals} refusals, {refused} %, {cost} ms");
    }
}

#[test]
fn a_cheap_refusal_every_minute_makes_a_limit_in_the_end_and_later_where_the_upstream_names_the_time() {
    for (named, after) in [(false, STEADY), (true, STEADY_NAMED)] {
        let mut trial = Trial { named, ..Trial::new() };
        let minutes = (1..=30).find(|_| {
            trial.fill(20, 200);
            trial.pass(31_000);
            trial.refuse();
            trial.pass(25_000);
            trial.serve();
            trial.pass(61_000);
            trial.law.pace.limit().is_some()
        });
        assert_eq!(minutes, Some(after), "named: {named}");
    }
}

#[test]
fn one_refusal_without_a_time_makes_the_whole_episode_one_without() {
    for (named, all) in [([true, true], true), ([true, false], false), ([false, true], false)] {
        let mut trial = Trial::new();
        for named in named {
            trial.named = named;
            trial.refuse();
        }
        assert_eq!(trial.law.episode.map(|episode| episode.named), Some(all));
    }
}

#[test]
fn episodes_that_agree_on_a_shorter_scale_make_a_window_of_it() {
    let mut trial = Trial::new();
    for _ in 0..2 {
        (0..6).for_each(|_| trial.serve());
        trial.pass(5_000);
        (0..2).for_each(|_| _ = trial.refuse());
        trial.pass(20_000);
        trial.serve();
        trial.pass(10_000);
    }
    assert_eq!((trial.found(Cause::ShortLimit), trial.law.quota()), (1, 40));
    let limits: Vec<_> = trial.law.short.limits().collect();
    assert_eq!(limits, [(Scale::SIXTH, 6)]);
    assert_eq!(trial.law.effective_rpm(), 36);
}

#[test]
fn one_refusal_after_a_burst_is_what_the_upstream_takes_at_once() {
    // The refused one counts, and six are what the pace brings in ten seconds.
    for (burst, learned) in [(20, 15), (8, 3), (4, 1)] {
        let mut trial = Trial::new();
        trial.fill(burst, 100);
        trial.refuse();
        trial.pass(5_000);
        trial.serve();
        assert_eq!((trial.found(Cause::Burst), trial.law.flow().capacity), (1, learned), "{burst} at once");
        assert_eq!(trial.law.learned(trial.now).burst, Some(learned));
        assert_eq!(trial.law.quota(), 40, "the pace stays");
    }
}

#[test]
fn several_refusals_after_a_burst_are_no_burst() {
    let mut trial = Trial::new();
    trial.fill(20, 100);
    trial.refuse();
    trial.refuse();
    trial.pass(5_000);
    trial.serve();
    assert_eq!((trial.found(Cause::Burst), trial.law.flow().capacity), (0, 40));
}

#[test]
fn a_learned_burst_doubles_every_five_minutes() {
    let mut trial = Trial::new();
    trial.fill(20, 100);
    trial.refuse();
    trial.pass(5_000);
    trial.serve();
    for (milliseconds, capacity) in [(300_000, 15), (1, 30), (300_000, 30), (1, 40)] {
        trial.pass(milliseconds);
        assert_eq!(trial.law.flow().capacity, capacity);
    }
    assert!(trial.law.burst.is_none());
}

/// An episode of one refusal at the count, where refusals are said to come that often.
fn unexplained(trial: &mut Trial, count: u32, share: Share) {
    trial.fill(count, 200);
    trial.pass(31_000);
    trial.share = share;
    trial.refuse();
    trial.pass(5_000);
    trial.serve();
}

#[test]
fn many_refusals_that_no_limit_explains_take_a_tenth_and_no_more_than_the_factor() {
    for (factor, left) in [(75, 36_000), (90, 36_000), (91, 36_400), (95, 38_000), (1, 36_000)] {
        let mut trial = Trial::of(&mk_settings(|retreat| retreat.factor_percent = factor));
        unexplained(&mut trial, 20, Share { refused: 12, departed: 40 });
        assert_eq!((trial.found(Cause::Unexplained), trial.law.pace.sends()), (1, left), "{factor} %");
    }
}

#[test]
fn few_refusals_take_nothing() {
    for (refused, departed, samples, found) in
        [(12, 40, 40, 1), (12, 40, 41, 0), (11, 40, 10, 0), (12, 239, 10, 1), (12, 240, 10, 0)]
    {
        let mut trial = Trial::of(&mk_settings(|retreat| retreat.minimum_samples = samples));
        unexplained(&mut trial, 20, Share { refused, departed });
        assert_eq!(trial.found(Cause::Unexplained), found, "{refused} of {departed}, {samples} needed");
    }
}

#[test]
fn a_cut_forgets_a_limit_that_refuses_below_itself() {
    for (count, limit) in [(18, None), (19, Some(20 * ONE))] {
        let mut trial = Trial::limited(20);
        unexplained(&mut trial, count, Share { refused: 12, departed: 40 });
        assert_eq!((trial.found(Cause::Unexplained), trial.law.pace.limit()), (1, limit), "at {count}");
        assert_eq!((trial.law.pace.sends(), trial.law.doubt.limits()), (18 * ONE, 0));
    }
}

#[test]
fn a_limit_that_refuses_well_below_itself_was_none_and_what_was_before_it_returns() {
    for (count, doubted) in [(18, false), (17, true), (5, true)] {
        let mut trial = Trial::limited(20);
        trial.moves();
        trial.episode(count);
        let (sends, doubts) = if doubted { (40, 1) } else { (20, 0) };
        assert_eq!((trial.law.pace.sends(), trial.law.doubt.limits()), (sends * ONE, doubts), "at {count}");
        assert_eq!(trial.law.pace.limit().is_none(), doubted);
        assert_eq!(trial.law.pace.state() == PaceState::Normal, doubted);
    }
}

#[test]
fn a_doubt_asks_for_one_episode_more_for_twenty_minutes() {
    for (later, needed) in [(0, 3), (1_300_000, 2)] {
        let mut trial = Trial::limited(20);
        trial.episode(10);
        assert_eq!(trial.law.doubt.limits(), 1);
        trial.pass(later);
        let convicted = (1..6).find(|_| {
            trial.episode(30);
            trial.law.pace.limit().is_some()
        });
        assert_eq!(convicted, Some(needed), "{later} ms after the doubt");
    }
}

#[test]
fn doubt_is_forgotten_when_the_next_episode_is_judged() {
    let mut trial = Trial::limited(20);
    trial.episode(10);
    trial.now += DOUBT_AGE;
    trial.episode(30);
    assert_eq!(trial.law.doubt.limits(), 0);
}

#[test]
fn refusals_that_a_short_window_explains_leave_the_limit_alone() {
    let mut trial = Trial::limited(20);
    let rules = trial.law.rules;
    trial.law.short.learn(Scale::SIXTH, 6, &rules, trial.now);
    trial.pass(61_000);
    trial.fill(6, 1_000);
    trial.refuse();
    trial.refuse();
    trial.pass(20_000);
    trial.serve();
    assert_eq!((trial.law.pace.limit(), trial.law.doubt.limits()), (Some(20 * ONE), 0));
}

/// The limit of 20, with the step to 21 under way.
fn mk_probing() -> Trial {
    let mut trial = Trial::limited(20);
    trial.pass(11_000);
    trial.serve_held_back();
    assert_eq!(trial.law.pace.probing_from(), Some(20 * ONE));
    trial
}

#[test]
fn a_refused_step_is_taken_back() {
    for (count, refused) in [(18, false), (19, true), (20, true)] {
        let mut trial = mk_probing();
        let probes = trial.found(Cause::Probe);
        trial.fill(count, 200);
        trial.pass(31_000);
        trial.refuse();
        trial.pass(5_000);
        trial.serve();
        assert_eq!(trial.found(Cause::Probe) - probes, u64::from(refused), "refused at {count}");
        if refused {
            assert_eq!((trial.law.pace.sends(), trial.law.pace.limit()), (20 * ONE, Some(20 * ONE)));
            assert_eq!(trial.law.pace.next_step(trial.now), Some(50 * SECOND), "ten times what it cost");
        }
    }
}

#[test]
fn a_refused_step_of_a_short_window_leaves_the_pace_alone() {
    let mut trial = Trial::new();
    let rules = trial.law.rules;
    trial.law.short.learn(Scale::SIXTH, 5, &rules, 0);
    trial.law.short.probe(Scale::SIXTH, &rules, 10 * SECOND);
    trial.pass(61_000);
    trial.fill(5, 100);
    trial.share = Share { refused: 12, departed: 40 };
    trial.refuse();
    trial.pass(20_000);
    trial.serve();
    assert_eq!(trial.law.short.limits().collect::<Vec<_>>(), [(Scale::SIXTH, 5)]);
    assert_eq!((trial.found(Cause::Passing), trial.law.quota()), (1, 40), "neither a burst nor a cut");
}

#[test]
fn two_refusals_in_a_row_are_a_retreat_that_ends_with_the_next_served() {
    let mut trial = Trial::new();
    trial.refuse();
    assert_eq!(trial.moves(), []);
    trial.refuse();
    assert_eq!(trial.moves(), [(PaceState::Normal, PaceState::Retreat, Cause::Refused)]);
    trial.pass(1_000);
    trial.serve();
    let ended = [
        (PaceState::Retreat, PaceState::Recover, Cause::Served),
        (PaceState::Recover, PaceState::Normal, Cause::Restored),
    ];
    assert_eq!(trial.moves(), ended);
}

#[test]
fn one_passing_refusal_changes_no_state() {
    let mut trial = Trial::new();
    trial.refuse();
    trial.pass(1_000);
    trial.serve();
    assert_eq!((trial.found(Cause::Passing), trial.moves()), (1, Vec::new()));
}

#[test]
fn a_limit_that_is_what_the_settings_allow_is_a_limit_all_the_same() {
    let trial = Trial::limited(40);
    assert_eq!((trial.law.pace.state(), trial.law.quota()), (PaceState::Retreat, 40));
}

#[test]
fn a_retreat_at_a_lower_pace_does_not_end_so() {
    let mut trial = Trial::limited(20);
    trial.fill(20, 200);
    trial.refuse();
    trial.pass(1_000);
    trial.serve();
    assert_eq!((trial.law.pace.state(), trial.law.quota()), (PaceState::Retreat, 20));
}
