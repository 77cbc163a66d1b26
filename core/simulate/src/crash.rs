//! The control plane of a simulated rollout, which may end at any commit.

use tidegate_model::key::Revision;

/// On which side of a commit a control plane ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// What was decided is lost.
    BeforeCommit,
    /// It is true, and nobody was told.
    BeforeEffects,
}

/// At which commits a control plane ends, and is started again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crashes {
    /// How many there were.
    pub count: usize,
    one_in: u64,
    dice: u64,
    /// The newest, and the state that it met.
    met: Option<(Revision, Crash)>,
}

impl Crashes {
    /// At one in so many commits, as `seed` has it; at 1 on both sides of each.
    #[must_use]
    pub fn one_in(commits: u64, seed: u64) -> Self {
        Self {
            one_in: commits,
            dice: seed,
            ..Self::default()
        }
    }

    /// Whether, and where, it ends at the commit that would follow `revision`. It ends on each side of a commit at
    /// most once.
    pub(crate) fn next(&mut self, revision: Revision) -> Option<Crash> {
        let side = match self.met {
            Some((met, Crash::BeforeCommit)) if met == revision => Crash::BeforeEffects,
            Some((met, Crash::BeforeEffects)) if met == revision => return None,
            _ => Crash::BeforeCommit,
        };
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let drawn = self.dice >> 33;
        if self.one_in == 0 || !drawn.is_multiple_of(self.one_in) {
            return None;
        }
        // Of few, each side gets its share; of all, the one before comes first.
        let side = if self.one_in > 1 && drawn / self.one_in % 2 == 1 {
            Crash::BeforeEffects
        } else {
            side
        };
        self.met = Some((revision, side));
        self.count += 1;
        Some(side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_is_met_on_both_sides() {
        let mut crashes = Crashes::one_in(1, 7);
        for revision in 1..5 {
            let met: Vec<_> = (0..3).map(|_| crashes.next(Revision(revision))).collect();
            assert_eq!(met, [Some(Crash::BeforeCommit), Some(Crash::BeforeEffects), None]);
        }
        assert_eq!(crashes.count, 8);
        assert_eq!(Crashes::default().next(Revision(1)), None);
        let mut some = Crashes::one_in(10, 7);
        let met: Vec<_> = (1..2000).filter_map(|at| some.next(Revision(at))).collect();
        let before = met.iter().filter(|side| **side == Crash::BeforeCommit).count();
        assert!(
            (100..300).contains(&met.len()) && (30..met.len() - 30).contains(&before),
            "{met:?}"
        );
    }
}
