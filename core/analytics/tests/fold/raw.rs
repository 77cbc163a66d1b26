//! Tallies recomputed from the observations themselves, slowly and by another way than the fold goes.

use crate::make::Told;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_analytics::fold::{BREAKDOWN_VALUES_MAX, Period};
use tidegate_model::experiment::tally::{
    ArmTally, Fixed, LeftOut, MetricTally, QuantileTally, RankTally, Sums, Tallies,
};
use tidegate_model::experiment::{Aggregation, Cap, Design, Measure, Metric};
use tidegate_model::key::VariationKey;
use tidegate_model::observation::Observation;
use tidegate_stats::quantile::{Arm, Definition, Sorted, sample};

const DAY: i64 = 24 * 3_600_000;

/// An event that counts: time, name, value.
type Did = (i64, String, i64);

struct Unit {
    arm: VariationKey,
    at: i64,
    says: BTreeMap<String, String>,
    /// In the order of time.
    did: Vec<Did>,
}

/// When a unit was first seen in an arm, what it said then about the dimensions, and all that it said.
type First = (i64, Vec<String>, BTreeMap<String, String>);

/// All observations of one unit that are not left out at once.
#[derive(Default)]
struct OfUnit {
    exposures: Vec<(i64, VariationKey, BTreeMap<String, String>)>,
    events: Vec<(i64, String, i64, String)>,
}

pub(crate) fn tallies(design: &Design, period: &Period, told: &[Told]) -> Tallies {
    let mut left_out = LeftOut::default();
    let history = i64::try_from(design.history.duration().as_millis()).unwrap();
    let from = period.from.timestamp_millis();
    let stop = period.until.map_or(i64::MAX, |until| until.timestamp_millis());
    let known: BTreeSet<&str> = design
        .metrics
        .iter()
        .flat_map(|metric| metric.measure.events())
        .map(|event| event.as_str())
        .collect();
    let mut of_units: BTreeMap<&str, OfUnit> = BTreeMap::new();
    for (observation, received) in told {
        let at = observation.at().timestamp_millis();
        let ahead = at - received.timestamp_millis();
        match observation {
            Observation::Exposure {
                experiment, batch, ..
            } if *experiment != design.key || *batch != period.batch => {}
            Observation::Exposure { arm, .. } if !design.arms.iter().any(|one| one.variation == *arm) => {
                left_out.unknown_arm += 1;
            }
            Observation::Event { metric, .. } if !known.contains(metric.as_str()) => {
                left_out.unknown_event += 1;
            }
            Observation::Event { value, .. } if !(value.is_finite() && value.abs() <= 1e9) => {
                left_out.bad_value += 1;
            }
            _ if ahead > 300_000 => left_out.from_the_future += 1,
            _ if ahead < -DAY => left_out.late += 1,
            Observation::Exposure { .. } if at < from => left_out.before_start += 1,
            Observation::Exposure {
                unit,
                arm,
                dimensions,
                ..
            } => {
                let unit = of_units.entry(unit).or_default();
                unit.exposures.push((at, arm.clone(), dimensions.clone()));
            }
            Observation::Event { .. } if at < from - history => {}
            Observation::Event { .. } if at >= stop => left_out.after_stop += 1,
            Observation::Event {
                unit,
                metric,
                value,
                id,
                ..
            } => {
                let value = Fixed::of(*value).unwrap().millionths();
                let unit = of_units.entry(unit).or_default();
                unit.events.push((at, metric.to_string(), value, id.clone()));
            }
        }
    }
    let mut units = Vec::new();
    for (unit, told) in of_units {
        let excluded = design.excluded.contains(unit);
        let events = told.events.len() as u64;
        let did = without_duplicates(told.events);
        if excluded {
            left_out.excluded += events;
        } else {
            left_out.duplicate += events - did.len() as u64;
        }
        let mut firsts: BTreeMap<VariationKey, First> = BTreeMap::new();
        for (at, arm, says) in told.exposures {
            let values = design.dimensions.iter().map(|name| said(&says, name));
            let first = (at, values.collect(), says);
            let entry = firsts.entry(arm).or_insert_with(|| first.clone());
            if (first.0, &first.1) < (entry.0, &entry.1) {
                *entry = first;
            }
        }
        left_out.after_stop += firsts.values().filter(|first| first.0 >= stop).count() as u64;
        firsts.retain(|_, first| first.0 < stop);
        if excluded {
            left_out.excluded += firsts.len() as u64;
        } else if firsts.len() > 1 {
            left_out.double_exposed += 1;
        } else if let Some((arm, (at, _, says))) = firsts.pop_first() {
            units.push(Unit { arm, at, says, did });
        }
    }
    let all: Vec<&Unit> = units.iter().collect();
    let caps: Vec<Option<i64>> = design
        .metrics
        .iter()
        .map(|metric| cap(metric, &all, history))
        .collect();
    Tallies {
        arms: arms(design, &all, &caps, history),
        left_out,
        breakdown: breakdown(design, &all, &caps, history),
    }
}

