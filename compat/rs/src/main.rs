//! OpenFeature providers of crates.io, unmodified, against a running Tidegate; see ../../README.md.
//!
//! ```text
//! tidegate-compat check ofrep|rpc|in-process   every answer is as expected, or it ends with 1
//! tidegate-compat watch rpc|in-process         a line of JSON for each value of the flag `live`, until it is ended
//! tidegate-compat units in-process             the variation of every unit of ../units.json, as JSON
//! ```

mod check;
mod live;
mod provider;
mod units;

use open_feature::provider::FeatureProvider;
use std::env::args;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let [command, resolver] = arguments.as_slice() else {
        eprintln!("usage: tidegate-compat check|watch|units ofrep|rpc|in-process");
        return ExitCode::from(2);
    };
    let provider: Box<dyn FeatureProvider> = match resolver.as_str() {
        "ofrep" => Box::new(provider::ofrep().await),
        other => Box::new(provider::flagd(other).await),
    };
    let provider = provider.as_ref();
    match command.as_str() {
        "watch" => live::watch(provider).await,
        "units" => println!("{}", units::dealt(provider).await),
        _ => {
            let mut findings = check::check(resolver, provider).await;
            if resolver == "ofrep" {
                findings.extend(live::follow(provider).await);
            }
            for line in &findings {
                eprintln!("{line}");
            }
            if !findings.is_empty() {
                return ExitCode::FAILURE;
            }
            println!("{resolver}: every answer is as expected");
        }
    }
    ExitCode::SUCCESS
}
