//! `tidegate stats`: data of others analysed, and the statistics checked, without any control plane.

use super::failure::Failure;
use clap::{Args, Subcommand};
use std::path::Path;

mod analyze;
mod check;
mod simulate;

/// What to do with the statistics.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Compare arms of data that never went through Tidegate: a table with a row for each unit, or sums
    #[command(after_help = "Examples:
  tidegate stats analyze shop.csv --arm group --control old --metric bought --metric spent:mean
  tidegate stats analyze pages.csv --unit user --metric latency=ms:p90 --goal decrease --format html --out report.html
  tidegate stats analyze jobs.csv --metric earned --covariate earned=earned_before --expected 0=50 --expected 1=50
  printf '{\"control\":\"a\",\"metrics\":[{\"name\":\"bought\",\"arms\":{\"a\":{\"n\":900,\"events\":90},\"b\":{\"n\":900,\"events\":130}}}]}' \\
    | tidegate stats analyze --from-json -

Rows are read one by one, so a table may be larger than memory. docs/statistics.md explains the methods")]
    Analyze(Box<analyze::Analyze>),
    /// Compare the statistics with the numbers of other packages: a line for each failing case, and last how many
    #[command(after_help = "Examples:
  tidegate stats check core/stats/tests/reference/means.json
  tidegate stats check vectors.json --json

Exit code 0 if nothing failed and nothing was unsupported, 1 if not")]
    Check(check::Check),
    /// Rerun the simulations: how often tests are wrong, how often they find what is there
    #[command(after_help = "Examples:
  tidegate stats simulate --list
  tidegate stats simulate S1 S9 --scale quick
  tidegate stats simulate --seed 7 --json

The same seed gives the same numbers. Exit code 0 if every number is what it must be, 1 if not.
docs/proof/statistics.md has the numbers of a full run")]
    Simulate(simulate::Simulate),
}

impl StatsArgs {
    pub(super) const fn wants_json(&self) -> bool {
        match &self.verb {
            Verb::Analyze(analyze) => analyze.wants_json(),
            Verb::Check(check) => check.json,
            Verb::Simulate(simulate) => simulate.json,
        }
    }
}

pub(crate) fn run(args: StatsArgs) -> Result<(), Failure> {
    match args.verb {
        Verb::Analyze(analyze) => analyze::run(&analyze),
        Verb::Check(check) => check::run(&check),
        Verb::Simulate(simulate) => simulate::run(&simulate),
    }
}

/// What a file is called in an error.
fn source(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}