fn said(says: &BTreeMap<String, String>, dimension: &str) -> String {
    says.get(dimension)
        .cloned()
        .unwrap_or_else(|| "(none)".to_owned())
}

/// Of the events with one id, all that happened within a day after another one, or at once with a later content.
fn without_duplicates(mut events: Vec<(i64, String, i64, String)>) -> Vec<Did> {
    events.sort();
    let repeats = |place: usize| {
        let (at, _, _, id) = &events[place];
        events[..place]
            .iter()
            .any(|(before, _, _, other)| other == id && at - before <= DAY)
    };
    let first = (0..events.len()).filter(|place| !repeats(*place));
    first
        .map(|place| {
            let (at, name, value, _) = events[place].clone();
            (at, name, value)
        })
        .collect()
}

fn arms(
    design: &Design,
    units: &[&Unit],
    caps: &[Option<i64>],
    history: i64,
) -> BTreeMap<VariationKey, ArmTally> {
    let each = design.arms.iter().map(|arm| {
        let ours: Vec<&Unit> = units
            .iter()
            .copied()
            .filter(|unit| unit.arm == arm.variation)
            .collect();
        let metrics = design.metrics.iter().zip(caps);
        let tally = ArmTally {
            units: ours.len() as u64,
            metrics: metrics
                .map(|(metric, cap)| (metric.name.clone(), tally(metric, *cap, &ours, history)))
                .collect(),
        };
        (arm.variation.clone(), tally)
    });
    let mut arms: BTreeMap<VariationKey, ArmTally> = each.collect();
    for (metric, cap) in design.metrics.iter().zip(caps).filter(|(metric, _)| metric.ranks) {
        let values = |arm: &VariationKey| {
            let ours = units.iter().filter(|unit| unit.arm == *arm);
            let values = ours.filter_map(|unit| numbers(metric, unit, history));
            values
                .map(|numbers| cap.map_or(numbers.0, |cap| numbers.0.min(cap)))
                .collect::<Vec<i64>>()
        };
        let control = values(&design.control);
        for (arm, tally) in arms.iter_mut().filter(|(arm, _)| **arm != design.control) {
            tally.metrics.get_mut(&metric.name).unwrap().ranks = Some(ranks(&values(arm), &control));
        }
    }
    arms
}

/// Every value beside every other one.
pub(crate) fn ranks(treatment: &[i64], control: &[i64]) -> RankTally {
    // Twice what is smaller and once what is the same.
    let over = |value: &i64, others: &[i64]| -> u128 {
        let others = others.iter().map(|other| match other.cmp(value) {
            Ordering::Less => 2,
            Ordering::Equal => 1,
            Ordering::Greater => 0,
        });
        others.sum()
    };
    let all: Vec<i64> = treatment.iter().chain(control).copied().collect();
    let squares =
        |values: &[i64], others: &[i64]| values.iter().map(|value| over(value, others).pow(2)).sum();
    RankTally {
        treatment: treatment.len() as u64,
        control: control.len() as u64,
        twice_u: treatment.iter().map(|value| over(value, control)).sum(),
        // A value that is there t times adds t^2 - 1 at each of them.
        tied: all
            .iter()
            .map(|value| (all.iter().filter(|other| *other == value).count() as u128).pow(2) - 1)
            .sum(),
        treatment_squares: squares(treatment, control),
        control_squares: squares(control, treatment),
    }
}

