//! Sums of others say what their rows would have said.

use crate::{about, read, rows, set};
use tidegate_analytics::foreign::summary::{Kept, Summary};
use tidegate_analytics::foreign::{Analysis, Question};
use tidegate_analytics::result::{ExperimentResult, Tested};

fn summed(text: &str) -> Analysis {
    let summary: Summary = serde_json::from_str(text).unwrap();
    summary
        .analysis(Question::default())
        .unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn tested(result: &ExperimentResult) -> &Tested {
    let tested = result.metrics[0].comparisons[0].fixed.as_ref().unwrap();
    tested.given().unwrap()
}

fn close(one: f64, other: f64) {
    assert!(
        (one - other).abs() <= 1e-7 * other.abs().max(1e-7),
        "{one} for {other}"
    );
}

#[test]
fn conversions_are_the_same_sums() {
    let text = rows(
        "arm,v",
        &[("old,1", 10), ("old,0", 90), ("new,1", 20), ("new,0", 80)],
    );
    let table = read(about(&["v"]), &text).unwrap();
    let summary = summed(
        r#"{"control":"old","metrics":[{"name":"v","arms":{"old":{"n":100,"events":10},"new":{"n":100,"events":20}}}]}"#,
    );
    assert_eq!(table.tallies, summary.tallies);
}

#[test]
fn means_have_their_means_and_deviations() {
    let values = [[1.5, 2.5, 9.0, -3.0], [4.0, 4.5, 8.0, 1.0]];
    let text: String = std::iter::once("arm,v\n".to_owned())
        .chain(
            values
                .iter()
                .zip(["old", "new"])
                .flat_map(|(values, arm)| values.iter().map(move |value| format!("{arm},{value}\n"))),
        )
        .collect();
    let table = read(about(&["v"]), &text).unwrap().judge();
    let of = |values: &[f64; 4]| {
        let mean = values.iter().sum::<f64>() / 4.0;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        format!(r#"{{"n":4,"mean":{mean},"sd":{}}}"#, (squares / 3.0).sqrt())
    };
    let summary = summed(&format!(
        r#"{{"control":"old","metrics":[{{"name":"v","arms":{{"old":{},"new":{}}}}}]}}"#,
        of(&values[0]),
        of(&values[1])
    ))
    .judge();
    close(tested(&summary.result).p.p, tested(&table.result).p.p);
}

#[test]
fn histories_and_ratios_keep_their_correlation() {
    let (mut text, mut sums) = ("arm,y,x\n".to_owned(), Vec::new());
    for arm in ["old", "new"] {
        let mut pairs = Vec::new();
        for unit in 0..150_i32 {
            let x = f64::from(unit * 37 % 101) + 1.0;
            let y = x / 2.0 + f64::from(unit * 53 % 89) / 8.0 + if arm == "new" { 1.0 } else { 0.0 };
            text.push_str(&format!("{arm},{y},{x}\n"));
            pairs.push((y, x));
        }
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / 150.0;
        let (y, x) = (mean(|pair| pair.0), mean(|pair| pair.1));
        let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
        let yy = sum(&|pair| (pair.0 - y).powi(2));
        let xx = sum(&|pair| (pair.1 - x).powi(2));
        let xy = sum(&|pair| (pair.0 - y) * (pair.1 - x));
        let deviation = |squares: f64| (squares / 149.0).sqrt();
        sums.push((y, deviation(yy), x, deviation(xx), xy / (xx * yy).sqrt()));
    }
    let arms = |write: fn(&(f64, f64, f64, f64, f64)) -> String| {
        format!(r#"{{"old":{},"new":{}}}"#, write(&sums[0]), write(&sums[1]))
    };
    let history = arms(|(y, sy, x, sx, r)| {
        format!(r#"{{"n":150,"mean":{y},"sd":{sy},"history":{{"mean":{x},"sd":{sx},"correlation":{r}}}}}"#)
    });
    let ratio = arms(|(y, sy, x, sx, r)| {
        format!(
            r#"{{"n":150,"numerator":{{"mean":{y},"sd":{sy}}},"denominator":{{"mean":{x},"sd":{sx},"correlation":{r}}}}}"#
        )
    });
    let mut question = about(&["y"]);
    question.settings.covariates = set("y", "x".to_owned());
    for (question, arms) in [(question, history), (about(&["y=y/x:ratio"]), ratio)] {
        let table = read(question, &text).unwrap().judge();
        let summary = summed(&format!(
            r#"{{"control":"old","metrics":[{{"name":"y","arms":{arms}}}]}}"#
        ))
        .judge();
        let (one, other) = (
            &summary.result.metrics[0].comparisons[0],
            &table.result.metrics[0].comparisons[0],
        );
        assert_eq!(one.method, other.method);
        close(tested(&summary.result).p.p, tested(&table.result).p.p);
    }
}

#[test]
fn a_large_mean_keeps_its_small_deviation() {
    let judged = summed(
        r#"{"control":"old","metrics":[{"name":"v","arms":{
            "old":{"n":1000000,"mean":100000000,"sd":0.5},"new":{"n":1000000,"mean":100000000.002,"sd":0.5}}}]}"#,
    )
    .judge();
    // 0.002 is 2.83 standard errors of 0.5 sqrt(2 / 10^6).
    let statistic = tested(&judged.result).statistic.unwrap();
    assert!((statistic - 2.828_427).abs() < 1e-3, "{statistic}");
}

