//! The long answer: every step on the way to an evaluation, for people.
//!
//! Written apart from [`decide`](crate::decide), because it looks at everything where evaluating stops
//! at the first thing that decides. A property test proves that both come to the same end.

use crate::bucket::Salt;
use crate::condition::{Condition, Test};
use crate::evaluation::Evaluation;
use crate::flag::{CompiledFlag, Individual, Prerequisite, Serve};
use crate::outcome::{Cause, Outcome};
use crate::predicate::Predicate;
use crate::prepared::PreparedContext;
use crate::snapshot::CompiledSnapshot;
use serde::Serialize;
use serde_json::Value;
use tidegate_model::condition::{Operator, circle};
use tidegate_model::flag::FlagStatus;
use tidegate_model::segment::Points;
use tidegate_model::share::Share;

mod experiment;
mod membership;

/// How an evaluation came about. Repeats the context's values: show it only to who sent the context.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation<'a> {
    /// The flag that was asked for.
    pub flag: &'a str,
    /// The answer.
    pub evaluation: Evaluation<'a>,
    /// What was looked at, in order; the last one decided.
    pub steps: Vec<Step<'a>>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step<'a> {
    /// The flag's status.
    Status {
        /// Which.
        status: FlagStatus,
    },
    /// Another flag had to serve certain variations.
    #[serde(rename_all = "camelCase")]
    Prerequisite {
        /// The other flag.
        flag: &'a str,
        /// What it serves; `None` when it has no answer.
        serves: Option<&'a str>,
        /// Whether that will do.
        holds: bool,
    },
    /// The lists of units.
    Individuals {
        /// Whether the targeting key is in one of them.
        listed: bool,
    },
    /// A targeting rule.
    Rule {
        /// Its name.
        rule: &'a str,
        /// Whether it matched, and why.
        when: Finding<'a>,
    },
    /// The unit's bucket, when one was needed.
    Bucket {
        /// The attribute that is bucketed.
        attribute: &'a str,
        /// The flag's salt, or the experiment's.
        salt: &'a str,
        /// 0 to 99,999; `None` when the context has no such attribute.
        bucket: Option<u32>,
    },
    /// The units that the experiment keeps out.
    Holdout {
        /// Which holdout.
        holdout: &'a str,
        /// How large it is: buckets below it are held out.
        share: Share,
        /// The unit's bucket under `holdout.<key>`; `None` when there is no unit.
        bucket: Option<u32>,
        /// Whether the unit is held out.
        held: bool,
    },
    /// Who may take part in the experiment.
    Audience {
        /// Whether the context is one of them, and why.
        when: Finding<'a>,
    },
    /// The experiment's part of a layer.
    Layer {
        /// Which layer.
        layer: &'a str,
        /// Where the part begins.
        from: Share,
        /// Where it ends.
        to: Share,
        /// The unit's bucket under `layer.<key>`; `None` when there is no unit.
        bucket: Option<u32>,
        /// Whether the bucket is in the part.
        inside: bool,
    },
    /// How many of the rest take part.
    Allocation {
        /// Buckets below it do.
        share: Share,
        /// The unit's bucket under `<salt>.allocation`; `None` when there is no unit.
        bucket: Option<u32>,
        /// Whether the unit is one of them.
        inside: bool,
    },
    /// The running experiment.
    #[serde(rename_all = "camelCase")]
    Experiment {
        /// Which.
        experiment: &'a str,
        /// Whether the unit takes part.
        takes_part: bool,
    },
    /// A segment to which the running rollout is open further than to anybody.
    Wave {
        /// Which.
        segment: &'a str,
        /// How far: buckets below it get the candidate.
        share: Share,
        /// Whether the context is in it.
        inside: bool,
    },
    /// The running rollout.
    Rollout {
        /// Which.
        rollout: &'a str,
        /// How far it is open: buckets below it get the candidate.
        share: Share,
    },
    /// What everybody else gets.
    Fallback {
        /// Whether the flag has one.
        present: bool,
    },
}

/// Whether something about the context holds, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Finding<'a> {
    /// Every one must hold.
    All {
        /// Whether they do.
        holds: bool,
        /// Each of them.
        of: Vec<Finding<'a>>,
    },
    /// At least one must hold.
    Any {
        /// Whether one does.
        holds: bool,
        /// Each of them.
        of: Vec<Finding<'a>>,
    },
    /// It must not hold.
    Not {
        /// Whether it does not.
        holds: bool,
        /// What must not.
        of: Box<Finding<'a>>,
    },
    /// The context must be in a segment.
    Segment {
        /// Which.
        segment: &'a str,
        /// Whether it is.
        holds: bool,
        /// Why.
        because: Membership<'a>,
        /// An edit of the segment that is being opened.
        #[serde(skip_serializing_if = "Option::is_none")]
        staged: Option<Staging<'a>>,
    },
    /// A condition on one attribute.
    Condition {
        /// The attribute.
        attribute: &'a str,
        /// How it is compared.
        operator: Operator,
        /// With what, as JSON, shortened.
        operand: &'a str,
        /// What the context has there.
        seen: Option<Value>,
        /// Whether the condition holds.
        holds: bool,
    },
    /// A condition on how far away the context is.
    Distance {
        /// The attribute that has a latitude and a longitude.
        attribute: &'a str,
        /// The place and the distance it is compared with, as JSON.
        operand: &'a str,
        /// How far away it is; `None` when the context does not say where it is.
        kilometres: Option<f64>,
        /// Whether that is near enough.
        holds: bool,
    },
}

