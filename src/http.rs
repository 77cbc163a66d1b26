//! The control plane over HTTP.
//!
//! Read in this order: what the API answers when it refuses ([`problem`]), who may use a route
//! ([`access`]), the table of routes ([`routes`]), then one file per noun.

mod access;
mod access_tokens;
mod admission;
mod alerts;
mod audit;
mod body;
mod docs;
mod drills;
mod environments;
mod experiments;
mod findings;
mod flags;
mod freezes;
mod health;
mod histories;
mod journal;
mod keys;
mod listed;
mod lists;
mod observe;
mod openapi;
mod path;
mod policies;
mod problem;
mod repeats;
mod revision;
mod rollouts;
mod routes;
mod segments;
pub(crate) mod server;
mod snapshots;

#[cfg(test)]
mod tests;

pub(crate) use access::ApiState;

use actix_web::web::ServiceConfig;

/// Environments may not be called like this: the API's paths have another meaning for it.
pub(crate) const RESERVED_ENVIRONMENT: &str = "tokens";

/// Puts the whole API into an application.
pub(crate) fn configure(config: &mut ServiceConfig, state: ApiState) {
    config.app_data(state);
    routes::register(config);
}
