//! Processes under load: started, watched and ended with this program.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server in a process of its own. Killed when dropped.
pub struct Server {
    child: Child,
    /// The port at which it listens, on this machine.
    pub port: u16,
}

impl Server {
    /// Starts it; what it says goes to `log`.
    pub fn start(command: &mut Command, port: u16, log: &Path) -> Self {
        let log = File::create(log).expect("the log can be written");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log is shared"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} starts: {error}"));
        Self { child, port }
    }

    /// Processor time used so far, user and system, as the kernel counts it: in hundredths of a second.
    pub fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        // The name of the program is in brackets and may hold anything.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        let ticks: u64 = [11, 12]
            .iter()
            .filter_map(|place| fields.get(*place)?.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Memory that is in use, in MiB.
    pub fn resident_mib(&self) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|text| text.parse::<u64>().ok());
        kib.unwrap_or_default() / 1024
    }

    /// Ends it at once, and waits for that.
    pub fn end(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the server runs")
    }

    /// Waits until `path` answers 200, asking every millisecond; how long that took since `start`.
    pub async fn wait_for(&self, path: &str, start: Instant) -> Duration {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let client = reqwest::Client::new();
        while start.elapsed() < Duration::from_secs(60) {
            if let Ok(answer) = client.get(&url).send().await
                && answer.status().is_success()
            {
                return start.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{url} does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    listener.local_addr().expect("an address").port()
}
