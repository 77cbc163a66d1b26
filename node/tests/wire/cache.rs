//! Bulk answers that are kept.

use crate::site::{OneSecret, Site, node, node_with};
use crate::snapshots::{production, snapshot};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_node::Scope;

const BULK: &str = "/ofrep/v1/evaluate/flags";
const CACHE: &str = "/v1/cache";

async fn statistics(site: &Site) -> (u64, u64, u64) {
    let (status, text) = site.get(CACHE).await;
    assert_eq!(status, 200);
    let statistics: Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| statistics[name].as_u64().unwrap();
    (number("entries"), number("hits"), number("misses"))
}

#[actix_web::test]
async fn the_same_request_is_answered_from_the_cache_and_counts_the_same() {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    let site = Site::of(vec![node.clone()]);
    let ask = |user: &str| {
        let body = json!({"context": {"targetingKey": user}}).to_string();
        let site = &site;
        async move { site.post(BULK, &[], body).await.text().await.unwrap() }
    };
    let first = ask("u1").await;
    assert_eq!(first, ask("u1").await);
    let other = ask("u2").await;
    assert_eq!(statistics(&site).await, (2, 1, 2));
    let served = [("flag", "compat-boolean"), ("variation", "on")];
    assert_eq!(
        site.metric("tidegate_evaluations_total", &served).await,
        Some(3.0)
    );
    let hits = site.metric("tidegate_node_result_cache_lookups_total", &[("outcome", "hit")]);
    assert_eq!(hits.await, Some(1.0));
    assert_eq!(
        site.metric("tidegate_node_result_cache_entries", &[]).await,
        Some(2.0)
    );
    assert!(
        site.metric("tidegate_node_result_cache_bytes", &[])
            .await
            .unwrap()
            > first.len() as f64
    );
    drop(other);

    node.replica().offer(&snapshot("1.8")).unwrap();
    let newer = ask("u1").await;
    assert!(
        newer.contains("\"version\":\"1.8\"") && !newer.contains("1.7"),
        "{newer}"
    );
    assert_eq!(
        statistics(&site).await.0,
        1,
        "only answers of the newest snapshot are kept"
    );

    let cleared = site
        .client
        .delete(format!("{}{CACHE}", site.url))
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.status().as_u16(), 204);
    assert_eq!(statistics(&site).await.0, 0);
    assert_eq!(ask("u1").await, newer);
    site.stop().await;
}

#[actix_web::test]
async fn the_cache_is_none_of_the_clients_business() {
    let node = node_with(&production(), Arc::new(OneSecret("s3cret", Scope::Client)), None);
    let site = Site::of(vec![node]);
    for (headers, status) in [(&[("x-api-key", "s3cret")][..], 403), (&[], 401)] {
        for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
            let mut request = site.client.request(method, format!("{}{CACHE}", site.url));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            assert_eq!(request.send().await.unwrap().status().as_u16(), status);
        }
    }
    site.stop().await;
}
