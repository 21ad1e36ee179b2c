//! The command line: what the words and the environment mean, checked before anything starts.
//!
//! Nothing else reads the environment. An empty variable counts as unset, which is what a
//! Kubernetes manifest with an empty `value` means.

mod args;
mod bootstrap;
mod usage;
mod value;

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};

use crate::healthcheck::Question;
use crate::sidecar::Config;
use crate::{demo, telemetry};

use args::{Cli, Subcommand};

/// What the program is asked to do; every value is valid.
#[derive(Debug)]
pub enum Command {
    /// `pacer run`
    Run(Box<Run>),
    /// `pacer demo`
    Demo(Demo),
    /// `pacer crd`
    Crd,
    /// `pacer check`: the files to validate.
    Check(Vec<PathBuf>),
    /// `pacer healthcheck`: whom to ask what.
    Healthcheck(SocketAddr, Question),
}

/// What `pacer run` is asked to do.
#[derive(Debug)]
pub struct Run {
    /// What the sidecar needs to start.
    pub config: Config,
    /// How long waiting and running requests may take to finish at the end.
    pub grace: Duration,
    /// Which events are logged, and how.
    pub log: Log,
}

/// What `pacer demo` is asked to do.
#[derive(Debug)]
pub struct Demo {
    /// What to show.
    pub options: demo::Options,
    /// Which events are logged, and how.
    pub log: Log,
}

/// Which events are logged, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Which.
    pub filter: telemetry::Filter,
    /// How.
    pub format: telemetry::Format,
}

/// There is nothing to do but to print this.
#[derive(Debug)]
pub enum Stop {
    /// Help or the version was asked for.
    Answer(String),
    /// The words make no sense.
    Usage(String),
}

impl Stop {
    /// Exit code of a command line that makes no sense.
    pub const USAGE: u8 = 2;

    /// Prints it where it belongs.
    pub fn print(&self) -> ExitCode {
        // Nobody is left to tell when standard output or error is closed.
        match self {
            Self::Answer(text) => {
                std::io::stdout().write_all(text.as_bytes()).ok();
                ExitCode::SUCCESS
            }
            Self::Usage(text) => {
                writeln!(std::io::stderr(), "{}", text.trim_end()).ok();
                ExitCode::from(Self::USAGE)
            }
        }
    }
}

/// Reads the command line, the program's name first, and the environment.
///
/// # Errors
/// [`Stop`], when there is nothing to do.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut grammar = grammar();
    let cli = grammar
        .try_get_matches_from_mut(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| usage::explain(&error, &grammar, &words))?;
    match cli.command {
        Subcommand::Run(run) => Ok(Command::Run(Box::new(run.resolve()?))),
        Subcommand::Demo(demo) => Ok(Command::Demo(demo.resolve()?)),
        Subcommand::Crd => Ok(Command::Crd),
        Subcommand::Check(check) => Ok(Command::Check(check.files)),
        Subcommand::Healthcheck(healthcheck) => {
            let (address, question) = healthcheck.resolve();
            Ok(Command::Healthcheck(address, question))
        }
    }
}

/// The grammar without the variables that are set to nothing.
///
/// A negative number is taken for a value, so that the refusal says what the flag takes.
fn grammar() -> clap::Command {
    Cli::command().mut_subcommands(|subcommand| {
        subcommand.allow_negative_numbers(true).mut_args(|arg| {
            let value = arg.get_env().and_then(std::env::var_os);
            let is_empty = value.is_some_and(|value| value.is_empty());
            if is_empty { arg.env(None) } else { arg.hide_env_values(true) }
        })
    })
}

