//! Rollouts over HTTP.

use crate::http::access::{Allowed, CommandAccess, OperateAccess, ReadAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition, etag};
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Json;
use serde::Deserialize;
use tidegate_actors::control::ControlError;
use tidegate_actors::view::RolloutView;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::start::StartRollout;
use tidegate_model::access::Permission;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, PolicyName, RolloutId};
use tidegate_model::rollout::RolloutCommand;

impl From<RolloutView> for Entity<RolloutView> {
    fn from(rollout: RolloutView) -> Self {
        Self {
            revision: rollout.revision,
            shown: rollout,
        }
    }
}

/// All rollouts of an environment, newest first.
#[utoipa::path(
    get, path = "/api/v1/{environment}/rollouts", operation_id = "listRollouts", tag = "rollouts",
    responses((status = 200, description = "The rollouts.", body = Listed<RolloutView>)),
)]
pub(super) async fn list(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<RolloutView>>, Problem> {
    let rollouts = allowed.control().rollouts(allowed.environment()).await?;
    Ok(Json(Listed::of(rollouts)))
}

/// One rollout: where it is, what its rules say, and why it does what it does.
#[utoipa::path(
    get, path = "/api/v1/{environment}/rollouts/{id}", operation_id = "readRollout", tag = "rollouts",
    responses((status = 200, description = "The rollout; its revision is the ETag.", body = RolloutView)),
)]
pub(super) async fn read(
    allowed: Allowed<ReadAccess>,
    Named(id): Named<RolloutId>,
) -> Result<Entity<RolloutView>, Problem> {
    let rollout = allowed.control().rollout(allowed.environment(), &id).await?;
    Ok(rollout.into())
}

/// Starts a rollout of a flag by a policy: of a variation that it has, or of a new value.
///
/// With `value` the flag gets a variation of it, is held, and the rollout begins with it, all at once or not at all. That
/// edits the flag, so it needs the permission edit too.
#[utoipa::path(
    post, path = "/api/v1/{environment}/rollouts", operation_id = "startRollout", tag = "rollouts",
    request_body = StartRollout,
    responses(
        (status = 201, description = "The rollout, in its first stage.", body = RolloutView,
            headers(("Location" = String, description = "Where it is."))),
        (status = 403, description = "Opening a new value needs the permission edit too."),
        (status = 409, description = "The flag cannot be opened now."),
        (status = 422, description = "What was asked cannot be."),
    ),
)]
pub(super) async fn start(allowed: Allowed<OperateAccess>, body: JsonText) -> Result<HttpResponse, Problem> {
    let request: StartRollout = body.read()?;
    if request.value.is_some() {
        allowed.require_all(&[Permission::Operate, Permission::Edit])?;
    }
    let environment = allowed.environment();
    let rollout = allowed
        .control()
        .start_rollout(environment, request, allowed.author())
        .await?;
    Ok(begun(environment, &rollout))
}

/// The answer to whoever began a rollout.
pub(super) fn begun(environment: &EnvironmentKey, rollout: &RolloutView) -> HttpResponse {
    let place = format!("/api/v1/{environment}/rollouts/{}", rollout.id);
    HttpResponse::Created()
        .insert_header((header::LOCATION, place))
        .insert_header((header::ETAG, etag(rollout.revision)))
        .json(rollout)
}

/// Tells a rollout what a person wants: pause, resume, approve, approve_plan, withdraw_plan, retreat, rollback,
/// abort.
///
/// Approving needs the permission approve, everything else operate. With `If-Match` the command is
/// followed only if the rollout has not moved since it was read; a rollback needs no match.
#[utoipa::path(
    post, path = "/api/v1/{environment}/rollouts/{id}/commands", operation_id = "commandRollout", tag = "rollouts",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    request_body = RolloutCommand,
    responses(
        (status = 200, description = "The rollout as it is now.", body = RolloutView),
        (status = 409, description = "The command does not fit where the rollout is."),
        (status = 412, description = "It moved meanwhile."),
        (status = 422, description = "The command breaks rules."),
    ),
)]
pub(super) async fn command(
    allowed: Allowed<CommandAccess>,
    Named(id): Named<RolloutId>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<RolloutView>, Problem> {
    let command: RolloutCommand = body.read()?;
    allowed.require(match command {
        RolloutCommand::Approve { .. } | RolloutCommand::ApprovePlan { .. } => Permission::Approve,
        _ => Permission::Operate,
    })?;
    let told = allowed.control().command_rollout(
        allowed.environment(),
        &id,
        command,
        precondition.to_command(),
        allowed.author(),
        allowed.role(),
    );
    Ok(told.await.map_err(|error| precondition.problem(error))?.into())
}

/// Which plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AmendRollout {
    /// The policy to follow; by default its own, as it is written now.
    #[serde(default)]
    policy: Option<PolicyName>,
    /// Instead of a policy: other stages for those that are still ahead, as a policy's `schedule:` in YAML.
    #[serde(default)]
    schedule: Option<String>,
}

/// Has a running rollout follow another policy, or its own as it is written now, or other stages ahead.
///
/// Only what lies ahead may change. What tightens holds at once. What loosens anything is proposed, and holds once
/// somebody else has approved it with the command `approve_plan`.
#[utoipa::path(
    post, path = "/api/v1/{environment}/rollouts/{id}/plan", operation_id = "amendRollout", tag = "rollouts",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    request_body = AmendRollout,
    responses(
        (status = 200, description = "The rollout as it is now; `proposal` if the plan waits for approval.", body = RolloutView),
        (status = 409, description = "It cannot follow that plan."),
        (status = 412, description = "It moved meanwhile."),
        (status = 422, description = "The policy's arguments do not fit."),
    ),
)]
pub(super) async fn amend(
    allowed: Allowed<OperateAccess>,
    Named(id): Named<RolloutId>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<RolloutView>, Problem> {
    let AmendRollout { policy, schedule } = body.read()?;
    let (control, environment) = (allowed.control(), allowed.environment());
    let (expect, by) = (precondition.to_command(), allowed.author());
    if let (Some(_), Some(schedule)) = (&policy, &schedule) {
        let rule = "either a policy or a schedule says how it goes on";
        let violation = Violation::new("schedule", schedule, rule, "leave one of them out");
        return Err(ControlError::Refused(Refusal::Invalid(Invalid::from(violation))).into());
    }
    let amended = match schedule {
        Some(schedule) => {
            control
                .accelerate_rollout(environment, &id, &schedule, expect, by)
                .await
        }
        None => control.amend_rollout(environment, &id, policy, expect, by).await,
    };
    Ok(amended.map_err(|error| precondition.problem(error))?.into())
}
