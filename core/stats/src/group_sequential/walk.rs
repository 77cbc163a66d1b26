//! The way of the score process through the looks that can end it.

use super::density::{Cut, Density, Left};

/// Less growth of information than this share of it cannot be told from none.
pub(super) const GROWTH_MIN: f64 = 1e-4;
/// Without a lower bound, paths are followed down to so many standard errors: what is farther down comes back
/// with a chance that no digit shows.
const DEEPEST: f64 = 10.0;

/// One look that can end the process.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// The density at the stage before, or at the start.
    pub(super) before: Density,
    /// The information here.
    pub(super) information: f64,
    /// Paths below end here; `-inf` for none.
    pub(super) lower: f64,
    /// Paths above end here.
    pub(super) upper: f64,
    /// Which of the looks this is.
    pub(super) look: usize,
}

/// All looks that can end the process, so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    stages: Vec<Stage>,
    /// How much deeper than usual paths are followed, at the information 1.
    deeper: f64,
}

impl Walk {
    /// A walk that follows paths down to the line from 0 to `-deeper` at the information 1, and
    /// [`DEEPEST`] standard errors below it.
    pub(super) const fn deep(deeper: f64) -> Self {
        Self {
            stages: Vec::new(),
            deeper,
        }
    }

    pub(super) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Whether `information` is enough more than at the last stage to step there.
    pub(super) fn resolves(&self, information: f64) -> bool {
        self.stages
            .last()
            .is_none_or(|last| information >= last.next_information())
    }

    /// The density after the last stage, fine enough to step on to `information`.
    pub(super) fn on_the_way_to(&self, information: f64) -> Density {
        self.after(self.stages.len(), information)
    }

    /// The density after the first so many stages, fine enough to step on to `information`.
    pub(super) fn after(&self, stages: usize, information: f64) -> Density {
        let Some((stage, earlier)) = self.stages.get(..stages).and_then(<[Stage]>::split_last) else {
            return Density::start();
        };
        let left = Left {
            information: stage.information,
            lower: stage.lower,
            upper: stage.upper,
            deepest: -DEEPEST * stage.information.sqrt() - self.deeper * stage.information,
        };
        let cuts = earlier.iter().flat_map(|stage| {
            let cut = |at, above| Cut {
                at,
                information: stage.information,
                above,
            };
            [cut(stage.upper, true), cut(stage.lower, false)]
        });
        stage.before.advance(left, cuts, information)
    }

    /// Adds a stage; `before` is what [`Self::on_the_way_to`] it gave.
    pub(super) fn push(&mut self, before: Density, information: f64, lower: f64, upper: f64, look: usize) {
        self.stages.push(Stage {
            before,
            information,
            lower,
            upper,
            look,
        });
    }
}

impl Stage {
    /// The least information that can be told from that here.
    pub(super) fn next_information(&self) -> f64 {
        self.information * (1.0 + GROWTH_MIN)
    }

    /// The chance to end above here, under a drift.
    pub(super) fn above(&self, drift: f64) -> f64 {
        self.before.above(self.information, self.upper, drift)
    }

    /// The chance to end below here, under a drift.
    pub(super) fn below(&self, drift: f64) -> f64 {
        if self.lower == f64::NEG_INFINITY {
            return 0.0;
        }
        self.before.below(self.information, self.lower, drift)
    }
}
