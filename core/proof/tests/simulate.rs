//! The simulations at a small scale: every bar is met, the numbers come again with the seed, and a method that is wrong
//! is found out.
#![expect(clippy::expect_used, reason = "what stands beside the tests is a test too")]

use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tidegate_proof::simulate::trial::{Look, Method, Traffic, Trial};
use tidegate_proof::simulate::{Draws, Hits, Must, Row, Scale, Unit, bar, bars, run};
use tidegate_stats::distribution::{binomial, normal};
use tidegate_stats::moments::Moments;
use tidegate_stats::sequential::{ConfidenceSequence, FirstLook};
use tidegate_stats::{Alternative, Refusal};

const SEED: u64 = 20_261_124;

fn simulated(name: &str, seed: u64, scale: f64) -> Vec<Row> {
    let bar = bar(name).expect("there is such a bar");
    let scale = Scale::new(scale).expect("it is a share");
    run(bar, seed, scale, &mut |_done, _all| {}).expect("no design is refused")
}

fn missed(rows: &[Row]) -> String {
    let missed = rows.iter().filter(|row| !row.met);
    missed.fold(String::new(), |mut text, row| {
        let (measured, must) = (row.measured_shown(), row.must_shown());
        writeln!(text, "{} {}: {measured}, must be {must}", row.bar, row.what).expect("memory is left");
        text
    })
}

macro_rules! meets_its_bars {
    ($($test:ident $bar:literal $scale:literal $rows:literal;)*) => { $(
        #[test]
        fn $test() {
            let rows = simulated($bar, SEED, $scale);
            assert_eq!(missed(&rows), "");
            let judged: BTreeSet<&str> = rows
                .iter()
                .filter(|row| row.must != Must::Anything)
                .map(|row| row.what.as_str())
                .collect();
            assert_eq!(judged.len(), $rows, "as many different numbers must be something");
        }
    )* };
}

meets_its_bars! {
    peeking "S1" 0.02 27;
    power "S2" 0.005 13;
    histories "S3" 0.02 6;
    bandits "S4" 0.05 7;
    families "S5" 0.02 9;
    coverage "S6" 0.02 10;
    calibration "S7" 0.02 10;
    percentiles "S8" 0.02 4;
    price "S9" 0.01 7;
    canaries "S10" 0.02 12;
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
    let numbers = |seed| {
        let rows = simulated("S3", seed, 0.01);
        rows.iter().map(|row| row.measured.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(1), numbers(1));
    let (one, other) = (numbers(1), numbers(2));
    let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
    assert!(
        same < one.len() / 2,
        "{same} of {} numbers are the same",
        one.len()
    );
}

#[test]
fn streams_of_one_seed_differ() {
    let first = |stream| Draws::new(SEED, stream).share().to_bits();
    let different: BTreeSet<u64> = (0..100).map(first).collect();
    assert_eq!(different.len(), 100);
}

#[test]
fn progress_is_told_from_begin_to_end() {
    let bar = bar("s10").expect("a name may be written small");
    let scale = Scale::new(0.01).expect("it is a share");
    let mut told = Vec::new();
    run(bar, SEED, scale, &mut |done, all| told.push((done, all))).expect("no design is refused");
    let all = 4 * 200;
    assert!(told.len() > 100 && told.len() < 300, "told {} times", told.len());
    assert!(told.is_sorted());
    assert!(told.iter().all(|(done, of)| *done > 0 && *of == all));
    assert_eq!(told.last(), Some(&(all, all)));
}

#[test]
fn a_scale_is_a_share() {
    for none in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY] {
        assert_eq!(Scale::new(none), None, "{none}");
    }
    assert_eq!(Scale::new(1.0), Some(Scale::FULL));
    assert!(Scale::new(1e-9).is_some());
    assert_eq!(bars().len(), 10);
    assert!(bar("S11").is_none());
}

/// How many of 400 A/A tests of conversions find something.
fn false_alarms(every: u32, finds: impl FnMut(&Look<'_>) -> Result<bool, Refusal>) -> Row {
    let traffic = Traffic::Conversions { rate: 0.1 };
    let trial = Trial {
        control: traffic,
        treatment: traffic,
        users: 200,
        looks: 50,
    };
    let mut methods = [Method::new("judged", every, finds)];
    let outcomes = trial.run(&mut methods, 400, &mut Draws::new(SEED, 0), &mut || {});
    let outcome = outcomes.first().expect("one method has one outcome");
    let hits = Hits {
        hits: outcome.found,
        rounds: 400,
    };
    Row::share("own", "judged", hits, 10_000, Must::AtMost(0.054))
}

fn welch(look: &Look<'_>) -> Result<f64, Refusal> {
    Ok(look.contrast()?.difference(Alternative::TwoSided, 0.05)?.p.p)
}

#[test]
fn a_method_that_is_wrong_is_found_out() {
    let sequence = ConfidenceSequence::tuned(Alternative::TwoSided, 0.05, 5000).expect("it is a design");
    let valid = |look: &Look<'_>| {
        FirstLook::PROPORTION.reached(look.control.users, look.control.events)?;
        let contrast = look.contrast()?;
        let seen = sequence.look(look.users(), contrast.difference, contrast.variance().sqrt())?;
        Ok(seen.p.p <= 0.05)
    };
    assert!(false_alarms(1, valid).met);
    assert!(false_alarms(50, |look| Ok(welch(look)? <= 0.05)).met);

    let peeked = false_alarms(1, |look| Ok(welch(look)? <= 0.05));
    assert!(!peeked.met && peeked.measured > 0.25, "{peeked:?}");
    // A chance to win above 95 % or below 5 % under a flat prior, at any look.
    let chance = false_alarms(1, |look| Ok(welch(look)? <= 0.10));
    assert!(!chance.met && chance.measured > 0.4, "{chance:?}");
    // Once, but the variance of one arm forgotten.
    let forgets = |look: &Look<'_>| {
        let contrast = look.contrast()?;
        let z = contrast.difference / contrast.treatment_variance.sqrt();
        Ok(2.0 * normal::sf(z.abs()) <= 0.05)
    };
    assert!(!false_alarms(50, forgets).met);
}

