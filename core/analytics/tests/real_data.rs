//! The page of real experiments, kept true: its tables are made of the data here. With `TIDEGATE_BLESS=1` they are
//! written anew.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that has not what it needs fails, and may read its surroundings"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases")]

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tidegate_analytics::foreign::{About, Judged, Question, Schedule, Table};
use tidegate_analytics::result::{Answer, Bounds, Chance, Comparison, Effect, Tested};

/// One comparison of the page.
struct Case {
    /// As the page calls it.
    name: &'static str,
    /// As the peers' results call it.
    peer: &'static str,
    file: &'static str,
    question: Question,
    /// Which treatment.
    arm: usize,
    /// Of shares the peers' z test.
    is_share: bool,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn asked(metric: &str, arm: &str, control: &str) -> Question {
    Question {
        arm: Some(arm.to_owned()),
        control: Some(control.to_owned()),
        metrics: vec![metric.parse().unwrap()],
        ..Question::default()
    }
}

fn campaign(name: &str) -> Question {
    Question {
        weight: Some("impressions".to_owned()),
        rows_where: vec![("campaign".to_owned(), name.to_owned())],
        ..asked("clicked=clicks:events", "policy", "random")
    }
}

fn earned(covariate: Option<&str>) -> Question {
    let mut question = asked("earned=re78:mean", "treat", "0");
    question.settings.covariates = covariate
        .map(|column| About {
            metric: None,
            value: column.to_owned(),
        })
        .into_iter()
        .collect();
    question
}

fn visits() -> Question {
    Question {
        weight: Some("person_years".to_owned()),
        ..asked("visits", "coinsurance_percent", "0")
    }
}

fn cases() -> Vec<Case> {
    let case = |name, peer, file, question, arm, is_share| Case {
        name,
        peer,
        file,
        question,
        arm,
        is_share,
    };
    let bandit = "open_bandit_daily.csv";
    let nsw = "nsw_job_training.csv";
    let rand = "rand_visits_by_plan.csv";
    vec![
        case(
            "Open Bandit, all",
            "open_bandit/all: bts against random, clicks per impression",
            bandit,
            campaign("all"),
            0,
            true,
        ),
        case(
            "Open Bandit, men",
            "open_bandit/men: bts against random, clicks per impression",
            bandit,
            campaign("men"),
            0,
            true,
        ),
        case(
            "Open Bandit, women",
            "open_bandit/women: bts against random, clicks per impression",
            bandit,
            campaign("women"),
            0,
            true,
        ),
        case("NSW, earnings", "nsw/earnings re78", nsw, earned(None), 0, false),
        case(
            "NSW, earnings, CUPED",
            "nsw/earnings re78, CUPED with re75",
            nsw,
            earned(Some("re75")),
            0,
            false,
        ),
        case(
            "Malawi, result fetched",
            "hiv/got result",
            "hiv_result_incentive.csv",
            asked("fetched=got_result", "incentive", "0"),
            0,
            true,
        ),
        case(
            "RAND, 25 %",
            "rand/visits, coinsurance 25 % against free",
            rand,
            visits(),
            0,
            false,
        ),
        case(
            "RAND, 50 %",
            "rand/visits, coinsurance 50 % against free",
            rand,
            visits(),
            1,
            false,
        ),
        case(
            "RAND, 95 %",
            "rand/visits, coinsurance 95 % against free",
            rand,
            visits(),
            2,
            false,
        ),
        case(
            "RAND, 100 %",
            "rand/visits, coinsurance 100 % against free",
            rand,
            visits(),
            3,
            false,
        ),
    ]
}

fn judged(file: &str, question: Question) -> Judged {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let mut lines = (1..).zip(text.lines());
    let (_, header) = lines.next().unwrap();
    let header: Vec<&str> = header.split(',').collect();
    let sample: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    let mut table = Table::new(question, &header, &sample).unwrap_or_else(|wrong| panic!("{wrong}"));
    for (line, row) in lines {
        let cells: Vec<&str> = row.split(',').collect();
        let read = table.row(line, |column| cells.get(column).copied());
        read.unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    table.finish().unwrap_or_else(|wrong| panic!("{wrong}")).judge()
}

fn peers() -> Value {
    let text = std::fs::read_to_string(folder().join("peer_results.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn comparison<'a>(judged: &'a Judged, case: &Case) -> &'a Comparison {
    &judged.result.metrics[0].comparisons[case.arm]
}

fn tested(of: &Option<Answer<Tested>>) -> &Tested {
    of.as_ref().unwrap().given().unwrap()
}

fn p(chance: Chance) -> String {
    if chance.p >= 1e-4 {
        return format!("{:.4}", chance.p);
    }
    let power = (chance.ln / std::f64::consts::LN_10).floor();
    let digits = (chance.ln - power * std::f64::consts::LN_10).exp();
    format!("{digits:.1}e{power:.0}")
}

fn peer_p(p: &Value) -> String {
    match p.as_f64().unwrap() {
        0.0 => "0".to_owned(),
        p if p >= 1e-4 => format!("{p:.4}"),
        p => format!("{p:.1e}"),
    }
}

/// In points of a percent for shares.
fn in_unit(value: f64, is_share: bool) -> String {
    if is_share {
        format!("{:+.3}", 100.0 * value)
    } else if value.abs() >= 100.0 {
        format!("{value:+.0}")
    } else {
        format!("{value:+.3}")
    }
}

fn ends(bounds: &Answer<Bounds>, show: impl Fn(f64) -> String) -> String {
    let bounds = bounds.given().unwrap();
    format!(
        "{} to {}",
        bounds.lower.map_or_else(|| "-inf".to_owned(), &show),
        bounds.upper.map_or_else(|| "inf".to_owned(), &show)
    )
}

fn peer_ends(of: &Value, show: impl Fn(f64) -> String) -> String {
    format!(
        "{} to {}",
        show(of["ci"][0].as_f64().unwrap()),
        show(of["ci"][1].as_f64().unwrap())
    )
}

fn percent(value: f64) -> String {
    format!("{:+.1}", 100.0 * value)
}

fn effect(of: &Answer<Effect>) -> &Effect {
    of.given().unwrap()
}

fn table(header: &str, rows: Vec<String>) -> String {
    let columns = header.matches('|').count() - 1;
    let mut text = format!("{header}\n|{}\n", "---|".repeat(columns));
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    text
}

fn one_look(case: &Case, judged: &Judged, peers: &Value) -> String {
    let comparison = comparison(judged, case);
    let fixed = tested(&comparison.fixed);
    let peer = &peers[case.peer];
    let (absolute, relative) = (&peer["absolute"]["frequentist"], &peer["relative"]["frequentist"]);
    format!(
        "| {} | {} ({}) | {} | {} | {} ({}) | {} | {} ({}) | {} |",
        case.name,
        in_unit(effect(&comparison.difference).estimate, case.is_share),
        ends(&fixed.difference, |end| in_unit(end, case.is_share)),
        p(fixed.p),
        peer_p(&absolute["p"]),
        percent(effect(&comparison.lift).estimate),
        ends(&fixed.lift, percent),
        p(fixed.adjusted),
        percent(relative["effect"].as_f64().unwrap()),
        peer_ends(relative, percent),
        peer_p(&relative["p"]),
    )
}

fn any_look(case: &Case, judged: &Judged, peers: &Value) -> String {
    let comparison = comparison(judged, case);
    let valid = tested(&comparison.always_valid);
    let peer = &peers[case.peer];
    let (absolute, relative) = (
        &peer["absolute"]["sequential_tuned_5000"],
        &peer["relative"]["sequential_tuned_5000"],
    );
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        case.name,
        ends(&valid.difference, |end| in_unit(end, case.is_share)),
        p(valid.p),
        peer_ends(absolute, |end| in_unit(end, case.is_share)),
        peer_p(&absolute["p"]),
        peer_p(&relative["p"]),
    )
}

fn belief(case: &Case, judged: &Judged, peers: &Value) -> String {
    let posterior = comparison(judged, case).belief.sceptical.given().unwrap();
    let peer = &peers[case.peer]["relative"]["bayes_prior_lift_N(0,0.3^2)"];
    let interval = Answer::Given(posterior.interval);
    format!(
        "| {} | {} ({}) | {} | {} ({}) | {} |",
        case.name,
        percent(posterior.lift),
        ends(&interval, percent),
        chance(posterior.chance),
        percent(peer["mean"].as_f64().unwrap()),
        peer_ends(peer, percent),
        chance(peer["chance_to_win"].as_f64().unwrap()),
    )
}

/// Nothing is certain.
fn chance(of: f64) -> String {
    match of {
        of if of > 0.9999 => "over 0.9999".to_owned(),
        of if of < 0.0001 => "under 0.0001".to_owned(),
        of => format!("{of:.4}"),
    }
}

fn sequential(question: &Question) -> Question {
    Question {
        schedule: Schedule::Anytime {
            tuned_for: Some(5_000),
        },
        ..question.clone()
    }
}

/// What stands between two marks of the page is this table.
fn on_page(mark: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/real-data.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {mark}: made by core/analytics/tests/real_data.rs -->\n\n"),
        format!("\n<!-- end of {mark} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (there, after) = rest.split_once(&end).unwrap();
    if std::env::var("TIDEGATE_BLESS").is_ok() {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            there, table,
            "the table {mark:?} of docs/real-data.md changed; TIDEGATE_BLESS=1 writes it anew"
        );
    }
}

#[test]
fn the_page_says_what_comes_out() {
    let (cases, peers) = (cases(), peers());
    let each = |row: fn(&Case, &Judged, &Value) -> String, look: fn(&Question) -> Question| {
        let rows = cases.iter().map(|case| {
            let judged = judged(case.file, look(&case.question));
            row(case, &judged, &peers)
        });
        rows.collect::<Vec<_>>()
    };
    on_page(
        "one look",
        &table(
            "| comparison | difference | p | gbstats, absolute: p | lift, % | adjusted p | gbstats, relative: lift, % | p |",
            each(one_look, Question::clone),
        ),
    );
    on_page(
        "any look",
        &table(
            "| comparison | difference | p | gbstats, absolute: difference | p | gbstats, relative: p |",
            each(any_look, sequential),
        ),
    );
    on_page(
        "belief",
        &table(
            "| comparison | lift, % | chance to beat the control | gbstats: lift, % | chance |",
            each(belief, Question::clone),
        ),
    );
    let rand = judged("rand_visits_by_plan.csv", visits());
    let omnibus = rand.result.metrics[0].omnibus.as_ref().unwrap();
    let omnibus = omnibus.given().unwrap();
    on_page(
        "all plans",
        &format!(
            "Welch's F = {:.2}, p = {}; statsmodels says {:.2} and {}.\n",
            omnibus.statistic,
            p(omnibus.p),
            peers["rand/Welch ANOVA over the plans"]["f"].as_f64().unwrap(),
            peer_p(&peers["rand/Welch ANOVA over the plans"]["p"]),
        ),
    );
    let strata = Question {
        strata: Some("village".to_owned()),
        ..asked("fetched=got_result", "incentive", "0")
    };
    let malawi = judged("hiv_result_incentive.csv", strata);
    let within = &malawi.beside.strata[0].comparisons[0];
    on_page(
        "villages",
        &format!(
            "{} villages are compared, after {} with fewer than two units in an arm were put together: {} points ({}), the test of \
             Cochran, Mantel and Haenszel says p = {}.\n",
            within.strata,
            within.merged,
            in_unit(effect(&within.difference).estimate, true),
            ends(&effect(&within.difference).interval, |end| in_unit(end, true)),
            p(*within.mantel_haenszel.as_ref().unwrap().given().unwrap()),
        ),
    );
}

fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!(
        (got - want).abs() <= tolerance * want.abs().max(1e-12),
        "{what}: {got} for {want}"
    );
}

/// Where the page says that two packages agree, they do.
#[test]
fn peers_agree_where_they_do_the_same() {
    let peers = peers();
    for case in cases() {
        let judged = judged(case.file, case.question.clone());
        let comparison = comparison(&judged, &case);
        let fixed = tested(&comparison.fixed);
        let peer = &peers[case.peer];
        let absolute = &peer["absolute"]["frequentist"];
        let difference = effect(&comparison.difference);
        let number = |of: &Value| of.as_f64().unwrap();
        close(case.name, difference.estimate, number(&absolute["effect"]), 1e-6);
        if case.is_share {
            close(
                case.name,
                fixed.p.p,
                number(&peer["statsmodels_z_pooled"]["p"]),
                1e-6,
            );
        } else {
            close(
                case.name,
                difference.standard_error,
                number(&absolute["se"]),
                1e-6,
            );
            // A tail as 1 less the rest has no digits below 1e-16.
            if number(&absolute["p"]) > 1e-8 {
                close(case.name, fixed.p.p, number(&absolute["p"]), 1e-4);
            }
            let interval = fixed.difference.given().unwrap();
            if fixed.level > 0.0499 {
                close(
                    case.name,
                    interval.lower.unwrap(),
                    number(&absolute["ci"][0]),
                    1e-5,
                );
            }
        }
        let sceptical = comparison.belief.sceptical.given().unwrap();
        let bayes = &peer["relative"]["bayes_prior_lift_N(0,0.3^2)"];
        close(case.name, sceptical.chance, number(&bayes["chance_to_win"]), 5e-3);
    }
}
