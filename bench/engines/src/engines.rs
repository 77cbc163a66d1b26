//! The engines, each spoken to in its own words.

mod eppo;
mod flagd;
mod flagsmith;
mod growthbook;
mod launchdarkly;
mod statsig;
mod tidegate;
mod unleash;

use crate::engine::{Engine, Seat, Seated};
use crate::expected::check;
use crate::workload::Workload;

/// An engine that was seated, or its name and why it was not.
pub type Place = Result<Box<dyn Seat>, String>;

/// Every engine, loaded; ours is the first.
pub fn all() -> Vec<Place> {
    vec![
        place::<tidegate::Tidegate>(),
        place::<unleash::Unleash>(),
        place::<eppo::Eppo>(),
        place::<launchdarkly::LaunchDarkly>(),
        place::<statsig::Statsig>(),
        place::<growthbook::GrowthBook>(),
        place::<flagsmith::Flagsmith>(),
        place::<flagd::Flagd>(),
    ]
}

/// Loads an engine and checks all its answers. One that fails does not keep the others from being measured.
fn place<E: Engine + 'static>() -> Place {
    let seated = std::panic::catch_unwind(|| Seated::<E>::new());
    let seat = seated.map_err(|_| format!("{} does not load what it is given", E::NAME))?;
    for workload in Workload::ALL {
        let wrong = |wrong| format!("{}, workload {}: {wrong}", E::NAME, workload.letter());
        check(workload, &seat.answers(workload)).map_err(wrong)?;
    }
    Ok(Box::new(seat))
}
