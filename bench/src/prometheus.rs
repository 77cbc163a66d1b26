//! A real Prometheus, and what it scrapes.

use crate::process::{Server, free_port};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often Prometheus is asked whether it has a sample.
const LOOK: Duration = Duration::from_millis(5);

/// What is scraped.
pub struct Gauge {
    port: u16,
    text: Arc<Mutex<String>>,
}

impl Gauge {
    /// Serves it on a free port for as long as the process lives.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let text = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&text);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                // The request says nothing that matters.
                let _request = stream.read(&mut [0; 4096]);
                let body = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let _gone = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { port, text }
    }

    /// Where it is scraped.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this is what is said.
    pub fn say(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// The Prometheus; killed when dropped.
pub struct Prometheus {
    /// Its process.
    pub server: Server,
    client: reqwest::Client,
}

impl Prometheus {
    /// Starts it, and waits until it is ready. It scrapes as often as that.
    pub async fn start(folder: &Path, target: u16, every: Duration) -> Self {
        let config = folder.join("prometheus.yml");
        let every = every.as_millis();
        let text = format!(
            "global: {{ scrape_interval: {every}ms, scrape_timeout: {every}ms }}\n\
             scrape_configs:\n  - job_name: bench\n    static_configs: [ {{ targets: ['127.0.0.1:{target}'] }} ]\n"
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        let port = free_port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn");
        let server = Server::start(&mut command, port, &folder.join("prometheus.log"));
        server.wait_for("/-/ready", Instant::now()).await;
        Self {
            server,
            client: reqwest::Client::new(),
        }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Waits until this is what it answers.
    pub async fn wait_for(&self, query: &str, value: &str) {
        let url = format!("{}/api/v1/query", self.url());
        loop {
            let answer = self.client.post(&url).form(&[("query", query)]).send().await;
            let answer: serde_json::Value = answer
                .expect("Prometheus answers")
                .json()
                .await
                .expect("with JSON");
            let found = answer.pointer("/data/result/0/value/1");
            if found.and_then(serde_json::Value::as_str) == Some(value) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
