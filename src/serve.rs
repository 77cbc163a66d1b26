//! `tidegate serve`: where the store, the actors, the HTTP API and the embedded nodes are put
//! together. The only file that knows all of them.

use crate::cli::failure::Failure;
use crate::cli::serve::ServeArgs;
use crate::embedded::{Inside, OwnTokens};
use crate::heads::HeadSigner;
use crate::http::{self, ApiState};
use crate::observation_logs::{ObservationLogs, line_of_embedded};
use crate::observation_metrics::ObservationCollector;
use crate::policy_folder::PolicyFolder;
use crate::store_metrics::StoreCollector;
use crate::{flagd, signals, telemetry, tokens};
use futures_util::future::join_all;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_actors::clock::{Clock, SystemClock};
use tidegate_actors::control::{ControlPlane, Parts};
use tidegate_actors::keys::KeyBook;
use tidegate_actors::measures::Measures;
use tidegate_actors::notices::{Cursors, Target, Targets};
use tidegate_actors::prometheus::PrometheusSource;
use tidegate_actors::question::MetricSource;
use tidegate_model::change::{EntityState, Kind};
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::policy::read;
use tidegate_node::Node;
use tidegate_node::flagd::Flagd;
use tidegate_replica::{Replica, ReplicaSettings, Trust};
use tidegate_store::{EmbeddedStore, HeadFile, OpenReport, Store, StoreError, ViewReport};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Worker threads of the HTTP server.
const HTTP_WORKERS: usize = 2;

/// How long the store may take to finish what waits and to sync. With what requests may take, the process ends within
/// 10 s (faults.md F60).
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// How many bytes of observations may wait in the embedded node of an environment. Little: the log that they wait for is in
/// the same process, and what waits while the disk is nearly full takes from the room that rollbacks have.
const EMBEDDED_LINE_BYTES_MAX: u64 = 32 << 20;

