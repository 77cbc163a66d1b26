//! Supervised actors, and the one handle through which the rest of the binary speaks to them.
//!
//! Read in this order: what the control plane offers ([`control`]), how actors are kept alive
//! (`keeper`), then one file per actor.

pub mod clock;
pub mod control;
pub mod view;