#[test]
fn what_is_refused_finds_nothing() {
    let refuses = |_look: &Look<'_>| Err(Refusal::NoVariance);
    assert_eq!(false_alarms(1, refuses).measured.to_bits(), 0.0_f64.to_bits());
    let finds = false_alarms(25, |look| Ok(look.number == 25));
    assert!(!finds.met && (finds.measured - 1.0).abs() < 1e-12);
}

#[test]
fn a_found_effect_ends_the_trial_of_its_method() {
    let traffic = Traffic::Conversions { rate: 0.5 };
    let trial = Trial {
        control: traffic,
        treatment: traffic,
        users: 10,
        looks: 6,
    };
    let (mut asked, mut seen) = (0, Vec::new());
    let mut methods = [
        Method::new("at the fourth", 2, |look: &Look<'_>| {
            asked += 1;
            Ok(look.number == 4)
        }),
        Method::new("never", 1, |look: &Look<'_>| {
            seen.push((look.control.users, look.control_since.users, look.users()));
            Ok(false)
        }),
    ];
    let outcomes = trial.run(&mut methods, 3, &mut Draws::new(SEED, 0), &mut || {});
    drop(methods);
    assert_eq!(asked, 3 * 2);
    assert_eq!(
        seen.get(..3),
        Some(&[(10, 10, 20), (20, 10, 40), (30, 10, 60)][..])
    );
    let told: Vec<_> = outcomes.iter().map(|one| (one.found, one.users.mean)).collect();
    assert_eq!(told, [(3, 40.0), (0, 60.0)]);
}

#[test]
fn traffic_is_as_declared() {
    let revenue = Traffic::Purchases {
        buyers: 0.05,
        mu: 3.0,
        sigma: 1.2,
    };
    let trial = Trial {
        control: Traffic::Conversions { rate: 0.1 },
        treatment: revenue,
        users: 1000,
        looks: 1,
    };
    let (mut rates, mut buyers, mut revenues) = (Moments::default(), Moments::default(), Moments::default());
    let mut method = [Method::new("looks on", 1, |look: &Look<'_>| {
        rates.push(look.control.values.mean);
        buyers.push(f64::from(u32::try_from(look.treatment.events).expect("few")));
        revenues.push(look.treatment.values.mean);
        Ok(false)
    })];
    trial.run(&mut method, 2000, &mut Draws::new(SEED, 0), &mut || {});
    drop(method);
    let is = |measured: Moments, mean: f64, deviation: f64| {
        let off = (measured.mean - mean) / (deviation / 2000_f64.sqrt());
        let spread = measured.variance().expect("it varies").sqrt() / deviation;
        assert!(
            off.abs() < 4.0 && (spread - 1.0).abs() < 0.1,
            "{measured:?} is not {mean} +- {deviation}"
        );
    };
    is(rates, 0.1, (0.09_f64 / 1000.0).sqrt());
    is(buyers, 50.0, 47.5_f64.sqrt());
    // Of what buyers pay: exp(mu + sigma^2 / 2), and the square's mean exp(2 mu + 2 sigma^2).
    let (paid, squares) = ((3.0 + 0.72_f64).exp(), (6.0 + 2.88_f64).exp());
    let variance = 0.05 * squares - (0.05 * paid).powi(2);
    is(revenues, 0.05 * paid, (variance / 1000.0).sqrt());
}

