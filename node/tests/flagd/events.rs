use crate::proto::{v1, v2};
use crate::site::{Site, channel, flags, node, within};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_node::OpenAccess;
use tidegate_node::flagd::Door;
use tonic::{Code, Streaming};

/// The flags with another fallback for one of them.
fn flags_with(changed: &str, fallback: &str) -> Value {
    let mut flags = flags();
    for flag in flags.as_array_mut().unwrap() {
        if flag["key"] == changed {
            flag["fallback"] = json!({"variation": fallback});
        }
    }
    flags
}

/// The next event but signs of life, with the flags that it names.
async fn next(events: &mut Streaming<v2::EventStreamResponse>) -> (String, Vec<String>) {
    loop {
        let event = within(events.message()).await.unwrap().unwrap();
        if event.r#type == "keep_alive" {
            continue;
        }
        let flags = event.data.and_then(|data| data.fields.get("flags").cloned());
        let flags = flags.and_then(|flags| match flags.kind {
            Some(prost_types::value::Kind::StructValue(flags)) => Some(flags.fields.into_keys().collect()),
            _ => None,
        });
        return (event.r#type, flags.unwrap_or_default());
    }
}

fn keys(flags: &Value) -> Vec<String> {
    let flags = flags.as_array().unwrap().iter();
    let mut keys: Vec<String> = flags
        .map(|flag| flag["key"].as_str().unwrap().to_owned())
        .collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn every_change_names_its_flags() {
    let site = Site::of(vec![node("production", Arc::new(OpenAccess))], Door::Open);
    let mut client = v2::service_client::ServiceClient::new(channel(site.evaluation).await);
    // The answer begins before there is anything to say.
    let request = v2::EventStreamRequest {};
    let mut events = within(client.event_stream(request)).await.unwrap().into_inner();
    site.publish("production", "1.1", flags()).await;
    assert_eq!(next(&mut events).await, ("provider_ready".to_owned(), vec![]));
    // Whoever comes back may have kept answers.
    let (name, mut all) = next(&mut events).await;
    all.sort_unstable();
    assert_eq!((name.as_str(), all), ("configuration_change", keys(&flags())));
    let changed = |flag: &str| ("configuration_change".to_owned(), vec![flag.to_owned()]);
    site.publish("production", "1.2", flags_with("compat-boolean", "off"))
        .await;
    assert_eq!(next(&mut events).await, changed("compat-boolean"));
    // Nothing that a client could have kept is different.
    site.publish("production", "1.3", flags_with("compat-boolean", "off"))
        .await;
    let mut fewer = flags_with("compat-boolean", "off");
    fewer
        .as_array_mut()
        .unwrap()
        .retain(|flag| flag["key"] != "compat-json");
    site.publish("production", "1.4", fewer).await;
    assert_eq!(next(&mut events).await, changed("compat-json"));
    site.stop().await;
}

#[tokio::test]
async fn streams_end_so_that_clients_come_back() {
    let site = Site::start().await;
    let channel = channel(site.evaluation).await;
    let mut second = v2::service_client::ServiceClient::new(channel.clone());
    let mut first = v1::service_client::ServiceClient::new(channel);
    let mut one = first
        .event_stream(v1::EventStreamRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut two = second
        .event_stream(v2::EventStreamRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        within(one.message()).await.unwrap().unwrap().r#type,
        "provider_ready"
    );
    assert_eq!(next(&mut two).await.0, "provider_ready");
    assert_eq!(
        within(one.message()).await.unwrap().unwrap().r#type,
        "configuration_change"
    );
    assert_eq!(next(&mut two).await.0, "configuration_change");
    for method in ["evaluation.v1/EventStream", "evaluation.v2/EventStream"] {
        assert_eq!(
            site.metric("tidegate_flagd_streams", &[("method", method)]),
            Some(1.0)
        );
    }
    site.tell_to_stop();
    assert_eq!(within(one.message()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(within(two.message()).await.unwrap_err().code(), Code::Unavailable);
    site.stop().await;
}
