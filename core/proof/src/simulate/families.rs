//! S5: many metrics at once.

use super::row::{Hits, Must, Row, Unit};
use super::{ALPHA, Course};
use tidegate_stats::effect::Effect;
use tidegate_stats::moments::Moments;
use tidegate_stats::multiplicity::{Correction, adjust};
use tidegate_stats::{Alternative, PValue, Refusal};

pub(super) const ROUNDS: [u64; 1] = [100_000];

const METRICS: u32 = 100;
const TRUE: u32 = 20;
/// How many standard errors the true effects are.
const EFFECT: f64 = 3.0;

/// A correction, and what its false discovery rate, its chance of any false alarm and its power must be.
struct Judged {
    name: &'static str,
    correction: Option<Correction>,
    false_rate: Must,
    any: Must,
    power: Must,
    false_share: Moments,
    alarmed: Hits,
    found: Moments,
}

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut judged = corrections();
    let mut rows = Vec::new();
    for mut part in course.parts() {
        for _ in 0..part.rounds {
            let family = (0..METRICS)
                .map(|metric| {
                    let effect = if metric < TRUE { EFFECT } else { 0.0 };
                    let z = effect + part.draws.normal();
                    Effect::new(z, 1.0, None, Alternative::TwoSided, ALPHA).map(|effect| effect.p)
                })
                .collect::<Result<Vec<_>, _>>()?;
            for one in &mut judged {
                one.judge(&family)?;
            }
            course.tick();
        }
        rows.extend(judged.iter().flat_map(|one| one.rows(part.full)));
    }
    Ok(rows)
}

impl Judged {
    fn judge(&mut self, family: &[PValue]) -> Result<(), Refusal> {
        let rejected: Vec<bool> = match self.correction {
            None => family.iter().map(|p| p.p <= ALPHA).collect(),
            Some(correction) => {
                let adjusted = adjust(family, correction, ALPHA)?;
                adjusted.into_iter().map(|one| one.rejected).collect()
            }
        };
        let (mut right, mut wrong) = (0_u32, 0_u32);
        for (metric, rejected) in (0..METRICS).zip(rejected) {
            match metric < TRUE {
                true => right += u32::from(rejected),
                false => wrong += u32::from(rejected),
            }
        }
        self.false_share
            .push(f64::from(wrong) / f64::from((right + wrong).max(1)));
        self.alarmed.add(wrong > 0);
        self.found.push(f64::from(right) / f64::from(TRUE));
        Ok(())
    }

    fn rows(&self, full: u64) -> [Row; 3] {
        let what = |what| format!("{}: {what}", self.name);
        let mean = |name, values, must| Row::mean("S5", what(name), (values, Unit::Share), full, must);
        [
            mean("false share of what is found", &self.false_share, self.false_rate),
            Row::share("S5", what("any false alarm"), self.alarmed, full, self.any),
            mean("share of the true effects found", &self.found, self.power),
        ]
    }
}

fn corrections() -> [Judged; 5] {
    let about = |power: f64| Must::Within(power - 0.005, power + 0.005);
    let judged = |name, correction, false_rate, any, power| Judged {
        name,
        correction,
        false_rate,
        any,
        power,
        false_share: Moments::default(),
        alarmed: Hits::default(),
        found: Moments::default(),
    };
    let (anything, alpha) = (Must::Anything, Must::AtMost(ALPHA));
    let exact = Must::Within(0.037, 0.043);
    [
        judged("no correction", None, anything, anything, anything),
        judged(
            "Benjamini-Hochberg",
            Some(Correction::BenjaminiHochberg),
            exact,
            anything,
            about(0.61),
        ),
        judged(
            "Benjamini-Yekutieli",
            Some(Correction::BenjaminiYekutieli),
            alpha,
            anything,
            about(0.352),
        ),
        judged(
            "two stages",
            Some(Correction::TwoStage),
            alpha,
            anything,
            about(0.623),
        ),
        judged("Holm", Some(Correction::Holm), alpha, alpha, about(0.321)),
    ]
}
