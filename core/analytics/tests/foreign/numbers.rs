//! What comes out of a table is what the methods say of its numbers.

use crate::{about, read, rows, set};
use tidegate_analytics::foreign::{Analysis, Judged, Missing, Question, Schedule};
use tidegate_analytics::result::{Comparison, Kind, Look, Method, Rule, Verdict};
use tidegate_stats::moments::Moments;
use tidegate_stats::proportion::{Variance, z_test};
use tidegate_stats::quantile::{ClusterSums, ClusteredArm, Sorted, contrast_clustered};
use tidegate_stats::strata::{Stratum, mantel_haenszel, post_stratified};
use tidegate_stats::{Alternative, Counts, count_rate, mean, ratio};

fn judged(question: Question, text: &str) -> Judged {
    analysis(question, text).judge()
}

fn analysis(question: Question, text: &str) -> Analysis {
    read(question, text).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn only(judged: &Judged) -> &Comparison {
    &judged.result.metrics[0].comparisons[0]
}

fn close(got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 1e-9 * want.abs().max(1e-9),
        "{got} for {want}"
    );
}

fn moments(values: &[f64]) -> Moments {
    let mut moments = Moments::default();
    for value in values {
        moments.push(*value);
    }
    moments
}

#[test]
fn zeros_and_ones_are_a_conversion() {
    let text = rows(
        "group,bought",
        &[
            ("control,0", 900),
            ("control,1", 100),
            ("new,0", 860),
            ("new,1", 140),
        ],
    );
    let judged = judged(Question::default(), &text);
    assert_eq!(judged.result.metrics[0].kind, Kind::Share);
    assert_eq!(judged.result.headline, Rule::Fixed);
    assert!(matches!(
        judged.result.look,
        Look::Final {
            units: 2000,
            planned: 2000
        }
    ));
    let (control, treatment) = (counts(100, 1000), counts(140, 1000));
    let want = z_test(control, treatment, Variance::Pooled, Alternative::TwoSided).unwrap();
    let got = only(&judged).fixed.as_ref().unwrap().given().unwrap();
    close(got.p.p, want.p.p);
    assert_eq!(only(&judged).method, Method::PooledZ);
    assert_eq!(only(&judged).verdict, Verdict::Better);
}

