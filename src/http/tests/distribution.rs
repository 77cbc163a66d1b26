//! What nodes follow: snapshots, deltas, keys, and what waits for somebody's word.

use super::world::{PRODUCTION, World};
use serde_json::json;
use tidegate_model::access::Role;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{Delta, KeyList, Snapshot};

const CURRENT: &str = "/api/v1/production/snapshots/current";

/// The newest snapshot, once it has this many flags that are not archived.
async fn published(world: &World, live: usize) -> Snapshot {
    let mut after = String::new();
    loop {
        let path = format!("{CURRENT}?wait=30{after}");
        let answer = world.ask("GET", &path).by("node").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let flags = answer.json["content"]["flags"].as_array().unwrap();
        let archived = |flag: &&serde_json::Value| flag["flag"]["status"] == "archived";
        if flags.len() - flags.iter().filter(archived).count() == live {
            return serde_json::from_str(&answer.text).unwrap();
        }
        after = format!("&after={}", answer.header("etag").trim_matches('"'));
    }
}

#[actix_web::test]
async fn f66_a_node_gets_the_way_from_what_it_has() {
    let world = World::new().await;
    for key in ["a", "b", "c", "d"] {
        world.flag(key).await;
    }
    let held = published(&world, 4).await;
    world.flag("e").await;
    let target = published(&world, 5).await;
    let path = format!("{CURRENT}?after={}", held.header.version);
    let whole = world.ask("GET", &path).by("node").send().await;
    assert_eq!(whole.json["header"], json!(target.header));
    for (path, accept) in [
        (format!("{path}&delta=1"), "application/json"),
        (path.clone(), "application/vnd.tidegate.delta+json"),
    ] {
        let answer = world
            .ask("GET", &path)
            .by("node")
            .header("accept", accept)
            .send()
            .await;
        assert_eq!(
            answer.header("content-type"),
            "application/vnd.tidegate.delta+json"
        );
        let delta: Delta = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(delta.flags.changed.len(), 1);
        assert_eq!(delta.apply(&held).unwrap().content.get(), target.content.get());
    }
    let bad = world
        .ask("GET", &format!("{path}&delta=2"))
        .by("node")
        .send()
        .await;
    bad.is_problem(400, "malformed-request", "delta");
}

#[actix_web::test]
async fn f64_keys_turn_and_what_is_published_is_signed_anew() {
    let mut world = World::new().await;
    world.flag("a").await;
    published(&world, 1).await;
    let keys = "/api/v1/production/keys";
    let list = world.ask("GET", keys).by("node").send().await;
    let first: KeyList = serde_json::from_str(&list.text).unwrap();
    let mut trusted = first.at_first_contact().unwrap();
    let newest = async || -> Snapshot {
        let answer = world.ask("GET", CURRENT).by("node").send().await;
        serde_json::from_str(&answer.text).unwrap()
    };
    assert_eq!(newest().await.header.check_signature(&trusted.valid), Ok(()));

    let rotate = format!("{keys}/rotate");
    for (role, status) in [("node", 403), ("operator", 403), ("admin", 200)] {
        let answer = world.ask("POST", &rotate).by(role).json("{}").send().await;
        assert_eq!(answer.status, status, "{role}: {}", answer.text);
    }
    world.ask("POST", &rotate).json("{}").send().await.is_problem(
        409,
        "conflict",
        "retire the older one first",
    );
    let list = world.ask("GET", keys).by("viewer").send().await;
    assert!(
        trusted
            .follow(&serde_json::from_str(&list.text).unwrap())
            .unwrap()
    );
    let [signs, older] = trusted.valid.clone().try_into().unwrap();
    assert_eq!(older, first.keys[0]);
    world.flag("b").await;
    assert_eq!(
        published(&world, 2).await.header.check_signature(&[signs]),
        Ok(())
    );

    let retire = |id: &str| format!("{keys}/{id}/retire");
    let refused = world
        .ask("POST", &retire(signs.id().as_str()))
        .json("{}")
        .send()
        .await;
    refused.is_problem(409, "conflict", "is the key that signs");
    world
        .ask("POST", &retire("x"))
        .json("{}")
        .send()
        .await
        .is_problem(400, "malformed-request", "16 digits");
    let retired = world
        .ask("POST", &retire(older.id().as_str()))
        .json("{}")
        .send()
        .await;
    assert_eq!(retired.status, 200, "{}", retired.text);
    assert!(
        trusted
            .follow(&serde_json::from_str(&retired.text).unwrap())
            .unwrap()
    );
    assert_eq!(trusted.valid, [signs]);

    let production = EnvironmentKey::new(PRODUCTION).unwrap();
    let bind = |token: &mut tidegate_model::access::Token| token.environment = Some(production);
    world.token("bound", Role::Admin, bind).await;
    let bound = world.ask("POST", &rotate).by("bound").json("{}").send().await;
    bound.is_problem(403, "forbidden", "all environments");
}

#[actix_web::test]
async fn f68_many_flags_that_vanish_wait_for_a_word() {
    let world = World::new().await;
    world.flag("only").await;
    published(&world, 1).await;
    let flag = "/api/v1/production/flags/only";
    let seen = world.ask("GET", flag).send().await;
    let archived = world
        .ask("DELETE", flag)
        .header("if-match", seen.header("etag"))
        .send()
        .await;
    assert!(archived.status < 300, "{}", archived.text);
    let waiting = "/api/v1/production/snapshots/waiting";
    let mut waits = json!(null);
    for _ in 0..10_000 {
        waits = world.ask("GET", waiting).by("viewer").send().await.json;
        if waits["flags"] == json!(["only"]) {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(waits, json!({"flags": ["only"]}));
    assert_eq!(published(&world, 1).await.header.environment.as_str(), PRODUCTION);
    let ready = world.ask_without_token("GET", "/readyz").send().await;
    assert_eq!(ready.json["waitingFlags"], 1);

    let confirm = "/api/v1/production/snapshots/confirm";
    let other = world
        .ask("POST", confirm)
        .json(r#"{"flags": ["another"]}"#)
        .send()
        .await;
    other.is_problem(409, "conflict", "look again what waits");
    let viewer = world
        .ask("POST", confirm)
        .by("viewer")
        .json(&waits.to_string())
        .send()
        .await;
    assert_eq!(viewer.status, 403);
    let confirmed = world.ask("POST", confirm).json(&waits.to_string()).send().await;
    assert_eq!(confirmed.status, 204, "{}", confirmed.text);
    published(&world, 0).await;
    let none = world.ask("GET", waiting).send().await;
    assert_eq!(none.json, json!({"flags": []}));
}
