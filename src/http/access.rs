//! Who may use a route, said by the type of its first argument.
//!
//! [`ApiState`] keeps the control plane to itself: the only ways to it are [`Allowed`] and
//! [`AllowedEverywhere`], which exist only after the caller's token was checked. A route that asks
//! for no permission cannot reach it, and the compiler says so.

use crate::heads::HeadSigner;
use crate::http::admission::Lanes;
use crate::http::problem::{Kind, Problem};
use crate::http::repeats::{Asked, asked};
use crate::publications::Publications;
use crate::telemetry::HttpMetrics;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use tidegate_actors::control::{ControlPlane, Health};
use tidegate_model::access::{Author, Permission, Role, Token};
use tidegate_model::head::SignedHead;
use tidegate_model::key::{EnvironmentKey, TokenName};
use tidegate_model::snapshot::Digest;
use tidegate_replica::publication::Publication;

/// What the API stands on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiState {
    control: ControlPlane,
    metrics: HttpMetrics,
    publications: Publications,
    lanes: Arc<Lanes>,
    heads: Option<HeadSigner>,
}

impl ApiState {
    /// The API of this control plane; its requests are measured in the control plane's registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub(crate) fn new(control: ControlPlane) -> Result<Self, prometheus::Error> {
        let metrics = HttpMetrics::register(control.registry())?;
        let publications = Publications::follow(&control);
        Ok(Self {
            control,
            metrics,
            publications,
            lanes: Arc::default(),
            heads: None,
        })
    }

    /// The same, which vouches for its journal.
    #[must_use]
    pub(crate) fn with_heads(self, heads: HeadSigner) -> Self {
        Self {
            heads: Some(heads),
            ..self
        }
    }

    /// Who may come in.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Counts a change that was refused, because too much was asked at once.
    pub(crate) fn count_flood(&self) {
        self.control.count_flood();
    }

    /// What is handed on to nodes.
    pub(crate) fn publications(&self) -> &Publications {
        &self.publications
    }

    /// Where requests are counted.
    pub(crate) fn metrics(&self) -> &HttpMetrics {
        &self.metrics
    }

    fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        let state = request.app_data::<Self>();
        state.ok_or_else(|| Problem::incident("api-without-control-plane"))
    }
}

/// What a route asks of its caller's role.
pub(crate) trait Access: 'static {
    /// Any one of these will do.
    const ANY_OF: &'static [Permission];
}

macro_rules! access {
    ($($(#[$doc:meta])* $name:ident = $($permission:ident)|+;)*) => { $(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl Access for $name {
            const ANY_OF: &'static [Permission] = &[$(Permission::$permission),+];
        }
    )* };
}

access! {
    /// The route shows something.
    ReadAccess = Read;
    /// The route changes flags, segments or policies.
    EditAccess = Edit;
    /// The route starts rollouts.
    OperateAccess = Operate;
    /// The route takes commands, of which some are the operators' and one is the approvers'.
    CommandAccess = Operate | Approve;
    /// The route is about tokens.
    AdministerAccess = Administer;
    /// The route is for nodes.
    ServeAccess = Serve;
    /// The route takes alerts.
    AlertAccess = Alert;
    /// The route is for nodes, and for everybody who may see what they see.
    FetchAccess = Serve | Read;
}

/// Who may use a route, as its first argument says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody, without a token.
    Everybody,
    /// Holders of a token for the environment in the path, or for all, with any one of these.
    Permission(&'static [Permission]),
    /// Holders of a token that is bound to no environment, with any one of these.
    PermissionEverywhere(&'static [Permission]),
}

/// The first argument of a route.
pub(crate) trait Guard {
    /// Who passes.
    const WHO: Who;
}

macro_rules! guarded_by_first {
    ($(($($rest:ident),*))*) => { $(
        impl<First: Guard, $($rest),*> Guard for (First, $($rest,)*) {
            const WHO: Who = First::WHO;
        }
    )* };
}

guarded_by_first! { () (A) (A, B) (A, B, C) (A, B, C, D) }

/// The caller holds a token with the permission, for the environment in the path.
pub(crate) struct Allowed<P> {
    caller: Caller,
    environment: EnvironmentKey,
    access: PhantomData<P>,
}

/// How long the store may take to say how many experiments there are.
const COUNT_PATIENCE: Duration = Duration::from_secs(1);

/// The caller holds a token with the permission that is bound to no environment: one that were
/// could make itself a token that is not.
pub(crate) struct AllowedEverywhere<P> {
    caller: Caller,
    access: PhantomData<P>,
}

/// Anybody: what needs no token, and shows nothing that would.
pub(crate) struct Anybody {
    state: ApiState,
}

struct Caller {
    control: ControlPlane,
    heads: Option<HeadSigner>,
    publications: Publications,
    token: Token,
    asked: Option<Asked>,
}

/// Somebody who may ask again.
pub(crate) struct Repeater {
    /// The control plane.
    pub(crate) control: ControlPlane,
    /// Whose keys they are.
    pub(crate) token: TokenName,
    /// What answers are sealed with.
    pub(crate) secret: String,
}

impl Repeater {
    /// The holder of the token that the request carries, if it carries one that works.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        let Caller { control, token, .. } = Caller::of(request).ok()?;
        Some(Self {
            control,
            token: token.name,
            secret: bearer(request).ok()?.to_owned(),
        })
    }
}

