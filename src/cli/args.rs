//! The grammar: every flag, its variable and its default.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::bootstrap::Bootstrap;
use super::value::{duration, ip_address, namespace, one_of, policy_name, provider, step, upstream, whole};
use super::{Demo, Log, Run, Stop, variable};
use crate::demo;
use crate::demo::upstream::Step;
use crate::healthcheck::Question;
use crate::policy::{Named, Source};
use crate::proxy::{ApiKey, KeySource, UpstreamBase};
use crate::sidecar::{ADMIN_PORT, Config, PROXY_PORT};
use crate::telemetry::{Filter, Format};

/// Paces an application's calls to an LLM API with a small, shared quota.
#[derive(Debug, clap::Parser)]
#[command(name = "pacer", version, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Run the sidecar
    Run(Box<RunArgs>),
    /// See it work, with no cluster and no key: a simulated upstream, the sidecar and a workload
    Demo(DemoArgs),
    /// Print the `CustomResourceDefinition`, for `kubectl apply -f -`
    Crd,
    /// Validate policy files offline
    Check(CheckArgs),
    /// Ask the local probe, or the upstream through the proxy; exit code 1 when it says no
    Healthcheck(HealthcheckArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Address the proxy listens on
    #[arg(long, env = "SIDECAR_HOST", value_name = "ADDRESS", value_parser = ip_address)]
    #[arg(default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: IpAddr,
    #[command(flatten)]
    ports: Ports,
    /// Address of probes and metrics; the kubelet and Prometheus come from outside the pod
    #[arg(long, env = "SIDECAR_METRICS_HOST", value_name = "ADDRESS", value_parser = ip_address)]
    #[arg(default_value_t = Ipv4Addr::UNSPECIFIED.into())]
    metrics_host: IpAddr,
    /// Base URL of the API: the application's /v1/X becomes {URL}/X
    #[arg(long, env = "SIDECAR_UPSTREAM", value_name = "URL", value_parser = upstream)]
    #[arg(default_value = "https://integrate.api.nvidia.com/v1")]
    upstream: UpstreamBase,
    /// The `provider` label of the upstream's metrics
    #[arg(long, env = "SIDECAR_PROVIDER", value_name = "NAME", value_parser = provider)]
    #[arg(default_value = "nvidia")]
    provider: String,
    /// File with the API key, read again when it changes [or the key itself in `SIDECAR_API_KEY`]
    #[arg(long, env = "SIDECAR_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Seconds that waiting and running requests have to finish after SIGTERM
    #[arg(long, env = "SIDECAR_DRAIN_SECONDS", value_name = "SECONDS", value_parser = whole::<u64>(0..=3600))]
    #[arg(default_value_t = 30)]
    drain_seconds: u64,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten, next_help_heading = "Settings in force until a policy is known")]
    bootstrap: Bootstrap,
}

