//! The servers that are measured beside the control plane: a node, the baseline, and Unleash Edge.

use crate::baseline::Canned;
use crate::flags;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tidegate_bench::load::{Answer, Request, once};
use tidegate_bench::plane::Plane;
use tidegate_bench::process::{Server, free_port};

/// What clients show to the node.
const CLIENT_SECRET: &str = "secret-of-the-load-generator";

/// What applications show to Unleash Edge.
pub(crate) const EDGE_FRONTEND: &str = "*:production.0123456789abcdef0123456789abcdef";

/// What a server that evaluates by itself shows to Unleash Edge.
pub(crate) const EDGE_CLIENT: &str = "*:production.fedcba9876543210fedcba9876543210";

/// A node, and what it is started with.
pub(crate) struct Node {
    pub(crate) server: Server,
    folder: PathBuf,
    program: PathBuf,
}

impl Node {
    /// Starts one beside a control plane, and waits until it is ready.
    pub(crate) async fn start(program: &Path, folder: &Path, plane: &Plane) -> Self {
        let folder = folder.join("node");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("client-token"), CLIENT_SECRET).expect("a file");
        std::fs::write(folder.join("node-token"), plane.token("bench-node", "node").await).expect("a file");
        let (server, _) = Self::launch(program, &folder, plane.server.port).await;
        Self {
            server,
            folder,
            program: program.to_owned(),
        }
    }

    async fn launch(program: &Path, folder: &Path, upstream: u16) -> (Server, Duration) {
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args([
                "node",
                "--name",
                "bench",
                "--listen",
                &format!("127.0.0.1:{port}"),
            ])
            .args(["--upstream", &format!("http://127.0.0.1:{upstream}")])
            .arg("--token-file")
            .arg(folder.join("node-token"))
            .arg("--client-token-file")
            .arg(folder.join("client-token"))
            .arg("--data")
            .arg(folder.join("data"))
            .env("TIDEGATE_LOG", "warn");
        let start = Instant::now();
        let server = Server::start(&mut command, port, &folder.join("node.log"));
        let took = server.wait_for("/readyz", start).await;
        (server, took)
    }

    /// Starts it again with nobody upstream; how long until it was ready.
    pub(crate) async fn restart_alone(&mut self) -> Duration {
        self.server.end();
        let (server, took) = Self::launch(&self.program, &self.folder, free_port()).await;
        self.server = server;
        took
    }

    /// A request of a client.
    pub(crate) fn request(&self, path: &str) -> Request {
        Request::new(
            "POST",
            format!("/ofrep/v1/evaluate/flags{path}"),
            Some(&flags::ofrep_context()),
        )
        .with("authorization", &format!("Bearer {CLIENT_SECRET}"))
    }
}

/// Starts the baseline, which answers what the node answered.
pub(crate) async fn baseline(folder: &Path, answer: &Answer) -> Server {
    let by_the_server = ["date", "content-length", "connection", "transfer-encoding"];
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !by_the_server.contains(&name.as_str()));
    let canned = Canned {
        headers: headers.cloned().collect(),
        body: String::from_utf8(answer.body.to_vec()).expect("a text"),
    };
    let file = folder.join("canned.json");
    std::fs::write(&file, serde_json::to_vec(&canned).expect("JSON")).expect("a file");
    let port = free_port();
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command
        .args(["--baseline", &port.to_string(), "--answer"])
        .arg(file);
    let server = Server::start(&mut command, port, &folder.join("baseline.log"));
    server.wait_for("/livez", Instant::now()).await;
    server
}

/// Starts Unleash Edge with the same flags from a file: nothing is upstream of it.
pub(crate) async fn edge(program: &Path, folder: &Path) -> Server {
    let file = folder.join("unleash.json");
    std::fs::write(&file, flags::unleash().to_string()).expect("a file");
    let port = free_port();
    let mut command = Command::new(program);
    command
        .args([
            "--port",
            &port.to_string(),
            "--interface",
            "127.0.0.1",
            "--workers",
            "2",
            "offline",
        ])
        .args([
            "--client-tokens",
            EDGE_CLIENT,
            "--frontend-tokens",
            EDGE_FRONTEND,
            "--bootstrap-file",
        ])
        .arg(file)
        .env("RUST_LOG", "error");
    let server = Server::start(&mut command, port, &folder.join("edge.log"));
    server
        .wait_for("/internal-backstage/health", Instant::now())
        .await;
    server
}

/// The same request with the ETag of its own answer: there is nothing new to tell.
pub(crate) async fn unchanged(port: u16, request: &Request) -> Request {
    let answer = once(port, request).await;
    let etag = answer.headers.iter().find(|(name, _)| name == "etag");
    let (_, etag) = etag.unwrap_or_else(|| panic!("{} has no ETag", request.path));
    request.clone().with("if-none-match", etag).expecting(304)
}
