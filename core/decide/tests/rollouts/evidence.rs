//! What comparisons, sequential tests, error budgets and scores say.

use crate::simulation::{Answer, Simulation, monday};
use tidegate_decide::judge::{judge, test_before};
use tidegate_decide::rollout::Observed;
use tidegate_decide::start::check_budget;
use tidegate_model::Timestamp;
use tidegate_model::because::Decision;
use tidegate_model::evidence::{Counted, Evidence, Found, Samples};
use tidegate_model::key::{Revision, RuleName};
use tidegate_model::policy::Rule;
use tidegate_model::policy::read::read;
use tidegate_model::rollout::{PauseOwner, Rollout, RolloutChange};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason as Why;
use tidegate_model::verdict::{Look, Measurement, Verdict};

const HEALTHY: Verdict = Verdict::Healthy;
const BREACHED: Verdict = Verdict::Breached;
const UNDECIDED: Verdict = Verdict::Undecided;

/// Queries of both sides.
const BOTH: &str = r#"candidate: 'sum(rate(x{v="{{variation}}"}[{{window}}]))', baseline: 'sum(rate(x{v="{{baseline}}"}[{{window}}]))'"#;
/// Counters of both sides.
const COUNTERS: &str = r#"candidate: { errors: 'e{v="{{variation}}"}', requests: 'r{v="{{variation}}"}' }, baseline: { errors: 'e{v="{{baseline}}"}', requests: 'r{v="{{baseline}}"}' }"#;

/// A rollout with these rules, whose first stage took effect on Monday at midnight.
fn rollout(rules: &[&str]) -> Rollout {
    follow(simulation(rules).rollout, &[RolloutChange::TookEffect])
}

fn simulation(rules: &[&str]) -> Simulation {
    let rules: String = rules.iter().map(|rule| format!("    - {{ {rule} }}\n")).collect();
    let text = format!(
        "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: tested\nschedule:\n  stages: [{{ percentage: 10, duration: 1h }}, {{ percentage: 100, duration: 1h }}]\nsafety:\n  rules:\n{rules}"
    );
    let (policy, diagnostics) = read(&text);
    let policy = policy.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}"));
    Simulation::start(&policy, monday()).unwrap()
}

fn follow(rollout: Rollout, changes: &[RolloutChange]) -> Rollout {
    changes.iter().fold(rollout, |before, change| {
        Rollout::apply(Some(before), change, monday(), Revision(9)).unwrap()
    })
}

fn after(seconds: u64) -> Timestamp {
    Span::seconds(seconds).after(monday())
}

fn rule(rollout: &Rollout) -> &Rule {
    &rollout.start.plan.safety.rules[0]
}

fn value(answer: Result<f64, Why>) -> Measurement {
    answer.map_or_else(|why| Measurement::unknown(why, "said so"), Measurement::of)
}

fn sides(candidate: Result<f64, Why>, baseline: Result<f64, Why>) -> Evidence {
    Found::Sides {
        candidate: value(candidate),
        baseline: value(baseline),
    }
    .into()
}

fn check(rule_text: &str, evidence: &Evidence, verdict: Verdict, detail: &str) -> Look {
    let rollout = rollout(&[rule_text]);
    let look = judge(&rollout, rule(&rollout), evidence, after(7200));
    assert_eq!(
        (look.verdict, look.detail.as_str()),
        (verdict, detail),
        "{rule_text}\n{evidence:?}"
    );
    look
}

#[test]
fn two_numbers_are_compared() {
    let compare = |method: &str, more: &str| format!("name: r, compare: {{ {BOTH}, {method} }}{more}");
    let ratio = compare("method: ratio, tolerance: 15%", ", clear: 5%");
    for (candidate, verdict) in [
        (1.0, HEALTHY),
        (1.05, HEALTHY),
        (1.1, UNDECIDED),
        (1.16, BREACHED),
    ] {
        let detail = format!("candidate {candidate}, baseline 1");
        check(&ratio, &sides(Ok(candidate), Ok(1.0)), verdict, &detail);
    }
    let fewer = compare("method: ratio, tolerance: 10%", ", comparison: less_than");
    for (candidate, verdict) in [(8.0, BREACHED), (9.5, HEALTHY), (20.0, HEALTHY)] {
        let detail = format!("candidate {candidate}, baseline 10");
        let look = check(&fewer, &sides(Ok(candidate), Ok(10.0)), verdict, &detail);
        assert_eq!(look.value, Some(candidate / 10.0));
    }
    let difference = compare("method: difference, tolerance: 0.5", "");
    for (candidate, baseline, verdict) in [(1.4, 1.0, HEALTHY), (1.6, 1.0, BREACHED), (0.6, 0.0, BREACHED)] {
        let detail = format!("candidate {candidate}, baseline {baseline}");
        check(&difference, &sides(Ok(candidate), Ok(baseline)), verdict, &detail);
    }
}

