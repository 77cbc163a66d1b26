//! S4: what is lost while a bandit finds the best arm.

use super::draws::{Draws, count};
use super::row::{Hits, Must, Row, Unit};
use super::{Course, Part};
use tidegate_stats::bandit::{arm_posterior, thompson_normal, thompson_rates, top_two_normal, with_floor};
use tidegate_stats::bayes::BetaPrior;
use tidegate_stats::moments::Moments;
use tidegate_stats::{Counts, Goal, Refusal};

pub(super) const ROUNDS: [u64; 4] = [1000; 4];

const ARMS: usize = 4;
const RATES: [f64; ARMS] = [0.10, 0.11, 0.12, 0.15];
const BEST: f64 = 0.15;
const BATCHES: u32 = 20;
const USERS: u32 = 1000;
const FLOOR: f64 = 0.01;
/// One in so many runs is done twice.
const TWICE: u64 = 10;

type Weights = fn(&[Counts; ARMS]) -> Result<Vec<f64>, Refusal>;

/// How traffic follows the evidence, and how many conversions that may lose.
struct Policy {
    name: &'static str,
    weights: Weights,
    lost: Must,
    /// How often it must find the best arm, if it looks for it.
    finds: Option<Must>,
}

const POLICIES: [Policy; ROUNDS.len()] = [
    Policy {
        name: "evenly divided",
        weights: even,
        lost: Must::Anything,
        finds: None,
    },
    Policy {
        name: "Thompson on rates, no floor",
        weights: on_rates,
        lost: Must::AtMost(80.0),
        finds: Some(Must::AtLeast(0.99)),
    },
    Policy {
        name: "Thompson on means, floor 1 %",
        weights: on_means,
        lost: Must::AtMost(95.0),
        finds: Some(Must::AtLeast(0.99)),
    },
    Policy {
        name: "top two on means, floor 1 %",
        weights: top_two,
        lost: Must::Anything,
        finds: Some(Must::Anything),
    },
];

/// What one run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    /// Conversions that always choosing the best arm would have had more.
    lost: f64,
    /// Users of the best arm, as a share of all.
    to_best: f64,
    /// The weight of the best arm in the end, and whether no other has more.
    weight: f64,
    finds: bool,
}

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    for (policy, part) in POLICIES.iter().zip(course.parts()) {
        rows.extend(judge(course, policy, part));
    }
    Ok(rows)
}

fn judge(course: &mut Course<'_>, policy: &Policy, mut part: Part) -> Vec<Row> {
    let mut again = part.draws.clone();
    let (mut lost, mut to_best) = (Moments::default(), Moments::default());
    let (mut finds, mut differs) = (Hits::default(), Hits::default());
    for round in 0..part.rounds {
        let run = Run::of(policy, &mut part.draws);
        if round < part.rounds / TWICE {
            differs.add(!run.is(&Run::of(policy, &mut again)));
        }
        lost.push(run.lost);
        to_best.push(run.to_best);
        finds.add(run.finds);
        course.tick();
    }
    let full = part.full;
    let what = |what| format!("{}: {what}", policy.name);
    let lost = (&lost, Unit::Number);
    let mut rows = vec![Row::mean("S4", what("conversions lost"), lost, full, policy.lost)];
    if let Some(must) = policy.finds {
        let to_best = (&to_best, Unit::Share);
        rows.push(Row::mean(
            "S4",
            what("users of the best arm"),
            to_best,
            full,
            Must::Anything,
        ));
        rows.push(Row::share("S4", what("the best arm is found"), finds, full, must));
        let (name, never) = (what("a run done twice differs in any bit"), Must::AtMost(0.0));
        rows.push(Row::share("S4", name, differs, full / TWICE, never));
    }
    rows
}

impl Run {
    fn of(policy: &Policy, draws: &mut Draws) -> Self {
        let mut arms = [Counts::default(); ARMS];
        let mut weights = vec![0.25; ARMS];
        for _ in 0..BATCHES {
            for _ in 0..USERS {
                let share = draws.share();
                let converts = draws.share();
                visit(&mut arms, &weights, share, converts);
            }
            // What cannot be weighed yet is divided as before.
            weights = (policy.weights)(&arms).unwrap_or(weights);
        }
        let users = f64::from(BATCHES * USERS);
        let losses = arms
            .iter()
            .zip(RATES)
            .map(|(arm, rate)| count(arm.trials) * (BEST - rate));
        let weight = weights.last().copied().unwrap_or(f64::NAN);
        Self {
            lost: losses.sum(),
            to_best: arms.last().map_or(f64::NAN, |best| count(best.trials) / users),
            weight,
            finds: weights.iter().all(|other| *other <= weight),
        }
    }

    /// Whether it is the same to the last bit.
    fn is(&self, other: &Self) -> bool {
        let bits = |run: &Self| [run.lost, run.to_best, run.weight].map(f64::to_bits);
        bits(self) == bits(other)
    }
}

/// One user comes to the arm at this share of the weights, and may convert.
fn visit(arms: &mut [Counts; ARMS], weights: &[f64], share: f64, converts: f64) {
    let mut below = 0.0;
    let mut ends = weights.iter().map(|weight| {
        below += weight;
        below
    });
    // Rounding may leave the last end below 1.
    let place = ends.position(|end| share < end).unwrap_or(ARMS - 1);
    if let (Some(arm), Some(rate)) = (arms.get_mut(place), RATES.get(place)) {
        arm.trials += 1;
        arm.events += u64::from(converts < *rate);
    }
}

fn even(_arms: &[Counts; ARMS]) -> Result<Vec<f64>, Refusal> {
    Ok(vec![0.25; ARMS])
}

fn on_rates(arms: &[Counts; ARMS]) -> Result<Vec<f64>, Refusal> {
    thompson_rates(arms, BetaPrior::UNIFORM, Goal::Increase)
}

fn on_means(arms: &[Counts; ARMS]) -> Result<Vec<f64>, Refusal> {
    with_floor(&thompson_normal(&posteriors(arms)?, Goal::Increase)?, FLOOR)
}

fn top_two(arms: &[Counts; ARMS]) -> Result<Vec<f64>, Refusal> {
    with_floor(&top_two_normal(&posteriors(arms)?, Goal::Increase)?, FLOOR)
}

fn posteriors(arms: &[Counts; ARMS]) -> Result<Vec<tidegate_stats::bandit::NormalArm>, Refusal> {
    let posterior = |arm: &Counts| {
        let events = i128::from(arm.events);
        arm_posterior(&Moments::of_sums(arm.trials, events, events)?, None)
    };
    arms.iter().map(posterior).collect()
}
