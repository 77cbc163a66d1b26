//! The result of an experiment: what its tallies say, under the rules that were declared before its start.
//!
//! Every number is there, or refused with its reason. Significance comes from one statistic per metric and rule, so
//! that the unit in which an effect is shown never decides whether there is one.

mod answer;
mod arm;
mod assignment;
mod belief;
mod discipline;
mod evidence;
mod guardrail;
mod ladder;
mod look;
mod outcome;
mod ranks;

pub use answer::{Answer, Bounds, Chance, refusal_kind};
pub use arm::{ArmResult, Omnibus, OmnibusMethod, Step};
pub use assignment::{ALARM, Assigned, SampleRatio};
pub use belief::{Belief, Best, Posterior, SCEPTICAL_SD};
pub use discipline::{Corrected, Family, Rule, Tested};
pub use evidence::{History, Kind, Method};
pub use guardrail::{Guarded, Safety};
pub use look::{Asked, End, Look};
pub use outcome::{Comparison, Effect, ExperimentResult, MetricResult, Prospect, Verdict};
pub use ranks::Ranks;

use crate::sufficient::{SumsMoments as _, count};
use discipline::{Applied, Claim, Member};
use evidence::Evidence;
use guardrail::Watch;
use ladder::Ladder;
use tidegate_model::experiment::tally::{MetricTally, Tallies};
use tidegate_model::experiment::{Dealing, Design, Discipline, Goal, Metric, Role};
use tidegate_model::key::VariationKey;
use tidegate_stats::distribution::normal;
use tidegate_stats::sequential::ConfidenceSequence;
use tidegate_stats::{Alternative, Refusal};

/// So many units of each arm must have a history before it is used.
const HISTORY_MIN: u64 = 100;

/// The result of an experiment.
///
/// `asked` says which looks were taken before; see [`Look::counts`] for when to add one.
#[must_use]
pub fn result(design: &Design, tallies: &Tallies, asked: &Asked) -> ExperimentResult {
    let units = tallies
        .arms
        .values()
        .fold(0, |sum: u64, arm| sum.saturating_add(arm.units));
    let look = Look::of(design, units, asked);
    let ladder = look.ladder(design, asked);
    let (declared, tuned_for) = match design.discipline {
        Discipline::Fixed { units } => (Rule::Fixed, units),
        Discipline::GroupSequential { units, .. } => (Rule::GroupSequential, units),
        Discipline::AlwaysValid { tuned_for } => (Rule::AlwaysValid, tuned_for),
    };
    let headline = if look.counts() {
        declared
    } else {
        Rule::AlwaysValid
    };
    let course = Course {
        design,
        look,
        headline,
        tuned_for,
    };
    let drafts: Vec<Draft<'_>> = design
        .metrics
        .iter()
        .map(|metric| Draft::of(design, metric, tallies))
        .collect();
    let (families, mut tested) = course.test(&drafts, ladder.as_ref());
    let metrics = drafts
        .iter()
        .map(|draft| course.metric(draft, &mut tested))
        .collect();
    ExperimentResult {
        experiment: design.key.clone(),
        control: design.control.clone(),
        alpha: design.alpha,
        look,
        end: asked.end,
        headline,
        sample_ratio: assignment::sample_ratio(design, tallies),
        metrics,
        families,
        left_out: tallies.left_out,
    }
}

/// The result of an experiment whose weights may have been others from dealing to dealing: `tallies` has an entry for
/// each of them. How many units an arm should have is told from the weights that were in force.
#[must_use]
pub fn result_of_dealings(
    design: &Design,
    dealings: &[Dealing],
    tallies: &[Tallies],
    asked: &Asked,
) -> ExperimentResult {
    let mut found = result(design, &Tallies::together(tallies), asked);
    if dealings.len() > 1 {
        found.sample_ratio = assignment::sample_ratio_of_dealings(design, dealings, tallies);
    }
    found
}

/// One metric with the evidence of each treatment.
struct Draft<'a> {
    metric: &'a Metric,
    kind: Kind,
    /// The control first.
    arms: Vec<(&'a VariationKey, &'a MetricTally)>,
    pairs: Vec<Evidence>,
}

