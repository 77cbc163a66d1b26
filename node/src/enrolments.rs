//! Enrolments: units that are to take part in an experiment for certain, or not at all.
//!
//! An evaluation answers whatever becomes of its exposure. Here it is the other way round: only a unit whose exposure
//! is kept gets its arm. All others get what the flag serves without the experiment, so that nobody is treated who is
//! not counted.

mod answer;
mod request;

use crate::caller::Caller;
use crate::facts::Facts;
use crate::json::Json as _;
use crate::problem::Problem;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use answer::{Enrolled, Why};
use request::Wanted;
use tidegate_eval::Evaluation;
use tidegate_model::Timestamp;
use tidegate_replica::{Exposure, Served, ServedFlag};

/// Enrols units in an experiment.
#[utoipa::path(
    post, path = "/v1/experiments/{experiment}/enrolments", operation_id = "enrol", tag = "experiments",
    params(("experiment" = String, Path, description = "The experiment, for example `one-page-checkout`.")),
    request_body(
        content = Object,
        description = "`context`, or `contexts`: at most 1,000. `flag` says which one, should several flags be parts of the \
                       experiment; else it is the first by name.",
        example = json!({"context": {"targetingKey": "user-42", "plan": "pro"}}),
    ),
    responses(
        (status = 200, description = "Whether it takes part, and what it gets. `enrolled` is true only when that is recorded. \
                                      For `contexts` the same as `results`, in their order.", body = Object, example = json!({
            "enrolled": true, "reason": "enrolled", "experiment": "one-page-checkout", "flag": "new-checkout",
            "variation": "on", "value": true
        })),
        (status = 400, description = "The body cannot be read."),
        (status = 422, description = "The body asks for too much or for nothing, or a single context breaks a rule."),
    ),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate"))),
)]
pub(crate) async fn enrol(
    caller: Caller,
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let experiment = request.match_info().get("experiment").unwrap_or_default();
    let body = request::whole(body)?;
    let wanted = Wanted::read(&body)?;
    let node = &caller.node;
    let served = node.replica().served();
    let flag = match &served {
        Some(served) => wanted.flag(served, experiment, &caller)?,
        None => None,
    };
    let contexts = wanted.contexts()?;
    let enrolled = match (&served, flag) {
        (Some(served), Some(flag)) => enrol_all(&caller, served, flag, &contexts).await,
        (Some(_), None) => contexts.iter().map(|_| Enrolled::no(Why::NotRunning)).collect(),
        (None, _) => contexts.iter().map(|_| Enrolled::no(Why::NoSnapshot)).collect(),
    };
    let mut text = Vec::with_capacity(192 * enrolled.len());
    if wanted.is_bulk() {
        text.raw("{\"results\":[");
    }
    for (place, one) in enrolled.iter().enumerate() {
        node.surface().metrics().enrolled(one.why.word());
        if place > 0 {
            text.raw(",");
        }
        one.write(&mut text, experiment, flag.map(|flag| flag.key.as_str()));
    }
    if wanted.is_bulk() {
        text.raw("]}");
    }
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

/// Enrols these contexts by this flag: those who can be are recorded all or none.
async fn enrol_all<'s>(
    caller: &Caller,
    served: &'s Served,
    flag: &ServedFlag,
    contexts: &[Option<Facts<'_>>],
) -> Vec<Enrolled<'s>> {
    let (node, now) = (&caller.node, caller.node.now());
    let mut exposures = Vec::new();
    let mut looks: Vec<Look<'s>> = Vec::with_capacity(contexts.len());
    for facts in contexts {
        let look = look(served, flag, facts.as_ref(), now);
        if let Some(Err(why)) = &look.exposure {
            node.replica().observations().lose(*why, 1, now);
        }
        looks.push(look);
    }
    for look in &mut looks {
        if let Some(Ok(exposure)) = look.exposure.take() {
            exposures.push(exposure);
            look.waits = true;
        }
    }
    let recorded = node.replica().observations().record(exposures, now).await.is_ok();
    let settled = looks.into_iter().map(|look| look.settled(recorded));
    let settled: Vec<Enrolled<'s>> = settled.collect();
    for one in &settled {
        flag.counts
            .exposed_at(one.evaluation.and_then(|answer| answer.variation_place()));
    }
    settled
}

/// What was found out about one context.
struct Look<'s> {
    why: Why,
    evaluation: Option<Evaluation<'s>>,
    /// What it gets when it cannot be recorded.
    otherwise: Option<Evaluation<'s>>,
    exposure: Option<Result<Exposure, tidegate_replica::NotRecorded>>,
    /// Whether it takes part, once that is recorded.
    waits: bool,
}

fn look<'s>(served: &'s Served, flag: &ServedFlag, facts: Option<&Facts<'_>>, now: Timestamp) -> Look<'s> {
    let key = flag.key.as_str();
    let Some(facts) = facts else {
        return Look {
            why: Why::InvalidContext,
            evaluation: None,
            otherwise: None,
            exposure: None,
            waits: false,
        };
    };
    let prepared = facts.prepare(served, now);
    let evaluation = served.evaluate(key, &prepared);
    let Some(dealt) = evaluation.dealt() else {
        return Look {
            why: Why::Part(served.part(key, &prepared)),
            evaluation: Some(evaluation),
            otherwise: None,
            exposure: None,
            waits: false,
        };
    };
    Look {
        why: Why::UnitTooLong,
        evaluation: Some(evaluation),
        otherwise: Some(served.evaluate_without_experiment(key, &prepared)),
        exposure: Some(Exposure::of(&dealt, &prepared)),
        waits: false,
    }
}

impl<'s> Look<'s> {
    fn settled(self, recorded: bool) -> Enrolled<'s> {
        let (why, evaluation) = match (self.waits, self.otherwise) {
            (true, _) if recorded => (Why::Enrolled, self.evaluation),
            (true, otherwise) => (Why::NotRecorded, otherwise),
            (false, Some(otherwise)) => (self.why, Some(otherwise)),
            (false, None) => (self.why, self.evaluation),
        };
        Enrolled { why, evaluation }
    }
}
