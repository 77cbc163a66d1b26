//! From what a table or a summary says to an experiment that can be judged.

use super::beside::{self, Beside, Layered, Rated, Strata};
use super::metrics::MetricPart;
use super::names::Names;
use super::question::{ColumnKind, Question, Schedule};
use crate::decision::{Action, Decision, Reason, decide};
use crate::result::{Answer, Asked, End, ExperimentResult, result};
use tidegate_model::experiment::tally::{ArmTally, LeftOut, Tallies};
use tidegate_model::experiment::{Design, Discipline, Metric};
use tidegate_model::flag::WeightedVariation;
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{ExperimentKey, FlagKey, VariationKey};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_stats::Refusal;

/// Names of arms that usually are the control.
const CONTROLS: [&str; 12] = [
    "control", "ctrl", "baseline", "base", "placebo", "a", "old", "off", "false", "no", "none", "0",
];
/// Units for which an always-valid test is tuned unless it is said.
const TUNED_FOR: u64 = 5_000;
/// The fewest units that a design plans with.
const PLANNED_MIN: u64 = 10;

/// Data of others as an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// What is compared, and how it is judged.
    pub design: Design,
    /// What was seen.
    pub tallies: Tallies,
    /// Which looks were taken, and whether more can come.
    pub asked: Asked,
    /// Whether the shares of the arms in the design are those that were planned. If not, they are those that were seen,
    /// and nothing is said about missing units.
    pub shares_are_planned: bool,
    /// What was guessed or changed on the way, a sentence each.
    pub notes: Vec<String>,
    pub(super) rates: Vec<Rated>,
    pub(super) layers: Vec<Layered>,
}

/// What is to be said of an [`Analysis`].
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The result.
    pub result: ExperimentResult,
    /// What it speaks for.
    pub decision: Decision,
    /// What stands beside the verdicts.
    pub beside: Beside,
}

impl Analysis {
    /// Judges it, as an experiment of our own.
    #[must_use]
    pub fn judge(&self) -> Judged {
        let mut result = result(&self.design, &self.tallies, &self.asked);
        if !self.shares_are_planned {
            result.sample_ratio = Answer::Refused(Refusal::Undefined {
                why: "nobody said which shares of the units the arms should have",
            });
        }
        let decision = if self.design.metrics.is_empty() {
            // Rates have verdicts of their own, and there is nothing else to decide by.
            Decision {
                action: Action::CannotSay,
                by_itself: false,
                because: vec![Reason::Look { look: result.look }],
            }
        } else {
            decide(&result)
        };
        Judged {
            result,
            decision,
            beside: beside::judged(&self.rates, &self.layers, self.design.alpha),
        }
    }
}

/// One arm as it was found.
pub(super) struct ArmPart {
    pub(super) text: String,
    pub(super) units: u64,
}

/// What an analysis is made of.
pub(super) struct Parts {
    pub(super) question: Question,
    pub(super) arms: Vec<ArmPart>,
    pub(super) metrics: Vec<MetricPart>,
    pub(super) strata: Strata,
    pub(super) left_out: LeftOut,
    pub(super) notes: Vec<String>,
}

impl Parts {
    pub(super) fn analysis(mut self) -> Result<Analysis, Invalid> {
        self.check_arms()?;
        let control = self.control()?;
        let order = self.order(control);
        let keys = self.keys(&order)?;
        let (weights, shares_are_planned) = self.weights(&order)?;
        let mut layers = Vec::new();
        let mut rates = Vec::new();
        let mut tallies = Tallies {
            left_out: self.left_out,
            ..Tallies::default()
        };
        for (key, at) in keys.iter().zip(&order) {
            let units = self.arms.get(*at).map_or(0, |arm| arm.units);
            let arm = ArmTally {
                units,
                ..ArmTally::default()
            };
            tallies.arms.insert(key.clone(), arm);
        }
        let mut metrics = Vec::new();
        for (index, part) in self.metrics.iter().enumerate() {
            if part.kind == ColumnKind::Rate {
                rates.push(part.rated(&keys, &order)?);
                continue;
            }
            metrics.push(part.designed()?);
            for (key, at) in keys.iter().zip(&order) {
                let tally = part.arms.get(*at).map(|gathered| part.tally(gathered));
                if let (Some(tally), Some(arm)) = (tally, tallies.arms.get_mut(key)) {
                    arm.metrics.insert(part.metric.name.clone(), tally?);
                }
            }
            let layered = matches!(
                part.kind,
                ColumnKind::Conversion | ColumnKind::Events | ColumnKind::Mean
            );
            if layered && !self.strata.is_empty() {
                layers.push(Layered {
                    metric: part.metric.name.clone(),
                    is_share: part.kind != ColumnKind::Mean,
                    arms: keys.clone(),
                    sums: self.strata.of_metric(index, &order),
                });
            }
        }
        let covariates = self.metrics.iter().any(|part| part.has_covariate);
        let has_rates = !rates.is_empty();
        let (design, asked) = self.designed(&keys, weights, metrics, covariates, has_rates)?;
        Ok(Analysis {
            design,
            tallies,
            asked,
            shares_are_planned,
            notes: self.notes,
            rates,
            layers,
        })
    }