/// Of an arm that nobody has met.
static NOBODY: MetricTally = MetricTally::NOBODY;

impl<'a> Draft<'a> {
    fn of(design: &'a Design, metric: &'a Metric, tallies: &'a Tallies) -> Self {
        let tally = |arm: &VariationKey| {
            let arm = tallies.arms.get(arm);
            arm.and_then(|arm| arm.metrics.get(&metric.name))
                .unwrap_or(&NOBODY)
        };
        let kind = Kind::of(metric);
        let arms: Vec<(&VariationKey, &MetricTally)> = std::iter::once(&design.control)
            .chain(design.treatments())
            .map(|arm| (arm, tally(arm)))
            .collect();
        let history = !design.history.is_zero() && has_history(kind, &arms);
        let control = tally(&design.control);
        let treatments = arms.iter().skip(1);
        let pairs = treatments
            .map(|(_, treatment)| Evidence::of(kind, control, treatment, history))
            .collect();
        Self {
            metric,
            kind,
            arms,
            pairs,
        }
    }
}

/// Whether enough units have a history, and it tells one from another.
fn has_history(kind: Kind, arms: &[(&VariationKey, &MetricTally)]) -> bool {
    let known = matches!(kind, Kind::Share | Kind::Mean)
        && arms.iter().all(|(_, tally)| tally.known.n >= HISTORY_MIN);
    known
        && arms
            .iter()
            .any(|(_, tally)| tally.known.comoments().is_ok_and(|known| known.m2_x > 0.0))
}

/// What was tested under one rule: for each metric and treatment.
struct Table {
    rule: Rule,
    role: Role,
    cells: std::vec::IntoIter<Answer<Tested>>,
}

struct Course<'a> {
    design: &'a Design,
    look: Look,
    headline: Rule,
    tuned_for: u64,
}

