//! S10: errors that are rare, in a canary that is watched from its first users on.

use super::discipline::TUNED_FOR;
use super::row::{Hits, Must, Row, Unit};
use super::trial::{Look, Method, Outcome, Traffic, Trial};
use super::{ALPHA, Course, Part};
use tidegate_stats::proportion::{self, Variance};
use tidegate_stats::sequential::{
    BetaPrior, ConfidenceSequence, FirstLook, RateRatioTest, Scale, two_proportion_e_value,
};
use tidegate_stats::{Alternative, Refusal};

pub(super) const ROUNDS: [u64; 4] = [20_000; 4];

/// The share that fails, how it is written, and how many users the fastest test may take on average to find ten times
/// as many.
const RATES: [(f64, &str, f64); 2] = [(0.001, "0.1 %", 1400.0), (0.005, "0.5 %", 480.0)];
const TIMES: f64 = 10.0;

/// What a method is here for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To guard canaries: it keeps its alpha, finds all, and soon.
    Guard,
    /// To be exact: it keeps its alpha and finds all.
    Exact,
    /// To keep its alpha, though it sees nothing before there are many errors.
    Late,
    /// To be compared with.
    Reference,
}

type Judged = (Method<'static>, Role);

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    let mut parts = course.parts().into_iter();
    for (rate, name, most) in RATES {
        if let (Some(same), Some(failing)) = (parts.next(), parts.next()) {
            false_alarms(course, (rate, name), same, &mut rows)?;
            failures(course, (rate, name, most), failing, &mut rows)?;
        }
    }
    Ok(rows)
}

fn false_alarms(
    course: &mut Course<'_>,
    (rate, name): (f64, &str),
    part: Part,
    rows: &mut Vec<Row>,
) -> Result<(), Refusal> {
    let full = part.full;
    for (outcome, role, hits) in watched(course, (rate, rate), part)? {
        let must = match role {
            Role::Guard | Role::Exact | Role::Late => Must::AtMost(ALPHA),
            Role::Reference => Must::Anything,
        };
        let what = format!("{name} in both arms, {}: false alarms", outcome.name);
        rows.push(Row::share("S10", what, hits, full, must));
    }
    Ok(())
}

fn failures(
    course: &mut Course<'_>,
    (rate, name, most): (f64, &str, f64),
    part: Part,
    rows: &mut Vec<Row>,
) -> Result<(), Refusal> {
    let full = part.full;
    for (outcome, role, hits) in watched(course, (rate, TIMES * rate), part)? {
        let (found, users) = match role {
            Role::Guard => (Must::AtLeast(1.0), Must::AtMost(most)),
            Role::Exact => (Must::AtLeast(1.0), Must::Anything),
            Role::Late | Role::Reference => (Must::Anything, Must::Anything),
        };
        let what = |what| format!("{name} and ten times as many, {}: {what}", outcome.name);
        rows.push(Row::share("S10", what("found"), hits, full, found));
        let seen = (&outcome.users, Unit::Number);
        rows.push(Row::mean(
            "S10",
            what("users an arm on average"),
            seen,
            full,
            users,
        ));
    }
    Ok(())
}

fn watched(
    course: &mut Course<'_>,
    (control, treatment): (f64, f64),
    mut part: Part,
) -> Result<Vec<(Outcome, Role, Hits)>, Refusal> {
    let trial = Trial {
        control: Traffic::Conversions { rate: control },
        treatment: Traffic::Conversions { rate: treatment },
        users: 200,
        looks: 50,
    };
    let (mut methods, roles): (Vec<_>, Vec<_>) = methods()?.into_iter().unzip();
    let outcomes = trial.run(&mut methods, part.rounds, &mut part.draws, &mut || course.tick());
    let judged = outcomes.into_iter().zip(roles).map(|(outcome, role)| {
        let hits = Hits {
            hits: outcome.found,
            rounds: part.rounds,
        };
        (outcome, role, hits)
    });
    Ok(judged.collect())
}

fn methods() -> Result<Vec<Judged>, Refusal> {
    let sequence = ConfidenceSequence::tuned(Alternative::Greater, ALPHA, TUNED_FOR)?;
    let mut guard = RateRatioTest::new(1.0).ok_or(Refusal::Undefined {
        why: "the guard takes no ratio of 1",
    })?;
    let fresh = guard.clone();
    let guards = move |look: &Look<'_>| {
        if look.number == 1 {
            guard = fresh.clone();
        }
        guard.observe(look.treatment_since.counts(), look.control_since.counts());
        Ok(guard.p_value() <= ALPHA)
    };
    let in_time = move |look: &Look<'_>| {
        FirstLook::PROPORTION.reached(look.control.users, look.control.events)?;
        FirstLook::PROPORTION.reached(look.treatment.users, look.treatment.events)?;
        asymptotic(&sequence, look)
    };
    let too_early = move |look: &Look<'_>| asymptotic(&sequence, look);
    Ok(vec![
        (Method::new("fixed test at any look", 1, fixed), Role::Reference),
        (Method::new("sequential guard", 1, guards), Role::Guard),
        (Method::new("exact e-value", 1, exact), Role::Exact),
        (
            Method::new("asymptotic sequence from its first look on", 1, in_time),
            Role::Late,
        ),
        (
            Method::new("asymptotic sequence, looked at too early", 1, too_early),
            Role::Reference,
        ),
    ])
}

fn fixed(look: &Look<'_>) -> Result<bool, Refusal> {
    let (control, treatment) = (look.control.counts(), look.treatment.counts());
    let test = proportion::z_test(control, treatment, Variance::Pooled, Alternative::Greater)?;
    Ok(test.p.p <= ALPHA)
}

fn exact(look: &Look<'_>) -> Result<bool, Refusal> {
    let (control, treatment) = (look.control.counts(), look.treatment.counts());
    let value = two_proportion_e_value(control, treatment, Alternative::Greater, BetaPrior::default())?;
    Ok(value.p.p <= ALPHA)
}

fn asymptotic(sequence: &ConfidenceSequence, look: &Look<'_>) -> Result<bool, Refusal> {
    let seen = sequence.proportions(look.control.counts(), look.treatment.counts(), Scale::Difference)?;
    Ok(seen.p.p <= ALPHA)
}