#[derive(Debug, clap::Args)]
struct PolicyArgs {
    /// Name of the RateLimitPolicy to follow in the cluster
    #[arg(long, env = "SIDECAR_POLICY", value_name = "NAME", value_parser = policy_name)]
    policy: Option<String>,
    /// Its namespace; not used without --policy [default: the pod's]
    #[arg(long, env = "SIDECAR_POLICY_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    policy_namespace: Option<String>,
    /// File that keeps the last good policy of the cluster across restarts of the container; not used without
    /// --policy
    #[arg(long, env = "SIDECAR_POLICY_CACHE", value_name = "FILE")]
    policy_cache: Option<PathBuf>,
    /// YAML file with a RateLimitPolicy, read again when it changes, in place of the cluster's
    #[arg(long, env = "SIDECAR_POLICY_FILE", value_name = "FILE")]
    policy_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Ports {
    /// Port of the proxy; 0 lets the system choose
    #[arg(long, env = "SIDECAR_PORT", value_parser = whole::<u16>(0..=65_535))]
    #[arg(default_value_t = PROXY_PORT)]
    port: u16,
    /// Port of probes and metrics; 0 lets the system choose
    #[arg(long, env = "SIDECAR_METRICS_PORT", value_name = "PORT", value_parser = whole::<u16>(0..=65_535))]
    #[arg(default_value_t = ADMIN_PORT)]
    metrics_port: u16,
}

#[derive(Debug, clap::Args)]
struct LogArgs {
    /// error, warn, info, debug, trace or off, or directives such as info,pacer=debug
    #[arg(long, env = "SIDECAR_LOG_LEVEL", value_name = "LEVEL", value_parser = one_of::<Filter>)]
    log_level: Option<Filter>,
    /// json or text
    #[arg(long, env = "SIDECAR_LOG_FORMAT", value_name = "FORMAT", value_parser = one_of::<Format>)]
    log_format: Option<Format>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// Requests a minute the sidecar paces to
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=1_000_000), default_value_t = 40)]
    rpm: u32,
    /// Requests a minute the simulated upstream takes [default: as --rpm]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=1_000_000))]
    upstream_rpm: Option<u32>,
    /// From when on it takes another number, such as 24@60s; may be repeated
    #[arg(long, value_name = "N@TIME", value_parser = step, allow_hyphen_values = true)]
    upstream_step: Vec<Step>,
    /// Requests a minute that a second client makes on the same key [default: none]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=1_000_000))]
    tenant_rpm: Option<u32>,
    /// How long it runs, such as 10s, 2m or 1h30m [default: until Ctrl-C]
    #[arg(long, value_parser = duration, allow_hyphen_values = true)]
    duration: Option<Duration>,
    /// Make no calls; print how to make them yourself
    #[arg(long)]
    no_load: bool,
    /// Of everything that is left to chance: the same seed plays the same demo again
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=u32::MAX), default_value_t = 40)]
    seed: u64,
    #[command(flatten)]
    ports: Ports,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// YAML files with RateLimitPolicies; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct HealthcheckArgs {
    /// Address of the probes
    #[arg(long, env = "SIDECAR_METRICS_HOST", value_name = "ADDRESS", value_parser = ip_address)]
    #[arg(default_value_t = Ipv4Addr::LOCALHOST.into())]
    metrics_host: IpAddr,
    /// Port of the probes
    #[arg(long, env = "SIDECAR_METRICS_PORT", value_name = "PORT", value_parser = whole::<u16>(1..=65_535))]
    #[arg(default_value_t = ADMIN_PORT)]
    metrics_port: u16,
    /// Address of the proxy, for --call
    #[arg(long, env = "SIDECAR_HOST", value_name = "ADDRESS", value_parser = ip_address)]
    #[arg(default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: IpAddr,
    /// Port of the proxy, for --call
    #[arg(long, env = "SIDECAR_PORT", value_parser = whole::<u16>(1..=65_535))]
    #[arg(default_value_t = PROXY_PORT)]
    port: u16,
    /// Ask whether requests are taken, rather than whether a restart would help
    #[arg(long)]
    readiness: bool,
    /// Ask the upstream for its models through the proxy; any answer but a server's fault will do
    #[arg(long, conflicts_with = "readiness")]
    call: bool,
}

impl RunArgs {
    pub(super) fn resolve(self) -> Result<Run, Stop> {
        let (proxy_addr, admin_addr) = self.ports.on(self.host, self.metrics_host)?;
        let config = Config {
            proxy_addr,
            admin_addr,
            provider: self.provider,
            key: key_source(self.api_key_file)?,
            policy: self.policy.resolve()?,
            bootstrap: self.bootstrap.resolve(),
            ..Config::new(self.upstream)
        };
        let grace = Duration::from_secs(self.drain_seconds);
        Ok(Run { config, grace, log: self.log.or(LevelFilter::INFO, Format::Json) })
    }
}

