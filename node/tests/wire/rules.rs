//! The fourteen things that a server must do so that every OFREP client works, each by its number in
//! docs/ofrep.md.

use crate::site::{OneSecret, Site, node, node_with};
use crate::snapshots::{production, snapshot};
use crate::streams::Listener;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tidegate_model::Timestamp;
use tidegate_node::{Node, Scope};

const BULK: &str = "/ofrep/v1/evaluate/flags";

fn serving_node() -> Node {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    node
}

fn guarded_node(secret: &'static str, scope: Scope) -> Node {
    let node = node_with(&production(), Arc::new(OneSecret(secret, scope)), None);
    node.replica().offer(&snapshot("1.7")).unwrap();
    node
}

fn contexts() -> [Value; 4] {
    [
        json!({}),
        json!({"targetingKey": "u1"}),
        json!({"targetingKey": "vip-1"}),
        json!({"targetingKey": "u1", "plan": "pro"}),
    ]
}

/// Every answer that a client can get, single and from bulk, errors too.
async fn all_answers(site: &Site) -> Vec<(u16, Value)> {
    let mut answers = Vec::new();
    for context in contexts() {
        let body = json!({ "context": context });
        let (status, bulk) = site.ask(BULK, &body).await;
        assert_eq!(status, 200);
        let flags = bulk["flags"].as_array().unwrap();
        answers.extend(flags.iter().map(|flag| (200, flag.clone())));
        let keys = flags.iter().map(|flag| flag["key"].as_str().unwrap());
        for key in keys.chain(["archived", "nobody"]) {
            answers.push(site.ask(&format!("{BULK}/{key}"), &body).await);
        }
    }
    answers
}

fn succeeded(answers: &[(u16, Value)]) -> impl Iterator<Item = &Value> {
    answers
        .iter()
        .filter(|(status, answer)| *status == 200 && answer.get("errorCode").is_none())
        .map(|(_, answer)| answer)
}

fn header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

