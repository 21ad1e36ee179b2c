//! The `pacer` program: parse, dispatch, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use pacer::cli::{self, Command, Stop};
use pacer::sidecar::StartError;
use pacer::{api, demo, healthcheck, policy, sidecar, telemetry};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(stop) => return stop.print(),
    };
    match execute(command) {
        Ok(code) => code,
        Err(error) => {
            let lines = describe(&error).replace('\n', "\npacer: ");
            // Nobody is left to tell when standard error is closed.
            writeln!(io::stderr(), "pacer: {lines}").ok();
            exit_code(&error)
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(run) => {
            telemetry::install(&run.log.filter, run.log.format)?;
            pacer::runtime::block_on(sidecar::run(run.config, run.grace))?
        }
        Command::Demo(demo) => {
            telemetry::install(&demo.log.filter, demo.log.format)?;
            pacer::runtime::block_on(demo::run(demo.options))?.map(|()| ExitCode::SUCCESS)
        }
        Command::Crd => {
            // A reader that has left, as in `pacer crd | head`, is no error.
            io::stdout().write_all(api::crd_yaml()?.as_bytes()).ok();
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(files) => {
            let faults = policy::check(&files, &mut io::stdout().lock())?;
            Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Healthcheck(address, question) => {
            pacer::runtime::block_on(healthcheck::ask(address, question))??;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The error with its causes, unless it tells them itself.
fn describe(error: &anyhow::Error) -> String {
    match error.downcast_ref::<StartError>() {
        Some(error) => error.to_string(),
        None => format!("{error:#}"),
    }
}

/// A policy or a key that cannot be used is a mistake in what the program was given; the rest is the world's.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(StartError::Policy(_) | StartError::Key(_)) => ExitCode::from(Stop::USAGE),
        Some(StartError::Bind(_) | StartError::Client(_)) | None => ExitCode::FAILURE,
    }
}
