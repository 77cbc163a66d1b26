//! Lists of units: imported, seen in the segment, fetched by their digest.

use super::world::World;
use serde_json::json;
use tidegate_model::units::UnitSet;

const LIST: &str = "/api/v1/production/segments/beta/list";
const SEGMENT: &str = "/api/v1/production/segments/beta";

fn units(names: &[&str]) -> UnitSet {
    UnitSet::of_hashes(names.iter().map(|name| UnitSet::hash(name)).collect())
}

#[actix_web::test]
async fn a_list_is_imported_seen_and_fetched() {
    let world = World::new().await;
    let csv = |text: &str| text.as_bytes().to_vec();
    let made = world
        .ask("PUT", LIST)
        .by("editor")
        .body("text/csv", csv("u1\nu2\nu1\n"));
    let made = made.send().await;
    assert_eq!(
        (made.status, made.header("etag")),
        (200, "\"1\""),
        "{}",
        made.text
    );
    assert_eq!(
        made.json["import"],
        json!({"units": 2, "read": 3, "duplicates": 1})
    );
    let list = &made.json["definition"]["list"];
    assert_eq!(list["count"], 2);

    let path = format!("/api/v1/production/lists/{}", list["digest"].as_str().unwrap());
    for reader in ["viewer", "node"] {
        let fetched = world.ask("GET", &path).by(reader).send_for_bytes().await;
        assert_eq!(
            UnitSet::from_bytes(&fetched).unwrap(),
            units(&["u1", "u2"]),
            "{reader}"
        );
    }
    let fetched = world.ask("GET", &path).send().await;
    assert!(fetched.header("cache-control").contains("immutable"));
    let again = world
        .ask("GET", &path)
        .header("if-none-match", fetched.header("etag"));
    assert_eq!(again.send().await.status, 304);

    // What is there stays: the rest of the definition, and the list when the rest is changed.
    let body = json!({"when": {"attribute": "plan", "operator": "equals", "value": "pro"}, "list": list});
    let changed = world
        .ask("PUT", SEGMENT)
        .header("if-match", "*")
        .json(&body.to_string());
    assert_eq!(changed.send().await.status, 200);
    let ndjson = world.ask("PUT", LIST).header("if-match", "\"2\"");
    let ndjson = ndjson.body("application/x-ndjson", csv("\"u3\"\n{\"targetingKey\":\"u4\"}\n"));
    let imported = ndjson.send().await;
    assert_eq!(
        (imported.status, imported.header("etag")),
        (200, "\"3\""),
        "{}",
        imported.text
    );
    assert_eq!(imported.json["definition"]["when"], body["when"]);
    assert_ne!(&imported.json["definition"]["list"], list);

    let columns = world
        .ask("PUT", &format!("{LIST}?column=id"))
        .header("if-match", "*");
    let columns = columns
        .body("text/csv", csv("name,id\nx,u1\ny,u2\n"))
        .send()
        .await;
    assert_eq!(&columns.json["definition"]["list"], list, "{}", columns.text);
    let header = world.ask("PUT", LIST).header("if-match", "*");
    let header = header
        .body("text/csv; header=present", csv("id\nu1\nu2\n"))
        .send()
        .await;
    assert_eq!(
        (header.status, header.header("etag")),
        (200, "\"4\""),
        "the same list: nothing changed"
    );
    assert_eq!(&header.json["definition"]["list"], list);
}

#[actix_web::test]
async fn a_bad_import_changes_nothing_and_says_what_is_wrong() {
    let world = World::new().await;
    let head = world.control.store().head();
    let send = async |path: &str, media_type: &str, body: &[u8]| {
        world
            .ask("PUT", path)
            .body(media_type, body.to_vec())
            .send()
            .await
    };
    let bad = send(LIST, "text/csv", b"u1\n,x\n").await;
    bad.is_problem(422, "invalid", "line 2");
    let bad = send(LIST, "application/x-ndjson", b"\"u1\"\n{\n").await;
    bad.is_problem(422, "invalid", "line 2");
    let bad = send(&format!("{LIST}?column=idd"), "text/csv", b"id\nu1\n").await;
    bad.is_problem(422, "invalid", "there is no such column");
    let bad = send(&format!("{LIST}?colum=id"), "text/csv", b"id\nu1\n").await;
    bad.is_problem(400, "malformed-request", "did you mean 'column'?");
    send(LIST, "text/csv", b"")
        .await
        .is_problem(422, "invalid", "at least one unit");
    send(LIST, "application/json", b"[]")
        .await
        .is_problem(415, "unsupported-media-type", "text/csv");
    let large = vec![b'x'; (64 << 20) + 1];
    let large = [&b"u1\n"[..], &large].concat();
    send(LIST, "text/csv", &large)
        .await
        .is_problem(413, "body-too-large", "67108864");
    let by_viewer = world
        .ask("PUT", LIST)
        .by("viewer")
        .body("text/csv", b"u1".to_vec());
    by_viewer.send().await.is_problem(403, "forbidden", "");
    assert_eq!(world.control.store().head(), head);

    send(LIST, "text/csv", b"u1\n").await;
    let unseen = send(LIST, "text/csv", b"u2\n").await;
    unseen.is_problem(428, "precondition-required", "segment beta exists already");
}

#[actix_web::test]
async fn a_list_that_is_named_by_hand_must_be_there() {
    let world = World::new().await;
    let digest = "0".repeat(64);
    let save = async |digest: &str, count: u64| {
        let body = json!({"list": {"digest": digest, "count": count}}).to_string();
        world
            .ask("PUT", SEGMENT)
            .header("if-match", "*")
            .json(&body)
            .send()
            .await
    };
    save(&digest, 1)
        .await
        .is_problem(422, "invalid", "there is no such list");
    save("../x", 1)
        .await
        .is_problem(400, "malformed-body", "64 digits");
    let path = format!("/api/v1/production/lists/{digest}");
    world
        .ask("GET", &path)
        .send()
        .await
        .is_problem(404, "not-found", "there is no list 0");
    let path = "/api/v1/production/lists/secret";
    world
        .ask("GET", path)
        .send()
        .await
        .is_problem(400, "malformed-request", "64 digits");

    let made = world
        .ask("PUT", LIST)
        .body("text/csv", b"u1\n".to_vec())
        .send()
        .await;
    let digest = made.json["definition"]["list"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    save(&digest, 2)
        .await
        .is_problem(422, "invalid", "the list has 1 units");
    let other = json!({"list": {"digest": digest, "count": 1}}).to_string();
    let other = world
        .ask("PUT", "/api/v1/production/segments/other")
        .json(&other)
        .send()
        .await;
    assert_eq!(other.status, 200, "{}", other.text);
}
