//! What needs a look at every unit: caps at a quantile, percentiles, breakdowns, and what may be forgotten.

use super::Fold;
use super::lens::millis;
use super::participant::Standing;
use super::percentile::percentiles;
use std::collections::BTreeMap;
use tidegate_model::experiment::tally::{ArmTally, Fixed, MetricTally, Tallies};
use tidegate_model::key::VariationKey;
use tidegate_model::span::Span;
use tidegate_stats::quantile::{Definition, Sorted, sample};

/// How often it is worth while to look for what can be forgotten.
const FORGETS_EVERY: Span = Span::seconds(3600);

/// See [`Tallies::breakdown`].
pub(super) type Breakdown = BTreeMap<String, BTreeMap<String, BTreeMap<VariationKey, ArmTally>>>;

impl Fold {
    /// The tallies, complete. Caps that are quantiles, percentiles and breakdowns need walks over all units, whose time
    /// grows with them; see [`Self::walks`]. Now and then what can be forgotten is.
    pub fn look(&mut self) -> Tallies {
        self.forget();
        self.recap();
        for place in 0..self.lens.metrics.len() {
            self.find_percentiles(place);
        }
        self.break_down();
        self.tallies()
    }

    /// Whether [`Self::look`] has to walk over all units, because of what the design asks for.
    #[must_use]
    pub fn walks(&self) -> bool {
        let mut metrics = self.lens.metrics.iter();
        !self.lens.dimensions.is_empty()
            || metrics.any(|gauge| gauge.cap_quantile.is_some() || gauge.percentile().is_some())
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
        for (place, metric) in (0..).zip(self.lens.all.clone()) {
            let Some(gauge) = self.lens.metrics.get_mut(place) else {
                continue;
            };
            let Some(quantile) = gauge.cap_quantile else {
                continue;
            };
            gauge.cap = None;
            let cap = self.quantile_of_values(metric, quantile);
            if let Some(gauge) = self.lens.metrics.get_mut(place) {
                gauge.cap = cap;
            }
            self.recount(metric);
        }
    }

    /// The quantile of all units' values other than zero: the smallest value that so many are not above. A cap that is not
    /// above zero would change the units that did nothing; there is none then.
    fn quantile_of_values(&self, metric: u16, quantile: f64) -> Option<Fixed> {
        let lens = &self.lens;
        let numbers = self.crowd.iter().filter_map(|one| {
            let exposed = one.standing(lens.stop).exposed()?;
            one.numbers(lens, metric, exposed, false)
        });
        let values = numbers
            .filter(|numbers| numbers.y != Fixed::ZERO)
            .map(|numbers| numbers.y.number());
        let values = Sorted::of(values.collect()).ok()?;
        let cap = sample(&values, quantile, Definition::InverseDistribution).ok()?;
        Fixed::of(cap).ok().filter(|cap| *cap > Fixed::ZERO)
    }

    fn recount(&mut self, metric: u16) {
        let Self {
            lens, crowd, counts, ..
        } = self;
        let place = usize::from(metric);
        for arm in &mut counts.arms {
            if let (Some(tally), Some(gauge)) = (arm.metrics.get_mut(place), lens.metrics.get(place)) {
                *tally = gauge.empty();
            }
        }
        for one in crowd.iter() {
            counts.count(lens, one, lens.stop, super::Extent::Metrics(&[metric]), true);
        }
    }

    fn find_percentiles(&mut self, place: usize) {
        let Some(quantile) = self
            .lens
            .metrics
            .get(place)
            .and_then(super::lens::Gauge::percentile)
        else {
            return;
        };
        let Ok(metric) = u16::try_from(place) else { return };
        let arms = self.counts.arms.len();
        let found = percentiles(&self.crowd, &self.lens, metric, quantile, arms, |seen| {
            Some(usize::from(seen.arm))
        });
        for (arm, found) in self.counts.arms.iter_mut().zip(found) {
            if let Some(tally) = arm.metrics.get_mut(place) {
                *tally = MetricTally {
                    quantile: found,
                    ..MetricTally::NOBODY
                };
            }
        }
    }

    fn break_down(&mut self) {
        if self.lens.dimensions.is_empty() {
            return;
        }
        // How many units said each of what was said.
        let mut units = vec![0_u64; self.vocabulary.sets()];
        for one in self.crowd.iter() {
            if let Standing::In(seen) = one.standing(self.lens.stop)
                && let Some(units) = usize::try_from(seen.words)
                    .ok()
                    .and_then(|set| units.get_mut(set))
            {
                *units += 1;
            }
        }
        self.breakdown = super::breakdown::breakdown(&self.crowd, &self.lens, &self.vocabulary, &units);
    }
}
