//! Messages of streams: a byte of flags, the length in four bytes, JSON.

use super::super::events::Event;
use super::super::streams::Counted;
use super::failure;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use tonic::Status;

/// The message is compressed.
const COMPRESSED: u8 = 1;
/// The last frame, which says how the stream ended.
const END: u8 = 2;
/// Length of what stands before a message.
const HEAD_BYTES: usize = 5;

/// The one message that a request for a stream consists of.
///
/// # Errors
/// What is wrong with its frame.
pub(super) fn only_message(body: &[u8]) -> Result<&[u8], Status> {
    let wrong = |what: &str| {
        Status::invalid_argument(format!(
            "{what}; the body is one frame: a byte 0, the length of the message in four bytes, the message"
        ))
    };
    let (head, message) = body
        .split_at_checked(HEAD_BYTES)
        .ok_or_else(|| wrong("the body is too short"))?;
    let (flags, length) = match head {
        [flags, length @ ..] => (*flags, length.try_into().map(u32::from_be_bytes)),
        [] => return Err(wrong("the body is empty")),
    };
    match (flags, length) {
        (COMPRESSED, _) => Err(Status::unimplemented(
            "compressed messages are not read here; send them as they are",
        )),
        (0, Ok(length)) if usize::try_from(length).is_ok_and(|length| length == message.len()) => Ok(message),
        (0, _) => Err(wrong("the stated length is not that of the message")),
        (_, _) => Err(wrong("the flags mean nothing in a request")),
    }
}

/// The events as frames, then how they ended; cut off when the client's deadline passes.
pub(super) fn until(deadline: Option<Duration>, events: Counted<Event>) -> impl Stream<Item = Bytes> + Send {
    let passed = stream::once(async move {
        match deadline {
            Some(deadline) => sleep(deadline).await,
            None => std::future::pending().await,
        }
        Some(Err(Status::deadline_exceeded("the client's own deadline passed")))
    });
    let ended = stream::once(std::future::ready(None));
    let items = stream::select(events.map(Some).chain(ended), passed);
    stream::unfold(Some(items.boxed()), |items| async {
        let mut items = items?;
        Some(match items.next().await.flatten() {
            Some(Ok(event)) => (message(&event), Some(items)),
            Some(Err(status)) => (end(Some(&status)), None),
            None => (end(None), None),
        })
    })
}

/// The frame of the end, with the error if it is one.
pub(super) fn end(status: Option<&Status>) -> Bytes {
    let how = match status {
        Some(status) => json!({"error": failure::json(status)}),
        None => json!({}),
    };
    framed(END, &how)
}

fn message(event: &Event) -> Bytes {
    let mut message = json!({"type": event.name()});
    if let (Some(data), Some(members)) = (event.data(), message.as_object_mut()) {
        members.insert("data".to_owned(), Value::Object(data));
    }
    framed(0, &message)
}

fn framed(flags: u8, json: &Value) -> Bytes {
    let text = json.to_string();
    let mut frame = BytesMut::with_capacity(HEAD_BYTES + text.len());
    frame.put_u8(flags);
    // An event that names every flag stays far below four gigabytes.
    frame.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    frame.put_slice(text.as_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[test]
    fn only_whole_plain_frames_are_read() {
        for (body, expected) in [
            (&b"\0\0\0\0\x02{}"[..], Ok(&b"{}"[..])),
            (b"\0\0\0\0\0", Ok(b"")),
            (b"", Err(Code::InvalidArgument)),
            (b"\0\0\0\0", Err(Code::InvalidArgument)),
            (b"\0\0\0\0\x03{}", Err(Code::InvalidArgument)),
            (b"\0\0\0\0\x01{}", Err(Code::InvalidArgument)),
            (b"\0\xff\xff\xff\xff{}", Err(Code::InvalidArgument)),
            (b"\x02\0\0\0\x02{}", Err(Code::InvalidArgument)),
            (b"\x01\0\0\0\x02{}", Err(Code::Unimplemented)),
        ] {
            let found = only_message(body).map_err(|status| status.code());
            assert_eq!(found, expected, "{body:?}");
        }
    }

    #[test]
    fn frames_say_how_long_they_are() {
        assert_eq!(
            &*message(&Event::Ready),
            b"\0\0\0\0\x19{\"type\":\"provider_ready\"}"
        );
        assert_eq!(&*end(None), b"\x02\0\0\0\x02{}");
    }
}
