//! Every case of the reference vectors, one test a topic.
#![expect(clippy::expect_used, reason = "what stands beside the tests is a test too")]

use std::path::Path;
use tidegate_proof::check::{Checked, Outcome, check};

/// Cases whose expected numbers are wrong, and why. The check reports them as failed all the same; the
/// proofs are in `wrong_references.rs`.
const DISPUTED: [(&str, &str); 1] = [(
    "bandits/d013",
    "the chance of the third arm to be the best is given 3.8 times as large as its chance to beat the second",
)];

fn checked(topic: &str) -> Vec<Checked> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stats/tests/reference");
    let text =
        std::fs::read_to_string(folder.join(topic).with_extension("json")).expect("the vectors are here");
    check(&text).expect("the vectors can be read")
}

fn check_topic(topic: &str) {
    let checked = checked(topic);
    assert!(!checked.is_empty());
    let wrong: Vec<String> = checked
        .into_iter()
        .filter(|case| DISPUTED.iter().all(|(disputed, _)| case.id != *disputed))
        .filter_map(|case| match case.outcome {
            Outcome::Passed => None,
            Outcome::Unsupported => Some(format!("{} {}: unsupported", case.id, case.method)),
            Outcome::Failed(why) => Some(format!("{} {}: {}", case.id, case.method, why.join("; "))),
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! topics {
    ($($topic:ident)*) => { $(#[test] fn $topic() { check_topic(stringify!($topic)); })* };
}

topics! {
    anova bandits bayes_conversion bayes_normal contingency count_rates cuped distributions group_sequential means
    moments multiplicity noninferiority power proportions quantiles ranks ratio_metrics sequential srm strata
}

#[test]
fn what_is_disputed_is_reported_as_failed() {
    for (disputed, why) in DISPUTED {
        let topic = disputed.split('/').next().expect("a case has a topic");
        let case = checked(topic)
            .into_iter()
            .find(|case| case.id == disputed)
            .expect("the case is there");
        assert!(
            matches!(case.outcome, Outcome::Failed(_)),
            "{disputed} passes now, though {why}"
        );
    }
}