fn stream_address(bulk: &Value) -> String {
    let streams = bulk["eventStreams"].as_array().unwrap();
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0]["type"], "sse");
    assert!(streams[0].get("url").is_none(), "an address has exactly one form");
    streams[0]["endpoint"]["requestUri"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn rule_01_variant_is_always_there() {
    let site = Site::of(vec![serving_node()]);
    let answers = all_answers(&site).await;
    assert!(succeeded(&answers).any(|answer| answer["variant"] == ""));
    for answer in succeeded(&answers) {
        assert!(answer["variant"].is_string(), "{answer}");
    }
    site.stop().await;
    let blind = Site::of(vec![node()]);
    let (_, answer) = blind.ask(&format!("{BULK}/any"), &json!({})).await;
    assert_eq!(answer["variant"], "");
    blind.stop().await;
}

#[actix_web::test]
async fn rule_02_reasons_are_openfeatures_words() {
    let site = Site::of(vec![serving_node()]);
    let answers = all_answers(&site).await;
    let reasons: BTreeSet<&str> = succeeded(&answers)
        .map(|answer| answer["reason"].as_str().unwrap())
        .collect();
    let expected = ["DEFAULT", "DISABLED", "SPLIT", "STATIC", "TARGETING_MATCH"];
    assert_eq!(reasons, BTreeSet::from(expected));
    let ours = succeeded(&answers).map(|answer| answer["metadata"]["tidegateReason"].as_str());
    assert!(ours.into_iter().all(|reason| reason.is_some()));
    site.stop().await;
}

#[actix_web::test]
async fn rule_03_metadata_is_flat() {
    let site = Site::of(vec![serving_node()]);
    let answers = all_answers(&site).await;
    let (_, bulk) = site.ask(BULK, &json!({})).await;
    for answer in succeeded(&answers).chain([&bulk]) {
        let metadata = answer["metadata"].as_object().unwrap();
        let flat = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        assert!(metadata.values().all(flat), "{answer}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn rule_04_numbers_keep_their_spelling() {
    let site = Site::of(vec![serving_node()]);
    let bulk = site.post(BULK, &[], "{}").await.text().await.unwrap();
    for (key, spelled) in [
        ("compat-integer", "\"value\":10,"),
        ("compat-float", "\"value\":10.0,"),
    ] {
        let one = site.post(&format!("{BULK}/{key}"), &[], "{}").await;
        let one = one.text().await.unwrap();
        assert!(one.contains(spelled), "{one}");
        assert!(bulk.contains(&format!("{{\"key\":\"{key}\",{spelled}")), "{bulk}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn rule_05_errors_have_all_their_members() {
    let limited = guarded_node("s3cret", Scope::Server).with_rate_limit(NonZeroU32::MIN);
    let site = Site::of(vec![serving_node()]);
    let guarded = Site::of(vec![guarded_node("s3cret", Scope::Server)]);
    let limited = Site::of(vec![limited]);
    let large = format!("{{\"context\":{{\"a\":\"{}\"}}}}", "x".repeat(1 << 20));
    let secret = &[("x-api-key", "s3cret")][..];
    let viewer = &[("x-api-key", "viewer")][..];
    // Takes the one request that the limit allows.
    assert_eq!(limited.post(BULK, secret, "{}").await.status().as_u16(), 200);
    for (site, headers, key, body, status, code) in [
        (&site, &[][..], "compat-boolean", "", 400, "PARSE_ERROR"),
        (&site, &[], "compat-boolean", "{", 400, "PARSE_ERROR"),
        (
            &site,
            &[],
            "compat-boolean",
            "{\"context\":[]}",
            400,
            "INVALID_CONTEXT",
        ),
        (&site, &[], "compat-boolean", &*large, 413, "GENERAL"),
        (&site, &[], "compat-split", "{}", 400, "TARGETING_KEY_MISSING"),
        (&site, &[], "nobody", "{}", 404, "FLAG_NOT_FOUND"),
        (&guarded, &[], "compat-boolean", "{}", 401, "GENERAL"),
        (&guarded, viewer, "compat-boolean", "{}", 403, "GENERAL"),
        (&limited, secret, "compat-boolean", "{}", 429, "GENERAL"),
    ] {
        let response = site.post(&format!("{BULK}/{key}"), headers, body).await;
        assert_eq!(response.status().as_u16(), status, "{key} {code}");
        let found: Value = response.json().await.unwrap();
        assert_eq!((&found["key"], &found["errorCode"]), (&json!(key), &json!(code)));
        assert!(!found["errorDetails"].as_str().unwrap().is_empty(), "{found}");
        // In bulk the error is nobody's in particular, or the one flag's.
        let response = site.post(BULK, headers, body).await;
        if response.status().as_u16() == status {
            let found: Value = response.json().await.unwrap();
            assert!(
                found.get("key").is_none() && found["errorDetails"].is_string(),
                "{found}"
            );
        }
    }
    for site in [site, guarded, limited] {
        site.stop().await;
    }
}

#[actix_web::test]
async fn rule_06_retry_after_is_whole_seconds() {
    let node = guarded_node("s3cret", Scope::Server).with_rate_limit(NonZeroU32::new(2).unwrap());
    let site = Site::of(vec![node]);
    let secret = [("x-api-key", "s3cret")];
    let mut refused = None;
    for _ in 0..10_000 {
        let response = site.post(&format!("{BULK}/compat-boolean"), &secret, "{}").await;
        if response.status().as_u16() == 429 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.unwrap();
    let wait = header(&refused, "retry-after").unwrap();
    assert!((1..=2).contains(&wait.parse::<u64>().unwrap()), "{wait}");
    assert!(wait.bytes().all(|byte| byte.is_ascii_digit()));
    site.stop().await;
}

#[actix_web::test]
async fn rule_07_keys_are_what_clients_send_without_encoding() {
    use tidegate_model::key::FlagKey;
    for key in ["a", "A.b_c~d-9", &"x".repeat(255)] {
        assert!(FlagKey::new(key).is_ok(), "{key}");
    }
    for key in [
        "",
        "a/b",
        "a b",
        "a?b",
        "a#b",
        "ä",
        "a%20",
        "..",
        &"x".repeat(256),
    ] {
        assert!(FlagKey::new(key).is_err(), "{key}");
    }
    let site = Site::of(vec![serving_node()]);
    for (path, key) in [
        ("a/b?c", "a/b"),
        ("a%20b", "a b"),
        ("a//b", "a//b"),
        ("%22%3Cb%3E", "\"<b>"),
    ] {
        let (status, answer) = site.ask(&format!("{BULK}/{path}"), &json!({})).await;
        assert_eq!((status, &answer["key"]), (404, &json!(key)), "{path}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn rule_08_no_targeting_key_fails_only_who_needs_one() {
    let site = Site::of(vec![serving_node()]);
    for body in ["{}", "{\"context\":{}}", "{\"context\":null}"] {
        let bulk: Value = site.post(BULK, &[], body).await.json().await.unwrap();
        for flag in bulk["flags"].as_array().unwrap() {
            let failed = flag["errorCode"] == "TARGETING_KEY_MISSING";
            assert_eq!(failed, flag["key"] == "compat-split", "{flag}");
            assert_eq!(flag.get("errorCode").is_some(), failed);
        }
        let one = site.post(&format!("{BULK}/compat-boolean"), &[], body).await;
        assert_eq!(one.status().as_u16(), 200, "{body}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn rule_09_an_etag_is_of_the_answer() {
    let node = guarded_node("one", Scope::Server);
    let same = Site::of(vec![node.clone()]);
    let other_scope = Site::of(vec![guarded_node("one", Scope::Client)]);
    let other_credential = Site::of(vec![guarded_node("two", Scope::Server)]);
    let u1 = json!({"context": {"targetingKey": "u1"}}).to_string();
    let pro = json!({"context": {"targetingKey": "u1", "plan": "pro"}}).to_string();
    let etag = async |site: &Site, secret: &str, body: &str| {
        let response = site.post(BULK, &[("x-api-key", secret)], body).await;
        header(&response, "etag").unwrap()
    };
    let first = etag(&same, "one", &u1).await;
    assert_eq!(first, etag(&same, "one", &u1).await);
    let mut others = vec![
        etag(&same, "one", &pro).await,
        etag(&other_scope, "one", &u1).await,
        etag(&other_credential, "two", &u1).await,
    ];
    let asked = [("x-api-key", "one"), ("if-none-match", &*first)];
    let unchanged = same.post(BULK, &asked, u1.clone()).await;
    assert_eq!(unchanged.status().as_u16(), 304);
    assert_eq!(header(&unchanged, "etag"), Some(first.clone()));
    assert!(unchanged.bytes().await.unwrap().is_empty());
    // The context changed, the targeting key and the client's ETag did not.
    assert_eq!(same.post(BULK, &asked, pro).await.status().as_u16(), 200);
    node.replica().offer(&snapshot("1.8")).unwrap();
    assert_eq!(same.post(BULK, &asked, u1.clone()).await.status().as_u16(), 200);
    others.push(etag(&same, "one", &u1).await);
    assert!(!others.contains(&first), "{others:?} {first}");
    for site in [same, other_scope, other_credential] {
        site.stop().await;
    }
}

#[actix_web::test]
async fn rule_10_browsers_may_ask_from_anywhere() {
    let site = Site::of(vec![guarded_node("s3cret", Scope::Client)]);
    let origin = ("origin", "https://shop.example");
    for (path, method) in [
        (BULK, "POST"),
        ("/ofrep/v1/evaluate/flags/x", "POST"),
        ("/ofrep/v1/stream", "GET"),
        ("/v1/evaluate", "POST"),
        ("/v1/events", "POST"),
    ] {
        let url = format!(
            "{}{path}?flagConfigEtag=%221%22&flagConfigLastModified=1",
            site.url
        );
        let preflight = site
            .client
            .request(Method::OPTIONS, &url)
            .header(origin.0, origin.1)
            .header("access-control-request-method", method)
            .header(
                "access-control-request-headers",
                "authorization,content-type,if-none-match",
            )
            .send()
            .await
            .unwrap();
        assert_eq!(preflight.status().as_u16(), 204, "no token is asked for");
        let allowed = header(&preflight, "access-control-allow-headers").unwrap();
        for name in ["authorization", "content-type", "if-none-match", "x-api-key"] {
            assert!(allowed.split(", ").any(|one| one == name), "{allowed}");
        }
        let methods = header(&preflight, "access-control-allow-methods").unwrap();
        assert!(methods.split(", ").any(|one| one == method), "{methods}");
        let age = header(&preflight, "access-control-max-age").unwrap();
        assert!(age.parse::<u32>().unwrap() > 0);
        let method = method.parse::<Method>().unwrap();
        let refused = site
            .client
            .request(method, &url)
            .header(origin.0, origin.1)
            .send();
        let refused = refused.await.unwrap();
        assert_eq!(refused.status().as_u16(), 401, "{path}");
        for response in [preflight, refused] {
            assert_eq!(header(&response, "access-control-allow-origin").unwrap(), "*");
            let exposed = header(&response, "access-control-expose-headers").unwrap();
            assert!(exposed.starts_with("ETag, Retry-After"), "{exposed}");
        }
    }
    site.stop().await;
}

#[actix_web::test]
async fn rule_11_a_stream_token_opens_streams_and_does_not_simply_run_out() {
    static SECONDS: AtomicI64 = AtomicI64::new(1_800_000_000);
    fn clock() -> Timestamp {
        Timestamp::from_timestamp(SECONDS.load(Ordering::Relaxed), 0).unwrap()
    }
    let hours_later = |hours: i64| SECONDS.store(1_800_000_000 + hours * 3600, Ordering::Relaxed);
    let site = Site::of(vec![guarded_node("s3cret", Scope::Client).with_clock(clock)]);
    let secret = ("x-api-key", "s3cret");
    let response = site.post(BULK, &[secret], "{}").await;
    let etag = header(&response, "etag").unwrap();
    let address = stream_address(&response.json().await.unwrap());
    let token = address.split(['=', '&']).nth(1).unwrap().to_owned();

    // It is good for change notices only.
    for headers in [
        [("x-api-key", &*token)],
        [("authorization", &*format!("Bearer {token}"))],
    ] {
        assert_eq!(site.post(BULK, &headers, "{}").await.status().as_u16(), 401);
    }
    // Another server that admits the same credential, such as this one after a restart, takes it;
    // one that does not, does not, and neither does one that knows it no more.
    let again = Site::of(vec![guarded_node("s3cret", Scope::Client).with_clock(clock)]);
    let stranger = Site::of(vec![guarded_node("0ther", Scope::Client).with_clock(clock)]);
    for (site, status) in [(&site, 200), (&again, 200), (&stranger, 401)] {
        assert_eq!(Listener::status(site, &address).await, status);
    }
    let mut altered = address.clone().into_bytes();
    for at in (0..altered.len())
        .filter(|at| address[..*at].contains("token="))
        .take(token.len())
    {
        let other = if altered[at] == b'A' { b'B' } else { b'A' };
        let kept = std::mem::replace(&mut altered[at], other);
        let address = std::str::from_utf8(&altered).unwrap();
        assert_eq!(Listener::status(&site, address).await, 401, "{address}");
        altered[at] = kept;
    }

    hours_later(1);
    assert_eq!(
        Listener::status(&site, &address).await,
        200,
        "the previous epoch's"
    );
    let fresh = site.post(BULK, &[secret, ("if-none-match", &etag)], "{}").await;
    assert_eq!(fresh.status().as_u16(), 200, "a new epoch is a new answer");
    let fresh = stream_address(&fresh.json().await.unwrap());
    assert_ne!(fresh, address);
    hours_later(2);
    assert_eq!(Listener::status(&site, &address).await, 401);
    assert_eq!(Listener::status(&site, &fresh).await, 200);
    for site in [site, again, stranger] {
        site.stop().await;
    }
}

#[actix_web::test]
async fn rule_12_answers_are_of_the_type_json() {
    let site = Site::of(vec![serving_node()]);
    let blind = Site::of(vec![node()]);
    for site in [&site, &blind] {
        for path in [BULK, "/ofrep/v1/evaluate/flags/compat-boolean"] {
            let response = site.post(path, &[], "{}").await;
            assert_eq!(response.status().as_u16(), 200);
            assert_eq!(header(&response, "content-type").unwrap(), "application/json");
        }
    }
    site.stop().await;
    blind.stop().await;
}

#[actix_web::test]
async fn rule_13_no_change_is_lost_while_a_stream_is_down() {
    let node = serving_node();
    let site = Site::of(vec![node.clone()]);
    let (_, bulk) = site.ask(BULK, &json!({})).await;
    let address = stream_address(&bulk);
    assert!(address.ends_with("&since=1.7"), "{address}");

    // Connected since before the change.
    let mut steady = Listener::open(&site, &address, None).await;
    node.replica().offer(&snapshot("1.8")).unwrap();
    let notice = steady.next().await;
    assert_eq!((&*notice.event, &*notice.id), ("message", "1.8"));
    assert_eq!(notice.data["type"], "refetchEvaluation");
    assert_eq!(notice.data["etag"], "\"1.8\"");
    assert!(notice.data["lastModified"].is_u64(), "{}", notice.data);

    // The change fell into the gap between the bulk answer and the stream, or between two streams.
    for (address, last_event_id, behind) in [
        (&*address, None, true),
        (&*address, Some("1.8"), false),
        (&*address.replace("since=1.7", "since=1.8"), None, false),
        (&*address.replace("since=1.7", "since=1.8"), Some("1.7"), true),
        (&*address.replace("&since=1.7", ""), None, true),
        (&*address.replace("since=1.7", "since=nonsense"), None, true),
    ] {
        let mut listener = Listener::open(&site, address, last_event_id).await;
        assert_eq!(
            listener.greeting_has_notice, behind,
            "{address} {last_event_id:?}"
        );
        if behind {
            assert_eq!(listener.next().await.id, "1.8");
        }
    }

    // Many changes at once are one notice of the newest for those who read slowly.
    for version in ["1.9", "1.10", "1.11"] {
        node.replica().offer(&snapshot(version)).unwrap();
    }
    let mut last = steady.next().await;
    while last.id != "1.11" {
        last = steady.next().await;
    }
    site.stop().await;
}

#[actix_web::test]
async fn rule_13_a_client_that_heard_elsewhere_is_not_given_old_answers() {
    let node = serving_node();
    let site = Site::of(vec![node.clone()]);
    let ask = |etag: &'static str| {
        let path = format!("{BULK}?flagConfigEtag={etag}&flagConfigLastModified=1771622898");
        let site = &site;
        async move { site.ask(&path, &json!({})).await.1["metadata"]["version"].clone() }
    };
    for etag in ["%221.7%22", "%221.3%22", "1.7", "nonsense", ""] {
        assert_eq!(ask(etag).await, "1.7", "{etag}");
    }
    let newer = snapshot("1.8");
    let (version, taken) = tokio::join!(ask("%221.8%22"), async { node.replica().offer(&newer) });
    taken.unwrap();
    assert_eq!(version, "1.8");
    site.stop().await;
}

#[actix_web::test]
async fn rule_14_disabled_flags_answer_and_missing_ones_do_not() {
    let site = Site::of(vec![serving_node()]);
    for key in ["compat-disabled", "archived"] {
        let (status, answer) = site.ask(&format!("{BULK}/{key}"), &json!({})).await;
        assert_eq!((status, &answer["reason"]), (200, &json!("DISABLED")));
        assert!(answer.get("value").is_none(), "{answer}");
    }
    let (status, answer) = site.ask(&format!("{BULK}/nobody"), &json!({})).await;
    assert_eq!((status, &answer["errorCode"]), (404, &json!("FLAG_NOT_FOUND")));
    site.stop().await;
}
