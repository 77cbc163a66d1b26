//! S2: whether the sizes that are computed have the power that was asked for.

use super::discipline::{Discipline, design, excludes};
use super::draws::{Binomial, Draws};
use super::row::{Hits, Must, Row, Unit};
use super::trial::{Method, Traffic, Trial};
use super::{ALPHA, Course, Part};
use tidegate_stats::group_sequential::Spending;
use tidegate_stats::moments::{Comoments, Moments};
use tidegate_stats::proportion::{self, Variance};
use tidegate_stats::sample_size::{self, Design, means, proportions};
use tidegate_stats::{Alternative, Counts, Refusal, cuped, mean};

pub(super) const ROUNDS: [u64; 6] = [200_000; 6];

const POWER: f64 = 0.8;
const FOUND: Must = Must::Within(0.79, 0.81);
/// Two rates, and the size of an arm that other packages compute for them.
const RATES: [(f64, f64, f64); 3] = [
    (0.10, 0.12, 3841.0),
    (0.02, 0.025, 13_809.0),
    (0.30, 0.27, 3554.0),
];
const EFFECT: f64 = 0.2;
const CORRELATION: f64 = 0.7;
const LOOKS: u32 = 5;

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    let mut parts = course.parts().into_iter();
    for ((control, treatment, reference), part) in RATES.into_iter().zip(parts.by_ref()) {
        let name = format!("{control} -> {treatment}");
        let n = size_of_rates(control, treatment)?;
        rows.push(size_row(&name, n, reference));
        let hits = power_of_rates(course, (control, treatment), n, part);
        rows.push(power_row(format!("{name}, pooled z"), hits, course));
    }
    if let (Some(plain), Some(adjusted), Some(watched)) = (parts.next(), parts.next(), parts.next()) {
        of_means(course, plain, &mut rows)?;
        of_history(course, adjusted, &mut rows)?;
        of_looks(course, watched, &mut rows)?;
    }
    Ok(rows)
}

fn size_row(name: &str, n: u64, reference: f64) -> Row {
    let must = Must::Within(reference - 1.0, reference + 1.0);
    Row::number(
        "S2",
        format!("{name}, users an arm"),
        super::draws::count(n),
        must,
    )
}

fn power_row(name: String, hits: Hits, course: &Course<'_>) -> Row {
    let full = course.bar.rounds.first().copied().unwrap_or(hits.rounds);
    Row::share("S2", format!("{name}, power"), hits, full, FOUND)
}

fn size_of_rates(control: f64, treatment: f64) -> Result<u64, Refusal> {
    let sizes = proportions::size(treatment, control, &Design::even(ALPHA), POWER)?;
    Ok(users(sizes.rounded_up().control))
}

fn users(size: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number of users"
    )]
    let users = size as u64;
    users
}

fn power_of_rates(course: &mut Course<'_>, rates: (f64, f64), n: u64, mut part: Part) -> Hits {
    let (control, treatment) = (Binomial::new(n, rates.0), Binomial::new(n, rates.1));
    let mut hits = Hits::default();
    for _ in 0..part.rounds {
        let mut arm = |counts| Counts {
            events: part.draws.count_of(counts),
            trials: n,
        };
        let (control, treatment) = (arm(&control), arm(&treatment));
        let test = proportion::z_test(control, treatment, Variance::Pooled, Alternative::TwoSided);
        hits.add(test.is_ok_and(|test| test.p.p <= ALPHA));
        course.tick();
    }
    hits
}

fn of_means(course: &mut Course<'_>, mut part: Part, rows: &mut Vec<Row>) -> Result<(), Refusal> {
    let n = users(
        means::size(EFFECT, 1.0, &Design::even(ALPHA), POWER)?
            .rounded_up()
            .control,
    );
    rows.push(size_row("0.2 deviations", n, 394.0));
    let mut hits = Hits::default();
    for _ in 0..part.rounds {
        let (control, treatment) = (
            normals(n, 0.0, &mut part.draws),
            normals(n, EFFECT, &mut part.draws),
        );
        let test = mean::welch_t(&control, &treatment, Alternative::TwoSided, ALPHA);
        hits.add(test.is_ok_and(|test| test.p.p <= ALPHA));
        course.tick();
    }
    rows.push(power_row("0.2 deviations, Welch's t".to_owned(), hits, course));
    Ok(())
}

fn normals(n: u64, mean: f64, draws: &mut Draws) -> Moments {
    let mut arm = Moments::default();
    for _ in 0..n {
        arm.push(mean + draws.normal());
    }
    arm
}

fn of_history(course: &mut Course<'_>, mut part: Part, rows: &mut Vec<Row>) -> Result<(), Refusal> {
    let left = sample_size::adjusted_deviation(1.0, CORRELATION)?;
    let sizes = means::size(EFFECT, left, &Design::even(ALPHA), POWER)?;
    let n = users(sizes.rounded_up().control);
    rows.push(size_row("0.2 deviations, correlation 0.7", n, 201.0));
    let mut hits = Hits::default();
    for _ in 0..part.rounds {
        let mut arm = |effect| pairs(n, effect, CORRELATION, &mut part.draws);
        let (control, treatment) = (arm(0.0), arm(EFFECT));
        let test = cuped::means(&control, &treatment)
            .and_then(|adjusted| adjusted.contrast.difference(Alternative::TwoSided, ALPHA));
        hits.add(test.is_ok_and(|test| excludes(test.interval, 0.0)));
        course.tick();
    }
    rows.push(power_row(
        "0.2 deviations, correlation 0.7, CUPED".to_owned(),
        hits,
        course,
    ));
    Ok(())
}

/// Users with a history and a metric, both of deviation 1, and this correlation.
pub(super) fn pairs(n: u64, effect: f64, correlation: f64, draws: &mut Draws) -> Comoments {
    let rest = ((1.0 - correlation) * (1.0 + correlation)).sqrt();
    let mut arm = Comoments::default();
    for _ in 0..n {
        let history = draws.normal();
        arm.push(history, effect + correlation * history + rest * draws.normal());
    }
    arm
}

fn of_looks(course: &mut Course<'_>, mut part: Part, rows: &mut Vec<Row>) -> Result<(), Refusal> {
    let (control, treatment) = (0.10, 0.12);
    let planned =
        design(Spending::OBrienFleming, LOOKS)?.sample_size_proportions(POWER, control, treatment, 1.0)?;
    let name = "0.1 -> 0.12, O'Brien-Fleming, 5 looks";
    // As many users at each look as at the others.
    let a_look = users(planned.max_control.ceil()).div_ceil(u64::from(LOOKS));
    rows.push(size_row(name, a_look * u64::from(LOOKS), 3940.0));
    let discipline = Discipline::group_sequential(Spending::OBrienFleming, LOOKS, 1)?;
    let mut methods = [Method::new(name, 1, |look| discipline.proportions(look))];
    let trial = Trial {
        control: Traffic::Conversions { rate: control },
        treatment: Traffic::Conversions { rate: treatment },
        users: a_look,
        looks: LOOKS,
    };
    let outcomes = trial.run(&mut methods, part.rounds, &mut part.draws, &mut || course.tick());
    for outcome in outcomes {
        let hits = Hits {
            hits: outcome.found,
            rounds: part.rounds,
        };
        rows.push(power_row(name.to_owned(), hits, course));
        rows.push(Row::mean(
            "S2",
            format!("{name}, users an arm on average"),
            (&outcome.users, Unit::Number),
            part.full,
            Must::AtMost(3200.0),
        ));
    }
    Ok(())
}
