//! What runs in the pods of the end-to-end tests, beside the sidecar: one program, three parts.
//!
//! It knows nothing of pacer. The application talks to the sidecar as the SDKs do, and the upstream sees
//! what they see; so what the tests conclude from either is not taken from the program under test.

mod call;
mod client;
mod clock;
mod load;
mod serve;
mod stop;
mod upstream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[derive(Debug, Parser)]
#[command(about = "The application and the upstream of the end-to-end tests")]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// An LLM API with a strict quota, whose faults are ordered by POST /control
    Upstream(upstream::Args),
    /// Makes calls, prints one line of JSON for each, then a summary; exit code 1 if one has failed
    Client(client::Args),
    /// Makes calls when it is asked to, by GET /run?requests=N&concurrency=C&stream=true&priority=P
    Serve(serve::Args),
}

// One thread is enough for thousands of calls that wait, and takes the least from what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let part = Cli::parse().part;
    // A connection a call: where the soft limit is 1,024, the hard one is far above it.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    // The first process of a container has no default handlers: without one SIGTERM is ignored.
    let stop = stop::on_signals()?;
    match part {
        Part::Upstream(args) => upstream::run(args, stop).await.map(|()| ExitCode::SUCCESS),
        Part::Client(args) => client::run(args, stop).await,
        Part::Serve(args) => serve::run(args, stop).await.map(|()| ExitCode::SUCCESS),
    }
}
