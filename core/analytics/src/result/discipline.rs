//! One family of claims under one rule about when one may look: p-values, adjusted p-values, matching intervals.

use super::answer::{Answer, Bounds, Chance};
use super::evidence::{Evidence, Signal};
use super::ladder::Ladder;
use serde::Serialize;
use tidegate_model::experiment::Role;
use tidegate_stats::distribution::{normal, student};
use tidegate_stats::multiplicity::{self, Correction, e_benjamini_hochberg};
use tidegate_stats::sequential::{BetaPrior, ConfidenceSequence, two_proportion_e_value};
use tidegate_stats::{Alternative, PValue, Refusal};

/// A rule about when one may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Once, at the planned size.
    Fixed,
    /// At planned looks, with bounds.
    GroupSequential,
    /// Whenever one likes.
    AlwaysValid,
}

/// What one test says under one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// How many standard errors the estimate is away from no effect; for equivalence, from the nearer margin. `None`
    /// for exact tests.
    pub statistic: Option<f64>,
    /// Fixed: the two-sided p-value. Group sequential: the repeated one, the smallest alpha at which this look rejects.
    /// Always-valid: 1 by the e-value. For equivalence twice the larger of both one-sided ones.
    pub p: Chance,
    /// The p-value adjusted for all claims of the family.
    pub adjusted: Chance,
    /// Whether the adjusted one is at most alpha.
    pub significant: bool,
    /// The total error of the intervals: that of the step of the correction that decided.
    pub level: f64,
    /// The matching interval of the difference. It leaves 0 out exactly when the test is significant; for equivalence
    /// see the lift.
    pub difference: Answer<Bounds>,
    /// The matching interval of the lift, from the same test; for equivalence it lies inside of the margins exactly
    /// when the test is significant.
    pub lift: Answer<Bounds>,
}

/// How the claims of a family are corrected together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Corrected {
    /// Holm: the chance of any false claim.
    Holm,
    /// Benjamini and Hochberg: the share of false ones among the claims.
    BenjaminiHochberg,
    /// The same for e-values, whenever they are looked at (Wang and Ramdas).
    EBenjaminiHochberg,
    /// Not at all: each guardrail is watched by itself, because a breach must not be hidden by other metrics.
    Single,
}

/// Claims that are corrected together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Family {
    /// The metrics with this role, times the treatments.
    pub role: Role,
    /// Under which rule.
    pub rule: Rule,
    /// By which correction.
    pub correction: Corrected,
    /// How many claims, those among them that could not be tested.
    pub claims: usize,
}

impl Family {
    pub(crate) const fn of(role: Role, rule: Rule, claims: usize) -> Self {
        let correction = match (role, rule) {
            (Role::Guardrail, _) => Corrected::Single,
            (Role::Success, _) => Corrected::Holm,
            (Role::Secondary, Rule::AlwaysValid) => Corrected::EBenjaminiHochberg,
            (Role::Secondary, _) => Corrected::BenjaminiHochberg,
        };
        Self {
            role,
            rule,
            correction,
            claims,
        }
    }
}

/// What is to be proven.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Claim {
    /// That there is a difference.
    Differs,
    /// That the lift is smaller than this, either way.
    Within(f64),
}

/// One claim about two arms.
pub(crate) struct Member<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) claim: Claim,
    /// For looks at any time.
    pub(crate) sequence: Result<ConfidenceSequence, Refusal>,
}

/// What a look sees before corrections.
struct Seen {
    signal: Option<Signal>,
    p: PValue,
    ln_e: f64,
}

