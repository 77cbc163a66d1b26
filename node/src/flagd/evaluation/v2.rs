//! Version 2. What is left out of its messages is the caller's default.

use super::super::events::Event;
use super::super::proto::evaluation_v2 as proto;
use super::super::resolve::Resolved;
use super::super::structs;
use super::Evaluation;
use futures_util::stream::BoxStream;
use prost_types::Struct;
use proto::service_server::Service;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Service for Evaluation {
    type EventStreamStream = BoxStream<'static, Result<proto::EventStreamResponse, Status>>;

    async fn resolve_boolean(
        &self,
        request: Request<proto::ResolveBooleanRequest>,
    ) -> Result<Response<proto::ResolveBooleanResponse>, Status> {
        let message = request.get_ref();
        let parts = (message.flag_key.as_str(), message.context.as_ref());
        self.resolve(
            "evaluation.v2/ResolveBoolean",
            &request,
            parts,
            |resolved: Resolved<bool>| {
                Ok(proto::ResolveBooleanResponse {
                    variant: resolved.variant(),
                    value: resolved.value,
                    reason: resolved.reason.to_owned(),
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_string(
        &self,
        request: Request<proto::ResolveStringRequest>,
    ) -> Result<Response<proto::ResolveStringResponse>, Status> {
        let message = request.get_ref();
        let parts = (message.flag_key.as_str(), message.context.as_ref());
        self.resolve(
            "evaluation.v2/ResolveString",
            &request,
            parts,
            |resolved: Resolved<String>| {
                Ok(proto::ResolveStringResponse {
                    variant: resolved.variant(),
                    value: resolved.value,
                    reason: resolved.reason.to_owned(),
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_float(
        &self,
        request: Request<proto::ResolveFloatRequest>,
    ) -> Result<Response<proto::ResolveFloatResponse>, Status> {
        let message = request.get_ref();
        let parts = (message.flag_key.as_str(), message.context.as_ref());
        self.resolve(
            "evaluation.v2/ResolveFloat",
            &request,
            parts,
            |resolved: Resolved<f64>| {
                Ok(proto::ResolveFloatResponse {
                    variant: resolved.variant(),
                    value: resolved.value,
                    reason: resolved.reason.to_owned(),
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_int(
        &self,
        request: Request<proto::ResolveIntRequest>,
    ) -> Result<Response<proto::ResolveIntResponse>, Status> {
        let message = request.get_ref();
        let parts = (message.flag_key.as_str(), message.context.as_ref());
        self.resolve(
            "evaluation.v2/ResolveInt",
            &request,
            parts,
            |resolved: Resolved<i64>| {
                Ok(proto::ResolveIntResponse {
                    variant: resolved.variant(),
                    value: resolved.value,
                    reason: resolved.reason.to_owned(),
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_object(
        &self,
        request: Request<proto::ResolveObjectRequest>,
    ) -> Result<Response<proto::ResolveObjectResponse>, Status> {
        let message = request.get_ref();
        let parts = (message.flag_key.as_str(), message.context.as_ref());
        self.resolve(
            "evaluation.v2/ResolveObject",
            &request,
            parts,
            |resolved: Resolved<Struct>| {
                Ok(proto::ResolveObjectResponse {
                    variant: resolved.variant(),
                    value: resolved.value,
                    reason: resolved.reason.to_owned(),
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn event_stream(
        &self,
        request: Request<proto::EventStreamRequest>,
    ) -> Result<Response<Self::EventStreamStream>, Status> {
        let stream = self.events("evaluation.v2/EventStream", &request, written)?;
        Ok(Response::new(stream))
    }
}

fn written(event: Event) -> proto::EventStreamResponse {
    proto::EventStreamResponse {
        r#type: event.name().to_owned(),
        data: event.data().as_ref().map(structs::from_json),
    }
}

impl<T> Resolved<T> {
    /// Left out when there is no value: that is how clients tell that they are to use their default.
    fn variant(&self) -> Option<String> {
        self.value.is_some().then(|| self.variant.clone())
    }
}
