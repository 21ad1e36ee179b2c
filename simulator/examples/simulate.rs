//! Runs Pacer's limiter, or one of its peers, through scenarios in virtual time and prints what came
//! of it.
//!
//! `cargo run --release --package pacer-simulator --example simulate -- --help` lists the options; `simulator/README.md` shows
//! what to do with them.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pacer_simulator::{Law, Scenario, batch, population, report, scenario, trace};

/// Seeds of a file's scenarios; drawn ones are many, so that one seed each is enough.
const SEEDS: u64 = 5;

/// Run Pacer's limiter through scenarios in virtual time and print the figures.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Options {
    /// Scenarios, one JSON object a line; `-` reads standard input
    #[arg(required_unless_present = "population", conflicts_with = "population")]
    file: Option<PathBuf>,
    /// Only scenarios whose names begin so, separated by commas
    #[arg(long, value_name = "PREFIX,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Seeds 1 to N of each scenario [default: 5, or 1 with --population]
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroU64>,
    /// One JSON object a line, with every figure
    #[arg(long, conflicts_with_all = ["beside", "table", "trace", "print"])]
    json: bool,
    /// The laws to run, separated by commas: pacer, disabled (Pacer that does not retreat), static,
    /// rolling-log, aws, netflix, nemo, sre [default: pacer]
    #[arg(long, value_name = "LAW,...", value_delimiter = ',')]
    law: Vec<Law>,
    /// Compare the law with this one over all scenarios
    #[arg(long, value_name = "LAW", conflicts_with_all = ["table", "trace", "print"])]
    beside: Option<Law>,
    /// A Markdown table of the laws side by side [default laws: all]
    #[arg(long, conflicts_with_all = ["trace", "print"])]
    table: bool,
    /// Write how the one scenario goes, with seed 1, as CSV to this file (`-`: standard output)
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["print", "seeds"])]
    trace: Option<PathBuf>,
    /// Seconds between two lines of the trace
    #[arg(long, value_name = "SECONDS", default_value = "5", requires = "trace")]
    trace_step: NonZeroU64,
    /// Draw N scenarios at random instead of reading a file
    #[arg(long, value_name = "N")]
    population: Option<usize>,
    /// Where the drawing begins
    #[arg(long, value_name = "S", default_value = "1", requires = "population")]
    seed: u64,
    /// Print the drawn scenarios instead of running them
    #[arg(long, requires = "population")]
    print: bool,
    /// Threads [default: as many as the machine runs at once]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// Why nothing, or not everything, was printed.
enum Failure {
    /// The options or the scenarios are wrong.
    Usage(String),
    /// A file could not be read or written.
    Io(String),
    /// Whoever reads the output has enough.
    Closed,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe { Self::Closed } else { Self::Io(error.to_string()) }
    }
}

fn main() -> ExitCode {
    let (problem, code) = match run(&Options::parse()) {
        Ok(()) | Err(Failure::Closed) => return ExitCode::SUCCESS,
        Err(Failure::Usage(problem)) => (problem, ExitCode::from(2)),
        Err(Failure::Io(problem)) => (problem, ExitCode::FAILURE),
    };
    // Where the message cannot be written, nobody reads it.
    let _ = writeln!(io::stderr(), "error: {problem}");
    code
}

fn run(options: &Options) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let (source, text) = options.text()?;
    if options.print {
        writeln!(out, "{text}")?;
        return Ok(out.flush()?);
    }
    let mut scenarios =
        scenario::read(&text).map_err(|error| Failure::Usage(format!("{source}: {error}")))?;
    scenarios.retain(|scenario| options.wants(scenario));
    if scenarios.is_empty() {
        return Err(Failure::Usage(format!("{source}: no such scenario")));
    }
    if let Some(path) = &options.trace {
        return options.trace(path, &scenarios);
    }
    options.report(&scenarios, &mut out)?;
    Ok(out.flush()?)
}

impl Options {
    /// The scenarios as text, and what they are from.
    fn text(&self) -> Result<(String, String), Failure> {
        let Some(path) = self.file.as_deref() else {
            let drawn = population::draw(self.population.unwrap_or_default(), self.seed);
            return Ok(("population".to_owned(), drawn.join("\n")));
        };
        let source = path.display().to_string();
        let mut text = String::new();
        let read = if path == Path::new("-") {
            io::stdin().read_to_string(&mut text).map(|_| ())
        } else {
            fs::read_to_string(path).map(|read| text = read)
        };
        read.map_err(|error| Failure::Io(format!("{source}: {error}")))?;
        Ok((source, text))
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        self.only.is_empty() || self.only.iter().any(|prefix| scenario.name.starts_with(prefix))
    }

    fn trace(&self, path: &Path, scenarios: &[Scenario]) -> Result<(), Failure> {
        let ([scenario], laws @ ([] | [_])) = (scenarios, self.law.as_slice()) else {
            let found = scenarios.len();
            return Err(Failure::Usage(format!(
                "--trace takes one scenario and one law; {found} scenarios (see --only)"
            )));
        };
        let law = laws.first().copied().unwrap_or(Law::Pacer);
        let csv = trace::csv(scenario, law, 1, Duration::from_secs(self.trace_step.get()));
        if path == Path::new("-") {
            return Ok(io::stdout().write_all(csv.as_bytes())?);
        }
        fs::write(path, csv).map_err(|error| Failure::Io(format!("{}: {error}", path.display())))
    }

    fn report(&self, scenarios: &[Scenario], out: &mut impl Write) -> Result<(), Failure> {
        let laws = self.laws()?;
        let default = if self.population.is_some() { 1 } else { SEEDS };
        let seeds = self.seeds.map_or(default, NonZeroU64::get);
        let rows = batch::run(scenarios, &laws, seeds, self.jobs());
        match (self.beside, laws.as_slice()) {
            (Some(base), [law, ..]) => report::beside(&rows, *law, base, out)?,
            _ if self.table => report::markdown(&rows, &laws, out)?,
            _ if self.json => report::json(&rows, !self.law.is_empty(), out)?,
            _ => report::lines(&rows, laws.len() > 1, out)?,
        }
        Ok(())
    }

    fn laws(&self) -> Result<Vec<Law>, Failure> {
        match (self.beside, self.law.as_slice()) {
            (None, []) if self.table => Ok(Law::ALL.to_vec()),
            (None, []) => Ok(vec![Law::Pacer]),
            (None, laws) => Ok(laws.to_vec()),
            (Some(base), laws @ ([] | [_])) => {
                let law = laws.first().copied().unwrap_or(Law::Pacer);
                if law == base {
                    return Err(Failure::Usage(format!(
                        "--beside {base}: nothing can be told of {law} beside itself"
                    )));
                }
                Ok(vec![law, base])
            }
            (Some(_), _) => Err(Failure::Usage("--beside compares one law; --law names several".to_owned())),
        }
    }

    fn jobs(&self) -> usize {
        let machine = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or_else(machine).get()
    }
}
