//! A policy that is judged beside a rollout: what it would have done is kept, and nothing comes of it.

use super::*;
use tidegate_model::because::Decision;

/// The usual policy under another name, with another threshold and shorter stages that nobody is asked about.
fn beside(name: &str, threshold: &str) -> String {
    POLICY
        .replace("name: hourly", &format!("name: {name}"))
        .replace("threshold: 2%", &format!("threshold: {threshold}"))
        .replace("duration: 1h", "duration: 30m")
        .replace(
            "percentage: 50, ",
            "percentage: 20, waitForApproval: true, gate: { target: nobody }, ",
        )
}

async fn world(policy: &str, name: &str) -> (World, PolicyName) {
    let world = World::new().await;
    world.prepare().await;
    let name = PolicyName::new(name).unwrap();
    let saved = world.control.save_policy(
        &world.environment,
        &name,
        policy.to_owned(),
        Expect::Any,
        World::by(),
    );
    saved.await.unwrap();
    (world, name)
}

impl World {
    /// Every decision about rollouts that was journalled: those of shadows, and all others.
    async fn decisions(&self) -> (Vec<String>, Vec<String>) {
        let told = self
            .records()
            .await
            .into_iter()
            .filter_map(|record| record.because);
        let (shadows, others): (Vec<_>, Vec<_>) =
            told.partition(|because| matches!(because.decision, Decision::Shadowed { .. }));
        let words = |all: Vec<tidegate_model::because::Because>| -> Vec<String> {
            all.into_iter()
                .map(|because| because.decision.to_string())
                .collect()
        };
        (words(shadows), words(others))
    }
}

#[actix_rt::test]
async fn a_stricter_shadow_would_have_shut_what_goes_on() {
    tokio::time::pause();
    let (world, strict) = world(&beside("strict", "1%"), "strict").await;
    let id = world.start_beside(Some(strict)).await.unwrap();
    world.advance(minutes(45)).await;
    let shadow = world.view(&id).await.shadow.unwrap();
    assert_eq!(
        (shadow.status.as_str(), shadow.share.percent()),
        ("running", 20.0),
        "{shadow:?}"
    );
    assert_eq!(
        world.published_percent(),
        Some(1.0),
        "users get what the policy says that acts"
    );
    // Between both thresholds.
    world.says(Ok(0.015));
    world.advance(minutes(20)).await;
    let view = world.view(&id).await;
    assert_eq!((view.status.as_str(), view.share.percent()), ("running", 50.0));
    let shadow = view.shadow.unwrap();
    assert_eq!(
        (shadow.status.as_str(), shadow.share.percent()),
        ("rolled_back", 0.0)
    );
    let told: Vec<&str> = shadow.decisions.iter().map(|one| one.because.as_str()).collect();
    assert!(
        told[0].contains("took effect") && told[1].contains("advanced to half (20 %)"),
        "{told:?}"
    );
    assert!(
        told.last()
            .unwrap()
            .contains("rolling back: errors breached: 0.015 > 0.01"),
        "{told:?}"
    );
    // What is kept survives a restart, and the one that acts goes on to its end.
    let again = World::on(world.store.clone(), tidegate_decide::rollout::step).await;
    drop(world);
    again.says(Ok(0.0));
    assert_eq!(again.view(&id).await.shadow, Some(shadow));
    again.advance(hours(5)).await;
    assert_eq!(again.view(&id).await.status, "completed");
    let (shadows, others) = again.decisions().await;
    assert!(
        shadows.contains(&"strict, its shadow: rolling back".to_owned()),
        "{shadows:?}"
    );
    assert!(
        !others.iter().any(|one| one.contains("rolling back")),
        "{others:?}"
    );
    let report = again
        .control
        .report_rollout(&again.environment, &id)
        .await
        .unwrap();
    let beside = report.shadow.as_ref().unwrap();
    assert!(beside.result.starts_with("rolled back"), "{beside:?}");
    let breach = "rolling back: errors breached: 0.015 > 0.01";
    assert!(
        beside.decisions.iter().any(|done| done.what.starts_with(breach)),
        "{beside:?}"
    );
    for page in [report.markdown(), report.html()] {
        assert!(page.contains("never acts. By it: rolled back"), "{page}");
        assert!(page.contains(breach.split(" > ").next().unwrap()), "{page}");
    }
}

#[actix_rt::test]
async fn a_looser_shadow_ends_with_the_rollout_and_keeps_what_it_knew() {
    tokio::time::pause();
    let (world, loose) = world(&beside("loose", "90%"), "loose").await;
    let id = world.start_beside(Some(loose)).await.unwrap();
    world.advance(minutes(10)).await;
    world.says(Ok(0.5));
    world.advance(minutes(30)).await;
    let view = world.view(&id).await;
    assert_eq!(view.status, "rolled_back");
    assert_eq!(view.shadow.unwrap().status, "running");
    assert_eq!(world.published_percent(), None);
}

/// Whatever happens, a rollout does the same with a shadow as without.
#[actix_rt::test]
async fn nothing_comes_of_a_shadow() {
    tokio::time::pause();
    let nights: [&[(u64, Result<f64, UnknownReason>)]; 3] = [
        &[(200, Ok(0.0))],
        &[(70, Ok(0.0)), (20, Err(UnknownReason::Timeout)), (120, Ok(0.015))],
        &[(70, Ok(0.0)), (30, Ok(0.3))],
    ];
    for night in nights {
        let mut told = Vec::new();
        for beside_it in [false, true] {
            let (world, strict) = world(&beside("strict", "1%"), "strict").await;
            let id = world.start_beside(beside_it.then_some(strict)).await.unwrap();
            for (length, says) in night {
                world.says(*says);
                world.advance(minutes(*length)).await;
            }
            let (shadows, mut others) = world.decisions().await;
            assert_eq!(shadows.is_empty(), !beside_it, "{shadows:?}");
            // How long a node took is no decision.
            others.iter_mut().for_each(|one| {
                let words = one.find(", confirmed").unwrap_or(one.len());
                one.truncate(words);
            });
            others.retain(|one| !one.starts_with("holds"));
            told.push((others, world.view(&id).await.status, world.published_percent()));
        }
        assert_eq!(told[0], told[1], "{night:?}");
    }
}

#[actix_rt::test]
async fn shadows_that_do_not_fit_are_refused() {
    tokio::time::pause();
    let (world, _) = world(&beside("strict", "1%"), "strict").await;
    let unknown = world.start_beside(Some(PolicyName::new("nobody").unwrap())).await;
    assert!(
        matches!(unknown, Err(ControlError::NotFound { .. })),
        "{unknown:?}"
    );
    let back = format!(
        "{}rollback: {{ to: {{ variation: on }} }}\n",
        beside("back", "1%")
    );
    let name = PolicyName::new("back").unwrap();
    let saved = world
        .control
        .save_policy(&world.environment, &name, back, Expect::Any, World::by());
    saved.await.unwrap();
    let misfit = world.start_beside(Some(name)).await.unwrap_err();
    assert!(misfit.to_string().contains("it goes back to on"), "{misfit}");
}