#[test]
fn f09_a_baseline_that_is_zero_or_absent_decides_nothing() {
    let ratio = format!("name: r, compare: {{ {BOTH}, method: ratio, tolerance: 15% }}");
    check(&ratio, &sides(Ok(1.0), Ok(0.0)), UNDECIDED, "the baseline is 0");
    check(&ratio, &sides(Ok(0.0), Ok(0.0)), UNDECIDED, "the baseline is 0");
    let difference = format!("name: r, compare: {{ {BOTH}, method: difference, tolerance: 1 }}");
    for text in [&ratio, &difference] {
        for absent in [Why::NoSeries, Why::Nan] {
            check(
                text,
                &sides(Ok(9.0), Err(absent)),
                UNDECIDED,
                "the baseline is absent",
            );
        }
    }
    let ranks = format!("name: r, compare: {{ {BOTH}, method: mann_whitney }}");
    let evidence = Found::Samples {
        candidate: samples(&[1.0; 20]),
        baseline: Samples::unknown(Why::NoSeries, ""),
    };
    check(&ranks, &evidence.into(), UNDECIDED, "the baseline is absent");
}

/// A side that could not be asked is unknown, not undecided: only the absence of a baseline is known.
#[test]
fn f12_a_side_that_could_not_be_asked_is_unknown() {
    let ratio = format!("name: r, compare: {{ {BOTH}, method: ratio, tolerance: 15% }}");
    for why in [Why::Timeout, Why::ProviderError, Why::Partial, Why::ManySeries] {
        check(
            &ratio,
            &sides(Err(why), Ok(1.0)),
            Verdict::Unknown(why),
            "candidate: said so",
        );
        check(
            &ratio,
            &sides(Ok(1.0), Err(why)),
            Verdict::Unknown(why),
            "baseline: said so",
        );
    }
    let empty = sides(Err(Why::NoSeries), Ok(1.0));
    check(
        &ratio,
        &empty,
        Verdict::Unknown(Why::NoSeries),
        "candidate: said so",
    );
    let zero = format!("{ratio}, unknown: {{ no_series: zero }}");
    check(&zero, &empty, HEALTHY, "candidate 0, baseline 1");
}

fn samples(values: &[f64]) -> Samples {
    Samples {
        values: Ok(values.to_vec()),
        detail: String::new(),
    }
}

#[test]
fn ranks_are_bad_when_the_effect_is_large_and_certain() {
    let spread = |from: f64, n: u32| -> Vec<f64> { (0..n).map(|i| from + f64::from(i)).collect() };
    let text = format!("name: r, compare: {{ {BOTH}, method: mann_whitney, significance: 5% }}");
    let verdict = |text: &str, candidate: &[f64], baseline: &[f64]| {
        let rollout = rollout(&[text]);
        let evidence = Found::Samples {
            candidate: samples(candidate),
            baseline: samples(baseline),
        };
        judge(&rollout, rule(&rollout), &evidence.into(), after(7200)).verdict
    };
    let base = spread(100.0, 20);
    assert_eq!(verdict(&text, &spread(100.0, 20), &base), HEALTHY);
    assert_eq!(verdict(&text, &spread(115.0, 20), &base), BREACHED);
    assert_eq!(
        verdict(&text, &spread(20.0, 20), &base),
        HEALTHY,
        "better is not worse"
    );
    // One value far out is one value.
    let mut outlier = base.clone();
    outlier[0] = 1e12;
    assert_eq!(verdict(&text, &outlier, &base), HEALTHY);
    // Eight samples against eight: as large an effect as before, but it may be luck.
    assert_eq!(verdict(&text, &spread(102.0, 8), &spread(100.0, 8)), UNDECIDED);
    // Certain, but too small to matter.
    let many: Vec<f64> = (0..400).map(f64::from).collect();
    let shifted: Vec<f64> = many.iter().map(|value| value + 30.0).collect();
    assert_eq!(verdict(&text, &shifted, &many), HEALTHY);
    assert_eq!(
        verdict(&text, &spread(1.0, 7), &base),
        Verdict::Unknown(Why::TooFew)
    );
    let fewer = format!("{text}, comparison: less_than");
    assert_eq!(verdict(&fewer, &spread(20.0, 20), &base), BREACHED);
    assert_eq!(verdict(&fewer, &spread(115.0, 20), &base), HEALTHY);
}

