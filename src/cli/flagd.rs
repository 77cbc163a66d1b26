//! Arguments about flagd's clients, the same for `tidegate node` and `tidegate serve`.

use clap::Args;
use std::net::SocketAddr;

/// Where flagd's clients are answered, and which.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FlagdArgs {
    /// Where to answer flagd clients that ask for evaluations; flagd's own port is 8013
    #[arg(long, env = "TIDEGATE_FLAGD_EVALUATION", value_name = "ADDRESS")]
    pub(crate) flagd_evaluation: Option<SocketAddr>,
    /// Where to answer flagd clients that evaluate by themselves; flagd's own port is 8015
    #[arg(long, env = "TIDEGATE_FLAGD_SYNC", value_name = "ADDRESS")]
    pub(crate) flagd_sync: Option<SocketAddr>,
    /// Let in flagd clients without a token from other machines too: most cannot show any
    #[arg(long)]
    pub(crate) flagd_open: bool,
}
