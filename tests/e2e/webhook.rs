//! Somebody else's HTTP server: keeps what it is sent, and answers what the test says.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// Status, media type and body.
type Answer = (u16, &'static str, &'static str);

/// An HTTP server.
pub(crate) struct Webhook {
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Mutex<Answer>>,
}

impl Webhook {
    /// Starts on this port, and answers everything with this.
    pub(crate) fn start(port: u16, answer: Answer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        let webhook = Self {
            received: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
        };
        let (received, answer) = (webhook.received.clone(), webhook.answer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let Some(request) = read(&stream) else { continue };
                received.lock().expect("nobody panicked").push(request);
                let (status, media_type, body) = *answer.lock().expect("nobody panicked");
                let head = format!("HTTP/1.1 {status} so\r\nContent-Type: {media_type}\r\nConnection: close");
                let length = body.len();
                let _client_gone = write!(&stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}");
            }
        });
        webhook
    }

    /// From now on it answers everything with this.
    pub(crate) fn says(&self, answer: Answer) {
        *self.answer.lock().expect("nobody panicked") = answer;
    }

    /// Everything that it was sent on this path, in order.
    pub(crate) fn received(&self, path: &str) -> Vec<Received> {
        let received = self.received.lock().expect("nobody panicked");
        let here = received
            .iter()
            .filter(|request| request.path.trim_start_matches('/') == path);
        here.cloned().collect()
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split_whitespace().nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { path, headers, body })
}