impl<P> Allowed<P> {
    /// The control plane.
    pub(crate) fn control(&self) -> &ControlPlane {
        &self.caller.control
    }

    /// What is handed on to nodes of the environment in the path.
    pub(crate) fn publication(&self) -> Result<&Publication, Problem> {
        let publication = self.caller.publications.of(&self.environment);
        publication.ok_or_else(|| Problem::incident("environment-without-publication"))
    }

    /// The environment in the path.
    pub(crate) fn environment(&self) -> &EnvironmentKey {
        &self.environment
    }

    /// Who is responsible for what the caller changes.
    pub(crate) fn author(&self) -> Author {
        self.caller.author()
    }

    /// The caller's role.
    pub(crate) fn role(&self) -> Role {
        self.caller.token.role
    }

    /// Passes only if the role includes this permission too.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), Problem> {
        self.caller.require(&[permission])
    }

    /// Passes only if the role includes all of these.
    pub(crate) fn require_all(&self, permissions: &[Permission]) -> Result<(), Problem> {
        self.caller.require_all(permissions)
    }

    /// Passes only if the token is bound to no environment; `what` the route does.
    pub(crate) fn require_everywhere(&self, what: &str) -> Result<(), Problem> {
        self.caller.require_everywhere(what)
    }
}

impl<P> AllowedEverywhere<P> {
    /// The control plane.
    pub(crate) fn control(&self) -> &ControlPlane {
        &self.caller.control
    }

    /// Who is responsible for what the caller changes.
    pub(crate) fn author(&self) -> Author {
        self.caller.author()
    }

    /// What the journal is now, vouched for.
    pub(crate) fn head(&self) -> Result<SignedHead, Problem> {
        let heads = self.caller.heads.as_ref();
        let detail = "this control plane keeps no journal that could be vouched for";
        let heads = heads.ok_or_else(|| Problem::new(Kind::NotFound, detail))?;
        Ok(heads.now()?)
    }
}

impl Anybody {
    /// How the control plane is doing.
    pub(crate) async fn health(&self) -> Health {
        self.state.control.health().await
    }

    /// What it measures of itself, up to date.
    pub(crate) async fn registry(&self) -> &prometheus::Registry {
        // A store that does not answer is what the other metrics are there to tell.
        let counted = self.state.control.count_experiments();
        let _unknown = tokio::time::timeout(COUNT_PATIENCE, counted).await;
        for (environment, open) in self.state.publications.streams() {
            self.state.metrics.note_streams(environment, open);
        }
        self.state.control.registry()
    }
}

