//! The switch that stops the line: what it holds, what it does not, and that it stays turned.

use super::*;
use tidegate_decide::refusal::Refusal;
use tidegate_model::change::Kind;

async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world
}

impl World {
    async fn turn(&self, freeze: bool, reason: &str) -> Result<bool, ControlError> {
        let (environment, reason, by) = (&self.environment, reason.to_owned(), Self::by());
        let view = if freeze {
            self.control.freeze(environment, reason, by).await
        } else {
            self.control.thaw(environment, reason, by).await
        };
        view.map(|view| view.frozen.is_some())
    }
}

#[actix_rt::test]
async fn a_frozen_line_survives_a_restart_and_holds_until_it_is_thawed() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(30)).await;
    assert!(world.turn(true, "").await.is_err(), "it needs a reason");
    assert!(world.turn(true, "fire").await.unwrap());
    let view = world.view(&id).await;
    assert!(
        view.because.contains("frozen by sre (operator)") && view.because.contains("fire"),
        "said at once: {}",
        view.because
    );
    world.advance(hours(3)).await;
    assert_eq!(world.published_percent(), Some(1.0));

    let again = World::on(world.store.clone(), tidegate_decide::rollout::step).await;
    drop(world);
    let frozen = again.control.frozen(&again.environment).unwrap().frozen.unwrap();
    assert_eq!((frozen.reason.as_str(), &frozen.by), ("fire", &World::by()));
    again.advance(hours(3)).await;
    assert_eq!(again.published_percent(), Some(1.0));
    assert!(again.view(&id).await.because.contains("fire"));
    assert!(!again.turn(false, "out").await.unwrap());
    again.advance(minutes(2)).await;
    assert_eq!(again.published_percent(), Some(50.0), "one stage, not two");

    let told: Vec<String> = again
        .records()
        .await
        .into_iter()
        .filter(|record| record.entries[0].entity.kind() == Kind::Freeze)
        .filter_map(|record| Some(format!("{}: {}", record.by, record.because?)))
        .collect();
    assert_eq!(
        told,
        [
            "sre (operator): frozen: nothing opens: sre (operator): fire",
            "sre (operator): thawed: sre (operator): out",
        ],
        "the audit log has both, and nothing twice"
    );
}

#[actix_rt::test]
async fn l02_nothing_starts_while_frozen_and_a_breach_still_rolls_back() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(30)).await;
    world.turn(true, "fire").await.unwrap();
    assert!(
        world.turn(true, "another fire").await.unwrap(),
        "it is frozen already"
    );
    world.says(Ok(0.5));
    world.advance(minutes(2)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    world.says(Ok(0.0));
    world.advance(minutes(10)).await;
    let refused = world.start().await.unwrap_err();
    assert!(
        matches!(&refused, ControlError::Refused(Refusal::Conflict { why, .. }) if why.contains("fire")),
        "{refused}"
    );
    world.turn(false, "out").await.unwrap();
    world.start().await.unwrap();
}

#[actix_rt::test]
async fn nothing_opens_once_a_freeze_was_answered() {
    let world = world().await;
    world.start().await.unwrap();
    world.advance(minutes(59)).await;
    // The step that opens the next stage and the freeze come at about the same moment, whichever first.
    for round in 0..400 {
        tokio::time::sleep(Duration::from_millis(500 + round % 7 * 130)).await;
        world.turn(true, "a moment").await.unwrap();
        let head = world.store.head();
        tokio::time::sleep(Duration::from_millis(400 + round % 5 * 110)).await;
        let opened = world
            .store
            .records(head, 100)
            .await
            .unwrap()
            .into_iter()
            .any(|record| {
                record
                    .because
                    .is_some_and(|because| because.decision.name() == "advanced")
            });
        assert!(!opened, "opened after the freeze was answered, in round {round}");
        world.turn(false, "it is over").await.unwrap();
        world.confirm().await;
        if world.published_percent() == Some(50.0) {
            return;
        }
    }
    panic!("it never opened at all");
}
