//! Version 1. Values cannot be left out of its messages.

use super::super::events::Event;
use super::super::proto::evaluation_v1 as proto;
use super::super::resolve::{self, Resolved};
use super::super::structs;
use super::Evaluation;
use futures_util::stream::BoxStream;
use prost_types::Struct;
use proto::any_flag::Value as AnyValue;
use proto::service_server::Service;
use serde_json::Value;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Service for Evaluation {
    type EventStreamStream = BoxStream<'static, Result<proto::EventStreamResponse, Status>>;

    async fn resolve_boolean(
        &self,
        request: Request<proto::ResolveBooleanRequest>,
    ) -> Result<Response<proto::ResolveBooleanResponse>, Status> {
        let flag = &request.get_ref().flag_key;
        let parts = (flag.as_str(), request.get_ref().context.as_ref());
        self.resolve(
            "evaluation.v1/ResolveBoolean",
            &request,
            parts,
            |resolved: Resolved<bool>| {
                let (value, resolved) = resolved.or_not_found(flag)?;
                Ok(proto::ResolveBooleanResponse {
                    value,
                    reason: resolved.reason.to_owned(),
                    variant: resolved.variant,
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_string(
        &self,
        request: Request<proto::ResolveStringRequest>,
    ) -> Result<Response<proto::ResolveStringResponse>, Status> {
        let flag = &request.get_ref().flag_key;
        let parts = (flag.as_str(), request.get_ref().context.as_ref());
        self.resolve(
            "evaluation.v1/ResolveString",
            &request,
            parts,
            |resolved: Resolved<String>| {
                let (value, resolved) = resolved.or_not_found(flag)?;
                Ok(proto::ResolveStringResponse {
                    value,
                    reason: resolved.reason.to_owned(),
                    variant: resolved.variant,
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_float(
        &self,
        request: Request<proto::ResolveFloatRequest>,
    ) -> Result<Response<proto::ResolveFloatResponse>, Status> {
        let flag = &request.get_ref().flag_key;
        let parts = (flag.as_str(), request.get_ref().context.as_ref());
        self.resolve(
            "evaluation.v1/ResolveFloat",
            &request,
            parts,
            |resolved: Resolved<f64>| {
                let (value, resolved) = resolved.or_not_found(flag)?;
                Ok(proto::ResolveFloatResponse {
                    value,
                    reason: resolved.reason.to_owned(),
                    variant: resolved.variant,
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_int(
        &self,
        request: Request<proto::ResolveIntRequest>,
    ) -> Result<Response<proto::ResolveIntResponse>, Status> {
        let flag = &request.get_ref().flag_key;
        let parts = (flag.as_str(), request.get_ref().context.as_ref());
        self.resolve(
            "evaluation.v1/ResolveInt",
            &request,
            parts,
            |resolved: Resolved<i64>| {
                let (value, resolved) = resolved.or_not_found(flag)?;
                Ok(proto::ResolveIntResponse {
                    value,
                    reason: resolved.reason.to_owned(),
                    variant: resolved.variant,
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_object(
        &self,
        request: Request<proto::ResolveObjectRequest>,
    ) -> Result<Response<proto::ResolveObjectResponse>, Status> {
        let flag = &request.get_ref().flag_key;
        let parts = (flag.as_str(), request.get_ref().context.as_ref());
        self.resolve(
            "evaluation.v1/ResolveObject",
            &request,
            parts,
            |resolved: Resolved<Struct>| {
                let (value, resolved) = resolved.or_not_found(flag)?;
                Ok(proto::ResolveObjectResponse {
                    value: Some(value),
                    reason: resolved.reason.to_owned(),
                    variant: resolved.variant,
                    metadata: Some(structs::from_json(&resolved.metadata)),
                })
            },
        )
    }

    async fn resolve_all(
        &self,
        request: Request<proto::ResolveAllRequest>,
    ) -> Result<Response<proto::ResolveAllResponse>, Status> {
        const METHOD: &str = "evaluation.v1/ResolveAll";
        let caller = self.admit(METHOD, &request)?;
        let attributes = request
            .into_inner()
            .context
            .map(structs::to_json)
            .unwrap_or_default();
        let all = resolve::context(&attributes).and_then(|context| caller.resolve_all(&context));
        let all = caller.realm.calls.counted(METHOD, all)?;
        let flags = all.flags.into_iter();
        Ok(Response::new(proto::ResolveAllResponse {
            flags: flags
                .filter_map(|(key, one)| Some((key, any_flag(one)?)))
                .collect(),
            metadata: Some(structs::from_json(&all.metadata)),
        }))
    }

    async fn event_stream(
        &self,
        request: Request<proto::EventStreamRequest>,
    ) -> Result<Response<Self::EventStreamStream>, Status> {
        let stream = self.events("evaluation.v1/EventStream", &request, written)?;
        Ok(Response::new(stream))
    }
}

fn written(event: Event) -> proto::EventStreamResponse {
    proto::EventStreamResponse {
        r#type: event.name().to_owned(),
        data: event.data().as_ref().map(structs::from_json),
    }
}

fn any_flag(resolved: Resolved<Value>) -> Option<proto::AnyFlag> {
    let value = match resolved.value? {
        Value::Bool(truth) => AnyValue::BoolValue(truth),
        Value::String(text) => AnyValue::StringValue(text),
        Value::Number(number) => AnyValue::DoubleValue(number.as_f64()?),
        Value::Object(members) => AnyValue::ObjectValue(structs::from_json(&members)),
        Value::Array(_) | Value::Null => return None,
    };
    Some(proto::AnyFlag {
        value: Some(value),
        reason: resolved.reason.to_owned(),
        variant: resolved.variant,
        metadata: Some(structs::from_json(&resolved.metadata)),
    })
}
