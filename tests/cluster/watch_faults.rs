//! Faults between the sidecar and the API server: it keeps serving, says so, and recovers by itself.

use serde_json::Value;

use crate::support::fault_proxy::{Asked, Cut, Fault, Refusal, Which};
use crate::support::pod::{BOOTSTRAP, Pod};
use crate::support::program::until;
use crate::support::sidecar::Sidecar;

const STANDS_STILL: &str = "the API server cannot be asked for the policy: the settings in force stay";

/// A policy that is in force, and whose watch runs through the fault proxy.
fn follow() -> (Pod<'static>, Sidecar) {
    let pod = Pod::new("fault");
    pod.set_rate(60_000);
    let sidecar = pod.start(&[]);
    sidecar.stands("cluster", "synced", 60_000);
    until("it watches", || pod.proxy.watches() == 1);
    (pod, sidecar)
}

/// The sidecar says that it stands still, once, however often it has failed; it serves.
#[track_caller]
fn stands_still(sidecar: &Sidecar, state: &str, why: &str) {
    sidecar.stands("cluster", state, 60_000);
    sidecar.reasons(why);
    assert!(sidecar.failures() >= 1);
    sidecar.serves();
}

/// Makes an edit while the fault lasts, ends the fault, and waits until the edit is in force and a later one is.
#[track_caller]
fn catches_up(pod: &Pod<'_>, sidecar: &Sidecar) {
    pod.set_rate(61_000);
    sidecar.serves();
    pod.proxy.set(Fault::Pass);
    sidecar.stands("cluster", "synced", 61_000);
    until("it watches again", || pod.proxy.watches() == 1);
    pod.set_rate(62_000);
    sidecar.stands("cluster", "synced", 62_000);
    assert_eq!(sidecar.changes(), 2);
    assert!(sidecar.status()["policy"]["reason"].is_null());
    let foreign = |line: &&Value| !line["target"].as_str().is_some_and(|target| target.starts_with("pacer"));
    assert_eq!(sidecar.log.all().iter().find(foreign), None, "what the client library says is told already");
}

#[test]
fn it_asks_for_one_policy_and_for_watches_of_four_to_five_minutes() {
    let (pod, _sidecar) = follow();
    let asked = pod.proxy.asked();
    assert_eq!(asked.iter().map(Asked::is_watch).collect::<Vec<_>>(), [false, true], "{asked:?}");
    for request in &asked {
        let path = format!("/apis/pacer.dev/v1alpha1/namespaces/{}/ratelimitpolicies", pod.namespace.name);
        assert_eq!((&request.method, &request.path), (&"GET".into(), &path));
        assert_eq!(request.parameter("fieldSelector"), Some("metadata.name=nvidia"));
    }
    let (list, watch) = (&asked[0], &asked[1]);
    assert_eq!(
        (list.parameter("resourceVersion"), list.parameter("limit")),
        (None, None),
        "the newest, whole"
    );
    assert_eq!(watch.parameter("allowWatchBookmarks"), Some("true"));
    let seconds: u32 = watch.parameter("timeoutSeconds").unwrap().parse().unwrap();
    assert!((240..=300).contains(&seconds), "{seconds}");
}

#[test]
fn an_api_server_that_refuses_connections() {
    let (pod, sidecar) = follow();
    pod.proxy.set(Fault::Refuse);
    pod.proxy.cut(Cut::Reset);
    stands_still(&sidecar, "unreachable", "");
    until("it has asked in vain", || sidecar.failures() >= 2);
    sidecar.reasons("refused");
    assert_eq!(sidecar.told(STANDS_STILL).len(), 1);
    catches_up(&pod, &sidecar);
    assert_eq!(sidecar.told(STANDS_STILL).len(), 1);
}

#[test]
fn a_connection_that_is_reset() {
    let (pod, sidecar) = follow();
    pod.proxy.cut(Cut::Reset);
    stands_still(&sidecar, "unreachable", "");
    assert_eq!(sidecar.told(STANDS_STILL).len(), 1);
    // Nothing was missed, and that is worth a line where the standstill was.
    sidecar.stands("cluster", "synced", 60_000);
    assert_eq!(sidecar.told("the policy is followed again: nothing has changed meanwhile").len(), 1);
    assert_eq!((sidecar.changes(), sidecar.generation()), (0, 1));
    catches_up(&pod, &sidecar);
}

#[test]
fn a_connection_that_is_closed_is_made_anew_and_nothing_is_missed() {
    let (pod, sidecar) = follow();
    pod.proxy.cut(Cut::Close);
    pod.set_rate(60_500);
    sidecar.stands("cluster", "synced", 60_500);
    until("it watches again", || pod.proxy.watches() == 1);
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
    assert_eq!(sidecar.changes(), 2);
}

#[test]
fn an_api_server_that_takes_connections_and_says_nothing() {
    let (pod, sidecar) = follow();
    pod.proxy.set(Fault::Hang);
    pod.proxy.cut(Cut::Reset);
    stands_still(&sidecar, "unreachable", "");
    until("a connection that hangs is given up", || sidecar.failures() >= 2);
    assert_eq!(sidecar.told(STANDS_STILL).len(), 1);
    catches_up(&pod, &sidecar);
}

