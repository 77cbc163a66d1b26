//! Faults F1 to F6, F12 and F13 over the wire: what servers answered that ought to be a Prometheus.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tidegate_actors::prometheus::PrometheusSource;
use tidegate_actors::question::{Answer, MetricSource as _, Question};
use tidegate_model::span::Span;

const ANSWERS: &str = include_str!("hostile/answers.txt");
/// Length of the pieces of a body that comes in chunks.
const CHUNK: usize = 7;
/// The most of an endless answer that may have been taken from the server: the limit of 8 MiB, twice because it is
/// not asked again, and what fits into the sockets' buffers.
const TAKEN_MAX: usize = 24 << 20;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Then {
    #[default]
    Close,
    Hang,
    Drip,
    Endless,
    Reset,
}

/// One recorded answer.
#[derive(Debug, Clone, Default)]
struct Recorded {
    name: String,
    expect: String,
    ask: String,
    then: Then,
    text: String,
}

fn recorded() -> Vec<Recorded> {
    let entries = ANSWERS.split("\n=== ").skip(1);
    entries.map(read).collect()
}

fn read(entry: &str) -> Recorded {
    let (name, mut rest) = entry.split_once('\n').expect("a name");
    let mut recorded = Recorded {
        name: name.to_owned(),
        ..Recorded::default()
    };
    while let Some((line, after)) = rest.split_once('\n') {
        match line.split_once(' ') {
            Some(("expect", reason)) => recorded.expect = reason.to_owned(),
            Some(("ask", how)) => recorded.ask = how.to_owned(),
            Some(("then", what)) => recorded.then = then(what),
            _ => break,
        }
        rest = after;
    }
    recorded.text = rest.to_owned();
    recorded
}

fn then(what: &str) -> Then {
    match what {
        "close" => Then::Close,
        "hang" => Then::Hang,
        "drip" => Then::Drip,
        "endless" => Then::Endless,
        "reset" => Then::Reset,
        other => panic!("{other:?} is nothing that a server does"),
    }
}

impl Recorded {
    /// What goes over the wire first.
    fn bytes(&self) -> Vec<u8> {
        let now = chrono::Utc::now().timestamp().to_string();
        let text = self.text.replace("{now}", &now);
        let (head, body) = text.split_once("\n\n").unwrap_or((text.as_str(), ""));
        let body = body.trim_end_matches('\n');
        let mut wire = head.trim_end().replace('\n', "\r\n");
        if !head.starts_with("HTTP/") {
            return wire.into_bytes();
        }
        let chunked = head.contains("chunked");
        if !chunked && !head.contains("content-length") {
            wire.push_str(&format!("\r\ncontent-length: {}", body.len()));
        }
        wire.push_str("\r\nconnection: close\r\n\r\n");
        let mut wire = wire.into_bytes();
        if chunked {
            body.as_bytes()
                .chunks(CHUNK)
                .for_each(|part| wire.extend(chunk(part)));
            if self.then == Then::Close {
                wire.extend(chunk(b""));
            }
        } else {
            wire.extend(body.as_bytes());
        }
        wire
    }

    /// Answers every request like this for as long as the test lives.
    fn serve(self) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (recorded, counted) = (self.clone(), Arc::clone(&counted));
                thread::spawn(move || recorded.answer(stream, &counted));
            }
        });
        (url, sent)
    }

    fn answer(&self, mut stream: TcpStream, sent: &AtomicUsize) {
        let mut request = Vec::new();
        let mut part = [0; 4096];
        while !request.windows(8).any(|part| part == b"timeout=") {
            match stream.read(&mut part) {
                Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        if stream.write_all(&self.bytes()).is_err() {
            return;
        }
        match self.then {
            Then::Close => {}
            Then::Reset => drop(stream.shutdown(Shutdown::Both)),
            // Until the other side gives up.
            Then::Hang => while matches!(stream.read(&mut part), Ok(1..)) {},
            Then::Drip => {
                // Nothing comes to be read: that is the pause between two bytes.
                let _pause = stream.set_read_timeout(Some(Duration::from_millis(100)));
                while stream.write_all(&chunk(b" ")).is_ok() {
                    let _nothing = stream.read(&mut part);
                }
            }
            Then::Endless => {
                let much = chunk(&[b' '; 1 << 16]);
                while stream.write_all(&much).is_ok() {
                    sent.fetch_add(much.len(), Ordering::SeqCst);
                }
            }
        }
    }
}

fn chunk(part: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
    chunk.extend(part);
    chunk.extend(b"\r\n");
    chunk
}

/// What the answer is taken for: a number, or the name of a reason.
async fn taken_for(recorded: &Recorded, url: &str) -> String {
    let source = PrometheusSource::new(url, None).expect("a source");
    let now = chrono::Utc::now();
    let minute = Span::seconds(60);
    let question = match recorded.ask.as_str() {
        "" => Question::Number {
            promql: "up".to_owned(),
        },
        "increase" => Question::Increase {
            selector: "up".to_owned(),
            since: minute.before(now),
            until: now,
            alive: true,
        },
        "samples" => Question::Samples {
            promql: "up".to_owned(),
            from: minute.before(now),
            to: now,
            step: Span::seconds(15),
        },
        other => panic!("{other:?} is no way to ask"),
    };
    match source.ask(&question).await.answer {
        Answer::Number(measurement) => match measurement.value {
            Ok(number) => number.to_string(),
            Err(reason) => reason.name().to_owned(),
        },
        Answer::Samples(samples) => match samples.values {
            Ok(values) => format!("{} samples", values.len()),
            Err(reason) => reason.name().to_owned(),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_every_recorded_answer_is_a_number_or_a_named_reason() {
    let recorded = recorded();
    assert!(recorded.len() >= 60, "{} answers were recorded", recorded.len());
    // All at once: those that take until the deadline take it together.
    let asked = recorded.into_iter().map(|recorded| {
        tokio::spawn(async move {
            let (url, sent) = recorded.clone().serve();
            let taken = taken_for(&recorded, &url).await;
            (recorded, taken, sent.load(Ordering::SeqCst))
        })
    });
    let asked: Vec<_> = asked.collect();
    let mut wrong = Vec::new();
    for one in asked {
        let (recorded, taken, sent) = one.await.expect("an answer");
        if taken != recorded.expect {
            wrong.push(format!(
                "{}: {taken} instead of {}",
                recorded.name, recorded.expect
            ));
        }
        assert!(sent <= TAKEN_MAX, "{sent} bytes were taken of {}", recorded.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