#[test]
fn rates_need_no_units() {
    let judged = summed(
        r#"{"control":"old","metrics":[{"name":"r","goal":"decrease","arms":{
            "old":{"events":20,"exposure":200},"new":{"events":45,"exposure":200}}}]}"#,
    )
    .judge();
    assert_eq!(judged.beside.rates[0].arms[1].events, 45);
}

#[test]
fn what_is_kept_is_taken_as_it_is() {
    let text = rows(
        "arm,v",
        &[("old,1", 10), ("old,0", 90), ("new,1", 20), ("new,0", 80)],
    );
    let mut table = read(about(&["v"]), &text).unwrap();
    table.design.hypothesis = "it sells more".to_owned();
    let text = format!(
        r#"{{"design":{},"tallies":{},"asked":{}}}"#,
        serde_json::to_string(&table.design).unwrap(),
        serde_json::to_string(&table.tallies).unwrap(),
        serde_json::to_string(&table.asked).unwrap()
    );
    let kept: Kept = serde_json::from_str(&text).unwrap();
    let kept = kept.analysis().unwrap();
    assert_eq!(kept.judge().result.metrics, table.judge().result.metrics);
}

#[test]
fn sums_that_nothing_has_are_refused() {
    let arms = |old: &str, new: &str| {
        format!(r#"{{"control":"old","metrics":[{{"name":"v","arms":{{"old":{old},"new":{new}}}}}]}}"#)
    };
    let good = r#"{"n":10,"events":3}"#;
    for (text, says) in [
        (arms(good, r#"{"n":3,"events":10}"#), ["metrics[0].arms.new.events", "than there are, 3"]),
        (arms(good, r#"{"n":3}"#), ["metrics[0].arms.new", "n and events; n, mean and sd"]),
        (arms(good, r#"{"n":3,"mean":1,"sd":1}"#), ["metrics[0].arms.old", "same kind"]),
        (
            arms(r#"{"n":3,"mean":1,"sd":-1}"#, good),
            ["metrics[0].arms.old.sd", "not negative"],
        ),
        (
            arms(r#"{"n":1,"mean":1,"sd":1}"#, good),
            ["metrics[0].arms.old.sd", "fewer than two units"],
        ),
        (
            arms(r#"{"n":9,"mean":1,"sd":1e-7}"#, good),
            ["metrics[0].arms.old.sd", "smaller unit"],
        ),
        (
            arms(r#"{"n":9,"mean":1e12,"sd":1}"#, good),
            ["metrics[0].arms.old.mean", "larger unit"],
        ),
        (
            arms(
                r#"{"n":9,"mean":1,"sd":1,"history":{"mean":1,"sd":1,"correlation":1.5}}"#,
                good,
            ),
            ["metrics[0].arms.old.history.correlation", "from -1 to 1"],
        ),
        (
            arms(r#"{"events":3,"exposure":0}"#, good),
            ["metrics[0].arms.old.exposure", "more than 0"],
        ),
        (
            r#"{"arms":{"old":{"units":5},"new":{}},"metrics":[{"name":"v","arms":{"old":{"n":9,"events":1},"new":{"n":9,"events":1}}}]}"#
                .to_owned(),
            ["metrics[0].arms.old.n", "the arm has 5 units"],
        ),
        (
            r#"{"metrics":[{"name":"v","arms":{"old":{"n":9,"events":1}}},{"name":"w","arms":{"new":{"n":9,"events":1}}}]}"#
                .to_owned(),
            ["metrics[0].arms.new", "the numbers of every arm"],
        ),
    ] {
        let summary: Summary = serde_json::from_str(&text).unwrap();
        let invalid = summary.analysis(Question::default()).unwrap_err().to_string();
        for says in says {
            assert!(invalid.contains(says), "{text}: {invalid}");
        }
    }
    for (text, says) in [
        (r#"{"metrics":[{"name":"v","golas":"x","arms":{}}]}"#, "golas"),
        (
            r#"{"metrics":[{"name":"v","arms":{"old":{"n":1,"event":1}}}]}"#,
            "event",
        ),
        (
            r#"{"metrics":[{"name":"v","arms":{"old":{"n":-1,"events":1}}}]}"#,
            "-1",
        ),
    ] {
        let error = serde_json::from_str::<Summary>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
