//! One input on which the step panics, among others on which it does not (faults.md F57).

use super::*;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed, step};
use tidegate_decide::step::Step;
use tidegate_model::rollout::Rollout;

/// Panics on every pause.
fn brittle(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Result<Step, Refusal> {
    let poison = |input: &Input| {
        matches!(
            input,
            Input::Command {
                command: RolloutCommand::Pause { .. },
                ..
            }
        )
    };
    assert!(!poison(input), "poison");
    step(rollout, observed, input, now)
}

fn pause() -> RolloutCommand {
    RolloutCommand::Pause {
        reason: "lunch".to_owned(),
    }
}

#[actix_rt::test]
async fn f57_poison_is_refused_once_and_the_rollout_goes_on_from_where_it_was() {
    tokio::time::pause();
    let world = World::on(Arc::new(MemoryStore::new()), brittle).await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(30)).await;
    let before = world.view(&id).await;

    let refused = world.command(&id, pause()).await.unwrap_err();
    assert!(matches!(refused, ControlError::Incident { .. }), "{refused}");
    world.advance(minutes(1)).await;
    let restarts = || world.measures.restarts.with_label_values(&["rollout"]).get();
    assert_eq!(
        restarts(),
        1,
        "built anew, and what it died of is not tried again"
    );
    let after = world.view(&id).await;
    assert_eq!((&after.phase, after.share), (&before.phase, before.share));
    assert!(after.pauses.is_empty());
    assert!(world.control.health().await.quarantined.is_empty());

    world.advance(minutes(40)).await;
    assert_eq!(world.published_percent(), Some(50.0), "its stages go on");
    // Whoever insists has it set apart, where other functions do what people say.
    for _again in 0..6 {
        let refused = world.command(&id, pause()).await;
        assert!(refused.is_err());
        world.advance(Duration::from_secs(40)).await;
    }
    assert_eq!(world.control.health().await.quarantined.len(), 1);
    let rollback = RolloutCommand::Rollback {
        reason: "enough".to_owned(),
        past_no_return: false,
    };
    world.command(&id, rollback).await.unwrap();
    world.advance(minutes(1)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
}
