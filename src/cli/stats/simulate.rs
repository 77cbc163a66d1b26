//! `tidegate stats simulate`: experiments whose truth is known because they are made up.

use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, Tone, cell, toned};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Write as _;
use tidegate_proof::simulate::{Bar, Must, Row, Scale, bar, bars, run as simulate};

/// The part of all rounds that a quick run has.
const QUICK: f64 = 0.02;

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// Which simulations, S1 to S10; all if none is named
    #[arg(value_name = "BAR", value_parser = named)]
    bars: Vec<&'static Bar>,
    /// What the random numbers begin with
    #[arg(long, value_name = "N", default_value_t = 20_261_124)]
    seed: u64,
    /// How many rounds: all, which takes minutes, or a fiftieth, with wider bars
    #[arg(long, value_enum, default_value_t = Rounds::Full)]
    scale: Rounds,
    /// Name the simulations, and run none
    #[arg(long)]
    list: bool,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rounds {
    /// A fiftieth of the rounds, and bars that are as much wider
    Quick,
    /// All rounds
    Full,
}

fn named(name: &str) -> Result<&'static Bar, String> {
    bar(name).ok_or_else(|| {
        let names: Vec<&str> = bars().iter().map(|bar| bar.name).collect();
        format!("known: {}", names.join(", "))
    })
}

pub(super) fn run(args: &Simulate) -> Result<(), Failure> {
    let screen = Screen::here(args.json);
    let chosen: Vec<&Bar> = if args.bars.is_empty() {
        bars().iter().collect()
    } else {
        args.bars.clone()
    };
    if args.list {
        let answer = chosen
            .iter()
            .map(|bar| json!({ "name": bar.name, "title": bar.title, "setting": bar.setting }));
        return screen.show(&answer.collect(), || Ok(listed(screen, &chosen)));
    }
    let scale = match args.scale {
        Rounds::Full => Some(Scale::FULL),
        Rounds::Quick => Scale::new(QUICK),
    };
    let mut rows = Vec::new();
    for bar in chosen {
        let progress = progress(bar);
        let found = simulate(bar, args.seed, scale.unwrap_or(Scale::FULL), &mut |done, all| {
            progress.set_length(all);
            progress.set_position(done);
        });
        progress.finish_and_clear();
        rows.extend(found.map_err(|refusal| Failure::process(format!("{} stopped", bar.name), refusal))?);
    }
    let judged = rows.iter().filter(|row| row.must != Must::Anything).count();
    let missed = rows.iter().filter(|row| !row.met).count();
    let answer = json!({
        "seed": args.seed,
        "judged": judged,
        "missed": missed,
        "rows": rows,
    });
    screen.show(&answer, || Ok(shown(screen, args.seed, &rows)))?;
    if missed == 0 {
        return Ok(());
    }
    Err(Failure::Unproven {
        what: format!("{missed} of {judged} numbers are not what they must be"),
    })
}

/// A bar on standard error, if that is a terminal.
fn progress(of: &Bar) -> ProgressBar {
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {eta}") {
        bar.set_style(style);
    }
    bar.set_message(format!("{} {}", of.name, of.title));
    bar
}

fn listed(screen: Screen, bars: &[&Bar]) -> String {
    let rows = bars
        .iter()
        .map(|bar| vec![cell(bar.name), cell(bar.title), cell(bar.setting)]);
    screen.table(&["bar", "title", "setting"], rows.collect(), "none")
}

fn shown(screen: Screen, seed: u64, rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let met = match (row.must, row.met) {
            (Must::Anything, _) => toned("-", Tone::Plain),
            (_, true) => toned("yes", Tone::Good),
            (_, false) => toned("no", Tone::Bad),
        };
        vec![
            cell(row.bar),
            cell(&row.what),
            cell(row.measured_shown()),
            cell(row.must_shown()),
            met,
            cell(row.rounds),
        ]
    });
    let header = ["bar", "what", "measured", "must be", "met", "rounds"];
    let mut text = screen.table(&header, cells.collect(), "nothing was simulated");
    let judged = rows.iter().filter(|row| row.must != Must::Anything).count();
    let missed = rows.iter().filter(|row| !row.met).count();
    let _ = writeln!(
        text,
        "\nseed {seed}: {} of {judged} numbers are what they must be",
        judged - missed
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_that_is_missed_is_seen() {
        let row = |measured: f64, must: Must| Row::number("S2", "size", measured, must);
        let rows = [
            row(394.0, Must::Within(393.0, 395.0)),
            row(400.0, Must::AtMost(395.0)),
            row(7.0, Must::Anything),
        ];
        assert_eq!(
            shown(Screen::PIPE, 7, &rows),
            "BAR  WHAT  MEASURED  MUST BE         MET  ROUNDS\n\
             S2   size  394.0     393.0 to 395.0  yes  0\n\
             S2   size  400.0     at most 395.0   no   0\n\
             S2   size  7.0                       -    0\n\
             \nseed 7: 1 of 2 numbers are what they must be\n"
        );
    }

    #[test]
    fn bars_have_names() {
        assert_eq!(named("s10").unwrap().name, "S10");
        assert!(named("S11").unwrap_err().contains("S1, S2"));
    }
}
