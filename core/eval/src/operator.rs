//! What operators mean, each apart from attributes and their numbers.

pub(crate) mod elements;
pub(crate) mod folding;
pub(crate) mod moment;
pub(crate) mod network;
pub(crate) mod place;
pub(crate) mod semver;
