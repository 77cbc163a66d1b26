//! Simulated rollouts, judged by the very code that judges real ones: how often a rule condemns a healthy
//! candidate, and how soon it condemns a bad one.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use std::collections::BTreeMap;
use tidegate_decide::judge::judge;
use tidegate_decide::start::{StartRollout, start};
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::change::Change;
use tidegate_model::evidence::{Counted, Evidence, Found};
use tidegate_model::flag::FlagState;
use tidegate_model::key::{EnvironmentKey, FlagKey, Revision, TokenName};
use tidegate_model::policy::Rule;
use tidegate_model::policy::read::read;
use tidegate_model::rollout::{Rollout, RolloutChange};
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, SequentialTest, Verdict};

/// How often each rollout is looked at.
pub(crate) const LOOKS: usize = 50;
/// The declared chance of a false rollback.
pub(crate) const BUDGET: f64 = 0.01;
/// The rate of errors of the baseline, and of a healthy candidate.
pub(crate) const RATE: f64 = 0.01;

/// The traffic of one look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// Requests of the candidate.
    pub(crate) candidate: u64,
    /// Requests of the baseline.
    pub(crate) baseline: u64,
}

/// What a fixed threshold is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// The candidate's rate: the threshold knows what the baseline's always is.
    Nothing,
    /// The candidate's rate divided by the baseline's.
    Baseline,
}

/// Errors of candidate and baseline at each look of one rollout.
pub(crate) type History = Vec<(u64, u64)>;

