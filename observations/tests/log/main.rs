//! The log of observations and what follows it: what was acknowledged is there once, whatever happens, and the tallies are
//! those of what is there.
//!
//! Small counts by default; `make prove` runs more of everything random. Its seed is printed; `TIDEGATE_SEED` gives another
//! one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what stands beside the tests is a test too, and says what it did"
)]

mod damage;
mod failing;
mod folding;
mod forgetting;
mod ground;
mod kills;
mod taking;
mod torn;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// How many of something: as the environment says, or the few that every run of the tests has.
fn count(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |text| text.parse().unwrap())
}

/// Decides everything random.
struct Dice(ChaCha8Rng);

impl Dice {
    /// Of a run of `what`, from the seed that the environment gives.
    fn of(what: &str) -> Self {
        let seed = count("TIDEGATE_SEED", 1);
        println!("{what}: TIDEGATE_SEED={seed}");
        Self(ChaCha8Rng::seed_from_u64(u64::try_from(seed).unwrap()))
    }

    /// A number from 0 up to and with `most`.
    fn up_to(&mut self, most: usize) -> usize {
        let sides = u64::try_from(most).unwrap() + 1;
        usize::try_from(self.0.next_u64() % sides).unwrap()
    }
}
