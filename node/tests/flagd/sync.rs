use crate::proto::sync as proto;
use crate::proto::sync::flag_sync_service_client::FlagSyncServiceClient;
use crate::site::{Site, channel, flags, node, text_in, within};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_node::OpenAccess;
use tidegate_node::flagd::Door;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

fn parsed(configuration: &[u8]) -> Value {
    serde_json::from_slice(configuration).unwrap()
}

#[tokio::test]
async fn the_whole_configuration_now_and_after_every_change() {
    let site = Site::of(vec![node("production", Arc::new(OpenAccess))], Door::Open);
    let mut client = FlagSyncServiceClient::new(channel(site.sync).await);
    // The answer begins before there is anything to send.
    let request = proto::SyncFlagsRequest::default();
    let mut stream = within(client.sync_flags(request)).await.unwrap().into_inner();
    let fetched = client
        .fetch_all_flags(proto::FetchAllFlagsRequest::default())
        .await;
    assert_eq!(fetched.unwrap_err().code(), Code::Unavailable);

    site.publish("production", "1.1", flags()).await;
    let first = within(stream.message()).await.unwrap().unwrap();
    assert_eq!(text_in(first.sync_context.as_ref(), "tidegateEnv"), "production");
    let configuration = parsed(&first.flag_configuration);
    assert_eq!(configuration["metadata"]["version"], "1.1");
    assert_eq!(configuration["flags"]["compat-boolean"]["defaultVariant"], "on");

    site.publish("production", "1.2", json!([])).await;
    let second = within(stream.message()).await.unwrap().unwrap();
    assert_eq!(parsed(&second.flag_configuration)["flags"], json!({}));
    let fetched = client
        .fetch_all_flags(proto::FetchAllFlagsRequest::default())
        .await
        .unwrap();
    assert_eq!(fetched.into_inner().flag_configuration, second.flag_configuration);
    let bytes = site.metric("tidegate_node_flagd_configuration_bytes", &[]);
    assert_eq!(bytes, Some(second.flag_configuration.len() as f64));

    site.tell_to_stop();
    assert_eq!(
        within(stream.message()).await.unwrap_err().code(),
        Code::Unavailable
    );
    site.stop().await;
}

#[tokio::test]
async fn selectors_choose_the_environment() {
    let nodes = ["production", "staging"].map(|environment| node(environment, Arc::new(OpenAccess)));
    let site = Site::of(nodes.to_vec(), Door::Open);
    site.publish("production", "1.1", json!([])).await;
    site.publish("staging", "1.2", json!([])).await;
    let mut client = FlagSyncServiceClient::new(channel(site.sync).await);
    for (in_message, in_metadata, expected) in [
        ("", None, Ok("production")),
        ("flagSetId=staging", None, Ok("staging")),
        ("source=staging", None, Ok("staging")),
        ("staging", None, Ok("staging")),
        ("", Some("staging"), Ok("staging")),
        ("production", Some("flagSetId=staging"), Ok("staging")),
        ("elsewhere", None, Err(Code::NotFound)),
        ("flagSetId=", None, Ok("production")),
    ] {
        let mut request = Request::new(proto::FetchAllFlagsRequest {
            provider_id: "test".to_owned(),
            selector: in_message.to_owned(),
        });
        if let Some(selector) = in_metadata {
            request
                .metadata_mut()
                .insert("flagd-selector", MetadataValue::from_static(selector));
        }
        let fetched = client.fetch_all_flags(request).await;
        let environment = fetched
            .map(|response| {
                parsed(&response.into_inner().flag_configuration)["metadata"]["flagSetId"].clone()
            })
            .map_err(|status| status.code());
        assert_eq!(
            environment,
            expected.map(Value::from),
            "{in_message} {in_metadata:?}"
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn metadata_is_not_asked_for_any_more() {
    let site = Site::start().await;
    let mut client = FlagSyncServiceClient::new(channel(site.sync).await);
    let status = client
        .get_metadata(proto::GetMetadataRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    site.stop().await;
}
