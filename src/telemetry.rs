//! Logs: one event a line on standard error, JSON or text.
//!
//! Standard output belongs to what a command prints (`demo`'s table, `check`'s verdicts);
//! container runtimes collect both streams alike. Dependencies log request heads at `debug`
//! and `trace`, and a head may hold a key: a plain level therefore moves only the program's
//! own events below `info`. Who wants a dependency's must name it.

use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The program's own events have targets that start so.
const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One flat JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The word names no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("json or text")]
pub struct InvalidFormat;

impl FromStr for Format {
    type Err = InvalidFormat;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(InvalidFormat),
        }
    }
}

/// Which events are logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    targets: Targets,
}

impl Filter {
    /// Events of `level` and above; a dependency's only down to `info`.
    pub fn from_level(level: LevelFilter) -> Self {
        Self { targets: opened(Targets::new(), level) }
    }
}

/// The words name no level and no directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error, warn, info, debug, trace or off, or directives such as info,pacer=debug")]
pub struct InvalidFilter;

impl FromStr for Filter {
    type Err = InvalidFilter;

    /// Accepts a level in any case, also by the names that other languages' loggers have for it, or comma-separated `TARGET=LEVEL` and levels.
    ///
    /// A bare level among directives holds for dependencies down to `info` only.
    fn from_str(words: &str) -> Result<Self, Self::Err> {
        let level = |word: &str| match word {
            "" => Err(InvalidFilter),
            _ => level_of(word).ok_or(InvalidFilter),
        };
        let directive = |targets: Targets, word: &str| match word.trim().split_once('=') {
            Some(("", _)) => Err(InvalidFilter),
            Some((target, word)) => Ok(targets.with_target(target, level(word)?)),
            None => Ok(opened(targets, level(word.trim())?)),
        };
        Ok(Self { targets: words.split(',').try_fold(Targets::new(), directive)? })
    }
}

fn level_of(word: &str) -> Option<LevelFilter> {
    match word.to_ascii_lowercase().as_str() {
        "warning" => Some(LevelFilter::WARN),
        "critical" | "fatal" => Some(LevelFilter::ERROR),
        word => word.parse().ok(),
    }
}

/// A plain level: it holds for dependencies only down to `info`.
///
/// The Kubernetes client tells every attempt that fails, as an error; `policy` tells the same once, and says what it
/// means.
fn opened(targets: Targets, level: LevelFilter) -> Targets {
    targets
        .with_default(level.min(LevelFilter::INFO))
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kube_runtime", level.min(LevelFilter::ERROR))
        .with_target(OWN_TARGET, level)
}

/// Sends the process's events to standard error, panics included.
///
/// # Errors
/// When the process has a subscriber already.
pub fn install(filter: &Filter, format: Format) -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
        Format::Text => lines.with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.targets.clone())).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// One event for a panic, where the default hook would print lines that are no JSON.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let thread = std::thread::current();
    tracing::error!(
        target: "pacer::panic",
        panic = text.unwrap_or("a value that is no text"),
        location = panic.location().map(tracing::field::display),
        thread = thread.name().unwrap_or("unnamed"),
        "panicked",
    );
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of one event a target and level.
    fn logged(filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter: Filter = filter.parse().unwrap();
        let lines_layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(lines_layer.with_filter(filter.targets));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "pacer::proxy", "own-trace");
            tracing::debug!(target: "pacer::proxy", "own-debug");
            tracing::info!(target: "pacer::proxy", "own-info");
            tracing::debug!(target: "h2::codec", "theirs-debug");
            tracing::info!(target: "h2::codec", "theirs-info");
            tracing::error!(target: "kube_client::client::builder", "kube-error");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_plain_level_opens_no_dependency_below_info() {
        for level in ["trace", "DEBUG", "debug,pacer::proxy=trace"] {
            let lines = logged(level);
            assert!(lines.contains("own-debug") && lines.contains("theirs-info"), "{level}: {lines}");
            assert!(!lines.contains("theirs-debug"), "{level}: {lines}");
        }
        assert!(logged("trace").contains("own-trace"));
        assert!(!logged("debug").contains("own-trace"));
    }

    #[test]
    fn a_dependency_that_is_named_is_opened() {
        let lines = logged("warn,h2=debug");
        assert!(lines.contains("theirs-debug") && !lines.contains("own-info"), "{lines}");
    }

    #[test]
    fn each_failed_attempt_of_the_kubernetes_client_is_told_only_to_who_names_it() {
        for level in ["error", "info", "trace"] {
            assert!(!logged(level).contains("kube-error"), "{level}");
        }
        assert!(logged("info,kube_client=error").contains("kube-error"));
    }

    #[test]
    fn the_names_of_other_loggers_are_understood() {
        for (theirs, ours) in [("WARNING", "warn"), ("CRITICAL", "error"), ("Fatal", "error")] {
            assert_eq!(theirs.parse::<Filter>(), ours.parse(), "{theirs}");
        }
    }

    #[test]
    fn a_quiet_level_is_quiet_for_all() {
        assert_eq!(logged("warn"), "");
        assert_eq!(logged("off"), "");
    }

    #[test]
    fn words_that_are_no_level_are_refused() {
        for words in ["", "loud", "info,", "pacer", "pacer=loud", "a=b=c"] {
            assert_eq!(words.parse::<Filter>(), Err(InvalidFilter), "{words:?}");
        }
    }
}