/// Runs the control plane until it is told to stop.
///
/// # Errors
/// Why it cannot start, or had to stop.
pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    telemetry::init(args.log).map_err(|error| Failure::process("cannot begin to log", error))?;
    actix_rt::System::new().block_on(serve(args))
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    // The address first: a mistake there must leave nothing behind.
    let listener = http::server::listen("--listen", args.listen)?;
    let flagd_addresses = flagd::Addresses::take(&args.flagd)?;
    check_environments(&args.environments)?;
    let source = prometheus(&args)?;
    let targets = targets(&args)?;
    let store = open_store(&args.data).await?;
    if let Some(source) = &source {
        check_prometheus(source, store.as_ref()).await?;
    }
    let keys = KeyBook::open(&args.data, chrono::Utc::now())
        .map_err(|error| Failure::process("cannot sign snapshots", error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let logs = ObservationLogs::open(&args.data, &args.environments, &clock)
        .map_err(|error| Failure::process("cannot open the log of observations", error))?;
    let control = start_control(&args, store.clone(), source, targets, keys, clock, &logs).await?;
    let told = tokens::first_start(&control, &args.data).await;
    let told = told.map_err(|error| Failure::process("cannot make the first admin token", error))?;
    if let Some(folder) = &args.policies {
        watch_policies(folder, &control).await?;
    }
    let (stop, stopped) = watch::channel(false);
    let (nodes, running) = start_nodes(&args, &control, &stopped)?;
    actix_rt::spawn(logs.clone().keep_short(control.clone(), stopped.clone()));
    let heads = HeadSigner::new(store.clone(), control.clone());
    let head_file = HeadFile::open(&args.data)
        .map_err(|error| Failure::process("cannot keep signed heads of the journal", error))?;
    let signing = actix_rt::spawn(heads.clone().run(head_file, stopped.clone()));
    let state = ApiState::new(control.clone()).map_err(|error| Failure::process("cannot measure", error))?;
    let state = state.with_heads(heads);
    let flagd = Flagd::new(nodes.clone()).map_err(|error| Failure::process("cannot measure", error))?;
    measure(&control, &store, &logs).map_err(|error| Failure::process("cannot measure", error))?;
    let server = start_server(listener, &state, &control, &nodes, &flagd)?;
    let answering = flagd_addresses.answer(flagd)?;
    tell(&args, told.as_deref());

    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    let outcome = tokio::select! {
        () = signals::asked_to_stop() => Ok(()),
        failure = control.storage_failed() => Err(Failure::process(
            "stopped because nothing can be stored any more; start it again when the cause is gone",
            std::io::Error::other(failure),
        )),
    };
    tracing::info!("stopping");
    // Nobody listens only when everything has stopped already.
    let _everybody_stopped = stop.send(true);
    state.publications().close();
    // The nodes hand in what they still have: the log is closed after them.
    let nodes_stop = tokio::time::timeout(CLOSE_PATIENCE, join_all(running));
    // What they could not hand in waits in the data folder.
    let _ended = tokio::join!(answering.stop(), handle.stop(outcome.is_ok()), nodes_stop);
    // The server has ended, or was cut off; both are what was asked for.
    let _ended = serving.await;
    // The last head; without it the next start's first says the same with fewer steps.
    let _signed = signing.await;
    let (closed, logs_closed) = tokio::join!(
        tokio::time::timeout(CLOSE_PATIENCE, store.close()),
        tokio::time::timeout(CLOSE_PATIENCE, logs.close()),
    );
    if logs_closed.is_err() {
        // What was acknowledged is on the disk.
        tracing::warn!(
            "the disk does not answer within {CLOSE_PATIENCE:?}: the log of observations was not closed"
        );
    }
    let closed = closed.unwrap_or_else(|_elapsed| {
        let why = format!("the disk does not answer within {CLOSE_PATIENCE:?}");
        Err(StoreError::Stopped(why))
    });
    outcome.and(closed.map_err(|error| Failure::process("the data folder was not closed", error)))
}

/// What the store and the logs of observations say of themselves is asked with everything else.
fn measure(
    control: &ControlPlane,
    store: &Arc<EmbeddedStore>,
    logs: &ObservationLogs,
) -> prometheus::Result<()> {
    let registry = control.registry();
    registry.register(Box::new(StoreCollector::new(store.clone())?))?;
    registry.register(Box::new(ObservationCollector::new(logs.clone())?))
}

fn check_environments(environments: &[EnvironmentKey]) -> Result<(), Failure> {
    match environments
        .iter()
        .find(|environment| environment.as_str() == http::RESERVED_ENVIRONMENT)
    {
        Some(reserved) => Err(Failure::input(
            format!("--environment {reserved}"),
            "the API's paths have another meaning for this name",
            "choose another name",
        )),
        None => Ok(()),
    }
}

fn prometheus(args: &ServeArgs) -> Result<Option<PrometheusSource>, Failure> {
    let Some(url) = &args.prometheus else {
        return Ok(None);
    };
    let bearer = args.prometheus_bearer_file.as_deref().map(|file| {
        std::fs::read_to_string(file).map_err(|error| {
            Failure::input(
                file.display(),
                format!("cannot be read: {error}"),
                "check the path",
            )
        })
    });
    let bearer = bearer.transpose()?;
    let source = PrometheusSource::new(url.as_str(), bearer.as_deref().map(str::trim));
    source
        .map(Some)
        .map_err(|error| Failure::input("--prometheus", error, "check the address"))
}

/// Where notices, alerts and questions may be sent.
fn targets(args: &ServeArgs) -> Result<Targets, Failure> {
    let Some(file) = &args.targets else {
        return Ok(Targets::default());
    };
    let text = crate::cli::read_text(file)?;
    let (definitions, diagnostics) = read::targets(&text);
    let Some(definitions) = definitions else {
        let found: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        return Err(Failure::input(
            format!("--targets {}", file.display()),
            found.join("\n"),
            "docs/alerts.md shows such a file",
        ));
    };
    let targets: Result<Vec<Target>, _> = definitions.into_iter().map(Target::open).collect();
    let unusable = |error| Failure::input(format!("--targets {}", file.display()), error, "mend it");
    targets.map(Targets::new).map_err(unusable)
}

/// A Prometheus that does not answer is most likely a wrong address, and that is said at once. But
/// while rollouts are under way the control plane starts all the same: somebody may need it to roll
/// back, and the rules hold by themselves.
async fn check_prometheus(source: &PrometheusSource, store: &dyn Store) -> Result<(), Failure> {
    let Err(error) = source.check().await else {
        tracing::info!(address = %source.address(), "prometheus answers");
        return Ok(());
    };
    let rollouts = store
        .list(Kind::Rollout, None)
        .await
        .map_err(|error| Failure::process("cannot read", error))?;
    let under_way =
        |state: &EntityState| matches!(state, EntityState::Rollout(rollout) if !rollout.has_ended());
    if rollouts.iter().any(|stored| under_way(&stored.state)) {
        tracing::error!(%error, "starting all the same, because rollouts are under way; they hold until it answers");
        return Ok(());
    }
    Err(Failure::PrometheusAway { source: error })
}

async fn open_store(folder: &Path) -> Result<Arc<EmbeddedStore>, Failure> {
    let path = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(path)).await;
    let opened = opened.map_err(|error| Failure::process("cannot open the data folder", error))?;
    let (store, report) = opened.map_err(|error| refuse_store(folder, error))?;
    tell_of_store(folder, &report);
    Ok(Arc::new(store))
}

