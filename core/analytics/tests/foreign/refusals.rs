//! What is wrong with a table is said with its line, its column, the rule and a way out.

use crate::{about, read, rows, set};
use tidegate_analytics::foreign::{Question, Settings, Wanted};
use tidegate_analytics::result::Verdict;
use tidegate_model::experiment::{Goal, Role};

fn refused(question: Question, text: &str, says: &[&str]) {
    let invalid = match read(question, text) {
        Ok(analysis) => panic!("{text:?} is taken as {analysis:?}"),
        Err(invalid) => invalid.to_string(),
    };
    for says in says {
        assert!(invalid.contains(says), "{text:?}: {invalid:?} lacks {says:?}");
    }
}

const GOOD: &str = "arm,v,w\nold,1,2\nold,0,3\nnew,1,2\nnew,0,5\n";

#[test]
fn cells_that_say_nothing_good() {
    for (row, says) in [
        (
            "old,x,1",
            ["line 6", "column \"v\"", "a value is a number", "\"x\""],
        ),
        (
            "old,1.234.5,1",
            ["line 6", "column \"v\"", "1.234.5", "a point before decimals"],
        ),
        (
            "old,inf,1",
            ["line 6", "column \"v\"", "finite", "take the row out"],
        ),
        (
            "old,-Infinity,1",
            ["line 6", "column \"v\"", "finite", "take the row out"],
        ),
        (
            "old,,1",
            [
                "line 6",
                "column \"v\"",
                "a cell has a value",
                "--missing leave-out",
            ],
        ),
        ("old,NaN,1", ["line 6", "column \"v\"", "NaN", "--missing zero"]),
        (",1,1", ["line 6", "column \"arm\"", "which arm", "leave-out"]),
        (
            "old",
            ["line 6", "column \"v\"", "a cell for each column", "give it"],
        ),
        (
            "old,2000000000,1",
            ["line 6", "column \"v\"", "1,000,000,000", "scale v=0.001"],
        ),
        (
            "old,0.0000001,1",
            ["line 6", "column \"v\"", "would be 0", "scale v=1000000"],
        ),
    ] {
        refused(about(&["v:mean"]), &format!("{GOOD}{row}\n"), &says);
    }
}

#[test]
fn kinds_that_cells_do_not_have() {
    for (metric, row, says) in [
        (
            "v:conversion",
            "old,2,1",
            ["line 6", "a conversion is 0 or 1", "'mean'"],
        ),
        ("v:events", "old,1.5,2", ["line 6", "whole number", "0 or more"]),
        (
            "v:events",
            "old,3,2",
            ["line 6", "of 2 units no more", "number of units"],
        ),
        ("v/w:rate", "old,1.5,2", ["line 6", "events are counted", "whole"]),
        ("v/w:rate", "old,-1,2", ["line 6", "events are counted", "whole"]),
        ("v/w:rate", "old,1,-2", ["line 6", "column \"w\"", "not negative"]),
    ] {
        let mut question = about(&[&format!("m={metric}")]);
        if metric == "v:events" {
            question.weight = Some("w".to_owned());
        }
        refused(question, &format!("{GOOD}{row}\n"), &says);
    }
    let weight = Question {
        weight: Some("w".to_owned()),
        ..about(&["v"])
    };
    refused(
        weight,
        &format!("{GOOD}old,1,1.5\n"),
        &["line 6", "\"w\"", "a whole number of units"],
    );
}

#[test]
fn columns_that_are_not_there() {
    let ask = |change: fn(&mut Question)| {
        let mut question = about(&["v"]);
        change(&mut question);
        question
    };
    for (question, says) in [
        (
            ask(|q| q.arm = Some("arms".to_owned())),
            ["arm", "\"arms\"", "did you mean \"arm\"?"],
        ),
        (
            ask(|q| q.unit = Some("user".to_owned())),
            ["unit", "no such column", "choose one of arm, v, w"],
        ),
        (
            ask(|q| q.rows_where = vec![("land".to_owned(), "fr".to_owned())]),
            ["where", "\"land\"", "no such column"],
        ),
        (
            ask(|q| q.strata = Some("land".to_owned())),
            ["strata", "no such column", "choose one of"],
        ),
        (
            about(&["v:maen"]),
            ["metric", "no such column", "kinds are conversion"],
        ),
        (about(&["v/x:ratio"]), ["metric", "\"x\"", "no such column"]),
        (
            about(&["v:ratio"]),
            ["metric", "two columns", "COLUMN/COLUMN:ratio"],
        ),
        (about(&["v:events"]), ["metric v", "number of units", "weight"]),
        (
            about(&["x=v", "x=w"]),
            ["metrics[1].name", "a name of its own", "rename"],
        ),
        (
            ask(|q| (q.unit, q.weight) = (Some("v".to_owned()), Some("w".to_owned()))),
            ["weight", "for many units or for a part of one", "leave"],
        ),
        (
            ask(|q| q.settings.goals = set("vv", Goal::Decrease)),
            ["goal", "no metric has this name", "did you mean \"v\"?"],
        ),
        (
            ask(|q| q.settings.goals = set("v", Goal::Maintain)),
            ["metrics[0].margin", "maintain", "margin"],
        ),
        (
            ask(|q| q.settings.roles = set("v", Role::Secondary)),
            [
                "metrics",
                "at least one metric has the role 'success'",
                "hypothesis",
            ],
        ),
        (ask(|q| q.alpha = 0.9), ["alpha", "0.9", "0.05 is usual"]),
        (
            ask(|q| q.settings.scales = set("v", 0.0)),
            ["scale v", "above 0", "1000000"],
        ),
        (
            ask(|q| q.control = Some("nw".to_owned())),
            ["control", "no unit is in this arm", "did you mean \"new\"?"],
        ),
        (
            ask(|q| q.only = vec!["new".to_owned(), "newest".to_owned()]),
            ["arms", "\"newest\"", "the arms are new"],
        ),
        (
            ask(|q| q.expected = vec![("old".to_owned(), 50.0)]),
            ["expected", "\"new\"", "all arms, or of none"],
        ),
        (
            ask(|q| q.expected = vec![("older".to_owned(), 50.0)]),
            ["expected", "\"older\"", "the arms are old, new"],
        ),
    ] {
        refused(question, GOOD, &says);
    }
    refused(
        about(&["v"]),
        "arm,v,v\nold,1,1\n",
        &["metric v", "two columns", "rename"],
    );
    refused(
        about(&["v"]),
        "arm;v\nold;1\n",
        &["arm", "apart by ';'", "delimiter"],
    );
    refused(
        about(&["v"]),
        "who,v\nold,1\n",
        &["arm", "no column has a name", "choose one of who, v"],
    );
}

