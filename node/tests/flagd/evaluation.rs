use crate::proto::{v1, v2};
use crate::site::{Site, channel, context, node, text_in};
use std::sync::Arc;
use tidegate_node::OpenAccess;
use tidegate_node::flagd::Door;
use tonic::{Code, Response, Status};

fn answer<T, R>(response: Result<Response<T>, Status>, read: impl FnOnce(T) -> R) -> Result<R, Code> {
    response
        .map(|response| read(response.into_inner()))
        .map_err(|status| status.code())
}

/// What a flag without targeting answers.
fn fixed<T>(value: T, variant: &str) -> Result<(Option<T>, String, String), Code> {
    Ok((Some(value), "STATIC".to_owned(), variant.to_owned()))
}

#[tokio::test]
async fn every_type_by_its_own_method() {
    let site = Site::start().await;
    let mut client = v2::service_client::ServiceClient::new(channel(site.evaluation).await);
    macro_rules! ask {
        ($method:ident, $request:ident, $flag:expr) => {{
            let request = v2::$request {
                flag_key: $flag.to_owned(),
                context: context(&[("targetingKey", "u1")]),
            };
            answer(client.$method(request).await, |it| {
                (it.value, it.reason, it.variant.unwrap_or_default())
            })
        }};
    }
    assert_eq!(
        ask!(resolve_boolean, ResolveBooleanRequest, "compat-boolean"),
        fixed(true, "on")
    );
    let text = fixed("grün".to_owned(), "green");
    assert_eq!(ask!(resolve_string, ResolveStringRequest, "compat-string"), text);
    assert_eq!(
        ask!(resolve_int, ResolveIntRequest, "compat-integer"),
        fixed(10, "ten")
    );
    assert_eq!(
        ask!(resolve_float, ResolveFloatRequest, "compat-float"),
        fixed(10.0, "ten")
    );
    // The client of npm has no other method for numbers.
    assert_eq!(
        ask!(resolve_float, ResolveFloatRequest, "compat-integer"),
        fixed(10.0, "ten")
    );
    let object = ask!(resolve_object, ResolveObjectRequest, "compat-json").unwrap();
    assert_eq!(object.0.unwrap().fields.len(), 3);

    assert_eq!(
        ask!(resolve_int, ResolveIntRequest, "compat-float"),
        Err(Code::InvalidArgument)
    );
    assert_eq!(
        ask!(resolve_boolean, ResolveBooleanRequest, "compat-string"),
        Err(Code::InvalidArgument)
    );
    assert_eq!(
        ask!(resolve_object, ResolveObjectRequest, "list"),
        Err(Code::InvalidArgument)
    );
    assert_eq!(
        ask!(resolve_boolean, ResolveBooleanRequest, "missing"),
        Err(Code::NotFound)
    );
    site.stop().await;
}

#[tokio::test]
async fn only_what_everybody_gets_is_static() {
    let site = Site::start().await;
    let mut client = v2::service_client::ServiceClient::new(channel(site.evaluation).await);
    let unit: &[(&str, &str)] = &[("targetingKey", "u1")];
    for (flag, attributes, reason, detail) in [
        ("compat-targeted", unit, "DEFAULT", "fallback"),
        (
            "compat-targeted",
            &[("targetingKey", "vip-1")],
            "TARGETING_MATCH",
            "individual_override",
        ),
        (
            "compat-targeted",
            &[("plan", "pro")],
            "TARGETING_MATCH",
            "targeting_match",
        ),
        ("compat-boolean", unit, "STATIC", "static"),
        ("inactive-off", unit, "DISABLED", "disabled"),
    ] {
        let request = v2::ResolveBooleanRequest {
            flag_key: flag.to_owned(),
            context: context(attributes),
        };
        let response = client.resolve_boolean(request).await.unwrap().into_inner();
        let found = (
            response.reason.as_str(),
            text_in(response.metadata.as_ref(), "tidegateReason"),
        );
        assert_eq!(found, (reason, detail.to_owned()), "{flag}");
        assert!(response.value.is_some() && response.variant.is_some());
        assert_eq!(text_in(response.metadata.as_ref(), "flagSetId"), "production");
        assert_eq!(text_in(response.metadata.as_ref(), "version"), "1.1");
    }
    let split = v2::ResolveStringRequest {
        flag_key: "compat-split".to_owned(),
        context: context(unit),
    };
    let response = client.resolve_string(split.clone()).await.unwrap().into_inner();
    assert_eq!(response.reason, "SPLIT");
    let without_unit = v2::ResolveStringRequest {
        context: None,
        ..split
    };
    let status = client.resolve_string(without_unit).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().starts_with("TARGETING_KEY_MISSING"), "{status}");
    site.stop().await;
}

