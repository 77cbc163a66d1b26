use crate::site::{Site, within};
use bytes::Bytes;
use h2::client::SendRequest;
use hyper::{HeaderMap, Request};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that says whatever the test wants.
async fn raw(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

/// The gRPC status of a call with these bytes as its body.
async fn status_of(
    client: &mut SendRequest<Bytes>,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> String {
    let mut request = Request::post(format!("http://flagd{path}")).header("te", "trailers");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut sending) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let sent = sending.send_data(body.into(), true);
    let response = within(response).await.unwrap();
    drop(sent);
    let status = |headers: &HeaderMap| {
        headers
            .get("grpc-status")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    if let Some(status) = status(response.headers()) {
        return status;
    }
    if response.status() != 200 {
        return format!("http {}", response.status().as_u16());
    }
    let mut body = response.into_body();
    while let Some(data) = within(body.data()).await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    let trailers = within(body.trailers()).await.unwrap().unwrap();
    status(&trailers).unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// A field of protobuf with its length.
fn delimited(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![tag];
    let mut length = content.len();
    while length > 0x7f {
        field.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap());
    field.extend(content);
    field
}

const RESOLVE: &str = "/flagd.evaluation.v2.Service/ResolveBoolean";

#[tokio::test]
async fn malformed_messages_get_the_status_that_grpc_has_for_them() {
    let site = Site::start().await;
    let mut client = raw(site.evaluation).await;
    // A context of one member, whose value is a context of one member, and so on.
    let deep = (0..500).fold(Vec::new(), |inner, _| {
        let value = delimited(0x12, &delimited(0x2a, &inner));
        delimited(0x0a, &[delimited(0x0a, b"a"), value].concat())
    });
    let compressed = [&[1, 0, 0, 0, 2][..], b"{}"].concat();
    let announced_too_large = [&[0][..], &(100_u32 << 20).to_be_bytes()].concat();
    for (what, body, expected) in [
        // Field 1 is a text.
        ("a number as text", framed(&[0x08, 1]), &["13"][..]),
        ("a torn message", framed(&[0x0a, 200, b'x']), &["13"]),
        ("no UTF-8", framed(&[0x0a, 1, 0xff]), &["13"]),
        ("deep nesting", framed(&delimited(0x12, &deep)), &["13"]),
        ("compressed without saying how", compressed.clone(), &["13"]),
        ("unknown flags", vec![7, 0, 0, 0, 0], &["13"]),
        ("100 MiB announced", announced_too_large, &["8", "11"]),
        ("half a message", [&[0, 0, 0, 0, 9][..], b"abc"].concat(), &["13"]),
        ("no message", vec![], &["13"]),
        ("an empty message: a flag without a name", framed(b""), &["5"]),
    ] {
        let status = status_of(&mut client, RESOLVE, &[], body).await;
        assert!(expected.contains(&status.as_str()), "{what}: {status}");
    }
    let gzip = [("grpc-encoding", "gzip")];
    assert_eq!(status_of(&mut client, RESOLVE, &gzip, compressed).await, "12");
    site.stop().await;
}

#[tokio::test]
async fn calls_that_lead_nowhere_are_told_so() {
    const FETCH: &str = "/flagd.sync.v1.FlagSyncService/FetchAllFlags";
    let site = Site::start().await;
    let mut evaluation = raw(site.evaluation).await;
    let mut sync = raw(site.sync).await;
    for (path, content_type, at_evaluation, at_sync) in [
        (RESOLVE, "application/grpc", "5", "12"),
        (RESOLVE, "application/grpc+proto", "5", "12"),
        (FETCH, "application/grpc", "12", "0"),
        (
            "/flagd.evaluation.v2.Service/ResolveAll",
            "application/grpc",
            "12",
            "12",
        ),
        ("/", "application/grpc", "12", "12"),
        (RESOLVE, "application/grpc-web+proto", "http 415", "http 415"),
        (RESOLVE, "text/plain", "http 415", "http 415"),
        (FETCH, "application/json", "http 404", "http 415"),
    ] {
        let headers = [("content-type", content_type)];
        let found = status_of(&mut evaluation, path, &headers, framed(b"")).await;
        assert_eq!(found, at_evaluation, "{path} {content_type}, evaluation");
        let found = status_of(&mut sync, path, &headers, framed(b"")).await;
        assert_eq!(found, at_sync, "{path} {content_type}, sync");
    }
    site.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_answered_or_cut_off() {
    let site = Site::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\0\0\0\0\0\0",
        b"GET\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(site.evaluation).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // It ends, in whatever way: that is all one can ask for.
        let _end = within(stream.read_to_end(&mut answer)).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{answer:?}"
        );
    }
    let mut client = raw(site.evaluation).await;
    let missing = status_of(&mut client, RESOLVE, &[], framed(b"")).await;
    assert_eq!(missing, "5", "it goes on answering");
    site.stop().await;
}
