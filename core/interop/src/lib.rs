//! Foreign flag definitions, in and out.
//!
//! Nothing here can read a clock, a socket, a file or a random number: definitions are arguments,
//! and so is the version under which they go out.

pub mod flagd;
