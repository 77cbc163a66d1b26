//! Decisions and reasons in words.

use super::{Because, Decision, ExperimentStep, Reason};
use crate::Timestamp;
use crate::key::NodeName;
use crate::verdict::Verdict;
use std::fmt;

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
            Self::PlanChanged { share } => write!(f, "follows another plan, at {share}"),
            Self::PlanProposed { share } => write!(f, "another plan waits for approval, at {share}"),
            Self::PlanWithdrawn => f.write_str("the other plan is withdrawn"),
            Self::Restarted { share } => write!(f, "begins again at {share}"),
            Self::Retreated { share } => write!(f, "retreated to {share}"),
            Self::RollingBack => f.write_str("rolling back"),
            Self::RolledBack { took } => write!(
                f,
                "rolled back, confirmed by every live node in {}",
                took.rounded()
            ),
            Self::Monitoring { until } => write!(f, "everybody has it, watched until {}", clock(*until)),
            Self::Completed => f.write_str("completed"),
            Self::Aborted => f.write_str("aborted"),
            Self::Alerted { share } => write!(f, "alert, holds at {share}"),
            Self::Shadowed { policy, would } => write!(f, "{policy}, its shadow: {would}"),
            Self::Saved => f.write_str("saved"),
            Self::Frozen => f.write_str("frozen: nothing opens"),
            Self::Thawed => f.write_str("thawed"),
            Self::Experiment { step } => step.fmt(f),
        }
    }
}

impl fmt::Display for ExperimentStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Designed => "designed",
            Self::Scheduled => "scheduled: it starts by itself",
            Self::Unscheduled => "not scheduled any more",
            Self::Waits => "cannot start yet",
            Self::Started => "started: it deals arms",
            Self::Watched => "goes on",
            Self::Paused => "paused: it deals no arms",
            Self::Resumed => "resumed: it deals arms again",
            Self::Excluded => "units are left out",
            Self::Looked => "a look was taken that counts",
            Self::Advised => "speaks for something else than before",
            Self::Dealt => "the weights are dealt anew",
            Self::Stopped => "stopped",
            Self::Settled => "its flag goes another way",
            Self::Concluded => "its numbers are final",
            Self::Archived => "archived",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { .. } => self.fmt_rule(f),
            Self::NotLooked { rule } => write!(f, "{rule} has no fresh look in this stage yet"),
            Self::Soaking { until } => write!(f, "stage lasts until {}", clock(*until)),
            Self::BetweenStages { until } => write!(f, "pause between stages until {}", clock(*until)),
            Self::Monitoring { until } => write!(f, "still watched until {}", clock(*until)),
            Self::PlanDiffers { text } | Self::Found { text } => f.write_str(text),
            Self::PlanWaits { by } => write!(f, "another plan waits for approval, proposed by {by}"),
            Self::PastNoReturn { stage } => write!(
                f,
                "{stage} is a point of no return: only a person's explicit word leads back from it"
            ),
            Self::HealthyFor { rule, needs, has } => {
                write!(f, "{rule} healthy for {} of {needs}", has.rounded())
            }
            Self::Window { .. }
            | Self::ZoneData { .. }
            | Self::WindowTooShort { .. }
            | Self::Frozen { .. }
            | Self::FreezePlanned { .. } => self.fmt_calendar(f),
            Self::ApprovalMissing { stage, roles } => {
                write!(f, "approval for {stage} missing (from: {roles})")
            }
            Self::ApprovalExpired { stage } => write!(f, "approval for {stage} has expired"),
            Self::ApprovalVoid { stage } => {
                write!(f, "approval for {stage} was given for another plan")
            }
            Self::Acknowledgement { .. } => self.fmt_acknowledgement(f),
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
            Self::Dependency { .. }
            | Self::InterlockHeld { .. }
            | Self::GivesWay { .. }
            | Self::UndoneFor { .. } => self.fmt_neighbours(f),
            Self::NothingProven => f.write_str("no stage was proven healthy, so a retreat is a rollback"),
            Self::Exposure { .. } => self.fmt_exposure(f),
            Self::FlagEdited => f.write_str("the flag was edited, so what was seen says nothing any more"),
            Self::WaitOver => f.write_str("nothing is waited for any more"),
            Self::AllHealthy => f.write_str("every rule healthy over its whole window"),
            Self::LastStageDone => f.write_str("the last stage is done"),
            Self::Command { by, reason } if reason.is_empty() => write!(f, "{by}"),
            Self::Command { by, reason } => write!(f, "{by}: {reason}"),
            Self::Finished => f.write_str("it has ended"),
        }
    }
}

impl Reason {
    /// What the calendar says.
    fn fmt_calendar(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window { opens, reason } => {
                match opens {
                    Some(opens) => write!(f, "window opens {}", day(*opens))?,
                    None => f.write_str("no window opens")?,
                }
                if reason.is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({reason})")
                }
            }
            Self::ZoneData {
                before,
                now,
                was,
                opens,
            } => {
                let when =
                    |at: &Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| day(at).to_string());
                write!(
                    f,
                    "the next window opens {} by time zone data {now}, and would have opened {} by {before}",
                    when(opens),
                    when(was)
                )
            }
            Self::WindowTooShort {
                stage,
                needs,
                closes,
                opens,
            } => {
                write!(
                    f,
                    "{stage} lasts {needs}, and the window closes {}: ",
                    day(*closes)
                )?;
                match opens {
                    Some(opens) => write!(f, "there is time enough from {} on", day(*opens)),
                    None => f.write_str("no window is long enough"),
                }
            }
            Self::Frozen { by, since, reason } => {
                write!(f, "frozen by {by} since {}: {reason}", clock(*since))
            }
            Self::FreezePlanned { until, reason } => {
                write!(f, "frozen until {}: {reason}", day(*until))
            }
            _ => Ok(()),
        }
    }

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

    /// Which nodes have confirmed.
    fn fmt_acknowledgement(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledgement {
                confirmed,
                live,
                waiting_for,
                quorum,
            } => {
                write!(f, "confirmed by {confirmed} of {live} nodes")?;
                if !quorum.is_empty() {
                    write!(f, " ({quorum})")?;
                }
                let names: Vec<&str> = waiting_for.iter().map(NodeName::as_str).collect();
                if names.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", waiting for {}", names.join(", "))
                }
            }
            _ => Ok(()),
        }
    }

    /// What of a budget is spent.
    fn fmt_exposure(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposure {
                budget,
                spent,
                of,
                by: None,
            } => write!(f, "{spent} {budget} of at most {of} are spent"),
            Self::Exposure {
                budget,
                spent,
                of,
                by: Some(stage),
            } => write!(f, "{stage} would reach {spent} {budget} of at most {of}"),
            _ => Ok(()),
        }
    }

    /// What other rollouts have to do with it.
    fn fmt_neighbours(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency { how, name, says } => write!(f, "{how} {name}: {says}"),
            Self::InterlockHeld { rollout, says } => write!(f, "interlocked with {rollout}: {says}"),
            Self::GivesWay { rollout, since } => write!(
                f,
                "it may be the fault of {rollout}, which advanced later and is undone first (since {})",
                clock(*since)
            ),
            Self::UndoneFor { rollout, rules } => write!(
                f,
                "{rollout}, which shares something with it, breaches {rules}, and the newest advance is undone first"
            ),
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

/// A moment that is days away: people think of those by their weekday.
fn day(at: Timestamp) -> impl fmt::Display {
    at.format("%a %Y-%m-%d %H:%M UTC")
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
    use crate::key::RuleName;
    use crate::policy::Comparison;
    use crate::verdict::UnknownReason;

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
