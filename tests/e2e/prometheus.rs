//! A real Prometheus.

use crate::processes::{Running, client, free_port};
use crate::until::until;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Prometheus that scrapes one target every second.
pub(crate) struct Prometheus {
    process: Running,
    folder: PathBuf,
    port: u16,
    client: reqwest::Client,
}

impl Prometheus {
    /// Starts, and waits until it has scraped the target once.
    pub(crate) async fn start(folder: &Path, target: &str) -> Self {
        Self::start_with(folder, target, "").await
    }

    /// The same with more in its configuration.
    pub(crate) async fn start_with(folder: &Path, target: &str, more: &str) -> Self {
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             scrape_configs:\n  - job_name: shop\n    static_configs: [ {{ targets: ['{target}'] }} ]\n{more}"
        );
        std::fs::write(folder.join("prometheus.yml"), config).expect("the configuration is written");
        let port = free_port();
        let process = Self::launch(folder, port);
        let prometheus = Self {
            process,
            folder: folder.to_owned(),
            port,
            client: client(),
        };
        prometheus.wait_for_a_scrape().await;
        prometheus
    }

    /// Starts with a past, written as OpenMetrics, and scrapes nothing.
    pub(crate) async fn with_history(folder: &Path, openmetrics: &str) -> Self {
        let history = folder.join("history.om");
        std::fs::write(&history, openmetrics).expect("the history is written");
        std::fs::write(folder.join("prometheus.yml"), "scrape_configs: []\n")
            .expect("the configuration is written");
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([history.as_path(), folder.join("tsdb").as_path()])
            .output()
            .expect("promtool runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let prometheus = Self {
            process: Self::launch(folder, port),
            folder: folder.to_owned(),
            port,
            client: client(),
        };
        until("prometheus answers", || async {
            prometheus.value("vector(1)").await
        })
        .await;
        prometheus
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again on the same port and data.
    pub(crate) async fn restart(&mut self) {
        self.process = Self::launch(&self.folder, self.port);
        self.wait_for_a_scrape().await;
    }

    /// The value of an expression, if it has exactly one.
    pub(crate) async fn value(&self, query: &str) -> Option<f64> {
        let url = format!("{}/api/v1/query", self.url());
        let answer = self
            .client
            .post(url)
            .form(&[("query", query)])
            .send()
            .await
            .ok()?;
        let answer: serde_json::Value = answer.json().await.ok()?;
        answer.pointer("/data/result/0/value/1")?.as_str()?.parse().ok()
    }

    async fn wait_for_a_scrape(&self) {
        until("prometheus has scraped the service", || async {
            self.value("up == 1").await
        })
        .await;
    }

    fn launch(folder: &Path, port: u16) -> Running {
        let mut command = Command::new("prometheus");
        command
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // Back-filled history is as old as a test wants it.
            .arg("--storage.tsdb.retention.time=100y")
            .arg("--log.level=warn");
        Running::start(&mut command, &folder.join("prometheus.log"))
    }
}

#[test]
fn shipped_rules_are_rules() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/grafana/tidegate.rules.yml");
    let checked = Command::new("promtool")
        .args(["check", "rules", file])
        .output()
        .expect("promtool runs");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}
