//! What becomes known of an alert, whatever the order in which it is said.
#![cfg(test)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_decide::alert::{LATE, Said, hear, is_forgotten};
use tidegate_model::Timestamp;
use tidegate_model::alert::{Alert, AlertState};
use tidegate_model::change::{Change, EntityState};
use tidegate_model::key::{Fingerprint, Revision};
use tidegate_model::span::Span;

fn at(seconds: u64) -> Timestamp {
    Span::seconds(seconds).after("2026-01-05T00:00:00Z".parse().unwrap())
}

fn said(starts: u64, ended: Option<u64>) -> Said {
    Said {
        alert: Alert {
            fingerprint: Fingerprint::new("64f9f5e172e01281").unwrap(),
            starts: at(starts),
            labels: BTreeMap::from([("alertname".to_owned(), "HighErrors".to_owned())]),
            summary: String::new(),
            source: String::new(),
        },
        ended: ended.map(at),
    }
}

/// What is known after all of this was said, each at its moment, and how often something changed.
fn known(heard: &[(u64, Said)]) -> (Option<AlertState>, usize) {
    let mut state: Option<AlertState> = None;
    let mut changes = 0;
    for (moment, said) in heard {
        let Some(change) = hear(state.as_ref(), said, at(*moment)) else {
            continue;
        };
        changes += 1;
        let text = serde_json::to_string(&change).unwrap();
        let change: Change = serde_json::from_str(&text).unwrap();
        let before = state.map(|state| EntityState::Alert(Box::new(state)));
        state = match EntityState::apply(before, &change, at(*moment), Revision(1)).unwrap() {
            Some(EntityState::Alert(state)) => Some(*state),
            other => panic!("{other:?}"),
        };
    }
    (state, changes)
}

/// What is heard, written as `moment:start` for a firing and `moment:start-end` for its end.
fn heard(text: &str) -> Vec<(u64, Said)> {
    let number = |text: &str| -> u64 { text.parse().unwrap() };
    let one = |word: &str| {
        let (moment, what) = word.split_once(':').unwrap();
        let said = match what.split_once('-') {
            Some((starts, ended)) => said(number(starts), Some(number(ended))),
            None => said(number(what), None),
        };
        (number(moment), said)
    };
    text.split_whitespace().map(one).collect()
}

#[test]
fn what_is_said_of_an_alert_and_what_is_known_then() {
    for (name, text, fires, starts, changes) in [
        ("fires", "0:0", true, 0, 1),
        ("said again", "0:0 60:0 9000:0", true, 0, 1),
        ("over", "0:0 60:0-50", false, 0, 2),
        ("over, said again", "0:0 60:0-50 61:0-50", false, 0, 2),
        ("over before it fires", "60:0-50 61:0", false, 0, 1),
        ("fires anew", "60:0-50 90:80", true, 80, 2),
        ("anew, then the end of before", "0:0 90:80 91:0-50", true, 80, 2),
        ("a start from before", "90:80 91:0", true, 80, 1),
        ("a start from before the end", "99:80-95 100:0", false, 80, 1),
        ("an end beyond a later start", "90:80 200:0-190", false, 0, 2),
        ("an end before its start", "0:50 60:50-0", false, 50, 2),
        ("the end, the start late", "60:0-50 359:0", false, 0, 1),
        ("the start long after the end", "60:0-50 360:0", true, 0, 2),
    ] {
        let (state, changed) = known(&heard(text));
        let state = state.unwrap();
        let found = (state.fires(), state.alert.starts, changed);
        assert_eq!(found, (fires, at(starts), changes), "{name}");
    }
}

#[test]
fn f18_silence_ends_nothing() {
    let (state, _) = known(&[(0, said(0, None))]);
    let state = state.unwrap();
    assert!(state.fires());
    assert!(
        !is_forgotten(&state, at(10 * 365 * 24 * 3600)),
        "years later it still fires"
    );
    let (over, _) = known(&[(0, said(0, None)), (60, said(0, Some(50)))]);
    let over = over.unwrap();
    assert!(!is_forgotten(&over, at(3600)));
    assert!(is_forgotten(&over, at(60 + 24 * 3600)));
}

/// Firings of one alert, one after the other, and for each whether its end is said.
fn histories() -> impl Strategy<Value = Vec<Said>> {
    prop::collection::vec((1u64..100, 1u64..100), 1..5).prop_flat_map(|firings| {
        let mut time = 0;
        let mut all = Vec::new();
        let count = firings.len();
        for (index, (pause, length)) in firings.into_iter().enumerate() {
            let starts = time + pause;
            time = starts + length;
            all.push(said(starts, None));
            // Whether the last one is over is left to chance below.
            if index + 1 < count || length % 2 == 0 {
                all.push(said(starts, Some(time)));
            }
        }
        let deliveries = prop::collection::vec(0..all.len(), 0..12);
        (Just(all.clone()), deliveries).prop_map(|(mut all, again)| {
            let more: Vec<Said> = again.iter().map(|index| all[*index].clone()).collect();
            all.extend(more);
            all
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// Whatever the order and however often: the newest firing is known, and whether it is over.
    #[test]
    fn order_and_repetition_change_nothing(
        (history, shuffled) in histories().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        // All within the time in which a delivery may be late.
        let heard = |all: &[Said]| -> Vec<(u64, Said)> {
            all.iter().enumerate().map(|(index, said)| (1000 + index as u64, said.clone())).collect()
        };
        prop_assert!((history.len() as f64) < LATE.as_seconds());
        let (state, _) = known(&heard(&shuffled));
        let state = state.unwrap();
        let newest = history.iter().map(|said| said.alert.starts).max().unwrap();
        let over = history.iter().any(|said| said.alert.starts == newest && said.ended.is_some());
        prop_assert_eq!((state.alert.starts, state.fires()), (newest, !over));
        let (again, changed) = known(&heard(&[shuffled.clone(), shuffled].concat()));
        prop_assert_eq!(again.map(|again| (again.alert.starts, again.ended)), Some((state.alert.starts, state.ended)));
        prop_assert!(changed <= history.len());
    }
}
