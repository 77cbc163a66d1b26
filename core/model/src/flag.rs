//! Flags: variations, and who gets which.

use crate::condition::Predicate;
use crate::context::Context;
use crate::experiment::Experiment;
use crate::invalid::{Invalid, Violation};
use crate::key::{ExperimentKey, FlagKey, RolloutId, SegmentKey, VariationKey};
use crate::share::Share;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

mod check;

/// The type of a flag's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagType {
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A number; see [`NumberFormat`].
    Number,
    /// An object or list.
    Json,
    /// A boolean that is on for a share of the units: `percentage` says how large.
    Percentage,
}

/// How a number flag's values are spelled on the wire. Typed clients insist on it: Python's float
/// getter refuses `10`, its integer getter refuses `10.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// `10`
    Integer,
    /// `10.0`
    Float,
}

/// Whether a flag is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagStatus {
    /// Targeting decides.
    #[default]
    Active,
    /// Everybody gets the `off` variation, or the caller's default if there is none.
    Inactive,
    /// Put away: callers get their own default, and nothing may be changed but the status.
    Archived,
    /// Targeting decides, with an experiment between the rules and the fallback.
    Experiment,
}

/// Who may evaluate a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Tokens of the role `server`. To all others the flag does not exist.
    #[default]
    Server,
    /// Tokens of the role `client` too: web pages and other programs in the hands of others.
    Client,
}

impl Visibility {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One of the values that a flag can have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variation {
    /// Its name in the flag.
    pub key: VariationKey,
    /// What callers get.
    pub value: Value,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Units that get a variation whatever the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Individual {
    /// Targeting keys.
    pub units: Vec<String>,
    /// What they get.
    pub variation: VariationKey,
}

/// Contexts that get something else than the fallback. The first rule that matches decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetingRule {
    /// Names the rule in explanations.
    pub name: String,
    /// Whom it matches.
    pub when: Predicate,
    /// What they get.
    pub serve: Serve,
}

/// One variation, or several by weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ServeText", into = "ServeText")]
pub enum Serve {
    /// Everybody the same.
    Variation(VariationKey),
    /// By bucket, in this order. Weights add up to 100 %.
    Split(Vec<WeightedVariation>),
}

/// A variation's part of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedVariation {
    /// Which variation.
    pub variation: VariationKey,
    /// How large a part, per cent.
    pub weight: Share,
}

impl Serve {
    /// Every variation it can lead to.
    pub fn variations(&self) -> Vec<&VariationKey> {
        match self {
            Self::Variation(key) => vec![key],
            Self::Split(parts) => parts.iter().map(|part| &part.variation).collect(),
        }
    }
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ServeText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variation: Option<VariationKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<Vec<WeightedVariation>>,
}

crate::schema::written_as!(Serve, ServeText);

impl TryFrom<ServeText> for Serve {
    type Error = Violation;
    fn try_from(text: ServeText) -> Result<Self, Violation> {
        match (text.variation, text.split) {
            (Some(key), None) => Ok(Self::Variation(key)),
            (None, Some(parts)) => Ok(Self::Split(parts)),
            _ => Err(Violation::new(
                "serve",
                "",
                "exactly one of 'variation' and 'split' is given",
                r#"for example {"variation": "on"}"#,
            )),
        }
    }
}

impl From<Serve> for ServeText {
    fn from(serve: Serve) -> Self {
        match serve {
            Serve::Variation(key) => Self {
                variation: Some(key),
                split: None,
            },
            Serve::Split(parts) => Self {
                variation: None,
                split: Some(parts),
            },
        }
    }
}

/// Another flag that must serve one of the named variations first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prerequisite {
    /// The other flag.
    pub flag: FlagKey,
    /// Which of its variations will do.
    pub variations: Vec<VariationKey>,
}

/// A flag as it is written, not yet checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlagDefinition {
    /// Its name in the environment.
    pub key: FlagKey,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: FlagType,
    /// Only for number flags; read off the values when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_format: Option<NumberFormat>,
    /// Whether it is in use.
    #[serde(default)]
    pub status: FlagStatus,
    /// Who may evaluate it.
    #[serde(default, skip_serializing_if = "Visibility::is_default")]
    pub visibility: Visibility,
    /// The values it can have. A boolean or percentage flag may leave them out: `on` and `off`.
    #[serde(default)]
    pub variations: Vec<Variation>,
    /// What everybody gets while inactive and when a prerequisite fails. Left out: the caller's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<VariationKey>,
    /// Only for percentage flags, instead of `fallback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<Share>,
    /// Flags that must serve certain variations first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Prerequisite>,
    /// Asked first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub individuals: Vec<Individual>,
    /// Asked next, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<TargetingRule>,
    /// Asked after the rules, while the status is `experiment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Box<Experiment>>,
    /// What everybody else gets, behind the rollout. Left out: the `off` variation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Serve>,
    /// The attribute that is bucketed, by default the targeting key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Keeps this flag's buckets apart from other flags'; by default the flag's key. Changing it
    /// deals all units anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// A flag whose definition holds together on its own, with everything left out filled in.
/// A clone shares the definition.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "FlagDefinition")]
#[schema(value_type = FlagDefinition)]
pub struct Flag(Arc<FlagDefinition>);

