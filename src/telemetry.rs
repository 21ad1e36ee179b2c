//! Logs: one event a line on standard error, JSON or text.
//!
//! Standard output belongs to what a command prints (`demo`'s table, `check`'s verdicts);
//! container runtimes collect both streams alike. Dependencies log request heads at `debug`
//! and `trace`, and a head may hold a key: a plain level therefore moves only the program's
//! own events below `info`. Who wants a dependency's must name it.

use std::fmt;
use std::panic::PanicHookInfo;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    directives: String,
}

impl Filter {
    /// Events of `level` and above; a dependency's only down to `info`.
    pub fn from_level(level: LevelFilter) -> Self {
        let others = level.min(LevelFilter::INFO);
        Self { directives: format!("{others},{OWN_TARGET}={level}") }
    }
}

/// The words name no level and no directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error, warn, info, debug, trace or off, or directives such as info,pacer=debug")]
pub struct InvalidFilter;

impl FromStr for Filter {
    type Err = InvalidFilter;

    /// Accepts a level in any case, or directives of `tracing_subscriber::EnvFilter`.
    ///
    /// A bare level among directives holds for dependencies down to `info` only.
    fn from_str(words: &str) -> Result<Self, Self::Err> {
        let directive = |word: &str| match word.parse::<LevelFilter>() {
            _ if word.is_empty() => None,
            Ok(level) => Some(Self::from_level(level).directives),
            Err(_) if word.contains('=') => Some(word.to_owned()),
            Err(_) => None,
        };
        let directives: Option<Vec<_>> = words.split(',').map(|word| directive(word.trim())).collect();
        let directives = directives.ok_or(InvalidFilter)?.join(",");
        EnvFilter::builder().parse(&directives).map_err(|_| InvalidFilter)?;
        Ok(Self { directives })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.directives)
    }
}

/// Sends the process's events to standard error, panics included.
///
/// # Errors
/// When the process has a subscriber already.
pub fn install(filter: &Filter, format: Format) -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&filter.directives))
        .with_writer(std::io::stderr);
    match format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
        Format::Text => lines.with_ansi(false).finish().try_init()?,
    }
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
