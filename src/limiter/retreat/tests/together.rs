//! Claims about what the modules do together.

use super::*;

#[test]
fn who_did_not_wait_raises_nothing() {
    let tenth = SECOND / 10;
    for (waited, rises) in [(0, false), (tenth, false), (tenth + 1, true)] {
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
    for (earlier, rises) in [(1, false), (0, true)] {
        let mut trial = mk_recovering();
        trial.pass(1_000);
        let sent = trial.law.departed(SECOND, trial.now);
        trial.law.refused = trial.now + earlier;
        trial.law.served(&sent, true, trial.share, trial.now + 1);
        assert_eq!(trial.law.pace.sends() > 20 * ONE, rises, "{earlier} ns before it");
    }
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
    trial.law.refused(&first, Refused { news: false, named: false }, trial.share, trial.now);
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
fn time_in_which_a_short_window_made_the_pace_does_not_count_for_the_pace() {
    let mut trial = mk_recovering();
    trial.law.short.learn(Scale::SIXTH, 2, &mk_rules(), trial.now);
    trial.pass(4_000);
    trial.serve_held_back();
    trial.law.short = ShortWindows::default();
    trial.pass(1);
    trial.serve_held_back();
    assert!(trial.law.pace.sends() < 20 * ONE + 10, "a millisecond brings next to nothing");
}

#[test]
fn a_step_of_the_pace_is_verified_by_the_count_of_what_was_granted() {
    for (granted, refused, verified) in [(19, 2, false), (20, 0, true)] {
        let mut trial = Trial::limited(20);
        trial.pass(61_000);
        trial.serve_held_back();
        trial.fill(granted, 10);
        for _ in 0..refused {
            let serial = trial.send().serial;
            trial.law.history.refuse(serial);
        }
        trial.serve();
        assert_eq!(trial.law.pace.probing_from().is_none(), verified, "{granted} granted");
    }
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
fn a_send_served_at_a_suspected_count_acquits() {
    let suspected = mk_counts([0, 0, 0, 0, 0, 10, 10]);
    let mut trial = Trial::new();
    trial.episode(10);
    trial.fill(10, 200);
    assert!(trial.law.suspicions.expected(&suspected, trial.now).is_some());
    trial.serve();
    assert_eq!(trial.law.suspicions.expected(&suspected, trial.now), None);
}

#[test]
fn a_send_served_at_the_step_of_a_short_window_verifies_it() {
    let mut trial = mk_short(2);
    trial.pass(10_000);
    let mut limits = Vec::new();
    for gap in [100, 100, 11_000, 0] {
        trial.serve_held_back();
        trial.pass(gap);
        limits.extend(trial.law.short.limits().map(|(_, limit)| limit));
    }
    assert_eq!(limits, [3, 3, 3, 4]);
}

#[test]
fn a_step_of_a_short_window_is_reached_by_sends_that_come_at_its_pace() {
    for (window, limit) in [(60, 6), (60, 100), (10, 5), (1, 3)] {
        let mut settings = Settings::default();
        settings.rate.window = Duration::from_secs(window);
        settings.rate.requests_per_minute = 6_000;
        let mut trial = Trial::of(&settings);
        let rules = Rules::new(&settings);
        trial.law.short.learn(Scale::SIXTH, limit, &rules, 0);
        while trial.now < 100 * SECOND {
            let flow = trial.law.flow();
            trial.now += flow.period / u64::from(flow.tokens);
            trial.law.advance(false, trial.now);
            trial.now = trial.law.free_at(0, trial.now).unwrap();
            trial.law.advance(false, trial.now);
            trial.serve_held_back();
        }
        let learned = trial.law.short.limits().next().map(|(_, limit)| limit);
        assert!(learned.is_none_or(|now| now > limit + 1), "{limit} in {window} s: {learned:?}");
    }
}

#[test]
fn sends_at_the_pace_are_no_burst() {
    let mut trial = Trial::new();
    trial.fill(20, 1_500);
    trial.refuse();
    trial.pass(5_000);
    trial.serve();
    assert_eq!((trial.found(Cause::Burst), trial.found(Cause::Passing)), (0, 1));
}

#[test]
fn a_burst_as_large_as_the_settings_allow_is_not_reported_as_learned() {
    for (tokens, learned) in [(39, Some(39)), (40, None), (50, None)] {
        let mut trial = Trial::new();
        trial.law.burst = Some(Burst { tokens, since: 0 });
        assert_eq!(trial.law.learned(0).burst, learned);
        assert_eq!(trial.law.flow().capacity, tokens.min(40));
    }
}
