//! Sums that others made: counts, means and deviations of each arm, as one writes them by hand.
//!
//! They become the same exact sums that rows would have given, so that whatever is said of rows is said of them.

use super::analysis::{Analysis, ArmPart, Parts};
use super::beside::Strata;
use super::gathered::Gathered;
use super::metrics::MetricPart;
use super::question::{ColumnKind, Question};
use crate::result::Asked;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_model::experiment::tally::{Fixed, LeftOut, Sums, Tallies};
use tidegate_model::experiment::{Design, Goal, Measure, Metric, OnBreach, Role};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::MetricName;

/// The smallest standard deviation but 0: below, what is kept in millionths would be too coarse.
const DEVIATION_MIN: f64 = 1e-4;

/// A design with tallies, as Tidegate keeps them itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// What is compared, and how it is judged.
    pub design: Design,
    /// What was seen.
    pub tallies: Tallies,
    /// Which looks were taken.
    #[serde(default)]
    pub asked: Asked,
}

impl Kept {
    /// As it is.
    ///
    /// # Errors
    /// Everything wrong with the design.
    pub fn analysis(self) -> Result<Analysis, Invalid> {
        Ok(Analysis {
            design: self.design.checked()?,
            tallies: self.tallies,
            asked: self.asked,
            shares_are_planned: true,
            notes: Vec::new(),
            rates: Vec::new(),
            layers: Vec::new(),
        })
    }
}

/// An experiment by the counts, means and deviations of its arms.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Summary {
    /// What it is called.
    pub title: Option<String>,
    /// The arm that the others are compared with; left out, the one whose name says so.
    pub control: Option<String>,
    /// The accepted chance of a false alarm, for two sides together.
    pub alpha: Option<f64>,
    /// What is known of each arm besides its metrics. Left out, an arm has as many units as its largest metric.
    #[serde(default)]
    pub arms: BTreeMap<String, ArmSummary>,
    /// Each metric.
    pub metrics: Vec<MetricSummary>,
}

/// One arm.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArmSummary {
    /// Units that were assigned to it.
    pub units: Option<u64>,
    /// Its planned share, in any unit.
    pub expected: Option<f64>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricSummary {
    /// Its name.
    pub name: MetricName,
    /// What is done with it.
    #[serde(default)]
    pub role: Role,
    /// Which way is good.
    #[serde(default)]
    pub goal: Goal,
    /// How much worse still counts as the same, as a share of the control's value.
    pub margin: Option<f64>,
    /// The smallest change that is worth finding, as a share of the control's value.
    pub minimum_effect: Option<f64>,
    /// Its numbers by arm, of the same kind in each.
    pub arms: BTreeMap<String, ArmNumbers>,
}

/// The numbers of one metric in one arm. Which of them are there says what it is: `n` and `events` a conversion,
/// `n`, `mean` and `sd` a mean, `n`, `numerator` and `denominator` a ratio, `events` and `exposure` a rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArmNumbers {
    /// Units.
    pub n: Option<u64>,
    /// Units of whom it is true; of a rate what was counted.
    pub events: Option<u64>,
    /// The mean over the units.
    pub mean: Option<f64>,
    /// The standard deviation over them, with the divisor n - 1.
    pub sd: Option<f64>,
    /// Units whose number is not 0, for tests that are looked at repeatedly; left out, as many as the others prove.
    pub active: Option<u64>,
    /// What the same units did before.
    pub history: Option<Correlated>,
    /// Of a ratio what is above the line.
    pub numerator: Option<Spread>,
    /// What is below it, with its correlation with what is above.
    pub denominator: Option<Correlated>,
    /// What events of a rate were counted over: hours, visitors, requests.
    pub exposure: Option<f64>,
}

/// A number that goes with another one.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Correlated {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with the divisor n - 1.
    pub sd: f64,
    /// Its correlation with the other one, from -1 to 1.
    pub correlation: f64,
}

/// A mean with its deviation.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with the divisor n - 1.
    pub sd: f64,
}

impl Summary {
    /// As an experiment. What the summary leaves out is as in the question.
    ///
    /// # Errors
    /// Everything wrong with it: numbers that no data have, arms that differ from metric to metric.
    pub fn analysis(self, question: Question) -> Result<Analysis, Invalid> {
        let Self {
            title,
            control,
            alpha,
            arms: about,
            metrics,
        } = self;
        let names = names(&about, &metrics);
        let mut parts = Vec::new();
        let mut arms: Vec<ArmPart> = names
            .iter()
            .map(|name| ArmPart {
                text: name.clone(),
                units: about.get(name).and_then(|arm| arm.units).unwrap_or(0),
            })
            .collect();
        let mut wrong = Vec::new();
        for (index, metric) in metrics.into_iter().enumerate() {
            match metric.part(&names, &mut arms, &about) {
                Ok(part) => parts.push(part),
                Err(violation) => wrong.push(violation.inside(&format!("metrics[{index}]"))),
            }
        }
        Invalid::unless_empty(wrong, ())?;
        let expected = about
            .iter()
            .filter_map(|(name, arm)| Some((name.clone(), arm.expected?)));
        let question = Question {
            title: title.unwrap_or(question.title),
            control: control.or(question.control),
            alpha: alpha.unwrap_or(question.alpha),
            expected: expected.collect(),
            ..question
        };
        Parts {
            question,
            arms,
            metrics: parts,
            strata: Strata::default(),
            left_out: LeftOut::default(),
            notes: Vec::new(),
        }
        .analysis()
    }
}

