//! Ranks of treatments against the control.

use crate::make::{Told, design, did, fold, folded, met, met_as, metric, observe};
use crate::raw;
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::{RankTally, Tallies};

const SPENT: &str = r#"{"name":"spent","ranks":true,"measure":{"kind":"revenue","event":"a"}}"#;

/// Units of an arm that spent this.
fn spent(arm: &str, values: &[i64]) -> Vec<Told> {
    let each = values.iter().enumerate().flat_map(|(number, value)| {
        let unit = format!("{arm}{number}");
        let exposure = met(&unit, arm, 1);
        // Who spends nothing does nothing.
        let event = (*value != 0).then(|| did(&unit, "a", *value as f64, 2));
        std::iter::once(exposure).chain(event)
    });
    each.collect()
}

fn ranks(tallies: &Tallies, arm: &str) -> Option<RankTally> {
    metric(tallies, arm, "spent").ranks
}

/// What the arms old, mid and new say when they spent this.
fn tallied(arms: [&[i64]; 3]) -> Tallies {
    let told: Vec<Told> = ["old", "mid", "new"]
        .iter()
        .zip(arms)
        .flat_map(|(arm, values)| spent(arm, values))
        .collect();
    folded(&design(SPENT, ""), &told)
}

#[test]
fn each_treatment_is_ranked_against_the_control() {
    let (old, mid, new) = ([0, 0, 3, 5, -2], [0, 3, 3, 9], [1, 1, 1, 8, 5, 0, 0]);
    let tallies = tallied([&old, &mid, &new]);
    assert_eq!(ranks(&tallies, "old"), None);
    let of_mid = ranks(&tallies, "mid").unwrap();
    // 0 has one below and two beside, 3 three below and one beside, 9 all five below.
    assert_eq!(of_mid.twice_u, (2 + 2) + 2 * (2 * 3 + 1) + 2 * 5);
    // Three times 0 and three times 3.
    assert_eq!(of_mid.tied, (27 - 3) * 2);
    assert_eq!(of_mid, raw::ranks(&mid, &old));
    assert_eq!(ranks(&tallies, "new").unwrap(), raw::ranks(&new, &old));
}

#[test]
fn all_may_be_equal_and_an_arm_empty() {
    let tallies = tallied([&[4, 4, 4], &[4, 4], &[]]);
    let of_mid = ranks(&tallies, "mid").unwrap();
    assert_eq!((of_mid.twice_u, of_mid.tied), (6, 120));
    let of_new = ranks(&tallies, "new").unwrap();
    assert_eq!((of_new.treatment, of_new.control, of_new.twice_u), (0, 3, 0));
    let nobody = tallied([&[], &[], &[]]);
    assert_eq!(ranks(&nobody, "new"), Some(RankTally::default()));
}

/// Values of the largest size, either sign: nothing is cut off.
#[test]
fn the_largest_values_are_ranked() {
    let (old, new) = (
        [1_000_000_000, -1_000_000_000, 0],
        [999_999_999, -999_999_999, 1_000_000_000],
    );
    let tallies = tallied([&old, &[], &new]);
    assert_eq!(ranks(&tallies, "new").unwrap(), raw::ranks(&new, &old));
}