impl Course<'_> {
    /// Tests all families, in the order of the metrics and the treatments.
    fn test(
        &self,
        drafts: &[Draft<'_>],
        ladder: Option<&Result<Ladder, Refusal>>,
    ) -> (Vec<Family>, Vec<Table>) {
        let (mut families, mut tables) = (Vec::new(), Vec::new());
        for role in [Role::Success, Role::Secondary] {
            let members: Vec<Member<'_>> = drafts
                .iter()
                .filter(|draft| draft.metric.role == role)
                .flat_map(|draft| self.members(draft))
                .collect();
            if members.is_empty() {
                continue;
            }
            let mut add = |rule: Rule, applied: Result<Applied<'_>, Refusal>| {
                let family = Family::of(role, rule, members.len());
                let cells = match applied {
                    Ok(applied) => discipline::test(&members, &applied, family.correction, self.design.alpha),
                    Err(refusal) => members.iter().map(|_| Answer::Refused(refusal)).collect(),
                };
                families.push(family);
                tables.push(Table {
                    rule,
                    role,
                    cells: cells.into_iter(),
                });
            };
            add(Rule::Fixed, Ok(Applied::Fixed));
            if let Some(ladder) = ladder {
                let applied = ladder.as_ref().map(Applied::GroupSequential);
                add(Rule::GroupSequential, applied.map_err(|refusal| *refusal));
            }
            add(Rule::AlwaysValid, Ok(Applied::AlwaysValid));
        }
        let watched = drafts.iter().filter(|draft| draft.metric.role == Role::Guardrail);
        let watched = watched.map(|draft| draft.pairs.len()).sum();
        if watched > 0 {
            families.push(Family::of(Role::Guardrail, Rule::AlwaysValid, watched));
        }
        (families, tables)
    }

    fn members<'b>(&self, draft: &'b Draft<'_>) -> Vec<Member<'b>> {
        let claim = match draft.metric.goal {
            Goal::Maintain => Claim::Within(draft.metric.margin.unwrap_or(0.0)),
            _ => Claim::Differs,
        };
        let treatments = draft.arms.iter().skip(1);
        let each = draft.pairs.iter().zip(treatments);
        each.map(|(evidence, (arm, _))| Member {
            evidence,
            claim,
            sequence: ConfidenceSequence::tuned(
                Alternative::TwoSided,
                self.design.alpha,
                self.tuned_for_pair(arm),
            ),
        })
        .collect()
    }

    /// Of the units for which a test is tuned, those that fall to the control and to this arm.
    fn tuned_for_pair(&self, arm: &VariationKey) -> u64 {
        let arms = self.design.arms.iter();
        let ours = arms.filter(|one| one.variation == *arm || one.variation == self.design.control);
        let parts: u64 = ours.map(|one| u64::from(one.weight.parts())).sum();
        let units = u128::from(self.tuned_for) * u128::from(parts) / 100_000;
        u64::try_from(units).unwrap_or(u64::MAX).max(1)
    }

    fn metric(&self, draft: &Draft<'_>, tables: &mut [Table]) -> MetricResult {
        let Draft {
            metric,
            kind,
            arms,
            pairs,
        } = draft;
        let alpha = self.design.alpha;
        let treatments = arms.iter().skip(1);
        let comparisons = treatments
            .zip(pairs)
            .map(|(treatment, evidence)| self.comparison(metric, *treatment, evidence, tables))
            .collect();
        let tallies: Vec<&MetricTally> = arms.iter().map(|(_, tally)| *tally).collect();
        MetricResult {
            metric: metric.name.clone(),
            role: metric.role,
            goal: metric.goal,
            kind: *kind,
            margin: metric.margin,
            minimum_effect: metric.minimum_effect,
            on_breach: metric.on_breach,
            arms: arms
                .iter()
                .map(|(arm, tally)| ArmResult::of(arm, *kind, tally, alpha))
                .collect(),
            omnibus: (arms.len() > 2).then(|| arm::omnibus(*kind, &tallies, pairs).into()),
            comparisons,
            best: belief::best(metric, *kind, arms, pairs).into(),
        }
    }

    fn comparison(
        &self,
        metric: &Metric,
        (arm, tally): (&VariationKey, &MetricTally),
        evidence: &Evidence,
        tables: &mut [Table],
    ) -> Comparison {
        let mut take = |rule: Rule| {
            let table = tables
                .iter_mut()
                .find(|table| table.rule == rule && table.role == metric.role);
            table.and_then(|table| table.cells.next())
        };
        let fixed = take(Rule::Fixed);
        let group_sequential = take(Rule::GroupSequential);
        let always_valid = take(Rule::AlwaysValid);
        let guarded = (metric.role == Role::Guardrail).then(|| self.watch(metric, arm).look(evidence).into());
        let tested = match self.headline {
            Rule::Fixed => &fixed,
            Rule::GroupSequential => &group_sequential,
            Rule::AlwaysValid => &always_valid,
        };
        let verdict = match &guarded {
            Some(guarded) => guarded_verdict(guarded),
            None => verdict(metric, evidence, tested.as_ref()),
        };
        let (difference, lift) = effects(evidence, tested.as_ref(), guarded.as_ref());
        let prospect = self.prospect(metric, evidence, tested.as_ref());
        Comparison {
            arm: arm.clone(),
            method: evidence.method,
            history: evidence.history,
            difference,
            lift,
            verdict,
            ranks: metric.ranks.then(|| Ranks::of(tally, self.design.alpha)),
            belief: belief::belief(evidence, metric, self.design.alpha),
            fixed,
            group_sequential,
            always_valid,
            guarded,
            prospect,
        }
    }

    fn watch(&self, metric: &Metric, arm: &VariationKey) -> Watch {
        Watch {
            goal: metric.goal,
            margin: metric.margin.unwrap_or(0.0),
            level: self.design.alpha / 2.0,
            tuned_for: self.tuned_for_pair(arm),
        }
    }

    /// Conditional power: the chance to be significant at the planned end, given what is there (Jennison, Turnbull
    /// 2000, section 10.2), for a single claim.
    fn prospect(
        &self,
        metric: &Metric,
        evidence: &Evidence,
        tested: Option<&Answer<Tested>>,
    ) -> Option<Prospect> {
        let planned = self.look.planned()?;
        let share = count(self.look.units()) / count(planned);
        let aim = belief::goal(metric)?;
        tested?;
        if metric.role != Role::Success || share <= 0.0 || share >= 1.0 || self.look.is_last() {
            return None;
        }
        evidence.first_look.ok()?;
        let contrast = evidence.contrast.ok()?;
        contrast.within(0.0).ok()?;
        let error = contrast.variance().sqrt();
        let sign = match aim {
            tidegate_stats::Goal::Increase => 1.0,
            tidegate_stats::Goal::Decrease => -1.0,
        };
        let z = sign * contrast.difference / error;
        let critical = normal::isf(self.design.alpha / 2.0);
        let chance = |drift: f64| {
            let expected = z * share.sqrt() + drift * (1.0 - share);
            normal::sf((critical - expected) / (1.0 - share).sqrt())
        };
        let minimum = metric.minimum_effect.filter(|_| contrast.baseline != 0.0);
        Some(Prospect {
            by_trend: chance(z / share.sqrt()),
            by_minimum_effect: minimum
                .map(|effect| chance(effect * contrast.baseline.abs() / (error * share.sqrt()))),
        })
    }
}

