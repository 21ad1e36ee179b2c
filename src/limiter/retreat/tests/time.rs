//! Claims about what time alone does to what was learned.

use super::*;

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
fn the_pace_of_one_send_rises_quietly_too() {
    let mut trial = Trial::of(&mk_settings(|retreat| retreat.floor_requests_per_minute = 1));
    let rules = Rules { floor: ONE, ..mk_rules() };
    trial.law.pace.cut(ONE, true, &rules, 0);
    trial.idle(60_000);
    assert_eq!(trial.law.quota(), 5);
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

#[test]
fn a_limit_that_a_lower_rate_has_made_harmless_is_not_told() {
    let mut trial = Trial::limited(20);
    assert_eq!(trial.law.learned(trial.now).limit_rpm, Some(20));
    let mut settings = mk_settings(|_| ());
    settings.rate.requests_per_minute = 20;
    trial.law.reconfigure(&settings, trial.now);
    assert_eq!(trial.law.learned(trial.now).limit_rpm, None);
}

#[test]
fn an_episode_that_nobody_was_there_to_end_says_nothing_the_next_morning() {
    for (idle, judged) in [(false, 1), (true, 0)] {
        let mut trial = Trial::new();
        trial.refuse();
        trial.now += 301 * SECOND;
        trial.law.advance(idle, trial.now);
        trial.serve();
        assert_eq!(trial.found(Cause::Passing), judged, "idle: {idle}");
    }
}
