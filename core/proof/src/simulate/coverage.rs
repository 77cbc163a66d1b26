//! S6: whether intervals of differences and lifts hold the truth as often as they say.

use super::discipline::excludes;
use super::draws::Binomial;
use super::row::{Hits, Must, Row};
use super::trial::{Method as Judged, Traffic, Trial};
use super::{ALPHA, Course, Part};
use tidegate_stats::effect::{Contrast, Effect};
use tidegate_stats::moments::Moments;
use tidegate_stats::proportion::{self, DifferenceMethod};
use tidegate_stats::{Alternative, Counts, Interval, Refusal, mean};

pub(super) const ROUNDS: [u64; 5] = [100_000, 100_000, 100_000, 100_000, 20_000];

/// Users and rates of the control and the treatment.
struct Shape {
    name: &'static str,
    users: (u64, u64),
    rates: (f64, f64),
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "1 % -> 1.5 %, 1,000 each",
        users: (1000, 1000),
        rates: (0.01, 0.015),
    },
    Shape {
        name: "10 % -> 15 %, 100 each",
        users: (100, 100),
        rates: (0.1, 0.15),
    },
    Shape {
        name: "2 % -> 2 %, 9,000 and 1,000",
        users: (9000, 1000),
        rates: (0.02, 0.02),
    },
    Shape {
        name: "10 % -> 11 %, 10,000 each",
        users: (10_000, 10_000),
        rates: (0.1, 0.11),
    },
];

type Method = fn(Counts, Counts) -> Result<Interval, Refusal>;
const COVERS: Must = Must::AtLeast(0.945);
/// The name, whether it is a ratio or a difference, how its interval is found, and what it must be.
const METHODS: [(&str, bool, Method, Must); 6] = [
    ("difference, Newcombe (default)", false, newcombe, COVERS),
    ("difference, score", false, score, Must::Anything),
    ("difference, Wald", false, wald, Must::Anything),
    ("lift, Katz (default)", true, katz, COVERS),
    ("lift, Fieller as for means", true, fieller, Must::Anything),
    ("lift, delta method", true, delta, Must::Anything),
];

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    let mut parts = course.parts().into_iter();
    for (shape, mut part) in SHAPES.iter().zip(parts.by_ref()) {
        let control = Binomial::new(shape.users.0, shape.rates.0);
        let treatment = Binomial::new(shape.users.1, shape.rates.1);
        let truth = (shape.rates.1 - shape.rates.0, shape.rates.1 / shape.rates.0 - 1.0);
        let mut covers = [Hits::default(); METHODS.len()];
        for _ in 0..part.rounds {
            let mut arm = |counts: &Binomial| Counts {
                events: part.draws.count_of(counts),
                trials: counts.trials(),
            };
            let (control, treatment) = (arm(&control), arm(&treatment));
            for ((_, is_lift, interval, _), hits) in METHODS.iter().zip(&mut covers) {
                let truth = if *is_lift { truth.1 } else { truth.0 };
                let interval = interval(control, treatment);
                hits.add(interval.is_ok_and(|interval| !excludes(interval, truth)));
            }
            course.tick();
        }
        rows.extend(METHODS.iter().zip(covers).map(|((name, _, _, must), hits)| {
            Row::share("S6", format!("{}: {name}", shape.name), hits, part.full, *must)
        }));
    }
    if let Some(part) = parts.next() {
        rows.extend(of_means(course, part));
    }
    Ok(rows)
}

type OfMeans = fn(&Contrast, Alternative, f64) -> Result<Effect, Refusal>;
/// How much more the treatment's buyers pay.
const MORE: f64 = 0.1;
const MEANS: [(&str, bool, OfMeans, Must); 4] = [
    ("difference, Welch (default)", false, Contrast::difference, COVERS),
    ("lift, Fieller (default)", true, Contrast::lift_fieller, COVERS),
    ("lift, log ratio", true, Contrast::lift_log_ratio, Must::Anything),
    ("lift, delta method", true, Contrast::lift_delta, Must::Anything),
];

fn of_means(course: &mut Course<'_>, mut part: Part) -> Vec<Row> {
    let (buyers, mu, sigma) = (0.05, 3.0_f64, 1.2_f64);
    let trial = Trial {
        control: Traffic::Purchases { buyers, mu, sigma },
        treatment: Traffic::Purchases {
            buyers,
            mu: mu + MORE.ln_1p(),
            sigma,
        },
        users: 10_000,
        looks: 1,
    };
    let baseline = buyers * (mu + sigma * sigma / 2.0).exp();
    let covers = |(name, is_lift, effect, _): (&str, bool, OfMeans, Must)| {
        let truth = if is_lift { MORE } else { MORE * baseline };
        Judged::new(name, 1, move |look| {
            let effect = effect(&look.contrast()?, Alternative::TwoSided, ALPHA)?;
            Ok(!excludes(effect.interval, truth))
        })
    };
    let mut methods = MEANS.map(covers);
    let outcomes = trial.run(&mut methods, part.rounds, &mut part.draws, &mut || course.tick());
    let rows = outcomes
        .into_iter()
        .zip(MEANS)
        .map(|(outcome, (name, _, _, must))| {
            let hits = Hits {
                hits: outcome.found,
                rounds: part.rounds,
            };
            let what = format!("revenue + 10 %, 10,000 each: {name}");
            Row::share("S6", what, hits, part.full, must)
        });
    rows.collect()
}

fn difference(control: Counts, treatment: Counts, method: DifferenceMethod) -> Result<Interval, Refusal> {
    Ok(proportion::difference(control, treatment, method, ALPHA)?.interval)
}

fn newcombe(control: Counts, treatment: Counts) -> Result<Interval, Refusal> {
    difference(control, treatment, DifferenceMethod::Newcombe)
}

fn score(control: Counts, treatment: Counts) -> Result<Interval, Refusal> {
    difference(control, treatment, DifferenceMethod::MiettinenNurminen)
}

fn wald(control: Counts, treatment: Counts) -> Result<Interval, Refusal> {
    difference(control, treatment, DifferenceMethod::Wald)
}

fn katz(control: Counts, treatment: Counts) -> Result<Interval, Refusal> {
    let ratio = proportion::risk_ratio(control, treatment, ALPHA)?.interval?;
    Ok(Interval {
        lower: ratio.lower - 1.0,
        upper: ratio.upper - 1.0,
    })
}

fn fieller(control: Counts, treatment: Counts) -> Result<Interval, Refusal> {
    let moments = |arm: Counts| {
        let events = i128::from(arm.events);
        Moments::of_sums(arm.trials, events, events)
    };
    let (control, treatment) = (moments(control)?, moments(treatment)?);
    Ok(mean::lift_fieller(&control, &treatment, Alternative::TwoSided, ALPHA)?.interval)
}

fn delta(control: Counts, treatment: Counts) -> Result<Interval, Refusal> {
    Ok(proportion::delta_lift(control, treatment, ALPHA)?.interval)
}
