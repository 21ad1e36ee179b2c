use super::*;
use crate::law::Law;
use crate::{batch, population, scenario};

fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn mk_scenarios() -> Vec<crate::Scenario> {
    let text = r#"{"name": "one \"quoted\"", "T": 300, "demand": [{"kind": "closed", "n": 5}], "steps": [[100, 40]]}
        {"name": "other | tenant", "T": 300, "demand": [{"kind": "poisson", "rpm": 20}], "other": {"rpm": 9}}"#;
    scenario::read(text).unwrap()
}

#[test]
fn a_json_line_begins_with_the_name_and_is_one_object() {
    let scenarios = mk_scenarios();
    let rows = batch::run(&scenarios, &[Law::Pacer], 1, 1);
    let lines = text(|out| json(&rows, false, out));
    let first = lines.lines().next().unwrap();
    assert!(first.starts_with(r#"{"name":"one \"quoted\"","util":"#), "{first}");
    let object: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(object["name"], "one \"quoted\"");
    assert!(object["settle_100"].is_number() && object["other_ok"].is_null(), "{first}");
    let with_law = text(|out| json(&rows, true, out));
    assert!(with_law.starts_with(r#"{"name":"one \"quoted\"","law":"pacer","util":"#), "{with_law}");
}

#[test]
fn a_table_has_a_column_for_each_law_and_a_line_for_each_scenario() {
    let scenarios = mk_scenarios();
    let laws = [Law::Pacer, Law::Static];
    let rows = batch::run(&scenarios, &laws, 1, 2);
    let table = text(|out| markdown(&rows, &laws, out));
    let lines = table.lines().map(|line| line.replace("\\|", ""));
    let bars = lines.clone().map(|line| line.matches('|').count());
    assert_eq!(bars.collect::<Vec<_>>(), [4, 4, 4, 4, 4, 0, 0], "{table}");
    assert!(table.starts_with("| scenario | pacer | static |\n"), "{table}");
    let figures = lines.map(|line| line.matches(" / ").count());
    assert_eq!(figures.collect::<Vec<_>>(), [0, 0, 4, 6, 6, 0, 0], "only one has a tenant: {table}");
    assert!(table.ends_with("`static`: token bucket at the configured rate.\n"), "{table}");
}

#[test]
fn a_law_stands_beside_another_alone_and_with_a_tenant() {
    let scenarios = scenario::read(&population::draw(12, 3).join("\n")).unwrap();
    let rows = batch::run(&scenarios, &[Law::Static, Law::Disabled], 1, 2);
    let report = text(|out| beside(&rows, Law::Static, Law::Disabled, out));
    assert!(report.starts_with("static beside disabled\nalone   "), "{report}");
    let tenants = scenarios.iter().filter(|scenario| !scenario.other.is_empty()).count();
    assert!(tenants > 0 && report.contains(&format!("\ntenant  {tenants} scenarios;")), "{report}");
}
