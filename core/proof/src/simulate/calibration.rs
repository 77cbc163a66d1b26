//! S7: whether what Bayes says comes true, and how often the sample ratio alarms.

use super::discipline::excludes;
use super::draws::{Binomial, Draws};
use super::row::{Hits, Must, Row};
use super::{ALPHA, Course, Part};
use tidegate_stats::bayes::{EffectEstimate, EffectPosterior, EffectScale, NormalPrior, effect_posterior};
use tidegate_stats::moments::Moments;
use tidegate_stats::{Counts, Goal, Refusal, sample_ratio};

pub(super) const ROUNDS: [u64; 3] = [60_000, 200_000, 1_000_000];

const USERS: u64 = 5000;
const RATE: f64 = 0.1;
/// The deviation of the prior of the lift, and of the lifts.
const LIFTS: f64 = 0.1;
/// What is said of how likely the treatment is better, in these classes.
const ENDS: [f64; 8] = [0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0];
/// How far what comes true may be from what is said.
const OFF: f64 = 0.04;

const DIVIDED: u64 = 200_000;
/// An alarm of the sample ratio.
const ALARM: f64 = 0.001;

/// One class of what is said.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    said: Moments,
    came: Hits,
}

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    let mut parts = course.parts().into_iter();
    if let (Some(lifts), Some(even), Some(odd)) = (parts.next(), parts.next(), parts.next()) {
        calibrate(course, lifts, &mut rows);
        let name = "sample ratio: alarms at 50/50";
        rows.push(alarms(course, (name, 0.5), even, Must::AtMost(0.0013)));
        let name = "sample ratio: alarms at 50.5/49.5";
        rows.push(alarms(course, (name, 0.505), odd, Must::AtLeast(0.88)));
    }
    Ok(rows)
}

fn calibrate(course: &mut Course<'_>, mut part: Part, rows: &mut Vec<Row>) {
    let mut classes = [Class::default(); ENDS.len() - 1];
    let mut covers = Hits::default();
    for _ in 0..part.rounds {
        let lift = LIFTS * part.draws.normal();
        if let Ok(posterior) = posterior(lift, &mut part.draws) {
            let said = posterior.chance_to_win;
            let classed = classes.iter_mut().zip(ENDS.iter().skip(1));
            if let Some((class, _)) = classed.into_iter().find(|(_, end)| said <= **end) {
                class.said.push(said);
                class.came.add(lift > 0.0);
            }
            covers.add(!excludes(posterior.interval, lift));
        } else {
            covers.add(false);
        }
        course.tick();
    }
    for class in classes {
        let said = class.said.mean;
        let what = format!("better with a chance of {:.1} %: it is", 100.0 * said);
        // Of the full number of rounds, the class has its share.
        let full = class.came.rounds * part.full / part.rounds;
        let must = Must::Within((said - OFF).max(0.0), (said + OFF).min(1.0));
        rows.push(Row::share("S7", what, class.came, full, must));
    }
    let what = "the 95 % credible interval of the lift covers";
    rows.push(Row::share(
        "S7",
        what,
        covers,
        part.full,
        Must::Within(0.94, 0.96),
    ));
}

fn posterior(lift: f64, draws: &mut Draws) -> Result<EffectPosterior, Refusal> {
    let mut arm = |rate: f64| Counts {
        events: (0..USERS).map(|_| u64::from(draws.happens(rate))).sum(),
        trials: USERS,
    };
    let (control, treatment) = (arm(RATE), arm(RATE * (1.0 + lift)));
    let effect = EffectEstimate::of_rates(control, treatment, EffectScale::Relative)?;
    let prior = NormalPrior {
        mean: 0.0,
        variance: LIFTS * LIFTS,
        scale: EffectScale::Relative,
    };
    effect_posterior(&effect, Some(prior), Goal::Increase, ALPHA)
}

fn alarms(course: &mut Course<'_>, (name, share): (&str, f64), mut part: Part, must: Must) -> Row {
    let counts = Binomial::new(DIVIDED, share);
    let mut hits = Hits::default();
    for _ in 0..part.rounds {
        let first = part.draws.count_of(&counts);
        let test = sample_ratio::chi_squared(&[first, DIVIDED - first], &[1.0, 1.0]);
        hits.add(test.is_ok_and(|test| test.p.p < ALARM));
        course.tick();
    }
    Row::share("S7", name, hits, part.full, must)
}
