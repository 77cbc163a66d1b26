//! Tidegate's own way to evaluate: many flags for many contexts in one request.

mod request;

use crate::access::Scope;
use crate::caller::Caller;
use crate::facts::{Facts, Unreadable};
use crate::json::Json as _;
use crate::ofrep::{reason_in_detail, told};
use crate::problem::{Kind, Problem};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use request::{Asked, Batch, ValueKind};
use tidegate_eval::{ErrorCode, PreparedContext, Reason};
use tidegate_model::Timestamp;
use tidegate_replica::{Served, ServedFlag, Standing};

/// Largest request body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 4 << 20;

/// Largest answer, in bytes. Values may be large and asked for many times.
const ANSWER_BYTES_MAX: usize = 32 << 20;

const LINES: &str = "application/x-ndjson";

/// Many flags for many contexts at once.
#[utoipa::path(
    post, path = "/v1/evaluate", operation_id = "evaluateBatch", tag = "evaluation",
    request_body(
        content = Object,
        description = "At most 1,000 contexts, 1,000 flags and 50,000 answers. Without `flags` all that the token may see, for \
                       at most 100 contexts. `explain` is for tokens that see every flag.",
        example = json!({
            "contexts": [{"targetingKey": "user-1"}, {"targetingKey": "user-2", "plan": "pro"}],
            "flags": ["new-checkout", {"key": "page-size", "type": "number"}],
            "explain": false
        }),
    ),
    responses(
        (status = 200, description = "A result for each context; lines of JSON with `Accept: application/x-ndjson`.", body = Object, example = json!({
            "environment": "production", "version": "1.42", "state": "current",
            "results": [{"context": 0, "flags": [
                {"key": "new-checkout", "type": "boolean", "value": true, "variation": "on", "reason": "fallback"},
                {"key": "page-size", "type": "number", "errorCode": "TARGETING_KEY_MISSING", "errorDetails": "…"}
            ]}]
        })),
        (status = 400, description = "The body cannot be read."),
        (status = 422, description = "The batch asks for too much."),
        (status = 503, description = "The node has no snapshot yet."),
    ),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate"))),
)]
pub(crate) async fn evaluate(
    caller: Caller,
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let body = body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Problem::new(
            Kind::BodyTooLarge,
            "the body is larger than 4 MiB; send fewer contexts at once",
        ),
        _ => Problem::new(
            Kind::MalformedBody,
            format!("the body did not arrive whole: {error}"),
        ),
    })?;
    let batch = Batch::read(&body)?;
    if batch.explain && caller.grant.scope == Scope::Client {
        return Err(Problem::new(
            Kind::Forbidden,
            "explanations show rules, which are not for tokens of the role client; leave out 'explain', or use a token \
             of the role server",
        ));
    }
    let node = &caller.node;
    let served = node.replica().served().ok_or_else(|| {
        let detail = "the node has no snapshot yet and knows no flag; use your defaults, and ask again";
        Problem::new(Kind::NotReady, detail)
    })?;
    let standing = node.replica().standing_of(&served);
    let sheet = node.surface().sheet(&served);
    let accepted = request.headers().get_all(ACCEPT);
    let lines = accepted.into_iter().any(|accepted| {
        let accepted = accepted.to_str().unwrap_or_default();
        accepted.split([',', ';']).any(|one| one.trim() == LINES)
    });
    let mut answering = Answering {
        caller: &caller,
        served: &served,
        batch: &batch,
        at: node.now(),
        text: Vec::with_capacity(4096),
    };
    let (before, between, after) = if lines {
        ("}\n", "\n", "\n")
    } else {
        (",\"results\":[", ",", "]}")
    };
    answering.head(standing, &sheet.version);
    answering.text.raw(before);
    for (index, context) in batch.contexts.iter().enumerate() {
        if index > 0 {
            answering.text.raw(between);
        }
        answering.result(index, Facts::of_context(context.get().as_bytes()))?;
    }
    answering.text.raw(after);
    let media_type = if lines { LINES } else { "application/json" };
    let mut response = told(StatusCode::OK, Some(&sheet), standing);
    Ok(response
        .insert_header((CONTENT_TYPE, media_type))
        .body(answering.text))
}

/// An answer that is being written.
struct Answering<'a> {
    caller: &'a Caller,
    served: &'a Served,
    batch: &'a Batch<'a>,
    at: Timestamp,
    text: Vec<u8>,
}