#[test]
fn at_the_start_an_api_server_that_says_nothing_is_not_waited_for_long() {
    let pod = Pod::new("fault");
    pod.set_rate(60_000);
    pod.proxy.set(Fault::Hang);
    let sidecar = pod.start(&[]);
    sidecar.stands("environment", "unreachable", BOOTSTRAP);
    sidecar.serves();
    pod.proxy.set(Fault::Pass);
    sidecar.stands("cluster", "synced", 60_000);
}

#[test]
fn answers_that_come_late_are_answers() {
    let pod = Pod::new("fault");
    pod.set_rate(60_000);
    // Later than the start waits: the settings of the environment go first.
    pod.proxy.set(Fault::Delay(std::time::Duration::from_secs(7)));
    let sidecar = pod.start(&[]);
    sidecar.stands("environment", "unreachable", BOOTSTRAP);
    sidecar.reasons("no answer within 5 s");
    sidecar.stands("cluster", "synced", 60_000);
    until("the watch comes as late", || pod.proxy.watches() == 1);
    pod.set_rate(61_000);
    sidecar.stands("cluster", "synced", 61_000);
    assert_eq!(sidecar.failures(), 0);
}

#[test]
fn refusals_are_told_apart() {
    let said = ", said the fault proxy";
    std::thread::scope(|scope| {
        for (code, state, why) in [
            (401, "forbidden", "the API server does not know who asks (401): Unauthorized"),
            (403, "forbidden", "Forbidden"),
            (410, "unreachable", "the API server answers 410: Expired"),
            (429, "unreachable", "the API server answers 429: TooManyRequests"),
            (500, "unreachable", "the API server answers 500: InternalError"),
            (503, "unreachable", "the API server answers 503: ServiceUnavailable"),
        ] {
            scope.spawn(move || {
                let (pod, sidecar) = follow();
                pod.proxy.set(Fault::Answer(Which::All, Refusal::new(code)));
                pod.proxy.cut(Cut::Close);
                let why = format!("{why}{said}");
                until(&why, || sidecar.status()["policy"]["reason"] == why.as_str());
                stands_still(&sidecar, state, &why);
                catches_up(&pod, &sidecar);
            });
        }
    });
}

#[test]
fn watches_that_are_refused_while_lists_are_not_do_not_blind_it() {
    std::thread::scope(|scope| {
        for code in [403, 410, 500] {
            scope.spawn(move || {
                let (pod, sidecar) = follow();
                pod.proxy.set(Fault::Answer(Which::Watches, Refusal::new(code)));
                pod.proxy.cut(Cut::Close);
                pod.set_rate(60_500);
                until("the edit is found", || sidecar.metric("sidecar_tokens_rate") == Some(60_500.0));
                sidecar.serves();
                pod.set_rate(61_000);
                pod.proxy.set(Fault::Pass);
                sidecar.stands("cluster", "synced", 61_000);
                until("it watches again", || pod.proxy.watches() == 1);
                sidecar.stands("cluster", "synced", 61_000);
            });
        }
    });
}

#[test]
fn an_error_event_leads_to_a_list() {
    std::thread::scope(|scope| {
        for code in [410, 500] {
            scope.spawn(move || {
                let (pod, sidecar) = follow();
                assert_eq!(pod.proxy.send_error_event(&Refusal::new(code)), 1);
                pod.set_rate(60_500);
                sidecar.stands("cluster", "synced", 60_500);
                assert_eq!(pod.proxy.asked().iter().filter(|asked| !asked.is_watch()).count(), 2, "{code}");
                // That its history is forgotten happens to every watch; anything else is a failure.
                assert_eq!(sidecar.failures(), u64::from(code != 410), "{code}");
            });
        }
    });
}

#[test]
fn lines_that_are_no_events_break_nothing() {
    std::thread::scope(|scope| {
        for line in ["half", "{\"type\":\"NOVEL\"}", "not JSON", "{\"type\":\"MODIFIED\",\"object\":7}"] {
            scope.spawn(move || {
                let (pod, sidecar) = follow();
                let sent =
                    if line == "half" { pod.proxy.send_half_a_line() } else { pod.proxy.send_line(line) };
                assert_eq!(sent, 1, "{line}");
                sidecar.serves();
                pod.set_rate(60_500);
                sidecar.stands("cluster", "synced", 60_500);
                until("it watches again", || pod.proxy.watches() == 1);
                pod.set_rate(61_000);
                sidecar.stands("cluster", "synced", 61_000);
                assert!(sidecar.told(STANDS_STILL).len() <= 1, "{line}");
            });
        }
    });
}

#[test]
fn watches_that_end_as_they_begin_are_not_begun_without_rest() {
    let (pod, sidecar) = follow();
    pod.proxy.set(Fault::EndWatches);
    pod.proxy.end_watches();
    // Each attempt is an answer, so this is no standstill; but it must not become a flood.
    until("it tries again", || pod.proxy.asked().len() >= 5);
    sidecar.serves();
    assert_eq!(pod.proxy.asked().len(), 5, "the rest waits for its turn");
    pod.set_rate(60_500);
    pod.proxy.set(Fault::Pass);
    sidecar.stands("cluster", "synced", 60_500);
    assert_eq!((sidecar.changes(), sidecar.failures()), (1, 0));
}
