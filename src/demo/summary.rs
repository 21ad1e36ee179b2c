//! What the demo showed, in a few lines at its end.

use super::table;
use super::text::{clock, percent};
use super::upstream::Tenant;
use super::view::{AppView, View};

/// The closing lines.
pub(super) fn summary(view: &View) -> Vec<String> {
    let mut facts = upstream(view);
    facts.extend(view.app.map(|app| application(view, app)));
    if view.app.is_some_and(|app| app.rate_limited > 0) {
        facts.push("             (those of calls whose deadline left no time for another attempt)".into());
    }
    if view.refused() > 0 {
        facts.push(format!(
            "refused      early by the sidecar: {}, each with when to come back",
            view.refused()
        ));
    }
    facts.push(String::new());
    facts.extend(table::lanes(view));
    if view.app.is_some() {
        facts.push("Waits are those of served calls; who still waits is not in them.".into());
    }
    let facts = facts.into_iter().map(|fact| if fact.is_empty() { fact } else { format!("  {fact}") });
    [String::new(), format!("Summary after {}", clock(view.elapsed))].into_iter().chain(facts).collect()
}

fn upstream(view: &View) -> Vec<String> {
    let seen = &view.upstream;
    if seen.accepted + seen.refused == 0 {
        return vec!["upstream     was not called".into()];
    }
    let mut facts = vec![
        format!(
            "upstream     accepted {}, answered 429 to {}; calls in the fullest minute: {}, quota: {}",
            seen.accepted, seen.refused, seen.max_in_window, seen.quota
        ),
        format!(
            "quota used   {}: {} accepted where evenly spaced calls would have had {}",
            percent(seen.quota_used()),
            seen.accepted,
            seen.attainable
        ),
    ];
    if seen.tenant != Tenant::default() {
        let Tenant { accepted, refused } = seen.tenant;
        facts.push(format!("other client on the key: accepted {accepted}, answered 429 to {refused}"));
    }
    facts.push(format!(
        "pace         {} of {} a minute at the end: {}",
        view.limiter.effective_rpm,
        view.limiter.base_rpm,
        table::learned(&view.limiter)
    ));
    facts
}

fn application(view: &View, app: AppView) -> String {
    format!(
        "application  429s of the upstream: {}, failures: {}, calls that still waited: {}",
        app.rate_limited,
        app.failed,
        view.waiting()
    )
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::mk_view;
    use super::*;

    #[test]
    fn the_summary_says_what_was_counted() {
        let expected = "
Summary after 1:23
  upstream     accepted 55, answered 429 to 0; calls in the fullest minute: 40, quota: 40
  quota used   98.2 %: 55 accepted where evenly spaced calls would have had 56
  pace         40 of 40 a minute at the end: normal, no lower limit learned
  application  429s of the upstream: 0, failures: 0, calls that still waited: 14
  refused      early by the sidecar: 7, each with when to come back

  priority    waiting   served   refused    wait p50    wait p99  1st byte p50
  urgent            0        9         0      0.80 s      1.60 s        1.80 s
  high              1       12         0      1.60 s      3.20 s        2.60 s
  normal           13       33         0      21.4 s      42.8 s        22.4 s
  low               0        0         7           -           -             -
  Waits are those of served calls; who still waits is not in them.";
        assert_eq!(summary(&mk_view()).join("\n"), expected);
    }

    #[test]
    fn absorbed_429s_are_not_hidden() {
        let mut view = mk_view();
        view.upstream.refused = 9;
        view.upstream.quota = 30;
        view.upstream.tenant = Tenant { accepted: 8, refused: 1 };
        view.limiter.learned.limit_rpm = Some(30);
        let text = summary(&view).join("\n");
        assert!(text.contains("answered 429 to 9; calls in the fullest minute: 40, quota: 30"), "{text}");
        assert!(text.contains("normal, learned limit 30"), "{text}");
        assert!(text.contains("other client on the key: accepted 8, answered 429 to 1"), "{text}");
    }

    #[test]
    fn a_demo_nobody_called_says_so() {
        let mut view = mk_view();
        (view.upstream.accepted, view.upstream.attainable, view.app) = (0, 0, None);
        assert!(summary(&view).contains(&"  upstream     was not called".to_owned()));
    }
}