/// A variable of the environment, unless it is empty.
fn variable(name: impl AsRef<std::ffi::OsStr>) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Source;

    fn parse_line(line: &str) -> Result<Command, Stop> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn usage_of(line: &str) -> String {
        match parse_line(line) {
            Err(Stop::Usage(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn run_without_flags_has_the_documented_defaults() {
        let Ok(Command::Run(run)) = parse_line("pacer run") else { panic!("not accepted") };
        assert_eq!(run.config.proxy_addr, "127.0.0.1:9190".parse().unwrap());
        assert_eq!(run.config.admin_addr, "0.0.0.0:9191".parse().unwrap());
        assert_eq!(run.config.upstream.to_string(), "https://integrate.api.nvidia.com/v1");
        assert_eq!(run.config.provider, "nvidia");
        assert_eq!(run.config.bootstrap, crate::limiter::Settings::default());
        assert_eq!(run.grace, Duration::from_secs(30));
    }

    #[test]
    fn a_namespace_and_a_cache_without_a_policy_are_not_used() {
        let line = "pacer run --policy-namespace a --policy-cache /cache/policy.json";
        for (more, expected) in [("", Source::Environment), (" --policy-file p", Source::File("p".into()))] {
            let Ok(Command::Run(run)) = parse_line(&format!("{line}{more}")) else { panic!("not accepted") };
            assert_eq!(run.config.policy, expected);
        }
    }

    #[test]
    fn a_fault_is_one_line_with_flag_value_and_what_is_accepted() {
        for (line, expected) in [
            (
                "run --port 70000",
                "pacer: --port: \"70000\" is refused: accepted is a whole number from 0 to 65535",
            ),
            ("run --port -1", "pacer: --port: \"-1\" is refused: accepted is a whole number from 0 to 65535"),
            ("run --host nowhere", "pacer: --host: \"nowhere\" is refused: accepted is an IP address"),
            (
                "run --rate-rpm 0",
                "pacer: --rate-rpm: \"0\" is refused: accepted is a whole number from 1 to 1000000",
            ),
            (
                "run --timeout 3601",
                "pacer: --timeout: \"3601\" is refused: accepted is a whole number from 1 to 3600",
            ),
            (
                "run --fallback-passthrough maybe",
                "--fallback-passthrough: \"maybe\" is refused: accepted is true or false",
            ),
            ("run --log-format xml", "pacer: --log-format: \"xml\" is refused: accepted is json or text"),
            (
                "run --log-level loud",
                "pacer: --log-level: \"loud\" is refused: accepted is error, warn, info, debug, trace",
            ),
            (
                "run --provider a/b",
                "pacer: --provider: \"a/b\" is refused: accepted is 1 to 63 letters, digits, '.', '_' or '-'",
            ),
            (
                "demo --duration soon",
                "pacer: --duration: \"soon\" is refused: accepted is a duration such as 10s, 2m or 1h30m",
            ),
            (
                "demo --duration -1s",
                "pacer: --duration: \"-1s\" is refused: accepted is a duration such as 10s, 2m or 1h30m",
            ),
            (
                "run --port 9191",
                "pacer: --port (SIDECAR_PORT) and --metrics-port (SIDECAR_METRICS_PORT) are both 9191: choose",
            ),
            (
                "demo --metrics-port 9190",
                "pacer: --port (SIDECAR_PORT) and --metrics-port (SIDECAR_METRICS_PORT) are both 9190: choose",
            ),
            ("run --nonsense", "pacer: unexpected argument '--nonsense' found"),
            ("run --port", "pacer: a value is required for '--port <PORT>' but none was supplied"),
            ("ruin", "pacer: unrecognized subcommand 'ruin'"),
            ("check", "pacer: the following required arguments were not provided: <FILE>..."),
        ] {
            let text = usage_of(&format!("pacer {line}"));
            assert!(text.contains(expected), "{line}: {text}");
            assert_eq!(text.lines().count(), 1, "{line}: {text}");
        }
    }

    #[test]
    fn one_port_on_two_addresses_and_any_free_port_are_fine() {
        for line in ["run --port 0 --metrics-port 0", "run --metrics-port 9190 --metrics-host 127.0.0.2"] {
            assert!(parse_line(&format!("pacer {line}")).is_ok(), "{line}");
        }
    }

    #[test]
    fn credentials_in_an_upstream_are_not_echoed() {
        let text = usage_of("pacer run --upstream ftp://me:s3cret@example.com/v1");
        assert!(text.starts_with("pacer: --upstream: \"ftp://***@example.com/v1\" is refused: "), "{text}");
        let text = usage_of("pacer run --api-key=s3cret");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn help_and_version_are_answers() {
        for line in ["pacer help", "pacer --help", "pacer --version", "pacer run --help"] {
            assert!(matches!(parse_line(line), Err(Stop::Answer(_))), "{line}");
        }
        assert!(usage_of("pacer").contains("Usage: pacer"));
    }
}