impl Flag {
    /// A flag, if its definition holds together. Whether the segments and flags it names exist is
    /// the catalogue's question.
    ///
    /// # Errors
    /// Everything that is wrong with the definition.
    pub fn new(definition: FlagDefinition) -> Result<Self, Invalid> {
        let definition = check::complete(definition);
        Invalid::unless_empty(check::violations(&definition), Self(Arc::new(definition)))
    }

    /// What it says.
    pub fn definition(&self) -> &FlagDefinition {
        &self.0
    }

    /// Its name.
    pub fn key(&self) -> &FlagKey {
        &self.0.key
    }

    /// The variation of this name.
    pub fn variation(&self, key: &VariationKey) -> Option<&Variation> {
        self.0.variations.iter().find(|variation| &variation.key == key)
    }

    /// A value as this flag writes it: among decimal numbers `10` is `10.0`.
    pub fn spelled(&self, value: &Value) -> Value {
        let float = self.0.number_format == Some(NumberFormat::Float);
        let float = float.then(|| check::as_float(value)).flatten();
        float.unwrap_or_else(|| value.clone())
    }

    /// The experiment, while there is one running.
    pub fn running_experiment(&self) -> Option<&Experiment> {
        self.0
            .experiment
            .as_deref()
            .filter(|_| self.0.status == FlagStatus::Experiment)
    }

    /// What is put before the unit when it is bucketed.
    pub fn salt(&self) -> &str {
        self.0.salt.as_deref().unwrap_or(self.0.key.as_str())
    }

    /// What everybody gets who is caught by nothing else; `None` is the caller's default.
    pub fn fallback(&self) -> Option<&Serve> {
        self.0.fallback.as_ref()
    }

    /// The same flag with another fallback.
    ///
    /// # Errors
    /// When the flag has no such variation.
    pub fn with_fallback(&self, fallback: Serve) -> Result<Self, Invalid> {
        Self::new(FlagDefinition {
            fallback: Some(fallback),
            ..self.definition().clone()
        })
    }

    /// Every segment it names, each with the field that does.
    pub fn segments(&self) -> Vec<(String, &SegmentKey)> {
        let rules = (0..).zip(&self.0.rules);
        let rules = rules.map(|(i, rule): (usize, _)| (format!("rules[{i}].when"), &rule.when));
        let audience = self.0.experiment.iter().filter_map(|one| one.audience.as_ref());
        let audience = audience.map(|when| ("experiment.audience".to_owned(), when));
        rules
            .chain(audience)
            .flat_map(|(field, when)| when.segments().into_iter().map(move |key| (field.clone(), key)))
            .collect()
    }

    /// Names of everything that targeting can serve.
    pub fn variation_keys(&self) -> BTreeSet<&VariationKey> {
        self.0.variations.iter().map(|variation| &variation.key).collect()
    }
}

impl TryFrom<FlagDefinition> for Flag {
    type Error = Invalid;
    fn try_from(definition: FlagDefinition) -> Result<Self, Invalid> {
        Self::new(definition)
    }
}

impl From<Flag> for FlagDefinition {
    fn from(flag: Flag) -> Self {
        Arc::unwrap_or_clone(flag.0)
    }
}

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A flag as the control plane keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagState {
    /// What it says.
    pub flag: Flag,
    /// The rollout that owns its fallback at present.
    pub pin: Option<Pin>,
    /// How many rollouts were ever started on it.
    pub attempts: u32,
    /// The experiment that runs on it at present, or is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ExperimentKey>,
}

impl FlagState {
    /// The attribute that is bucketed.
    pub fn unit(&self) -> &str {
        self.flag
            .definition()
            .unit
            .as_deref()
            .unwrap_or(Context::TARGETING_KEY)
    }

    /// The state while an experiment holds it, and deals these arms; `None`: it deals none for now. A flag that is
    /// switched off stays so.
    ///
    /// # Errors
    /// When the flag has not these variations.
    pub fn hold(self, key: &ExperimentKey, dealing: Option<&Experiment>) -> Result<Self, Invalid> {
        let definition = self.flag.definition();
        let status = match (definition.status, dealing) {
            (FlagStatus::Inactive, _) => FlagStatus::Inactive,
            (_, Some(_)) => FlagStatus::Experiment,
            (_, None) => FlagStatus::Active,
        };
        let flag = Flag::new(FlagDefinition {
            status,
            experiment: dealing.cloned().map(Box::new),
            ..definition.clone()
        })?;
        Ok(Self {
            flag,
            held: Some(key.clone()),
            ..self
        })
    }

    /// The state when the experiment lets go of it, and everybody gets this variation from then on, or what the flag
    /// serves without the experiment.
    ///
    /// # Errors
    /// When the flag has no such variation.
    pub fn let_go(self, fallback: Option<&VariationKey>) -> Result<Self, Invalid> {
        let definition = self.flag.definition();
        let status = match definition.status {
            FlagStatus::Experiment => FlagStatus::Active,
            other => other,
        };
        let fallback = fallback.cloned().map(Serve::Variation);
        let flag = Flag::new(FlagDefinition {
            status,
            experiment: None,
            fallback: fallback.or_else(|| definition.fallback.clone()),
            ..definition.clone()
        })?;
        Ok(Self {
            flag,
            held: None,
            ..self
        })
    }
}

/// A running rollout's hold on a flag: while it stands, neither variation may be edited or removed,
/// the fallback belongs to the rollout, and no second rollout starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The rollout that holds it.
    pub rollout: RolloutId,
    /// The variation being opened.
    pub candidate: VariationKey,
    /// The variation that a rollback returns to.
    pub safe: VariationKey,
}
