//! What to do about an experiment: a proposal with all its reasons.
//!
//! It is careful by default. Only a look that counts can ship a treatment, no treatment is shipped while a guardrail
//! with a margin is not proven to be held, and nothing is said while units are missing from one arm.

use crate::result::{Answer, Comparison, End, ExperimentResult, Look, MetricResult, Rule, Safety, Verdict};
use serde::Serialize;
use std::fmt;
use tidegate_model::experiment::{Goal, OnBreach, Role};
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_stats::Refusal;

mod reason;

pub(crate) use reason::Percent;
pub use reason::Reason;

/// Below this chance of an improvement at the end it is not waited for.
const FUTILE: f64 = 0.1;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Everybody gets this arm.
    Ship {
        /// Which.
        arm: VariationKey,
    },
    /// Everybody gets the control.
    Revert,
    /// Nobody new is enrolled until a person has looked.
    Pause,
    /// It goes on.
    KeepRunning,
    /// It stops: it will not prove what it claims. Everybody gets the control.
    StopForFutility,
    /// Nothing can be said; a person has to look.
    CannotSay,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
    /// Whether a guardrail asks for it to be done without a person: its `onBreach` says so.
    pub by_itself: bool,
    /// Why, the weightiest first. Never empty.
    pub because: Vec<Reason>,
}

/// What the result speaks for.
#[must_use]
pub fn decide(result: &ExperimentResult) -> Decision {
    let breached = breaches(result);
    if let Some(decision) = by_guardrail(result, &breached) {
        return decision;
    }
    if let Some(because) = mismatch(result) {
        return Decision {
            action: Action::CannotSay,
            by_itself: false,
            because: vec![because],
        };
    }
    let arms = Arm::all(result);
    let counts = result.look.counts();
    let (action, mut because) = match Arm::best(&arms) {
        Some(arm) if counts => ship(arm, &arms),
        _ => without_winner(result, &arms),
    };
    because.extend(breached.iter().map(|breach| breach.reason()));
    if !counts {
        because.push(Reason::Look { look: result.look });
    }
    Decision {
        action,
        by_itself: false,
        because,
    }
}

/// A guardrail of one arm that is broken.
struct Breach<'a> {
    metric: &'a MetricResult,
    arm: &'a VariationKey,
}

impl Breach<'_> {
    fn reason(&self) -> Reason {
        Reason::Breached {
            metric: self.metric.metric.clone(),
            arm: self.arm.clone(),
            margin: self.metric.margin.unwrap_or(0.0),
        }
    }
}

fn breaches(result: &ExperimentResult) -> Vec<Breach<'_>> {
    let each = result.metrics.iter().flat_map(|metric| {
        let broken = metric.comparisons.iter().filter(|comparison| {
            let guarded = comparison.guarded.as_ref().and_then(Answer::given);
            guarded.is_some_and(|guarded| guarded.safety == Safety::Breached)
        });
        broken.map(move |comparison| Breach {
            metric,
            arm: &comparison.arm,
        })
    });
    each.collect()
}

/// A broken guardrail that acts comes before everything, even before a mismatch of the arms: stopping is safe.
fn by_guardrail(result: &ExperimentResult, breached: &[Breach<'_>]) -> Option<Decision> {
    let asks = |what: OnBreach| breached.iter().any(|breach| breach.metric.on_breach == what);
    let action = if asks(OnBreach::Stop) {
        Action::Revert
    } else if asks(OnBreach::Pause) {
        Action::Pause
    } else {
        return None;
    };
    let mut because: Vec<Reason> = breached.iter().map(Breach::reason).collect();
    because.extend(mismatch(result));
    Some(Decision {
        action,
        by_itself: true,
        because,
    })
}

fn mismatch(result: &ExperimentResult) -> Option<Reason> {
    let ratio = result.sample_ratio.given().filter(|ratio| ratio.alarm)?;
    Some(Reason::SampleRatioMismatch {
        p: ratio.p.p.min(ratio.sequential.p),
    })
}

/// What is known of one treatment.
struct Arm<'a> {
    arm: &'a VariationKey,
    /// Success metrics that are proven to be better, or the same where that is the claim.
    proven: Vec<Reason>,
    /// Success metrics that are proven to be worse, or different where they must not be.
    against: Vec<Reason>,
    /// Claims and guardrails that are not decided.
    open: Vec<Reason>,
    /// What cannot be said.
    refused: Vec<Reason>,
    /// Whether it has what it takes, but for what is open.
    improves: bool,
    /// Claims of equivalence that are not proven.
    unequal: bool,
    /// Guardrails that are broken, or with a margin and not proven to be held.
    unsafe_now: bool,
    breached: bool,
    /// What an improvement of the first claim is, to compare arms.
    lift: f64,
    /// Whether the smallest effect worth finding is out of reach for every claim of an improvement.
    hopeless: Option<Reason>,
}

