use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::PayloadConfig;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::stream;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::observation::{Observation, ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Snapshot, Version};
use tidegate_replica::HttpUpstream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;

/// Long past anything that a test waits for.
const DEADLINE: Duration = Duration::from_secs(60);

/// The token that nodes have to show.
pub(crate) const TOKEN: &str = "node-secret-0123456789";

/// What it says when asked for the newest snapshot.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This snapshot to those who have an older one; the others wait.
    Published(Bytes),
    /// These bytes, whatever the node has.
    Always(Vec<u8>),
    /// The first half of these bytes, announced as all of them.
    Torn(Vec<u8>),
    /// Nothing but this status.
    Status(u16),
}

/// One question of a node.
#[derive(Debug)]
pub(crate) struct Poll {
    pub(crate) after: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) authorization: Option<String>,
}

pub(crate) struct ControlPlane {
    port: u16,
    answer: Arc<watch::Sender<Answer>>,
    polls: UnboundedReceiver<Poll>,
    reports: UnboundedReceiver<NodeReport>,
    pub(crate) kept: Arc<Kept>,
    server: ServerHandle,
}

struct Wire {
    answer: watch::Receiver<Answer>,
    polls: UnboundedSender<Poll>,
    reports: UnboundedSender<NodeReport>,
    kept: Arc<Kept>,
}

impl ControlPlane {
    pub(crate) fn start(answer: Answer) -> Self {
        Self::start_at(0, answer)
    }

    /// At this port, or a free one if it is 0.
    pub(crate) fn start_at(port: u16, answer: Answer) -> Self {
        Self::start_with(port, answer, Arc::default())
    }