fn counted(errors: Result<f64, Why>, requests: Result<f64, Why>) -> Counted {
    Counted {
        errors: value(errors),
        requests: value(requests),
    }
}

/// A rollout with one sequential rule, what its actor knows, and the looks it takes.
struct Counting {
    rollout: Rollout,
    observed: Observed,
}

impl Counting {
    fn new(action: &str) -> Self {
        let rule = format!("name: r, compare: {{ {COUNTERS}, method: sequential }}, action: {action}");
        Self {
            rollout: rollout(&[&rule]),
            observed: Observed::default(),
        }
    }

    /// A look at `second`, at these counts since the one before.
    fn look(&mut self, second: u64, candidate: Counted, baseline: Counted) -> Look {
        let rule = rule(&self.rollout);
        let evidence = Found::Counts {
            before: test_before(&self.rollout, &self.observed, rule),
            candidate,
            baseline,
        };
        let look = judge(&self.rollout, rule, &evidence.into(), after(second));
        self.observed.looks.insert(look.rule.clone(), look.clone());
        look
    }

    fn journal(&mut self, look: &Look) {
        let change = RolloutChange::Looked(look.clone());
        self.rollout = follow(self.rollout.clone(), &[change]);
    }

    /// From where on the next look counts.
    fn until(&self) -> Option<Timestamp> {
        test_before(&self.rollout, &self.observed, rule(&self.rollout)).map(|test| test.until)
    }
}

fn of(errors: u32, requests: u32) -> Counted {
    counted(Ok(errors.into()), Ok(requests.into()))
}

#[test]
fn a_sequential_test_adds_up_and_says_what_it_counted() {
    let mut counting = Counting::new("rollback");
    assert_eq!(
        counting.until(),
        Some(monday()),
        "from when the stage took effect"
    );
    let look = counting.look(600, of(10, 1000), of(100, 9000));
    counting.journal(&look);
    assert_eq!(look.verdict, HEALTHY);
    assert_eq!(
        look.detail,
        "always-valid p-value; errors 10 of 1000 (1 %) against 100 of 9000 (1.111 %)"
    );
    assert_eq!(look.samples, Some(1000.0));
    assert_eq!(counting.until(), Some(after(600)));
    let mut seconds = 600;
    let tripped = loop {
        seconds += 10;
        let look = counting.look(seconds, of(4, 100), of(10, 900));
        counting.journal(&look);
        if look.verdict == BREACHED {
            break look;
        }
        assert!(seconds < 900, "four times as many errors are found: {look:?}");
    };
    assert!(tripped.value.unwrap() < 0.01, "{tripped:?}");
}

#[test]
fn a_sequential_test_survives_a_restart_and_counts_nothing_twice() {
    let mut counting = Counting::new("rollback");
    let first = counting.look(600, of(10, 1000), of(100, 9000));
    counting.journal(&first);
    let second = counting.look(610, of(3, 100), of(9, 900));
    // Not journalled. What was counted since the journal's last look is counted again, once.
    counting.observed = Observed::default();
    assert_eq!(counting.until(), Some(after(600)));
    let again = counting.look(620, of(5, 200), of(20, 1800));
    let test = again.test.unwrap();
    assert_eq!((test.candidate.errors, test.candidate.requests), (15, 1200));
    assert_eq!((test.baseline.errors, test.baseline.requests), (120, 10_800));
    assert_eq!(test.until, after(620));
    assert!(second.test.unwrap().until < test.until);
}

