//! Evaluation over the Connect protocol with JSON, on HTTP/1.1 or 2: what the web provider speaks.

mod failure;
mod frame;
mod method;

use super::Flagd;
use super::admit::{Caller, Door, Introduction, Purpose};
use super::events::events;
use super::front::MESSAGE_BYTES_MAX;
use super::resolve::{self, Resolved, Wanted};
use crate::access::Scope;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue,
};
use hyper::{HeaderMap, Method as HttpMethod, Request, Response, StatusCode};
use method::{Call, Method, Version};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";
const CONNECT_JSON: &str = "application/connect+json";

/// Evaluation by Connect, behind a door.
#[derive(Clone)]
pub(super) struct Connect {
    flagd: Flagd,
    door: Door,
    stopping: watch::Receiver<bool>,
}

/// What every request may say. Unknown members are left alone: the protocol grows.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message {
    #[serde(alias = "flag_key")]
    flag_key: String,
    context: Option<Map<String, Value>>,
}

impl Connect {
    pub(super) fn new(flagd: Flagd, door: Door, stopping: watch::Receiver<bool>) -> Self {
        Self {
            flagd,
            door,
            stopping,
        }
    }

    /// The answer, for pages of every origin: there are no cookies to abuse.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let mut response = self.route(request).await;
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, connect-protocol-version, connect-timeout-ms, content-type, flagd-selector, x-user-agent",
            ),
            // Chromium's upper limit, in seconds.
            (ACCESS_CONTROL_MAX_AGE, "7200"),
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() == HttpMethod::OPTIONS {
            return empty(StatusCode::NO_CONTENT);
        }
        let Some(call) = Call::of_path(request.uri().path()) else {
            return empty(StatusCode::NOT_FOUND);
        };
        if request.method() != HttpMethod::POST {
            return with(empty(StatusCode::METHOD_NOT_ALLOWED), ALLOW, "POST, OPTIONS");
        }
        match (call.method, media_type(request.headers())) {
            (Method::Events, CONNECT_JSON) => self.stream(&call, request).await,
            (Method::Events, _) => unsupported(CONNECT_JSON),
            (_, JSON) => match self.unary(&call, request).await {
                Ok(answer) => json_response(StatusCode::OK, &answer),
                Err(status) => json_response(failure::http_status(&status), &failure::json(&status)),
            },
            (_, _) => unsupported(JSON),
        }
    }

    async fn unary(&self, call: &Call, request: Request<Incoming>) -> Result<Value, Status> {
        let caller = self.admit(call, request.headers())?;
        let answer = async {
            check_version(request.headers())?;
            check_encoding(request.headers(), &CONTENT_ENCODING)?;
            let body = body_of(request).await?;
            let message = parse(&body)?;
            let context = resolve::context(&message.context.unwrap_or_default())?;
            resolved(&caller, call, &message.flag_key, &context)
        };
        let answer = answer.await;
        caller.realm.calls.counted(call.name(), answer)
    }

    /// Errors of streams come at their end: the status is always 200.
    async fn stream(&self, call: &Call, request: Request<Incoming>) -> Response<Body> {
        let deadline = deadline(request.headers());
        let opened = async {
            let caller = self.admit(call, request.headers())?;
            let asked = async {
                check_version(request.headers())?;
                check_encoding(
                    request.headers(),
                    &HeaderName::from_static("connect-content-encoding"),
                )?;
                let body = body_of(request).await?;
                parse(frame::only_message(&body)?).map(drop)
            };
            if let Err(status) = asked.await {
                return caller.realm.calls.counted(call.name(), Err(status));
            }
            let items = events(&caller.realm);
            let stopping = self.stopping.clone();
            self.flagd
                .streams
                .open(caller.realm, call.name(), stopping, items)
        };
        let items: Frames = match opened.await {
            Ok(events) => Box::pin(frame::until(deadline, events)),
            Err(status) => Box::pin(futures_util::stream::once(std::future::ready(frame::end(Some(
                &status,
            ))))),
        };
        let body = StreamBody::new(in_order(items));
        with(Response::new(Body::new(body)), CONTENT_TYPE, CONNECT_JSON)
    }

    fn admit(&self, call: &Call, headers: &HeaderMap) -> Result<Caller, Status> {
        let introduction = Introduction {
            door: self.door,
            // Those who speak Connect are browsers.
            anonymous: Scope::Client,
            purpose: Purpose::Evaluate,
            headers,
            selector: &call.environment,
        };
        let admitted = self.flagd.admit(&introduction);
        admitted.inspect_err(|status| self.flagd.refused(call.name(), status))
    }
}

type Frames = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// As the frames of an HTTP body.
fn in_order(items: Frames) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    unfold(items, |mut items| async {
        let next = futures_util::StreamExt::next(&mut items).await?;
        Some((Ok(Frame::data(next)), items))
    })
}

