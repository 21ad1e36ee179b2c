//! The live table, and the line that takes its place where there is no terminal.

use std::time::Duration;

use super::text::{clock, percent, seconds};
use super::upstream::Tenant;
use super::view::{Lane, View};
use crate::limiter::{Priority, Snapshot};

/// No line is longer: the width of the smallest usual terminal, less a margin.
pub(super) const WIDTH: usize = 78;

/// Width of the progress bar.
const BAR: usize = 30;

/// The whole table, one line an element, each at most [`WIDTH`] characters.
pub(super) fn table(view: &View) -> Vec<String> {
    let mut lines = vec![progress(view.elapsed, view.duration), String::new()];
    lines.extend(lanes(view));
    lines.push(String::new());
    lines.push(sidecar(view));
    lines.push(pace(&view.limiter));
    lines.push(upstream(view));
    lines.push(app(view));
    for line in &mut lines {
        *line = line.chars().take(WIDTH).collect();
    }
    lines
}

/// The lanes alone, with a heading.
pub(super) fn lanes(view: &View) -> Vec<String> {
    let heading = format!(
        "{:<10}{:>9}{:>9}{:>10}{:>12}{:>12}{:>14}",
        "priority", "waiting", "served", "refused", "wait p50", "wait p99", "1st byte p50"
    );
    let row = |(priority, lane): (Priority, &Lane)| {
        format!(
            "{:<10}{:>9}{:>9}{:>10}{:>12}{:>12}{:>14}",
            priority.as_str(),
            lane.waiting,
            lane.served,
            lane.refused,
            seconds(lane.wait_p50),
            seconds(lane.wait_p99),
            seconds(lane.first_byte_p50),
        )
    };
    std::iter::once(heading).chain(Priority::ALL.into_iter().zip(&view.lanes).map(row)).collect()
}

/// One line with what matters of the table.
pub(super) fn line(view: &View) -> String {
    let by_priority = |(priority, lane): (Priority, &Lane)| format!("{priority} {}", lane.waiting);
    let waiting: Vec<_> = Priority::ALL.into_iter().zip(&view.lanes).map(by_priority).collect();
    let seen = view.app.map_or(String::new(), |app| {
        format!(", seen by the app {}, its failures {}", app.rate_limited, app.failed)
    });
    format!(
        "{:>5}  served {}, refused {}, waiting {} ({}), streams {} | window {}/{}, tokens {:.1} | \
         {} of {} a minute, {} | upstream accepted {}, 429s {}{seen} | quota used {}",
        clock(view.elapsed),
        view.served(),
        view.refused(),
        view.waiting(),
        waiting.join(", "),
        view.streams_open,
        view.limiter.window_used,
        view.limiter.window_limit,
        view.limiter.tokens,
        view.limiter.effective_rpm,
        view.limiter.base_rpm,
        learned(&view.limiter),
        view.upstream.accepted,
        view.upstream.refused,
        percent(view.upstream.quota_used()),
    )
}

/// The state of the pace, and what was learned of the upstream's limit.
pub(super) fn learned(limiter: &Snapshot) -> String {
    let learned = &limiter.learned;
    let limit = match learned.limit_rpm {
        Some(limit) => format!("learned limit {limit}"),
        None => "no lower limit learned".into(),
    };
    let short = learned.short.iter().flatten();
    let short = short.map(|(window, requests)| format!("{requests} in {} s", window.as_secs_f64()));
    let burst = learned.burst.map(|burst| format!("{burst} at once"));
    let facts: Vec<_> =
        [learned.state.name().to_owned(), limit].into_iter().chain(short).chain(burst).collect();
    facts.join(", ")
}

fn progress(elapsed: Duration, duration: Option<Duration>) -> String {
    let Some(duration) = duration else {
        return format!("running for {}, Ctrl-C ends", clock(elapsed));
    };
    let done = elapsed.min(duration).as_millis() * BAR as u128 / duration.as_millis().max(1);
    let done = usize::try_from(done).unwrap_or(BAR);
    let bar = format!("{}{}", "#".repeat(done), ".".repeat(BAR - done));
    format!("{} of {}  [{bar}]", clock(elapsed.min(duration)), clock(duration))
}

/// How fast calls may leave, and why.
fn pace(limiter: &Snapshot) -> String {
    let Snapshot { effective_rpm, base_rpm, .. } = limiter;
    format!("pace      {effective_rpm} of {base_rpm} a minute: {}", learned(limiter))
}