/// All arms, each once.
fn names(about: &BTreeMap<String, ArmSummary>, metrics: &[MetricSummary]) -> Vec<String> {
    let of_metrics = metrics.iter().flat_map(|metric| metric.arms.keys());
    let mut names: Vec<String> = about.keys().chain(of_metrics).cloned().collect();
    names.sort();
    names.dedup();
    names
}

impl MetricSummary {
    fn part(
        self,
        names: &[String],
        arms: &mut [ArmPart],
        about: &BTreeMap<String, ArmSummary>,
    ) -> Result<MetricPart, Violation> {
        let mut all = Vec::new();
        let mut seen: Option<ColumnKind> = None;
        for (name, arm) in names.iter().zip(arms) {
            let place = format!("arms.{name}");
            let numbers = self.arms.get(name).ok_or_else(|| {
                Violation::new(
                    place.clone(),
                    "",
                    "a metric has the numbers of every arm",
                    "add them, or take the arm out of the others",
                )
            })?;
            let (kind, gathered) = numbers.gathered().map_err(|wrong| wrong.inside(&place))?;
            if seen.is_some_and(|seen| seen != kind) {
                return Err(Violation::new(
                    place,
                    format!("{kind:?}").to_lowercase(),
                    "a metric has the same kind of numbers in each arm",
                    "give the same fields in all arms",
                ));
            }
            seen = Some(kind);
            let units = gathered.known.plus(&gathered.new).n;
            if kind != ColumnKind::Rate {
                match about.get(name).and_then(|arm| arm.units) {
                    None => arm.units = arm.units.max(units),
                    Some(told) if units > told => {
                        return Err(Violation::new(
                            format!("{place}.n"),
                            units,
                            format!("the arm has {told} units, and no metric has more"),
                            "check which of both is right",
                        ));
                    }
                    Some(_) => {}
                }
            }
            all.push(gathered);
        }
        let event = Some(self.name.as_str().to_owned());
        Ok(MetricPart {
            has_covariate: self.arms.values().any(|arm| arm.history.is_some()),
            kind: seen.unwrap_or(ColumnKind::Mean),
            events: [event.clone(), event],
            arms: all,
            metric: Metric {
                measure: Measure::Revenue {
                    event: self.name.clone(),
                },
                name: self.name,
                role: self.role,
                goal: self.goal,
                margin: self.margin,
                window: None,
                cap: None,
                minimum_effect: self.minimum_effect,
                on_breach: OnBreach::Alert,
                ranks: false,
            },
        })
    }
}

impl ArmNumbers {
    /// What the numbers are, and the sums that have them.
    fn gathered(&self) -> Result<(ColumnKind, Gathered), Violation> {
        let active = self.active.unwrap_or(0);
        match *self {
            Self {
                n: Some(n),
                events: Some(events),
                mean: None,
                sd: None,
                active: None,
                history: None,
                numerator: None,
                denominator: None,
                exposure: None,
            } => Ok((ColumnKind::Conversion, converted(n, events)?)),
            Self {
                n: Some(n),
                events: None,
                mean: Some(mean),
                sd: Some(sd),
                active: _,
                history,
                numerator: None,
                denominator: None,
                exposure: None,
            } => {
                let gathered = averaged(n, &Spread { mean, sd }, active, history.as_ref())?;
                Ok((ColumnKind::Mean, gathered))
            }
            Self {
                n: Some(n),
                events: None,
                mean: None,
                sd: None,
                active: _,
                history: None,
                numerator: Some(numerator),
                denominator: Some(denominator),
                exposure: None,
            } => {
                let gathered = Gathered {
                    known: sums(n, &numerator, Some(("denominator", &denominator)))?,
                    active: active.min(n),
                    ..Gathered::default()
                };
                Ok((ColumnKind::Ratio, gathered))
            }
            Self {
                n: None,
                events: Some(events),
                mean: None,
                sd: None,
                active: None,
                history: None,
                numerator: None,
                denominator: None,
                exposure: Some(exposure),
            } => Ok((ColumnKind::Rate, counted(events, exposure)?)),
            _ => Err(Violation::new(
                "",
                "",
                "an arm has n and events; n, mean and sd; n, numerator and denominator; or events and exposure",
                "give these, and nothing else but active and history beside a mean",
            )),
        }
    }
}

