//! Claims about what the modules do together.

use super::*;

/// A pace cut to 20 a minute at second 0, recovering since second 5.
fn mk_recovering() -> Trial {
    let mut trial = Trial::new();
    trial.law.pace.cut(20 * ONE, true, &mk_rules(), 0);
    trial.pass(5_000);
    trial.serve();
    assert_eq!(trial.law.pace.state(), PaceState::Recover);
    trial
}

#[test]
fn who_did_not_wait_raises_nothing() {
    for (waited, rises) in [(0, false), (HELD_BACK, false), (HELD_BACK + 1, true)] {
        let mut trial = mk_recovering();
        trial.pass(1_000);
        let sent = trial.law.departed(waited, trial.now);
        trial.law.served(&sent, true, trial.share, trial.now);
        assert_eq!(trial.law.pace.sends() > 20 * ONE, rises, "waited for {waited} ns");

        let mut trial = mk_short(5);
        trial.pass(10_000);
        let sent = trial.law.departed(waited, trial.now);
        trial.law.served(&sent, true, trial.share, trial.now);
        let raised = trial.law.short.limits().next() == Some((Scale::SIXTH, 6));
        assert_eq!(raised, rises, "waited for {waited} ns");
    }
}

#[test]
fn time_in_which_nobody_waited_does_not_count_when_somebody_waits_again() {
    let grown = |last_unheld: u64| {
        let mut trial = mk_recovering();
        trial.pass(last_unheld);
        trial.serve();
        trial.pass(5_000 - last_unheld);
        trial.serve_held_back();
        trial.law.pace.sends() - 20 * ONE
    };
    assert!(grown(4_000) < grown(1_000));
}

#[test]
fn what_left_before_the_last_refusal_raises_nothing() {
    let mut trial = mk_recovering();
    let sent = trial.law.departed(SECOND, trial.now);
    trial.pass(500);
    trial.law.refused = trial.now;
    trial.law.served(&sent, true, trial.share, trial.now);
    assert_eq!(trial.law.pace.sends(), 20 * ONE);
    trial.pass(500);
    trial.serve_held_back();
    assert!(trial.law.pace.sends() > 20 * ONE);
}

#[test]
fn the_pace_recovers_when_nothing_has_been_refused_for_five_seconds() {
    let mut trial = Trial::limited(20);
    trial.fill(20, 100);
    trial.refuse();
    trial.pass(1_000);
    trial.serve();
    trial.moves();
    trial.pass(3_999);
    trial.serve();
    assert_eq!(trial.moves(), []);
    trial.pass(1);
    trial.serve();
    assert_eq!(trial.moves(), [(PaceState::Retreat, PaceState::Recover, Cause::Served)]);
}

#[test]
fn refusals_are_a_retreat_where_they_are_often_or_in_a_row_or_the_pace_recovers() {
    for (refused, departed, retreats) in [(6, 100, true), (5, 100, false), (6, 10, true), (6, 9, false)] {
        let mut trial = Trial::new();
        trial.share = Share { refused, departed };
        trial.refuse();
        assert_eq!(!trial.moves().is_empty(), retreats, "{refused} of {departed}");
    }
    let mut trial = Trial::new();
    trial.refuse();
    trial.refuse();
    assert_eq!(trial.moves(), [(PaceState::Normal, PaceState::Retreat, Cause::Refused)]);
    let mut trial = mk_recovering();
    trial.moves();
    trial.refuse();
    assert_eq!(trial.moves(), [(PaceState::Recover, PaceState::Retreat, Cause::Refused)]);
}

#[test]
fn answers_to_what_left_before_the_last_refusal_tell_nothing() {
    let mut trial = Trial::new();
    trial.share = Share { refused: 50, departed: 100 };
    let (first, second) = (trial.send(), trial.send());
    trial.law.refused(&first, false, trial.share, trial.now);
    assert!(trial.law.episode.is_none() && trial.moves().is_empty(), "a refusal");
    trial.refuse();
    trial.law.served(&second, false, trial.share, trial.now);
    assert!(trial.law.episode.is_some(), "an acceptance ends no episode");
}

#[test]
fn without_the_law_nothing_is_learned() {
    let mut trial = Trial::of(&mk_settings(|retreat| retreat.enabled = false));
    trial.share = Share { refused: 50, departed: 100 };
    for _ in 0..4 {
        trial.episode(20);
    }
    let learned = trial.law.learned(trial.now);
    assert_eq!((trial.law.quota(), learned.limit_rpm, learned.burst), (40, None, None));
    assert_eq!((learned.episodes, trial.moves().len()), ([0; Cause::ALL.len()], 0));
}

#[test]
fn an_episode_shows_the_lowest_count_at_which_it_refused() {
    let mut trial = Trial::new();
    trial.fill(10, 100);
    trial.refuse();
    trial.pass(30_000);
    trial.refuse();
    let episode = trial.law.episode.unwrap();
    assert_eq!((episode.refusals, episode.first_count), (2, 10));
    assert_eq!((episode.counts.get(Scale::SIXTH), episode.counts.get(Scale::WINDOW)), (0, 10));
    assert_eq!(episode.counts.get(Scale::EVERY), 10, "what was refused is still counted by then");
}