fn sidecar(view: &View) -> String {
    let limiter = &view.limiter;
    let gate = if limiter.paused().is_zero() {
        String::new()
    } else {
        format!(", paused for {}", seconds(Some(limiter.paused())))
    };
    format!(
        "sidecar   window {} of {}, {:.1} of {} tokens, streams {}{gate}",
        limiter.window_used, limiter.window_limit, limiter.tokens, limiter.capacity, view.streams_open,
    )
}

fn upstream(view: &View) -> String {
    let seen = &view.upstream;
    format!(
        "upstream  accepted {}, 429s {}, fullest minute {} of {}, quota used {}{}",
        seen.accepted,
        seen.refused,
        seen.max_in_window,
        seen.quota,
        percent(seen.quota_used()),
        tenant(seen.tenant),
    )
}

fn tenant(tenant: Tenant) -> String {
    if tenant == Tenant::default() { String::new() } else { format!(", others {}", tenant.accepted) }
}

fn app(view: &View) -> String {
    match view.app {
        Some(app) => format!(
            "app       429s of the upstream {}, failures {}, {} KiB received",
            app.rate_limited,
            app.failed,
            app.bytes / 1024
        ),
        None => "app       yours: see the lines above the table".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::mk_view;
    use super::*;
    use crate::limiter::PaceState;

    #[test]
    fn the_table_shows_the_view() {
        let expected = "\
1:23 of 5:00  [########......................]

priority    waiting   served   refused    wait p50    wait p99  1st byte p50
urgent            0        9         0      0.80 s      1.60 s        1.80 s
high              1       12         0      1.60 s      3.20 s        2.60 s
normal           13       33         0      21.4 s      42.8 s        22.4 s
low               0        0         7           -           -             -

sidecar   window 40 of 40, 0.2 of 40 tokens, streams 2
pace      40 of 40 a minute: normal, no lower limit learned
upstream  accepted 55, 429s 0, fullest minute 40 of 40, quota used 98.2 %
app       429s of the upstream 0, failures 0, 12 KiB received";
        assert_eq!(table(&mk_view()).join("\n"), expected);
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_a_terminal_whatever_the_numbers() {
        let mut view = mk_view();
        view.limiter.effective_rpm = u32::MAX;
        view.limiter.window_used = u64::MAX;
        view.limiter.tokens = 1e12;
        view.limiter.gate = Duration::from_secs(3600);
        view.upstream.accepted = u64::MAX;
        view.lanes[2].served = u64::MAX;
        let lines = table(&view);
        assert_eq!(lines.len(), table(&mk_view()).len(), "redrawing in place needs a fixed height");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn without_an_end_there_is_no_bar() {
        assert_eq!(progress(Duration::from_secs(5), None), "running for 0:05, Ctrl-C ends");
        let over = progress(Duration::from_secs(11), Some(Duration::from_secs(10)));
        assert_eq!(over, format!("0:10 of 0:10  [{}]", "#".repeat(BAR)));
    }

    #[test]
    fn what_was_learned_is_shown() {
        let mut view = mk_view();
        view.limiter.learned.state = PaceState::Recover;
        view.limiter.learned.limit_rpm = Some(24);
        view.limiter.effective_rpm = 24;
        view.limiter.learned.short[0] = Some((Duration::from_secs(10), 5));
        view.limiter.learned.burst = Some(3);
        let expected = "pace      24 of 40 a minute: recover, learned limit 24, 5 in 10 s, 3 at once";
        assert!(table(&view).contains(&expected.to_owned()), "{:?}", table(&view));
    }

    #[test]
    fn a_second_client_is_shown_when_there_is_one() {
        let mut view = mk_view();
        view.upstream.tenant = Tenant { accepted: 16, refused: 2 };
        assert!(upstream(&view).ends_with("quota used 98.2 %, others 16"));
    }

    #[test]
    fn a_closed_gate_is_shown() {
        let mut view = mk_view();
        view.limiter.gate = Duration::from_millis(2500);
        assert!(sidecar(&view).ends_with("streams 2, paused for 2.50 s"));
    }

    #[test]
    fn the_line_says_the_same_in_one() {
        let expected = " 1:23  served 54, refused 7, waiting 14 (urgent 0, high 1, normal 13, low 0), streams 2 | \
                        window 40/40, tokens 0.2 | 40 of 40 a minute, normal, no lower limit learned | upstream accepted 55, 429s 0, seen by the app 0, \
                        its failures 0 | quota used 98.2 %";
        assert_eq!(line(&mk_view()), expected);
        let unseen = View { app: None, ..mk_view() };
        assert!(line(&unseen).ends_with("429s 0 | quota used 98.2 %"));
    }
}
