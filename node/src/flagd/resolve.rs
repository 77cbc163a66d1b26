//! One evaluation, as far as all of flagd's evaluation protocols agree on it.

use super::admit::{Caller, shortened};
use super::structs;
use crate::access::Scope;
use crate::ofrep::{reason, reason_in_detail};
use prost_types::Struct;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tidegate_eval::{ErrorCode, Evaluation, PreparedContext, Reason};
use tidegate_model::context::Context;
use tidegate_replica::{Served, ServedFlag, Standing};
use tonic::Status;

/// A type that a client asks for by the name of its method.
pub(super) trait Wanted: Sized {
    /// What the type is called in errors.
    const NAME: &'static str;
    /// The value, if it is of this type.
    fn of(value: &Value) -> Option<Self>;
}

impl Wanted for bool {
    const NAME: &'static str = "a boolean";
    fn of(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Wanted for String {
    const NAME: &'static str = "a string";
    fn of(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Wanted for f64 {
    const NAME: &'static str = "a number";
    /// Whole numbers too: the client of npm has only one kind of number, and asks for this one.
    fn of(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl Wanted for i64 {
    const NAME: &'static str = "an integer";
    /// Only what is spelled as one: `10.0` is a float, whatever follows the point.
    fn of(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl Wanted for Struct {
    const NAME: &'static str = "an object";
    fn of(value: &Value) -> Option<Self> {
        value.as_object().map(structs::from_json)
    }
}

/// A value that can be carried, whatever its type: the protocols have no lists.
impl Wanted for Value {
    const NAME: &'static str = "an object, and not a list";
    fn of(value: &Value) -> Option<Self> {
        (!value.is_array()).then(|| value.clone())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Resolved<T> {
    /// `None` is "use the caller's default".
    pub(super) value: Option<T>,
    pub(super) reason: &'static str,
    /// Empty when there is no value.
    pub(super) variant: String,
    pub(super) metadata: Map<String, Value>,
}

/// Many answers, and what stands beside all of them.
#[derive(Debug)]
pub(super) struct All {
    pub(super) flags: Vec<(String, Resolved<Value>)>,
    pub(super) metadata: Map<String, Value>,
}

/// The context that a client sent.
///
/// # Errors
/// A status that clients read as a general error: INVALID_ARGUMENT would tell them that the flag is of
/// another type.
pub(super) fn context(attributes: &Map<String, Value>) -> Result<Context, Status> {
    Context::from_json(attributes)
        .map_err(|violation| Status::failed_precondition(format!("INVALID_CONTEXT: {violation}")))
}

impl Caller {
    /// The answer for one flag.
    ///
    /// # Errors
    /// The status that clients understand: NOT_FOUND is a missing flag, INVALID_ARGUMENT another type,
    /// everything else a general error.
    pub(super) fn resolve<T: Wanted>(&self, flag: &str, context: &Context) -> Result<Resolved<T>, Status> {
        let Some(served) = self.realm.node.replica().served() else {
            self.realm.node.replica().counters().defaulted("blind");
            return Ok(self.blind());
        };
        let Some(known) = served.flag(flag).filter(|flag| self.scope.sees(flag)) else {
            self.realm.node.replica().counters().defaulted("flag_not_found");
            return Err(refusal(ErrorCode::FlagNotFound, flag));
        };
        let prepared = served.prepare(context, self.realm.node.now());
        let answer = self.answer(&served, known, &prepared)?;
        // Who asks for one flag acts upon it. An answer of another type than was asked for is none.
        served.expose(&served.evaluate(flag, &prepared), &prepared);
        Ok(answer)
    }

    /// The answers for all flags that have one. Flags without a value are left out, so that clients use
    /// their defaults.
    ///
    /// # Errors
    /// UNAVAILABLE while there is no snapshot.
    pub(super) fn resolve_all(&self, context: &Context) -> Result<All, Status> {
        let served = self.realm.node.replica().served().ok_or_else(blind)?;
        let prepared = served.prepare(context, self.realm.node.now());
        let visible = served.listed().iter().filter(|flag| self.scope.sees(flag));
        let flags = visible.filter_map(|flag| {
            let resolved = self.answer(&served, flag, &prepared).ok()?;
            resolved.value.is_some().then(|| (flag.key.to_string(), resolved))
        });
        Ok(All {
            flags: flags.collect(),
            metadata: self.metadata(Some(&served)),
        })
    }

    fn answer<T: Wanted>(
        &self,
        served: &Arc<Served>,
        flag: &ServedFlag,
        context: &PreparedContext<'_>,
    ) -> Result<Resolved<T>, Status> {
        let key = flag.key.as_str();
        let evaluation = served.evaluate(key, context);
        if evaluation.value().is_none() {
            let counters = self.realm.node.replica().counters();
            counters.defaulted(reason_in_detail(evaluation.reason()));
        }
        if let Reason::Error(code) = evaluation.reason() {
            return Err(refusal(code, key));
        }
        let value = match evaluation.value() {
            None => None,
            Some(value) => Some(T::of(value).ok_or_else(|| another_type::<T>(key))?),
        };
        flag.counts.exposed_at(evaluation.variation_place());
        Ok(Resolved {
            value,
            reason: reason(evaluation.reason()),
            variant: evaluation.variation().to_owned(),
            metadata: self.metadata_of(served, &evaluation),
        })
    }

    /// The answer while no snapshot is served: not an error, the caller's default (law L7).
    fn blind<T>(&self) -> Resolved<T> {
        let mut metadata = self.metadata(None);
        metadata.insert("tidegateReason".to_owned(), json!("blind"));
        Resolved {
            value: None,
            reason: "DEFAULT",
            variant: String::new(),
            metadata,
        }
    }

    fn metadata_of(&self, served: &Arc<Served>, evaluation: &Evaluation<'_>) -> Map<String, Value> {
        let mut metadata = self.metadata(Some(served));
        let mut put = |name: &str, text: &str| metadata.insert(name.to_owned(), json!(text));
        put("tidegateReason", reason_in_detail(evaluation.reason()));
        match evaluation.reason() {
            // Names of rules, rollouts and other flags are not for those who get values only.
            _ if self.scope == Scope::Client => None,
            Reason::TargetingMatch { rule, .. } => put("rule", rule),
            Reason::Rollout { rollout } => put("rollout", rollout),
            Reason::PrerequisiteFailed { flag } => put("prerequisite", flag),
            _ => None,
        };
        metadata
    }

    fn metadata(&self, served: Option<&Arc<Served>>) -> Map<String, Value> {
        let node = &self.realm.node;
        let mut metadata = Map::new();
        let mut put = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
        put("flagSetId", json!(node.environment()));
        let standing = served.map_or(Standing::Blind, |served| node.replica().standing_of(served));
        if let Some(served) = served {
            put("version", json!(served.version().to_string()));
        }
        put("tidegateState", json!(standing.word()));
        if let (Standing::Stale { .. }, Some(age)) = (standing, standing.age()) {
            put("tidegateAgeSeconds", json!(age.as_secs()));
        }
        metadata
    }
}

impl<T> Resolved<T> {
    /// The value, for messages in which it cannot be left out.
    ///
    /// # Errors
    /// NOT_FOUND, with which clients use their default, as with no value.
    pub(super) fn or_not_found(mut self, flag: &str) -> Result<(T, Self), Status> {
        match self.value.take() {
            Some(value) => Ok((value, self)),
            None => Err(Status::not_found(format!(
                "flag {:?} has no value for this context ({}): the caller's default is to be used",
                shortened(flag),
                self.reason
            ))),
        }
    }
}

fn blind() -> Status {
    Status::unavailable("no snapshot has arrived here yet; ask again")
}

fn refusal(code: ErrorCode, flag: &str) -> Status {
    let flag = shortened(flag);
    match code {
        ErrorCode::FlagNotFound => {
            Status::not_found(format!("there is no flag {flag:?} in this environment"))
        }
        ErrorCode::TargetingKeyMissing => Status::failed_precondition(format!(
            "TARGETING_KEY_MISSING: flag {flag:?} is dealt out by unit and the context has none; send targetingKey, or the \
             attribute that the flag names as its unit"
        )),
    }
}

fn another_type<T: Wanted>(flag: &str) -> Status {
    Status::invalid_argument(format!(
        "the value of flag {:?} is not {}",
        shortened(flag),
        T::NAME
    ))
}