fn breakdown(
    design: &Design,
    units: &[&Unit],
    caps: &[Option<i64>],
    history: i64,
) -> BTreeMap<String, BTreeMap<String, BTreeMap<VariationKey, ArmTally>>> {
    let each = design.dimensions.iter().map(|name| {
        let mut groups: BTreeMap<String, Vec<&Unit>> = BTreeMap::new();
        for unit in units {
            groups.entry(said(&unit.says, name)).or_default().push(unit);
        }
        let mut by_size: Vec<(usize, String)> = groups
            .iter()
            .map(|(value, units)| (units.len(), value.clone()))
            .collect();
        by_size.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, value) in by_size.into_iter().skip(BREAKDOWN_VALUES_MAX) {
            let units = groups.remove(&value).unwrap();
            groups.entry("(other)".to_owned()).or_default().extend(units);
        }
        let tallies = groups
            .into_iter()
            .map(|(value, units)| (value, arms(design, &units, caps, history)));
        (name.clone(), tallies.collect())
    });
    each.collect()
}

/// What a unit did within a span since its exposure, of one event or of all.
fn between(unit: &Unit, event: Option<&str>, from: i64, to: i64) -> Vec<i64> {
    let did = unit.did.iter().filter(|(at, name, _)| {
        (from..to).contains(&(at - unit.at)) && event.is_none_or(|event| event == name)
    });
    did.map(|(_, _, value)| *value).collect()
}

fn aggregated(values: &[i64], aggregation: Aggregation) -> Option<i64> {
    let count = |count: usize| i64::try_from(count).unwrap() * 1_000_000;
    match aggregation {
        Aggregation::Sum | Aggregation::Average => {
            let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
            Some(i64::try_from(sum.clamp(-1_000_000_000_000_000, 1_000_000_000_000_000)).unwrap())
        }
        Aggregation::Count => Some(count(values.len())),
        Aggregation::Unique => Some(count(values.iter().collect::<BTreeSet<_>>().len())),
        Aggregation::Max => values.iter().max().copied(),
    }
}

/// How many steps of a funnel were taken: each at the earliest moment that is not before the one of the step before.
fn steps_taken(unit: &Unit, steps: &[String], from: i64, to: i64) -> usize {
    let mut used = BTreeSet::new();
    let mut since = i64::MIN;
    for (taken, step) in steps.iter().enumerate() {
        let next = unit.did.iter().enumerate().find(|(place, (at, name, _))| {
            (from..to).contains(&(at - unit.at)) && name == step && *at >= since && !used.contains(place)
        });
        let Some((place, (at, _, _))) = next else {
            return taken;
        };
        used.insert(place);
        since = *at;
    }
    steps.len()
}

/// `y`, `x`, and the steps that were reached.
fn numbers(metric: &Metric, unit: &Unit, history: i64) -> Option<(i64, i64, usize)> {
    let window = metric.window.map_or(i64::MAX, |window| {
        i64::try_from(window.duration().as_millis()).unwrap()
    });
    let share = |is_so: bool| if is_so { 1_000_000 } else { 0 };
    let single = |event: &str, aggregation| {
        let y = aggregated(&between(unit, Some(event), 0, window), aggregation)?;
        let x = aggregated(&between(unit, Some(event), -history, 0), aggregation).unwrap_or(0);
        Some((y, x, 0))
    };
    match &metric.measure {
        Measure::Conversion { event } => Some((
            share(!between(unit, Some(event.as_str()), 0, window).is_empty()),
            share(!between(unit, Some(event.as_str()), -history, 0).is_empty()),
            0,
        )),
        Measure::Revenue { event } => single(event.as_str(), Aggregation::Sum),
        Measure::Engagement { event } => single(event.as_str(), Aggregation::Count),
        Measure::Retention { event, from, to } => {
            let [from, to] = [from, to].map(|span| i64::try_from(span.duration().as_millis()).unwrap());
            Some((
                share(!between(unit, Some(event.as_str()), from, to.min(window)).is_empty()),
                share(!between(unit, Some(event.as_str()), -history, 0).is_empty()),
                0,
            ))
        }
        Measure::Custom {
            event,
            aggregation: Aggregation::Average,
        } => {
            let values = between(unit, Some(event.as_str()), 0, window);
            Some((
                aggregated(&values, Aggregation::Sum)?,
                aggregated(&values, Aggregation::Count)?,
                0,
            ))
        }
        Measure::Custom { event, aggregation } => single(event.as_str(), *aggregation),
        Measure::Ratio {
            numerator,
            denominator,
        } => {
            let side = |part: &tidegate_model::experiment::Part| {
                aggregated(
                    &between(unit, Some(part.event.as_str()), 0, window),
                    part.aggregation,
                )
            };
            Some((side(numerator)?, side(denominator)?, 0))
        }
        Measure::Funnel { steps } => {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            let reached = steps_taken(unit, &steps, 0, window);
            let before = steps_taken(unit, &steps, -history, 0);
            Some((
                share(reached == steps.len()),
                share(before == steps.len()),
                reached,
            ))
        }
        Measure::Percentile { .. } => None,
    }
}

