//! OpenFeature for Rust, in process: flags are evaluated from a [`Replica`](tidegate_replica::Replica),
//! without a call to anybody.
//!
//! ```no_run
//! use open_feature::{EvaluationContext, OpenFeature};
//! use tidegate_openfeature::{Connection, TidegateProvider, Trust};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = Connection {
//!     control_plane: "https://tidegate.example".to_owned(),
//!     environment: "production".to_owned(),
//!     token: std::env::var("TIDEGATE_NODE_TOKEN")?,
//!     name: "checkout-service-1".to_owned(),
//!     folder: Some("/var/lib/checkout/flags".into()),
//!     trust: Trust::FirstContact,
//! };
//! let provider = TidegateProvider::connect(connection)?;
//! OpenFeature::singleton_mut().await.set_provider(provider).await;
//!
//! let client = OpenFeature::singleton().await.create_client();
//! let context = EvaluationContext::default().with_targeting_key("user-42").with_custom_field("plan", "pro");
//! let on = client.get_bool_value("new-checkout", Some(&context), None).await.unwrap_or(false);
//! # let _ = on;
//! # Ok(())
//! # }
//! ```
//!
//! A provider that has no snapshot yet is not ready, one that has lost its control plane is stale and
//! goes on answering. What the caller's own default answers for (a flag that is disabled or not there,
//! another type) is an error here, because OpenFeature's Rust interface has no default in it.

mod answer;
mod connection;
mod context;
mod provider;

pub use connection::{ConnectError, Connection};
pub use provider::TidegateProvider;
pub use tidegate_replica::Trust;
