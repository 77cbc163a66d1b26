//! Who is on stage: the processes of the demo.

use super::EAGERLY;
use super::timeline::Timeline;
use crate::cli::client::Client;
use crate::cli::demo::DemoArgs;
use crate::cli::failure::Failure;
use crate::cli::target::Target;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tidegate_model::key::EnvironmentKey;
use tokio::process::{Child, Command};
use url::Url;

/// How long a process may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The processes of the demo. They end when this is dropped.
pub(super) struct Cast {
    pub(super) folder: PathBuf,
    pub(super) plane: Url,
    pub(super) node: Url,
    pub(super) shop: Url,
    /// Where Prometheus is, if rules ask one.
    pub(super) prometheus: Option<Url>,
    pub(super) client_token: String,
    environment: EnvironmentKey,
    processes: Vec<Child>,
}

/// How a process is started.
struct Entrance<'a> {
    program: &'a Path,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Cast {
    /// Starts everything, one after the other, and waits until each is ready.
    pub(super) async fn assemble(
        args: &DemoArgs,
        folder: &Path,
        timeline: &Timeline,
    ) -> Result<Self, Failure> {
        let myself =
            std::env::current_exe().map_err(|error| Failure::process("cannot find this program", error))?;
        let shop = shop_program(args, &myself)?;
        let environment = EnvironmentKey::new("production");
        let mut cast = Self {
            folder: folder.to_owned(),
            plane: local_address()?,
            node: local_address()?,
            shop: local_address()?,
            prometheus: None,
            client_token: String::new(),
            environment: environment
                .map_err(|error| Failure::input("environment", error, "choose another"))?,
            processes: Vec::new(),
        };
        cast.bring_prometheus(args, timeline).await?;
        cast.bring_plane(&myself, timeline).await?;
        cast.bring_node(&myself, timeline).await?;
        cast.bring_shop(&shop, timeline).await?;
        Ok(cast)
    }

    /// How the command line reaches the control plane.
    pub(super) fn target(&self) -> Target {
        Target {
            url: self.plane.clone(),
            token_file: Some(self.folder.join("data/admin-token")),
            environment: self.environment.clone(),
            json: false,
        }
    }

    /// Asks everybody to leave, and waits until they have.
    pub(super) async fn dismiss(mut self) {
        for process in self.processes.iter_mut().rev() {
            if let Some(pid) = process.id() {
                // One that has left already needs no asking.
                let _left = Command::new("kill").arg(pid.to_string()).status().await;
            }
        }
        for process in &mut self.processes {
            let _left = tokio::time::timeout(Duration::from_secs(10), process.wait()).await;
        }
    }

    async fn bring_prometheus(&mut self, args: &DemoArgs, timeline: &Timeline) -> Result<(), Failure> {
        if args.no_prometheus {
            timeline.say("rules are judged by the metric events that the shop sends (--no-prometheus)");
            return Ok(());
        }
        if let Some(url) = &args.prometheus {
            timeline.say(&format!(
                "rules ask your Prometheus at {url}; let it scrape {}metrics",
                self.shop
            ));
            self.prometheus = Some(url.clone());
            return Ok(());
        }
        let Some(program) = in_path("prometheus") else {
            timeline.say(
                "no program `prometheus` found: rules are judged by the metric events that the shop sends",
            );
            return Ok(());
        };
        let url = local_address()?;
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  - job_name: shop\n    \
             static_configs: [ {{ targets: ['{}'] }} ]\n  - job_name: tidegate\n    \
             static_configs: [ {{ targets: ['{}', '{}'] }} ]\n",
            host(&self.shop),
            host(&self.plane),
            host(&self.node)
        );
        let file = self.folder.join("prometheus.yml");
        std::fs::write(&file, config).map_err(|error| Failure::process("cannot write a file", error))?;
        let arguments = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", self.folder.join("tsdb").display()),
            format!("--web.listen-address={}", host(&url)),
            "--log.level=warn".to_owned(),
        ];
        self.enter(Entrance {
            program: &program,
            arguments,
            log: self.folder.join("prometheus.log"),
        })?;
        self.wait_until_ready(&url, "-/ready", "prometheus.log").await?;
        timeline.say(&format!("a real Prometheus runs at {url}"));
        self.prometheus = Some(url);
        Ok(())
    }

    async fn bring_plane(&mut self, myself: &Path, timeline: &Timeline) -> Result<(), Failure> {
        let mut arguments = vec!["serve".to_owned(), "--listen".to_owned(), host(&self.plane)];
        arguments.extend([
            "--data".to_owned(),
            self.folder.join("data").display().to_string(),
        ]);
        if let Some(url) = &self.prometheus {
            arguments.extend(["--prometheus".to_owned(), url.to_string()]);
        }
        self.enter(Entrance {
            program: myself,
            arguments,
            log: self.folder.join("serve.log"),
        })?;
        self.wait_until_ready(&self.plane.clone(), "readyz", "serve.log")
            .await?;
        timeline.say(&format!(
            "the control plane runs at {}, its API is at {}docs/",
            self.plane, self.plane
        ));
        Ok(())
    }

    async fn bring_node(&mut self, myself: &Path, timeline: &Timeline) -> Result<(), Failure> {
        let client = Client::new(&self.target())?;
        let secret = self.make_token(&client, "edge-node", "node").await?;
        self.write_secret("node-token", &secret)?;
        self.client_token = self.make_token(&client, "shop", "server").await?;
        self.write_secret("client-token", &self.client_token.clone())?;
        self.write_secret("client-tokens", &format!("server {}\n", self.client_token))?;
        let file = |name: &str| self.folder.join(name).display().to_string();
        let arguments = [
            "node",
            "--name",
            "edge",
            "--listen",
            &host(&self.node),
            "--upstream",
            self.plane.as_str(),
            "--token-file",
            &file("node-token"),
            "--client-token-file",
            &file("client-tokens"),
            "--data",
            &file("node-data"),
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        self.enter(Entrance {
            program: myself,
            arguments,
            log: self.folder.join("node.log"),
        })?;
        self.wait_until_ready(&self.node.clone(), "readyz", "node.log")
            .await?;
        timeline.say(&format!("an evaluation node runs at {}", self.node));
        Ok(())
    }

    async fn bring_shop(&mut self, program: &Path, timeline: &Timeline) -> Result<(), Failure> {
        let arguments = [
            "--listen",
            &host(&self.shop),
            "--ofrep",
            self.node.as_str(),
            "--token-file",
            &self.folder.join("client-token").display().to_string(),
            "--shoppers",
            "600",
            // On a slow machine the shop shall be slow, not fall back to the old features.
            "--patience",
            "5000",
            "--search-failures",
            "0.5",
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        self.enter(Entrance {
            program,
            arguments,
            log: self.folder.join("shop.log"),
        })?;
        self.wait_until_ready(&self.shop.clone(), "livez", "shop.log")
            .await?;
        timeline.say(&format!("a shop with generated shoppers runs at {}", self.shop));
        Ok(())
    }

    async fn make_token(&self, client: &Client, name: &str, role: &str) -> Result<String, Failure> {
        let body = json!({"name": name, "role": role, "environment": self.environment});
        let created: Value = client.post("/api/v1/tokens", &body).await?.json()?;
        Ok(created
            .get("secret")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned())
    }

    fn write_secret(&self, name: &str, secret: &str) -> Result<(), Failure> {
        std::fs::write(self.folder.join(name), secret)
            .map_err(|error| Failure::process("cannot write a file", error))
    }

    fn enter(&mut self, entrance: Entrance<'_>) -> Result<(), Failure> {
        let cannot = |error| Failure::process(format!("cannot start {}", entrance.program.display()), error);
        let log = std::fs::File::create(&entrance.log).map_err(cannot)?;
        let process = Command::new(entrance.program)
            .args(&entrance.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(cannot)?)
            .stderr(log)
            // Ctrl-C is for the demo; it asks the others to leave by itself, in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        self.processes.push(process);
        Ok(())
    }

    async fn wait_until_ready(&mut self, url: &Url, path: &str, log: &str) -> Result<(), Failure> {
        let started = Instant::now();
        let http = reqwest::Client::new();
        loop {
            let answer = http.get(format!("{url}{path}")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self
                .processes
                .last_mut()
                .is_some_and(|process| !matches!(process.try_wait(), Ok(None)));
            if ended || started.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(self.folder.join(log)).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                let cause = std::io::Error::other(last.join("\n"));
                return Err(Failure::process(
                    format!("what should answer at {url} does not"),
                    cause,
                ));
            }
            tokio::time::sleep(EAGERLY).await;
        }
    }
}

fn host(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

/// An address of this machine with a port that is free now.
fn local_address() -> Result<Url, Failure> {
    let cannot = |error: std::io::Error| Failure::process("cannot find a free port", error);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Url::parse(&format!("http://{address}/")).map_err(|error| Failure::process("cannot name a port", error))
}

fn shop_program(args: &DemoArgs, myself: &Path) -> Result<PathBuf, Failure> {
    let beside = myself.with_file_name("tidegate-shop");
    let program = args.shop.clone().unwrap_or(beside);
    if program.is_file() {
        return Ok(program);
    }
    let fix = "build it with `cargo build --release -p tidegate-shop`, or name it with --shop";
    Err(Failure::input(
        program.display(),
        "the shop's program is not there",
        fix,
    ))
}

/// The program of this name in the folders that the shell would look in.
fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
