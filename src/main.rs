//! The `tidegate` program: control plane, evaluation node and command line in one.

mod cli;
#[expect(dead_code, reason = "called by the composition root, which comes next")]
mod http;
#[expect(dead_code, reason = "called by the composition root, which comes next")]
mod telemetry;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "called by the composition root, which comes next")
)]
mod tokens;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}

// Each gives way to a file of its own.
mod serve {
    pub(crate) fn run(_: crate::cli::serve::ServeArgs) -> Result<(), crate::cli::failure::Failure> {
        Err(crate::cli::failure::Failure::input(
            "serve",
            "is not in this build",
            "use a later one",
        ))
    }
}
mod node_process {
    pub(crate) fn run(_: crate::cli::node::NodeArgs) -> Result<(), crate::cli::failure::Failure> {
        Err(crate::cli::failure::Failure::input(
            "node",
            "is not in this build",
            "use a later one",
        ))
    }
}
mod demo {
    pub(crate) fn run(_: crate::cli::demo::DemoArgs) -> Result<(), crate::cli::failure::Failure> {
        Err(crate::cli::failure::Failure::input(
            "demo",
            "is not in this build",
            "use a later one",
        ))
    }
}
