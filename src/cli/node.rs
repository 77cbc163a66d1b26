//! Arguments of `tidegate node`.

use crate::cli::flagd::FlagdArgs;
use crate::telemetry::LogFormat;
use clap::Args;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use tidegate_model::key::{EnvironmentKey, NodeName};
use url::Url;

/// How to run an evaluation node.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  tidegate node --upstream https://tidegate.internal:7430 --token-file /etc/tidegate/node-token \\
    --client-token-file /etc/tidegate/client-token --data /var/lib/tidegate-node

It keeps the last good snapshot in DATA and serves it even when it starts without its upstream.")]
pub(crate) struct NodeArgs {
    /// The control plane, or another node, that snapshots come from
    #[arg(long, env = "TIDEGATE_UPSTREAM", value_name = "URL", value_parser = super::address)]
    pub(crate) upstream: Url,
    /// The environment to serve
    #[arg(
        long,
        short,
        env = "TIDEGATE_ENVIRONMENT",
        default_value = "production",
        value_parser = super::named::<EnvironmentKey>
    )]
    pub(crate) environment: EnvironmentKey,
    /// File with a token of the role `node`, shown to the upstream
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: PathBuf,
    /// The folder that keeps the last good snapshot; made if it does not exist
    #[arg(
        long,
        env = "TIDEGATE_DATA",
        default_value = "node-data",
        value_name = "FOLDER"
    )]
    pub(crate) data: PathBuf,
    /// Where to listen for evaluations and events
    #[arg(long, env = "TIDEGATE_LISTEN", default_value = "127.0.0.1:7431")]
    pub(crate) listen: SocketAddr,
    /// What it calls itself; must differ between nodes [default: the host's name and the port]
    #[arg(long, value_parser = super::named::<NodeName>)]
    pub(crate) name: Option<NodeName>,
    /// A public key that snapshots may be signed with, in base64, or a file with one key a line; may be given
    /// several times [default: the keys that the upstream tells at the first contact]
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) trusted_key: Vec<String>,
    /// File with the tokens that callers may show, one a line, after `server` if it may see every flag
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "open",
        required_unless_present = "open"
    )]
    pub(crate) client_token_file: Option<PathBuf>,
    /// Answer everybody who can reach it, without any token
    #[arg(long)]
    pub(crate) open: bool,
    /// File with the tokens that other nodes may show, one a line: they may then name this node as their
    /// upstream [default: no node may]
    #[arg(long, value_name = "FILE")]
    pub(crate) child_token_file: Option<PathBuf>,
    /// Most requests a second for each token that evaluates; more are answered with 429
    #[arg(long, env = "TIDEGATE_RATE_LIMIT", value_name = "NUMBER")]
    pub(crate) rate_limit: Option<NonZeroU32>,
    /// Most mebibytes of observations of experiments that wait in DATA while the upstream is away; when they are full,
    /// units are left out of experiments
    #[arg(long, env = "TIDEGATE_SPOOL", default_value = "256", value_name = "MIB")]
    pub(crate) spool_mib: NonZeroU32,
    #[command(flatten, next_help_heading = "flagd")]
    pub(crate) flagd: FlagdArgs,
    /// How to write the log to standard error; TIDEGATE_LOG says how much of it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: LogFormat,
}
