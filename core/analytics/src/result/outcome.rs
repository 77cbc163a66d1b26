//! What a result says.

use super::{
    Answer, ArmResult, Belief, Best, Bounds, End, Family, Guarded, History, Kind, Look, Method, Omnibus,
    Ranks, Rule, SampleRatio, Tested,
};
use serde::Serialize;
use tidegate_model::experiment::tally::LeftOut;
use tidegate_model::experiment::{Goal, OnBreach, Role};
use tidegate_model::key::{ExperimentKey, MetricName, VariationKey};

/// What an experiment says so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentResult {
    /// Which one.
    pub experiment: ExperimentKey,
    /// The arm that the others are compared with.
    pub control: VariationKey,
    /// The accepted chance of a false alarm.
    pub alpha: f64,
    /// What kind of look this is.
    pub look: Look,
    /// Whether it is over.
    pub end: End,
    /// The rule whose numbers are shown first: the declared one if this look counts, else the always-valid one.
    pub headline: Rule,
    /// Whether the arms have got as many units as they should.
    pub sample_ratio: Answer<SampleRatio>,
    /// Each metric, in the order of the design.
    pub metrics: Vec<MetricResult>,
    /// Which claims were corrected together, and how.
    pub families: Vec<Family>,
    /// What is in no arm.
    pub left_out: LeftOut,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricResult {
    /// Its name.
    pub metric: MetricName,
    /// What the experiment does with it.
    pub role: Role,
    /// Which way is good.
    pub goal: Goal,
    /// Which kind of number it is.
    pub kind: Kind,
    /// How much worse still counts as the same, as a share of the control's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// The smallest change that is worth finding, as a share of the control's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_effect: Option<f64>,
    /// What it does by itself when it is broken.
    pub on_breach: OnBreach,
    /// Each arm, the control first.
    pub arms: Vec<ArmResult>,
    /// Whether the arms differ at all, where there are more than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omnibus: Option<Answer<Omnibus>>,
    /// Each treatment.
    pub comparisons: Vec<Comparison>,
    /// How likely each arm is the best one.
    pub best: Answer<Vec<Best>>,
}

/// One metric of one treatment, against the control.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The treatment.
    pub arm: VariationKey,
    /// How both arms are compared.
    pub method: Method,
    /// What the units' history explains, where it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// Treatment less control, in the metric's unit, with the interval of the headline.
    pub difference: Answer<Effect>,
    /// The same as a share of the control's value.
    pub lift: Answer<Effect>,
    /// What the headline proves.
    pub verdict: Verdict,
    /// The test for one look at the planned size. Not for guardrails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Answer<Tested>>,
    /// The test at a planned look; only at such a look of a group sequential design.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_sequential: Option<Answer<Tested>>,
    /// The test that may be looked at whenever one likes. Not for guardrails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_valid: Option<Answer<Tested>>,
    /// What is watched of a guardrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarded: Option<Answer<Guarded>>,
    /// What ranks say, where the design asks for them; they decide nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<Ranks>,
    /// What is to be believed.
    pub belief: Belief,
    /// What may still come of it, where an end is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prospect: Option<Prospect>,
}

/// An effect with the interval that the headline gives it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The effect.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Where it may lie.
    pub interval: Answer<Bounds>,
}

/// What a comparison proves, under the rule of the headline and after corrections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The treatment is better.
    Better,
    /// The treatment is worse; a guardrail: by more than is tolerated.
    Worse,
    /// It is the same to within the margin.
    Equivalent,
    /// It is further away than the margin.
    Different,
    /// A guardrail: it is not worse than is tolerated.
    Safe,
    /// Nothing is proven.
    Undecided,
    /// Nothing can be said.
    CannotSay,
}

/// The chance that the last look proves an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prospect {
    /// If what comes is as what was seen.
    pub by_trend: f64,
    /// If the effect is the smallest one worth finding; `None` where none was declared.
    pub by_minimum_effect: Option<f64>,
}
