//! A service under rollout, as Prometheus sees it: request counters whose failure rate a test turns.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Requests a second that the counters show of each variation.
const REQUESTS_PER_SECOND: f64 = 200.0;
/// Of so many requests with the old variation one fails, whatever the new one does.
const OLD_REQUESTS_A_FAILURE: f64 = 500.0;

/// Serves `/metrics`.
pub(crate) struct Exporter {
    port: u16,
    state: Arc<State>,
}

struct State {
    started: Instant,
    /// Failures of a thousand requests.
    permille: AtomicU64,
    /// Without it there are no request counters at all.
    speaks: AtomicBool,
    tally: std::sync::Mutex<Tally>,
}

#[derive(Clone, Copy)]
struct Tally {
    until: f64,
    requests: f64,
    failures: f64,
}

impl Exporter {
    /// Starts with no failures.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let state = Arc::new(State {
            started: Instant::now(),
            permille: AtomicU64::new(0),
            speaks: AtomicBool::new(true),
            tally: std::sync::Mutex::new(Tally {
                until: 0.0,
                requests: 0.0,
                failures: 0.0,
            }),
        });
        let serving = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = [0; 4096];
                let _whole_request = stream.read(&mut request);
                let body = serving.page();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
                let _client_gone = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { port, state }
    }

    /// Where Prometheus scrapes it.
    pub(crate) fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on this many of a thousand requests with the new variation fail.
    pub(crate) fn fail(&self, permille: u64) {
        self.state.advance();
        self.state.permille.store(permille, Ordering::SeqCst);
    }

    /// From now on there are no request counters at all.
    pub(crate) fn fall_silent(&self) {
        self.state.speaks.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn advance(&self) -> Tally {
        let mut tally = self.tally.lock().expect("no test panics in here");
        let now = self.started.elapsed().as_secs_f64();
        let requests = (now - tally.until) * REQUESTS_PER_SECOND;
        #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
        let failing = self.permille.load(Ordering::SeqCst) as f64 / 1000.0;
        *tally = Tally {
            until: now,
            requests: tally.requests + requests,
            failures: tally.failures + requests * failing,
        };
        *tally
    }

    fn page(&self) -> String {
        let Tally {
            requests, failures, ..
        } = self.advance();
        if !self.speaks.load(Ordering::SeqCst) {
            return "up_and_silent 1\n".to_owned();
        }
        let of = |variation: &str, failures: f64| {
            [("200", requests - failures), ("500", failures)].map(|(code, value)| {
                // A counter counts whole requests.
                let value = value.floor();
                format!(
                    "http_requests_total{{service=\"shop\",flag=\"checkout\",variation=\"{variation}\",code=\"{code}\"}} {value}\n"
                )
            })
        };
        let old = of("off", requests / OLD_REQUESTS_A_FAILURE);
        format!(
            "# TYPE http_requests_total counter\n{}{}",
            of("on", failures).concat(),
            old.concat()
        )
    }
}
