//! Reading what stands in the path and the query.

use crate::http::problem::Problem;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::str::FromStr;
use tidegate_model::invalid::{Violation, nearest};
use tidegate_model::key::{ExperimentKey, FlagKey, PolicyName, RolloutId, SegmentKey, TokenName};
use tidegate_model::snapshot::{Digest, KeyId};

/// A name that stands in a path.
pub(crate) trait PathName: FromStr<Err = Violation> {
    /// What the segment is called in the table of routes.
    const SEGMENT: &'static str;
}

impl PathName for FlagKey {
    const SEGMENT: &'static str = "key";
}

impl PathName for SegmentKey {
    const SEGMENT: &'static str = "key";
}

impl PathName for ExperimentKey {
    const SEGMENT: &'static str = "key";
}

impl PathName for PolicyName {
    const SEGMENT: &'static str = "name";
}

impl PathName for RolloutId {
    const SEGMENT: &'static str = "id";
}

impl PathName for TokenName {
    const SEGMENT: &'static str = "name";
}

impl PathName for Digest {
    const SEGMENT: &'static str = "digest";
}

impl PathName for KeyId {
    const SEGMENT: &'static str = "id";
}

/// The name in the path.
pub(crate) struct Named<N>(pub(crate) N);

impl<N: PathName> FromRequest for Named<N> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get(N::SEGMENT).unwrap_or_default();
        ready(text.parse().map(Self).map_err(Problem::malformed_request))
    }
}

/// The parameters of the query, each at most once.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// The value of the parameter `name`, if it is given. `rule` says what it must be, and by example.
    ///
    /// # Errors
    /// A problem naming the parameter, its value and the rule.
    pub(crate) fn get<T: FromStr>(
        &self,
        name: &str,
        rule: &str,
        example: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.0.get(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            Problem::malformed_request(Violation::new(
                name,
                text,
                rule,
                format!("for example {name}={example}"),
            ))
        })
    }

    /// Refuses every parameter that is not among these.
    ///
    /// # Errors
    /// A problem naming the first such parameter and the known ones.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        let Some((name, value)) = self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
            return Ok(self);
        };
        let fix = match (nearest(name, known.iter().copied()), known) {
            (_, []) => "leave the query out".to_owned(),
            (Some(near), _) => format!("did you mean '{near}'? known: {}", known.join(", ")),
            (None, _) => format!("known: {}", known.join(", ")),
        };
        Err(Problem::malformed_request(Violation::new(
            name,
            value,
            "this route has no such parameter",
            fix,
        )))
    }
}

impl FromRequest for Query {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            if let Some(earlier) = parameters.insert(name.to_string(), value.into_owned()) {
                let rule = "a parameter is given once";
                return ready(Err(Problem::malformed_request(Violation::new(
                    name,
                    earlier,
                    rule,
                    "leave one out",
                ))));
            }
        }
        ready(Ok(Self(parameters)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Kind;
    use actix_web::test::TestRequest;

    async fn query(uri: &str) -> Result<Query, Problem> {
        let request = TestRequest::with_uri(uri).to_http_request();
        Query::extract(&request).await?.only(&["after", "limit"])
    }

    #[actix_web::test]
    async fn queries_are_read_strictly() {
        let good = query("/audit?after=7&limit=").await.unwrap();
        assert_eq!(good.get::<u64>("after", "a number", "42").unwrap(), Some(7));
        assert_eq!(
            query("/audit")
                .await
                .unwrap()
                .get::<u64>("after", "a number", "42")
                .unwrap(),
            None
        );
        let bad = good.get::<u64>("limit", "limit is a number", "42").unwrap_err();
        assert_eq!(
            bad.detail(),
            r#"limit: limit is a number (""); for example limit=42"#
        );
        for (uri, says) in [
            ("/audit?aftre=1", "did you mean 'after'? known: after, limit"),
            ("/audit?after=1&after=2", "a parameter is given once"),
        ] {
            let problem = query(uri).await.unwrap_err();
            assert_eq!(problem.kind(), Kind::MalformedRequest);
            assert!(problem.detail().contains(says), "{uri}: {problem}");
        }
    }

    #[actix_web::test]
    async fn names_in_paths_are_checked() {
        let named = async |text: &str| {
            let request = TestRequest::default()
                .param("key", text.to_owned())
                .to_http_request();
            Named::<FlagKey>::extract(&request).await.map(|named| named.0)
        };
        assert_eq!(named("checkout").await.unwrap().as_str(), "checkout");
        for bad in ["a b", "a%2Fb", "a;b", "é"] {
            let problem = named(bad).await.unwrap_err();
            assert_eq!(problem.kind(), Kind::MalformedRequest);
            assert!(problem.detail().starts_with("flag key: "), "{problem}");
        }
    }
}