/// Why a context is in a segment, or is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Membership<'a> {
    /// The targeting key is on the list of those who are out.
    Excluded,
    /// The targeting key is on the list of those who are in.
    Included,
    /// The targeting key is on the imported list.
    Imported,
    /// The segment's conditions decided.
    Conditions(Box<Finding<'a>>),
    /// The segment's score decided.
    #[serde(rename_all = "camelCase")]
    Score {
        /// The sum of the weights of the parts that hold.
        score: Points,
        /// The lowest score that is in.
        at_least: Points,
        /// What speaks for and against.
        parts: Vec<ScoredPart<'a>>,
        /// The conditions beside the score, which do not hold.
        #[serde(skip_serializing_if = "Option::is_none")]
        conditions: Option<Box<Finding<'a>>>,
    },
    /// The segment has lists only, and the targeting key is on none.
    NotListed,
    /// Nobody is in the segment: it is a draft or inactive.
    NotActive,
    /// Told further up in the same explanation.
    AsAbove,
}

/// An edit of a segment that some units have already.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Staging<'a> {
    /// The flag whose rollout opens it.
    pub guard: &'a str,
    /// How far it is open: for buckets below it the segment is what the edit says.
    pub share: Share,
    /// The unit's bucket under the guard's salt; `None` when there is no unit.
    pub bucket: Option<u32>,
    /// Whether the edit holds for the context.
    pub applies: bool,
}

/// A part of a segment's score.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoredPart<'a> {
    /// How much it counts.
    pub weight: Points,
    /// Whether it does, and why.
    pub when: Finding<'a>,
}

impl Finding<'_> {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match self {
            Self::All { holds, .. }
            | Self::Any { holds, .. }
            | Self::Not { holds, .. }
            | Self::Segment { holds, .. }
            | Self::Condition { holds, .. }
            | Self::Distance { holds, .. } => *holds,
        }
    }
}

impl CompiledSnapshot {
    /// Evaluates like [`evaluate`](Self::evaluate) and tells every step. Allocates, and takes
    /// thousands of times as long.
    pub fn explain<'a>(&'a self, flag: &'a str, context: &'a PreparedContext<'_>) -> Explanation<'a> {
        let mut trace = Trace {
            snapshot: self,
            context,
            steps: Vec::new(),
            told: vec![None; self.segments.len()],
        };
        let (compiled, outcome) = match self.find(flag) {
            Some(compiled) => (compiled, trace.flag(compiled)),
            None => (&self.nothing, Outcome::new(None, Cause::FlagNotFound)),
        };
        Explanation {
            flag,
            evaluation: Evaluation {
                flag: compiled,
                outcome,
            },
            steps: trace.steps,
        }
    }
}

/// An explanation that is being written.
struct Trace<'a> {
    snapshot: &'a CompiledSnapshot,
    context: &'a PreparedContext<'a>,
    steps: Vec<Step<'a>>,
    /// Segments that have been told already: segments within segments could fill the world.
    told: Vec<Option<bool>>,
}

impl<'a> Trace<'a> {
    fn flag(&mut self, flag: &'a CompiledFlag) -> Outcome {
        self.steps.push(Step::Status { status: flag.status });
        match flag.status {
            FlagStatus::Archived => return Outcome::new(None, Cause::Disabled),
            FlagStatus::Inactive => return Outcome::new(flag.off, Cause::Disabled),
            FlagStatus::Active | FlagStatus::Experiment => {}
        }
        for (place, prerequisite) in (0..).zip(&flag.prerequisites) {
            if !self.is_met(prerequisite) {
                return Outcome::new(flag.off, Cause::PrerequisiteFailed).at(place);
            }
        }
        if let Some(individual) = self.individual(flag) {
            return Outcome::new(Some(individual.variation), Cause::IndividualOverride);
        }
        for (place, (rule, name)) in (0..).zip(flag.rules.iter().zip(&flag.cold.rule_names)) {
            let when = self.finding(&rule.when);
            let matched = when.holds();
            self.steps.push(Step::Rule { rule: name, when });
            if matched {
                return self
                    .serve(flag, &rule.serve, &flag.salt, Cause::TargetingMatch)
                    .at(place);
            }
        }
        if let Some(experiment) = &flag.experiment
            && let Some(outcome) = self.experiment(flag, experiment)
        {
            return outcome;
        }
        if let (Some(serve), Some(rollout)) = (&flag.rollout, &flag.cold.rollout) {
            for (wave, name) in flag.waves.iter().zip(&rollout.waves) {
                let inside = self.finding(&wave.when).holds();
                let (segment, share) = (name.segment.as_str(), name.share);
                self.steps.push(Step::Wave {
                    segment,
                    share,
                    inside,
                });
                if inside {
                    return self.serve(flag, &wave.serve, &flag.salt, Cause::Rollout);
                }
            }
            let (id, share) = (rollout.id.as_str(), rollout.share);
            self.steps.push(Step::Rollout { rollout: id, share });
            return self.serve(flag, serve, &flag.salt, Cause::Rollout);
        }
        let usual = flag
            .fallback
            .as_ref()
            .map(|fallback| fallback_cause(flag, fallback));
        self.fallback(flag, usual.unwrap_or(Cause::Default))
    }

