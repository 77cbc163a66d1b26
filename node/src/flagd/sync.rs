//! Sync over gRPC: the whole configuration, now and after every change, for evaluators that run inside
//! the clients.

use super::admit::{Caller, Door, Introduction, Purpose};
use super::definitions::Configuration;
use super::proto::sync_v1 as proto;
use super::proto::sync_v1::flag_sync_service_server::FlagSyncService;
use super::{Flagd, Realm, structs};
use crate::access::Scope;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, unfold};
use serde_json::{Map, json};
use std::sync::Arc;
use tidegate_replica::Served;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// Sync, behind a door.
#[derive(Clone)]
pub(super) struct Sync {
    pub(super) flagd: Flagd,
    pub(super) door: Door,
    pub(super) stopping: watch::Receiver<bool>,
}

const SYNC_FLAGS: &str = "sync.v1/SyncFlags";
const FETCH_ALL_FLAGS: &str = "sync.v1/FetchAllFlags";
const GET_METADATA: &str = "sync.v1/GetMetadata";

impl Sync {
    fn admit<T>(&self, method: &str, request: &Request<T>, selector: &str) -> Result<Caller, Status> {
        let introduction = Introduction {
            door: self.door,
            anonymous: Scope::Server,
            purpose: Purpose::Synchronise,
            headers: request.metadata().as_ref(),
            selector,
        };
        let admitted = self.flagd.admit(&introduction);
        admitted.inspect_err(|status| self.flagd.refused(method, status))
    }
}

#[tonic::async_trait]
impl FlagSyncService for Sync {
    type SyncFlagsStream = BoxStream<'static, Result<proto::SyncFlagsResponse, Status>>;

    async fn sync_flags(
        &self,
        request: Request<proto::SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let caller = self.admit(SYNC_FLAGS, &request, &request.get_ref().selector)?;
        let items = configurations(&caller.realm);
        let environment = json!(caller.realm.node.environment());
        let context = Map::from_iter([("tidegateEnv".to_owned(), environment)]);
        let context = structs::from_json(&context);
        let (streams, stopping) = (&self.flagd.streams, self.stopping.clone());
        let stream = streams.open(caller.realm, SYNC_FLAGS, stopping, items)?;
        let written = move |text: Bytes| proto::SyncFlagsResponse {
            flag_configuration: text,
            sync_context: Some(context.clone()),
        };
        Ok(Response::new(stream.map(move |text| text.map(&written)).boxed()))
    }

    async fn fetch_all_flags(
        &self,
        request: Request<proto::FetchAllFlagsRequest>,
    ) -> Result<Response<proto::FetchAllFlagsResponse>, Status> {
        let caller = self.admit(FETCH_ALL_FLAGS, &request, &request.get_ref().selector)?;
        let configuration = caller.realm.newest_configuration().await;
        let configuration = caller.realm.calls.counted(FETCH_ALL_FLAGS, configuration)?;
        Ok(Response::new(proto::FetchAllFlagsResponse {
            flag_configuration: configuration.text.clone(),
        }))
    }

    async fn get_metadata(
        &self,
        _request: Request<proto::GetMetadataRequest>,
    ) -> Result<Response<proto::GetMetadataResponse>, Status> {
        let status = Status::unimplemented("replaced by sync_context in the answers of SyncFlags");
        self.flagd.refused(GET_METADATA, &status);
        Err(status)
    }
}

impl Realm {
    /// The configuration of what is served.
    ///
    /// # Errors
    /// When nothing is served yet, or no client could use it.
    pub(super) async fn newest_configuration(&self) -> Result<Arc<Configuration>, Status> {
        let served = self
            .node
            .replica()
            .served()
            .ok_or_else(|| Status::unavailable("no snapshot has arrived here yet; ask again"))?;
        self.configuration(served).await
    }
}

struct Following {
    realm: Arc<Realm>,
    served: watch::Receiver<Option<Arc<Served>>>,
    sent: Option<Arc<Configuration>>,
}

/// The configuration as soon as a snapshot is served, then that of every newer one; of several in a
/// row only the last. Ends with an error when no client could use it.
fn configurations(realm: &Arc<Realm>) -> impl futures_util::Stream<Item = Result<Bytes, Status>> + use<> {
    let following = Following {
        served: realm.node.replica().watch(),
        realm: Arc::clone(realm),
        sent: None,
    };
    unfold(following, |mut following| async {
        let next = following.next().await?;
        Some((next, following))
    })
}

impl Following {
    /// `None` when there will never be another snapshot, because the node is gone.
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        loop {
            let newest = self.served.borrow_and_update().clone();
            if let Some(newest) = newest {
                match self.realm.configuration(newest).await {
                    Ok(configuration) if self.is_news(&configuration) => {
                        let text = configuration.text.clone();
                        self.sent = Some(configuration);
                        return Some(Ok(text));
                    }
                    Ok(_) => {}
                    Err(status) => return Some(Err(status)),
                }
            }
            self.served.changed().await.ok()?;
        }
    }

    fn is_news(&self, configuration: &Configuration) -> bool {
        self.sent
            .as_ref()
            .is_none_or(|sent| sent.etag != configuration.etag)
    }
}
