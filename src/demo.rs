//! `tidegate demo`: the whole thing at work on one machine.
//!
//! Every part is the real one in a process of its own: a control plane, an evaluation node, a shop
//! with generated shoppers, and a Prometheus if there is one. Two features are opened; one of them
//! fails and is shut.

use crate::cli::client::Client;
use crate::cli::demo::DemoArgs;
use crate::cli::failure::Failure;
use crate::signals;
use cast::Cast;
use std::time::Duration;
use timeline::Timeline;

mod cast;
mod stopwatch;
mod story;
mod timeline;

/// Shows the demo until Ctrl-C, or with `--once` until both rollouts have ended.
///
/// # Errors
/// What could not be started, or did not end as it should.
pub(crate) fn run(args: DemoArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::process("cannot start", error))?;
    runtime.block_on(show(args))
}

async fn show(args: DemoArgs) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::process("cannot make a folder", error))?;
    let mut timeline = Timeline::begin();
    let staged = tokio::select! {
        staged = perform(&args, folder.path(), &mut timeline) => staged?,
        () = signals::asked_to_stop() => return Ok(()),
    };
    if !args.once {
        story::tell_what_to_try(&staged);
        signals::asked_to_stop().await;
        timeline.say("stopping");
    }
    staged.dismiss().await;
    Ok(())
}

/// Puts everything on stage and plays the two rollouts to their ends.
async fn perform(
    args: &DemoArgs,
    folder: &std::path::Path,
    timeline: &mut Timeline,
) -> Result<Cast, Failure> {
    let cast = Cast::assemble(args, folder, timeline).await?;
    let client = Client::new(&cast.target())?;
    story::play(&cast, &client, timeline).await?;
    Ok(cast)
}

/// How often something is asked that is expected to become true soon.
const EAGERLY: Duration = Duration::from_millis(25);
