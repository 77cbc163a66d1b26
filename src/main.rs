//! The `tidegate` program: control plane, evaluation node and command line in one.

mod cli;

mod http;
mod telemetry;
mod tokens;

mod demo;
mod embedded;
mod flagd;
mod node_process;
mod policy_folder;
mod publications;
mod serve;
mod signals;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Whoever speaks TLS in this process speaks it through ring. Only a second choice is refused.
    let _first_choice = rustls::crypto::ring::default_provider().install_default();
    cli::run()
}
