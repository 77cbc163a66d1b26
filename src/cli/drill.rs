//! `tidegate drill`: how long the way from a bad number to safety takes, on the real thing.

use super::client::Client;
use super::failure::Failure;
use super::named;
use super::screen::Screen;
use super::target::Target;
use clap::Args;
use serde_json::json;
use std::fmt::Write as _;
use tidegate_actors::control::DrillView;
use tidegate_model::span::Span;

/// How often, and how quick it has to be.
#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// So many drills, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// The longest that any of them may take
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = named::<Span>)]
    within: Span,
}

/// Drills.
pub(crate) async fn run(args: DrillArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let path = client.within("drills");
    let mut drills: Vec<DrillView> = Vec::new();
    for _ in 0..args.times {
        drills.push(client.post(&path, &json!({})).await?.read()?);
    }
    let limit = args.within.as_seconds() * 1000.0;
    let late = drills.iter().filter(|drill| drill.safe_ms > limit).count();
    let decided = Percentiles::of(drills.iter().map(|drill| drill.decided_ms));
    let safe = Percentiles::of(drills.iter().map(|drill| drill.safe_ms));
    let answer = json!({
        "drills": drills, "late": late, "withinMs": limit, "decided": decided.json(), "safe": safe.json(),
    });
    screen.show(&answer, || Ok(shown(screen, &drills, [&decided, &safe])))?;
    match late {
        0 => Ok(()),
        late => Err(Failure::Failed {
            what: format!(
                "{late} of {} drills took longer than {}",
                drills.len(),
                args.within
            ),
        }),
    }
}

/// Sorted durations in milliseconds.
struct Percentiles(Vec<f64>);

impl Percentiles {
    const SHOWN: [u32; 4] = [50, 90, 99, 100];

    fn of(durations: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = durations.collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// The duration that so many of a hundred do not exceed: nearest rank.
    fn at(&self, percent: u32) -> f64 {
        let rank = (self.0.len() * percent as usize).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    fn json(&self) -> serde_json::Value {
        json!({ "p50": self.at(50), "p90": self.at(90), "p99": self.at(99), "max": self.at(100) })
    }
}

fn shown(screen: Screen, drills: &[DrillView], both: [&Percentiles; 2]) -> String {
    let row = |name: &str, percentiles: &Percentiles| {
        let mut cells = vec![super::screen::cell(name)];
        let shown = Percentiles::SHOWN
            .iter()
            .map(|percent| format!("{:.1} ms", percentiles.at(*percent)));
        cells.extend(shown.map(super::screen::cell));
        cells
    };
    let [decided, safe] = both;
    let rows = vec![
        row("decided and stored", decided),
        row("confirmed by every live node", safe),
    ];
    let mut text = screen.table(&["from the bad number", "p50", "p90", "p99", "max"], rows, "");
    let nodes = drills.iter().map(|drill| drill.nodes).min().unwrap_or(0);
    let last = drills.last().map_or_else(String::new, |drill| {
        format!(", the last is {} in the audit log", drill.id)
    });
    let _ = writeln!(text, "\n{} drills on {nodes} live nodes{last}", drills.len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_were_measured() {
        let some = Percentiles::of([3.0, 1.0, 2.0, 4.0].into_iter());
        let at: Vec<f64> = Percentiles::SHOWN
            .iter()
            .map(|percent| some.at(*percent))
            .collect();
        assert_eq!(at, [2.0, 4.0, 4.0, 4.0]);
        assert_eq!(Percentiles::of([5.0].into_iter()).at(50), 5.0);
    }
}
