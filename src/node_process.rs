//! `tidegate node`: an evaluation node in a process of its own.

use crate::cli::failure::Failure;
use crate::cli::node::NodeArgs;
use crate::{http, signals, telemetry};
use std::path::Path;
use std::sync::Arc;
use tidegate_node::{ClientAccess, Node, OpenAccess, TokenFile};
use tidegate_replica::{HttpUpstream, Replica, ReplicaSettings};

/// Worker threads of the HTTP server.
const HTTP_WORKERS: usize = 2;

/// Runs the node until it is told to stop.
///
/// # Errors
/// Why it cannot start.
pub(crate) fn run(args: NodeArgs) -> Result<(), Failure> {
    telemetry::init(args.log).map_err(|error| Failure::process("cannot begin to log", error))?;
    actix_rt::System::new().block_on(serve(args))
}

async fn serve(args: NodeArgs) -> Result<(), Failure> {
    let listener = http::server::listen(args.listen)?;
    let access: Arc<dyn ClientAccess> = match &args.client_token_file {
        Some(file) => Arc::new(TokenFile::read(file).map_err(|error| refuse(file, error))?),
        None => Arc::new(OpenAccess),
    };
    let secret =
        std::fs::read_to_string(&args.token_file).map_err(|error| refuse(&args.token_file, error))?;
    let upstream = HttpUpstream::new(args.upstream.as_str(), &args.environment, secret.trim())
        .map_err(|error| Failure::input("--upstream", error, "check the address and the token"))?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| tidegate_node::default_name(args.listen.port()));
    let replica = Replica::new(ReplicaSettings {
        name,
        environment: args.environment.clone(),
        folder: Some(args.data.clone()),
    });
    let replica = replica.map_err(|error| Failure::process("cannot start the node", error))?;
    let node =
        Node::new(replica, access).map_err(|error| Failure::process("cannot measure the node", error))?;
    let node = match args.rate_limit {
        Some(per_second) => node.with_rate_limit(per_second),
        None => node,
    };

    let (routes, probes) = (
        tidegate_node::routes(vec![node.clone()]),
        tidegate_node::probes(node.clone()),
    );
    let server = http::server::serve(listener, HTTP_WORKERS, move |config| {
        config.configure(probes.clone()).configure(routes.clone());
    });
    let server = server.map_err(|error| Failure::process("cannot serve", error))?;
    tell(&args, node.replica());
    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    node.run(Arc::new(upstream), signals::asked_to_stop()).await;
    tracing::info!("stopping");
    handle.stop(true).await;
    // The server has ended, or was cut off; both are what was asked for.
    let _ended = serving.await;
    Ok(())
}

fn refuse(file: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::input(file.display(), error, "check the path and what the file holds")
}

/// The few lines that somebody who starts it by hand wants to see.
#[expect(clippy::print_stdout, reason = "this is what the command answers")]
fn tell(args: &NodeArgs, replica: &Replica) {
    println!(
        "tidegate node {} serves {} on http://{}",
        replica.name(),
        args.environment,
        args.listen
    );
    println!("  snapshots from     {}", args.upstream);
    match &args.client_token_file {
        Some(file) => println!("  clients            those with a token in {}", file.display()),
        None => println!("  clients            everybody who can reach it (--open)"),
    }
}
