//! Runs every workload in every engine, in turn, and prints the times and what they are to the best of
//! the others.

use std::collections::HashMap;
use std::process::Command;
use tidegate_engines::clock::thread_nanoseconds;
use tidegate_engines::engine::Seat;
use tidegate_engines::engines;
use tidegate_engines::workload::{PEOPLE, Workload};

/// How much processor time one engine gets for one workload in one round, at least.
const SLICE: u64 = 10_000_000;

/// Contexts that go round in a turn of an engine that does not get through all of them in its slice.
const CONTEXTS_MIN: usize = 16;

/// Rounds in which every engine has its turn; the median of them is reported.
const ROUNDS: usize = 15;

fn main() {
    let (seats, absent): (Vec<_>, Vec<_>) = engines::all().into_iter().partition(Result::is_ok);
    let seats: Vec<Box<dyn Seat>> = seats.into_iter().flatten().collect();
    println!("The answers of {} engines are right.\n", seats.len());
    let allocations = allocations();
    table(
        "Context prepared outside",
        &seats,
        &allocations,
        0,
        |seat, workload, count| seat.round(workload, count),
    );
    table(
        "From raw attributes each time",
        &seats,
        &allocations,
        1,
        |seat, workload, count| seat.raw_round(workload, count),
    );
    contexts(&seats);
    let absent: Vec<String> = absent.into_iter().filter_map(Result::err).collect();
    if !absent.is_empty() {
        eprintln!("Not measured: {}", absent.join("; "));
        std::process::exit(1);
    }
}

/// What the counting program says: allocations per evaluation, prepared and raw.
fn allocations() -> HashMap<(String, char), [f64; 2]> {
    let program = std::env::current_exe()
        .expect("the path of this program")
        .with_file_name("allocations");
    let output = Command::new(&program)
        .output()
        .expect("cargo build --release --bins makes `allocations`");
    assert!(output.status.success(), "{} fails", program.display());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| {
            let mut parts = line.split('\t');
            let key = (parts.next()?.to_owned(), parts.next()?.chars().next()?);
            Some((key, [parts.next()?.parse().ok()?, parts.next()?.parse().ok()?]))
        })
        .collect()
}

/// Nanoseconds of one evaluation (or of one context's 500); each time the sum must be the same.
fn time(seat: &dyn Seat, turn: Turn, ask: &impl Fn(&dyn Seat, usize) -> u64) -> f64 {
    let sum = ask(seat, turn.contexts);
    let start = thread_nanoseconds();
    for _ in 0..turn.repeats {
        assert_eq!(ask(seat, turn.contexts), sum, "{} changes its mind", seat.name());
    }
    (thread_nanoseconds() - start) as f64 / (turn.repeats * turn.contexts) as f64
}

/// How much one engine does in one round.
#[derive(Clone, Copy)]
struct Turn {
    contexts: usize,
    repeats: usize,
}

impl Turn {
    /// As much as fills the slice: all contexts, several times, unless that takes far too long.
    fn fill(each: f64) -> Self {
        let evaluations = (SLICE as f64 / each.max(1.0)) as usize;
        Self {
            contexts: PEOPLE.min(evaluations.max(CONTEXTS_MIN)),
            repeats: (evaluations / PEOPLE).max(1),
        }
    }
}

/// Medians of interleaved rounds: every engine has a turn in each.
fn medians(seats: &[Box<dyn Seat>], ask: impl Fn(&dyn Seat, usize) -> u64) -> Vec<f64> {
    let first = Turn {
        contexts: CONTEXTS_MIN,
        repeats: 1,
    };
    let turns: Vec<Turn> = seats
        .iter()
        .map(|seat| Turn::fill(time(seat.as_ref(), first, &ask)))
        .collect();
    let mut rounds = vec![Vec::with_capacity(ROUNDS); seats.len()];
    for _ in 0..ROUNDS {
        for (place, seat) in seats.iter().enumerate() {
            rounds[place].push(time(seat.as_ref(), turns[place], &ask));
        }
    }
    rounds
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect()
}

fn table(
    title: &str,
    seats: &[Box<dyn Seat>],
    allocations: &HashMap<(String, char), [f64; 2]>,
    column: usize,
    ask: impl Fn(&dyn Seat, Workload, usize) -> u64,
) {
    println!("## {title}\n\nNanoseconds (allocations) per evaluation; E is for all 500 flags.\n");
    let results: Vec<Vec<f64>> = Workload::ALL
        .iter()
        .map(|workload| medians(seats, |seat, count| ask(seat, *workload, count)))
        .collect();
    println!(
        "| engine | {} |",
        Workload::ALL
            .map(|it| format!("{} {}", it.letter(), it.title()))
            .join(" | ")
    );
    println!("|---|{}", "---|".repeat(Workload::ALL.len()));
    for (place, seat) in seats.iter().enumerate() {
        let cells = Workload::ALL.iter().zip(&results).map(|(workload, times)| {
            let count = allocations
                .get(&(seat.name().to_owned(), workload.letter()))
                .map_or(f64::NAN, |it| it[column]);
            format!("{} ({})", significant(times[place]), significant(count))
        });
        println!("| {} | {} |", seat.name(), cells.collect::<Vec<_>>().join(" | "));
    }
    let ratios = results.iter().map(|times| {
        let (ours, others) = times.split_first().expect("at least one engine");
        let best = others.iter().copied().fold(f64::INFINITY, f64::min);
        format!("{:.1}x", best / ours)
    });
    println!(
        "| **best of the others to ours** | {} |\n",
        ratios.collect::<Vec<_>>().join(" | ")
    );
}

fn contexts(seats: &[Box<dyn Seat>]) {
    println!("## Making one context of ten attributes\n\n| engine | nanoseconds |\n|---|---|");
    let times = medians(seats, |seat, count| {
        seat.contexts_round(count);
        0
    });
    for (seat, time) in seats.iter().zip(times) {
        println!("| {} | {} |", seat.name(), significant(time));
    }
}

/// Three digits, as people write them.
fn significant(number: f64) -> String {
    if number >= 100.0 || number.fract() == 0.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    }
}