impl Member<'_> {
    fn signal(&self) -> Result<Signal, Refusal> {
        match self.claim {
            Claim::Differs => self.evidence.signal(),
            Claim::Within(_) if self.evidence.is_exact() => Err(TOO_SMALL),
            Claim::Within(margin) => self.evidence.within_margin(margin),
        }
    }

    fn fixed(&self) -> Result<Seen, Refusal> {
        if self.evidence.is_exact() && self.claim == Claim::Differs {
            return Ok(Seen {
                signal: None,
                p: self.evidence.exact_p()?,
                ln_e: f64::NEG_INFINITY,
            });
        }
        let signal = self.signal()?;
        Ok(Seen {
            signal: Some(signal),
            p: signal.p(),
            ln_e: f64::NEG_INFINITY,
        })
    }

    fn at_look(&self, ladder: &Ladder) -> Result<Seen, Refusal> {
        self.evidence.first_look?;
        let signal = self.signal()?;
        Ok(Seen {
            signal: Some(signal),
            p: ladder.p(signal.normal()),
            ln_e: f64::NEG_INFINITY,
        })
    }

    fn at_any_time(&self) -> Result<Seen, Refusal> {
        if let (Err(_), Claim::Differs, Some([control, treatment])) =
            (self.evidence.first_look, self.claim, self.evidence.counts)
        {
            let prior = BetaPrior::default();
            let e = two_proportion_e_value(control, treatment, Alternative::TwoSided, prior)?;
            return Ok(Seen {
                signal: None,
                p: e.p,
                ln_e: e.ln_e,
            });
        }
        self.evidence.first_look?;
        // Both arms' own variances, as lifts need them too.
        let signal = match self.claim {
            Claim::Differs => {
                let contrast = self.evidence.contrast?;
                contrast.within(0.0)?;
                Signal {
                    z: contrast.difference / contrast.variance().sqrt(),
                    df: None,
                    two_sided: true,
                }
            }
            Claim::Within(margin) => Signal {
                df: None,
                ..self.evidence.within_margin(margin)?
            },
        };
        let look = self.sequence?.look(self.evidence.users, signal.z, 1.0)?;
        let speaks = signal.two_sided || signal.z > 0.0;
        let ln_e = if speaks { look.ln_e } else { f64::NEG_INFINITY };
        Ok(Seen {
            signal: Some(signal),
            p: PValue::from_ln(-ln_e.max(0.0)),
            ln_e,
        })
    }

    /// The intervals of the difference and of the lift at a level.
    fn bounds(&self, rule: &Applied<'_>, seen: &Seen, level: f64) -> [Answer<Bounds>; 2] {
        let refused = |refusal| [Answer::Refused(refusal), Answer::Refused(refusal)];
        let Some(signal) = seen.signal else {
            return match (rule, self.evidence.first_look) {
                (Applied::AlwaysValid, Err(refusal)) => refused(refusal),
                _ => self.evidence.exact_bounds(level),
            };
        };
        let critical = match rule {
            Applied::Fixed => Ok(signal.critical(level)),
            Applied::GroupSequential(ladder) => {
                let bound = ladder.bound(level);
                Ok(match signal.df {
                    Some(df) if bound < 37.0 => student::isf(normal::sf(bound), df),
                    _ => bound,
                })
            }
            Applied::AlwaysValid => self
                .sequence
                .and_then(|sequence| sequence.at_level(level)?.reach(self.evidence.users)),
        };
        match (critical, rule, self.claim) {
            (Err(refusal), ..) => refused(refusal),
            // The score intervals belong to the test of no difference alone.
            (Ok(critical), Applied::AlwaysValid, _) | (Ok(critical), _, Claim::Within(_)) => {
                self.evidence.plain_bounds(critical)
            }
            (Ok(critical), ..) => self.evidence.bounds(critical),
        }
    }
}

const TOO_SMALL: Refusal = Refusal::Undefined {
    why: "with so few events equivalence cannot be shown",
};

/// A rule with what it needs.
pub(crate) enum Applied<'a> {
    Fixed,
    GroupSequential(&'a Ladder),
    AlwaysValid,
}

/// Tests all claims of one family, corrected together at `alpha`. A claim that cannot be tested counts like one that
/// nothing speaks for.
pub(crate) fn test(
    members: &[Member<'_>],
    rule: &Applied<'_>,
    correction: Corrected,
    alpha: f64,
) -> Vec<Answer<Tested>> {
    let seen: Vec<Result<Seen, Refusal>> = members
        .iter()
        .map(|member| match rule {
            Applied::Fixed => member.fixed(),
            Applied::GroupSequential(ladder) => member.at_look(ladder),
            Applied::AlwaysValid => member.at_any_time(),
        })
        .collect();
    let decided = match correct(&seen, correction, alpha) {
        Ok(decided) => decided,
        Err(refusal) => return members.iter().map(|_| Answer::Refused(refusal)).collect(),
    };
    let each = members.iter().zip(seen).zip(decided);
    each.map(|((member, seen), decided)| {
        Answer::from(seen.map(|seen| {
            let [difference, lift] = member.bounds(rule, &seen, decided.level);
            Tested {
                statistic: seen.signal.map(|signal| signal.z),
                p: seen.p.into(),
                adjusted: decided.p.into(),
                significant: decided.rejected,
                level: decided.level,
                difference,
                lift,
            }
        }))
    })
    .collect()
}

struct Decided {
    p: PValue,
    rejected: bool,
    level: f64,
}

fn correct(
    seen: &[Result<Seen, Refusal>],
    correction: Corrected,
    alpha: f64,
) -> Result<Vec<Decided>, Refusal> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let nothing = PValue::new(1.0, 0.0);
    let adjust = |correction| {
        let p: Vec<PValue> = seen
            .iter()
            .map(|seen| seen.as_ref().map_or(nothing, |seen| seen.p))
            .collect();
        let adjusted = multiplicity::adjust(&p, correction, alpha)?;
        Ok(adjusted
            .into_iter()
            .map(|one| Decided {
                p: one.p,
                rejected: one.rejected,
                level: one.level.unwrap_or(alpha),
            })
            .collect())
    };
    match correction {
        Corrected::Holm => adjust(Correction::Holm),
        Corrected::BenjaminiHochberg => adjust(Correction::BenjaminiHochberg),
        Corrected::EBenjaminiHochberg => {
            let ln_e: Vec<f64> = seen
                .iter()
                .map(|seen| seen.as_ref().map_or(f64::NEG_INFINITY, |seen| seen.ln_e))
                .collect();
            let family = e_benjamini_hochberg(&ln_e, alpha)?;
            let level = family.level;
            let decisions = family.decisions.into_iter();
            Ok(decisions
                .map(|one| Decided {
                    p: PValue::from_ln(one.ln_adjusted),
                    rejected: one.rejected,
                    level,
                })
                .collect())
        }
        Corrected::Single => Ok(seen
            .iter()
            .map(|seen| {
                let p = seen.as_ref().map_or(nothing, |seen| seen.p);
                Decided {
                    p,
                    rejected: p.ln <= alpha.ln(),
                    level: alpha,
                }
            })
            .collect()),
    }
}