#[test]
fn a_sequential_test_waits_for_what_could_not_be_counted() {
    let mut counting = Counting::new("rollback");
    let first = counting.look(600, of(10, 1000), of(100, 9000));
    counting.journal(&first);
    let timeout = || counted(Err(Why::Timeout), Err(Why::Timeout));
    let blind = counting.look(610, timeout(), of(9, 900));
    assert_eq!(blind.verdict, Verdict::Unknown(Why::Timeout));
    let half = counting.look(620, of(1, 100), timeout());
    assert_eq!(half.verdict, Verdict::Unknown(Why::Timeout));
    assert_eq!(counting.until(), Some(after(600)), "it counts from where it was");
    let absent = counting.look(630, of(1, 100), counted(Err(Why::NoSeries), Err(Why::NoSeries)));
    assert_eq!(absent.verdict, UNDECIDED, "f09");
    // Without a single error there are no counters of errors.
    let clean = counting.look(640, counted(Err(Why::NoSeries), Ok(400.0)), of(40, 3600));
    assert_eq!(clean.verdict, HEALTHY);
    assert_eq!(clean.test.unwrap().candidate.errors, 10);
}

#[test]
fn f10_requests_that_stopped_are_no_health() {
    let mut counting = Counting::new("rollback");
    let few = counting.look(400, of(0, 99), of(1, 900));
    assert_eq!(few.verdict, Verdict::Unknown(Why::TooFew));
    counting.journal(&few);
    let enough = counting.look(410, of(0, 1), of(1, 90));
    assert_eq!(enough.verdict, HEALTHY);
    let still = counting.look(700, of(0, 0), of(1, 90));
    assert_eq!(still.verdict, HEALTHY, "within the window");
    let silent = counting.look(711, of(0, 0), of(1, 90));
    assert_eq!(silent.verdict, Verdict::Unknown(Why::TooFew));
    let alone = counting.look(1012, of(0, 50), of(0, 0));
    assert_eq!(alone.verdict, UNDECIDED, "the baseline is silent");
    // What is proven needs no minimum.
    let mut counting = Counting::new("rollback");
    let proven = counting.look(400, of(40, 40), of(0, 80));
    assert_eq!(proven.verdict, BREACHED);
}

#[test]
fn a_sequential_test_begins_anew_after_a_person_resumed() {
    let mut counting = Counting::new("pause");
    let bad = counting.look(600, of(90, 1000), of(90, 9000));
    assert_eq!(bad.verdict, BREACHED);
    counting.journal(&bad);
    let owner = PauseOwner::Rule(RuleName::new("r").unwrap());
    let by = crate::simulation::person("sre", tidegate_model::access::Role::Operator);
    counting.rollout = follow(
        counting.rollout,
        &[
            RolloutChange::Paused {
                owner: owner.clone(),
                reason: String::new(),
                by: by.clone(),
            },
            RolloutChange::Resumed {
                owner,
                reason: String::new(),
                by,
            },
        ],
    );
    assert_eq!(counting.until(), Some(after(600)), "from the last look on");
    // One that was under way meanwhile brings nothing back.
    let late = Evidence::from(Found::Counts {
        before: bad.test,
        candidate: of(9, 100),
        baseline: of(9, 900),
    });
    let late = judge(&counting.rollout, rule(&counting.rollout), &late, after(610));
    assert_eq!(
        (late.verdict, late.test),
        (Verdict::Unknown(Why::WindowOverlapsStage), None)
    );
    let look = counting.look(1200, of(10, 1000), of(90, 9000));
    assert_eq!(look.verdict, HEALTHY);
    assert_eq!(look.test.unwrap().candidate.errors, 10);
}

fn burns(rates: &[(f64, f64)], period: Option<Result<f64, Why>>) -> Evidence {
    let measured = rates
        .iter()
        .map(|(long, short)| (value(Ok(*long)), value(Ok(*short))));
    Found::Burns {
        rates: measured.collect(),
        period: period.map(value),
    }
    .into()
}

