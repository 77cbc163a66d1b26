//! Arguments of `tidegate demo`.

use clap::Args;
use std::path::PathBuf;
use url::Url;

/// How to show the demo.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  tidegate demo
  tidegate demo --no-prometheus --once

Starts a control plane, a shop with generated shoppers and, if the program is installed, a Prometheus:
all on this machine, on free ports, in a folder that is removed at the end. Then it opens two features
of the shop; one of them fails.")]
pub(crate) struct DemoArgs {
    /// Use this Prometheus; it must scrape the shop, whose address is printed [default: start one if the
    /// program `prometheus` is installed]
    #[arg(long, value_name = "URL", conflicts_with = "no_prometheus", value_parser = super::address)]
    pub(crate) prometheus: Option<Url>,
    /// Judge by the metric events that the shop sends, without any Prometheus
    #[arg(long)]
    pub(crate) no_prometheus: bool,
    /// The shop's program [default: tidegate-shop beside this program]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) shop: Option<PathBuf>,
    /// End when both rollouts have ended, instead of going on until Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
}
