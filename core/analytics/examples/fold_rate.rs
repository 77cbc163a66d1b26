//! How fast observations of single units fold into the tallies of an experiment with ten metrics and four arms, what a
//! participant takes, and how long a look and a whole result take then.
//!
//! Each unit is exposed once, half of them did something before, and each does one and a half things afterwards on
//! average, at any time: what comes is about a unit that is nowhere near in memory. What is told is processor time of the
//! one thread that folds; making the observations is not in it.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement tells its numbers, or ends"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidegate_analytics::fold::{Fold, Period};
use tidegate_analytics::result::{Asked, result};
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::observation::Observation;

/// Observations that are made before they are folded.
const PORTION: u64 = 50_000;
/// The start, in milliseconds since 1970, and a day.
const START: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;
const ARMS: [&str; 4] = ["a", "b", "c", "d"];
const EVENTS: [&str; 4] = ["visit", "purchase", "search", "error"];

fn design(walks: bool) -> Design {
    let cap = if walks {
        r#","cap":{"quantile":0.999}"#
    } else {
        r#","cap":{"at":500}"#
    };
    let tenth = if walks {
        r#"{"name":"m10","role":"secondary","measure":{"kind":"percentile","event":"search","quantile":0.9}}"#
    } else {
        r#"{"name":"m10","role":"secondary","measure":{"kind":"custom","event":"search","aggregation":"max"}}"#
    };
    let dimensions = if walks { r#"["country"]"# } else { "[]" };
    let text = format!(
        r#"{{"key":"e","hypothesis":"h","flag":"f","control":"a","dimensions":{dimensions},
        "arms":[{{"variation":"a","weight":25}},{{"variation":"b","weight":25}},
                {{"variation":"c","weight":25}},{{"variation":"d","weight":25}}],
        "metrics":[
        {{"name":"m1","measure":{{"kind":"conversion","event":"purchase"}}}},
        {{"name":"m2","measure":{{"kind":"revenue","event":"purchase"}}{cap}}},
        {{"name":"m3","role":"secondary","measure":{{"kind":"engagement","event":"visit"}}}},
        {{"name":"m4","role":"secondary","measure":{{"kind":"engagement","event":"search"}}{cap}}},
        {{"name":"m5","role":"secondary","measure":{{"kind":"retention","event":"visit","from":"1d","to":"2d"}}}},
        {{"name":"m6","role":"secondary","measure":{{"kind":"funnel","steps":["visit","search","purchase"]}}}},
        {{"name":"m7","role":"secondary","measure":{{"kind":"ratio",
          "numerator":{{"event":"error","aggregation":"count"}},"denominator":{{"event":"visit","aggregation":"count"}}}}}},
        {{"name":"m8","role":"secondary","measure":{{"kind":"custom","event":"search","aggregation":"unique"}}}},
        {{"name":"m9","role":"guardrail","goal":"decrease","measure":{{"kind":"conversion","event":"error"}}}},
        {tenth}]}}"#
    );
    let design: Design = serde_json::from_str(&text).expect("the design is read");
    design.checked().expect("the design holds together")
}

/// Numbers that look like chance (splitmix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A name as long as a UUID.
fn unit(number: u64) -> String {
    format!("{:016x}-{:019x}", mix(number), number)
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(START + millis).expect("a time")
}

fn event(number: u64, nth: u64, millis: i64) -> Observation {
    let dice = mix(number ^ (nth << 56));
    let name = EVENTS.get((dice % 4) as usize).copied().unwrap_or("visit");
    Observation::Event {
        unit: unit(number),
        metric: name.parse().expect("a name"),
        value: (dice % 20_000) as f64 / 100.0,
        at: time(millis),
        id: format!("{dice:x}"),
    }
}

/// The `place`-th of all observations of so many participants: first what they did before, then their exposures with
/// what they do between, scattered over all of them.
fn observation(place: u64, participants: u64) -> Observation {
    let half = participants / 2;
    if place < half {
        return event(mix(place) % participants, 1, -DAY + (place % 1000) as i64);
    }
    let place = place - half;
    // Of five, two are exposures and three are events.
    let (round, step) = (place / 5, place % 5);
    let millis = (place % 3_600_000) as i64;
    if step < 2 {
        let number = round * 2 + step;
        let arm = ARMS.get((mix(number) >> 32) as usize % 4).copied().unwrap_or("a");
        let country = format!("c{}", mix(number) % 40);
        return Observation::Exposure {
            experiment: "e".parse().expect("a key"),
            batch: 0,
            unit: unit(number),
            arm: arm.parse().expect("a key"),
            at: time(millis),
            dimensions: BTreeMap::from([("country".to_owned(), country)]),
        };
    }
    event(mix(place) % participants, 2 + step, millis)
}

/// Processor time of this thread.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Memory of this process now, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = text.split(' ').nth(1).and_then(|text| text.parse().ok());
    pages.unwrap_or(0) * 4096
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let named = arguments.iter().position(|one| one == "--participants");
    let participants = named.and_then(|place| arguments.get(place + 1)?.parse().ok());
    let participants: u64 = participants.unwrap_or(1_000_000);
    let walks = arguments.iter().any(|one| one == "--walks");
    let design = design(walks);
    let period = Period {
        from: time(0),
        until: None,
        batch: 0,
    };
    let mut fold = Fold::new(&design, period);
    let all = participants / 2 + participants / 2 * 5;
    let (before, mut spent) = (resident(), Duration::ZERO);
    for first in (0..all).step_by(PORTION as usize) {
        let portion: Vec<Observation> = (first..(first + PORTION).min(all))
            .map(|place| observation(place, participants))
            .collect();
        let began = processor_time();
        for observation in &portion {
            fold.observe(observation, observation.at());
        }
        spent += processor_time().saturating_sub(began);
    }
    let grown = resident().saturating_sub(before);
    let began = Instant::now();
    let looked = fold.look();
    let look = began.elapsed();
    let began = Instant::now();
    let tallies = fold.tallies();
    let told = began.elapsed();
    let began = Instant::now();
    let found = result(&design, &tallies, &Asked::default());
    let reckoned = began.elapsed();
    assert_eq!(found.look.units(), looked.units(), "both are of the same units");
    println!("observations              {all}");
    println!("units in arms             {}", tallies.units());
    println!(
        "folded a second           {:.0}",
        all as f64 / spent.as_secs_f64()
    );
    println!(
        "bytes a participant       {:.1}",
        fold.bytes() as f64 / participants as f64
    );
    println!(
        "  by what grew            {:.1}",
        grown as f64 / participants as f64
    );
    println!("a look                    {look:?}");
    println!("the tallies without one   {told:?}");
    println!("the whole result          {reckoned:?}");
}