/// Draws the errors of `runs` rollouts; the same `seed` draws the same.
pub(crate) fn histories(runs: usize, traffic: Traffic, rates: (f64, f64), seed: u64) -> Vec<History> {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    let candidate = at_most(traffic.candidate, rates.0);
    let baseline = at_most(traffic.baseline, rates.1);
    let mut draw = |chances: &[f64]| {
        let share = (draws.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        chances.partition_point(|chance| *chance <= share) as u64
    };
    let look = |_| (draw(&candidate), draw(&baseline));
    let looks: Vec<(u64, u64)> = (0..runs * LOOKS).map(look).collect();
    looks.chunks(LOOKS).map(<[_]>::to_vec).collect()
}

/// The chances of at most 0, 1, 2, ... errors among `requests`.
fn at_most(requests: u64, rate: f64) -> Vec<f64> {
    let mut chance = (requests as f64 * (-rate).ln_1p()).exp();
    let mut sum = 0.0;
    let chances = (0..=requests).map(|errors| {
        sum += chance;
        chance *= (requests - errors) as f64 / (errors + 1) as f64 * rate / (1.0 - rate);
        sum
    });
    chances.collect()
}

const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
schedule: { stages: [{ percentage: 100, duration: 1d }] }
safety:
  falseRollbackBudget: 1%
  rules:
    - name: sequential
      compare:
        candidate: { errors: 'errors_total{v="{{variation}}"}', requests: 'requests_total{v="{{variation}}"}' }
        baseline: { errors: 'errors_total{v="{{baseline}}"}', requests: 'requests_total{v="{{baseline}}"}' }
        method: sequential
    - name: ratio
      compare:
        candidate: sum(rate(errors_total{v="{{variation}}"}[{{window}}]))
        baseline: sum(rate(errors_total{v="{{baseline}}"}[{{window}}]))
        method: ratio
        tolerance: 0
    - name: threshold
      query: sum(rate(errors_total{v="{{variation}}"}[{{window}}])) / sum(rate(requests_total{v="{{variation}}"}[{{window}}]))
      threshold: 2%
"#;

/// A rollout whose only stage is in force.
pub(crate) struct Guard {
    rollout: Rollout,
    sequential: Rule,
    ratio: Rule,
    threshold: Rule,
    begun: Timestamp,
}

impl Guard {
    /// A rollout guarded by a sequential rule and by one with a fixed threshold.
    pub(crate) fn new() -> Self {
        let (policy, _) = read(POLICY);
        let policy = policy.expect("the policy is whole");
        let begun = Timestamp::default();
        let flag = FlagState {
            flag: serde_json::from_str(r#"{"key":"checkout","type":"boolean"}"#).expect("a flag"),
            pin: None,
            attempts: 0,
            held: None,
        };
        let request = StartRollout {
            flag: FlagKey::new("checkout").expect("a key"),
            policy: policy.name.clone(),
            candidate: None,
            value: None,
            arguments: BTreeMap::new(),
            shadow: None,
        };
        let by = Author::token(TokenName::new("sre").expect("a name"), Role::Operator);
        let environment = EnvironmentKey::new("production").expect("a key");
        let (_, step) = start(&request, &environment, &flag, &policy, None, &by, begun).expect("it starts");
        let changes = step.changes.into_iter().filter_map(|(_, change)| match change {
            Change::Rollout(change) => Some(change),
            _ => None,
        });
        let rollout = changes
            .chain([RolloutChange::TookEffect])
            .fold(None, |before, change| {
                Some(Rollout::apply(before, &change, begun, Revision(1)).expect("it follows"))
            })
            .expect("it began");
        let rule = |index: usize| rollout.start.plan.safety.rules[index].clone();
        let (sequential, ratio, threshold) = (rule(0), rule(1), rule(2));
        // A rollout remembers its first look.
        let nothing = Evidence::from(counts(
            Some(SequentialTest::beginning(begun)),
            Traffic::default(),
            (0, 0),
        ));
        let first = judge(&rollout, &sequential, &nothing, begun);
        let rollout = Rollout::apply(Some(rollout), &RolloutChange::Looked(first), begun, Revision(1))
            .expect("it follows");
        Self {
            sequential,
            ratio,
            threshold,
            rollout,
            begun,
        }
    }

    /// The look, from 1, at which the sequential rule condemns the rollout.
    pub(crate) fn sequential(&self, traffic: Traffic, history: &History) -> Option<usize> {
        let mut before = Some(SequentialTest::beginning(self.begun));
        (1..).zip(history).find_map(|(number, errors)| {
            let at = self.at(number);
            let evidence = Evidence::from(counts(before.take(), traffic, *errors));
            let look = judge(&self.rollout, &self.sequential, &evidence, at);
            before = look.test;
            (look.verdict == Verdict::Breached).then_some(number)
        })
    }

    /// The look, from 1, at which a rule with a fixed `threshold` over `window` looks condemns it, judged
    /// from its first whole window on.
    pub(crate) fn fixed(
        &self,
        against: Against,
        threshold: f64,
        window: usize,
        traffic: Traffic,
        history: &History,
    ) -> Option<usize> {
        let rule = match against {
            Against::Nothing => &self.threshold,
            Against::Baseline => &self.ratio,
        };
        let rule = Rule {
            threshold,
            clear: threshold,
            ..rule.clone()
        };
        (window..)
            .zip(rates(window, traffic, history))
            .find_map(|(number, (candidate, baseline))| {
                let evidence = match against {
                    Against::Nothing => Measurement::of(candidate).into(),
                    Against::Baseline => Evidence::from(Found::Sides {
                        candidate: Measurement::of(candidate),
                        baseline: Measurement::of(baseline),
                    }),
                };
                let look = judge(&self.rollout, &rule, &evidence, self.at(number));
                (look.verdict == Verdict::Breached).then_some(number)
            })
    }

    /// Looks are five minutes apart.
    fn at(&self, number: usize) -> Timestamp {
        Span::seconds(300 * number as u64).after(self.begun)
    }
}

fn counts(before: Option<SequentialTest>, traffic: Traffic, (candidate, baseline): (u64, u64)) -> Found {
    let counted = |errors: u64, requests: u64| Counted {
        errors: Measurement::of(errors as f64),
        requests: Measurement::of(requests as f64),
    };
    Found::Counts {
        before,
        candidate: counted(candidate, traffic.candidate),
        baseline: counted(baseline, traffic.baseline),
    }
}

/// The rates of errors of candidate and baseline over each `window` looks.
fn rates(window: usize, traffic: Traffic, history: &History) -> impl Iterator<Item = (f64, f64)> {
    let rate = move |errors: u64, requests: u64| errors as f64 / (window as u64 * requests) as f64;
    history.windows(window).map(move |looks| {
        let candidate = looks.iter().map(|look| look.0).sum::<u64>();
        let baseline = looks.iter().map(|look| look.1).sum::<u64>();
        (
            rate(candidate, traffic.candidate),
            rate(baseline, traffic.baseline),
        )
    })
}

/// The lowest threshold over `window` looks that condemns at most `budget` of these healthy rollouts.
pub(crate) fn calibrated(
    against: Against,
    window: usize,
    traffic: Traffic,
    healthy: &[History],
    budget: f64,
) -> f64 {
    let value = |(candidate, baseline): (f64, f64)| match against {
        Against::Nothing => candidate,
        Against::Baseline if baseline == 0.0 => 0.0,
        Against::Baseline => candidate / baseline,
    };
    let mut worst: Vec<f64> = healthy
        .iter()
        .map(|history| rates(window, traffic, history).map(value).fold(0.0, f64::max))
        .collect();
    worst.sort_by(f64::total_cmp);
    let borne = (healthy.len() as f64 * budget).floor() as usize;
    worst[healthy.len() - 1 - borne]
}

/// The share of rollouts that were condemned.
pub(crate) fn condemned(stops: &[Option<usize>]) -> f64 {
    stops.iter().flatten().count() as f64 / stops.len() as f64
}

/// The look at which half of the rollouts were condemned; `None` if fewer ever were.
pub(crate) fn median(stops: &[Option<usize>]) -> Option<usize> {
    let mut looks: Vec<usize> = stops.iter().map(|stop| stop.unwrap_or(usize::MAX)).collect();
    looks.sort_unstable();
    Some(looks[looks.len() / 2]).filter(|look| *look <= LOOKS)
}