    fn check_arms(&self) -> Result<(), Violation> {
        let found: Vec<&str> = self.arms.iter().map(|arm| arm.text.as_str()).collect();
        let missing = self
            .question
            .only
            .iter()
            .find(|one| !found.contains(&one.as_str()));
        if let Some(missing) = missing {
            return Err(Violation::new(
                "arms",
                missing,
                "no unit is in this arm",
                format!("the arms are {}", found.join(", ")),
            ));
        }
        match found.as_slice() {
            [] => Err(Violation::new(
                "arms",
                "0",
                "a comparison needs units, and there are none",
                "give a table with a row for each unit",
            )),
            [single] => Err(Violation::new(
                "arms",
                single,
                "a comparison needs at least two arms, and all units are in this one",
                "check which column says the arm",
            )),
            _ => Ok(()),
        }
    }

    fn control(&mut self) -> Result<usize, Violation> {
        let position = |name: &str| self.arms.iter().position(|arm| arm.text == name);
        let found: Vec<&str> = self.arms.iter().map(|arm| arm.text.as_str()).collect();
        if let Some(control) = &self.question.control {
            return position(control).ok_or_else(|| {
                let fix = nearest(control, found.iter().copied()).map_or_else(
                    || format!("choose one of {}", found.join(", ")),
                    |near| format!("did you mean {near:?}?"),
                );
                Violation::new("control", control, "no unit is in this arm", fix)
            });
        }
        let usual = CONTROLS.iter().find_map(|usual| {
            let is = |arm: &ArmPart| arm.text.eq_ignore_ascii_case(usual);
            self.arms.iter().position(is)
        });
        let Some(usual) = usual else {
            return Err(Violation::new(
                "control",
                "",
                "no arm has a name that says it is the control",
                format!("choose one of {} with --control", found.join(", ")),
            ));
        };
        let name = found.get(usual).copied().unwrap_or_default();
        self.notes.push(format!("the control is {name:?}, by its name"));
        Ok(usual)
    }

    /// The control first, the others by their names: as numbers, if all are.
    fn order(&self, control: usize) -> Vec<usize> {
        let text = |at: usize| self.arms.get(at).map_or("", |arm| arm.text.as_str());
        let mut others: Vec<usize> = (0..self.arms.len()).filter(|at| *at != control).collect();
        let numbers: Option<Vec<f64>> = others.iter().map(|at| text(*at).parse().ok()).collect();
        others.sort_by(|one, other| match &numbers {
            Some(_) => {
                let number = |at: usize| text(at).parse::<f64>().unwrap_or(f64::NAN);
                number(*one).total_cmp(&number(*other))
            }
            None => text(*one).cmp(text(*other)),
        });
        std::iter::once(control).chain(others).collect()
    }

    fn keys(&mut self, order: &[usize]) -> Result<Vec<VariationKey>, Violation> {
        let mut names = Names::default();
        let mut keys = Vec::new();
        for at in order {
            let text = self.arms.get(*at).map_or("", |arm| arm.text.as_str());
            let key = names.key(text);
            if key != text {
                self.notes.push(format!("the arm {text:?} is called {key}"));
            }
            keys.push(VariationKey::new(&key)?);
        }
        Ok(keys)
    }

    /// The shares of the arms, and whether they were planned.
    fn weights(&self, order: &[usize]) -> Result<(Vec<Share>, bool), Violation> {
        let expected = &self.question.expected;
        let texts: Vec<&str> = order
            .iter()
            .filter_map(|at| self.arms.get(*at))
            .map(|arm| arm.text.as_str())
            .collect();
        if expected.is_empty() {
            let units = order.iter().filter_map(|at| self.arms.get(*at));
            let units: Vec<f64> = units.map(|arm| crate::sufficient::count(arm.units)).collect();
            return Ok((shares(&units)?, false));
        }
        if let Some((name, _)) = expected.iter().find(|(name, _)| !texts.contains(&name.as_str())) {
            return Err(Violation::new(
                "expected",
                name,
                "no unit is in this arm",
                format!("the arms are {}", texts.join(", ")),
            ));
        }
        let mut weights = Vec::new();
        for text in texts {
            let weight = expected.iter().find(|(name, _)| name == text);
            match weight {
                Some((_, weight)) if *weight > 0.0 && weight.is_finite() => weights.push(*weight),
                Some((_, weight)) => {
                    return Err(Violation::new(
                        format!("expected {text}"),
                        weight,
                        "the share of an arm is more than 0",
                        "for example 50",
                    ));
                }
                None => {
                    return Err(Violation::new(
                        "expected",
                        text,
                        "units are in this arm, and no share was planned for it",
                        "give the shares of all arms, or of none",
                    ));
                }
            }
        }
        Ok((shares(&weights)?, true))
    }

