//! The rollout that nothing goes wrong with: every rule is well, whoever is asked approves at once, and
//! every gate passes when it is asked.

use crate::answer::{Script, Source};
use crate::fault::Fault;
use crate::gates::{Says, gates_of};
use crate::simulation::Simulation;
use crate::story::{Event, Happening};
use crate::telling::{Teller, Told};
use std::collections::BTreeSet;
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::because::Reason;
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::StageName;
use tidegate_model::rollout::RolloutCommand;
use tidegate_model::span::Span;

/// How far ahead the end is looked for.
pub const HORIZON: Span = Span::seconds(400 * 24 * 3600);

/// Who approves.
const APPROVER: &str = "carol";

impl Teller {
    /// Lets everything go well until the rollout ends, a year and a bit at most, and tells it as the
    /// story that it is: time that passes, gates that pass, and approvals.
    ///
    /// # Errors
    /// When a step cannot be.
    pub fn go_well(&mut self) -> Result<Vec<Told>, Fault> {
        let plan = self.simulation.rollout.start.plan.clone();
        self.simulation.answers = Script::healthy(&plan);
        let mut answers = format!(" {}", self.simulation.answers);
        let end = HORIZON.after(self.simulation.now);
        let mut told = Vec::new();
        if plan.watchdog.is_some() {
            told.push(self.tell(&Event {
                text: "watchdog always".to_owned(),
                what: Happening::Watchdog(true),
            })?);
        }
        let gates: BTreeSet<_> = gates_of(&plan).collect();
        for target in gates {
            let pass = Says::verdict(GateVerdict::Pass, "");
            told.push(self.tell(&Event {
                text: format!("gate {target} pass"),
                what: Happening::Gate(target.clone(), Some(pass)),
            })?);
        }
        loop {
            let from = self.simulation.now;
            self.simulation.run_until(end, |world| {
                world.rollout.has_ended() || asked(world).is_some() || is_shut_in(world)
            })?;
            let waited = Span::between(from, self.simulation.now);
            // A span is one word of a story.
            let waited = waited.to_string().replace(' ', "");
            told.push(self.told(format!("run {waited}{answers}")));
            answers.clear();
            let Some((stage, role)) = asked(&self.simulation) else {
                return Ok(told);
            };
            told.push(self.tell(&Event {
                text: format!("approve {APPROVER} {role} {stage}"),
                what: Happening::Command(
                    RolloutCommand::Approve { stage, plan: None },
                    APPROVER.to_owned(),
                    role,
                ),
            })?);
            // A word that is void as soon as it is given never opens anything.
            if asked(&self.simulation).is_some() {
                return Ok(told);
            }
        }
    }
}

/// Lets time pass until `end` or the end of the rollout; whoever is asked approves at once,
/// and gates pass.
///
/// # Errors
/// When a step cannot be.
pub(crate) fn approve_what_is_asked<A: Source>(
    world: &mut Simulation<A>,
    end: Timestamp,
) -> Result<(), Fault> {
    // Of alerts there is no record: they are taken to come through, and none to fire.
    world.heard.always = true;
    world.open_gates();
    loop {
        world.run_until(end, |world| world.rollout.has_ended() || asked(world).is_some())?;
        let Some((stage, role)) = asked(world).filter(|_| world.now < end) else {
            return Ok(());
        };
        world.command(RolloutCommand::Approve { stage, plan: None }, APPROVER, role)?;
        // A word that is void as soon as it is given never opens anything.
        if asked(world).is_some() {
            return world.run_until(end, |world| world.rollout.has_ended());
        }
    }
}

/// The stage that waits for somebody's word, and a role that may give it.
fn asked<A>(world: &Simulation<A>) -> Option<(StageName, Role)> {
    let reasons = &world.taken.last()?.step.because.reasons;
    let waits = |reason: &Reason| {
        matches!(
            reason,
            Reason::ApprovalMissing { .. } | Reason::ApprovalExpired { .. }
        )
    };
    let next = world.rollout.start.plan.stage(world.rollout.next_stage()?)?;
    let role = next.wait_for_approval.as_ref()?.roles.iter().next()?;
    reasons.iter().any(waits).then(|| (next.name.clone(), *role))
}

/// Whether no window will ever open.
fn is_shut_in(world: &Simulation<Script>) -> bool {
    let reasons = world.taken.last().map(|taken| &taken.step.because.reasons);
    reasons.is_some_and(|reasons| {
        reasons
            .iter()
            .any(|reason| matches!(reason, Reason::Window { opens: None, .. }))
    })
}