/// Ranks are found by a look; the tallies in between have those of the look before.
#[test]
fn a_look_finds_ranks() {
    let asks = design(SPENT, "");
    let mut fold = fold(&asks);
    observe(&mut fold, &spent("old", &[1, 2]));
    observe(&mut fold, &spent("new", &[2]));
    assert!(fold.walks());
    assert_eq!(ranks(&fold.tallies(), "new"), None);
    let before = fold.look();
    assert_eq!(ranks(&before, "new").unwrap(), raw::ranks(&[2], &[1, 2]));
    observe(&mut fold, &[met("more", "new", 3)]);
    assert_eq!(ranks(&fold.tallies(), "new"), ranks(&before, "new"));
    assert_eq!(ranks(&fold.look(), "new").unwrap(), raw::ranks(&[2, 0], &[1, 2]));
    // Nobody asked: nobody walks.
    let silent: Design = design(&SPENT.replace(r#""ranks":true,"#, ""), "");
    assert!(!crate::make::fold(&silent).walks());
    assert_eq!(ranks(&folded(&silent, &spent("new", &[1])), "new"), None);
}

/// Each value of a dimension has its own ranks.
#[test]
fn groups_are_ranked_by_themselves() {
    let asks = design(SPENT, r#","dimensions":["country"]"#);
    let told = [
        met_as("u", "old", 1, &[("country", "de")]),
        met_as("v", "new", 1, &[("country", "de")]),
        met_as("w", "old", 1, &[("country", "fr")]),
        met_as("x", "new", 1, &[("country", "fr")]),
        did("u", "a", 7.0, 2),
        did("v", "a", 9.0, 2),
        did("w", "a", 9.0, 2),
    ];
    let tallies = folded(&asks, &told);
    let group = |country: &str| tallies.breakdown["country"][country]["new"].metrics["spent"].ranks;
    assert_eq!(group("de").unwrap(), raw::ranks(&[9], &[7]));
    assert_eq!(group("fr").unwrap(), raw::ranks(&[0], &[9]));
    assert_eq!(ranks(&tallies, "new").unwrap(), raw::ranks(&[9, 0], &[7, 9]));
}

/// Ranks of one batch are those of the batch; of two together there are none. As text they lose nothing.
#[test]
fn batches_together_have_no_ranks() {
    let one = tallied([&[1, 2], &[], &[3]]);
    let alone = Tallies::together(std::slice::from_ref(&one));
    assert_eq!(alone, one);
    assert_eq!(
        ranks(&Tallies::together(&[one.clone(), one.clone()]), "new"),
        None
    );
    let mut large = one;
    let new = large.arms.get_mut("new").unwrap();
    new.metrics.get_mut("spent").unwrap().ranks = Some(RankTally {
        tied: u128::MAX / 3,
        ..RankTally::default()
    });
    let text = serde_json::to_string(&large).unwrap();
    assert_eq!(serde_json::from_str::<Tallies>(&text).unwrap(), large);
}

/// Only one number of a unit can be ranked, and a bandit cannot put ranks of batches together.
#[test]
fn designs_are_refused_whose_ranks_say_nothing() {
    let asked = |measure: &str| {
        let metric = format!(r#"{{"name":"spent","ranks":true,"measure":{measure}}}"#);
        let plain = design(SPENT, "");
        let text = serde_json::to_string(&plain).unwrap();
        let mut text: serde_json::Value = serde_json::from_str(&text).unwrap();
        text["metrics"] = serde_json::from_str(&format!("[{metric}]")).unwrap();
        serde_json::from_value::<Design>(text).unwrap()
    };
    let said = |design: &Design| -> Vec<String> {
        let each = design.violations().into_iter();
        each.map(|violation| format!("{violation:?}")).collect()
    };
    for fine in [
        r#"{"kind":"engagement","event":"a"}"#,
        r#"{"kind":"custom","event":"a","aggregation":"max"}"#,
    ] {
        assert_eq!(said(&asked(fine)), Vec::<String>::new());
    }
    for wrong in [
        r#"{"kind":"conversion","event":"a"}"#,
        r#"{"kind":"custom","event":"a","aggregation":"average"}"#,
        r#"{"kind":"percentile","event":"a","quantile":0.5}"#,
    ] {
        let said = said(&asked(wrong));
        assert!(said.len() == 1 && said[0].contains("ranks"), "{said:?}");
    }
    let mut bandit = asked(r#"{"kind":"revenue","event":"a"}"#);
    bandit.bandit = Some(serde_json::from_str(r#"{"metric":"spent"}"#).unwrap());
    let said = said(&bandit);
    assert!(
        said.iter()
            .any(|one| one.contains("ranks of several batches cannot be put together")),
        "{said:?}"
    );
}
