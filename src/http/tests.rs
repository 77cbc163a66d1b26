//! The API over a real control plane, its store in memory.

mod access;
mod admission;
mod alerts;
mod bad_input;
mod distribution;
mod document;
mod experiments;
mod findings;
mod freezes;
mod histories;
mod laboratory;
mod lists;
mod moody_store;
mod nouns;
mod observations;
mod panics;
mod repeats;
mod rollouts;
mod server;
mod serving;
mod world;
