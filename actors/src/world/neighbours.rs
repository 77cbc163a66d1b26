//! Rollouts beside each other: what they know of each other is what was committed.

use super::*;
use tidegate_decide::refusal::Refusal;

async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    for flag in ["search", "cart"] {
        world.flag(flag).await;
    }
    world
}

impl World {
    async fn flag(&self, key: &str) {
        let flag = serde_json::from_value(serde_json::json!({ "key": key, "type": "boolean" })).unwrap();
        let saved = self
            .control
            .save_flag(&self.environment, flag, Expect::Any, Self::by());
        saved.await.unwrap();
    }

    /// A policy like the usual one, with more lines.
    async fn policy(&self, name: &str, more: &str) {
        let text = POLICY.replace("name: hourly", &format!("name: {name}"));
        let name = PolicyName::new(name).unwrap();
        let saved = self.control.save_policy(
            &self.environment,
            &name,
            format!("{text}{more}\n"),
            Expect::Any,
            Self::by(),
        );
        saved.await.unwrap();
    }

    async fn start_of(&self, flag: &str, policy: &str) -> Result<RolloutId, ControlError> {
        let request = StartRollout {
            flag: FlagKey::new(flag).unwrap(),
            policy: PolicyName::new(policy).unwrap(),
            candidate: None,
            value: None,
            arguments: std::collections::BTreeMap::new(),
            shadow: None,
        };
        let started = self.control.start_rollout(&self.environment, request, Self::by());
        Ok(started.await?.id)
    }

    fn percent_of(&self, flag: &str) -> Option<f64> {
        let flags = self.published()?.flags;
        let flag = flags.into_iter().find(|one| one.flag.key().as_str() == flag)?;
        flag.rollout.map(|split| split.share.percent())
    }
}

#[actix_rt::test]
async fn one_that_waits_opens_by_itself_also_after_a_restart() {
    let world = world().await;
    world.policy("after", "dependencies: { after: [checkout] }").await;
    world.start().await.unwrap();
    world.advance(minutes(5)).await;
    let search = world.start_of("search", "after").await.unwrap();
    world.advance(minutes(5)).await;
    let view = world.view(&search).await;
    assert_eq!((view.status.as_str(), view.stage), ("waiting", None));
    assert!(
        view.because.contains("after checkout: checkout.1 is at 1 %"),
        "{}",
        view.because
    );
    assert_eq!(world.percent_of("search"), Some(0.0));

    let again = World::on(world.store.clone(), tidegate_decide::rollout::step).await;
    drop(world);
    again.advance(hours(1)).await;
    assert_eq!(again.view(&search).await.status, "waiting");
    again.advance(hours(3)).await;
    let view = again.view(&search).await;
    assert_eq!(
        (view.status.as_str(), view.share.percent()),
        ("running", 1.0),
        "{view:?}"
    );
}

#[actix_rt::test]
async fn two_that_keep_away_from_each_other_never_open_together() {
    let world = world().await;
    for (name, others) in [("one", "checkout, cart"), ("two", "checkout, search")] {
        world
            .policy(name, &format!("dependencies: {{ notWith: [{others}] }}"))
            .await;
    }
    let checkout = world.start().await.unwrap();
    world.advance(minutes(5)).await;
    let search = world.start_of("search", "one").await.unwrap();
    let cart = world.start_of("cart", "two").await.unwrap();
    let open = |flag: &str| world.percent_of(flag).is_some_and(|percent| percent > 0.0);
    let abort = RolloutCommand::Abort {
        reason: "make way".to_owned(),
        past_no_return: false,
    };
    // Both may open at the same moment: when the one that both keep away from has ended.
    world.command(&checkout, abort).await.unwrap();
    for _ in 0..60 {
        world.advance(Duration::from_secs(5)).await;
        assert!(!(open("search") && open("cart")), "both are open");
    }
    assert!(open("search") || open("cart"), "one of them goes on");
    for _ in 0..(8 * 60) {
        world.advance(minutes(1)).await;
        assert!(!(open("search") && open("cart")), "both are open");
    }
    for id in [search, cart] {
        assert_eq!(world.view(&id).await.status, "completed");
    }
}

