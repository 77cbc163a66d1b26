//! Arguments of `tidegate serve`.

use crate::cli::flagd::FlagdArgs;
use crate::telemetry::LogFormat;
use clap::Args;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use tidegate_model::key::EnvironmentKey;
use url::Url;

/// How to run the control plane.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  tidegate serve
  tidegate serve --policies ./policies --prometheus http://127.0.0.1:9090
  tidegate serve --listen 0.0.0.0:7430 --data /var/lib/tidegate -e production -e staging --log json

The first start writes an admin token to DATA/admin-token.")]
pub(crate) struct ServeArgs {
    /// Where to listen
    #[arg(long, env = "TIDEGATE_LISTEN", default_value = "127.0.0.1:7430")]
    pub(crate) listen: SocketAddr,
    /// The folder that holds everything; made if it does not exist
    #[arg(long, env = "TIDEGATE_DATA", default_value = "data", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// An environment to serve; may be given several times
    #[arg(
        long = "environment",
        short,
        value_name = "NAME",
        default_value = "production",
        value_parser = super::named::<EnvironmentKey>
    )]
    pub(crate) environments: Vec<EnvironmentKey>,
    /// A folder of policy files, read now and whenever they change
    #[arg(long, value_name = "FOLDER")]
    pub(crate) policies: Option<PathBuf>,
    /// The Prometheus that safety rules ask
    #[arg(long, env = "TIDEGATE_PROMETHEUS", value_name = "URL", value_parser = super::address)]
    pub(crate) prometheus: Option<Url>,
    /// File with a bearer token for that Prometheus
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    pub(crate) prometheus_bearer_file: Option<PathBuf>,
    /// A file that names where notices, alerts and questions may be sent
    #[arg(long, env = "TIDEGATE_TARGETS", value_name = "FILE")]
    pub(crate) targets: Option<PathBuf>,
    /// Most requests a second for each token that evaluates; more are answered with 429
    #[arg(long, env = "TIDEGATE_RATE_LIMIT", value_name = "NUMBER")]
    pub(crate) rate_limit: Option<NonZeroU32>,
    #[command(flatten, next_help_heading = "flagd")]
    pub(crate) flagd: FlagdArgs,
    /// How to write the log to standard error; TIDEGATE_LOG says how much of it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: LogFormat,
}