#[test]
fn a_short_window_tighter_than_the_pace_makes_the_bucket_and_is_what_rises() {
    let span = 60_500 * (SECOND / 1_000);
    for (limit, flow, bound) in [
        (5, Flow { tokens: 5, period: 10_200 * (SECOND / 1_000), capacity: 40 }, true),
        (6, Flow { tokens: 6, period: 10_200 * (SECOND / 1_000), capacity: 40 }, true),
        (7, Flow { tokens: 40, period: span, capacity: 40 }, false),
    ] {
        let mut trial = mk_short(limit);
        assert_eq!(trial.law.flow(), flow);
        assert_eq!(trial.send().bound_by, bound.then_some(Scale::SIXTH));
        assert_eq!(trial.law.effective_rpm(), (6 * limit).min(40));
    }
}

#[test]
fn a_send_that_a_short_window_held_back_does_not_raise_the_pace() {
    let mut trial = mk_recovering();
    trial.law.short.learn(Scale::SIXTH, 2, &mk_rules(), trial.now);
    for _ in 0..20 {
        trial.pass(5_100);
        trial.serve_held_back();
    }
    assert_eq!(trial.law.pace.sends(), 20 * ONE);
}

#[test]
fn while_a_step_is_tried_sends_come_closer_so_that_the_count_reaches_it() {
    let mut trial = Trial::limited(20);
    trial.pass(11_000);
    trial.serve_held_back();
    let period = 5 * 60_500 * (SECOND / 1_000);
    assert_eq!(trial.law.flow(), Flow { tokens: 6 * 21, period, capacity: 21 });
}

#[test]
fn the_pace_rises_quietly_once_for_every_half_minute_that_passed() {
    let mut trial = mk_recovering();
    trial.pass(53_000);
    trial.idle(1_999);
    assert_eq!(trial.law.quota(), 20);
    for (milliseconds, quota) in [(1, 24), (29_999, 24), (1, 28), (60_000, 36), (600_000, 40)] {
        trial.idle(milliseconds);
        assert_eq!(trial.law.quota(), quota);
    }
    assert_eq!(trial.law.pace.state(), PaceState::Normal);
}

#[test]
fn a_quiet_rise_ends_a_retreat_and_an_episode_that_nobody_ended() {
    let mut trial = Trial::limited(20);
    trial.fill(20, 100);
    trial.refuse();
    trial.moves();
    trial.idle(60_000);
    assert_eq!(trial.moves(), [(PaceState::Retreat, PaceState::Recover, Cause::Quiet)]);
    assert!(trial.law.episode.is_none());
    assert_eq!((trial.law.quota(), trial.law.learned(trial.now).limit_rpm), (24, None));
}

#[test]
fn while_somebody_waits_or_the_window_is_full_nothing_rises_by_itself() {
    let mut trial = mk_recovering();
    trial.pass(600_000);
    assert_eq!(trial.law.quota(), 20, "somebody waits");
    for (sends, quota) in [(19, 20), (18, 40)] {
        let mut trial = mk_recovering();
        trial.now += 600 * SECOND;
        trial.law.history.prune(trial.now);
        let refused = trial.send();
        trial.law.history.refuse(refused.serial);
        (1..sends).for_each(|_| _ = trial.send());
        trial.idle(0);
        assert_eq!(trial.law.quota(), quota, "{sends} in the window");
    }
}

#[test]
fn of_many_changes_of_state_the_oldest_are_dropped() {
    let mut trial = Trial::new();
    for _ in 0..10 {
        (0..2).for_each(|_| _ = trial.refuse());
        trial.pass(1_000);
        trial.serve();
    }
    let moves = trial.moves();
    assert_eq!(moves.len(), 16);
    assert_eq!(moves.last().map(|(_, to, _)| *to), Some(PaceState::Normal), "the latest is there");
}

#[test]
fn a_change_of_state_says_the_rates_before_and_after() {
    let mut trial = Trial::new();
    trial.episode(20);
    trial.moves();
    trial.fill(20, 200);
    trial.pass(31_000);
    trial.refuse();
    trial.pass(60_000);
    trial.serve();
    let step = trial.law.next_transition().unwrap();
    assert_eq!((step.to, step.cause), (PaceState::Retreat, Cause::Limit));
    assert_eq!((step.from_rpm, step.to_rpm), (40, 20));
}

#[test]
fn time_lets_short_windows_and_bursts_be_forgotten() {
    let mut trial = mk_short(5);
    trial.law.burst = Some(Burst { tokens: 20, since: 0 });
    trial.pass(300_000);
    assert_eq!(trial.law.flow().capacity, 20);
    trial.pass(1);
    assert!(trial.law.burst.is_none(), "twice that is what the settings allow");
    assert_eq!(trial.law.short.limits().count(), 1);
    trial.pass(600_000);
    assert_eq!(trial.law.short.limits().count(), 0);
}
