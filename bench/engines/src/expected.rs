//! What the answers must be, by the workload's definition and whichever way an engine buckets.

use crate::workload::{Attribute, FOUR_WAY, IDS, PEOPLE, Person, SEGMENT_PLAN, Workload, people};

/// How many standard deviations a share may be off: four engines' worth of chance is less than three.
const DEVIATIONS: f64 = 4.5;

/// Checks the answers of one engine, person by person.
///
/// # Errors
/// What is wrong with which person or share.
pub fn check(workload: Workload, answers: &[u64]) -> Result<(), String> {
    let people = people();
    match workload {
        Workload::Plain | Workload::FiveRules => exactly(answers, &people, |_| 1),
        Workload::LongList => exactly(answers, &people, |person| u64::from(in_list(person))),
        Workload::Quarter => share("on", answers, PEOPLE, 1, 0.25),
        Workload::FourWay => {
            let inside: Vec<u64> = people
                .iter()
                .zip(answers)
                .filter(|(it, _)| in_segment(it))
                .map(|(_, it)| *it)
                .collect();
            let outside = people.iter().zip(answers).filter(|(it, _)| !in_segment(it));
            if let Some((person, answer)) = outside.into_iter().find(|(_, answer)| **answer != 0) {
                return Err(format!("{} is outside the segment and got {answer}", person.key));
            }
            FOUR_WAY
                .iter()
                .zip(1..)
                .try_for_each(|((letter, weight), number)| {
                    share(letter, &inside, inside.len(), number, f64::from(*weight) / 100.0)
                })
        }
        Workload::Everything => everything(answers, &people),
    }
}

/// A hundred flags each of: always on, always on by rule, on for a quarter, a letter behind the segment
/// (three on average), on for a tenth.
fn everything(answers: &[u64], people: &[Person]) -> Result<(), String> {
    let letters: f64 = FOUR_WAY
        .iter()
        .zip(1..)
        .map(|((_, weight), number)| f64::from(weight * number) / 100.0)
        .sum();
    for inside in [true, false] {
        let chosen: Vec<u64> = people
            .iter()
            .zip(answers)
            .filter(|(it, _)| in_segment(it) == inside)
            .map(|(_, it)| *it)
            .collect();
        let mean = chosen.iter().sum::<u64>() as f64 / chosen.len() as f64;
        let expected = 100.0 * (2.0 + 0.25 + 0.10 + if inside { letters } else { 0.0 });
        if (mean - expected).abs() > 3.0 {
            return Err(format!(
                "people in the segment ({inside}) sum to {mean:.1} on average, not {expected:.1}"
            ));
        }
    }
    Ok(())
}

fn in_segment(person: &Person) -> bool {
    person
        .attributes
        .contains(&("plan", Attribute::Text(SEGMENT_PLAN.to_owned())))
}

fn in_list(person: &Person) -> bool {
    person.attributes.iter().any(|(name, value)| match value {
        Attribute::Text(text) if *name == "account" => text
            .strip_prefix("account-")
            .and_then(|id| id.parse::<usize>().ok())
            .is_some_and(|id| id < IDS),
        _ => false,
    })
}

fn exactly(answers: &[u64], people: &[Person], expected: impl Fn(&Person) -> u64) -> Result<(), String> {
    for (person, answer) in people.iter().zip(answers) {
        if *answer != expected(person) {
            return Err(format!("{} got {answer}, not {}", person.key, expected(person)));
        }
    }
    Ok(())
}

fn share(what: &str, answers: &[u64], of: usize, number: u64, expected: f64) -> Result<(), String> {
    let got = answers.iter().filter(|answer| **answer == number).count() as f64;
    let all = of as f64;
    let allowed = DEVIATIONS * (all * expected * (1.0 - expected)).sqrt();
    if (got - all * expected).abs() > allowed {
        return Err(format!(
            "{what}: {got} of {all}, expected {:.0} ± {allowed:.0}",
            all * expected
        ));
    }
    Ok(())
}
