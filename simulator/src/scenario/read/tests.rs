use std::time::Duration;

use pacer::limiter::Priority;

use super::super::{Kind, LimitKind, Order, Retreat, read};

/// The error of a scenario with a demand and these further keys.
fn error_of(keys: &str) -> String {
    let text = format!("\n{{\"name\": \"X\", \"demand\": [{{\"kind\": \"closed\", \"n\": 3}}], {keys}}}\n");
    read(&text).unwrap_err().to_string()
}

#[test]
fn what_is_not_said_is_as_the_reference_has_it() {
    let scenarios = read(r#"{"name": "X", "demand": []}"#).unwrap();
    let [scenario] = scenarios.as_slice() else { panic!("{scenarios:?}") };
    assert_eq!(scenario.end, Duration::from_secs(3600));
    assert_eq!((scenario.rpm, scenario.capacity, scenario.floor, scenario.ceiling), (40, 40, 4, None));
    assert_eq!((scenario.qmax, scenario.retreat), (500, Retreat::Enabled));
    assert_eq!(scenario.timeouts.map(|timeout| timeout.as_secs()), [120, 120, 120, 2]);
    assert_eq!((scenario.up.kind, scenario.up.quota, scenario.up.phase), (LimitKind::Slog, 40, None));
}

#[test]
fn every_key_is_read() {
    let text = r#"{"name": "X", "T": 100.0, "rpm": 30, "capacity": 10.0, "floor": 2, "ceiling": 50, "retreat": "Disabled",
        "qmax": 7, "minshare": [0, 0.1, 0.2, 0.3], "timeouts": [1, 2, 3, 4.5], "fail_think": 0, "restart": [50, 60.5],
        "steps": [[10, 20]], "sched_policy": "aged", "age": [0, 1, 2, 3],
        "up": {"kind": "gcra", "q": 8.0, "window": 10, "phase": 0, "burst": 4, "sched": [[9, 3], [5.0, 2.0]], "count429": true,
               "sub": [2, 1.5], "ra": "over", "hdrs": "std", "brown": [[1, 2, 1]], "err": [[3, 4, 0.5]]},
        "demand": [{"kind": "poisson", "rpm": 3, "cls": "LOW", "t0": 1, "t1": 2}, {"kind": "burst", "n": 2, "every": 5, "cls": 0},
                   {"kind": "onoff", "n": 2, "on": 5, "off": 6}],
        "other": [{"rpm": 8, "on": 1, "off": 2, "t0": 3, "t1": 4, "const": true}, {"rpm": 1}]}"#;
    let scenario = read(&text.replace('\n', " ")).unwrap().remove(0);
    assert_eq!((scenario.up.quota, scenario.capacity), (8, 10), "whole numbers may have a fraction of zero");
    let schedule = scenario.up.sched.iter().map(|step| (step.at.as_secs(), step.quota));
    assert_eq!(schedule.collect::<Vec<_>>(), [(5, 2), (9, 3)], "a schedule is put in order");
    let demand = scenario.demand.iter().map(|demand| (demand.kind, demand.cls));
    let expected =
        [(Kind::Poisson, Priority::Low), (Kind::Burst, Priority::Urgent), (Kind::Onoff, Priority::Normal)];
    assert_eq!(demand.collect::<Vec<_>>(), expected);
    assert_eq!((scenario.other.len(), scenario.sched_policy), (2, Some(Order::Aged)));
}

#[test]
fn one_tenant_needs_no_list_and_null_is_nothing() {
    let text = r#"{"name": "X", "demand": [], "other": {"rpm": 8}, "ceiling": null, "up": {"phase": null, "sub": null}}"#;
    let scenario = read(text).unwrap().remove(0);
    assert_eq!(scenario.other.len(), 1);
    assert_eq!((scenario.ceiling, scenario.up.phase, scenario.up.sub), (None, None, None));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_its_scenario() {
    assert_eq!(
        error_of(r#""upp": {}"#).split(", expected").next(),
        Some(r#"line 2, scenario "X", key upp: unknown field `upp`"#)
    );
    assert!(
        error_of(r#""up": {"quota": 3}"#)
            .contains("key up.quota: unknown field `quota`, expected one of `kind`, `q`")
    );
    assert!(
        error_of(r#""other": [{"rpm": 3}, {"rpm": 3, "tO": 1}]"#)
            .contains("key other[1].tO: unknown field `tO`")
    );
}

#[test]
fn a_bad_value_is_named_with_its_key_and_what_is_accepted() {
    for (keys, expected) in [
        (r#""up": {"kind": "leaky"}"#, "key up.kind: unknown variant `leaky`, expected one of `slog`"),
        (r#""up": {"q": 8.5}"#, "key up.q: invalid value: floating point `8.5`, expected a whole number"),
        (r#""up": {"q": 0}"#, "key up.q: 0 is out of range; accepted are 1 to 1000000"),
        (r#""T": "long""#, "key T: invalid type: string \"long\""),
        (r#""T": 0"#, "key T: 0 must be more than 0"),
        (r#""timeouts": [1, 2, -3, 4]"#, "key timeouts[2]: invalid value: integer `-3`, expected seconds"),
        (
            r#""up": {"brown": [[1, 2, 1], [1, 2, 7]]}"#,
            "key up.brown[1][2]: 7 is out of range; accepted are 0 to 1",
        ),
        (r#""up": {"sched": [[1, 2], [3]]}"#, "key up.sched[1]: invalid length 1"),
        (r#""other": {"rpm": 3, "on": 5}"#, "key other[0].off: is missing"),
        (
            r#""wire": {"there": [0, 0.1], "head": [2, 1]}"#,
            "key wire.head: [2, 1] must be the shortest time, then the longest",
        ),
        (
            r#""retreat": "enabled""#,
            "key retreat: unknown variant `enabled`, expected `Enabled` or `Disabled`",
        ),
    ] {
        let error = error_of(keys);
        assert!(error.contains(expected), "{keys}: {error}");
    }
}

#[test]
fn a_demand_without_what_its_kind_needs_is_an_error() {
    for (demand, key) in [
        (r#"{"kind": "closed"}"#, "demand[0].n"),
        (r#"{"kind": "poisson", "n": 3}"#, "demand[0].rpm"),
        (r#"{"kind": "burst", "n": 3, "every": 0}"#, "demand[0].every"),
        (r#"{"kind": "onoff", "n": 3, "on": 3}"#, "demand[0].off"),
    ] {
        let error = read(&format!(r#"{{"name": "X", "demand": [{demand}]}}"#)).unwrap_err();
        assert_eq!(error.key, key, "{error}");
    }
}

#[test]
fn what_is_no_json_or_no_scenario_is_told_with_its_line() {
    let error = read("\n\n{\"name\": \"X\", \"demand\": [}").unwrap_err();
    assert!(error.to_string().starts_with("line 3: no JSON:"), "{error}");
    let error = read("{\"name\": \"X\"}").unwrap_err();
    assert!(error.to_string().contains("missing field `demand`"), "{error}");
}