impl Answering<'_> {
    /// What is the same for all results, without the closing brace. The names in it need no escapes.
    fn head(&mut self, standing: Standing, version: &str) {
        let environment = self.caller.node.environment().as_str();
        self.text.raw("{\"environment\":\"").raw(environment);
        self.text.raw("\",\"version\":\"").raw(version);
        self.text.raw("\",\"state\":\"").raw(standing.word()).raw("\"");
    }

    /// The result for one context.
    fn result(&mut self, index: usize, facts: Result<Facts<'_>, Unreadable>) -> Result<(), Problem> {
        self.text.raw("{\"context\":").value(&index);
        match facts {
            Err(Unreadable::Body(rule) | Unreadable::Context(rule)) => {
                self.text
                    .raw(",\"errorCode\":\"INVALID_CONTEXT\",\"errorDetails\":");
                self.text.value(&rule).raw("}");
            }
            Ok(facts) => {
                let prepared = facts.prepare(self.served, self.at);
                self.text.raw(",\"flags\":[");
                self.flags(&prepared)?;
                self.text.raw("]}");
            }
        }
        Ok(())
    }

    fn flags(&mut self, context: &PreparedContext<'_>) -> Result<(), Problem> {
        let (served, batch) = (self.served, self.batch);
        let mut separator = "";
        if let Some(asked) = &batch.flags {
            for one in asked {
                self.text.raw(separator);
                separator = ",";
                match self.caller.flag(served, &one.key) {
                    Some(flag) => self.flag(flag, Some(one), context),
                    None => self.unknown(&one.key),
                }
                self.check_size()?;
            }
        } else {
            for flag in served.listed().iter().filter(|flag| self.caller.sees(flag)) {
                self.text.raw(separator);
                separator = ",";
                self.flag(flag, None, context);
                self.check_size()?;
            }
        }
        Ok(())
    }

    fn flag(&mut self, flag: &ServedFlag, asked: Option<&Asked<'_>>, context: &PreparedContext<'_>) {
        let key = flag.key.as_str();
        let kind = ValueKind::of(flag.kind);
        self.text
            .raw("{\"key\":")
            .value(key)
            .raw(",\"type\":")
            .value(&kind);
        if let Some(wanted) = asked
            .and_then(|asked| asked.kind)
            .filter(|wanted| *wanted != kind)
        {
            let details =
                format!("the flag's values are of the type {kind}, not {wanted}; ask for that type");
            self.failure("TYPE_MISMATCH", &details);
            return;
        }
        let evaluation = self.served.evaluate(key, context);
        let reason = evaluation.reason();
        let place = evaluation.variation_place();
        flag.counts.exposed_at(place);
        if place.is_none() {
            let counters = self.caller.node.replica().counters();
            counters.defaulted(reason_in_detail(reason));
        }
        if reason == Reason::Error(ErrorCode::TargetingKeyMissing) {
            self.failure(
                "TARGETING_KEY_MISSING",
                "the flag is dealt out by unit and the context has none; send targetingKey, or the attribute that the \
                 flag names as its unit",
            );
            return;
        }
        if let Some(json) = evaluation.json() {
            self.text.raw(",\"value\":").raw(json);
        }
        self.text.raw(",\"variation\":").value(evaluation.variation());
        self.text
            .raw(",\"reason\":\"")
            .raw(reason_in_detail(reason))
            .raw("\"");
        if self.caller.grant.scope == Scope::Server {
            match reason {
                Reason::TargetingMatch { rule, .. } => self.text.raw(",\"rule\":").value(rule),
                Reason::Rollout { rollout } => self.text.raw(",\"rollout\":").value(rollout),
                Reason::Experiment { experiment, .. } => self.text.raw(",\"experiment\":").value(experiment),
                Reason::Holdout { holdout } => self.text.raw(",\"holdout\":").value(holdout),
                Reason::PrerequisiteFailed { flag } => self.text.raw(",\"prerequisite\":").value(flag),
                _ => &mut self.text,
            };
        }
        if self.batch.explain {
            let explanation = self.served.explain(key, context);
            self.text.raw(",\"explanation\":").value(&explanation);
        }
        self.text.raw("}");
    }

    fn unknown(&mut self, key: &str) {
        self.caller.node.replica().counters().defaulted("flag_not_found");
        self.text.raw("{\"key\":").value(key);
        self.failure(
            "FLAG_NOT_FOUND",
            "this token's environment has no such flag; check the key, the environment, and whether the flag's \
             visibility includes the token's role",
        );
    }

    fn failure(&mut self, code: &str, details: &str) {
        self.text.raw(",\"errorCode\":\"").raw(code);
        self.text.raw("\",\"errorDetails\":").value(details).raw("}");
    }

    fn check_size(&self) -> Result<(), Problem> {
        if self.text.len() <= ANSWER_BYTES_MAX {
            return Ok(());
        }
        let detail = "the answer would be larger than 32 MiB; ask for fewer flags or contexts at once";
        Err(Problem::new(Kind::Invalid, detail))
    }
}