fn tell_of_store(folder: &Path, report: &OpenReport) {
    let OpenReport {
        epoch, head, created, ..
    } = report;
    tracing::info!(folder = %folder.display(), epoch, head, created, "data folder opened");
    if let Some(torn) = &report.torn {
        tracing::warn!(?torn, "an interrupted write that nobody was told of was cut off");
    }
    match &report.view {
        ViewReport::Loaded { .. } => {}
        ViewReport::Rebuilt { .. } => {
            tracing::warn!(view = ?report.view, "the view was made again from the journal");
        }
        ViewReport::Renewed { bytes, most } => {
            tracing::info!(
                bytes,
                most,
                "the view was larger than it may be, and was made again"
            );
        }
        ViewReport::Away { why } => tracing::warn!(why, "there is no view, and no room to make one"),
    }
}

/// Why a data folder cannot be used.
pub(crate) fn refuse_store(folder: &Path, error: StoreError) -> Failure {
    match error {
        StoreError::InUse { holder, .. } => Failure::DataFolderInUse {
            folder: folder.to_owned(),
            holder: Some(holder).filter(|it| !it.is_empty()),
        },
        StoreError::Damaged { .. } | StoreError::TooNew { .. } => Failure::DataDamaged {
            folder: folder.to_owned(),
            detail: error.to_string(),
        },
        StoreError::Archived { oldest } => Failure::input(
            folder.display(),
            format!("records before {oldest} were moved to an archive"),
            "name it with --archive FOLDER",
        ),
        other => Failure::process(format!("cannot use the data folder {}", folder.display()), other),
    }
}

async fn start_control(
    args: &ServeArgs,
    store: Arc<EmbeddedStore>,
    source: Option<PrometheusSource>,
    targets: Targets,
    keys: KeyBook,
    clock: Arc<dyn Clock>,
    logs: &ObservationLogs,
) -> Result<ControlPlane, Failure> {
    let measures = Measures::new().map_err(|error| Failure::process("cannot measure", error))?;
    let parts = Parts {
        store,
        clock,
        source: source.map(|source| Arc::new(source) as Arc<dyn MetricSource>),
        environments: args.environments.clone(),
        measures,
        keys,
        targets,
        cursors: Cursors::open(&args.data)
            .map_err(|error| Failure::process("cannot keep how far notices were told", error))?,
        observatories: logs.observatories(),
    };
    ControlPlane::start(parts)
        .await
        .map_err(|error| Failure::process("cannot read the data folder", error))
}

