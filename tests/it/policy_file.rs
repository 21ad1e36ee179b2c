//! A policy file that changes under a running sidecar.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pacer::limiter::Settings;
use pacer::metrics::{Metrics, PolicySource, PolicyState};
use pacer::policy::{self, Feed, Report, Source};
use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;

/// A policy file, and what follows it.
struct Followed {
    dir: TempDir,
    feed: Feed,
    task: BoxFuture<'static, ()>,
    metrics: Arc<Metrics>,
}

impl Followed {
    fn start(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("policy.yaml"), text).unwrap();
        let metrics = Arc::new(Metrics::new("test"));
        let source = Source::File(dir.path().join("policy.yaml"));
        let (feed, follow) = policy::start(source, Settings::default(), Arc::clone(&metrics)).unwrap();
        // So that what it starts with is announced.
        let mut task = follow();
        assert!((&mut task).now_or_never().is_none(), "the task ended");
        Self { dir, feed, task, metrics }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("policy.yaml")
    }

    /// Replaces the file as a whole: a read under way sees the old text or the new one.
    fn write(&self, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.path()).unwrap();
    }

    /// Runs until the report changes; only the time that takes passes.
    async fn reported(&mut self) -> Report {
        let report = &mut self.feed.report;
        let changed = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::select! {
                changed = report.changed() => changed.unwrap(),
                () = &mut self.task => unreachable!("the task ended"),
            }
        });
        changed.await.expect("the report does not change");
        self.feed.report.borrow_and_update().clone()
    }

    /// Runs for a while.
    async fn run(&mut self) {
        let ended = tokio::time::timeout(Duration::from_secs(5), &mut self.task).await;
        assert!(ended.is_err(), "the task ended");
    }

    fn rpm(&self) -> u32 {
        self.feed.settings.borrow().rate.requests_per_minute
    }

    /// The value of a series.
    fn metric(&self, series: &str) -> String {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).to_owned()
    }

    fn changes_and_rejections(&self) -> [String; 2] {
        ["sidecar_policy_changes_total", "sidecar_policy_rejections_total"].map(|name| self.metric(name))
    }
}

