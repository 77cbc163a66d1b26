//! Reading bodies: within limits, of one media type, with mistakes named where they stand.

use crate::http::problem::{Kind, Problem};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;

mod keyed;
mod packed;
mod streamed;

pub(crate) use packed::PackedJson;
pub(crate) use streamed::Streamed;

/// Largest body, in bytes (faults.md X4).
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a body may take to arrive (faults.md X4).
const BODY_PATIENCE: Duration = Duration::from_secs(15);

/// A body of JSON, not yet read.
pub(crate) struct JsonText(Bytes);

/// A body of YAML. Whether it is any is found out where it is read.
pub(crate) struct YamlText(pub(crate) String);

impl JsonText {
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];

    /// That the body has nothing to say, and says nothing: `{}`.
    ///
    /// # Errors
    /// What it says instead.
    pub(crate) fn nothing(&self) -> Result<(), Problem> {
        let members: BTreeMap<String, serde::de::IgnoredAny> = self.read()?;
        match members.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(Problem::new(
                Kind::MalformedBody,
                format!("{unknown}: this route reads nothing from its body; send {{}}"),
            )),
        }
    }

    /// What the body says.
    ///
    /// # Errors
    /// Where it is no JSON, or not what is expected: path, line, column.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // Derived readers of structs take a list of the fields' values as well, and an empty one for
        // defaults alone.
        if self.0.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::new(
                Kind::MalformedBody,
                "the body is a list: send an object, `{\"field\": …}`",
            ));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&self.0);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(malformed)?;
        deserializer.end().map_err(|error| malformed_at("", &error))?;
        Ok(value)
    }

    /// What the body says of the thing that the path calls `key`. The body may leave its `key` out,
    /// and may not give another.
    ///
    /// # Errors
    /// As for [`Self::read`]; and a violation when the body gives another key.
    pub(crate) fn read_keyed<T: DeserializeOwned>(&self, key: &str) -> Result<T, Problem> {
        let mut given = None;
        let mut deserializer = serde_json::Deserializer::from_slice(&self.0);
        let keyed = keyed::Keyed::new(&mut deserializer, key, &mut given);
        let value = serde_path_to_error::deserialize(keyed).map_err(malformed)?;
        deserializer.end().map_err(|error| malformed_at("", &error))?;
        keyed::check(key, given)?;
        Ok(value)
    }
}

impl YamlText {
    const MEDIA_TYPES: &'static [&'static str] = &[
        "application/yaml",
        "application/x-yaml",
        "text/yaml",
        "text/x-yaml",
        "text/plain",
    ];

    fn of(bytes: Bytes) -> Result<Self, Problem> {
        String::from_utf8(bytes.into()).map(Self).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::new(
                Kind::MalformedBody,
                format!("the body is not UTF-8 text: byte {at} does not belong there"),
            )
        })
    }
}

fn malformed(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    malformed_at(&path, error.inner())
}

fn malformed_at(path: &str, error: &serde_json::Error) -> Problem {
    let place = match path {
        "" | "." => String::new(),
        path => format!(" at {path}"),
    };
    // The error's own text ends with line and column.
    Problem::new(
        Kind::MalformedBody,
        format!("the body cannot be read{place}: {error}"),
    )
}

async fn read(request: HttpRequest, payload: Payload, known: &[&str]) -> Result<Bytes, Problem> {
    check_media_type(&request, known)?;
    read_whole(&request, payload).await
}

/// A body, whatever it is of.
///
/// # Errors
/// When it is too large, too slow, or breaks off.
pub(crate) async fn read_whole(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            Kind::BodyTooLarge,
            format!(
                "a body has at most {BODY_BYTES_MAX} bytes; send less, for example lists in several segments"
            ),
        )
    };
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
    let arrival = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk
                .map_err(|error| Problem::new(Kind::MalformedBody, format!("the body broke off: {error}")))?;
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(BODY_PATIENCE, arrival).await {
        Ok(arrived) => arrived.map(|()| body.freeze()),
        Err(_) => Err(Problem::new(
            Kind::RequestTimeout,
            format!("the body did not arrive within {} s", BODY_PATIENCE.as_secs()),
        )),
    }
}

fn check_media_type(request: &HttpRequest, known: &[&str]) -> Result<(), Problem> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        let detail = "the body is compressed; send it as it is";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    check_type(request, known)
}

fn check_type(request: &HttpRequest, known: &[&str]) -> Result<(), Problem> {
    let given = request.content_type();
    if known.iter().any(|known| known.eq_ignore_ascii_case(given)) {
        return Ok(());
    }
    let what = match given {
        "" => "the body has no media type".to_owned(),
        given => format!("{given:?} is not what this route reads"),
    };
    let fix = format!("send the header 'Content-Type: {}'", known.first().unwrap_or(&""));
    Err(Problem::new(Kind::UnsupportedMediaType, format!("{what}; {fix}")))
}

impl FromRequest for JsonText {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request.clone(), payload.take(), Self::MEDIA_TYPES);
        body.map(|body| body.map(Self)).boxed_local()
    }
}

