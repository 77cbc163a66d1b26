use crate::site::{Site, browser, within};
use reqwest::{Client, Response};
use serde_json::{Value, json};

/// A unary call as the web provider makes it.
async fn call(site: &Site, method: &str, message: &Value) -> (u16, Value) {
    let url = format!("http://{}/flagd.evaluation.{method}", site.evaluation);
    let request = browser().post(url).header("connect-protocol-version", "1");
    let response = request.json(message).send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["content-type"], "application/json");
    (status, response.json().await.unwrap())
}

fn framed(message: &str) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message.as_bytes()].concat()
}

async fn open_stream(site: &Site, body: Vec<u8>, headers: &[(&str, &str)]) -> Response {
    let url = format!(
        "http://{}/flagd.evaluation.v1.Service/EventStream",
        site.evaluation
    );
    let mut request = browser()
        .post(url)
        .header("content-type", "application/connect+json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.unwrap()
}

/// Reads frames off a stream.
struct Frames {
    response: Response,
    read: Vec<u8>,
}

impl Frames {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/connect+json");
        Self {
            response,
            read: Vec::new(),
        }
    }

    /// The flags and the message of the next frame.
    async fn next(&mut self) -> (u8, Value) {
        loop {
            if let Some((head, rest)) = self.read.split_at_checked(5) {
                let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
                if rest.len() >= length {
                    let frame = (head[0], serde_json::from_slice(&rest[..length]).unwrap());
                    self.read.drain(..5 + length);
                    return frame;
                }
            }
            let more = within(self.response.chunk()).await.unwrap().unwrap();
            self.read.extend(more);
        }
    }
}

#[tokio::test]
async fn the_web_provider_gets_all_flags() {
    let site = Site::start().await;
    let message = json!({"context": {"targetingKey": "u1"}});
    let (status, body) = call(&site, "v1.Service/ResolveAll", &message).await;
    assert_eq!(status, 200);
    let flags = &body["flags"];
    assert_eq!(flags["compat-boolean"]["boolValue"], true);
    assert_eq!(flags["compat-boolean"]["variant"], "on");
    assert_eq!(flags["compat-boolean"]["reason"], "STATIC");
    assert_eq!(flags["compat-string"]["stringValue"], "grün");
    assert_eq!(flags["compat-integer"]["doubleValue"], 10);
    assert_eq!(flags["compat-json"]["objectValue"]["items"], 3);
    assert_eq!(flags["compat-disabled"], Value::Null);
    assert_eq!(flags["compat-hidden"], Value::Null);
    assert_eq!(body["metadata"]["flagSetId"], "production");
    site.stop().await;
}

#[tokio::test]
async fn single_flags_and_errors() {
    let site = Site::start().await;
    for (method, flag, status, expected) in [
        (
            "v1.Service/ResolveBoolean",
            "compat-boolean",
            200,
            json!({"value": true, "variant": "on"}),
        ),
        (
            "v2.Service/ResolveInt",
            "compat-integer",
            200,
            json!({"value": "10", "variant": "ten"}),
        ),
        (
            "v2.Service/ResolveFloat",
            "compat-float",
            200,
            json!({"value": 10.0, "variant": "ten"}),
        ),
        (
            "v2.Service/ResolveString",
            "compat-disabled",
            200,
            json!({"reason": "DISABLED"}),
        ),
        (
            "v1.Service/ResolveString",
            "compat-disabled",
            404,
            json!({"code": "not_found"}),
        ),
        (
            "v1.Service/ResolveBoolean",
            "missing",
            404,
            json!({"code": "not_found"}),
        ),
        (
            "v1.Service/ResolveBoolean",
            "compat-string",
            400,
            json!({"code": "invalid_argument"}),
        ),
        (
            "v1.Service/ResolveString",
            "compat-split",
            400,
            json!({"code": "failed_precondition"}),
        ),
    ] {
        let (found, body) = call(&site, method, &json!({ "flagKey": flag })).await;
        assert_eq!(found, status, "{method} {flag} {body}");
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&body[name], value, "{method} {flag} {body}");
        }
        assert!(status == 200 || body["message"].is_string());
    }
    site.stop().await;
}