impl Caller {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let state = ApiState::of(request)?;
        let (control, publications) = (state.control.clone(), state.publications.clone());
        let secret = bearer(request)?;
        // The secret has 256 random bits and is looked up by its digest: how long the look-up takes
        // tells something about the digest, which is of no use for finding the secret.
        let token = control.token_of_secret(&Digest::of(secret.as_bytes()));
        let token = token.ok_or_else(|| {
            Problem::new(
                Kind::Unauthenticated,
                "the token is unknown, expired or revoked; ask an administrator for a new one",
            )
        })?;
        Ok(Self {
            control,
            heads: state.heads.clone(),
            publications,
            token,
            asked: asked(request),
        })
    }

    fn author(&self) -> Author {
        Author::Token {
            name: self.token.name.clone(),
            role: self.token.role,
            through: self.asked.as_ref().map(Asked::through).unwrap_or_default(),
        }
    }

    fn require(&self, any_of: &[Permission]) -> Result<(), Problem> {
        let includes = |role: Role| any_of.iter().any(|permission| role.allows(*permission));
        self.require_role(includes, &format!("the permission {}", names(any_of)))
    }

    fn require_all(&self, permissions: &[Permission]) -> Result<(), Problem> {
        let includes = |role: Role| permissions.iter().all(|permission| role.allows(*permission));
        let each: Vec<String> = permissions.iter().map(|one| names(&[*one])).collect();
        self.require_role(includes, &format!("the permissions {}", each.join(" and ")))
    }

    fn require_role(&self, includes: impl Fn(Role) -> bool, needed: &str) -> Result<(), Problem> {
        let role = self.token.role;
        if includes(role) {
            return Ok(());
        }
        let sufficient = Role::ALL.into_iter().filter(|role| includes(*role));
        let sufficient: Vec<&str> = sufficient.map(Role::name).collect();
        Err(Problem::new(
            Kind::Forbidden,
            format!(
                "this needs {needed}, which the role {role} of the token {} does not include; \
                 use a token of role {}",
                self.token.name,
                sufficient.join(" or "),
            ),
        ))
    }

    fn require_everywhere(&self, what: &str) -> Result<(), Problem> {
        let Some(environment) = &self.token.environment else {
            return Ok(());
        };
        Err(Problem::new(
            Kind::Forbidden,
            format!(
                "{what} with a token for all environments, and {} is bound to {environment}; \
                 use an admin token that was made without an environment",
                self.token.name
            ),
        ))
    }

    /// The environment in the path, if there is one of that name for this token. One that exists
    /// for others looks like one that does not exist (faults.md X2).
    fn environment(&self, request: &HttpRequest) -> Result<EnvironmentKey, Problem> {
        let text = request.match_info().get("environment").unwrap_or_default();
        let bound_to = self.token.environment.as_ref();
        let all = self.control.environments().iter();
        let seen: Vec<&EnvironmentKey> = all
            .filter(|known| bound_to.is_none_or(|bound| bound == *known))
            .collect();
        if let Some(environment) = seen.iter().find(|known| known.as_str() == text) {
            return Ok((*environment).clone());
        }
        let known: Vec<&str> = seen.into_iter().map(EnvironmentKey::as_str).collect();
        Err(Problem::new(
            Kind::NotFound,
            format!(
                "there is no environment {text:?} for this token; known: {}",
                known.join(", ")
            ),
        ))
    }
}

/// The names of permissions as they stand in the documentation: `operate or approve`.
pub(crate) fn names(any_of: &[Permission]) -> String {
    let names: Vec<String> = any_of
        .iter()
        .map(|one| format!("{one:?}").to_lowercase())
        .collect();
    names.join(" or ")
}

fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let missing = |detail: &str| Problem::new(Kind::Unauthenticated, detail);
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing("send exactly one header 'Authorization: Bearer <token>'"));
    };
    let value = value.to_str().unwrap_or_default().trim();
    match value.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") && !secret.trim().is_empty() => {
            Ok(secret.trim())
        }
        _ => Err(missing("the header 'Authorization' must read 'Bearer <token>'")),
    }
}

impl<P: Access> Guard for Allowed<P> {
    const WHO: Who = Who::Permission(P::ANY_OF);
}

impl<P: Access> Guard for AllowedEverywhere<P> {
    const WHO: Who = Who::PermissionEverywhere(P::ANY_OF);
}

impl Guard for Anybody {
    const WHO: Who = Who::Everybody;
}

impl<P: Access> FromRequest for Allowed<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Caller::of(request).and_then(|caller| {
            let environment = caller.environment(request)?;
            caller.require(P::ANY_OF)?;
            Ok(Self {
                caller,
                environment,
                access: PhantomData,
            })
        }))
    }
}

impl<P: Access> FromRequest for AllowedEverywhere<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Caller::of(request).and_then(|caller| {
            caller.require(P::ANY_OF)?;
            caller.require_everywhere("tokens are managed")?;
            Ok(Self {
                caller,
                access: PhantomData,
            })
        }))
    }
}

impl FromRequest for Anybody {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(ApiState::of(request).map(|state| Self { state: state.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn the_header_is_read_strictly() {
        for (value, secret) in [
            ("Bearer tg_abc", Some("tg_abc")),
            ("bearer  tg_abc ", Some("tg_abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic dTpw", None),
            ("tg_abc", None),
        ] {
            let request = TestRequest::default()
                .insert_header(("authorization", value))
                .to_http_request();
            assert_eq!(bearer(&request).ok(), secret, "{value:?}");
        }
        let none = TestRequest::default().to_http_request();
        assert_eq!(bearer(&none).unwrap_err().kind(), Kind::Unauthenticated);
        let two = TestRequest::default()
            .append_header(("authorization", "Bearer a"))
            .append_header(("authorization", "Bearer b"))
            .to_http_request();
        assert!(bearer(&two).is_err());
    }

    #[test]
    fn permissions_are_named_as_in_the_documentation() {
        assert_eq!(names(CommandAccess::ANY_OF), "operate or approve");
        assert_eq!(
            <(Allowed<EditAccess>, String) as Guard>::WHO,
            Who::Permission(&[Permission::Edit])
        );
    }
}
