//! What a person sees, word for word. With `TIDEGATE_BLESS=1` the texts are written anew.
#![expect(clippy::disallowed_methods, reason = "a test may read its surroundings")]

use crate::{about, read, rows, set};
use std::path::Path;
use tidegate_analytics::foreign::Question;
use tidegate_analytics::report::{Besides, Report};

fn expect_text(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/foreign/texts")
        .join(name);
    if std::env::var("TIDEGATE_BLESS").is_ok() {
        std::fs::write(&path, got).expect("the text can be written");
    }
    let want = std::fs::read_to_string(&path).expect("the text is here");
    assert_eq!(got, want, "{name} changed; TIDEGATE_BLESS=1 writes it anew");
}

fn question() -> Question {
    let mut question = Question {
        title: "shop.csv".to_owned(),
        strata: Some("land".to_owned()),
        expected: vec![("control".to_owned(), 50.0), ("new look".to_owned(), 50.0)],
        ..about(&["bought", "spent", "time=ms:p90", "crash=crashes/ms:rate"])
    };
    question.settings.roles = set("spent", tidegate_model::experiment::Role::Secondary);
    question.settings.margins = set("time", 0.1);
    question.settings.goals = ["time", "crash"]
        .into_iter()
        .flat_map(|metric| set(metric, tidegate_model::experiment::Goal::Decrease))
        .collect();
    question
}

fn table() -> String {
    rows(
        "group,land,bought,spent,ms,crashes",
        &[
            ("control,fr,0,0,110,1", 400),
            ("control,fr,1,20.5,120,0", 50),
            ("control,de,0,0,95,0", 500),
            ("control,de,1,31,240,0", 50),
            ("new look,fr,0,0,111,0", 390),
            ("new look,fr,1,22.5,119,0", 70),
            ("new look,de,0,0,96,0", 460),
            ("new look,de,1,30,239,0", 80),
        ],
    )
}

#[test]
fn reports_of_tables() {
    let analysis = read(question(), &table()).unwrap();
    let judged = analysis.judge();
    let report = Report {
        design: &analysis.design,
        result: &judged.result,
        decision: &judged.decision,
        plan: None,
        inputs: "the digest",
        version: "tidegate 0",
    };
    let besides = Besides {
        notes: &analysis.notes,
        beside: &judged.beside,
    };
    expect_text("shop.txt", &report.text_with(&besides));
    expect_text("shop.md", &report.markdown_with(&besides));
    let html = report.html_with(&besides);
    for says in ["Taken for granted", "Within strata", "Rates", "<svg"] {
        assert!(html.contains(says), "{says}");
    }
}
