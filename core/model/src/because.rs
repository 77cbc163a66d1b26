//! Why something was decided, and why nothing was: what an operator reads at 3 a.m.

use crate::Timestamp;
use crate::key::{Fingerprint, NodeName, RuleName, StageName, TargetName};
use crate::policy::Comparison;
use crate::rollout::PauseOwner;
use crate::share::Share;
use crate::span::Span;
use crate::verdict::{UnknownReason, Verdict};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A decision and everything that led to it. The compiler warns when one is thrown away.
#[must_use = "an explanation that nobody keeps is a decision nobody can review"]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Because {
    /// What was decided.
    pub decision: Decision,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Decision {
    /// A rollout began with this share.
    Started {
        /// The first stage's share.
        share: Share,
    },
    /// Nothing changes.
    Holds {
        /// The share it stays at.
        share: Share,
    },
    /// The stage took effect on the nodes.
    TookEffect {
        /// The share that the nodes serve.
        share: Share,
    },
    /// The next stage opened.
    Advanced {
        /// The stage that opened.
        stage: StageName,
        /// Its share.
        share: Share,
    },
    /// Waits for a person.
    Paused {
        /// The share it stays at.
        share: Share,
    },
    /// Goes on.
    Resumed {
        /// The share it goes on from.
        share: Share,
    },
    /// A person let a stage open.
    Approved {
        /// The stage that may open.
        stage: StageName,
    },
    /// Back to an earlier stage.
    Retreated {
        /// The share it went back to.
        share: Share,
    },
    /// The safe variation was put in force for everybody; not yet confirmed by every node.
    RollingBack,
    /// Every live node confirmed the safe variation.
    RolledBack {
        /// From the decision to the last confirmation.
        took: Span,
    },
    /// The candidate is what everybody gets.
    Completed,
    /// A person ended it, and every live node confirmed the safe variation.
    Aborted,
    /// Something worth waking a person, with no change of share.
    Alerted {
        /// The share it stays at.
        share: Share,
    },
    /// A definition was saved.
    Saved,
}

/// One reason for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// What a rule said last.
    Rule {
        /// Which rule.
        rule: RuleName,
        /// What it said.
        verdict: Verdict,
        /// The value, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<f64>,
        /// Which side is bad.
        comparison: Comparison,
        /// Where the bad side begins.
        threshold: f64,
        /// How many of the remembered looks were bad.
        bad: u32,
        /// How many have to be, to trip.
        need: u32,
        /// What the value was made of, or the provider's own words, if there are any.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
        /// Whether it is only shown and never acts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dry_run: bool,
    },
    /// There is no recent look at a rule that was taken since the stage took effect.
    NotLooked {
        /// Which rule.
        rule: RuleName,
    },
    /// The stage has not lasted long enough.
    Soaking {
        /// When it will have.
        until: DateTime<Utc>,
    },
    /// The pause between two stages.
    BetweenStages {
        /// When it ends.
        until: DateTime<Utc>,
    },
    /// A rule has not been healthy long enough.
    HealthyFor {
        /// Which rule.
        rule: RuleName,
        /// How long it must be.
        needs: Span,
        /// How long it has been.
        has: Span,
    },
    /// Outside of every window in which stages may open.
    Window {
        /// When the next one opens; `None` if none does within the horizon that was searched.
        opens: Option<DateTime<Utc>>,
        /// The operator's words for a window that closes, if it is one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A stage needs somebody's word.
    ApprovalMissing {
        /// Which stage.
        stage: StageName,
        /// Who may give it, as text.
        roles: String,
    },
    /// The word that was given has run out.
    ApprovalExpired {
        /// Which stage.
        stage: StageName,
    },
    /// Nodes have not all confirmed yet.
    Acknowledgement {
        /// How many live nodes confirmed.
        confirmed: u32,
        /// How many are live.
        live: u32,
        /// Those that have not.
        waiting_for: Vec<NodeName>,
    },
    /// After a start of the control plane, nodes may serve that have not been heard of yet.
    NodesUnheard,
    /// Paused.
    PausedBy {
        /// By whom or what.
        owner: PauseOwner,
        /// In their words.
        reason: String,
    },
    /// A rule could not be judged for too long.
    Blind {
        /// Which rule.
        rule: RuleName,
        /// Why not.
        unknown: UnknownReason,
        /// For how long.
        lasted: Span,
        /// How long is too long.
        budget: Span,
    },
    /// An alert fires that concerns the rollout.
    AlertFires {
        /// What fires.
        fingerprint: Fingerprint,
        /// Since when.
        since: DateTime<Utc>,
        /// Its name and what it says.
        text: String,
    },
    /// An alert that paused the rollout is over.
    AlertOver {
        /// What fired.
        fingerprint: Fingerprint,
    },
    /// Nobody knows whether alerts come through.
    AlertsSilent {
        /// When the watchdog was last heard; `None`: not since the control plane started.
        heard: Option<DateTime<Utc>>,
        /// How often it is to be heard.
        every: Span,
    },
    /// A gate has not passed.
    Gate {
        /// Who is asked.
        target: TargetName,
        /// About which stage.
        stage: StageName,
        /// What it says, if anything.
        says: String,
        /// When a person hears of it; `None` while it was not asked.
        due: Option<DateTime<Utc>>,
    },
    /// No stage has been proven healthy yet, so a retreat is a rollback.
    NothingProven,
    /// Every rule was healthy over its whole window, after the stage had lasted long enough.
    AllHealthy,
    /// The last stage is done.
    LastStageDone,
    /// A person said so.
    Command {
        /// Who.
        by: String,
        /// In their words.
        reason: String,
    },
    /// It has ended; nothing will change any more.
    Finished,
}

