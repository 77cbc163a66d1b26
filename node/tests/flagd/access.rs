use crate::proto::sync::flag_sync_service_client::FlagSyncServiceClient;
use crate::proto::{sync, v2};
use crate::site::{Site, channel, flags, node};
use std::io::Write as _;
use std::sync::Arc;
use tidegate_node::TokenFile;
use tidegate_node::flagd::Door;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

const SECRET: &str = "a-secret-of-flagd-clients";

/// A node that knows two tokens, one of which sees only what clients may.
async fn site(door: Door) -> Site {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "server {SECRET}\nclient {SECRET}-in-browsers").unwrap();
    let access = Arc::new(TokenFile::read(file.path()).unwrap());
    let site = Site::of(vec![node("production", access)], door);
    site.publish("production", "1.1", flags()).await;
    site
}

fn with_token<T>(message: T, secret: Option<&'static str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(header) = secret {
        let header = MetadataValue::from_static(header);
        request.metadata_mut().insert("authorization", header);
    }
    request
}

#[tokio::test]
async fn tokens_count_at_every_door_and_are_needed_at_some() {
    for (door, secret, values, all) in [
        (Door::Open, None, Code::Ok, Code::Ok),
        (
            Door::Open,
            Some("Bearer a-secret-of-flagd-clients"),
            Code::Ok,
            Code::Ok,
        ),
        (
            Door::Open,
            Some("Bearer somebody-elses-secret"),
            Code::Unauthenticated,
            Code::Unauthenticated,
        ),
        (
            Door::TokenOnly,
            None,
            Code::Unauthenticated,
            Code::Unauthenticated,
        ),
        (
            Door::TokenOnly,
            Some("Bearer a-secret-of-flagd-clients-in-browsers"),
            Code::NotFound,
            Code::PermissionDenied,
        ),
        (
            Door::TokenOnly,
            Some("Bearer a-secret-of-flagd-clients"),
            Code::Ok,
            Code::Ok,
        ),
        (
            Door::TokenOnly,
            Some("Bearer somebody-elses-secret"),
            Code::Unauthenticated,
            Code::Unauthenticated,
        ),
    ] {
        let site = site(door).await;
        let mut evaluation = v2::service_client::ServiceClient::new(channel(site.evaluation).await);
        let message = v2::ResolveBooleanRequest {
            flag_key: "compat-hidden".to_owned(),
            context: None,
        };
        let resolved = evaluation.resolve_boolean(with_token(message, secret)).await;
        let code = resolved.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(code, values, "evaluation, {door:?}, {secret:?}");

        let mut definitions = FlagSyncServiceClient::new(channel(site.sync).await);
        let message = sync::FetchAllFlagsRequest::default();
        let fetched = definitions.fetch_all_flags(with_token(message, secret)).await;
        let code = fetched.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(code, all, "sync, {door:?}, {secret:?}");
        site.stop().await;
    }
}
