//! What needs a look at every unit: caps at a quantile, percentiles, ranks, breakdowns, and what may be forgotten.

use super::counts::Extent;
use super::crowd::Crowd;
use super::lens::{Lens, millis};
use super::participant::{Seen, Standing};
use super::percentile::percentiles;
use super::rank::ranks;
use super::{Fold, breakdown};
use std::collections::BTreeMap;
use tidegate_model::experiment::tally::{ArmTally, Fixed, QuantileTally, RankTally, Tallies};
use tidegate_model::key::VariationKey;
use tidegate_model::span::Span;
use tidegate_stats::quantile::{Definition, Sorted, sample};

/// What one metric of one arm, or of a part of it, was walked for.
enum Walked {
    Quantile(Option<QuantileTally>),
    Ranks(Option<RankTally>),
}

/// How often it is worth while to look for what can be forgotten.
const FORGETS_EVERY: Span = Span::seconds(3600);

/// See [`Tallies::breakdown`].
pub(super) type Breakdown = BTreeMap<String, BTreeMap<String, BTreeMap<VariationKey, ArmTally>>>;

impl Fold {
    /// The tallies, complete. Caps that are quantiles, percentiles, ranks and breakdowns need walks over all units, whose time
    /// grows with them; see [`Self::walks`]. Now and then what can be forgotten is.
    pub fn look(&mut self) -> Tallies {
        self.forget();
        self.recap();
        self.break_down();
        self.tallies()
    }

    /// Whether [`Self::look`] has to walk over all units, because of what the design asks for.
    #[must_use]
    pub fn walks(&self) -> bool {
        let mut metrics = self.lens.metrics.iter();
        !self.lens.dimensions.is_empty()
            || metrics
                .any(|gauge| gauge.cap_quantile.is_some() || gauge.percentile().is_some() || gauge.ranks)
    }

    /// Sums up and forgets what nothing can change any more.
    fn forget(&mut self) {
        let horizon = self.horizon();
        if horizon < self.forgotten.saturating_add(millis(FORGETS_EVERY)) {
            return;
        }
        self.forgotten = horizon;
        let mut heap = 0;
        for one in self.crowd.iter_mut() {
            self.settled = self.settled.max(one.settle(&self.lens, horizon));
            heap += one.heap();
        }
        self.crowd.heap = heap;
        self.crowd.forget_empty();
    }

    /// Finds the caps that are quantiles, and counts the metrics that have them anew.
    fn recap(&mut self) {
        let Self {
            lens, crowd, counts, ..
        } = self;
        let mut capped = Vec::new();
        for (metric, gauge) in (0_u16..).zip(&mut lens.metrics) {
            if gauge.cap_quantile.is_some() {
                gauge.cap = None;
                capped.push(metric);
            }
        }
        if capped.is_empty() {
            return;
        }
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); capped.len()];
        for one in crowd.iter() {
            let Some(exposed) = one.standing(lens.stop).exposed() else {
                continue;
            };
            for (values, metric) in values.iter_mut().zip(&capped) {
                let numbers = one.numbers(lens, *metric, exposed, false);
                let value = numbers.filter(|numbers| numbers.y != Fixed::ZERO);
                values.extend(value.map(|numbers| numbers.y.number()));
            }
        }
        for (metric, values) in capped.iter().zip(values) {
            let place = usize::from(*metric);
            let Some(gauge) = lens.metrics.get_mut(place) else {
                continue;
            };
            gauge.cap = gauge.cap_quantile.and_then(|quantile| cap(values, quantile));
            for arm in &mut counts.arms {
                if let Some(tally) = arm.metrics.get_mut(place) {
                    *tally = gauge.empty();
                }
            }
        }
        for one in crowd.iter() {
            counts.count(lens, one, lens.stop, Extent::Metrics(&capped), true);
        }
    }

    /// Finds the percentiles and the ranks of the arms, and everything by dimensions.
    fn break_down(&mut self) {
        let Self {
            lens,
            crowd,
            counts,
            vocabulary,
            ..
        } = self;
        let mut charts = Vec::new();
        if !lens.dimensions.is_empty() {
            charts = breakdown::charts(
                crowd,
                lens,
                vocabulary,
                &units_of_sets(crowd, lens, vocabulary.sets()),
            );
        }
        for (metric, gauge) in lens.all.iter().zip(&lens.metrics) {
            if gauge.percentile().is_none() && !gauge.ranks {
                continue;
            }
            let cells = counts.arms.len() + charts.iter().map(|chart| chart.arms.len()).sum::<usize>();
            let cells_of = |seen: &Seen| {
                let mut cells = vec![usize::from(seen.arm)];
                let mut first = counts.arms.len();
                for chart in &charts {
                    cells.extend(chart.cell(seen, lens).map(|cell| first + cell));
                    first += chart.arms.len();
                }
                cells
            };
            let found: Vec<Walked> = match gauge.percentile() {
                Some(quantile) => percentiles(crowd, lens, *metric, quantile, cells, cells_of)
                    .into_iter()
                    .map(Walked::Quantile)
                    .collect(),
                None => ranks(crowd, lens, *metric, cells, cells_of)
                    .into_iter()
                    .map(Walked::Ranks)
                    .collect(),
            };
            let of_charts = charts.iter_mut().flat_map(|chart| &mut chart.arms);
            for (arm, found) in counts.arms.iter_mut().chain(of_charts).zip(found) {
                if let Some(tally) = arm.metrics.get_mut(usize::from(*metric)) {
                    match found {
                        Walked::Quantile(quantile) => tally.quantile = quantile,
                        Walked::Ranks(ranks) => tally.ranks = ranks,
                    }
                }
            }
        }
        let broken_down = charts.into_iter();
        self.breakdown = broken_down
            .map(|chart| (chart.name.to_owned(), chart.tallies(lens)))
            .collect();
    }
}

/// The quantile of all units' values other than zero: the smallest value that so many are not above. A cap that is not above
/// zero would change the units that did nothing; there is none then.
fn cap(values: Vec<f64>, quantile: f64) -> Option<Fixed> {
    let values = Sorted::of(values).ok()?;
    let cap = sample(&values, quantile, Definition::InverseDistribution).ok()?;
    Fixed::of(cap).ok().filter(|cap| *cap > Fixed::ZERO)
}

/// How many units said each of what was said.
fn units_of_sets(crowd: &Crowd, lens: &Lens, sets: usize) -> Vec<u64> {
    let mut units = vec![0_u64; sets];
    for one in crowd.iter() {
        if let Standing::In(seen) = one.standing(lens.stop)
            && let Some(units) = usize::try_from(seen.words)
                .ok()
                .and_then(|set| units.get_mut(set))
        {
            *units += 1;
        }
    }
    units
}