impl Decision {
    /// The decision in one word: a metric's label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Holds { .. } => "holds",
            Self::TookEffect { .. } => "took_effect",
            Self::Advanced { .. } => "advanced",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Approved { .. } => "approved",
            Self::Retreated { .. } => "retreated",
            Self::RollingBack => "rolling_back",
            Self::RolledBack { .. } => "rolled_back",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Alerted { .. } => "alerted",
            Self::Saved => "saved",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { share } => write!(f, "started at {share}"),
            Self::Holds { share } => write!(f, "holds at {share}"),
            Self::TookEffect { share } => write!(f, "{share} took effect on the nodes"),
            Self::Advanced { stage, share } => write!(f, "advanced to {stage} ({share})"),
            Self::Paused { share } => write!(f, "paused at {share}"),
            Self::Resumed { share } => write!(f, "resumed at {share}"),
            Self::Approved { stage } => write!(f, "approved {stage}"),
            Self::Retreated { share } => write!(f, "retreated to {share}"),
            Self::RollingBack => f.write_str("rolling back"),
            Self::RolledBack { took } => write!(
                f,
                "rolled back, confirmed by every live node in {}",
                took.rounded()
            ),
            Self::Completed => f.write_str("completed"),
            Self::Aborted => f.write_str("aborted"),
            Self::Alerted { share } => write!(f, "alert, holds at {share}"),
            Self::Saved => f.write_str("saved"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { .. } => self.fmt_rule(f),
            Self::NotLooked { rule } => write!(f, "{rule} has no fresh look in this stage yet"),
            Self::Soaking { until } => write!(f, "stage lasts until {}", clock(*until)),
            Self::BetweenStages { until } => write!(f, "pause between stages until {}", clock(*until)),
            Self::HealthyFor { rule, needs, has } => {
                write!(f, "{rule} healthy for {} of {needs}", has.rounded())
            }
            Self::Window { opens, reason } => {
                match opens {
                    Some(opens) => write!(f, "window opens {}", opens.format("%a %Y-%m-%d %H:%M UTC"))?,
                    None => f.write_str("no window opens")?,
                }
                if reason.is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({reason})")
                }
            }
            Self::ApprovalMissing { stage, roles } => {
                write!(f, "approval for {stage} missing (from: {roles})")
            }
            Self::ApprovalExpired { stage } => write!(f, "approval for {stage} has expired"),
            Self::Acknowledgement {
                confirmed,
                live,
                waiting_for,
            } => {
                write!(f, "confirmed by {confirmed} of {live} nodes")?;
                let names: Vec<&str> = waiting_for.iter().map(NodeName::as_str).collect();
                if names.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", waiting for {}", names.join(", "))
                }
            }
            Self::NodesUnheard => f.write_str("nodes may serve that have not been heard of since the start"),
            Self::PausedBy { owner, reason } => write!(f, "paused by {owner}: {reason}"),
            Self::Blind {
                rule,
                unknown,
                lasted,
                budget,
            } => {
                write!(
                    f,
                    "{rule} could not be judged ({unknown}) for {} of at most {budget}",
                    lasted.rounded()
                )
            }
            Self::AlertFires { .. }
            | Self::AlertOver { .. }
            | Self::AlertsSilent { .. }
            | Self::Gate { .. } => self.fmt_others(f),
            Self::NothingProven => f.write_str("no stage was proven healthy, so a retreat is a rollback"),
            Self::AllHealthy => f.write_str("every rule healthy over its whole window"),
            Self::LastStageDone => f.write_str("the last stage is done"),
            Self::Command { by, reason } if reason.is_empty() => write!(f, "{by}"),
            Self::Command { by, reason } => write!(f, "{by}: {reason}"),
            Self::Finished => f.write_str("it has ended"),
        }
    }
}

