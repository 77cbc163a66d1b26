//! How many changes are done at once (faults.md F59).
//!
//! A flood of edits is refused by the door, not kept waiting in memory. What shuts things, and what tells of bad news,
//! has a lane of its own: it finds its door open however many edits stand before the other one.

use crate::http::access::ApiState;
use crate::http::problem::Problem;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use tokio::sync::Semaphore;

/// Most changes that are done at once.
const CHANGES_MAX: usize = 512;
/// Most requests at once on the lane of what shuts things, and of what nodes say.
const URGENT_MAX: usize = 2048;
/// After how long whoever is refused should come again, in seconds.
const AGAIN: u64 = 1;

/// The routes of that lane.
const URGENT: [&str; 6] = [
    "/api/v1/{environment}/rollouts/{id}/commands",
    "/api/v1/{environment}/alerts",
    "/api/v1/{environment}/freeze",
    "/api/v1/{environment}/nodes/report",
    "/api/v1/{environment}/observations",
    "/api/v1/{environment}/experiments/{key}/commands",
];

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(super) changes: Semaphore,
    urgent: Semaphore,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            changes: Semaphore::new(CHANGES_MAX),
            urgent: Semaphore::new(URGENT_MAX),
        }
    }
}

impl Lanes {
    fn of(&self, route: &str) -> &Semaphore {
        match URGENT.contains(&route) {
            true => &self.urgent,
            false => &self.changes,
        }
    }
}

/// The middleware. It stands around each route, so that the route is known.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let state = request.app_data::<ApiState>().cloned();
    let Some(state) = state.filter(|_| !reads) else {
        return next.call(request).await;
    };
    let route = request.match_pattern().unwrap_or_default();
    let Ok(_permit) = state.lanes().of(&route).try_acquire() else {
        state.count_flood();
        let detail =
            format!("too many changes at once; nothing was changed; repeat the request in {AGAIN} s");
        let refused = HttpResponse::from_error(Problem::busy(detail, AGAIN));
        return Ok(ServiceResponse::new(request.request().clone(), refused));
    };
    next.call(request).await
}
