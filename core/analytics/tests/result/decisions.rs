//! What is proposed, and why.

use crate::make::{ANYTIME, BOUGHT, EVEN, design, fixed, group, share, tallies};
use tidegate_analytics::decision::{Action, Decision, decide};
use tidegate_analytics::result::{Asked, End, result};
use tidegate_model::experiment::tally::MetricTally;

/// The events of an arm: `bought`, `failed`.
type Events = (u64, u64);

struct Case {
    discipline: String,
    asked: Asked,
    guardrail: &'static str,
    minimum: &'static str,
    /// Units and events of each arm.
    arms: Vec<(u64, Events)>,
}

const MARGIN: &str = r#""margin":0.1,"#;

impl Case {
    fn of(discipline: &str, arms: &[(u64, Events)]) -> Self {
        Self {
            discipline: discipline.to_owned(),
            asked: Asked::default(),
            guardrail: "",
            minimum: "",
            arms: arms.to_vec(),
        }
    }

    fn ended(mut self, end: End) -> Self {
        self.asked.end = end;
        self
    }

    fn looked(mut self, looks: &[u64]) -> Self {
        self.asked.looks = looks.to_vec();
        self
    }

    fn guarded(mut self, guardrail: &'static str) -> Self {
        self.guardrail = guardrail;
        self
    }

    fn worth(mut self, minimum: &'static str) -> Self {
        self.minimum = minimum;
        self
    }

    fn decide(&self) -> Decision {
        let names = ["old", "new", "newer"];
        let even = if self.arms.len() == 2 { 50.0 } else { 25.0 };
        let weights: Vec<(&str, f64)> = names
            .iter()
            .take(self.arms.len())
            .enumerate()
            .map(|(index, name)| (*name, if index == 0 { 50.0 } else { even }))
            .collect();
        let bought = BOUGHT.replace("\"measure\"", &format!("{}\"measure\"", self.minimum));
        let failed = format!(
            r#"{{"name":"failed","role":"guardrail","goal":"decrease",{}
            "measure":{{"kind":"conversion","event":"failed"}}}}"#,
            self.guardrail
        );
        let design = design(&weights, &format!("{bought},{failed}"), &self.discipline);
        let metrics: Vec<[(&str, MetricTally); 2]> = self
            .arms
            .iter()
            .map(|(units, (bought, failed))| {
                [
                    ("bought", share(*bought, *units)),
                    ("failed", share(*failed, *units)),
                ]
            })
            .collect();
        let arms: Vec<(&str, u64, &[(&str, MetricTally)])> = names
            .iter()
            .zip(&self.arms)
            .zip(&metrics)
            .map(|((name, (units, _)), metrics)| (*name, *units, metrics.as_slice()))
            .collect();
        decide(&result(&design, &tallies(&arms), &self.asked))
    }

    #[track_caller]
    fn expect(&self, action: &Action, kinds: &[&str]) -> Decision {
        let decision = self.decide();
        assert_eq!(&decision.action, action, "{decision}");
        let got: Vec<&str> = decision.because.iter().map(|reason| reason.kind()).collect();
        assert_eq!(got, kinds, "{decision}");
        decision
    }
}

fn ship(arm: &str) -> Action {
    Action::Ship {
        arm: arm.parse().unwrap(),
    }
}

const BETTER: [(u64, Events); 2] = [(20_000, (2_000, 400)), (20_000, (2_600, 400))];
const SAME: [(u64, Events); 2] = [(20_000, (2_000, 400)), (20_000, (2_010, 400))];
const WORSE: [(u64, Events); 2] = [(20_000, (2_600, 400)), (20_000, (2_000, 400))];
const BROKEN: [(u64, Events); 2] = [(20_000, (2_000, 400)), (20_000, (2_600, 800))];

#[test]
fn a_proven_improvement_is_shipped_by_a_look_that_counts() {
    Case::of(ANYTIME, &BETTER).expect(&ship("new"), &["better"]);
    Case::of(&fixed(40_000), &BETTER).expect(&ship("new"), &["better"]);
    Case::of(&group(60_000), &BETTER)
        .looked(&[12_000, 24_000])
        .expect(&ship("new"), &["better"]);
    // A peek ships nothing, however sure it looks, and neither does what comes between looks or after the last.
    Case::of(&fixed(60_000), &BETTER).expect(&Action::KeepRunning, &["better", "look"]);
    Case::of(&group(60_000), &BETTER)
        .looked(&[36_000])
        .expect(&Action::KeepRunning, &["better", "look"]);
    Case::of(&fixed(30_000), &BETTER)
        .looked(&[30_000])
        .expect(&Action::CannotSay, &["better", "look"]);
    Case::of(&fixed(60_000), &BETTER)
        .ended(End::Early)
        .expect(&Action::CannotSay, &["better", "look"]);
    Case::of(&fixed(60_000), &BETTER)
        .ended(End::AsPlanned)
        .expect(&ship("new"), &["better"]);
}

