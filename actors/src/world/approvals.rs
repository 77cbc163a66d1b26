//! Approvals: of this attempt, by somebody else.

use super::*;
use tidegate_decide::refusal::Refusal;
use tidegate_model::key::StageName;

/// The stages of the usual policy, the second with an approval.
fn asking() -> String {
    POLICY.replace(
        "percentage: 50, duration: 1h",
        "percentage: 50, duration: 1h, waitForApproval: true",
    )
}

async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world.save_policy(asking(), "erin", Role::Editor).await;
    world
}

impl World {
    async fn save_policy(&self, text: String, name: &str, role: Role) {
        let policy = PolicyName::new("hourly").unwrap();
        let by = Author::token(TokenName::new(name).unwrap(), role);
        let saved = self
            .control
            .save_policy(&self.environment, &policy, text, Expect::Any, by);
        saved.await.unwrap();
    }

    async fn approve(&self, id: &RolloutId, name: &str) -> Result<RolloutView, ControlError> {
        let command = RolloutCommand::Approve {
            stage: StageName::new("half").unwrap(),
            plan: None,
        };
        let role = Role::Approver;
        let by = Author::token(TokenName::new(name).unwrap(), role);
        self.control
            .command_rollout(&self.environment, id, command, Expect::Any, by, role)
            .await
    }
}

#[actix_rt::test]
async fn f21_an_approval_of_an_older_attempt_opens_nothing_in_a_newer_one() {
    let world = world().await;
    let older = world.start().await.unwrap();
    world.advance(minutes(5)).await;
    let reason = String::new();
    world
        .command(
            &older,
            RolloutCommand::Rollback {
                reason,
                past_no_return: false,
            },
        )
        .await
        .unwrap();
    world.advance(minutes(10)).await;
    let newer = world.start().await.unwrap();
    let refused = world.approve(&older, "carol").await.unwrap_err();
    assert!(
        matches!(refused, ControlError::Refused(Refusal::Conflict { .. })),
        "{refused}"
    );
    world.advance(hours(3)).await;
    let view = world.view(&newer).await;
    assert_eq!(
        (view.share.percent(), view.approval.is_none()),
        (1.0, true),
        "{view:?}"
    );
    world.approve(&newer, "carol").await.unwrap();
    world.advance(minutes(2)).await;
    assert_eq!(world.view(&newer).await.share.percent(), 50.0);
}

#[actix_rt::test]
async fn x6_who_wrote_the_policy_does_not_approve_it() {
    let world = world().await;
    let id = world.start().await.unwrap();
    let refused = world.approve(&id, "erin").await.unwrap_err();
    assert!(
        matches!(refused, ControlError::Refused(Refusal::Forbidden { .. })),
        "{refused}"
    );
    // Who saves the same text once more has written nothing.
    world.save_policy(asking(), "carol", Role::Admin).await;
    let reason = String::new();
    world
        .command(
            &id,
            RolloutCommand::Rollback {
                reason,
                past_no_return: false,
            },
        )
        .await
        .unwrap();
    world.advance(minutes(10)).await;
    let id = world.start().await.unwrap();
    assert!(world.approve(&id, "erin").await.is_err());
    world.approve(&id, "carol").await.unwrap();
}

#[actix_rt::test]
async fn f17_another_plan_is_followed_at_once_or_by_approval() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(10)).await;
    let amend = async || {
        let by = World::by();
        world
            .control
            .amend_rollout(&world.environment, &id, None, Expect::Any, by)
            .await
    };
    let before = world.view(&id).await.plan_digest;
    world
        .save_policy(asking().replace("2%", "1%"), "erin", Role::Editor)
        .await;
    assert_eq!(
        world.view(&id).await.plan_digest,
        before,
        "an edit alone changes nothing"
    );
    let tighter = amend().await.unwrap();
    assert_ne!(tighter.plan_digest, before);
    assert!(tighter.proposal.is_none());

    world
        .save_policy(asking().replace("2%", "50%"), "erin", Role::Editor)
        .await;
    let proposed = amend().await.unwrap();
    assert_eq!(proposed.plan_digest, tighter.plan_digest);
    let proposal = proposed.proposal.unwrap();
    assert!(
        proposal
            .differences
            .iter()
            .any(|text| text.contains("threshold 0.01 -> 0.5 (looser)"))
    );
    let approve = async |name: &str| {
        let by = Author::token(TokenName::new(name).unwrap(), Role::Approver);
        let command = RolloutCommand::ApprovePlan {
            plan: proposal.plan_digest.clone(),
        };
        let told =
            world
                .control
                .command_rollout(&world.environment, &id, command, Expect::Any, by, Role::Approver);
        told.await
    };
    assert!(approve("erin").await.is_err());
    assert_eq!(approve("carol").await.unwrap().plan_digest, proposal.plan_digest);
    world.says(Ok(0.3));
    world.advance(minutes(5)).await;
    assert_eq!(world.view(&id).await.status, "running", "below the new threshold");
    world.says(Ok(0.6));
    world.advance(minutes(2)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    assert!(amend().await.is_err(), "it has ended");
}
