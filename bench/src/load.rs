//! Load on a server: the same request again and again over connections that stay open.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A request that is sent many times, and the status that each answer must have.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, POST and the like.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// By name.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Bytes,
    /// What each answer must have, else the program stops.
    pub status: u16,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// By name, in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Bytes,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// One for each request, in no order.
    pub latencies: Vec<Duration>,
}

impl Request {
    /// A request with a JSON body, or without any.
    pub fn new(method: &'static str, path: impl Into<String>, body: Option<&serde_json::Value>) -> Self {
        let mut headers = vec![("host".to_owned(), "127.0.0.1".to_owned())];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.map(serde_json::Value::to_string).unwrap_or_default();
        Self {
            method,
            path: path.into(),
            headers,
            body: body.into(),
            status: 200,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another status expected.
    #[must_use]
    pub fn expecting(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn build(&self) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).expect("a request")
    }
}

/// Sends it once.
pub async fn once(port: u16, request: &Request) -> Answer {
    ask(&mut connect(port).await, request).await
}

/// For `duration`, each of `connections` sends the next request when the last is answered.
pub async fn closed(port: u16, request: &Request, connections: usize, duration: Duration) -> Outcome {
    let request = Arc::new(request.clone());
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for _ in 0..connections {
        let request = Arc::clone(&request);
        tasks.spawn(async move {
            let mut connection = connect(port).await;
            let mut latencies = Vec::new();
            while start.elapsed() < duration {
                let sent = Instant::now();
                ask(&mut connection, &request).await;
                latencies.push(sent.elapsed());
            }
            latencies
        });
    }
    gather(tasks, start).await
}

/// For `duration`, `rate` requests a second in all, each at its moment whether or not others were
/// answered; a request that had to wait for its connection has waited.
pub async fn open(
    port: u16,
    request: &Request,
    connections: usize,
    rate: f64,
    duration: Duration,
) -> Outcome {
    let request = Arc::new(request.clone());
    let mut tasks = JoinSet::new();
    let start = Instant::now() + Duration::from_millis(50);
    let interval = Duration::from_secs_f64(connections as f64 / rate);
    for place in 0..connections {
        let request = Arc::clone(&request);
        let mut due = start + interval.mul_f64(place as f64 / connections as f64);
        tasks.spawn(async move {
            let mut connection = connect(port).await;
            let mut latencies = Vec::new();
            while due < start + duration {
                wait_until(due).await;
                ask(&mut connection, &request).await;
                latencies.push(due.elapsed());
                due += interval;
            }
            latencies
        });
    }
    gather(tasks, start).await
}

/// The timer wakes up to a millisecond late, so the last part is waited for by yielding.
async fn wait_until(due: Instant) {
    if let Some(long) = due.checked_duration_since(Instant::now() + Duration::from_millis(2)) {
        tokio::time::sleep(long).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

async fn gather(mut tasks: JoinSet<Vec<Duration>>, start: Instant) -> Outcome {
    let mut latencies = Vec::new();
    while let Some(result) = tasks.join_next().await {
        latencies.extend(result.expect("a connection lives"));
    }
    Outcome {
        elapsed: start.elapsed(),
        latencies,
    }
}

async fn connect(port: u16) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server listens");
    stream.set_nodelay(true).expect("a socket");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

async fn ask(connection: &mut SendRequest<Full<Bytes>>, request: &Request) -> Answer {
    connection.ready().await.expect("the connection stays open");
    let answer = connection.send_request(request.build()).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    assert_eq!(
        head.status.as_u16(),
        request.status,
        "{} {}: {}",
        request.method,
        request.path,
        String::from_utf8_lossy(&body)
    );
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)));
    Answer {
        headers: headers.collect(),
        body,
    }
}

impl Outcome {
    /// The latency that this part of the requests did not exceed.
    pub fn percentile(&self, part: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let place = (sorted.len() as f64 * part) as usize;
        sorted
            .get(place.min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}
