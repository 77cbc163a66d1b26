//! All flags in one answer, with where to hear of changes.

use super::entry::{Pen, failure};
use super::refusal::Refusal;
use super::{answer, reason_in_detail, told, whole};
use crate::access::Scope;
use crate::caller::Caller;
use crate::facts::Facts;
use crate::json::Json as _;
use crate::result_cache::{Identity, Kept};
use crate::sheet::{Sheet, etag, identify_text};
use crate::stream::token::{self, Epoch};
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderMap, IF_NONE_MATCH};
use actix_web::web::{Bytes, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use tidegate_eval::{Evaluation, PreparedContext, Reason};
use tidegate_model::snapshot::Version;
use tidegate_replica::{Served, ServedFlag, Standing};

/// After how long a hidden page shall close its stream.
const INACTIVITY_SECONDS: u32 = 120;

/// What a client repeats of the notice that made it ask.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notice {
    /// The notice's `etag`: a version in quotes. Its `lastModified` says nothing more.
    flag_config_etag: Option<String>,
}

impl Notice {
    fn version(&self) -> Option<Version> {
        self.flag_config_etag.as_deref()?.trim_matches('"').parse().ok()
    }
}

/// All flags that the token may see, by the OpenFeature Remote Evaluation Protocol.
#[utoipa::path(
    post, path = "/ofrep/v1/evaluate/flags", operation_id = "evaluateFlags", tag = "evaluation",
    params(
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an earlier answer for the same context."),
        ("flagConfigEtag" = Option<String>, Query, description = "The `etag` of the change notice that made the client ask."),
        ("flagConfigLastModified" = Option<i64>, Query, description = "The `lastModified` of that notice."),
    ),
    request_body(
        content = Object, description = "Who asks.",
        example = json!({"context": {"targetingKey": "user-42", "plan": "pro"}}),
    ),
    responses(
        (status = 200, description = "The answers, and where changes are announced.", body = Object, example = json!({
            "flags": [{"key": "new-checkout", "value": true, "reason": "SPLIT", "variant": "on", "metadata": {}}],
            "metadata": {"flagSetId": "production", "version": "1.42", "tidegateState": "current"},
            "eventStreams": [{"type": "sse", "endpoint": {"requestUri": "/ofrep/v1/stream?token=…&since=1.42"}, "inactivityDelaySec": 120}]
        })),
        (status = 304, description = "As before."),
        (status = 400, description = "`PARSE_ERROR` or `INVALID_CONTEXT`.", body = Object),
    ),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate"))),
)]
pub(crate) async fn evaluate_all(
    caller: Caller,
    request: HttpRequest,
    notice: Option<Query<Notice>>,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let body = whole(body)?;
    let node = &caller.node;
    if let Some(version) = notice.and_then(|notice| notice.version()) {
        // The notice may have come from another node, which was faster.
        node.catch_up(version).await;
    }
    let now = node.now();
    let epoch = Epoch::of(now);
    let Some(served) = node.replica().served() else {
        Facts::of_body(&body)?;
        node.replica().counters().defaulted("blind");
        let mut text = b"{\"flags\":[".to_vec();
        end(&mut text, &caller, None, Standing::Blind, epoch);
        return Ok(answer(None, Standing::Blind, text.len()).body(text));
    };
    let sheet = node.surface().sheet(&served);
    let standing = node.replica().standing_of(&served);
    let lasting = sheet.lasting(caller.grant.scope, now);
    let identity = sheet.identify(&body, &caller.grant, epoch, lasting);
    let answering = Answering {
        caller: &caller,
        sheet: &sheet,
        standing,
        epoch,
    };
    if !lasting.is_cacheable() {
        let facts = Facts::of_body(&body)?;
        let (text, variations) = answering.write(&facts.prepare(&served, now));
        let identity = identify_text(&identity, &text);
        if let Some(unchanged) = answering.unchanged(&request, &identity) {
            return Ok(unchanged);
        }
        count(&caller, &served, &variations);
        return Ok(answering.whole(&identity, text));
    }
    if let Some(unchanged) = answering.unchanged(&request, &identity) {
        return Ok(unchanged);
    }
    // While stale the answer says so, which is not part of its identity.
    let results = matches!(standing, Standing::Current { .. }).then(|| node.surface().results());
    let known = results.and_then(|results| results.get(&identity, node.surface().metrics()));
    let text = if let Some(kept) = known {
        count(&caller, &served, &kept.variations);
        kept.body.clone()
    } else {
        let facts = Facts::of_body(&body)?;
        let (text, variations) = answering.write(&facts.prepare(&served, now));
        count(&caller, &served, &variations);
        if let Some(results) = results {
            let body = text.clone();
            results.keep(identity, Kept { body, variations });
        }
        text
    };
    Ok(answering.whole(&identity, text))
}

