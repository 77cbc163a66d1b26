//! Leaving a stage: to the next one, or to the end.

use super::draft::Draft;
use super::waiting::{is_fresh, look, valid_approval};
use crate::step::Step;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::rollout::{Ending, RolloutChange};
use tidegate_model::span::Span;
use tidegate_model::verdict::{Look, Verdict};

/// Leaves the stage if nothing is waited for any more. Only fresh good news among `looks` moves a
/// rollout: time alone never does, and one step leaves at most one stage.
pub(super) fn go_on(mut draft: Draft<'_>, looks: &[Look]) -> Step {
    let good_news = looks.iter().any(|look| {
        let rule = draft.rollout.start.plan.rule(&look.rule);
        look.verdict == Verdict::Healthy
            && rule.is_some_and(|rule| !rule.dry_run && is_fresh(rule, look, draft.now))
    });
    let waiting = look(&draft.rollout, draft.observed, draft.now);
    if !good_news || waiting.blocked {
        let share = draft.rollout.share;
        return draft.decide(Decision::Holds { share }, waiting.reasons);
    }
    let approved = valid_approval(&draft.rollout, draft.now).map(|given| Reason::Command {
        by: given.by.to_string(),
        reason: "approved".to_owned(),
    });
    let reasons = approved
        .into_iter()
        .chain([Reason::AllHealthy])
        .chain(waiting.reasons);
    let plan = &draft.rollout.start.plan;
    let next = draft
        .rollout
        .next_stage()
        .and_then(|index| Some((index, plan.stage(index)?.name.clone())));
    let Some((stage, name)) = next else {
        let monitor = plan.schedule.monitor_after;
        if monitor > Span::ZERO && draft.rollout.monitoring.is_none() {
            draft.change(RolloutChange::Monitoring);
            let until = monitor.after(draft.now);
            let reasons = [Reason::LastStageDone].into_iter().chain(reasons).collect();
            return draft.decide(Decision::Monitoring { until }, reasons);
        }
        draft.change(RolloutChange::Ended {
            ending: Ending::Completed,
        });
        draft.settle(draft.rollout.start.candidate.clone());
        return draft.decide(
            Decision::Completed,
            [Reason::LastStageDone].into_iter().chain(reasons).collect(),
        );
    };
    draft.change(RolloutChange::Advanced { stage });
    draft.publish();
    let share = draft.rollout.share;
    draft.decide(Decision::Advanced { stage: name, share }, reasons.collect())
}
