//! The `tidegate` program: control plane, evaluation node and command line in one.

mod cli;

mod heads;
mod http;
mod telemetry;
mod tokens;

mod demo;
mod embedded;
mod flagd;
mod node_process;
mod observation_logs;
mod observation_metrics;
mod policy_folder;
mod publications;
mod serve;
mod signals;
mod store_metrics;

use std::process::ExitCode;

/// Thousands of actors that take turns on a few threads leave the usual allocator with holes for a third of its memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Whoever speaks TLS in this process speaks it through ring. Only a second choice is refused.
    let _first_choice = rustls::crypto::ring::default_provider().install_default();
    cli::run()
}
