//! S8: percentiles of users who have several events each.

use super::discipline::excludes;
use super::draws::Draws;
use super::row::{Hits, Must, Row};
use super::{ALPHA, Course};
use tidegate_stats::Refusal;
use tidegate_stats::quantile::{
    Arm, ClusterSums, ClusteredArm, Degrees, Scale, Sorted, difference, difference_clustered,
};

pub(super) const ROUNDS: [u64; 1] = [10_000];

const USERS: usize = 400;
const EVENTS: usize = 5;
/// The deviation of a user's mean on the logarithm, and that of the events around it.
const OF_USER: f64 = 0.8;
const OF_EVENT: f64 = 0.6;
const SHARES: [(&str, f64); 2] = [("p50", 0.5), ("p90", 0.9)];
const COVERS: Must = Must::Within(0.935, 0.965);

/// How often each interval held the truth, which is no difference.
#[derive(Default)]
struct Covers {
    clustered: Hits,
    lift: Hits,
    ignoring: Hits,
}

pub(super) fn simulate(course: &mut Course<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    for mut part in course.parts() {
        let mut covers = [Covers::default(), Covers::default()];
        for _ in 0..part.rounds {
            let (control, treatment) = (events(&mut part.draws), events(&mut part.draws));
            let sorted = [Sorted::of(control.clone())?, Sorted::of(treatment.clone())?];
            for ((_, share), covers) in SHARES.iter().zip(&mut covers) {
                let [of_control, of_treatment] = &sorted;
                let control = arm(&control, of_control, *share)?;
                let treatment = arm(&treatment, of_treatment, *share)?;
                covers.add(&control, &treatment);
            }
            course.tick();
        }
        for ((name, _), covers) in SHARES.iter().zip(covers) {
            let row = |what, hits, must| Row::share("S8", format!("{name}: {what}"), hits, part.full, must);
            rows.push(row("the difference covers", covers.clustered, COVERS));
            rows.push(row("the lift covers", covers.lift, COVERS));
            rows.push(row(
                "the difference of independent events covers",
                covers.ignoring,
                Must::Anything,
            ));
        }
    }
    Ok(rows)
}

impl Covers {
    fn add(&mut self, control: &ClusteredArm, treatment: &ClusteredArm) {
        let clustered = |scale| difference_clustered(treatment, control, scale, ALPHA, Degrees::Clusters);
        let covers = |difference: Result<tidegate_stats::quantile::Difference, Refusal>| {
            difference.is_ok_and(|difference| !excludes(difference.interval, 0.0))
        };
        self.clustered.add(covers(clustered(Scale::Absolute)));
        self.lift.add(covers(clustered(Scale::Relative)));
        self.ignoring.add(covers(difference(
            &treatment.quantile,
            &control.quantile,
            Scale::Absolute,
            ALPHA,
        )));
    }
}

/// The events of all users of an arm, user by user.
fn events(draws: &mut Draws) -> Vec<f64> {
    let mut events = Vec::with_capacity(USERS * EVENTS);
    for _ in 0..USERS {
        let user = OF_USER * draws.normal();
        events.extend((0..EVENTS).map(|_| draws.lognormal(user, OF_EVENT)));
    }
    events
}

fn arm(events: &[f64], sorted: &Sorted, share: f64) -> Result<ClusteredArm, Refusal> {
    let quantile = Arm::of(sorted, share)?;
    let mut sums = ClusterSums::default();
    for user in events.chunks(EVENTS) {
        let below = user.iter().filter(|event| **event <= quantile.value).count();
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        sums.add(size(below), size(user.len()));
    }
    Ok(ClusteredArm { quantile, sums })
}