#[tokio::test]
async fn no_value_is_the_callers_default() {
    let site = Site::start().await;
    let channel = channel(site.evaluation).await;
    let mut second = v2::service_client::ServiceClient::new(channel.clone());
    let disabled = v2::ResolveStringRequest {
        flag_key: "compat-disabled".to_owned(),
        context: None,
    };
    let response = second.resolve_string(disabled).await.unwrap().into_inner();
    assert_eq!(
        (response.value, response.variant, &*response.reason),
        (None, None, "DISABLED")
    );

    let mut first = v1::service_client::ServiceClient::new(channel);
    let disabled = v1::ResolveStringRequest {
        flag_key: "compat-disabled".to_owned(),
        context: None,
    };
    let status = first.resolve_string(disabled).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    let all = v1::ResolveAllRequest {
        context: context(&[("targetingKey", "u1")]),
    };
    let all = first.resolve_all(all).await.unwrap().into_inner();
    let mut keys: Vec<&str> = all.flags.keys().map(String::as_str).collect();
    keys.sort_unstable();
    // Without the disabled flags, the list that cannot be carried, and the archived one.
    assert_eq!(
        keys,
        [
            "compat-boolean",
            "compat-float",
            "compat-hidden",
            "compat-integer",
            "compat-json",
            "compat-split",
            "compat-string",
            "compat-targeted",
            "inactive-off"
        ]
    );
    let float = all.flags["compat-float"].value.clone();
    assert_eq!(float, Some(v1::any_flag::Value::DoubleValue(10.0)));
    site.stop().await;
}

#[tokio::test]
async fn a_blind_node_leaves_callers_their_defaults() {
    let site = Site::of(vec![node("production", Arc::new(OpenAccess))], Door::Open);
    let channel = channel(site.evaluation).await;
    let mut client = v2::service_client::ServiceClient::new(channel.clone());
    let request = v2::ResolveBooleanRequest {
        flag_key: "compat-boolean".to_owned(),
        context: None,
    };
    let response = client.resolve_boolean(request).await.unwrap().into_inner();
    assert_eq!((response.value, &*response.reason), (None, "DEFAULT"));
    assert_eq!(text_in(response.metadata.as_ref(), "tidegateState"), "blind");
    let mut first = v1::service_client::ServiceClient::new(channel);
    let status = first
        .resolve_all(v1::ResolveAllRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    site.stop().await;
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let site = Site::start().await;
    let mut client = v2::service_client::ServiceClient::new(channel(site.evaluation).await);
    for flag in ["compat-boolean", "compat-boolean", "missing", "compat-string"] {
        let request = v2::ResolveBooleanRequest {
            flag_key: flag.to_owned(),
            context: None,
        };
        let _either = client.resolve_boolean(request).await;
    }
    for (code, count) in [("ok", 2.0), ("not_found", 1.0), ("invalid_argument", 1.0)] {
        let labels = [("code", code), ("method", "evaluation.v2/ResolveBoolean")];
        assert_eq!(
            site.metric("tidegate_flagd_calls_total", &labels),
            Some(count),
            "{code}"
        );
    }
    site.stop().await;
}