#[test]
fn a_bar_widens_by_what_fewer_rounds_add() {
    let limit = |must| match must {
        Must::AtMost(limit) => limit,
        other => panic!("{other:?} is no upper limit"),
    };
    let widened = |rounds| limit(Must::AtMost(0.05).of_share(rounds, 10_000));
    assert_eq!(Must::AtMost(0.05).of_share(10_000, 10_000), Must::AtMost(0.05));
    assert_eq!(Must::AtMost(0.05).of_share(20_000, 10_000), Must::AtMost(0.05));
    assert!(widened(100) > widened(1000) && widened(1000) > widened(5000) && widened(5000) > 0.05);
    // Four standard errors of 1,000 rounds are 2.8 %, and the nine tenths that are missing make 2.6 % of them.
    assert!((widened(1000) - 0.05 - 0.0275).abs() < 0.004, "{}", widened(1000));
    // What must never or always happen has no error of chance.
    assert_eq!(Must::AtMost(0.0).of_share(100, 10_000), Must::AtMost(0.0));
    assert_eq!(Must::AtLeast(1.0).of_share(100, 10_000), Must::AtLeast(1.0));
    assert_eq!(Must::Anything.of_share(100, 10_000), Must::Anything);
    // Of 100 rounds, no count is out of the question for a chance of 1 in 1,000.
    assert_eq!(Must::AtLeast(0.001).of_share(100, 10_000), Must::AtLeast(0.0));
    // Means: 4 standard errors of 100 rounds, and three quarters are missing.
    let of_mean = limit(Must::AtMost(7.0).of_mean(100, 400, 5.0));
    assert!((of_mean - 7.0 - 3.0_f64.sqrt()).abs() < 1e-12, "{of_mean}");
    assert_eq!(Must::AtMost(7.0).of_mean(400, 400, 5.0), Must::AtMost(7.0));
}

#[test]
fn a_row_says_whether_it_is_met_and_how_people_write_it() {
    let hits = |hits| Hits { hits, rounds: 1000 };
    let row = |count, must| Row::share("S1", "it", hits(count), 1000, must);
    for (count, must, met, measured, shown) in [
        (50, Must::AtMost(0.05), true, "5.00 %", "at most 5.00 %"),
        (51, Must::AtMost(0.05), false, "5.10 %", "at most 5.00 %"),
        (945, Must::AtLeast(0.945), true, "94.50 %", "at least 94.50 %"),
        (944, Must::AtLeast(0.945), false, "94.40 %", "at least 94.50 %"),
        (
            1,
            Must::Within(0.001, 0.002),
            true,
            "0.100 %",
            "0.100 % to 0.200 %",
        ),
        (
            3,
            Must::Within(0.001, 0.002),
            false,
            "0.300 %",
            "0.100 % to 0.200 %",
        ),
        (0, Must::Anything, true, "0.00 %", ""),
    ] {
        let row = row(count, must);
        assert_eq!(
            (row.met, row.measured_shown().as_str(), row.must_shown().as_str()),
            (met, measured, shown)
        );
    }
    let values = Moments::of_values(&[3000.0, 3334.0]);
    let mean = Row::mean("S2", "n", (&values, Unit::Number), 2, Must::AtMost(3200.0));
    assert_eq!((mean.met, mean.measured_shown().as_str()), (true, "3167"));
    let none = Row::share("S1", "no rounds", Hits::default(), 10, Must::AtMost(1.0));
    assert!(!none.met, "nothing was measured");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Who is exactly at the limit with all rounds is hardly ever beyond it with fewer of them.
    #[test]
    fn a_method_at_its_limit_passes_at_any_scale(limit in 0.001..0.999_f64, rounds in 100..5000_u64) {
        let full = 1_000_000_000;
        let n = rounds as f64;
        let passes = |must: Must| {
            let must = must.of_share(rounds, full);
            move |hits: &u64| must.holds(*hits as f64 / n)
        };
        let most = (0..=rounds).rfind(passes(Must::AtMost(limit))).expect("none is always at most");
        let least = (0..=rounds).find(passes(Must::AtLeast(limit))).expect("all are always at least");
        let beyond_high = binomial::sf(most, rounds, limit);
        let beyond_low = if least == 0 { 0.0 } else { binomial::cdf(least - 1, rounds, limit) };
        prop_assert!(beyond_high < 4e-5 && beyond_low < 4e-5, "{beyond_high} {beyond_low}");
        // And somebody who is far beyond the limit does not pass.
        prop_assert!(most as f64 / n - limit < 5.0 * (limit * (1.0 - limit) / n).sqrt() + 10.0 / n);
    }
}

/// Everything, as `docs/proof/statistics.md` has it. Takes minutes, and only a release build is fast enough.
#[test]
#[ignore = "takes minutes"]
fn full() {
    let (mut all, mut table) = (Vec::new(), String::new());
    for bar in bars() {
        let rows = run(bar, SEED, Scale::FULL, &mut |_done, _all| {}).expect("no design is refused");
        for row in &rows {
            let (measured, must) = (row.measured_shown(), row.must_shown());
            let met = match (row.must, row.met) {
                (Must::Anything, _) => "",
                (_, true) => "yes",
                (_, false) => "**no**",
            };
            let (bar, what, rounds) = (row.bar, &row.what, row.rounds);
            writeln!(
                table,
                "| {bar} | {what} | {measured} | {must} | {met} | {rounds} |"
            )
            .expect("memory is left");
        }
        all.extend(rows);
    }
    println!("{table}");
    assert_eq!(missed(&all), "");
}
