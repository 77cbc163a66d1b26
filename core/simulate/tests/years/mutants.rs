//! The step function without one of its guards each.

use std::sync::Arc;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed, step};
use tidegate_decide::step::Step;
use tidegate_model::Timestamp;
use tidegate_model::because::Decision;
use tidegate_model::rollout::Rollout;
use tidegate_model::verdict::{Look, Verdict};
use tidegate_simulate::simulation::StepFn;

/// What is left out, the step function without it, and the law that shows it.
pub(crate) const ALL: [(&str, StepFn, &str); 6] = [
    (
        "the unknown",
        takes_unknown_for_healthy,
        "nothing opens on an unknown",
    ),
    ("pauses", ignores_pauses, "nothing opens paused"),
    ("windows", ignores_windows, "nothing opens paused"),
    ("the switch", ignores_the_switch, "nothing opens frozen"),
    ("breaches", ignores_breaches, "a breach leads to safety next"),
    (
        "fresh looks after a restart",
        trusts_what_is_journalled,
        "nothing opens on an unknown",
    ),
];

type Stepped = Result<Step, Refusal>;

fn healed(look: &Look, heals: fn(&Verdict) -> bool) -> Look {
    let mut look = look.clone();
    if heals(&look.verdict) {
        look.verdict = Verdict::Healthy;
    }
    look
}

fn with_looks(
    rollout: &Rollout,
    observed: &Observed,
    input: &Input,
    now: Timestamp,
    heals: fn(&Verdict) -> bool,
) -> Stepped {
    let mut observed = observed.clone();
    for look in observed.looks.values_mut() {
        *look = healed(look, heals);
    }
    let input = match input {
        Input::Looked(looks) => Input::Looked(looks.iter().map(|look| healed(look, heals)).collect()),
        other => other.clone(),
    };
    step(rollout, &observed, &input, now)
}

fn takes_unknown_for_healthy(
    rollout: &Rollout,
    observed: &Observed,
    input: &Input,
    now: Timestamp,
) -> Stepped {
    with_looks(rollout, observed, input, now, |verdict| {
        matches!(verdict, Verdict::Unknown(_))
    })
}

fn ignores_breaches(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Stepped {
    // What is remembered is bad, and nothing is done about it.
    let mut step = step(rollout, observed, input, now)?;
    if matches!(input, Input::Looked(_)) && matches!(step.because.decision, Decision::RollingBack) {
        step.changes.truncate(1);
        step.effects.clear();
    }
    Ok(step)
}

fn ignores_pauses(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Stepped {
    let mut rollout = rollout.clone();
    rollout.pauses.clear();
    step(&rollout, observed, input, now)
}

fn ignores_windows(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Stepped {
    let mut rollout = rollout.clone();
    Arc::make_mut(&mut rollout.start.plan).schedule.windows.clear();
    step(&rollout, observed, input, now)
}

fn ignores_the_switch(rollout: &Rollout, observed: &Observed, input: &Input, now: Timestamp) -> Stepped {
    let mut observed = observed.clone();
    observed.frozen = None;
    step(rollout, &observed, input, now)
}

/// Only a crash shows this one: what was seen before it is taken for seen now.
fn trusts_what_is_journalled(
    rollout: &Rollout,
    observed: &Observed,
    input: &Input,
    now: Timestamp,
) -> Stepped {
    let real = step(rollout, observed, input, now)?;
    if !observed.looks.is_empty() || !matches!(input, Input::Wake) {
        return Ok(real);
    }
    let looks = rollout.rules.values().map(|memory| Look {
        at: now,
        ..memory.last.clone()
    });
    let looked = Input::Looked(looks.collect());
    let mut observed = observed.clone();
    observed.take_in(&looked);
    let trusting = step(rollout, &observed, &looked, now)?;
    let advances = matches!(trusting.because.decision, Decision::Advanced { .. });
    Ok(if advances { trusting } else { real })
}