fn cap(metric: &Metric, units: &[&Unit], history: i64) -> Option<i64> {
    match metric.cap? {
        Cap::At(at) => Some(Fixed::of(at).unwrap().millionths()),
        Cap::Quantile(quantile) => {
            let values = units.iter().filter_map(|unit| numbers(metric, unit, history));
            let mut values: Vec<i64> = values
                .map(|numbers| numbers.0)
                .filter(|value| *value != 0)
                .collect();
            values.sort_unstable();
            // The smallest value that such a share of all is not above.
            let all = values.len() as f64;
            let place = (1..=values.len()).find(|place| *place as f64 >= quantile * all - 1e-9)?;
            Some(values[place - 1]).filter(|cap| *cap > 0)
        }
    }
}

fn tally(metric: &Metric, cap: Option<i64>, units: &[&Unit], history: i64) -> MetricTally {
    let mut tally = MetricTally::default();
    let is_pair = match &metric.measure {
        Measure::Funnel { steps } => {
            tally.steps = vec![0; steps.len()];
            false
        }
        Measure::Ratio { .. } => true,
        Measure::Custom { aggregation, .. } => *aggregation == Aggregation::Average,
        _ => false,
    };
    for unit in units {
        let Some((y, x, reached)) = numbers(metric, unit, history) else {
            continue;
        };
        let [y, x] = [y, x].map(|value| cap.map_or(value, |cap| value.min(cap)));
        let is_known = is_pair || !between(unit, None, -history, 0).is_empty();
        let sums = if is_known {
            &mut tally.known
        } else {
            &mut tally.new
        };
        let [wide_y, wide_x] = [y, x].map(i128::from);
        *sums = sums.plus(&Sums {
            n: 1,
            y: wide_y,
            yy: wide_y * wide_y,
            x: wide_x,
            xx: wide_x * wide_x,
            xy: wide_x * wide_y,
        });
        tally.active += u64::from(y != 0);
        for count in &mut tally.steps[..reached] {
            *count += 1;
        }
    }
    if let Measure::Percentile { event, quantile } = &metric.measure {
        let window = metric.window.map_or(i64::MAX, |window| {
            i64::try_from(window.duration().as_millis()).unwrap()
        });
        let of_units = units
            .iter()
            .map(|unit| between(unit, Some(event.as_str()), 0, window));
        tally.quantile = percentile(of_units.filter(|values| !values.is_empty()).collect(), *quantile);
    }
    tally
}

fn percentile(of_units: Vec<Vec<i64>>, quantile: f64) -> Option<QuantileTally> {
    let number = |value: i64| value as f64 / 1e6;
    let all = Sorted::of(of_units.iter().flatten().map(|value| number(*value)).collect()).ok()?;
    let value = sample(&all, quantile, Definition::Modes).unwrap();
    let (lower, upper) = Arm::of(&all, quantile).map_or((value, value), |arm| (arm.lower, arm.upper));
    let counts = of_units.iter().map(|values| {
        let below = values.iter().filter(|one| number(**one) <= value).count();
        (below as u128, values.len() as u128)
    });
    let counts: Vec<(u128, u128)> = counts.collect();
    Some(QuantileTally {
        events: all.n(),
        value,
        lower,
        upper,
        clusters: of_units.len() as u64,
        below: u64::try_from(counts.iter().map(|count| count.0).sum::<u128>()).unwrap(),
        below_squared: counts.iter().map(|count| count.0 * count.0).sum(),
        events_squared: counts.iter().map(|count| count.1 * count.1).sum(),
        below_events: counts.iter().map(|count| count.0 * count.1).sum(),
    })
}
