//! A mistake in one line: the flag, the variable if it came from there, the value, what is accepted.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Stop, variable};

/// What to print instead of doing what `words` say.
pub(super) fn explain(error: &clap::Error, grammar: &clap::Command, words: &[OsString]) -> Stop {
    let kind = error.kind();
    if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Stop::Answer(error.to_string());
    }
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Stop::Usage(error.to_string());
    }
    Stop::Usage(bad_value(error, grammar, words).unwrap_or_else(|| first_paragraph(error)))
}

/// The line for a value that one flag does not take.
fn bad_value(error: &clap::Error, grammar: &clap::Command, words: &[OsString]) -> Option<String> {
    let fault = error.source()?;
    let context = |kind| {
        let ContextValue::String(text) = error.get(kind)? else { return None };
        Some(text.as_str())
    };
    let value = context(ContextKind::InvalidValue)?;
    let flag = context(ContextKind::InvalidArg)?.split_whitespace().next()?;
    let source = match variable_behind(flag, grammar, words) {
        Some(name) => format!("{name} ({flag})"),
        None => flag.to_owned(),
    };
    let hint = if is_service_link(value) { SERVICE_LINK_HINT } else { "" };
    Some(format!("pacer: {source}: {:?} is refused: {fault}{hint}", without_credentials(value)))
}

/// The variable that `flag` was read from; none if it was on the command line.
fn variable_behind(flag: &str, grammar: &clap::Command, words: &[OsString]) -> Option<String> {
    let given = |word: &OsString| {
        word.to_str()
            .and_then(|word| word.strip_prefix(flag))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    if words.iter().any(given) {
        return None;
    }
    let long = flag.strip_prefix("--")?;
    let mut args = grammar.get_subcommands().flat_map(clap::Command::get_arguments);
    let name = args.find(|arg| arg.get_long() == Some(long) && arg.get_env().is_some())?.get_env()?;
    variable(name)?;
    Some(name.to_string_lossy().into_owned())
}

/// Kubernetes puts such addresses into variables named after the namespace's Services.
fn is_service_link(value: &str) -> bool {
    value.starts_with("tcp://")
}

const SERVICE_LINK_HINT: &str = "; a Service named `sidecar` makes Kubernetes set this variable: set enableServiceLinks: false in the pod";

/// The value with `***` for what stands between a URL's scheme and its host.
fn without_credentials(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rfind('@').and_then(|at| rest.get(at..)) {
        Some(host_and_path) => format!("{scheme}://***{host_and_path}"),
        None => value.to_owned(),
    }
}

/// What clap says, without its usage and hints, on one line.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    format!("pacer: {}", lines.join(" "))
}