impl<'a> Arm<'a> {
    fn all(result: &'a ExperimentResult) -> Vec<Self> {
        let first = result.metrics.first();
        let arms = first.map(|metric| metric.comparisons.iter().map(|one| &one.arm));
        arms.into_iter()
            .flatten()
            .enumerate()
            .map(|(index, arm)| Self::of(result, index, arm))
            .collect()
    }

    fn of(result: &'a ExperimentResult, index: usize, arm: &'a VariationKey) -> Self {
        let mut found = Self {
            arm,
            proven: Vec::new(),
            against: Vec::new(),
            open: Vec::new(),
            refused: Vec::new(),
            improves: false,
            unequal: false,
            unsafe_now: false,
            breached: false,
            lift: f64::NEG_INFINITY,
            hopeless: None,
        };
        let (mut changes, mut hopes) = (0_usize, Vec::new());
        for metric in &result.metrics {
            let Some(comparison) = metric.comparisons.get(index) else {
                continue;
            };
            match metric.role {
                Role::Success => {
                    found.claim(result, metric, comparison);
                    if metric.goal != Goal::Maintain {
                        changes += 1;
                        hopes.extend(hopeless(result, metric, comparison));
                    }
                }
                Role::Guardrail => found.guardrail(metric, comparison),
                Role::Secondary => {}
            }
        }
        // Where only equivalence is claimed, that is the improvement.
        found.improves = found.improves || (changes == 0 && !found.unequal);
        if changes > 0 && hopes.len() == changes {
            found.hopeless = hopes.into_iter().next();
        }
        found
    }

    fn claim(&mut self, result: &ExperimentResult, metric: &MetricResult, comparison: &Comparison) {
        let (name, arm) = (metric.metric.clone(), comparison.arm.clone());
        let lift = comparison.lift.given().map(|lift| lift.estimate);
        match comparison.verdict {
            Verdict::Better => {
                self.improves = true;
                let upwards = if metric.goal == Goal::Decrease { -1.0 } else { 1.0 };
                if self.lift == f64::NEG_INFINITY {
                    self.lift = upwards * lift.unwrap_or(0.0);
                }
                self.proven.push(Reason::Better {
                    metric: name,
                    arm,
                    lift,
                    rule: result.headline,
                });
            }
            Verdict::Equivalent => self.proven.push(Reason::Equivalent {
                metric: name,
                arm,
                margin: metric.margin.unwrap_or(0.0),
            }),
            Verdict::Worse => self.against.push(Reason::Worse {
                metric: name,
                arm,
                lift,
                rule: result.headline,
            }),
            Verdict::Different => {
                self.unequal = true;
                self.against.push(Reason::Different {
                    metric: name,
                    arm,
                    margin: metric.margin.unwrap_or(0.0),
                });
            }
            Verdict::Undecided | Verdict::Safe => {
                self.unequal |= metric.goal == Goal::Maintain;
                self.open.push(Reason::Undecided { metric: name, arm });
            }
            Verdict::CannotSay => {
                self.unequal |= metric.goal == Goal::Maintain;
                self.refused.push(Reason::Refused {
                    metric: name,
                    arm,
                    why: refusal(result.headline, comparison),
                });
            }
        }
    }

    fn guardrail(&mut self, metric: &MetricResult, comparison: &Comparison) {
        let (name, arm) = (metric.metric.clone(), comparison.arm.clone());
        match &comparison.guarded {
            Some(Answer::Given(guarded)) => match guarded.safety {
                Safety::Held => {}
                Safety::Breached => {
                    self.breached = true;
                    self.unsafe_now = true;
                }
                Safety::Undecided => {
                    // Without a margin nothing short of an improvement could prove it; then only harm counts.
                    if metric.margin.is_some() {
                        self.unsafe_now = true;
                        self.open.push(Reason::NotYetSafe { metric: name, arm });
                    }
                }
            },
            Some(Answer::Refused(refusal)) => {
                self.unsafe_now = true;
                self.refused.push(Reason::Refused {
                    metric: name,
                    arm,
                    why: refusal.to_string(),
                });
            }
            None => {}
        }
    }

    /// Whether all that shipping it takes is proven.
    fn wins(&self) -> bool {
        self.improves && !self.unequal && !self.unsafe_now && self.against.is_empty()
    }

    /// Whether it is proven to do harm.
    fn harms(&self) -> bool {
        self.breached || !self.against.is_empty()
    }

    /// The one of those that win whose first claim is improved most.
    fn best(arms: &[Self]) -> Option<&Self> {
        let winners = arms.iter().filter(|arm| arm.wins());
        winners.reduce(|best, arm| if arm.lift > best.lift { arm } else { best })
    }
}

/// Why there is no verdict.
fn refusal(headline: Rule, comparison: &Comparison) -> String {
    let tested = match headline {
        Rule::Fixed => &comparison.fixed,
        Rule::GroupSequential => &comparison.group_sequential,
        Rule::AlwaysValid => &comparison.always_valid,
    };
    let why = tested.as_ref().and_then(Answer::refusal);
    why.map_or_else(
        || "this look tests nothing".to_owned(),
        |refusal: Refusal| refusal.to_string(),
    )
}

