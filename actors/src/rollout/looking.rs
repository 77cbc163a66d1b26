//! Looking at rules: asking their sources, and judging what comes back.

use super::RolloutActor;
use crate::poller::{Measured, measure};
use actix::prelude::*;
use tidegate_decide::judge::{judge, kept, scored, standing, test_before};
use tidegate_model::Timestamp;
use tidegate_model::evidence::{Evidence, Query, Trace};
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Rule, Source};
use tidegate_model::verdict::Look;

/// A rule's source answered.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Looked {
    rule: Rule,
    measured: Measured,
    /// When it was asked.
    asked: Timestamp,
}

impl RolloutActor {
    /// Asks the sources of these rules, each on its own: a slow one does not delay a quick one.
    pub(super) fn measure(&self, rules: &[RuleName], now: Timestamp, ctx: &mut Context<Self>) {
        for name in rules {
            let Some(rule) = self.rollout.start.plan.rule(name) else {
                continue;
            };
            let before = test_before(&self.rollout, &self.observed, rule);
            let (shell, start, rule) = (self.shell.clone(), self.rollout.start.clone(), rule.clone());
            let measuring = async move {
                let home = shell.environments.get(&start.environment)?;
                let measured = measure(&shell.poller, &start, &rule, &home.ingest, before, now).await;
                Some(Looked {
                    rule,
                    measured,
                    asked: now,
                })
            };
            ctx.spawn(measuring.into_actor(self).map(|looked, _actor, ctx| {
                if let Some(looked) = looked {
                    ctx.notify(looked);
                }
            }));
        }
    }

    /// What was seen of a rule, and what the scores make of it that weigh the rule. How each came about is noted.
    pub(super) fn judged(&mut self, looked: Looked) -> Vec<Look> {
        let Looked {
            rule,
            measured: Measured { evidence, asked },
            asked: at,
        } = looked;
        let look = judge(&self.rollout, &rule, &evidence, at);
        let scored = scored(&self.rollout, &self.observed, &look, at).into_iter();
        let scored: Vec<(Rule, Evidence)> = scored.map(|(rule, evidence)| (rule.clone(), evidence)).collect();
        let mut looks = vec![look];
        self.note(&rule, &evidence, asked, at);
        for (rule, evidence) in scored {
            looks.push(judge(&self.rollout, &rule, &evidence, at));
            self.note(&rule, &evidence, vec![Query::new(&weighed(&rule))], at);
        }
        for look in &looks {
            let verdict = look.verdict.name();
            self.shell.measures.looks.with_label_values(&[verdict]).inc();
        }
        looks
    }

    fn note(&mut self, rule: &Rule, evidence: &Evidence, asked: Vec<Query>, at: Timestamp) {
        let trace = Trace {
            asked,
            window: rule.window,
            evidence: kept(rule, evidence),
            standing: standing(&self.rollout, rule, evidence),
        };
        self.ledger.note(rule.name.clone(), at, trace);
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
