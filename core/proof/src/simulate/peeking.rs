//! S1: tests of nothing, looked at again and again.

use super::discipline::{Discipline, TUNED_FOR};
use super::row::{Hits, Must, Row};
use super::trial::{Method, Traffic, Trial};
use super::{ALPHA, Course, Part};
use tidegate_stats::Refusal;
use tidegate_stats::group_sequential::Spending;
use tidegate_stats::sequential::{FirstLook, MixtureTest};

pub(super) const ROUNDS: [u64; 2] = [40_000; 2];

const LOOKS: u32 = 50;
/// A test that is looked at once.
const ONCE: Must = Must::Within(0.045, 0.055);
/// A test that may be looked at so often.
const VALID: Must = Must::AtMost(0.054);
/// What looking at a fixed test makes of 5 %: 29 to 33 % when rounded.
const PEEKED: Must = Must::Within(0.285, 0.335);
/// One verdict in all units.
const NEVER: Must = Must::AtMost(0.0);

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let conversions = Traffic::Conversions { rate: 0.1 };
    let revenue = Traffic::Purchases {
        buyers: 0.05,
        mu: 3.0,
        sigma: 1.2,
    };
    let metrics = [
        ("conversion", conversions, of_conversions()?),
        ("revenue", revenue, of_revenue()?),
    ];
    let mut rows = Vec::new();
    for ((metric, traffic, methods), part) in metrics.into_iter().zip(course.parts()) {
        rows.extend(judge(course, metric, traffic, methods, part));
    }
    Ok(rows)
}

fn judge(
    course: &mut Course<'_>,
    metric: &str,
    traffic: Traffic,
    judged: Vec<(Method<'static>, Must)>,
    mut part: Part,
) -> Vec<Row> {
    let trial = Trial {
        control: traffic,
        treatment: traffic,
        users: 200,
        looks: LOOKS,
    };
    let (mut methods, musts): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
    let outcomes = trial.run(&mut methods, part.rounds, &mut part.draws, &mut || course.tick());
    let rows = outcomes.into_iter().zip(musts).map(|(outcome, must)| {
        let hits = Hits {
            hits: outcome.found,
            rounds: part.rounds,
        };
        Row::share("S1", format!("{metric}: {}", outcome.name), hits, part.full, must)
    });
    rows.collect()
}

type Judged = Vec<(Method<'static>, Must)>;
type Verdict = fn(&Discipline, &super::trial::Look<'_>) -> Result<bool, Refusal>;

/// One discipline in several units.
fn units(
    judged: &mut Judged,
    name: &str,
    every: u32,
    discipline: &Discipline,
    units: &[(&str, Verdict, Must)],
) {
    for (unit, verdict, must) in units {
        let (discipline, verdict) = (discipline.clone(), *verdict);
        let method = Method::new(format!("{name}, {unit}"), every, move |look| {
            verdict(&discipline, look)
        });
        judged.push((method, *must));
    }
}

fn grouped(looks: u32) -> Result<(u32, Discipline), Refusal> {
    let every = LOOKS / looks;
    let discipline = Discipline::group_sequential(Spending::OBrienFleming, looks, every)?;
    Ok((every, discipline))
}

fn of_conversions() -> Result<Judged, Refusal> {
    let mut judged = Vec::new();
    let all = |must| -> [(&'static str, Verdict, Must); 4] {
        [
            ("difference", Discipline::proportions, must),
            ("lift by Katz", Discipline::katz, must),
            ("lift by Fieller", Discipline::fieller, must),
            ("lift by the delta method", Discipline::delta, Must::Anything),
        ]
    };
    units(
        &mut judged,
        "fixed, one look",
        LOOKS,
        &Discipline::Fixed,
        &all(ONCE),
    );
    let disagree: [(&str, Verdict, Must); 1] = [(
        "Katz's verdict is not the difference's",
        Discipline::katz_disagrees,
        Must::Anything,
    )];
    units(
        &mut judged,
        "fixed, one look",
        LOOKS,
        &Discipline::Fixed,
        &disagree,
    );
    let peeked: [(&str, Verdict, Must); 1] = [("difference", Discipline::proportions, PEEKED)];
    units(&mut judged, "fixed, at any look", 1, &Discipline::Fixed, &peeked);
    let always = Discipline::always_valid(TUNED_FOR, FirstLook::PROPORTION)?;
    units(&mut judged, "always valid", 1, &always, &all(VALID));
    let mixture = MixtureTest::new(0.02, ALPHA)?;
    let mixed = Method::new("mSPRT with tau 0.02, difference", 1, move |look| {
        FirstLook::PROPORTION.reached(look.control.users, look.control.events)?;
        FirstLook::PROPORTION.reached(look.treatment.users, look.treatment.events)?;
        let contrast = look.contrast()?;
        let seen = mixture.difference(contrast.difference, contrast.variance().sqrt())?;
        Ok(seen.p.p <= ALPHA)
    });
    judged.push((mixed, VALID));
    for looks in [5, 10] {
        let (every, discipline) = grouped(looks)?;
        let name = format!("O'Brien-Fleming, {looks} looks");
        units(&mut judged, &name, every, &discipline, &all(VALID));
    }
    Ok(judged)
}

fn of_revenue() -> Result<Judged, Refusal> {
    let mut judged = Vec::new();
    let all = |must| -> [(&'static str, Verdict, Must); 5] {
        [
            ("difference", Discipline::difference, must),
            ("lift by Fieller", Discipline::fieller, must),
            (
                "Fieller's verdict is not the difference's",
                Discipline::fieller_disagrees,
                NEVER,
            ),
            ("lift by the log ratio", Discipline::log_ratio, Must::Anything),
            ("lift by the delta method", Discipline::delta, Must::Anything),
        ]
    };
    units(
        &mut judged,
        "fixed, one look",
        LOOKS,
        &Discipline::Fixed,
        &all(ONCE),
    );
    let peeked: [(&str, Verdict, Must); 1] = [("difference", Discipline::difference, PEEKED)];
    units(&mut judged, "fixed, at any look", 1, &Discipline::Fixed, &peeked);
    let always = Discipline::always_valid(TUNED_FOR, FirstLook::MEAN)?;
    units(&mut judged, "always valid", 1, &always, &all(VALID));
    let at_once = Discipline::always_valid(TUNED_FOR, FirstLook { units: 0, events: 0 })?;
    let hasty: [(&str, Verdict, Must); 3] = [
        ("difference", Discipline::difference, Must::Anything),
        ("lift by Fieller", Discipline::fieller, Must::Anything),
        ("lift by the delta method", Discipline::delta, Must::Anything),
    ];
    units(
        &mut judged,
        "always valid, looked at too early",
        1,
        &at_once,
        &hasty,
    );
    for looks in [5, 10] {
        let (every, discipline) = grouped(looks)?;
        let name = format!("O'Brien-Fleming, {looks} looks");
        units(&mut judged, &name, every, &discipline, &all(VALID));
    }
    Ok(judged)
}