fn averaged(n: u64, own: &Spread, active: u64, history: Option<&Correlated>) -> Result<Gathered, Violation> {
    let sums = sums(n, own, history.map(|history| ("history", history)))?;
    let (known, new) = if history.is_some() {
        (sums, Sums::NONE)
    } else {
        (Sums::NONE, sums)
    };
    Ok(Gathered {
        known,
        new,
        active: active.min(n),
        ..Gathered::default()
    })
}

fn converted(n: u64, events: u64) -> Result<Gathered, Violation> {
    const ONE: i128 = 1_000_000;
    if events > n {
        return Err(Violation::new(
            "events",
            events,
            format!("no more units have it than there are, {n}"),
            "check which of both is right",
        ));
    }
    let with = i128::from(events);
    Ok(Gathered {
        new: Sums {
            n,
            y: with * ONE,
            yy: with * ONE * ONE,
            ..Sums::NONE
        },
        active: events,
        ..Gathered::default()
    })
}

fn counted(events: u64, exposure: f64) -> Result<Gathered, Violation> {
    if !(exposure > 0.0 && exposure <= 1e18) {
        return Err(Violation::new(
            "exposure",
            exposure,
            "what events are counted over is more than 0 and at most 10^18",
            "give hours, visitors or requests",
        ));
    }
    Ok(Gathered {
        known: Sums {
            n: 1,
            y: i128::from(events) * 1_000_000,
            x: whole(exposure * 1e6),
            ..Sums::NONE
        },
        ..Gathered::default()
    })
}

/// The sums of `n` units with this mean and deviation, and with what goes with it.
fn sums(n: u64, own: &Spread, beside: Option<(&str, &Correlated)>) -> Result<Sums, Violation> {
    let (y, yy) = centred(n, own)?;
    let mut all = Sums {
        n,
        y,
        yy,
        ..Sums::NONE
    };
    if let Some((name, beside)) = beside {
        if !(beside.correlation >= -1.0 && beside.correlation <= 1.0) {
            return Err(Violation::new(
                format!("{name}.correlation"),
                beside.correlation,
                "a correlation lies from -1 to 1",
                "give Pearson's correlation of both numbers of the same units",
            ));
        }
        let spread = Spread {
            mean: beside.mean,
            sd: beside.sd,
        };
        (all.x, all.xx) = centred(n, &spread).map_err(|wrong| wrong.inside(name))?;
        let together = beside.correlation * own.sd * beside.sd * degrees(n);
        let product = over(all.x, all.y, n).ok_or_else(|| too_large(beside.mean))?;
        all.xy = product + whole(together * 1e12);
    }
    Ok(all)
}

/// Sum and sum of squares of `n` numbers with this mean and deviation, in millionths.
fn centred(n: u64, of: &Spread) -> Result<(i128, i128), Violation> {
    let wrong = |field: &str, value: f64, rule: &str, fix: &str| Err(Violation::new(field, value, rule, fix));
    if !(of.mean.is_finite() && of.mean.abs() <= Fixed::LARGEST) {
        return Err(too_large(of.mean));
    }
    if !(of.sd >= 0.0 && of.sd <= Fixed::LARGEST) {
        return wrong(
            "sd",
            of.sd,
            "a standard deviation is not negative and at most 1,000,000,000",
            "give numbers in a larger unit",
        );
    }
    if of.sd > 0.0 && of.sd < DEVIATION_MIN {
        return wrong(
            "sd",
            of.sd,
            "numbers are kept in millionths, and these vary by less than a hundred of them",
            "give all numbers of the metric in a smaller unit",
        );
    }
    if of.sd > 0.0 && n < 2 {
        return wrong("sd", of.sd, "fewer than two units vary by nothing", "write 0");
    }
    let y = whole(of.mean * crate::sufficient::count(n) * 1e6);
    let squares = over(y, y, n).ok_or_else(|| too_large(of.mean))?;
    let yy = squares.checked_add(whole(of.sd * of.sd * degrees(n) * 1e12));
    yy.map(|yy| (y, yy)).ok_or_else(|| too_large(of.mean))
}

fn too_large(mean: f64) -> Violation {
    Violation::new(
        "mean",
        mean,
        "a mean is at most 1,000,000,000 away from 0, and its sums have room in 128 bits",
        "give all numbers of the metric in a larger unit",
    )
}

fn degrees(n: u64) -> f64 {
    crate::sufficient::count(n.saturating_sub(1))
}

/// The product of two sums by `n`, rounded down, if it has room.
fn over(one: i128, other: i128, n: u64) -> Option<i128> {
    if n == 0 {
        return Some(0);
    }
    let n = i128::from(n);
    let (whole, rest) = (one.div_euclid(n), one.rem_euclid(n));
    let small = rest.checked_mul(other)?.div_euclid(n);
    whole.checked_mul(other)?.checked_add(small)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what is too large becomes the largest"
)]
fn whole(number: f64) -> i128 {
    number.round() as i128
}