fn guarded_verdict(guarded: &Answer<Guarded>) -> Verdict {
    match guarded.given().map(|guarded| guarded.safety) {
        Some(Safety::Held) => Verdict::Safe,
        Some(Safety::Breached) => Verdict::Worse,
        Some(Safety::Undecided) => Verdict::Undecided,
        None => Verdict::CannotSay,
    }
}

fn verdict(metric: &Metric, evidence: &Evidence, tested: Option<&Answer<Tested>>) -> Verdict {
    let Some(tested) = tested.and_then(Answer::given) else {
        return Verdict::CannotSay;
    };
    let margin = metric.margin.unwrap_or(0.0);
    match (belief::goal(metric), tested.significant) {
        (None, true) => Verdict::Equivalent,
        (None, false) => {
            let outside = tested.lift.given().is_some_and(|lift| {
                lift.lower.is_some_and(|lower| lower > margin)
                    || lift.upper.is_some_and(|upper| upper < -margin)
            });
            if outside {
                Verdict::Different
            } else {
                Verdict::Undecided
            }
        }
        (Some(_), false) => Verdict::Undecided,
        (Some(goal), true) => {
            let rises = evidence.contrast.is_ok_and(|contrast| contrast.difference > 0.0);
            if rises == (goal == tidegate_stats::Goal::Increase) {
                Verdict::Better
            } else {
                Verdict::Worse
            }
        }
    }
}

/// Difference and lift, with the intervals of the headline or of the guardrail.
fn effects(
    evidence: &Evidence,
    tested: Option<&Answer<Tested>>,
    guarded: Option<&Answer<Guarded>>,
) -> (Answer<Effect>, Answer<Effect>) {
    let none = Refusal::Undefined {
        why: "this look gives no interval",
    };
    let [of_difference, of_lift] = match (tested, guarded) {
        (_, Some(Answer::Given(guarded))) => [guarded.difference.clone(), guarded.lift.clone()],
        (Some(Answer::Given(tested)), None) => [tested.difference.clone(), tested.lift.clone()],
        (Some(Answer::Refused(refusal)), None) | (_, Some(Answer::Refused(refusal))) => {
            [Answer::Refused(*refusal), Answer::Refused(*refusal)]
        }
        (None, None) => [Answer::Refused(none), Answer::Refused(none)],
    };
    let contrast = evidence.contrast;
    let difference = contrast.map(|contrast| Effect {
        estimate: contrast.difference,
        standard_error: contrast.variance().sqrt(),
        interval: of_difference,
    });
    let lift = contrast.and_then(|contrast| {
        if contrast.baseline == 0.0 {
            return Err(Refusal::ZeroBaseline);
        }
        let size = contrast.baseline.abs();
        let lift = contrast.difference / size;
        let standard_error = contrast
            .against(lift)
            .map_or(contrast.variance().sqrt(), |distance| distance.standard_error);
        Ok(Effect {
            estimate: lift,
            standard_error: standard_error / size,
            interval: of_lift,
        })
    });
    (difference.into(), lift.into())
}
