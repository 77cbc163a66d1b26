//! `tidegate node`: an evaluation node in a process of its own.

use crate::cli::failure::Failure;
use crate::cli::node::NodeArgs;
use crate::{flagd, http, signals, telemetry};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::snapshot::PublicKey;
use tidegate_node::flagd::Flagd;
use tidegate_node::relay::Relay;
use tidegate_node::{Admission, ClientAccess, Node, OpenAccess, TokenFile};
use tidegate_replica::{HttpUpstream, Replica, ReplicaSettings, Trust, Upstream};

/// How often changed tokens of nodes are looked for (X7 of faults.md asks for five seconds).
const TOKENS_REFRESH: Duration = Duration::from_secs(4);

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
    let listener = http::server::listen("--listen", args.listen)?;
    let flagd_addresses = flagd::Addresses::take(&args.flagd)?;
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
        trust: trust(&args.trusted_key)?,
        spool_bytes_max: u64::from(args.spool_mib.get()) << 20,
    });
    let replica = replica.map_err(|error| Failure::process("cannot start the node", error))?;
    let node =
        Node::new(replica, access).map_err(|error| Failure::process("cannot measure the node", error))?;
    let node = match args.rate_limit {
        Some(per_second) => node.with_rate_limit(per_second),
        None => node,
    };

    let upstream: Arc<dyn Upstream> = Arc::new(upstream);
    let relay = args.child_token_file.as_deref();
    let relay = relay
        .map(|tokens| relay_for(tokens, &node, &upstream))
        .transpose()?;
    let flagd = Flagd::new(vec![node.clone()]).map_err(|error| Failure::process("cannot measure", error))?;
    let (routes, probes, sync) = (
        tidegate_node::routes(vec![node.clone()]),
        tidegate_node::probes(node.clone()),
        flagd.routes(),
    );
    let server = http::server::serve(listener, HTTP_WORKERS, move |config| {
        config
            .configure(probes.clone())
            .configure(routes.clone())
            .configure(sync.clone());
        if let Some(relay) = &relay {
            config.configure(tidegate_node::relay::routes(Arc::clone(relay)));
        }
    });
    let server = server.map_err(|error| Failure::process("cannot serve", error))?;
    tell(&args, node.replica());
    let answering = flagd_addresses.answer(flagd)?;
    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    node.run(upstream, signals::asked_to_stop()).await;
    tracing::info!("stopping");
    node.replica().publication().close();
    tokio::join!(answering.stop(), handle.stop(true));
    // The server has ended, or was cut off; both are what was asked for.
    let _ended = serving.await;
    Ok(())
}

/// What nodes below this one ask. Changed tokens count within seconds.
fn relay_for(tokens: &Path, node: &Node, upstream: &Arc<dyn Upstream>) -> Result<Arc<Relay>, Failure> {
    let file = TokenFile::read(tokens).map_err(|error| refuse(tokens, error))?;
    let file = Arc::new(file);
    let fresh = Arc::clone(&file);
    actix_rt::spawn(async move {
        loop {
            tokio::time::sleep(TOKENS_REFRESH).await;
            let fresh = Arc::clone(&fresh);
            // A panic in there leaves the tokens as they were.
            let _ = tokio::task::spawn_blocking(move || fresh.refresh()).await;
        }
    });
    let admits = move |secret: Option<&str>| matches!(file.admit(secret), Admission::Granted(_));
    Ok(Arc::new(Relay::new(node.clone(), Arc::clone(upstream), admits)))
}

/// The keys that were named; else those that upstream tells first.
fn trust(named: &[String]) -> Result<Trust, Failure> {
    match named {
        [] => Ok(Trust::FirstContact),
        named => keys(named).map(Trust::Named),
    }
}

/// The public keys that were named, each by itself or in a file with one key a line. At least one.
pub(crate) fn keys(named: &[String]) -> Result<Vec<PublicKey>, Failure> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for one in named {
        if let Ok(key) = one.parse() {
            keys.push(key);
            continue;
        }
        let file = Path::new(one);
        let text = std::fs::read_to_string(file).map_err(|error| {
            let what = format!("neither a public key nor a file that can be read ({error})");
            Failure::input(format!("--trusted-key {one}"), what, "see: tidegate key list")
        })?;
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            keys.push(line.parse().map_err(|error: String| refuse(file, error))?);
        }
    }
    match keys.is_empty() {
        true => Err(Failure::input(
            "--trusted-key",
            "the files have no key, so nobody could be believed",
            "see: tidegate key list",
        )),
        false => Ok(keys),
    }
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
    flagd::tell(&args.flagd);
}
