//! Ranks of units, treatments against the control.

use super::crowd::Crowd;
use super::lens::Lens;
use super::participant::{Seen, Standing};
use tidegate_model::experiment::tally::{Fixed, RankTally};
use tidegate_stats::rank::RankSums;

/// The arms of one group of units: of all, or of those with one value of a dimension.
#[derive(Clone)]
struct Group {
    /// How many units of each arm have the value at hand.
    here: Vec<u64>,
    /// Whether any has.
    touched: bool,
    /// Each arm against the control.
    sums: Vec<RankSums>,
}

/// The ranks of one metric in each of so many cells, for each group all arms; `cells_of` says in which ones a unit is.
/// The values are sorted once for all groups, and everything is whole numbers: the order of the units decides nothing.
pub(super) fn ranks(
    crowd: &Crowd,
    lens: &Lens,
    metric: u16,
    cells: usize,
    cells_of: impl Fn(&Seen) -> Vec<usize>,
) -> Vec<Option<RankTally>> {
    let arms = lens.arms.len().max(1);
    let empty = Group {
        here: vec![0; arms],
        touched: false,
        sums: vec![RankSums::default(); arms],
    };
    let mut groups = vec![empty; cells / arms];
    let mut touched: Vec<usize> = Vec::new();
    for tie in values(crowd, lens, metric).chunk_by(|a, b| a.value == b.value) {
        for one in tie {
            // When it was seen says nothing of where it counts.
            let seen = Seen {
                at: 0,
                arm: one.arm,
                words: one.words,
            };
            for cell in cells_of(&seen) {
                let Some(group) = groups.get_mut(cell / arms) else {
                    continue;
                };
                if !group.touched {
                    group.touched = true;
                    touched.push(cell / arms);
                }
                if let Some(here) = group.here.get_mut(cell % arms) {
                    *here += 1;
                }
            }
        }
        for place in touched.drain(..) {
            if let Some(group) = groups.get_mut(place) {
                group.rank(lens.control);
            }
        }
    }
    let each = groups.iter().flat_map(|group| group.sums.iter().enumerate());
    each.map(|(arm, sums)| (arm != lens.control).then(|| tally(sums)))
        .collect()
}

impl Group {
    /// Takes in the value at hand, which is larger than all before.
    fn rank(&mut self, control: usize) {
        let of_control = self.here.get(control).copied().unwrap_or(0);
        for (sums, here) in self.sums.iter_mut().zip(&self.here) {
            sums.add(*here, of_control);
        }
        self.here.fill(0);
        self.touched = false;
    }
}

/// One unit, in 16 bytes.
struct Valued {
    value: Fixed,
    words: u32,
    arm: u8,
}

/// All units that have a value, the smallest first.
fn values(crowd: &Crowd, lens: &Lens, metric: u16) -> Vec<Valued> {
    let valued = crowd.iter().filter_map(|one| {
        let Standing::In(seen) = one.standing(lens.stop) else {
            return None;
        };
        let numbers = one.numbers(lens, metric, seen.at, false)?;
        Some(Valued {
            value: numbers.y,
            words: seen.words,
            arm: seen.arm,
        })
    });
    let mut values: Vec<Valued> = valued.collect();
    values.sort_unstable_by_key(|one| one.value);
    values
}

fn tally(sums: &RankSums) -> RankTally {
    RankTally {
        treatment: sums.treatment,
        control: sums.control,
        twice_u: sums.twice_u,
        tied: sums.tied,
        treatment_squares: sums.treatment_squares,
        control_squares: sums.control_squares,
    }
}
