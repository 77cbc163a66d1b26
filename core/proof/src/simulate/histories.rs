//! S3: what CUPED takes off the variance, and whether its intervals cover in both units.

use super::discipline::excludes;
use super::draws::Draws;
use super::power::pairs;
use super::row::{Hits, Must, Row, Unit};
use super::{ALPHA, Course};
use tidegate_stats::effect::{Contrast, Effect};
use tidegate_stats::moments::{Comoments, Moments};
use tidegate_stats::{Alternative, Refusal, cuped, mean};

pub(super) const ROUNDS: [u64; 1] = [20_000];

const USERS: u64 = 500;
const CORRELATION: f64 = 0.7;
/// The mean and the deviation of the metric, and those of the history, which are others.
const METRIC: (f64, f64) = (10.0, 2.0);
const HISTORY: (f64, f64) = (25.0, 5.0);
const EFFECT: f64 = 0.5;
/// What the correlation explains of the variance is 0.7^2.
const CUT: Must = Must::Within(0.47, 0.51);
const COVERS: Must = Must::Within(0.94, 0.96);
/// How much the share of two variances varies, times the root of the number of rounds: twice the share times
/// the correlation, as the two estimates are normal and vary together.
const CUT_DEVIATION: f64 = 2.0 * 0.51 * 0.7;

type Shown = fn(&Contrast, Alternative, f64) -> Result<Effect, Refusal>;
const UNITS: [(&str, Shown, f64, Must); 4] = [
    ("the difference", Contrast::difference, EFFECT, COVERS),
    (
        "the lift, Fieller",
        Contrast::lift_fieller,
        EFFECT / METRIC.0,
        COVERS,
    ),
    (
        "the lift, log ratio",
        Contrast::lift_log_ratio,
        EFFECT / METRIC.0,
        COVERS,
    ),
    (
        "the lift, delta method",
        Contrast::lift_delta,
        EFFECT / METRIC.0,
        COVERS,
    ),
];

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let (mut plain, mut adjusted, mut said) = (Moments::default(), Moments::default(), Moments::default());
    let mut covers = [Hits::default(); UNITS.len()];
    let (mut rounds, mut full) = (0, 0);
    for mut part in course.parts() {
        (rounds, full) = (part.rounds, part.full);
        for _ in 0..part.rounds {
            let (control, treatment) = (arm(0.0, &mut part.draws), arm(EFFECT, &mut part.draws));
            let result = cuped::means(&control, &treatment)?;
            plain.push(mean::contrast(&control.y(), &treatment.y())?.difference);
            adjusted.push(result.contrast.difference);
            said.push(1.0 - result.variance_ratio);
            for ((_, shown, truth, _), hits) in UNITS.iter().zip(&mut covers) {
                let effect = shown(&result.contrast, Alternative::TwoSided, ALPHA);
                hits.add(effect.is_ok_and(|effect| !excludes(effect.interval, *truth)));
            }
            course.tick();
        }
    }
    let spread = 1.0 - adjusted.m2 / plain.m2;
    let mut rows = vec![
        Row::new(
            "S3",
            "the variance is cut, by the spread of the estimates".to_owned(),
            (spread, Unit::Share),
            rounds,
            CUT.of_mean(rounds, full, CUT_DEVIATION),
        ),
        Row::mean(
            "S3",
            "the variance is cut, as reported",
            (&said, Unit::Share),
            full,
            CUT,
        ),
    ];
    rows.extend(UNITS.iter().zip(covers).map(|((unit, _, _, must), hits)| {
        Row::share("S3", format!("{unit}: the interval covers"), hits, full, *must)
    }));
    Ok(rows)
}

fn arm(effect: f64, draws: &mut Draws) -> Comoments {
    let standard = pairs(USERS, effect / METRIC.1, CORRELATION, draws);
    let (x, y) = (HISTORY, METRIC);
    Comoments {
        n: standard.n,
        mean_x: x.0 + x.1 * standard.mean_x,
        mean_y: y.0 + y.1 * standard.mean_y,
        m2_x: x.1 * x.1 * standard.m2_x,
        m2_y: y.1 * y.1 * standard.m2_y,
        c_xy: x.1 * y.1 * standard.c_xy,
    }
}
