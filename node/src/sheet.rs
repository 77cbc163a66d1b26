//! A snapshot, with everything about its answers that is the same for every caller.

use crate::access::{Grant, Scope};
use crate::result_cache::Identity;
use crate::stream::token::Epoch;
use actix_web::http::header::HeaderValue;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, PoisonError, RwLock};
use tidegate_eval::Lasting;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_replica::Served;

/// Length of an ETag in bytes; twice as many hexadecimal digits. Short, because browsers put it into
/// addresses, and ask again before each new address.
const ETAG_BYTES: usize = 10;

/// A snapshot in force, ready to be written.
pub(crate) struct Sheet {
    pub(crate) served: Arc<Served>,
    /// The version as text.
    pub(crate) version: String,
    /// What the metadata of all answers begin with, up to the state. Keys and versions need no escapes.
    pub(crate) metadata: String,
    /// The version as a header.
    pub(crate) version_header: HeaderValue,
    /// Has seen everything that identifies the snapshot.
    identity: Sha256,
    /// How long the answers of all flags last that a scope sees, as it was found out last.
    lasting: [RwLock<Option<Lasting>>; 2],
}

impl Sheet {
    pub(crate) fn new(served: Arc<Served>) -> Self {
        let version = served.version().to_string();
        let header = served.header();
        let mut identity = Sha256::new();
        for part in [header.environment.as_str(), &version, header.digest.as_str()] {
            identity.update(part);
            identity.update([0]);
        }
        Self {
            version_header: HeaderValue::from_str(&version)
                .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            metadata: format!(
                "\"metadata\":{{\"flagSetId\":\"{}\",\"version\":\"{version}\",\"tidegateState\":\"",
                header.environment
            ),
            version,
            identity,
            lasting: Default::default(),
            served,
        }
    }

    /// How long the same request gets the same answers for all flags that a scope sees.
    pub(crate) fn lasting(&self, scope: Scope, at: Timestamp) -> Lasting {
        let [of_clients, of_servers] = &self.lasting;
        let known = match scope {
            Scope::Client => of_clients,
            Scope::Server => of_servers,
        };
        let still = |lasting: &Lasting| !matches!(lasting, Lasting::Until(end) if *end <= at);
        let found = *known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lasting) = found.filter(still) {
            return lasting;
        }
        // It is the flags that say how long, not whom they are asked for.
        let anybody = Context::default();
        let anybody = self.served.prepare(&anybody, at);
        let answers = self.served.evaluate_all(&anybody);
        let lasting = answers
            .filter(|(flag, _)| scope.sees(flag))
            .map(|(_, evaluation)| evaluation.lasting(at))
            .fold(Lasting::Always, shorter);
        *known.write().unwrap_or_else(PoisonError::into_inner) = Some(lasting);
        lasting
    }

    /// What an answer depends on: the snapshot, how it stands, who asks, when, and what is in the
    /// request.
    pub(crate) fn identify(&self, request: &[u8], grant: &Grant, epoch: Epoch, lasting: Lasting) -> Identity {
        let mut identity = self.identity.clone();
        if let Lasting::Until(end) = lasting {
            // Between two such moments time changes nothing.
            identity.update(end.timestamp_millis().to_be_bytes());
        }
        identity.update([u8::from(grant.scope == Scope::Server)]);
        identity.update(grant.credential.handle().0);
        identity.update(epoch.bytes());
        identity.update(request);
        identity.finalize().into()
    }
}

/// The identity of an answer that time may change at any moment: what it says counts too.
pub(crate) fn identify_text(identity: &Identity, text: &[u8]) -> Identity {
    Sha256::new()
        .chain_update(identity)
        .chain_update(text)
        .finalize()
        .into()
}

/// Of two, what ends first.
fn shorter(one: Lasting, other: Lasting) -> Lasting {
    match (one, other) {
        (Lasting::Unknown, _) | (_, Lasting::Unknown) => Lasting::Unknown,
        (Lasting::Until(one), Lasting::Until(other)) => Lasting::Until(one.min(other)),
        (Lasting::Until(end), Lasting::Always) | (Lasting::Always, Lasting::Until(end)) => {
            Lasting::Until(end)
        }
        (Lasting::Always, Lasting::Always) => Lasting::Always,
    }
}

/// The ETag of an answer.
pub(crate) fn etag(identity: &Identity) -> String {
    let mut etag = String::with_capacity(2 + 2 * ETAG_BYTES);
    etag.push('"');
    for byte in identity.iter().take(ETAG_BYTES) {
        for digit in [byte >> 4, byte & 15] {
            etag.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    etag.push('"');
    etag
}
