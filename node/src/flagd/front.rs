//! The entrance of a listener: which protocol a request speaks.

use super::Flagd;
use super::admit::Door;
use super::connect::Connect;
use super::evaluation::Evaluation;
use super::proto::evaluation_v1::service_server::ServiceServer as EvaluationV1;
use super::proto::evaluation_v2::service_server::ServiceServer as EvaluationV2;
use super::proto::sync_v1::flag_sync_service_server::FlagSyncServiceServer;
use super::sync::Sync;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

/// Largest message of a client, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long a message may take to arrive and be answered; streams may go on for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `flagd.evaluation.v1.Service` and `.v2.Service`: values. gRPC, and Connect for browsers.
    Evaluation,
    /// `flagd.sync.v1.FlagSyncService`: definitions. gRPC.
    Sync,
}

/// The entrance of one listener.
#[derive(Clone)]
pub(super) struct Front {
    protocol: Protocol,
    evaluation: Evaluation,
    sync: Sync,
    connect: Connect,
}

impl Front {
    pub(super) fn new(flagd: Flagd, protocol: Protocol, door: Door, stopping: watch::Receiver<bool>) -> Self {
        let connect = Connect::new(flagd.clone(), door, stopping.clone());
        let evaluation = Evaluation {
            flagd: flagd.clone(),
            door,
            stopping: stopping.clone(),
        };
        Self {
            protocol,
            evaluation,
            connect,
            sync: Sync {
                flagd,
                door,
                stopping,
            },
        }
    }

    /// The answer. Never fails: what is wrong is in it.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_grpc = content_type.is_some_and(is_grpc);
        match (self.protocol, is_grpc) {
            (_, true) => self.grpc(request).await,
            (Protocol::Evaluation, false) => self.connect.answer(request).await,
            (Protocol::Sync, false) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                response
            }
        }
    }

    async fn grpc(self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let (evaluation, sync) = (self.evaluation, self.sync);
        let answer = match (self.protocol, service) {
            (Protocol::Evaluation, <EvaluationV2<Evaluation> as NamedService>::NAME) => {
                let mut service = EvaluationV2::new(evaluation).max_decoding_message_size(MESSAGE_BYTES_MAX);
                timeout(PATIENCE, service.call(request)).await
            }
            (Protocol::Evaluation, <EvaluationV1<Evaluation> as NamedService>::NAME) => {
                let mut service = EvaluationV1::new(evaluation).max_decoding_message_size(MESSAGE_BYTES_MAX);
                timeout(PATIENCE, service.call(request)).await
            }
            (Protocol::Sync, <FlagSyncServiceServer<Sync> as NamedService>::NAME) => {
                let mut service =
                    FlagSyncServiceServer::new(sync).max_decoding_message_size(MESSAGE_BYTES_MAX);
                timeout(PATIENCE, service.call(request)).await
            }
            (protocol, _) => Ok(Ok(elsewhere(protocol).into_http())),
        };
        match answer {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => no_answer(never),
            Err(_elapsed) => {
                Status::deadline_exceeded("the message did not arrive whole in time").into_http()
            }
        }
    }
}

fn no_answer(never: Infallible) -> Response<Body> {
    match never {}
}

/// `application/grpc`, or that with the encoding of the messages; gRPC-Web is another protocol.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| !rest.starts_with(b"-"))
}

fn elsewhere(protocol: Protocol) -> Status {
    Status::unimplemented(match protocol {
        Protocol::Evaluation => "only flagd.evaluation.v1.Service and flagd.evaluation.v2.Service are here",
        Protocol::Sync => "only flagd.sync.v1.FlagSyncService is here; evaluation has an address of its own",
    })
}