fn policy(rpm: i32, generation: i64) -> String {
    format!(
        "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\n\
         metadata: {{name: nvidia, namespace: team-a, generation: {generation}}}\n\
         spec: {{rate: {{requestsPerMinute: {rpm}}}, retreat: {{mode: Disabled}}}}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_in_force_within_a_second() {
    let mut file = Followed::start(&policy(40, 1));
    assert_eq!(file.rpm(), 40);
    assert_eq!(file.metric("sidecar_policy_generation"), "1");
    assert_eq!(file.metric(r#"sidecar_policy_source{source="file"}"#), "1");
    assert_eq!(file.changes_and_rejections(), ["0", "0"]);

    let before = tokio::time::Instant::now();
    file.write(&policy(60, 2));
    let report = file.reported().await;
    assert!(tokio::time::Instant::now() - before <= Duration::from_secs(1));
    assert_eq!(file.rpm(), 60);
    let expected = Report {
        source: PolicySource::File,
        state: PolicyState::Synced,
        since: before,
        reason: None,
        name: Some("nvidia".into()),
        namespace: Some("team-a".into()),
        generation: Some(2),
        rejected: None,
    };
    assert_eq!(report, expected);
    assert_eq!(file.metric("sidecar_policy_generation"), "2");
    assert_eq!(file.changes_and_rejections(), ["1", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_changes_nothing_until_it_is_mended() {
    let mut file = Followed::start(&policy(40, 1));
    file.feed.settings.borrow_and_update();

    file.write(&policy(0, 2));
    let report = file.reported().await;
    assert_eq!(report.state, PolicyState::Invalid);
    assert_eq!(file.metric(r#"sidecar_policy_state{state="invalid"}"#), "1");
    let rejected = report.rejected.unwrap();
    let reason = "spec.rate.requestsPerMinute is 0; accepted: an integer from 1 to 1000000";
    assert_eq!(rejected, format!("{}: {reason}", file.path().display()));
    assert_eq!(report.generation, Some(1), "the generation in force");
    assert_eq!(file.rpm(), 40);
    assert_eq!(file.changes_and_rejections(), ["0", "1"]);
    assert!(!file.feed.settings.has_changed().unwrap());

    file.write(&policy(80, 3));
    assert_eq!(file.reported().await.rejected, None);
    assert_eq!(file.rpm(), 80);
    assert_eq!(file.changes_and_rejections(), ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_half_written_file_is_mended_by_the_next_read() {
    let mut file = Followed::start(&policy(40, 1));
    let text = policy(60, 2);
    file.write(&text[..text.len() / 2]);
    assert!(file.reported().await.rejected.is_some());
    assert_eq!(file.rpm(), 40);
    file.write(&text);
    assert_eq!(file.reported().await.rejected, None);
    assert_eq!(file.rpm(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_disappears_leaves_its_policy_in_force() {
    let mut file = Followed::start(&policy(50, 1));
    fs::remove_file(file.path()).unwrap();
    let rejected = file.reported().await.rejected.unwrap();
    assert!(rejected.contains("cannot be read: No such file or directory"), "{rejected}");
    assert_eq!(file.rpm(), 50);

    file.write(&policy(50, 1));
    assert_eq!(file.reported().await.rejected, None);
    assert_eq!(file.changes_and_rejections(), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn the_swapped_symlink_of_a_mounted_config_map_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let version = |name: &str, text: &str| {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("policy.yaml"), text).unwrap();
    };
    let link = |to: &str| {
        let next = dir.path().join("..data_tmp");
        std::os::unix::fs::symlink(to, &next).unwrap();
        fs::rename(next, dir.path().join("..data")).unwrap();
    };
    version("..1", &policy(40, 1));
    link("..1");
    std::os::unix::fs::symlink("..data/policy.yaml", dir.path().join("policy.yaml")).unwrap();

    let source = Source::File(dir.path().join("policy.yaml"));
    let metrics = Arc::new(Metrics::new("test"));
    let (mut feed, follow) = policy::start(source, Settings::default(), metrics).unwrap();
    version("..2", &policy(70, 2));
    link("..2");
    fs::remove_dir_all(dir.path().join("..1")).unwrap();
    tokio::select! {
        changed = feed.settings.changed() => changed.unwrap(),
        () = follow() => unreachable!("the task ended"),
    }
    assert_eq!(feed.settings.borrow().rate.requests_per_minute, 70);
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_with_the_same_settings_wakes_nobody() {
    let mut file = Followed::start(&policy(40, 1));
    file.feed.settings.borrow_and_update();
    file.write(&policy(40, 2));
    assert_eq!(file.reported().await.generation, Some(2));
    assert!(!file.feed.settings.has_changed().unwrap());
    assert_eq!(file.changes_and_rejections(), ["0", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_only_looks_different_changes_nothing() {
    let mut file = Followed::start(&policy(40, 1));
    file.feed.settings.borrow_and_update();
    file.feed.report.borrow_and_update();
    file.write(&policy(40, 1));
    file.run().await;
    file.write(&format!("# a comment\n{}", policy(40, 1)));
    file.run().await;
    assert!(!file.feed.settings.has_changed().unwrap());
    assert!(!file.feed.report.has_changed().unwrap());
}

#[test]
fn a_bad_file_at_the_start_is_an_error_with_a_line_for_every_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.yaml");
    let start = |text: &str| {
        fs::write(&path, text).unwrap();
        start_error(&path)
    };
    let file = path.display();

    let text = policy(0, 1).replace("Disabled", "Never");
    let expected = format!(
        "{file}: spec.rate.requestsPerMinute is 0; accepted: an integer from 1 to 1000000\n\
         {file}: spec.retreat.mode is \"Never\"; accepted: Enabled or Disabled"
    );
    assert_eq!(start(&text), expected);
    let two = format!("{}---\n{}", policy(40, 1), policy(50, 1));
    assert_eq!(start(&two), format!("{file}: holds 2 documents; accepted: one RateLimitPolicy"));
    assert_eq!(start(""), format!("{file}: holds 0 documents; accepted: one RateLimitPolicy"));
    assert_eq!(start("a: [\n"), format!("{file}: line 1, column 4: unclosed bracket '['"));
    let other = "apiVersion: v1\nkind: ConfigMap\ndata: {}\n";
    let expected = format!(
        "{file}: apiVersion is \"v1\"; accepted: pacer.dev/v1alpha1\n\
         {file}: kind is \"ConfigMap\"; accepted: RateLimitPolicy"
    );
    assert_eq!(start(other), expected);
    let long = "#".repeat((1 << 20) + 1);
    assert_eq!(start(&long), format!("{file}: cannot be read: longer than 1048576 bytes"));
    fs::remove_file(&path).unwrap();
    let missing = start_error(&path);
    assert!(missing.starts_with(&format!("{file}: cannot be read: No such file")), "{missing}");
}

fn start_error(path: &Path) -> String {
    let metrics = Arc::new(Metrics::new("test"));
    match policy::start(Source::File(path.to_owned()), Settings::default(), metrics) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_the_bootstrap_settings_stay_and_the_feed_stays_open() {
    let (log, _guard) = Log::capture();
    let metrics = Arc::new(Metrics::new("test"));
    let mut bootstrap = Settings::default();
    bootstrap.rate.requests_per_minute = 7;
    let (mut feed, follow) = policy::start(Source::Environment, bootstrap.clone(), metrics).unwrap();
    let report = feed.report.borrow().clone();
    assert_eq!((report.source, &report.name), (PolicySource::Environment, &None));

    let changed = async { feed.settings.changed().await };
    let waited = tokio::time::timeout(Duration::from_secs(3600), async {
        tokio::select! {
            _ = changed => (),
            () = follow() => (),
        }
    });
    assert!(waited.await.is_err(), "neither a change nor a closed channel");
    assert_eq!(**feed.settings.borrow(), bootstrap);
    assert!(log.lines("WARN").is_empty(), "nobody wrote a policy that asks for anything");
    assert!(log.lines("INFO").iter().any(|line| line.contains("flags and environment decide")));
}

#[tokio::test(start_paused = true)]
async fn every_change_is_one_line_from_what_to_what_and_every_refusal_another() {
    let (log, _guard) = Log::capture();
    let mut file = Followed::start(&policy(40, 1));
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("spec.retreat.mode Enabled -> Disabled"), "{lines:?}");

    file.write(&policy(60, 2));
    file.reported().await;
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let changes = "spec.rate.requestsPerMinute 40 -> 60, spec.rate.capacity 40 -> 60, \
                   spec.retreat.floorRequestsPerMinute 4 -> 6";
    assert!(lines[0].contains(" INFO ") && lines[0].contains(changes), "{lines:?}");
    assert!(lines[0].contains("generation=2"), "{lines:?}");

    file.write(&policy(0, 3));
    file.reported().await;
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(" WARN ") && lines[0].contains("requestsPerMinute is 0"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_only_this_version_does_not_know_lists_no_changes() {
    let (log, _guard) = Log::capture();
    let mut file = Followed::start(&policy(40, 1));
    log.take();
    file.write(&policy(40, 2).replace("spec: {", "spec: {fleet: {mode: Shared}, "));
    file.reported().await;
    let lines = log.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("policy in force") && !lines[0].contains("changes"), "{lines:?}");
    assert!(lines[1].contains("spec.fleet"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_field_of_a_newer_version_is_ignored_with_a_warning() {
    let (log, _guard) = Log::capture();
    let text = policy(45, 1).replace("spec: {", "spec: {fleet: {mode: Shared}, ");
    let file = Followed::start(&text);
    assert_eq!(file.rpm(), 45);
    let warnings = log.lines("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("spec.fleet"), "{warnings:?}");
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture() -> (Self, DefaultGuard) {
        // Somebody listens on every thread: an event that is met first where nobody does could be
        // taken for one that nobody wants, here as well.
        crate::support::logs::watch();
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines since the last time.
    fn take(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(text).unwrap().lines().map(String::from).collect()
    }

    /// The lines so far of one level.
    fn lines(&self, level: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(&format!(" {level} "))).map(String::from).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
