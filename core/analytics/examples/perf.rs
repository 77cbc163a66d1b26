//! x
use std::hint::black_box;
use std::time::Instant;
use tidegate_analytics::result::*;
use tidegate_analytics::tally::*;
use tidegate_model::experiment::Design;
fn sums(n: u64, y: f64, sd: f64, rho: f64) -> Sums {
    // values a (half) and b(half)
    let h = (n / 2) as i128;
    let a = ((y - sd) * 1e6) as i128;
    let b = ((y + sd) * 1e6) as i128;
    let _ = rho;
    Sums {
        n: 2 * (h as u64),
        y: h * (a + b),
        yy: h * (a * a + b * b),
        x: h * (a + b),
        xx: h * (a * a + b * b),
        xy: h * ((a * a + b * b) * 8 + 2 * a * b * 2) / 10,
    }
}
fn share(n: u64, k: u64) -> Sums {
    Sums {
        n,
        y: (k as i128) * 1_000_000,
        yy: (k as i128) * 1_000_000_000_000,
        ..Sums::NONE
    }
}
fn main() {
    for disc in [
        r#"{"kind":"always_valid","tunedFor":40000}"#,
        r#"{"kind":"fixed","units":40000}"#,
        r#"{"kind":"group_sequential","units":80000}"#,
        r#"{"kind":"group_sequential","units":40000}"#,
    ] {
        let mut metrics = vec![];
        for i in 0..10 {
            let role = if i < 2 {
                "success"
            } else if i < 7 {
                "secondary"
            } else {
                "guardrail"
            };
            let m = match i % 3 {
                0 => r#"{"kind":"conversion","event":"e"}"#,
                1 => r#"{"kind":"revenue","event":"e"}"#,
                _ => {
                    r#"{"kind":"ratio","numerator":{"event":"e","aggregation":"sum"},"denominator":{"event":"f","aggregation":"count"}}"#
                }
            };
            metrics.push(format!(
                r#"{{"name":"m{i}","role":"{role}","measure":{m},"margin":0.05}}"#
            ));
        }
        let json = format!(
            r#"{{"key":"x","hypothesis":"h","flag":"f","control":"a","arms":[{{"variation":"a","weight":25}},{{"variation":"b","weight":25}},{{"variation":"c","weight":25}},{{"variation":"d","weight":25}}],"metrics":[{}],"discipline":{disc}}}"#,
            metrics.join(",")
        );
        let design: Design = serde_json::from_str(&json).unwrap();
        let mut t = Tallies::default();
        for (j, arm) in ["a", "b", "c", "d"].iter().enumerate() {
            let mut at = ArmTally {
                units: 10_000 + j as u64,
                ..Default::default()
            };
            for i in 0..10u64 {
                let y = 1.0 + 0.02 * (j as f64);
                let mt = match i % 3 {
                    0 => MetricTally {
                        known: share(4000, 400 + 20 * j as u64),
                        new: share(6000 + j as u64, 600),
                        ..MetricTally::NOBODY
                    },
                    1 => MetricTally {
                        known: sums(4000, y, 2.0, 0.5),
                        new: sums(6000, y, 2.0, 0.5),
                        ..MetricTally::NOBODY
                    },
                    _ => MetricTally {
                        known: sums(10000, y, 2.0, 0.5),
                        ..MetricTally::NOBODY
                    },
                };
                at.metrics.insert(format!("m{i}").parse().unwrap(), mt);
            }
            t.arms.insert(arm.parse().unwrap(), at);
        }
        let asked = if disc.contains("group") {
            if disc.contains("80000") {
                Asked {
                    looks: vec![16000, 32000],
                    ..Default::default()
                }
            } else {
                Asked {
                    looks: vec![8000, 16000, 24000, 32000],
                    ..Default::default()
                }
            }
        } else {
            Asked::default()
        };
        let r = result(&design, &t, &asked);
        let mut best = std::time::Duration::MAX;
        for _ in 0..50 {
            let s = Instant::now();
            black_box(result(black_box(&design), &t, &asked));
            best = best.min(s.elapsed());
        }
        println!("{} {best:?}", r.look);
        if disc.contains("always") {
            println!("{}", serde_json::to_string_pretty(&r.metrics[0]).unwrap());
            println!("{}", serde_json::to_string(&r.metrics[1].comparisons[2]).unwrap());
            println!("{}", serde_json::to_string(&r.metrics[7].comparisons[2]).unwrap());
        }
    }
}