#[actix_rt::test]
async fn a_dependency_that_is_rolled_back_tells_a_person() {
    let world = world().await;
    world.policy("with", "dependencies: { with: [checkout] }").await;
    let checkout = world.start().await.unwrap();
    let search = world.start_of("search", "with").await.unwrap();
    world.advance(minutes(70)).await;
    assert_eq!(world.percent_of("search"), Some(1.0));
    let rollback = RolloutCommand::Rollback {
        reason: String::new(),
        past_no_return: false,
    };
    world.command(&checkout, rollback).await.unwrap();
    world.advance(hours(5)).await;
    let view = world.view(&search).await;
    assert_eq!((view.status.as_str(), view.share.percent()), ("paused", 1.0));
    assert!(
        view.pauses
            .keys()
            .any(|owner| owner.to_string() == "dependency:checkout")
    );
}

#[actix_rt::test]
async fn what_is_not_there_and_what_goes_round_is_refused() {
    let world = world().await;
    for (name, line) in [
        ("typo", "dependencies: { after: [chekout] }"),
        ("to-cart", "dependencies: { after: [cart] }"),
        ("to-search", "dependencies: { with: [search] }"),
    ] {
        world.policy(name, line).await;
    }
    let refused = world.start_of("search", "typo").await.unwrap_err();
    assert!(
        matches!(&refused, ControlError::Refused(Refusal::Invalid(_)))
            && refused.to_string().contains("did you mean 'checkout'"),
        "{refused}"
    );
    world.start_of("search", "to-cart").await.unwrap();
    let refused = world.start_of("cart", "to-search").await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("cart with search, search after cart"),
        "{refused}"
    );
    // A plan that goes round is refused later, too.
    let cart = world.start_of("cart", "hourly").await.unwrap();
    let to_search = Some(PolicyName::new("to-search").unwrap());
    let amended = world
        .control
        .amend_rollout(&world.environment, &cart, to_search, Expect::Any, World::by());
    let refused = amended.await.unwrap_err();
    assert!(refused.to_string().contains("cart with search"), "{refused}");
}

#[actix_rt::test]
async fn the_newest_of_interlocked_rollouts_is_undone_first() {
    let world = world().await;
    let shared = POLICY.replace(
        r#"flag="{{flag}}", variation="{{variation}}""#,
        r#"service="shop""#,
    );
    for name in ["first", "second"] {
        let text = shared.replace("name: hourly", &format!("name: {name}"));
        let policy = PolicyName::new(name).unwrap();
        let text = format!("{text}interlock: {{ service: shop }}\n");
        let saved = world
            .control
            .save_policy(&world.environment, &policy, text, Expect::Any, World::by());
        saved.await.unwrap();
    }
    let search = world.start_of("search", "first").await.unwrap();
    world.advance(minutes(1)).await;
    let cart = world.start_of("cart", "second").await.unwrap();
    assert_eq!(
        world.view(&cart).await.status,
        "waiting",
        "the first has not settled"
    );
    world.advance(minutes(20)).await;
    assert_eq!(world.view(&cart).await.status, "running");
    world.says(Ok(0.5));
    world.advance(minutes(2)).await;
    world.says(Ok(0.0));
    world.advance(minutes(20)).await;
    assert_eq!(world.view(&cart).await.status, "rolled_back");
    assert_eq!(
        (
            world.view(&search).await.status.as_str(),
            world.percent_of("search")
        ),
        ("running", Some(1.0)),
        "that was enough"
    );
}

#[actix_rt::test]
async fn f58_an_actor_that_hangs_is_built_anew_and_goes_on() {
    let world = world().await;
    world.policy("apart", "dependencies: { notWith: [cart] }").await;
    let id = world.start_of("checkout", "apart").await.unwrap();
    world.advance(minutes(30)).await;
    let home = world.control.shell.environment(&world.environment).unwrap();
    // Whoever opens stands in line, and nobody moves.
    let line = home.neighbours.line().await;
    world.advance(minutes(40)).await;
    let hanging = || world.measures.restarts.with_label_values(&["hanging"]).get();
    assert!(hanging() > 0);
    assert_eq!(
        world.view(&id).await.share.percent(),
        1.0,
        "what the store has is shown"
    );
    drop(line);
    world.advance(minutes(5)).await;
    assert_eq!(world.percent_of("checkout"), Some(50.0));
    let before = hanging();
    world.advance(minutes(30)).await;
    assert_eq!(hanging(), before);
    assert!(!world.view(&id).await.quarantined);
}
