//! Who is to be enrolled.

use crate::caller::Caller;
use crate::facts::{Facts, Unreadable};
use crate::problem::{Kind, Problem};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tidegate_model::invalid::{Violation, nearest};
use tidegate_replica::{Served, ServedFlag};

/// Most contexts in one request.
const CONTEXTS_MAX: usize = 1_000;

const EXAMPLE: &str = r#"for example {"context": {"targetingKey": "user-1"}}"#;

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted<'b> {
    #[serde(borrow, default)]
    context: Option<&'b RawValue>,
    #[serde(borrow, default)]
    contexts: Option<Vec<&'b RawValue>>,
    #[serde(borrow, default)]
    flag: Option<Cow<'b, str>>,
}

/// The body, if it arrived.
///
/// # Errors
/// When it did not, or is too large.
pub(super) fn whole(body: Result<Bytes, actix_web::Error>) -> Result<Bytes, Problem> {
    body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Problem::new(
            Kind::BodyTooLarge,
            "the body is larger than 1 MiB; send fewer contexts at once",
        ),
        _ => Problem::new(
            Kind::MalformedBody,
            format!("the body did not arrive whole: {error}"),
        ),
    })
}

fn wrong(violation: Violation) -> Problem {
    Problem::new(Kind::Invalid, "nobody was enrolled").with_violations(vec![violation])
}

impl<'b> Wanted<'b> {
    /// What a body asks for.
    ///
    /// # Errors
    /// When it cannot be read, or asks for too much or for nothing.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Problem> {
        let wanted: Self = serde_json::from_slice(body).map_err(|error| {
            let detail = format!("the body cannot be read: {error}; {EXAMPLE}");
            Problem::new(Kind::MalformedBody, detail)
        })?;
        let violation = match (&wanted.context, &wanted.contexts) {
            (Some(_), None) => return Ok(wanted),
            (None, Some(contexts)) if contexts.len() <= CONTEXTS_MAX => return Ok(wanted),
            (None, Some(contexts)) => {
                let rule = format!("a request has at most {CONTEXTS_MAX} contexts");
                Violation::new("contexts", contexts.len(), rule, "send several requests")
            }
            (Some(_), Some(_)) => {
                let rule = "a request has either 'context' or 'contexts'";
                Violation::new("contexts", "", rule, "leave out one of them")
            }
            (None, None) => Violation::new("context", "", "a request says who is to be enrolled", EXAMPLE),
        };
        Err(wrong(violation))
    }

    /// Whether it asks for several.
    pub(super) fn is_bulk(&self) -> bool {
        self.contexts.is_some()
    }

    /// Whom it asks for; `None` for those whose context cannot be read.
    ///
    /// # Errors
    /// When there is only one, and it cannot be read.
    pub(super) fn contexts(&self) -> Result<Vec<Option<Facts<'b>>>, Problem> {
        if let Some(only) = self.context {
            let facts = Facts::of_context(only.get().as_bytes());
            let facts = facts.map_err(|unreadable| {
                let (Unreadable::Body(rule) | Unreadable::Context(rule)) = unreadable;
                wrong(Violation::new("context", "", rule, EXAMPLE))
            })?;
            return Ok(vec![Some(facts)]);
        }
        let all = self.contexts.iter().flatten();
        Ok(all
            .map(|one| Facts::of_context(one.get().as_bytes()).ok())
            .collect())
    }

    /// The flag by which they are enrolled: the one named, else the first that is part of the experiment; `None` when
    /// the caller sees none.
    ///
    /// # Errors
    /// When the one named is no part of it.
    pub(super) fn flag<'s>(
        &self,
        served: &'s Served,
        experiment: &str,
        caller: &Caller,
    ) -> Result<Option<&'s ServedFlag>, Problem> {
        let mut parts = served
            .flags_of_experiment(experiment)
            .filter(|flag| caller.sees(flag));
        let Some(named) = &self.flag else {
            return Ok(parts.next());
        };
        let parts: Vec<&ServedFlag> = parts.collect();
        let found = parts.iter().find(|flag| flag.key.as_str() == named.as_ref());
        if found.is_some() || parts.is_empty() {
            return Ok(found.copied());
        }
        let fix = match nearest(named, parts.iter().map(|flag| flag.key.as_str())) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "leave it out for the first that is".to_owned(),
        };
        let rule = "this flag is no part of the experiment";
        Err(wrong(Violation::new("flag", named, rule, fix)))
    }
}