    fn fallback(&mut self, flag: &'a CompiledFlag, cause: Cause) -> Outcome {
        let present = flag.fallback.is_some();
        self.steps.push(Step::Fallback { present });
        match &flag.fallback {
            Some(fallback) => self.serve(flag, fallback, &flag.salt, cause),
            None => Outcome::new(None, cause),
        }
    }

    fn is_met(&mut self, prerequisite: &'a Prerequisite) -> bool {
        let other = self.snapshot.flags.get(prerequisite.flag as usize);
        let served = other.and_then(|other| {
            let variation = self.snapshot.decide(other, self.context).variation()?;
            Some((other, variation))
        });
        let holds = served.is_some_and(|(_, variation)| prerequisite.accepted.contains(&variation));
        self.steps.push(Step::Prerequisite {
            flag: prerequisite.key.as_str(),
            serves: served.and_then(|(other, variation)| other.variation_key(variation)),
            holds,
        });
        holds
    }

    fn individual(&mut self, flag: &'a CompiledFlag) -> Option<&'a Individual> {
        if flag.individuals.is_empty() {
            return None;
        }
        let unit = self.context.targeting_key();
        let individual = flag.individuals.iter().find(|one| one.units.contains(unit));
        let listed = individual.is_some();
        self.steps.push(Step::Individuals { listed });
        individual
    }

    fn serve(&mut self, flag: &'a CompiledFlag, serve: &'a Serve, salt: &'a Salt, cause: Cause) -> Outcome {
        let split = serve.is_split();
        let mut bucket = None;
        if split {
            bucket = self.context.bucket(flag.unit, salt);
            self.steps.push(Step::Bucket {
                attribute: self.snapshot.vocabulary.name(flag.unit),
                salt: salt.as_str(),
                bucket,
            });
        }
        match serve.variation(|| bucket) {
            Some(variation) => Outcome::new(Some(variation), cause).split(split),
            None => Outcome::new(None, Cause::TargetingKeyMissing),
        }
    }

    fn finding(&mut self, predicate: &'a Predicate) -> Finding<'a> {
        match predicate {
            Predicate::All(inner) => {
                let of: Vec<_> = inner.iter().map(|one| self.finding(one)).collect();
                let holds = of.iter().all(Finding::holds);
                Finding::All { holds, of }
            }
            Predicate::Any(inner) => {
                let of: Vec<_> = inner.iter().map(|one| self.finding(one)).collect();
                let holds = of.iter().any(Finding::holds);
                Finding::Any { holds, of }
            }
            Predicate::Not(inner) => {
                let of = Box::new(self.finding(inner));
                let holds = !of.holds();
                Finding::Not { holds, of }
            }
            Predicate::Segment(place) => self.membership(*place),
            Predicate::Condition(condition) => self.condition(condition),
        }
    }

    fn condition(&self, condition: &'a Condition) -> Finding<'a> {
        let attribute = self.snapshot.vocabulary.name(condition.attribute);
        let seen = &self.context.attribute(condition.attribute).seen;
        let (operand, holds) = (&*condition.operand, condition.holds(self.context));
        match &condition.test {
            Test::Near(near) => Finding::Distance {
                attribute: circle::place_of(attribute),
                operand,
                kilometres: near.kilometres_to(seen, self.context),
                holds,
            },
            _ => Finding::Condition {
                attribute,
                operator: condition.operator,
                operand,
                seen: seen.to_json(),
                holds,
            },
        }
    }
}

/// Why the fallback decided, if it did.
fn fallback_cause(flag: &CompiledFlag, fallback: &Serve) -> Cause {
    if flag.is_untargeted() && !fallback.is_split() {
        Cause::Static
    } else {
        Cause::Fallback
    }
}
