//! What an evaluation costs in process. `docs/benchmarks.md` has the numbers and how they were taken.
//!
//! Every line is checked against the answers that follow from the flags' definitions, each time it is
//! measured. `cargo bench -p tidegate-bench --bench evaluation -- B` measures the lines that begin with B.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has to stop")]

mod line;
mod workload;

use line::Line;
use std::hint::black_box;
use tidegate_eval::{CompiledSnapshot, Evaluation, PreparedContext, Space};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use workload::{FLAGS, PEOPLE, Person, Workload};

/// What there is to measure, made once.
struct Ground {
    people: Vec<Person>,
    contexts: Vec<Context>,
    /// One flag of each kind, and the 500.
    named: CompiledSnapshot,
    /// The 500 alone.
    mix: CompiledSnapshot,
}

fn main() {
    let people = workload::people();
    let ground = Ground {
        contexts: people.iter().map(Person::context).collect(),
        people,
        named: workload::compile(true),
        mix: workload::compile(false),
    };
    let lines = prepared(&ground)
        .into_iter()
        .chain(many(&ground))
        .chain(raw(&ground));
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let chosen = lines.filter(|line| wanted.is_empty() || wanted.iter().any(|start| line.starts_with(start)));
    line::measure(chosen.collect());
}

fn at() -> Timestamp {
    Timestamp::from_timestamp(1_795_000_000, 0).unwrap()
}

/// A to D and F: one flag by its name, contexts prepared outside.
fn prepared(ground: &Ground) -> Vec<Line<'_>> {
    let snapshot = &ground.named;
    let workloads = [
        Workload::Plain,
        Workload::FiveRules,
        Workload::Quarter,
        Workload::FourWay,
        Workload::LongList,
    ];
    workloads
        .map(|workload| {
            let contexts = prepare_all(snapshot, ground);
            let (flag, expected) = (workload.flag(), workload.expected(&ground.people));
            Line::new(workload.title(), expected, PEOPLE, move || {
                let answer = |context| number(snapshot.evaluate(black_box(flag), context));
                contexts.iter().map(answer).sum()
            })
        })
        .into()
}

/// E, and the same flags by their names: all of 500 for one context after the other.
fn many(ground: &Ground) -> Vec<Line<'_>> {
    let snapshot = &ground.mix;
    let expected = Workload::Everything.expected(&ground.people);
    let names: Vec<String> = workload::names();
    let contexts = prepare_all(snapshot, ground);
    let all = Line::new(Workload::Everything.title(), expected, PEOPLE, move || {
        let everything = |context| -> u64 { snapshot.evaluate_all(context).map(number).sum() };
        contexts.iter().map(everything).sum()
    });
    let contexts = prepare_all(snapshot, ground);
    let by_name = Line::new(
        "E by name: the same, each looked up",
        expected,
        PEOPLE,
        move || {
            let everything = |context| -> u64 { snapshot.evaluate_many(&names, context).map(number).sum() };
            contexts.iter().map(everything).sum()
        },
    );
    assert_eq!(snapshot.flag_keys().count(), FLAGS);
    vec![all, by_name]
}

/// From raw attributes each time.
fn raw(ground: &Ground) -> Vec<Line<'_>> {
    let Ground { people, contexts, .. } = ground;
    let named = |title, contexts: &'static str| format!("{title}, {contexts}");
    let keyed = u64::try_from(people.iter().filter(|person| person.key.ends_with('7')).count()).unwrap();
    let mut lines = vec![
        Line::new("prepare a Context of ten attributes", keyed, PEOPLE, move || {
            let ends = |context| sevens(&ground.named.prepare(context, at()));
            contexts.iter().map(ends).sum()
        }),
        Line::new("the same, in memory used before", keyed, PEOPLE, move || {
            let mut space = Space::default();
            let mut sum = 0;
            for context in contexts {
                let prepared = ground.named.prepare_in(space, context, at());
                sum += sevens(&prepared);
                space = prepared.into_space();
            }
            sum
        }),
        Line::new(
            "fill in ten raw attributes, in memory used before",
            keyed,
            PEOPLE,
            move || each_filled(&ground.named, people, sevens),
        ),
    ];
    for workload in [
        Workload::Plain,
        Workload::FiveRules,
        Workload::Quarter,
        Workload::FourWay,
        Workload::LongList,
    ] {
        let (flag, expected) = (workload.flag(), workload.expected(people));
        let title = named(workload.title(), "filled in each time");
        lines.push(Line::new(title, expected, PEOPLE, move || {
            each_filled(&ground.named, people, |context| {
                number(ground.named.evaluate(black_box(flag), context))
            })
        }));
    }
    let title = named(Workload::Everything.title(), "filled in each time");
    lines.push(Line::new(
        title,
        Workload::Everything.expected(people),
        PEOPLE,
        move || {
            each_filled(&ground.mix, people, |context| {
                ground.mix.evaluate_all(context).map(number).sum()
            })
        },
    ));
    lines
}

/// Asks every person, prepared from raw attributes in the memory of the one before.
fn each_filled(
    snapshot: &CompiledSnapshot,
    people: &[Person],
    ask: impl Fn(&PreparedContext<'_>) -> u64,
) -> u64 {
    let mut space = Space::default();
    let mut sum = 0;
    for person in people {
        let mut filling = snapshot.fill(space, at());
        person.fill(&mut filling);
        let prepared = filling.finish();
        sum += ask(black_box(&prepared));
        space = prepared.into_space();
    }
    sum
}

fn prepare_all<'g>(snapshot: &CompiledSnapshot, ground: &'g Ground) -> Vec<PreparedContext<'g>> {
    ground
        .contexts
        .iter()
        .map(|context| snapshot.prepare(context, at()))
        .collect()
}

/// 1 if the prepared context's key ends with a 7: something that can be checked.
fn sevens(context: &PreparedContext<'_>) -> u64 {
    u64::from(black_box(context).key().is_some_and(|key| key.ends_with('7')))
}

/// An answer as a number: 1 for true, and a text's length.
fn number(evaluation: Evaluation<'_>) -> u64 {
    match evaluation.boolean() {
        Ok(truth) => u64::from(truth),
        Err(_not_boolean) => evaluation.string().map_or(0, |text| text.len() as u64),
    }
}
