//! Claims about what comes from outside: headers, and edits of the settings.

use super::super::super::clock::nanos;
use super::*;

#[test]
fn a_departure_waits_for_short_windows_and_headers_alike() {
    let advice = |seconds| Advice { limit: None, remaining: 0, reset: Duration::from_secs(seconds) };
    let mut trial = mk_short(1);
    let sent = trial.send();
    let released = 10 * SECOND + rules::SHORT_MARGIN;
    trial.law.advised(&sent, advice(5), 0, trial.now);
    assert_eq!(trial.law.free_at(0, 0), Some(released));
    assert_eq!(trial.law.blocked_until(0, 0), released);
    trial.law.headers = Headers::default();
    trial.law.short = ShortWindows::default();
    trial.law.advised(&sent, advice(5), 0, trial.now);
    assert_eq!(trial.law.free_at(0, 0), Some(5 * SECOND));
}

#[test]
fn what_left_after_the_answered_departure_is_taken_off_what_is_left() {
    for (later, free) in [(1, true), (2, false)] {
        let mut trial = Trial::new();
        trial.send();
        let sent = trial.send();
        (0..later).for_each(|_| _ = trial.send());
        let advice = Advice { limit: None, remaining: 2, reset: Duration::from_secs(5) };
        trial.law.advised(&sent, advice, 0, 0);
        assert_eq!(trial.law.free_at(0, 0) == Some(0), free, "{later} later");
    }
}

#[test]
fn a_look_is_judged_by_its_own_answer_or_given_up() {
    type End = fn(&mut Trial, &Sent);
    let advice = |seconds| Advice { limit: Some(40), remaining: 0, reset: Duration::from_secs(seconds) };
    let ends: [(End, u64); 3] = [
        (
            |trial, look| {
                _ = trial.law.refused(look, Refused { news: true, named: false }, trial.share, trial.now);
            },
            50_000,
        ),
        (|trial, look| trial.law.served(look, false, trial.share, trial.now), 1_500),
        (
            |trial, look| {
                trial.law.forget(look);
                trial.refuse();
            },
            50_000,
        ),
    ];
    for (end, waits) in ends {
        let mut trial = Trial::new();
        let sent = trial.send();
        trial.law.advised(&sent, advice(50), 0, 0);
        trial.pass(8_000);
        let look = trial.send();
        end(&mut trial, &look);
        let sent = trial.send();
        trial.law.advised(&sent, advice(50), 0, trial.now);
        assert_eq!(trial.law.free_at(0, trial.now), Some(trial.now + waits * (SECOND / 1_000)));
    }
}

#[test]
fn rates_are_those_of_a_minute_whatever_the_window() {
    for (seconds, rate, quota) in [(60, 6_000, 6_000), (120, 40, 80), (15, 40, 10)] {
        let mut settings = Settings::default();
        settings.rate.window = Duration::from_secs(seconds);
        settings.rate.requests_per_minute = rate;
        let trial = Trial::of(&settings);
        assert_eq!((trial.law.quota(), trial.law.effective_rpm()), (quota, rate), "{seconds} s");
    }
}

#[test]
fn an_edit_keeps_what_it_does_not_touch() {
    let mut trial = mk_short(5);
    trial.law.burst = Some(Burst { tokens: 3, since: 0 });
    trial.law.doubt.raise(0);
    trial.law.reconfigure(&mk_settings(|retreat| retreat.floor_requests_per_minute = 5), SECOND);
    assert_eq!(trial.law.rules.floor, 5 * ONE);
    assert_eq!((trial.law.short.limits().count(), trial.law.doubt.limits()), (1, 1));
    assert_eq!(trial.law.burst.map(|burst| burst.tokens), Some(3));
}

#[test]
fn another_window_makes_what_was_learned_of_counts_meaningless() {
    let mut longer = Settings::default();
    longer.rate.window = Duration::from_secs(120);
    for settings in [longer, mk_settings(|retreat| retreat.enabled = false)] {
        let mut trial = Trial::new();
        trial.episode(20);
        let suspected = mk_counts([0, 0, 0, 0, 0, 20, 20]);
        assert!(trial.law.suspicions.expected(&suspected, trial.now).is_some());
        let sent = trial.send();
        let advice = Advice { limit: None, remaining: 0, reset: Duration::from_secs(5) };
        trial.law.advised(&sent, advice, 0, trial.now);
        trial.law.short.learn(Scale::SIXTH, 1, &mk_rules(), trial.now);
        trial.law.burst = Some(Burst { tokens: 3, since: trial.now });
        trial.law.doubt.raise(trial.now);
        trial.refuse();

        trial.law.reconfigure(&settings, trial.now);
        assert_eq!((trial.law.short.limits().count(), trial.law.doubt.limits()), (0, 0));
        assert!(trial.law.burst.is_none() && trial.law.episode.is_none());
        assert_eq!(trial.law.free_at(0, trial.now), Some(trial.now));
        assert_eq!(trial.law.suspicions.expected(&suspected, trial.now), None);
        assert_eq!(trial.law.history.length(Scale::WINDOW), nanos(settings.rate.window));
    }
}

#[test]
fn a_limit_of_a_minute_is_none_of_an_hour() {
    let mut trial = Trial::limited(20);
    trial.moves();
    let mut settings = Settings::default();
    settings.rate.window = Duration::from_secs(3_600);
    trial.law.reconfigure(&settings, trial.now);
    assert_eq!((trial.law.quota(), trial.law.pace.limit()), (2_400, None));
    assert_eq!(trial.moves(), [(PaceState::Retreat, PaceState::Normal, Cause::Settings)]);
}

#[test]
fn a_floor_that_is_no_whole_request_is_the_one_below() {
    let mut settings = Settings::default();
    settings.rate.window = Duration::from_secs(20);
    let rules = Rules::new(&settings);
    assert_eq!((rules.floor, rules.base), (ONE, 13 * ONE), "4 a minute are 1.33 in 20 s");
}

#[test]
fn an_edit_of_the_rate_is_the_pace_at_once() {
    let mut trial = Trial::new();
    let mut settings = Settings::default();
    settings.rate.requests_per_minute = 30;
    trial.law.reconfigure(&settings, SECOND);
    assert_eq!(trial.law.quota(), 30);
}

#[test]
fn an_edit_that_changes_nothing_of_the_law_leaves_the_pace_alone() {
    let mut trial = Trial::limited(20);
    let changed = trial.law.pace.quiet_at(0);
    let mut settings = Settings::default();
    settings.queue.max_depth = 7;
    trial.law.reconfigure(&settings, trial.now + SECOND);
    assert_eq!(trial.law.pace.quiet_at(0), changed);
}

#[test]
fn one_a_minute_is_one() {
    let mut settings = Settings::default();
    settings.rate.requests_per_minute = 1;
    let trial = Trial::of(&settings);
    assert_eq!((trial.law.quota(), trial.law.effective_rpm(), trial.law.flow().capacity), (1, 1, 1));
}
