//! S9: what it costs to be allowed to look.

use super::discipline::{Discipline, TUNED_FOR};
use super::row::{Hits, Must, Row, Unit};
use super::trial::{Method, Traffic, Trial};
use super::{ALPHA, Course};
use tidegate_stats::Refusal;
use tidegate_stats::group_sequential::Spending;
use tidegate_stats::sequential::{FirstLook, MixtureTest};

pub(super) const ROUNDS: [u64; 1] = [400_000];

const LOOKS: u32 = 20;
const USERS: u64 = 193;

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let trial = Trial {
        control: Traffic::Conversions { rate: 0.10 },
        treatment: Traffic::Conversions { rate: 0.12 },
        users: USERS,
        looks: LOOKS,
    };
    let mut rows = Vec::new();
    for mut part in course.parts() {
        let judged = methods()?;
        let (mut methods, musts): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
        let outcomes = trial.run(&mut methods, part.rounds, &mut part.draws, &mut || course.tick());
        for (outcome, (power, users)) in outcomes.into_iter().zip(musts) {
            let hits = Hits {
                hits: outcome.found,
                rounds: part.rounds,
            };
            let what = |what| format!("{}: {what}", outcome.name);
            rows.push(Row::share("S9", what("power"), hits, part.full, power));
            rows.push(Row::mean(
                "S9",
                what("users an arm on average"),
                (&outcome.users, Unit::Number),
                part.full,
                users,
            ));
        }
    }
    Ok(rows)
}

type Judged = (Method<'static>, (Must, Must));

/// What a discipline finds, and what its power and its mean size must be.
fn watched(name: &str, every: u32, discipline: Discipline, musts: (Must, Must)) -> Judged {
    (
        Method::new(name, every, move |look| discipline.proportions(look)),
        musts,
    )
}

fn methods() -> Result<Vec<Judged>, Refusal> {
    let about = |power: f64, users: f64| {
        (
            Must::Within(power - 0.005, power + 0.005),
            // Other packages have simulated these too, with an error of their own.
            Must::Within(users * 0.99, users * 1.01),
        )
    };
    let anything = (Must::Anything, Must::Anything);
    let always = (Must::AtLeast(0.49), Must::Anything);
    let planned = 2 * USERS * u64::from(LOOKS);
    let mixture = MixtureTest::new(0.02, ALPHA)?;
    Ok(vec![
        watched("fixed, one look", LOOKS, Discipline::Fixed, anything),
        watched(
            "O'Brien-Fleming spending",
            1,
            Discipline::group_sequential(Spending::OBrienFleming, LOOKS, 1)?,
            about(0.784, 2912.0),
        ),
        watched(
            "Pocock spending",
            1,
            Discipline::group_sequential(Spending::Pocock, LOOKS, 1)?,
            about(0.696, 2619.0),
        ),
        watched(
            "always valid, tuned for the planned end",
            1,
            Discipline::always_valid(planned, FirstLook::PROPORTION)?,
            always,
        ),
        watched(
            "always valid, tuned for 5,000 users",
            1,
            Discipline::always_valid(TUNED_FOR, FirstLook::PROPORTION)?,
            always,
        ),
        (
            Method::new("mSPRT with tau 0.02", 1, move |look| {
                let contrast = look.contrast()?;
                let seen = mixture.difference(contrast.difference, contrast.variance().sqrt())?;
                Ok(seen.p.p <= ALPHA)
            }),
            always,
        ),
    ])
}
