//! Access tokens over HTTP.

use crate::http::access::{AdministerAccess, AllowedEverywhere};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::tokens::Secret;
use actix_web::HttpResponse;
use actix_web::web::Json;
use serde::{Deserialize, Serialize};
use tidegate_actors::control::ControlPlane;
use tidegate_model::Timestamp;
use tidegate_model::access::{Role, Token};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{EnvironmentKey, TokenName};

/// A token, as it is shown: never with its secret.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenView {
    /// Names it to people.
    name: TokenName,
    /// What it may do.
    role: Role,
    /// Where; left out for everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<EnvironmentKey>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When it stops working by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Timestamp>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            name: token.name,
            role: token.role,
            environment: token.environment,
            created: token.created,
            expires: token.expires,
            revoked: token.revoked,
        }
    }
}

/// What a new token shall be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Names it to people.
    name: TokenName,
    /// What it may do.
    role: Role,
    /// Where; by default everywhere.
    #[serde(default)]
    environment: Option<EnvironmentKey>,
    /// When it stops working by itself; by default never.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
}

/// A new token with its secret, which nobody will ever be shown again.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedToken {
    /// The token.
    token: TokenView,
    /// What is sent as `Authorization: Bearer <secret>`.
    secret: String,
}

/// All tokens, sorted by name, with those that do not work any more.
#[utoipa::path(
    get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "tokens",
    responses((status = 200, description = "The tokens, without their secrets.", body = Listed<TokenView>)),
)]
pub(super) async fn list(
    allowed: AllowedEverywhere<AdministerAccess>,
) -> Result<Json<Listed<TokenView>>, Problem> {
    Ok(Json(Listed::of(allowed.control().tokens().await?)))
}

/// Makes a token. The answer is the only place where its secret ever stands.
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "createToken", tag = "tokens",
    request_body = NewToken,
    responses(
        (status = 201, description = "The token and its secret.", body = CreatedToken),
        (status = 409, description = "There is a token of this name."),
        (status = 422, description = "What was asked cannot be."),
    ),
)]
pub(super) async fn create(
    allowed: AllowedEverywhere<AdministerAccess>,
    body: JsonText,
) -> Result<HttpResponse, Problem> {
    let new: NewToken = body.read()?;
    let control = allowed.control();
    let now = control.clock().now();
    let violations = violations(&new, control, now);
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let secret = Secret::generate().map_err(|_| Problem::incident("no-random-numbers"))?;
    let token = Token {
        name: new.name,
        role: new.role,
        environment: new.environment,
        secret_digest: secret.digest(),
        created: now,
        expires: new.expires,
        revoked: None,
    };
    let created = control.create_token(token, allowed.author()).await?;
    Ok(HttpResponse::Created().json(CreatedToken {
        token: created.into(),
        secret: secret.reveal().to_owned(),
    }))
}

fn violations(new: &NewToken, control: &ControlPlane, now: Timestamp) -> Vec<Violation> {
    let mut found = Vec::new();
    let known = control.environments();
    if let Some(environment) = new.environment.as_ref().filter(|one| !known.contains(one)) {
        let known: Vec<&str> = known.iter().map(EnvironmentKey::as_str).collect();
        let fix = format!("known: {}; leave it out for all", known.join(", "));
        found.push(Violation::new(
            "environment",
            environment,
            "there is no such environment",
            fix,
        ));
    }
    if let Some(expires) = new.expires.filter(|expires| *expires <= now) {
        let fix = format!(
            "it is {} now; leave it out for never",
            now.format("%Y-%m-%dT%H:%M:%SZ")
        );
        found.push(Violation::new(
            "expires",
            expires,
            "a token expires in the future",
            fix,
        ));
    }
    found
}

/// Makes a token stop working, at once.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{name}", operation_id = "revokeToken", tag = "tokens",
    responses((status = 204, description = "It does not work any more.")),
)]
pub(super) async fn revoke(
    allowed: AllowedEverywhere<AdministerAccess>,
    Named(name): Named<TokenName>,
) -> Result<HttpResponse, Problem> {
    allowed.control().revoke_token(&name, allowed.author()).await?;
    Ok(HttpResponse::NoContent().finish())
}