/// Whether the smallest effect worth finding will not be found: it is excluded already, or hardly a chance is left.
fn hopeless(result: &ExperimentResult, metric: &MetricResult, comparison: &Comparison) -> Option<Reason> {
    let minimum = metric.minimum_effect?;
    if comparison.verdict == Verdict::Better {
        return None;
    }
    let (name, arm) = (metric.metric.clone(), comparison.arm.clone());
    let lift = comparison.lift.given().and_then(|lift| lift.interval.given());
    let excluded = lift.is_some_and(|lift| match metric.goal {
        Goal::Decrease => lift.lower.is_some_and(|lower| lower > -minimum),
        _ => lift.upper.is_some_and(|upper| upper < minimum),
    });
    if excluded && result.look.counts() {
        return Some(Reason::MinimumExcluded {
            metric: name,
            arm,
            minimum,
        });
    }
    let chance = comparison
        .prospect
        .and_then(|prospect| prospect.by_minimum_effect)?;
    (chance < FUTILE).then_some(Reason::SmallChance {
        metric: name,
        arm,
        chance,
    })
}

fn ship(arm: &Arm<'_>, arms: &[Arm<'_>]) -> (Action, Vec<Reason>) {
    let mut because = arm.proven.clone();
    let others = arms.iter().filter(|other| other.wins() && other.arm != arm.arm);
    because.extend(others.map(|other| Reason::AlsoWins {
        arm: other.arm.clone(),
    }));
    because.extend(arm.open.iter().cloned());
    because.extend(arm.refused.iter().cloned());
    let action = Action::Ship { arm: arm.arm.clone() };
    (action, because)
}

fn without_winner(result: &ExperimentResult, arms: &[Arm<'_>]) -> (Action, Vec<Reason>) {
    let (look, counts) = (result.look, result.look.counts());
    let (mut proven, mut against, mut open, mut refused) = (vec![], vec![], vec![], vec![]);
    for arm in arms {
        proven.extend(arm.proven.iter().cloned());
        against.extend(arm.against.iter().cloned());
        open.extend(arm.open.iter().cloned());
        refused.extend(arm.refused.iter().cloned());
    }
    if !arms.is_empty() && arms.iter().all(Arm::harms) && (counts || arms.iter().all(|arm| arm.breached)) {
        return (Action::Revert, against);
    }
    let hopeless: Vec<Reason> = arms
        .iter()
        .filter(|arm| !arm.harms())
        .filter_map(|arm| arm.hopeless.clone())
        .collect();
    let hoped = arms.iter().filter(|arm| !arm.harms()).count();
    if hoped > 0 && hopeless.len() == hoped {
        return (Action::StopForFutility, chained([hopeless, against]));
    }
    let over = result.end != End::Running;
    if matches!(look, Look::Again { .. }) || (over && !counts) {
        // What the look that counts has said is not said again, and a peek that became the end says nothing.
        return (Action::CannotSay, chained([proven, against, open, refused]));
    }
    if !look.is_last() && !over {
        let mut because = chained([proven, against, open, refused]);
        because.extend(progress(look));
        if because.is_empty() {
            because.push(Reason::Look { look });
        }
        return (Action::KeepRunning, because);
    }
    // The end is reached. What improves but is not proven to be safe, or cannot be told, is for a person.
    let waits = arms.iter().any(|arm| arm.improves && !arm.harms());
    if waits || (!refused.is_empty() && open.is_empty()) {
        return (Action::CannotSay, chained([proven, open, refused, against]));
    }
    let mut because = vec![Reason::NothingProven { units: look.units() }];
    because.extend(chained([open, against, refused]));
    (Action::StopForFutility, because)
}

fn chained<const N: usize>(parts: [Vec<Reason>; N]) -> Vec<Reason> {
    parts.into_iter().flatten().collect()
}

/// How far it is to the next look that counts.
fn progress(look: Look) -> Option<Reason> {
    match look {
        Look::Interim { units, planned, .. } => Some(Reason::OnTheWay { units, planned }),
        // The kind of look says it.
        _ => None,
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ship { arm } => write!(f, "ship {arm}"),
            Self::Revert => f.write_str("revert"),
            Self::Pause => f.write_str("pause"),
            Self::KeepRunning => f.write_str("keep running"),
            Self::StopForFutility => f.write_str("stop for futility"),
            Self::CannotSay => f.write_str("cannot say"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        for (index, reason) in self.because.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            reason.fmt(f)?;
        }
        Ok(())
    }
}

/// Names a metric and an arm in a sentence.
pub(crate) struct Of<'a>(pub(crate) &'a MetricName, pub(crate) &'a VariationKey);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.0, self.1)
    }
}