#[test]
fn a_budget_burns_when_both_windows_of_a_pair_do() {
    let slo = "name: r, slo: { objective: 99.9%, errorRatio: 'sum(rate(x[{{window}}]))' }";
    let bad = "the budget burns at 20 over 1h and 15 over 5m; bad is 14.4";
    check(slo, &burns(&[(0.02, 0.015), (0.001, 0.001)], None), BREACHED, bad);
    let over = "the budget burns at 20 over 1h and 2 over 5m; bad is 14.4";
    check(slo, &burns(&[(0.02, 0.002), (0.0005, 0.0)], None), HEALTHY, over);
    let slow = "the budget burns at 7 over 6h and 8 over 30m; bad is 6";
    check(slo, &burns(&[(0.0, 0.0), (0.007, 0.008)], None), BREACHED, slow);
    // One pair that burns is enough, whatever the others say; one that is unknown keeps it from health.
    let half = |first: f64| {
        let unknown = || value(Err(Why::Timeout));
        Evidence::from(Found::Burns {
            rates: vec![(value(Ok(first)), value(Ok(first))), (unknown(), unknown())],
            period: None,
        })
    };
    let burning = "the budget burns at 20 over 1h and 20 over 5m; bad is 14.4";
    check(slo, &half(0.02), BREACHED, burning);
    check(
        slo,
        &half(0.0),
        Verdict::Unknown(Why::Timeout),
        "6h and 30m: said so",
    );
    let share = "1h and 5m: 20 is no share of errors";
    check(
        slo,
        &burns(&[(20.0, 20.0), (0.0, 0.0)], None),
        Verdict::Unknown(Why::ProviderError),
        share,
    );
}

#[test]
fn nothing_opens_below_a_share_of_the_budget() {
    let slo = "name: r, slo: { objective: 99.9%, errorRatio: 'sum(rate(x[{{window}}]))', startAbove: 20% }";
    let calm = [(0.0, 0.0), (0.0, 0.0)];
    let fine = "the budget burns at 0 over 1h and 0 over 5m; bad is 14.4";
    check(slo, &burns(&calm, Some(Ok(0.0005))), HEALTHY, fine);
    let little = "10 % of the error budget of 30days is left; a stage opens from 20 %";
    check(slo, &burns(&calm, Some(Ok(0.0009))), UNDECIDED, little);
    let spent = "-100 % of the error budget of 30days is left; a stage opens from 20 %";
    check(slo, &burns(&calm, Some(Ok(0.002))), UNDECIDED, spent);
    check(
        slo,
        &burns(&calm, Some(Err(Why::Timeout))),
        Verdict::Unknown(Why::Timeout),
        "30days: said so",
    );
    let bad = "the budget burns at 20 over 1h and 20 over 5m; bad is 14.4";
    check(
        slo,
        &burns(&[(0.02, 0.02), (0.0, 0.0)], Some(Ok(0.002))),
        BREACHED,
        bad,
    );
}

/// The absolute guard acts when candidate and baseline are both bad, and comparisons see nothing.
#[test]
fn f16_candidate_and_baseline_both_bad() {
    let ratio = format!("name: relative, compare: {{ {BOTH}, method: ratio, tolerance: 15% }}");
    check(
        &ratio,
        &sides(Ok(0.5), Ok(0.5)),
        HEALTHY,
        "candidate 0.5, baseline 0.5",
    );
    let absolute = "name: absolute, events: { metric: failed, per: exposure }, threshold: 2%";
    let mut simulation = simulation(&[absolute, &ratio]);
    let name = RuleName::new("absolute").unwrap();
    simulation.answers.insert(name, Answer::Value(0.5));
    simulation.run(Span::seconds(30)).unwrap();
    let decisions = || simulation.taken.iter().map(|taken| &taken.step.because.decision);
    assert!(decisions().any(|decision| *decision == Decision::RollingBack));
}

#[test]
fn no_rollout_starts_below_a_share_of_the_budget() {
    let slo = "name: r, slo: { objective: 99.9%, errorRatio: 'sum(rate(x[{{window}}]))', startAbove: 20% }";
    let rollout = rollout(&[slo]);
    let check = |period: Result<f64, Why>| {
        check_budget(rule(&rollout), &value(period)).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(check(Ok(0.0005)), Ok(()));
    let little = check(Ok(0.0009)).unwrap_err();
    assert!(
        little.contains("10 % of the error budget of 30days is left"),
        "{little}"
    );
    let unknown = check(Err(Why::Timeout)).unwrap_err();
    assert!(unknown.contains("unknown (timeout): said so"), "{unknown}");
}