    /// With what another one has kept.
    pub(crate) fn start_with(port: u16, answer: Answer, kept: Arc<Kept>) -> Self {
        let (answer, heard) = watch::channel(answer);
        let (polls, polled) = unbounded_channel();
        let (reports, reported) = unbounded_channel();
        let wire = web::Data::new(Wire {
            answer: heard,
            polls,
            reports,
            kept: Arc::clone(&kept),
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(wire.clone())
                .route("/api/v1/production/snapshots/current", web::get().to(current))
                .route("/api/v1/production/nodes/report", web::post().to(report))
                .route("/api/v1/production/observations", web::post().to(observe))
                .app_data(PayloadConfig::new(16 << 20))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", port))
        .unwrap();
        let port = server.addrs()[0].port();
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            port,
            answer: Arc::new(answer),
            polls: polled,
            reports: reported,
            kept,
            server: handle,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A node's way to it.
    pub(crate) fn upstream(&self) -> Arc<HttpUpstream> {
        let url = format!("http://127.0.0.1:{}", self.port);
        Arc::new(HttpUpstream::new(&url, &crate::snapshots::production(), TOKEN).unwrap())
    }

    pub(crate) fn answers(&self, answer: Answer) {
        self.answer.send(answer).unwrap();
    }

    /// The next question of the node.
    pub(crate) async fn poll(&mut self) -> Poll {
        timeout(DEADLINE, self.polls.recv()).await.unwrap().unwrap()
    }

    /// Waits until the node says that it serves this version.
    pub(crate) async fn acknowledged(&mut self, version: Version) {
        let seen = async { while self.reports.recv().await.unwrap().serving != Some(version) {} };
        timeout(DEADLINE, seen).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
    }
}

async fn current(
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
    wire: web::Data<Wire>,
) -> HttpResponse {
    let header = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    let poll = Poll {
        after: query.get("after").cloned(),
        if_none_match: header("if-none-match"),
        authorization: header("authorization"),
    };
    let authorised = poll.authorization == Some(format!("Bearer {TOKEN}"));
    let after: Option<Version> = poll.after.as_ref().map(|after| after.parse().unwrap());
    let _ = wire.polls.send(poll);
    if !authorised {
        return HttpResponse::Unauthorized().finish();
    }
    let wait = query.get("wait").map_or(0, |wait| wait.parse().unwrap());
    let mut answer = wire.answer.clone();
    let news = answer.wait_for(|answer| match answer {
        Answer::Published(bytes) => Some(version(bytes)) > after,
        Answer::Always(_) | Answer::Torn(_) | Answer::Status(_) => true,
    });
    let news = match timeout(Duration::from_secs(wait), news).await {
        Ok(news) => news.unwrap().clone(),
        Err(_) => return HttpResponse::NotModified().finish(),
    };
    match news {
        Answer::Published(bytes) => HttpResponse::Ok()
            .insert_header(("etag", format!("\"{}\"", version(&bytes))))
            .content_type("application/json")
            .body(bytes),
        Answer::Always(bytes) => HttpResponse::Ok().body(bytes),
        Answer::Torn(bytes) => {
            let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
            let cut = Err(std::io::Error::other("cut"));
            HttpResponse::Ok().body(SizedStream::new(
                bytes.len() as u64,
                stream::iter([Ok(half), cut]),
            ))
        }
        Answer::Status(status) => HttpResponse::new(StatusCode::from_u16(status).unwrap()),
    }
}

async fn report(report: web::Json<NodeReport>, wire: web::Data<Wire>) -> HttpResponse {
    let _ = wire.reports.send(report.into_inner());
    HttpResponse::Ok().json(Receipt::default())
}

/// The observations that it took in, each batch once.
#[derive(Default)]
pub(crate) struct Kept {
    batches: Mutex<BTreeMap<(String, u64), ObservationBatch>>,
    /// What becomes of the next batches; those behind are taken.
    pub(crate) fates: Mutex<VecDeque<Fate>>,
    /// Batches that were sent.
    pub(crate) sent: watch::Sender<usize>,
}

/// What becomes of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// The connection breaks before it is taken in.
    Lost,
    /// It breaks after that.
    AnswerLost,
    /// This status.
    Status(u16),
    /// It is taken in, and a power cut could still take it.
    NotYet,
}

impl Kept {
    /// Everything that was taken in, in the order of the lines and their numbers.
    pub(crate) fn all(&self) -> Vec<Observation> {
        let batches = self.batches.lock().unwrap();
        batches
            .values()
            .flat_map(|batch| batch.observations.clone())
            .collect()
    }

    /// Waits until so many were taken in.
    pub(crate) async fn are(&self, many: usize) -> Vec<Observation> {
        let mut sent = self.sent.subscribe();
        let enough = sent.wait_for(|_| self.all().len() >= many);
        timeout(DEADLINE, enough).await.unwrap().unwrap();
        self.all()
    }

    fn take(&self, batch: ObservationBatch) {
        assert!(batch.observations.len() <= 10_000);
        let known = (batch.spool.clone(), batch.number);
        let mut batches = self.batches.lock().unwrap();
        let before = batches.insert(known, batch.clone());
        assert!(
            before.is_none_or(|before| before == batch),
            "a repeat is the same"
        );
    }
}

async fn observe(
    batch: web::Json<ObservationBatch>,
    request: HttpRequest,
    wire: web::Data<Wire>,
) -> HttpResponse {
    assert!(
        request
            .headers()
            .get("content-encoding")
            .is_some_and(|coding| coding == "gzip")
    );
    let (batch, kept) = (batch.into_inner(), &wire.kept);
    let number = batch.number;
    let fate = kept.fates.lock().unwrap().pop_front();
    if !matches!(fate, Some(Fate::Lost | Fate::Status(_))) {
        kept.take(batch);
    }
    kept.sent.send_modify(|sent| *sent += 1);
    match fate {
        // The answer is announced, and the connection ends in its middle.
        Some(Fate::Lost | Fate::AnswerLost) => {
            let cut = stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
            HttpResponse::Ok().body(SizedStream::new(64, cut))
        }
        Some(Fate::Status(status)) => HttpResponse::new(StatusCode::from_u16(status).unwrap()),
        Some(Fate::NotYet) => HttpResponse::Ok().json(ObservationReceipt { through: number - 1 }),
        None => HttpResponse::Ok().json(ObservationReceipt { through: number }),
    }
}

fn version(bytes: &[u8]) -> Version {
    let snapshot: Snapshot = serde_json::from_slice(bytes).unwrap();
    snapshot.header.version
}