impl DemoArgs {
    /// The table has the terminal to itself: only errors are logged, for people.
    pub(super) fn resolve(self) -> Result<Demo, Stop> {
        self.ports.on(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into())?;
        let options = demo::Options {
            rpm: self.rpm,
            upstream_rpm: self.upstream_rpm.unwrap_or(self.rpm),
            upstream_steps: self.upstream_step,
            tenant_rpm: self.tenant_rpm.unwrap_or(0),
            duration: self.duration,
            no_load: self.no_load,
            seed: self.seed,
            port: self.ports.port,
            metrics_port: self.ports.metrics_port,
        };
        Ok(Demo { options, log: self.log.or(LevelFilter::ERROR, Format::Text) })
    }
}

impl HealthcheckArgs {
    pub(super) fn resolve(self) -> (SocketAddr, Question) {
        let (host, port, question) = match (self.call, self.readiness) {
            (true, _) => (self.host, self.port, Question::Call),
            (false, true) => (self.metrics_host, self.metrics_port, Question::Ready),
            (false, false) => (self.metrics_host, self.metrics_port, Question::Live),
        };
        (SocketAddr::new(reachable(host), port), question)
    }
}

/// An address to listen on everywhere is none to connect to: the local one is meant.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host @ (IpAddr::V4(_) | IpAddr::V6(_)) => host,
    }
}

impl PolicyArgs {
    /// A namespace and a cache without a policy's name mean nothing, and harm nothing: manifests may set them always.
    fn resolve(self) -> Result<Source, Stop> {
        match (self.policy, self.policy_file) {
            (None, None) => Ok(Source::Environment),
            (None, Some(file)) => Ok(Source::File(file)),
            (Some(name), None) => Ok(Source::Cluster(Named {
                name,
                namespace: self.policy_namespace,
                cache: self.policy_cache,
            })),
            (Some(name), Some(file)) => Err(Stop::Usage(format!(
                "pacer: --policy (SIDECAR_POLICY) is {name:?} and --policy-file (SIDECAR_POLICY_FILE) is {}: \
                 set one of them",
                file.display()
            ))),
        }
    }
}

impl Ports {
    /// The two addresses to listen on, which must not be one.
    fn on(&self, host: IpAddr, metrics_host: IpAddr) -> Result<(SocketAddr, SocketAddr), Stop> {
        let Self { port, metrics_port } = *self;
        let overlap = host == metrics_host || host.is_unspecified() || metrics_host.is_unspecified();
        if port != 0 && port == metrics_port && overlap {
            return Err(Stop::Usage(format!(
                "pacer: --port (SIDECAR_PORT) and --metrics-port (SIDECAR_METRICS_PORT) are both {port}: \
                 choose two different ports"
            )));
        }
        Ok((SocketAddr::new(host, port), SocketAddr::new(metrics_host, metrics_port)))
    }
}

impl LogArgs {
    fn or(self, level: LevelFilter, format: Format) -> Log {
        Log {
            filter: self.log_level.unwrap_or_else(|| Filter::from_level(level)),
            format: self.log_format.unwrap_or(format),
        }
    }
}

/// The key from the file or the variable; its value is in no message.
fn key_source(file: Option<PathBuf>) -> Result<KeySource, Stop> {
    let usage = |fault: String| Stop::Usage(format!("pacer: SIDECAR_API_KEY: {fault}"));
    match (file, variable("SIDECAR_API_KEY")) {
        (None, None) => Ok(KeySource::None),
        (Some(file), None) => Ok(KeySource::File(file)),
        (Some(_), Some(_)) => {
            Err(usage("cannot be used with --api-key-file (SIDECAR_API_KEY_FILE): set one of them".into()))
        }
        (None, Some(key)) => {
            let key = key.into_string().map_err(|_| usage("the value is not text".into()))?;
            ApiKey::try_from(key).map(KeySource::Value).map_err(|fault| usage(fault.to_string()))
        }
    }
}
