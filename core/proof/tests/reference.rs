//! Every case of the reference vectors, one test a topic.

#![expect(clippy::expect_used, reason = "what stands beside the tests is a test too")]

use std::path::Path;
use tidegate_proof::check::{Outcome, check};

fn check_topic(topic: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stats/tests/reference");
    let text =
        std::fs::read_to_string(folder.join(topic).with_extension("json")).expect("the vectors are here");
    let checked = check(&text).expect("the vectors can be read");
    assert!(!checked.is_empty());
    let wrong: Vec<String> = checked
        .into_iter()
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
