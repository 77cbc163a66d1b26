//! Looking at rules: asking their sources, and judging what comes back.

use super::RolloutActor;
use crate::poller::{Measured, measure};
use crate::shell::Shell;
use actix::prelude::*;
use std::sync::Arc;
use tidegate_decide::due::spread;
use tidegate_decide::judge::{judge, kept, scored, standing, test_before};
use tidegate_decide::rollout::Observed;
use tidegate_model::Timestamp;
use tidegate_model::evidence::{Evidence, Query, Trace};
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Rule, Source};
use tidegate_model::rollout::Rollout;
use tidegate_model::span::Span;
use tidegate_model::verdict::Look;
use tidegate_trail::ledger::Ledger;

/// A rule's source answered.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Looked {
    rule: Rule,
    measured: Measured,
    /// When it was asked.
    asked: Timestamp,
}

impl Looked {
    /// Asks the source of a rule that `rollout` follows; `None` when it follows no such rule.
    pub(super) fn asking(
        shell: &Arc<Shell>,
        rollout: &Rollout,
        observed: &Observed,
        name: &RuleName,
        now: Timestamp,
    ) -> Option<impl Future<Output = Option<Self>> + 'static> {
        let rule = rollout.start.plan.rule(name)?.clone();
        let before = test_before(rollout, observed, &rule);
        let (shell, start) = (shell.clone(), rollout.start.clone());
        Some(async move {
            let home = shell.environments.get(&start.environment)?;
            let measured = measure(&shell.poller, &start, &rule, &home.ingest, before, now).await;
            let asked = measured.age.before(now);
            Some(Self {
                rule,
                measured,
                asked,
            })
        })
    }

    /// What was measured without asking anybody.
    pub(super) fn given(rule: Rule, evidence: Evidence, at: Timestamp) -> Self {
        let measured = Measured {
            evidence,
            asked: vec![Query::new("a drill")],
            age: Span::ZERO,
        };
        Self {
            rule,
            measured,
            asked: at,
        }
    }

    /// What was seen of the rule, and what the scores make of it that weigh the rule. How each came about is noted.
    pub(super) fn judged(self, rollout: &Rollout, observed: &Observed, ledger: &mut Ledger) -> Vec<Look> {
        let Self {
            rule,
            measured: Measured { evidence, asked, .. },
            asked: at,
        } = self;
        let mut note = |rule: &Rule, evidence: &Evidence, asked: Vec<Query>| {
            let trace = Trace {
                asked,
                window: rule.window,
                evidence: kept(rule, evidence),
                standing: standing(rollout, rule, evidence),
            };
            ledger.note(rule.name.clone(), at, trace);
        };
        let look = judge(rollout, &rule, &evidence, at);
        note(&rule, &evidence, asked);
        let mut looks = Vec::new();
        for (rule, evidence) in scored(rollout, observed, &look, at) {
            looks.push(judge(rollout, rule, &evidence, at));
            note(rule, &evidence, vec![Query::new(&weighed(rule))]);
        }
        looks.insert(0, look);
        looks
    }
}

impl RolloutActor {
    /// The actor of a rollout that was there before this process: it looks when it is its turn, not at once with all
    /// others.
    pub(crate) fn resumed(mut self) -> Self {
        let now = self.shell.clock.now();
        self.observed.asked = spread(&self.rollout.start.plan, &self.entity, now);
        if let Some(shadow) = &self.rollout.shadow {
            self.watching.observed.asked = spread(&shadow.rollout.start.plan, &self.entity, now);
        }
        self
    }

    /// Asks the sources of these rules, each on its own: a slow one does not delay a quick one.
    pub(super) fn measure(&self, rules: &[RuleName], now: Timestamp, ctx: &mut Context<Self>) {
        for name in rules {
            let Some(asking) = Looked::asking(&self.shell, &self.rollout, &self.observed, name, now) else {
                continue;
            };
            ctx.spawn(asking.into_actor(self).map(|looked, _actor, ctx| {
                if let Some(looked) = looked {
                    ctx.notify(looked);
                }
            }));
        }
    }

    /// Judges what was measured.
    pub(super) fn judged(&mut self, looked: Looked) -> Vec<Look> {
        let looks = looked.judged(&self.rollout, &self.observed, &mut self.ledger);
        for look in &looks {
            let verdict = look.verdict.name();
            self.shell.measures.looks.with_label_values(&[verdict]).inc();
        }
        looks
    }
}

/// What a score weighs, in words: nobody is asked.
fn weighed(rule: &Rule) -> String {
    let Source::Score(score) = &rule.source else {
        return String::new();
    };
    let parts = score
        .of
        .iter()
        .map(|part| format!("{} ({})", part.rule, part.weight));
    format!("score of {}", parts.collect::<Vec<_>>().join(", "))
}