#[test]
fn what_a_rate_cannot_be() {
    let rate = || about(&["m=v/w:rate"]);
    let mut question = rate();
    question.settings.roles = set("m", Role::Guardrail);
    refused(question, GOOD, &["metric m", "one look", "'ratio'"]);
    let mut question = rate();
    question.settings.margins = set("m", 0.1);
    refused(question, GOOD, &["metric m", "no margin", "'ratio'"]);
}

#[test]
fn what_cannot_be_guessed() {
    refused(
        Question::default(),
        GOOD,
        &["metric", "several columns", "of v, w"],
    );
    refused(
        Question::default(),
        "arm,name\nold,x\n",
        &["metric", "no column that is left holds a number"],
    );
    refused(
        about(&["v"]),
        "arm,v\nred,1\nblue,0\n",
        &["control", "no arm has a name", "choose one of red, blue"],
    );
}

#[test]
fn arms_that_cannot_be_compared() {
    refused(about(&["v"]), "arm,v\n", &["arms", "units", "there are none"]);
    refused(
        about(&["v"]),
        "arm,v\nold,1\nold,0\n",
        &["arms", "\"old\"", "at least two arms"],
    );
    let many: Vec<String> = (0..21).map(|arm| format!("a{arm},1")).collect();
    let text = format!("arm,v\n{}\n", many.join("\n"));
    refused(about(&["v"]), &text, &["line 22", "at most 20 arms"]);
}

#[test]
fn units_that_contradict_themselves() {
    let mut question = Question {
        unit: Some("who".to_owned()),
        ..about(&["v"])
    };
    question.settings.covariates = set("v", "before".to_owned());
    refused(
        question.clone(),
        "arm,who,v,before\nold,a,1,3\nold,a,2,4\n",
        &["line 3", "the same covariate"],
    );
    refused(
        Question {
            strata: Some("before".to_owned()),
            settings: Settings::default(),
            ..question.clone()
        },
        "arm,who,v,before\nold,a,1,3\nold,a,2,4\n",
        &["line 3", "one stratum"],
    );
    refused(
        question,
        "arm,who,v,before\nold,,1,3\n",
        &["line 2", "whose it is"],
    );
}

#[test]
fn values_too_fine_for_millionths() {
    let text = "arm,v\nold,0.0001234567\nold,0.0001234599\nnew,0.0001234123\nnew,0.0001234999\n";
    refused(
        about(&["v"]),
        text,
        &["metric v", "whole millionths", "scale v=1000000"],
    );
}

#[test]
fn sums_without_room() {
    let text = "arm,v,n\nold,1000000000,9000000000\nnew,1,1\n";
    let question = Question {
        weight: Some("n".to_owned()),
        ..about(&["v"])
    };
    refused(
        question,
        text,
        &["line 2", "no room in 128 bits", "scale v=0.001"],
    );
}

#[test]
fn metrics_that_are_not_written_so() {
    for (text, says) in [
        ("a b=c", "a metric name has"),
        ("x=", "a metric names its column"),
    ] {
        let wrong = text.parse::<Wanted>().unwrap_err().to_string();
        assert!(wrong.contains(says), "{wrong}");
    }
}

/// No number stands where none would be honest.
#[test]
fn what_the_data_cannot_say_is_refused() {
    for (text, why) in [
        (rows("arm,v", &[("old,0", 50), ("new,0", 50)]), "nothing varies"),
        (rows("arm,v", &[("old,7", 50), ("new,7", 50)]), "nothing varies"),
        (
            rows("arm,v", &[("old,7", 1), ("new,3", 1)]),
            "at least 2 are needed",
        ),
        (rows("arm,v", &[("old,7.5", 1), ("new,3", 5), ("new,4", 5)]), ""),
    ] {
        let judged = read(about(&["v"]), &text).unwrap().judge();
        let comparison = &judged.result.metrics[0].comparisons[0];
        assert_eq!(comparison.verdict, Verdict::CannotSay, "{text}");
        let refusal = comparison.fixed.as_ref().unwrap().refusal();
        let refusal = refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
        assert!(refusal.contains(why), "{refusal}");
        assert_ne!(refusal, "");
    }
}