fn resolved(
    caller: &Caller,
    call: &Call,
    flag: &str,
    context: &tidegate_model::context::Context,
) -> Result<Value, Status> {
    match call.method {
        Method::All => {
            let all = caller.resolve_all(context)?;
            let flags = all
                .flags
                .into_iter()
                .filter_map(|(key, one)| Some((key, any_flag(one)?)));
            Ok(json!({"flags": flags.collect::<Map<_, _>>(), "metadata": all.metadata}))
        }
        Method::Boolean => one(caller.resolve::<bool>(flag, context)?, call, flag, Value::Bool),
        Method::String => one(
            caller.resolve::<String>(flag, context)?,
            call,
            flag,
            Value::String,
        ),
        Method::Float => one(caller.resolve::<f64>(flag, context)?, call, flag, |number| {
            json!(number)
        }),
        // A 64-bit integer is a text in protobuf's JSON.
        Method::Int => one(caller.resolve::<i64>(flag, context)?, call, flag, |number| {
            json!(number.to_string())
        }),
        Method::Object => one(caller.resolve(flag, context)?, call, flag, Value::Object),
        Method::Events => Err(Status::internal("a stream has no single answer")),
    }
}

impl Wanted for Map<String, Value> {
    const NAME: &'static str = "an object";
    fn of(value: &Value) -> Option<Self> {
        value.as_object().cloned()
    }
}

fn one<T>(
    mut resolved: Resolved<T>,
    call: &Call,
    flag: &str,
    written: impl FnOnce(T) -> Value,
) -> Result<Value, Status> {
    let value = match call.version {
        Version::V1 => {
            let (value, rest) = resolved.or_not_found(flag)?;
            resolved = rest;
            Some(value)
        }
        Version::V2 => resolved.value.take(),
    };
    let mut answer = Map::new();
    if let Some(value) = value {
        answer.insert("value".to_owned(), written(value));
        answer.insert("variant".to_owned(), json!(resolved.variant));
    }
    answer.insert("reason".to_owned(), json!(resolved.reason));
    answer.insert("metadata".to_owned(), Value::Object(resolved.metadata));
    Ok(Value::Object(answer))
}

/// One flag of many: the member's name tells the type.
fn any_flag(resolved: Resolved<Value>) -> Option<Value> {
    let value = resolved.value?;
    let member = match &value {
        Value::Bool(_) => "boolValue",
        Value::String(_) => "stringValue",
        Value::Number(_) => "doubleValue",
        Value::Object(_) => "objectValue",
        Value::Array(_) | Value::Null => return None,
    };
    Some(json!({
        "reason": resolved.reason, "variant": resolved.variant, "metadata": resolved.metadata, member: value,
    }))
}

async fn body_of(request: Request<Incoming>) -> Result<Bytes, Status> {
    let body = Limited::new(request.into_body(), MESSAGE_BYTES_MAX);
    match timeout(BODY_PATIENCE, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Status::resource_exhausted(
            "the message is larger than 1 MiB; send fewer attributes",
        )),
        Ok(Err(error)) => Err(Status::invalid_argument(format!(
            "the body did not arrive whole: {error}"
        ))),
        Err(_elapsed) => Err(Status::deadline_exceeded("the body did not arrive in time")),
    }
}

fn parse(text: &[u8]) -> Result<Message, Status> {
    let wrong = |error: serde_json::Error| {
        Status::invalid_argument(format!(
            "the message cannot be read: {error}; send for example {{\"flagKey\":\"checkout\",\"context\":{{\"targetingKey\":\"u1\"}}}}"
        ))
    };
    // An object first: a list would do for the members in order.
    let members: Map<String, Value> = serde_json::from_slice(text).map_err(wrong)?;
    serde_json::from_value(Value::Object(members)).map_err(wrong)
}

fn check_version(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("connect-protocol-version") {
        Some(version) if version != "1" => Err(Status::invalid_argument(
            "connect-protocol-version is not 1, and there is no other version",
        )),
        _ => Ok(()),
    }
}

fn check_encoding(headers: &HeaderMap, name: &HeaderName) -> Result<(), Status> {
    match headers.get(name) {
        Some(encoding) if encoding != "identity" => Err(Status::unimplemented(
            "compressed messages are not read here; send them as they are",
        )),
        _ => Ok(()),
    }
}

/// How long the client wants to wait at most.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds = headers.get("connect-timeout-ms")?.to_str().ok()?;
    milliseconds
        .parse::<u32>()
        .ok()
        .map(|one| Duration::from_millis(one.into()))
}

fn media_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.split(';').next())
        .unwrap_or_default()
        .trim()
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(body.to_string())));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, JSON)
}

fn unsupported(accepted: &'static str) -> Response<Body> {
    let name = HeaderName::from_static("accept-post");
    with(empty(StatusCode::UNSUPPORTED_MEDIA_TYPE), name, accepted)
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}