impl Reason {
    /// What others say: alerts and gates.
    fn fmt_others(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlertFires {
                fingerprint,
                since,
                text,
            } => write!(f, "alert {text} (alert:{fingerprint}, since {})", clock(*since)),
            Self::AlertOver { fingerprint } => write!(f, "alert:{fingerprint} is over"),
            Self::AlertsSilent { heard, every } => {
                f.write_str("nobody knows whether alerts come through: the watchdog, every ")?;
                match heard {
                    Some(heard) => write!(f, "{every}, was last heard {}", clock(*heard)),
                    None => write!(f, "{every}, was not heard since the start of the control plane"),
                }
            }
            Self::Gate {
                target,
                stage,
                says,
                due,
            } => {
                write!(f, "gate {target} for {stage} {says}")?;
                match due {
                    Some(due) => write!(f, " (due {})", clock(*due)),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn fmt_rule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Rule {
            rule,
            verdict,
            value,
            comparison,
            threshold,
            bad,
            need,
            detail,
            dry_run,
        } = self
        else {
            return Ok(());
        };
        let dry_run = if *dry_run { " (dry run)" } else { "" };
        write!(f, "{rule}{dry_run} {verdict}")?;
        let threshold = Figure(*threshold);
        match (verdict, value) {
            (Verdict::Breached, Some(value)) => write!(f, ": {} {comparison} {threshold}", Figure(*value))?,
            (_, Some(value)) => write!(f, ": {}, bad is {comparison} {threshold}", Figure(*value))?,
            (_, None) => {}
        }
        if *bad > 0 {
            write!(f, " ({bad} bad, {need} to trip)")?;
        }
        if detail.is_empty() {
            Ok(())
        } else {
            write!(f, " [{detail}]")
        }
    }
}

impl fmt::Display for Because {
    /// One line: the decision, a colon, the reasons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decision.fmt(f)?;
        for (index, reason) in self.reasons.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            reason.fmt(f)?;
        }
        Ok(())
    }
}

fn clock(at: Timestamp) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}

/// A measured number as people read it: four significant digits, no trailing zeros.
#[derive(Debug, Clone, Copy)]
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = format!("{:.3e}", self.0).parse::<f64>().unwrap_or(self.0);
        let plain = rounded == 0.0 || (1e-6..1e9).contains(&rounded.abs());
        if plain {
            write!(f, "{rounded}")
        } else {
            write!(f, "{rounded:e}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_people_need_them() {
        for (value, text) in [
            (0.0, "0"),
            (0.02, "0.02"),
            (0.1 + 0.2, "0.3"),
            (0.004_567_89, "0.004568"),
            (-1234.56, "-1235"),
            (1e12, "1e12"),
            (1.0e-9, "1e-9"),
            (100.0, "100"),
        ] {
            assert_eq!(Figure(value).to_string(), text);
        }
    }

    #[test]
    fn a_rule_shows_its_value_against_its_threshold() {
        let said = |verdict: Verdict, value: Option<f64>, bad: u32| {
            Reason::Rule {
                rule: RuleName::new("errors").unwrap(),
                verdict,
                value,
                comparison: Comparison::GreaterThan,
                threshold: 0.02,
                bad,
                need: 2,
                detail: String::new(),
                dry_run: false,
            }
            .to_string()
        };
        for (reason, text) in [
            (
                said(Verdict::Healthy, Some(0.004), 0),
                "errors healthy: 0.004, bad is > 0.02",
            ),
            (
                said(Verdict::Breached, Some(0.05), 1),
                "errors breached: 0.05 > 0.02 (1 bad, 2 to trip)",
            ),
            (
                said(Verdict::Unknown(UnknownReason::NoSeries), None, 0),
                "errors unknown (no_series)",
            ),
        ] {
            assert_eq!(reason, text);
        }
    }
}
