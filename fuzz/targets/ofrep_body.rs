//! Any bytes as the body of an OFREP request: the answer is one of the protocol's, with all members
//! that clients read.
#![no_main]

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, rt::System};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Snapshot, SnapshotContent, Version};
use tidegate_node::{Node, OpenAccess};
use tidegate_replica::{Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust};

const CONTENT: &str = include_str!("../seeds/snapshot/every-kind.json");

type Server = Box<dyn Fn(&str, &[u8]) -> (u16, Vec<u8>)>;

thread_local! {
    // Never dropped: at the end of the process the runtime in it would look for what is gone already.
    static SERVER: ManuallyDrop<Server> = ManuallyDrop::new(server());
}

fn server() -> Server {
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new("fuzzed").expect("a name"),
        environment: EnvironmentKey::new("production").expect("a key"),
        folder: None,
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    });
    let replica = replica.expect("a replica");
    let content: SnapshotContent = serde_json::from_str(CONTENT).expect("content");
    let version = Version { epoch: 1, number: 1 };
    let sealed = Snapshot::seal(&content, version, Timestamp::default(), None).expect("sealed");
    replica
        .offer(&serde_json::to_vec(&sealed).expect("as JSON"))
        .expect("served");
    let node = Node::new(replica, Arc::new(OpenAccess)).expect("a node");
    let routes = tidegate_node::routes(vec![node]);
    let system = System::new();
    let app = system.block_on(init_service(App::new().configure(routes)));
    Box::new(move |path, body| {
        let request = TestRequest::post()
            .uri(path)
            .set_payload(body.to_vec())
            .to_request();
        system.block_on(async {
            let answered: Result<ServiceResponse<_>, Error> = app.call(request).await;
            let response = answered.unwrap_or_else(|error| {
                let request = TestRequest::default().to_http_request();
                ServiceResponse::from_err(error, request)
            });
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body()).await;
            (status, body.map(|bytes| bytes.to_vec()).unwrap_or_default())
        })
    })
}

fuzz_target!(|bytes: &[u8]| {
    SERVER.with(|server| {
        let (status, answer) = server("/ofrep/v1/evaluate/flags/split", bytes);
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        match status {
            200 => assert!(answer["key"] == "split" && answer["reason"].is_string()),
            400 => assert!(
                answer["key"] == "split"
                    && answer["errorCode"].is_string()
                    && answer["errorDetails"].is_string()
            ),
            other => panic!("status {other}: {answer}"),
        }
        let (status, answer) = server("/ofrep/v1/evaluate/flags", bytes);
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        match status {
            200 => assert!(answer["flags"].is_array()),
            400 => assert!(answer["errorCode"].is_string() && answer["errorDetails"].is_string()),
            other => panic!("status {other}: {answer}"),
        }
    });
});
