//! Reading word of new versions off a stream of server-sent events.

use super::{News, Tiding, UpstreamError};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_model::snapshot::Version;

/// Longest event, in bytes: a small delta with its header.
const EVENT_BYTES_MAX: usize = 256 << 10;

/// A stream that is open.
pub(super) struct HttpNews {
    pub(super) response: Response,
    pub(super) unread: BytesMut,
}

/// What an event says; more may stand there one day.
#[derive(Deserialize)]
struct Word {
    version: Option<Version>,
    #[serde(default)]
    delta: Option<Box<RawValue>>,
}

#[async_trait]
impl News for HttpNews {
    async fn next(&mut self) -> Result<Option<Tiding>, UpstreamError> {
        loop {
            while let Some(event) = cut_event(&mut self.unread) {
                if let Some(tiding) = read(&event)? {
                    return Ok(Some(tiding));
                }
            }
            if self.unread.len() > EVENT_BYTES_MAX {
                return Err(UpstreamError::TooLarge {
                    limit: EVENT_BYTES_MAX,
                });
            }
            match self.response.chunk().await.map_err(super::http::away)? {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Takes the first whole event off what was not read yet.
fn cut_event(unread: &mut BytesMut) -> Option<BytesMut> {
    let end = unread.windows(2).position(|pair| pair == b"\n\n")?;
    Some(unread.split_to(end + 2))
}

/// What an event tells; `None` for comments and for kinds that nobody here knows.
fn read(event: &[u8]) -> Result<Option<Tiding>, UpstreamError> {
    let strange = |why: String| UpstreamError::Refused {
        status: 200,
        detail: format!("not an event of a snapshot stream: {why}"),
    };
    let text = std::str::from_utf8(event).map_err(|error| strange(error.to_string()))?;
    let (mut kind, mut data) = ("message", String::new());
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => kind = value,
            "data" => data.push_str(value),
            _ => {}
        }
    }
    if !matches!(kind, "snapshot" | "heartbeat") {
        return Ok(None);
    }
    let word: Word = serde_json::from_str(&data).map_err(|error| strange(error.to_string()))?;
    Ok(Some(Tiding {
        version: word.version,
        delta: word
            .delta
            .map(|delta| Bytes::from(Box::<str>::from(delta).into_string())),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidings(text: &str) -> Vec<Result<Option<Tiding>, String>> {
        let mut unread = BytesMut::from(text);
        std::iter::from_fn(|| cut_event(&mut unread))
            .map(|event| read(&event).map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn events_are_read_whole_and_unknown_ones_passed_over() {
        let known = Version { epoch: 1, number: 42 };
        let text = "id: 1.42\nevent: snapshot\ndata: {\"version\":{\"epoch\":1,\"number\":42},\"digest\":\"d\",\"delta\":{\"x\": 1}}\n\n\
            : a comment\n\nevent: other\ndata: {\n\nevent:heartbeat\ndata:{\"version\":null}\n\nevent: heartbeat\ndata: cut";
        let delta = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        assert_eq!(
            tidings(text),
            [
                Ok(Some(Tiding {
                    version: Some(known),
                    delta: delta("{\"x\": 1}")
                })),
                Ok(None),
                Ok(None),
                Ok(Some(Tiding {
                    version: None,
                    delta: None
                })),
            ]
        );
        for bad in [
            "event: snapshot\ndata: {\n\n",
            "event: snapshot\n\n",
            "event: heartbeat\ndata: {\"version\":7}\n\n",
        ] {
            assert!(tidings(bad)[0].is_err(), "{bad}");
        }
    }
}
