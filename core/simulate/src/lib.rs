//! Whole rollouts without a server: the step functions of `tidegate-decide`, with a world around them
//! that answers as it is told.
//!
//! [`simulation`] is the rollout's actor, its nodes and its journal; what its rules hear is an
//! [`answer::Source`]. A [`story`] says what happens, and [`telling`] writes down every decision.

pub mod alarm;
pub mod answer;
pub mod backtest;
pub mod calendar;
pub mod check;
pub mod crash;
pub mod fault;
pub mod gates;
pub mod history;
pub mod lint;
pub mod optimise;
pub mod others;
pub mod setting;
pub mod simulation;
pub mod story;
pub mod telling;
pub mod unhindered;
