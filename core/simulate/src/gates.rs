//! The gates of a simulated rollout: others who are asked before a stage opens.

use crate::answer::Source;
use crate::simulation::Simulation;
use tidegate_decide::rollout::{Answer, Input, Question};
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::TargetName;
use tidegate_model::policy::Policy;

/// What a gate answers over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Says {
    /// The status.
    pub status: u16,
    /// The media type.
    pub media_type: String,
    /// The body.
    pub body: String,
}

/// Every word for what a gate says.
pub(crate) const WORDS: [&str; 6] = ["pass", "hold", "fail", "error", "html", "gone"];

impl Says {
    /// A verdict, and why.
    #[must_use]
    pub fn verdict(verdict: GateVerdict, reason: &str) -> Self {
        let body = serde_json::json!({ "verdict": verdict, "reason": reason });
        Self {
            status: 200,
            media_type: "application/json".to_owned(),
            body: body.to_string(),
        }
    }

    /// The service behind the gate is ill.
    #[must_use]
    pub fn error() -> Self {
        Self {
            status: 503,
            media_type: String::new(),
            body: String::new(),
        }
    }

    /// A page for people, as a portal in front of the gate might show it.
    #[must_use]
    pub fn page() -> Self {
        Self {
            status: 200,
            media_type: "text/html".to_owned(),
            body: "<h1>pass</h1>".to_owned(),
        }
    }
}

impl<A: Source> Simulation<A> {
    /// From now on the gate answers this; `None`: nothing at all comes back, as at the beginning.
    pub fn gate(&mut self, target: TargetName, says: Option<Says>) {
        match says {
            Some(says) => self.gates.insert(target, says),
            None => self.gates.remove(&target),
        };
    }

    /// From now on every gate passes when it is asked.
    pub(crate) fn open_gates(&mut self) {
        for target in gates_of(&self.rollout.start.plan.clone()) {
            self.gate(target.clone(), Some(Says::verdict(GateVerdict::Pass, "")));
        }
    }

    /// What `says` means as an answer to `question`, perhaps one that was asked long ago.
    #[must_use]
    pub fn answered(&self, question: &Question, says: &Says) -> Input {
        let id = question.id(&self.rollout);
        Input::Answered {
            question: question.clone(),
            answer: Answer::read(says.status, &says.media_type, says.body.as_bytes(), &id),
            at: self.now,
        }
    }

    /// The answer that a question gets at once, if any.
    pub(crate) fn answer_of_gate(&self, question: &Question) -> Option<Input> {
        let says = self.gates.get(&question.target)?;
        Some(self.answered(question, says))
    }
}

/// Every gate that `plan` asks.
pub(crate) fn gates_of(plan: &Policy) -> impl Iterator<Item = &TargetName> {
    let gates = plan.schedule.stages.iter().flat_map(|stage| &stage.gates);
    gates.map(|gate| &gate.target)
}