#[test]
fn nothing_is_shipped_before_its_guardrails_are_held() {
    let open = Case::of(ANYTIME, &BETTER).guarded(MARGIN);
    let decision = open.expect(&Action::KeepRunning, &["better", "not_yet_safe"]);
    assert!(
        decision.to_string().contains("failed of new is not yet proven"),
        "{decision}"
    );
    let over = Case::of(ANYTIME, &BETTER).guarded(MARGIN).ended(End::AsPlanned);
    over.expect(&Action::CannotSay, &["better", "not_yet_safe"]);
    let held = [(20_000, (2_000, 800)), (20_000, (2_600, 600))];
    Case::of(ANYTIME, &held)
        .guarded(MARGIN)
        .expect(&ship("new"), &["better"]);
}

#[test]
fn a_broken_guardrail_acts_as_it_says() {
    for (on_breach, action, by_itself) in [
        (r#""margin":0.1,"onBreach":"stop","#, Action::Revert, true),
        (r#""margin":0.1,"onBreach":"pause","#, Action::Pause, true),
        (MARGIN, Action::Revert, false),
    ] {
        let decision = Case::of(ANYTIME, &BROKEN)
            .guarded(on_breach)
            .expect(&action, &["breached"]);
        assert_eq!(decision.by_itself, by_itself);
        assert!(
            decision.to_string().contains("10.0 % that are tolerated"),
            "{decision}"
        );
        // Also while only peeks are to be had.
        let peek = Case::of(&fixed(1_000_000), &BROKEN).guarded(on_breach).decide();
        assert_eq!(peek.action, action);
    }
    // Of two treatments only the one that does no harm is shipped.
    let one_breaks = [
        (20_000, (2_000, 800)),
        (10_000, (1_500, 800)),
        (10_000, (1_400, 300)),
    ];
    let kinds = ["better", "breached"];
    Case::of(ANYTIME, &one_breaks)
        .guarded(MARGIN)
        .expect(&ship("newer"), &kinds);
}

#[test]
fn harm_is_reverted() {
    Case::of(ANYTIME, &WORSE).expect(&Action::Revert, &["worse"]);
    Case::of(&fixed(60_000), &WORSE).expect(&Action::KeepRunning, &["worse", "look"]);
}

#[test]
fn a_mismatch_of_the_arms_silences_everything_but_guardrails() {
    let missing = [(20_000, (2_000, 400)), (21_500, (2_600, 400))];
    let decision = Case::of(ANYTIME, &missing).expect(&Action::CannotSay, &["sample_ratio_mismatch"]);
    assert!(
        decision
            .to_string()
            .starts_with("cannot say: the arms have not got"),
        "{decision}"
    );
    let broken = [(20_000, (2_000, 400)), (21_500, (2_600, 900))];
    Case::of(ANYTIME, &broken)
        .guarded(r#""onBreach":"stop","#)
        .expect(&Action::Revert, &["breached", "sample_ratio_mismatch"]);
}

#[test]
fn what_will_not_be_proven_is_stopped() {
    Case::of(ANYTIME, &SAME).expect(&Action::KeepRunning, &["undecided"]);
    Case::of(&fixed(40_000), &SAME).expect(&Action::StopForFutility, &["nothing_proven", "undecided"]);
    Case::of(ANYTIME, &SAME)
        .ended(End::AsPlanned)
        .expect(&Action::StopForFutility, &["nothing_proven", "undecided"]);
    let worth = r#""minimumEffect":0.2,"#;
    Case::of(ANYTIME, &SAME)
        .worth(worth)
        .expect(&Action::StopForFutility, &["minimum_excluded"]);
    // With the smallest effect worth finding hardly a chance is left.
    let down = [(20_000, (2_000, 400)), (20_000, (1_970, 400))];
    Case::of(&group(60_000), &down)
        .looked(&[12_000, 24_000])
        .worth(r#""minimumEffect":0.03,"#)
        .expect(&Action::StopForFutility, &["small_chance"]);
    // While there is one it goes on.
    let up = [(20_000, (2_000, 400)), (20_000, (2_060, 400))];
    Case::of(&group(60_000), &up)
        .looked(&[12_000, 24_000])
        .worth(r#""minimumEffect":0.09,"#)
        .expect(&Action::KeepRunning, &["undecided", "on_the_way"]);
}

#[test]
fn the_better_one_of_two_is_shipped() {
    let both = [
        (20_000, (2_000, 400)),
        (10_000, (1_300, 200)),
        (10_000, (1_500, 200)),
    ];
    let decision = Case::of(ANYTIME, &both).expect(&ship("newer"), &["better", "also_wins"]);
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!((&json["action"], &json["arm"]), (&"ship".into(), &"newer".into()));
    let text = json["because"][0]["text"].as_str().unwrap();
    assert_eq!(
        text,
        "bought of newer is better (+50.0 %), proven by the always-valid test"
    );
}

#[test]
fn refusals_are_reasons() {
    let nothing = [(20, (0, 0)), (20, (0, 0))];
    let decision = Case::of(&fixed(40), &nothing).decide();
    assert_eq!(decision.action, Action::CannotSay, "{decision}");
    assert!(decision.to_string().contains("nothing varies"), "{decision}");
    let metric = r#"{"name":"spent","measure":{"kind":"revenue","event":"bought"}}"#;
    let design = design(&EVEN, metric, ANYTIME);
    let decision = decide(&result(&design, &tallies(&[]), &Asked::default()));
    assert_eq!(decision.action, Action::KeepRunning);
    assert!(
        decision.to_string().contains("at least 100 are needed"),
        "{decision}"
    );
}
