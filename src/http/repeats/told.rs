//! What somebody is told whose request was done, and whose answer is not kept.

use actix_web::http::Method;
use serde::Serialize;
use tidegate_actors::repeats::Done;
use tidegate_model::Timestamp;
use tidegate_model::change::EntityRef;

/// That it was done, and where to look.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// In a few words.
    title: &'static str,
    /// What happened, and what to do.
    detail: String,
    /// The record of it in the journal.
    record: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Where to look; also in the header `Location`.
    #[serde(skip)]
    pub(crate) location: String,
}

impl Told {
    /// What a request with this method and path did.
    pub(crate) fn of(method: &Method, path: &str, done: &Done) -> Self {
        let location = place(method, path, done);
        let lost = match done.entity {
            EntityRef::Token(_) => "; a secret in it is lost: revoke the token and make another",
            _ => "",
        };
        Self {
            title: "It was done before",
            detail: format!(
                "this request was done, in record {}, and its answer is not kept{lost}; look at {location}",
                done.record
            ),
            record: done.record,
            at: done.at,
            location,
        }
    }
}

/// Where to look at what a request did: at the thing itself, or at the record.
fn place(method: &Method, path: &str, done: &Done) -> String {
    match (&done.entity, done.entity.environment()) {
        (EntityRef::Rollout(environment, id), _) if *method == Method::POST => {
            format!("/api/v1/{environment}/rollouts/{id}")
        }
        _ if *method == Method::PUT => path.strip_suffix("/list").unwrap_or(path).to_owned(),
        (_, Some(environment)) => {
            let before = done.record.saturating_sub(1);
            format!("/api/v1/{environment}/audit?after={before}&limit=1")
        }
        (_, None) => "/api/v1/tokens".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::snapshot::Digest;

    #[test]
    fn f29_what_was_done_is_found() {
        for (method, path, entity, expected) in [
            (
                Method::POST,
                "/api/v1/production/rollouts",
                "rollout/production/a.1",
                "/api/v1/production/rollouts/a.1",
            ),
            (
                Method::PUT,
                "/api/v1/production/flags/a",
                "rollout/production/a.1",
                "/api/v1/production/flags/a",
            ),
            (
                Method::PUT,
                "/api/v1/production/segments/s/list",
                "segment/production/s",
                "/api/v1/production/segments/s",
            ),
            (
                Method::DELETE,
                "/api/v1/production/policies/p",
                "policy/production/p",
                "/api/v1/production/audit?after=6&limit=1",
            ),
            (Method::POST, "/api/v1/tokens", "token/-/ci", "/api/v1/tokens"),
        ] {
            let done = Done {
                record: 7,
                at: Timestamp::default(),
                entity: entity.parse().unwrap(),
                digest: Digest::of(b""),
            };
            let told = Told::of(&method, path, &done);
            assert_eq!(told.location, expected);
            assert_eq!(told.detail.contains("revoke"), entity.starts_with("token"));
        }
    }
}
