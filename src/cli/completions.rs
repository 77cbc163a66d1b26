//! `tidegate completions`: what a shell needs to complete the other commands.

use super::Cli;
use super::failure::Failure;
use super::screen;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// For which shell.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  tidegate completions bash > /etc/bash_completion.d/tidegate")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Writes the completions to standard output.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidegate", &mut text);
    screen::print(&String::from_utf8_lossy(&text))
}
