//! The provider under the real OpenFeature client.
#![expect(clippy::expect_used, reason = "a test may panic")]

use open_feature::provider::{FeatureProvider as _, ProviderStatus};
use open_feature::{
    EvaluationContext, EvaluationErrorCode, EvaluationReason, FlagMetadataValue, OpenFeature, StructValue,
};
use serde_json::{Value, json};
use tidegate_model::Timestamp;
use tidegate_model::environment::Bucketing;
use tidegate_model::flag::Flag;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Snapshot, SnapshotContent, SnapshotFlag};
use tidegate_openfeature::{ConnectError, Connection, TidegateProvider, Trust};
use tidegate_replica::{Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT};

fn replica() -> Replica {
    Replica::new(ReplicaSettings {
        name: NodeName::new("app").expect("a name"),
        environment: EnvironmentKey::new("production").expect("a key"),
        folder: None,
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    })
    .expect("a replica")
}

fn offer(replica: &Replica, version: &str, flags: &[Value]) {
    let flag = |definition: &Value| SnapshotFlag {
        flag: serde_json::from_value::<Flag>(definition.clone()).expect("a flag"),
        rollout: None,
    };
    let content = SnapshotContent {
        environment: EnvironmentKey::new("production").expect("a key"),
        bucketing: Bucketing::default(),
        flags: flags.iter().map(flag).collect(),
        segments: vec![],
        staged: Vec::new(),
        drill: None,
    };
    let version = version.parse().expect("a version");
    let sealed = Snapshot::seal(&content, version, Timestamp::default(), None).expect("sealed");
    let bytes = serde_json::to_vec(&sealed).expect("as JSON");
    replica.offer(&bytes).expect("taken");
}

fn flags() -> Vec<Value> {
    vec![
        json!({"key": "on", "type": "boolean", "fallback": {"variation": "on"}}),
        json!({"key": "off", "type": "boolean", "status": "archived"}),
        json!({"key": "half", "type": "percentage", "percentage": 50}),
        json!({"key": "count", "type": "number", "variations": [{"key": "ten", "value": 10}],
            "fallback": {"variation": "ten"}}),
        json!({"key": "ratio", "type": "number", "variations": [{"key": "third", "value": 0.25}],
            "fallback": {"variation": "third"}}),
        json!({"key": "layout", "type": "json",
            "variations": [{"key": "wide", "value": {"columns": 3, "gaps": [1.5, 2], "none": null}}],
            "fallback": {"variation": "wide"}}),
        json!({"key": "colour", "type": "string",
            "variations": [{"key": "red", "value": "#f00"}, {"key": "blue", "value": "#00f"}],
            "rules": [{"name": "french", "serve": {"variation": "blue"},
                "when": {"attribute": "country", "operator": "equals", "value": "FR"}}],
            "fallback": {"variation": "red"}}),
    ]
}

#[tokio::test]
async fn every_type_through_the_client() {
    let replica = replica();
    offer(&replica, "1.7", &flags());
    let mut api = OpenFeature::singleton_mut().await;
    api.set_named_provider("types", TidegateProvider::new(replica.clone()))
        .await;
    let client = api.create_named_client("types");
    drop(api);
    let french = EvaluationContext::default()
        .with_targeting_key("u1")
        .with_custom_field("country", "FR");

    assert_eq!(client.get_bool_value("on", None, None).await, Ok(true));
    assert_eq!(client.get_int_value("count", None, None).await, Ok(10));
    assert_eq!(client.get_float_value("ratio", None, None).await, Ok(0.25));
    assert_eq!(client.get_float_value("count", None, None).await, Ok(10.0));
    let layout: StructValue = client
        .get_struct_value("layout", None, None)
        .await
        .expect("an object");
    assert_eq!(layout.fields["columns"].as_i64(), Some(3));
    assert_eq!(layout.fields["gaps"].as_array().map(Vec::len), Some(2));

    let colour = client
        .get_string_details("colour", Some(&french), None)
        .await
        .expect("a text");
    assert_eq!(
        (colour.value.as_str(), colour.variant.as_deref()),
        ("#00f", Some("blue"))
    );
    assert_eq!(colour.reason, Some(EvaluationReason::TargetingMatch));
    let rule = FlagMetadataValue::from("french");
    assert_eq!(colour.flag_metadata.values.get("rule"), Some(&rule));
    let half = client
        .get_bool_details("half", Some(&french), None)
        .await
        .expect("a boolean");
    assert_eq!(half.reason, Some(EvaluationReason::Split));

    // A newer snapshot is served by the next evaluation, without a word to the client.
    offer(
        &replica,
        "1.8",
        &[json!({"key": "on", "type": "boolean", "fallback": {"variation": "off"}})],
    );
    assert_eq!(client.get_bool_value("on", None, None).await, Ok(false));
}

#[tokio::test]
async fn what_has_no_value_is_an_error_with_its_code() {
    let replica = replica();
    let mut api = OpenFeature::singleton_mut().await;
    api.set_named_provider("errors", TidegateProvider::new(replica.clone()))
        .await;
    let client = api.create_named_client("errors");
    drop(api);
    let code = |outcome: Result<bool, open_feature::EvaluationError>| outcome.map_err(|error| error.code);

    let unready = code(client.get_bool_value("on", None, None).await);
    assert_eq!(unready, Err(EvaluationErrorCode::ProviderNotReady));
    offer(&replica, "1.7", &flags());
    for (flag, expected) in [
        ("absent", EvaluationErrorCode::FlagNotFound),
        ("count", EvaluationErrorCode::TypeMismatch),
        ("half", EvaluationErrorCode::TargetingKeyMissing),
        ("off", EvaluationErrorCode::General("DEFAULT".to_owned())),
    ] {
        let outcome = code(client.get_bool_value(flag, None, None).await);
        assert_eq!(outcome, Err(expected), "{flag}");
    }
}

#[tokio::test]
async fn the_status_is_that_of_the_snapshot() {
    let replica = replica();
    let provider = TidegateProvider::new(replica.clone());
    assert_eq!(provider.status(), ProviderStatus::NotReady);
    offer(&replica, "1.7", &flags());
    assert_eq!(provider.status(), ProviderStatus::Ready);
    assert_eq!(provider.metadata().name, "tidegate");
}

#[tokio::test(start_paused = true)]
async fn without_a_control_plane_the_start_goes_on_unready() {
    let connection = Connection {
        // Reserved for documentation (RFC 5737): nobody answers there.
        control_plane: "http://192.0.2.1:1".to_owned(),
        environment: "production".to_owned(),
        token: "0123456789abcdef".to_owned(),
        name: "app".to_owned(),
        folder: None,
        trust: Trust::FirstContact,
    };
    let mut provider = TidegateProvider::connect(connection.clone()).expect("a provider");
    provider.initialize(&EvaluationContext::default()).await;
    assert_eq!(provider.status(), ProviderStatus::NotReady);

    let bad = |change: fn(&mut Connection)| {
        let mut connection = connection.clone();
        change(&mut connection);
        TidegateProvider::connect(connection).map(drop)
    };
    assert!(matches!(
        bad(|one| one.control_plane = "production".to_owned()),
        Err(ConnectError::Upstream(_))
    ));
    assert!(matches!(
        bad(|one| one.name = "a b".to_owned()),
        Err(ConnectError::Name(_))
    ));
}