/// An answer to be given.
struct Answering<'a> {
    caller: &'a Caller,
    sheet: &'a Sheet,
    standing: Standing,
    epoch: Epoch,
}

impl Answering<'_> {
    /// That the caller has it already, if it does.
    fn unchanged(&self, request: &HttpRequest, identity: &Identity) -> Option<HttpResponse> {
        let tag = etag(identity);
        let mut response = told(StatusCode::NOT_MODIFIED, Some(self.sheet), self.standing);
        matches(request.headers(), &tag).then(|| response.insert_header((ETAG, tag)).finish())
    }

    /// All of it.
    fn whole(&self, identity: &Identity, text: Bytes) -> HttpResponse {
        let mut response = answer(Some(self.sheet), self.standing, text.len());
        response.insert_header((ETAG, etag(identity))).body(text)
    }

    /// The whole answer, and the place of the variation served for each flag in it.
    fn write(&self, context: &PreparedContext<'_>) -> (Bytes, Box<[Option<u16>]>) {
        let Self {
            caller,
            sheet,
            standing,
            epoch,
        } = *self;
        let (node, served) = (&caller.node, &sheet.served);
        let pen = Pen::new(sheet, standing, caller.grant.scope);
        let mut text = Vec::with_capacity(256 + served.listed().len() * 256);
        text.raw("{\"flags\":[");
        let mut variations = Vec::with_capacity(served.listed().len());
        let mut put = |flag: &ServedFlag, evaluation: Evaluation<'_>| {
            if !variations.is_empty() {
                text.raw(",");
            }
            let place = evaluation.variation_place();
            variations.push(place.and_then(|place| u16::try_from(place).ok()));
            let reason = evaluation.reason();
            if place.is_none() {
                node.replica().counters().defaulted(reason_in_detail(reason));
            }
            match reason {
                Reason::Error(code) => failure(&mut text, flag.key.as_str(), code),
                _ => pen.answer(&mut text, flag.key.as_str(), &evaluation),
            }
        };
        match caller.grant.scope {
            Scope::Server => served
                .evaluate_all(context)
                .for_each(|(flag, evaluation)| put(flag, evaluation)),
            // Few of many, perhaps: hidden ones are not even evaluated.
            Scope::Client => {
                shown(caller, served).for_each(|flag| put(flag, served.evaluate(flag.key.as_str(), context)))
            }
        }
        end(&mut text, caller, Some(sheet), standing, epoch);
        (text.into(), variations.into())
    }
}

/// Counts an answer as given.
fn count(caller: &Caller, served: &Served, variations: &[Option<u16>]) {
    for (flag, variation) in shown(caller, served).zip(variations) {
        flag.counts.exposed_at(variation.map(usize::from));
    }
}

/// The flags that the caller gets, sorted by key.
fn shown<'a>(caller: &'a Caller, served: &'a Served) -> impl Iterator<Item = &'a ServedFlag> {
    served.listed().iter().filter(|flag| caller.sees(flag))
}

/// What stands behind the flags: the metadata, and the address of the stream of changes. The
/// address says which version this is, so that no change between here and there is lost.
fn end(text: &mut Vec<u8>, caller: &Caller, sheet: Option<&Sheet>, standing: Standing, epoch: Epoch) {
    let environment = caller.node.environment();
    text.raw("],\"metadata\":{\"flagSetId\":\"")
        .raw(environment.as_str());
    if let Some(sheet) = sheet {
        text.raw("\",\"version\":\"").raw(&sheet.version);
    }
    text.raw("\",\"tidegateState\":\"").raw(standing.word());
    let token = token::issue(&caller.grant.credential, environment, epoch);
    let since = sheet.map_or("0.0", |sheet| &sheet.version);
    let stream = format!(
        "\"}},\"eventStreams\":[{{\"type\":\"sse\",\"endpoint\":{{\"requestUri\":\"{path}?token={token}&since={since}\"}},\
         \"inactivityDelaySec\":{INACTIVITY_SECONDS}}}]}}",
        path = crate::stream::PATH,
    );
    text.raw(&stream);
}

fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let presented = headers
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok());
    presented
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == etag || one == "*")
}
