//! Requests that come again because their answers got lost: draft-ietf-httpapi-idempotency-key-header.
//!
//! A middleware around every route that changes something. It says which request is being done, so that the record
//! of what is done says so too ([`Asked`]); it keeps the answer before it is given; and it answers whoever asks again.

use crate::http::access::Repeater;
use crate::http::body::{Streamed, read_whole};
use crate::http::problem::{Kind, Problem};
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse};
use kept::Kept;
use tidegate_actors::repeats::{Before, FirstTime, Turn};
use tidegate_model::request::RequestKey;

mod asked;
mod kept;
mod told;

pub(crate) use asked::Asked;
pub(crate) use told::Told;

/// The header that names a request.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Stands on an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest answer that is kept, in bytes; of a longer one is kept where to look.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// The route whose body is too large to be held as a whole.
pub(crate) const STREAMED_ROUTE: &str = "/api/v1/{environment}/segments/{key}/list";

/// Whether what is asked with this method on this path may be repeated under a key.
pub(crate) fn is_repeatable(method: &Method, path: &str) -> bool {
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
    changes && path.starts_with("/api/v1/")
}

/// The middleware.
pub(crate) async fn repeatable(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    match prepare(request).await {
        Ok(Prepared::Unnamed(request)) => next.call(*request).await,
        Ok(Prepared::First(request, first)) => perform(*request, *first, next).await,
        Ok(Prepared::Known(response)) => Ok(ServiceResponse::new(kept, response)),
        Err(problem) => Ok(ServiceResponse::new(kept, HttpResponse::from_error(problem))),
    }
}

enum Prepared {
    /// It has no key, or nobody's token: it is done, or refused, as if there were no keys.
    Unnamed(Box<ServiceRequest>),
    /// It has not been done before.
    First(Box<ServiceRequest>, Box<First>),
    /// It has been done before.
    Known(HttpResponse),
}

struct First {
    by: Repeater,
    asked: Asked,
    right: FirstTime,
}

async fn prepare(mut request: ServiceRequest) -> Result<Prepared, Problem> {
    if !is_repeatable(request.method(), request.path()) {
        return Ok(Prepared::Unnamed(Box::new(request)));
    }
    let Some(key) = key(request.request())? else {
        return Ok(Prepared::Unnamed(Box::new(request)));
    };
    let Some(by) = Repeater::of(request.request()) else {
        return Ok(Prepared::Unnamed(Box::new(request)));
    };
    let turn = by.control.turn_of(&by.token, &key).await?;
    let asked = Asked::new(key, request.request());
    match turn {
        Turn::UnderWay => {
            by.control.count_repeat("under_way");
            Err(Problem::under_way())
        }
        Turn::First(right) => {
            let payload = request.take_payload();
            let payload = if is_streamed(request.request()) {
                asked.listen(payload)
            } else {
                let body = read_whole(request.request(), payload).await?;
                asked.hear(&body);
                asked.end();
                Payload::from(body)
            };
            request.set_payload(payload);
            request.extensions_mut().insert(asked.clone());
            let first = First { by, asked, right };
            Ok(Prepared::First(Box::new(request), Box::new(first)))
        }
        Turn::Again(before) => {
            hear_out(&mut request, &asked).await?;
            again(request.request(), &by, &asked, before).map(Prepared::Known)
        }
    }
}

/// The key, if there is one.
fn key(request: &HttpRequest) -> Result<Option<RequestKey>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let (Some(value), None) = (values.next(), values.next()) else {
        return match request.headers().contains_key(IDEMPOTENCY_KEY) {
            true => RequestKey::try_from("two of them".to_owned())
                .map(Some)
                .map_err(Problem::malformed_request),
            false => Ok(None),
        };
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    // The draft has a string of RFC 8941 there, in quotes; most clients leave them out.
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = RequestKey::try_from(bare.unwrap_or(&text).to_owned());
    key.map(Some).map_err(Problem::malformed_request)
}

fn is_streamed(request: &HttpRequest) -> bool {
    request.match_pattern().as_deref() == Some(STREAMED_ROUTE)
}

/// Reads the body of a request that is not done, to find out whether it is the one from before.
async fn hear_out(request: &mut ServiceRequest, asked: &Asked) -> Result<(), Problem> {
    let mut payload = request.take_payload();
    if is_streamed(request.request()) {
        let body = Streamed::from_request(request.request(), &mut payload).await?;
        body.read(|piece| asked.hear(piece)).await?;
    } else {
        asked.hear(&read_whole(request.request(), payload).await?);
    }
    asked.end();
    Ok(())
}

/// What somebody is told who asks again.
fn again(
    request: &HttpRequest,
    by: &Repeater,
    asked: &Asked,
    before: Before,
) -> Result<HttpResponse, Problem> {
    let said = match &before {
        Before::Answered { digest, .. } => digest,
        Before::Done(done) => &done.digest,
    };
    if asked.mark().is_none_or(|mark| mark.digest != *said) {
        by.control.count_repeat("other_request");
        return Err(Problem::other_request(&asked.key));
    }
    match before {
        Before::Answered { answer, digest } => {
            by.control.count_repeat("answered");
            let kept = Kept::open(&answer, &by.secret, &digest)?;
            let mut response = kept.response();
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        Before::Done(done) => {
            by.control.count_repeat("done");
            let told = Told::of(request.method(), request.path(), &done);
            Ok(HttpResponse::build(StatusCode::SEE_OTHER)
                .insert_header((header::LOCATION, told.location.as_str()))
                .json(&told))
        }
    }
}

/// Does it, to the end even if the caller goes away meanwhile, and keeps what it is answered.
async fn perform(
    request: ServiceRequest,
    first: First,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    let work = async move {
        let answered = next.call(request).await?;
        remember(answered, first).await
    };
    match actix_web::rt::spawn(work).await {
        Ok(answered) => answered,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        Err(_cancelled) => {
            let problem = Problem::new(
                Kind::NotReady,
                "the control plane is being stopped; repeat the request",
            );
            Ok(ServiceResponse::new(kept, HttpResponse::from_error(problem)))
        }
    }
}

async fn remember(
    answered: ServiceResponse<BoxBody>,
    first: First,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let First { by, asked, right } = first;
    let (request, response) = answered.into_parts();
    let status = response.status();
    let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let (response, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(Into::<Error>::into)?;
    let kept = match asked.mark() {
        // Nothing was done, or the process cannot say: what was done stays known by its record.
        None => Ok(()),
        Some(_) if passing => Ok(()),
        Some(_) if body.len() > ANSWER_BYTES_MAX => right.keep_done().await,
        Some(mark) => match Kept::of(&response, &body).seal(&by.secret, &mark.digest) {
            Ok(sealed) => right.keep(mark.digest, sealed).await,
            Err(problem) => return Ok(ServiceResponse::new(request, HttpResponse::from_error(problem))),
        },
    };
    if let Err(error) = kept {
        // It was done, and its record says so; only the answer is not there to be given again.
        tracing::error!(%error, "an answer is not kept");
    }
    let response = response.set_body(body.boxed());
    Ok(ServiceResponse::new(request, response))
}

/// Which request is being done, if it can be repeated.
pub(crate) fn asked(request: &HttpRequest) -> Option<Asked> {
    request.extensions().get::<Asked>().cloned()
}
