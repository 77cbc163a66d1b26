//! A snapshot, with everything about its answers that is the same for every caller.

use crate::access::{Grant, Scope};
use crate::result_cache::Identity;
use crate::stream::token::Epoch;
use actix_web::http::header::HeaderValue;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tidegate_replica::Served;

/// Length of an ETag in bytes; twice as many hexadecimal digits. Short, because browsers put it into
/// addresses, and ask again before each new address.
const ETAG_BYTES: usize = 10;

/// A snapshot in force, ready to be written.
pub(crate) struct Sheet {
    pub(crate) served: Arc<Served>,
    /// The version as text.
    pub(crate) version: String,
    /// The version as a header.
    pub(crate) version_header: HeaderValue,
    /// Has seen everything that identifies the snapshot.
    identity: Sha256,
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
            version,
            identity,
            served,
        }
    }

    /// What an answer depends on: the snapshot, how it stands, who asks, when, and what is in the
    /// request.
    pub(crate) fn identify(&self, request: &[u8], grant: &Grant, epoch: Epoch) -> Identity {
        let mut identity = self.identity.clone();
        identity.update([u8::from(grant.scope == Scope::Server)]);
        identity.update(grant.credential.handle().0);
        identity.update(epoch.bytes());
        identity.update(request);
        identity.finalize().into()
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