async fn watch_policies(folder: &Path, control: &ControlPlane) -> Result<(), Failure> {
    if !folder.is_dir() {
        return Err(Failure::input(
            format!("--policies {}", folder.display()),
            "there is no such folder",
            "make it, or give another one",
        ));
    }
    let mut policies = PolicyFolder::new(folder.to_owned(), control.clone());
    policies.read().await;
    actix_rt::spawn(policies.watch());
    Ok(())
}

/// One embedded node for each environment, and what ends when they have.
fn start_nodes(
    args: &ServeArgs,
    control: &ControlPlane,
    stopped: &watch::Receiver<bool>,
) -> Result<(Vec<Node>, Vec<JoinHandle<()>>), Failure> {
    let (mut nodes, mut all_running) = (Vec::new(), Vec::new());
    for environment in control.environments() {
        let name = NodeName::new("embedded")
            .map_err(|error| Failure::input("node", error, "choose another name"))?;
        let access = OwnTokens {
            control: control.clone(),
            environment: environment.clone(),
        };
        let settings = ReplicaSettings {
            name,
            environment: environment.clone(),
            // What it serves is in the store.
            folder: None,
            trust: Trust::Channel,
            spool_bytes_max: EMBEDDED_LINE_BYTES_MAX,
        };
        // A unit that was told its arm is recorded, also if the process is killed before the log has it.
        let replica = Replica::with_line_in(settings, &line_of_embedded(&args.data, environment));
        let replica = replica.map_err(|error| Failure::process("cannot start the embedded node", error))?;
        let node = Node::new(replica, Arc::new(access))
            .map_err(|error| Failure::process("cannot measure the embedded node", error))?;
        let node = match args.rate_limit {
            Some(per_second) => node.with_rate_limit(per_second),
            None => node,
        };
        let upstream = Arc::new(Inside {
            control: control.clone(),
            environment: environment.clone(),
        });
        let (running, mut stopped) = (node.clone(), stopped.clone());
        all_running.push(actix_rt::spawn(async move {
            // The sender is gone only when the process is ending, which is a reason to stop too.
            let shutdown = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
            running.run(upstream, shutdown).await;
        }));
        nodes.push(node);
    }
    Ok((nodes, all_running))
}

fn start_server(
    listener: TcpListener,
    state: &ApiState,
    control: &ControlPlane,
    nodes: &[Node],
    flagd: &Flagd,
) -> Result<actix_web::dev::Server, Failure> {
    let cannot_measure = |error: prometheus::Error| Failure::process("cannot measure", error);
    let replicas = nodes.iter().map(|node| node.replica().clone()).collect();
    let of_nodes = Box::new(tidegate_replica::collector(replicas));
    control.registry().register(of_nodes).map_err(cannot_measure)?;
    let (state, routes) = (state.clone(), tidegate_node::routes(nodes.to_vec()));
    let sync = flagd.routes();
    let server = http::server::serve(listener, HTTP_WORKERS, move |config| {
        config.configure(routes.clone()).configure(sync.clone());
        http::configure(config, state.clone());
    });
    server.map_err(|error| Failure::process("cannot serve", error))
}

/// The few lines that somebody who starts it by hand wants to see.
#[expect(clippy::print_stdout, reason = "this is what the command answers")]
fn tell(args: &ServeArgs, token: Option<&Path>) {
    let environments: Vec<&str> = args.environments.iter().map(EnvironmentKey::as_str).collect();
    println!(
        "tidegate serves {} on http://{}",
        environments.join(", "),
        args.listen
    );
    println!("  API documentation  http://{}/docs/", args.listen);
    match token {
        Some(file) => println!("  admin token        {} (made just now)", file.display()),
        None => println!("  admin token        made at the first start"),
    }
    match &args.prometheus {
        Some(url) => println!("  safety rules ask   {url}"),
        None => println!("  safety rules ask   metric events only; name a Prometheus with --prometheus"),
    }
    flagd::tell(&args.flagd);
}