impl FromRequest for YamlText {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request.clone(), payload.take(), Self::MEDIA_TYPES);
        body.map(|body| body.and_then(Self::of)).boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use tidegate_model::flag::FlagDefinition;
    use tidegate_model::rollout::RolloutCommand;

    fn flag(json: &str) -> Result<FlagDefinition, Problem> {
        JsonText(Bytes::copy_from_slice(json.as_bytes())).read_keyed("checkout")
    }

    #[test]
    fn the_key_may_be_left_out_or_equal_the_path() {
        for json in [
            r#"{"type":"boolean"}"#,
            r#"{"key":"checkout","type":"boolean"}"#,
            r#"{"type":"boolean","key":"checkout"}"#,
        ] {
            assert_eq!(flag(json).unwrap().key.as_str(), "checkout", "{json}");
        }
        let other = flag(r#"{"type":"boolean","key":"chekout"}"#).unwrap_err();
        assert_eq!(other.kind(), Kind::Invalid);
        assert!(
            other.detail().contains("chekout") && other.detail().contains("'checkout'"),
            "{other}"
        );
    }

    #[test]
    fn mistakes_are_named_where_they_stand() {
        for (json, says) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\"type\":\n  boolean}", "line 2 column 3"),
            ("[1]", "expected struct FlagDefinition"),
            (
                r#"{"type":"boolean","colour":"red"}"#,
                "at colour: unknown field `colour`, expected one of",
            ),
            (r#"{"type":"bool"}"#, "at type: unknown variant `bool`"),
            (
                r#"{"type":"boolean"} x"#,
                "trailing characters at line 1 column 20",
            ),
            (r#"{"type":"boolean","key":7}"#, "invalid type: integer `7`"),
            (r#"{"type":"boolean","key":"a/b"}"#, "a/b"),
            (r#"{}"#, "missing field `type`"),
            (
                r#"{"type":"percentage","percentage":120}"#,
                "at percentage: percentage: a percentage lies between 0 and 100",
            ),
            (
                r#"{"type":"boolean","rules":[{"name":"r","serve":{"variation":"on"},"when":{"all":[{"attr":1}]}}]}"#,
                "at rules[0].when.all[0].attr: unknown field `attr`",
            ),
        ] {
            let problem = flag(json).unwrap_err();
            assert!(problem.detail().contains(says), "{json}: {problem}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let json = format!(
            r#"{{"type":"json","variations":[{{"key":"a","value":{}"#,
            "[".repeat(100_000)
        );
        assert!(flag(&json).unwrap_err().detail().contains("recursion limit"));
    }

    #[test]
    fn commands_name_their_kinds() {
        let read =
            |json: &'static str| JsonText(Bytes::from_static(json.as_bytes())).read::<RolloutCommand>();
        assert!(read(r#"{"kind":"pause","reason":"lunch"}"#).is_ok());
        assert!(
            read(r#"{"kind":"stop"}"#)
                .unwrap_err()
                .detail()
                .contains("expected one of `pause`")
        );
        assert!(
            read(r#"{"kind":"pause","reason":"x","force":true}"#)
                .unwrap_err()
                .detail()
                .contains("`force`")
        );
    }

    async fn body(request: TestRequest) -> Result<Bytes, Problem> {
        let (request, mut payload) = request.to_http_parts();
        JsonText::from_request(&request, &mut payload)
            .await
            .map(|text| text.0)
    }

    #[actix_web::test]
    async fn x04_bodies_are_limited() {
        let json = ("content-type", "application/json");
        let whole = TestRequest::put().insert_header(json).set_payload("{}");
        assert_eq!(body(whole).await.unwrap(), "{}");
        let announced = TestRequest::put()
            .insert_header(json)
            .insert_header(("content-length", "1048577"));
        assert_eq!(body(announced).await.unwrap_err().kind(), Kind::BodyTooLarge);
        let sent = TestRequest::put()
            .insert_header(json)
            .set_payload(vec![b' '; BODY_BYTES_MAX + 1]);
        assert_eq!(body(sent).await.unwrap_err().kind(), Kind::BodyTooLarge);
        let bomb = TestRequest::put()
            .insert_header(json)
            .insert_header(("content-encoding", "gzip"));
        assert_eq!(body(bomb).await.unwrap_err().kind(), Kind::UnsupportedMediaType);
        let form = TestRequest::put().insert_header(("content-type", "application/x-www-form-urlencoded"));
        let problem = body(form).await.unwrap_err();
        assert!(
            problem.detail().contains("'Content-Type: application/json'"),
            "{problem}"
        );
        assert_eq!(
            body(TestRequest::put()).await.unwrap_err().kind(),
            Kind::UnsupportedMediaType
        );
    }
    #[actix_web::test]
    async fn x04_a_body_that_does_not_arrive_is_not_waited_for() {
        tokio::time::pause();
        let request = TestRequest::put()
            .insert_header(("content-type", "application/json"))
            .to_http_request();
        let payload = futures_util::stream::pending();
        let mut payload = Payload::Stream {
            payload: payload.boxed_local(),
        };
        let problem = JsonText::from_request(&request, &mut payload)
            .await
            .err()
            .unwrap();
        assert_eq!(problem.kind(), Kind::RequestTimeout);
    }
}