const fn counts(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

#[test]
fn a_decrease_may_be_what_is_wanted() {
    let text = rows(
        "group,failed",
        &[
            ("control,0", 860),
            ("control,1", 140),
            ("new,0", 900),
            ("new,1", 100),
        ],
    );
    let mut question = Question::default();
    question.settings.goals = set("failed", tidegate_model::experiment::Goal::Decrease);
    assert_eq!(only(&judged(question, &text)).verdict, Verdict::Better);
    assert_eq!(only(&judged(Question::default(), &text)).verdict, Verdict::Worse);
}

#[test]
fn other_numbers_are_a_mean() {
    let text = "arm,spent\nold,1.5\nold,0\nold,7.25\nnew,3\nnew,-1\nnew,2\nnew,1e1\n";
    let judged = judged(Question::default(), text);
    let want = mean::contrast(&moments(&[1.5, 0.0, 7.25]), &moments(&[3.0, -1.0, 2.0, 10.0])).unwrap();
    let got = only(&judged).difference.given().unwrap();
    close(got.estimate, want.difference);
    close(got.standard_error, want.variance().sqrt());
    assert_eq!(only(&judged).method, Method::WelchT);
}

#[test]
fn rows_of_one_unit_are_added_up() {
    let once = "arm,spent\nold,3\nold,0\nold,5\nnew,9\nnew,1\nnew,2\n";
    let often = "arm,who,spent\nold,a,1\nnew,x,4\nold,b,0\nold,a,2\nold,c,5\nnew,x,5\nnew,y,1\nnew,z,2\n";
    let question = Question {
        unit: Some("who".to_owned()),
        ..about(&["spent"])
    };
    let (one, other) = (analysis(about(&["spent"]), once), analysis(question, often));
    assert_eq!(one.tallies, other.tallies);
}

#[test]
fn a_unit_converts_once() {
    let text = "arm,who,bought\nold,a,1\nold,a,1\nold,b,0\nnew,c,1\nnew,c,0\nnew,d,1\n";
    let question = Question {
        unit: Some("who".to_owned()),
        ..about(&["bought"])
    };
    let analysis = analysis(question, text);
    let of = |arm: &str| analysis.tallies.arms[arm].metrics["bought"].all();
    assert_eq!((of("old").n, of("old").y), (2, 1_000_000));
    assert_eq!((of("new").n, of("new").y), (2, 2_000_000));
}

#[test]
fn a_unit_in_two_arms_is_in_none_and_counted() {
    let text = "arm,who,time\nold,a,5\nnew,a,1\nold,b,2\nold,c,3\nnew,d,2\nnew,e,9\n";
    for kind in ["time", "time:median"] {
        let question = Question {
            unit: Some("who".to_owned()),
            ..about(&[kind])
        };
        let analysis = analysis(question, text);
        assert_eq!(analysis.tallies.left_out.double_exposed, 1);
        for (arm, of) in &analysis.tallies.arms {
            assert_eq!(of.units, 2, "{arm}");
            let metric = of.metrics.values().next().unwrap();
            let values = metric.quantile.map_or(metric.all().n, |quantile| quantile.events);
            assert_eq!(values, 2, "{arm} {kind}");
        }
    }
}

#[test]
fn a_row_may_stand_for_many_units() {
    let long = rows(
        "arm,v",
        &[("old,1", 3), ("old,2.5", 4), ("new,0", 2), ("new,7", 5)],
    );
    let short = "arm,v,times\nold,1,3\nnew,0,2\nold,2.5,4\nnew,7,5\nold,99,0\n";
    let question = Question {
        weight: Some("times".to_owned()),
        ..about(&["v"])
    };
    assert_eq!(
        analysis(about(&["v"]), &long).tallies,
        analysis(question, short).tallies
    );
}

#[test]
fn events_are_counted_of_a_rows_units() {
    let question = Question {
        weight: Some("seen".to_owned()),
        ..about(&["ctr=clicks:events"])
    };
    let text = "arm,seen,clicks\nold,500,3\nold,9500,43\nnew,10000,69\n";
    let judged = judged(question, text);
    let want = z_test(
        counts(46, 10_000),
        counts(69, 10_000),
        Variance::Pooled,
        Alternative::TwoSided,
    )
    .unwrap();
    close(
        only(&judged).fixed.as_ref().unwrap().given().unwrap().p.p,
        want.p.p,
    );
}

#[test]
fn two_columns_are_a_ratio() {
    let text = "arm,clicks,views\nold,1,4\nold,0,2\nold,2,3\nold,1,1\nnew,3,4\nnew,1,5\nnew,2,2\nnew,0,2\n";
    let judged = judged(about(&["ctr=clicks/views"]), text);
    assert_eq!(only(&judged).method, Method::RatioDelta);
    let pairs = |pairs: &[(f64, f64)]| {
        let mut all = tidegate_stats::moments::Comoments::default();
        for (y, x) in pairs {
            all.push(*x, *y);
        }
        all
    };
    let control = pairs(&[(1.0, 4.0), (0.0, 2.0), (2.0, 3.0), (1.0, 1.0)]);
    let treatment = pairs(&[(3.0, 4.0), (1.0, 5.0), (2.0, 2.0), (0.0, 2.0)]);
    let want = ratio::delta(&control, &treatment).unwrap().contrast;
    let got = only(&judged).difference.given().unwrap();
    close(got.estimate, want.difference);
    close(got.standard_error, want.variance().sqrt());
}

#[test]
fn a_covariate_takes_off_what_it_explains() {
    let mut text = "arm,y,before\n".to_owned();
    for unit in 0..600_i32 {
        let arm = if unit % 2 == 0 { "old" } else { "new" };
        let before = f64::from(unit * 37 % 101);
        let noise = f64::from(unit * 53 % 97) / 10.0;
        let known = if unit % 10 == 0 {
            String::new()
        } else {
            before.to_string()
        };
        text.push_str(&format!("{arm},{},{known}\n", before + noise));
    }
    let mut question = about(&["y"]);
    question.settings.covariates = set("y", "before".to_owned());
    let judged = judged(question, &text);
    let comparison = only(&judged);
    assert_eq!(comparison.method, Method::Cuped);
    let history = comparison.history.unwrap();
    assert!((history.theta - 1.0).abs() < 0.05, "{history:?}");
    assert!(history.variance_ratio < 0.3, "{history:?}");
    assert_eq!(judged.result.metrics[0].arms[0].known, 240);
}

#[test]
fn percentiles_go_by_units() {
    let (mut text, mut arms) = ("arm,who,ms\n".to_owned(), Vec::new());
    for arm in ["old", "new"] {
        let (mut all, mut units) = (Vec::new(), Vec::new());
        for who in 0..40_i32 {
            let values: Vec<f64> = (0..5_i32)
                .map(|event| {
                    f64::from(who * 29 % 83 + event * 7 % 11) + if arm == "new" { 20.0 } else { 0.0 }
                })
                .collect();
            for value in &values {
                text.push_str(&format!("{arm},{arm}{who},{value}\n"));
            }
            all.extend(&values);
            units.push(values);
        }
        let quantile = tidegate_stats::quantile::Arm::of(&Sorted::of(all).unwrap(), 0.9).unwrap();
        let mut sums = ClusterSums::default();
        for values in units {
            let below = values.iter().filter(|value| **value <= quantile.value).count();
            sums.add(below as u64, values.len() as u64);
        }
        arms.push(ClusteredArm { quantile, sums });
    }
    let question = Question {
        unit: Some("who".to_owned()),
        ..about(&["latency=ms:p90"])
    };
    let judged = judged(question, &text);
    let want = contrast_clustered(&arms[0], &arms[1]).unwrap();
    let got = only(&judged).difference.given().unwrap();
    close(got.estimate, want.difference);
    close(got.standard_error, want.variance().sqrt());
    assert_eq!(judged.result.metrics[0].arms[0].units, 40);
}

#[test]
fn rates_are_tested_exactly_and_their_interval_agrees() {
    let text = "arm,crashes,hours\nold,12,100.5\nold,8,99.5\nnew,30,150\nnew,15,50\n";
    let mut question = about(&["crash=crashes/hours:rate"]);
    question.settings.goals = set("crash", tidegate_model::experiment::Goal::Decrease);
    let judged = judged(question, text);
    assert!(judged.result.metrics.is_empty());
    let rate = &judged.beside.rates[0];
    let comparison = &rate.comparisons[0];
    let count = |events, exposure| count_rate::EventCount { events, exposure };
    let (old, new) = (count(20, 200.0), count(45, 200.0));
    let more = count_rate::exact_test(new, old, 1.0, Alternative::Greater).unwrap();
    close(comparison.p.given().unwrap().p, 2.0 * more.p);
    assert_eq!(comparison.verdict, Verdict::Worse);
    let interval = comparison.interval.given().unwrap();
    assert!(interval.lower.unwrap() > 0.0, "{interval:?}");
    close(*comparison.lift.given().unwrap(), 1.25);
}

#[test]
fn strata_are_compared_by_themselves() {
    let text = rows(
        "arm,land,bought",
        &[
            ("old,fr,0", 60),
            ("old,fr,1", 20),
            ("new,fr,0", 20),
            ("new,fr,1", 12),
            ("old,de,0", 30),
            ("old,de,1", 30),
            ("new,de,0", 40),
            ("new,de,1", 60),
            // With one unit an arm has no variance: this stratum goes nowhere.
            ("new,it,1", 1),
        ],
    );
    let question = Question {
        strata: Some("land".to_owned()),
        ..about(&["bought"])
    };
    let judged = judged(question, &text);
    let within = &judged.beside.strata[0].comparisons[0];
    assert_eq!((within.strata, within.merged), (2, 1));
    let binary = |events: u32, trials: u32| {
        moments(
            &(0..trials)
                .map(|one| f64::from(u8::from(one < events)))
                .collect::<Vec<_>>(),
        )
    };
    let strata = [
        Stratum {
            control: binary(20, 80),
            treatment: binary(12, 32),
        },
        Stratum {
            control: binary(30, 60),
            treatment: binary(60, 100),
        },
    ];
    let want = post_stratified(&strata, 0.05).unwrap();
    close(
        within.difference.given().unwrap().estimate,
        want.difference.estimate,
    );
    close(within.p.given().unwrap().p, want.difference.p.p);
    let strata = [
        Stratum {
            control: counts(20, 80),
            treatment: counts(12, 32),
        },
        Stratum {
            control: counts(30, 60),
            treatment: counts(60, 100),
        },
        Stratum {
            control: counts(0, 0),
            treatment: counts(1, 1),
        },
    ];
    let want = mantel_haenszel(&strata, 0.05).unwrap();
    close(
        within.mantel_haenszel.as_ref().unwrap().given().unwrap().p,
        want.p.p,
    );
}

#[test]
fn cells_without_a_value_are_left_out_or_nothing() {
    let text = "arm,v\nold,1\nold,\nold,4\nnew,2\nnew,NaN\nnew,7\n,3\n";
    let question = |missing| Question {
        missing,
        ..about(&["v"])
    };
    let analysis = analysis(question(Missing::LeaveOut), text);
    let old = &analysis.tallies.arms["old"];
    assert_eq!((old.units, old.metrics["v"].all().n), (3, 2));
    assert_eq!(analysis.tallies.left_out.unknown_arm, 1);
    assert!(
        analysis
            .notes
            .iter()
            .any(|note| note.starts_with("v: 2 rows without a value were left out")),
        "{:?}",
        analysis.notes
    );
    let zero = read(question(Missing::Zero), &text.replace("\n,3", "\nold,3")).unwrap();
    let old = &zero.tallies.arms["old"];
    assert_eq!((old.metrics["v"].all().n, old.metrics["v"].active), (4, 3));
}

#[test]
fn shares_that_were_planned_are_checked_and_others_are_not() {
    let text = rows(
        "arm,v",
        &[("old,1", 600), ("old,0", 60), ("new,1", 400), ("new,0", 40)],
    );
    let unknown = judged(about(&["v"]), &text);
    let why = unknown.result.sample_ratio.refusal().unwrap().to_string();
    assert!(why.contains("nobody said which shares"), "{why}");
    let planned = |new: f64| Question {
        expected: vec![("old".to_owned(), 60.0), ("new".to_owned(), new)],
        ..about(&["v"])
    };
    let alarm = |new| {
        let judged = judged(planned(new), &text);
        judged.result.sample_ratio.given().unwrap().alarm
    };
    assert!(alarm(60.0));
    assert!(!alarm(40.0));
}

#[test]
fn arms_may_be_chosen_and_are_named_for_keys() {
    let text = rows(
        "arm,v",
        &[
            ("Variant B,1", 5),
            ("Variant B,0", 5),
            ("0,1", 4),
            ("0,0", 6),
            ("bot,1", 3),
        ],
    );
    let question = Question {
        only: vec!["0".to_owned(), "Variant B".to_owned()],
        ..about(&["v"])
    };
    let analysis = analysis(question, &text);
    assert_eq!(analysis.tallies.left_out.unknown_arm, 3);
    let arms: Vec<&str> = analysis
        .design
        .arms
        .iter()
        .map(|arm| arm.variation.as_str())
        .collect();
    assert_eq!(arms, ["0", "Variant-B"]);
    assert!(
        analysis
            .notes
            .contains(&"the arm \"Variant B\" is called Variant-B".to_owned())
    );
}

#[test]
fn a_part_of_a_table_may_be_asked_for() {
    let text = rows(
        "arm,land,v",
        &[("old,fr,1", 3), ("old,de,0", 4), ("new,fr,0", 5), ("new,it,x", 1)],
    );
    let question = Question {
        rows_where: vec![("land".to_owned(), "fr".to_owned())],
        ..Question::default()
    };
    let analysis = analysis(question, &text);
    let units: Vec<u64> = analysis.tallies.arms.values().map(|arm| arm.units).collect();
    assert_eq!(units, [5, 3]);
    assert!(
        analysis
            .notes
            .iter()
            .any(|note| note.starts_with("5 of 13 rows were passed over"))
    );
}

#[test]
fn disciplines_are_as_asked() {
    let text = rows(
        "arm,v",
        &[("old,1", 300), ("old,0", 700), ("new,1", 350), ("new,0", 650)],
    );
    let with = |schedule| Question {
        schedule,
        ..about(&["v"])
    };
    let anytime = judged(with(Schedule::Anytime { tuned_for: None }), &text);
    assert_eq!(anytime.result.headline, Rule::AlwaysValid);
    let planned = judged(
        with(Schedule::Planned {
            units: 4000,
            looks: 4,
            spending: tidegate_model::experiment::Spending::ObrienFleming,
            before: vec![1000],
        }),
        &text,
    );
    assert_eq!(planned.result.headline, Rule::GroupSequential);
    assert!(matches!(
        planned.result.look,
        Look::Interim {
            number: 2,
            last: false,
            ..
        }
    ));
}

#[test]
fn scales_keep_what_is_fine() {
    let fine =
        "arm,v\nold,0.0000012\nold,0.0000051\nold,0.0000044\nnew,0.0000071\nnew,0.0000066\nnew,0.0000099\n";
    let mut question = about(&["v"]);
    question.settings.scales = set("v", 1e6);
    let judged = judged(question, fine);
    let want = mean::contrast(&moments(&[1.2, 5.1, 4.4]), &moments(&[7.1, 6.6, 9.9])).unwrap();
    let got = only(&judged).difference.given().unwrap();
    assert!((got.estimate - want.difference).abs() < 1e-6);
}

#[test]
fn no_order_of_rows_changes_anything() {
    let text = rows(
        "arm,who,v",
        &[
            ("old,a,1.5", 3),
            ("new,b,2", 2),
            ("old,c,0.1", 1),
            ("new,d,7", 1),
            ("c,e,9", 2),
        ],
    );
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let question = || Question {
        unit: Some("who".to_owned()),
        control: Some("old".to_owned()),
        ..about(&["v"])
    };
    let (one, other) = (
        analysis(question(), &text),
        analysis(question(), &lines.join("\n")),
    );
    assert_eq!((one.design, one.tallies), (other.design, other.tallies));
}