#[tokio::test]
async fn who_asks_for_one_flag_is_exposed_and_who_asks_for_all_is_not() {
    let site = Site::start().await;
    let arms = json!([{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]);
    let flag = json!({"key": "tried", "type": "boolean", "visibility": "client", "status": "experiment", "experiment": {"key": "e", "arms": arms},
        "fallback": {"variation": "off"}});
    site.publish("production", "1.2", json!([flag])).await;
    let exposed = || site.metric("tidegate_node_observations_total", &[("kind", "exposure")]);
    let context = json!({"targetingKey": "u1"});
    for (method, seen) in [
        ("v1.Service/ResolveAll", None),
        ("v2.Service/ResolveString", None),
        ("v2.Service/ResolveBoolean", Some(1.0)),
    ] {
        let (_, answer) = call(&site, method, &json!({"flagKey": "tried", "context": context})).await;
        assert_eq!(exposed(), seen, "{method} {answer}");
    }
    site.stop().await;
}

#[tokio::test]
async fn streams_are_frames_and_say_how_they_end() {
    let site = Site::start().await;
    let mut frames = Frames::of(open_stream(&site, framed("{}"), &[]).await);
    assert_eq!(frames.next().await, (0, json!({"type": "provider_ready"})));
    // First all flags, for clients that come back; then those that changed.
    for publish in [false, true] {
        if publish {
            site.publish("production", "1.2", json!([])).await;
        }
        let (_, event) = frames.next().await;
        assert_eq!(event["type"], "configuration_change");
        assert!(event["data"]["flags"]["compat-boolean"].is_object(), "{event}");
    }

    let mut short = Frames::of(open_stream(&site, framed("{}"), &[("connect-timeout-ms", "1")]).await);
    while short.next().await.0 == 0 {}
    site.tell_to_stop();
    let (flags, end) = frames.next().await;
    assert_eq!((flags, &end["error"]["code"]), (2, &json!("unavailable")));
    site.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_stream_comes_at_its_end() {
    let site = Site::start().await;
    for (body, headers, code) in [
        (b"".to_vec(), &[][..], "invalid_argument"),
        (b"\0\0\0\0\xff{}".to_vec(), &[], "invalid_argument"),
        (framed("{"), &[], "invalid_argument"),
        (b"\x01\0\0\0\x02{}".to_vec(), &[], "unimplemented"),
        (
            framed("{}"),
            &[("connect-content-encoding", "gzip")],
            "unimplemented",
        ),
        (
            framed("{}"),
            &[("connect-protocol-version", "2")],
            "invalid_argument",
        ),
        (framed("{}"), &[("flagd-selector", "elsewhere")], "not_found"),
        (vec![0; 2 << 20], &[], "resource_exhausted"),
    ] {
        let response = open_stream(&site, body, headers).await;
        let (flags, end) = Frames::of(response).next().await;
        assert_eq!((flags, &end["error"]["code"]), (2, &json!(code)), "{end}");
    }
    site.stop().await;
}

#[tokio::test]
async fn requests_that_are_none_are_refused_as_http_does() {
    let site = Site::start().await;
    let base = format!("http://{}", site.evaluation);
    let all = format!("{base}/flagd.evaluation.v1.Service/ResolveAll");
    let client: Client = browser();
    let json_of = |body: &'static str| {
        client
            .post(&all)
            .header("content-type", "application/json")
            .body(body)
    };
    for (request, status) in [
        (client.get(&all), 405),
        (
            client.post(format!("{base}/flagd.evaluation.v1.Service/Nothing")),
            404,
        ),
        (client.post(format!("{base}/")), 404),
        (client.post(&all), 415),
        (client.post(&all).header("content-type", "application/proto"), 415),
        (
            client
                .post(&all)
                .header("content-type", "application/connect+json"),
            415,
        ),
        (json_of("{"), 400),
        (json_of("[]"), 400),
        (json_of(""), 400),
        (json_of(r#"{"context": {"targetingKey": 7}}"#), 400),
        (json_of("{}").header("content-encoding", "gzip"), 501),
        (json_of("{}").header("connect-protocol-version", "9"), 400),
        (json_of("{}"), 200),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(
            response.status().as_u16(),
            status,
            "{}",
            response.text().await.unwrap()
        );
    }
    let large = client
        .post(&all)
        .header("content-type", "application/json")
        .body(vec![b' '; 2 << 20]);
    assert_eq!(large.send().await.unwrap().status(), 429);

    let preflight = client
        .request(reqwest::Method::OPTIONS, &all)
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(allowed.contains("connect-protocol-version") && allowed.contains("content-type"));
    site.stop().await;
}