    fn designed(
        &self,
        keys: &[VariationKey],
        weights: Vec<Share>,
        metrics: Vec<Metric>,
        covariates: bool,
        has_rates: bool,
    ) -> Result<(Design, Asked), Invalid> {
        let units = self
            .arms
            .iter()
            .fold(0_u64, |sum, arm| sum.saturating_add(arm.units));
        let title = Names::default().key(&self.question.title);
        let (discipline, asked) = looked_at(&self.question.schedule, units);
        let no_metrics = metrics.is_empty();
        let control = keys
            .first()
            .cloned()
            .map_or_else(|| VariationKey::new("control"), Ok)?;
        let arms = keys.iter().cloned().zip(weights);
        let design = Design {
            key: ExperimentKey::new(&title)?,
            hypothesis: "none was written down: these are the data of others".to_owned(),
            description: String::new(),
            owner: String::new(),
            metadata: std::collections::BTreeMap::new(),
            flag: FlagKey::new(&title)?,
            control,
            arms: arms
                .map(|(variation, weight)| WeightedVariation { variation, weight })
                .collect(),
            audience: None,
            traffic: Share::ALL,
            layer: None,
            holdout: None,
            excluded: std::collections::BTreeSet::new(),
            metrics,
            discipline,
            alpha: self.question.alpha,
            power: 0.8,
            duration: None,
            start_at: None,
            history: if covariates {
                Span::seconds(14 * 24 * 3600)
            } else {
                Span::ZERO
            },
            dimensions: Vec::new(),
            bandit: None,
        };
        let mut violations = design.violations();
        // Rates decide by themselves, beside the metrics of the design.
        violations.retain(|one| !(no_metrics && has_rates && one.field == "metrics"));
        Invalid::unless_empty(violations, (design, asked))
    }
}

/// The rule about looks, and what is known of them.
pub(super) fn looked_at(schedule: &Schedule, units: u64) -> (Discipline, Asked) {
    match schedule {
        Schedule::Once => (
            Discipline::Fixed {
                units: units.max(PLANNED_MIN),
            },
            Asked {
                looks: Vec::new(),
                end: End::AsPlanned,
            },
        ),
        Schedule::Anytime { tuned_for } => (
            Discipline::AlwaysValid {
                tuned_for: tuned_for.unwrap_or(TUNED_FOR),
            },
            Asked::default(),
        ),
        Schedule::Planned {
            units,
            looks,
            spending,
            before,
        } => (
            Discipline::GroupSequential {
                units: *units,
                looks: *looks,
                spending: *spending,
            },
            Asked {
                looks: before.clone(),
                end: End::Running,
            },
        ),
    }
}

/// Shares in proportion to the weights that add up to everybody, each more than nothing.
fn shares(weights: &[f64]) -> Result<Vec<Share>, Violation> {
    let all: f64 = weights.iter().sum();
    let share = |weight: &f64| {
        if all > 0.0 {
            weight / all
        } else {
            // Rates need no units: then no arm has more than another.
            crate::sufficient::count(u64::try_from(weights.len()).unwrap_or(1)).recip()
        }
    };
    let exact: Vec<f64> = weights
        .iter()
        .map(|weight| share(weight) * f64::from(Share::TOTAL))
        .collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of 100,000"
    )]
    let mut parts: Vec<u32> = exact.iter().map(|part| (part.floor() as u32).max(1)).collect();
    // What rounding took goes to those from whom it took most; what it gave is taken from the largest.
    let mut by_loss: Vec<usize> = (0..parts.len()).collect();
    let lost = |at: usize| exact.get(at).map_or(0.0, |part| part.fract());
    by_loss.sort_by(|one, other| lost(*other).total_cmp(&lost(*one)));
    for at in by_loss {
        if parts.iter().sum::<u32>() < Share::TOTAL
            && let Some(part) = parts.get_mut(at)
        {
            *part += 1;
        }
    }
    let excess = parts.iter().sum::<u32>().saturating_sub(Share::TOTAL);
    if let Some(largest) = parts.iter_mut().max() {
        *largest = largest.saturating_sub(excess);
    }
    parts.into_iter().map(Share::of_parts).collect()
}
