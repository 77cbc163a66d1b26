//! Copies: made while a store works, and put back as another life of it.

use crate::ground::{commit, filled, filled_with, look, runtime, segment, tiny_segments};
use std::fs;
use tidegate_store::{Expected, Life, StoreError, compact, copy, verify, verify_against};

#[test]
fn a_copy_holds_all_that_was_acknowledged_before_it() {
    let original = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let (store, _) = tidegate_store::EmbeddedStore::open_with(original.path(), tiny_segments()).unwrap();
    fs::write(original.path().join("secret"), "s").unwrap();
    runtime().block_on(async {
        for round in 1..=5_u64 {
            commit(&store, 3).await;
            let to = copies.path().join(round.to_string());
            let mut told = Vec::new();
            let beside = ["secret", "not-there"];
            let copied = copy(original.path(), &to, Life::Same, &beside, |done, all| {
                told.push((done, all))
            });
            let copied = copied.unwrap();
            assert_eq!((copied.head, copied.epoch), (3 * round, 1));
            assert_eq!(told.last(), Some(&(copied.bytes, copied.bytes)));
            let verified = verify(&to).unwrap();
            assert_eq!((verified.records, verified.chain), (copied.head, copied.chain));
            assert_eq!(fs::read_to_string(to.join("secret")).unwrap(), "s");
        }
        store.close().await.unwrap();
    });
    let (_, original) = look(original.path()).unwrap();
    let (report, copied) = look(&copies.path().join("5")).unwrap();
    assert_eq!((copied, report.torn), (original, None));
}

#[test]
fn a_copy_put_back_is_a_life_above_all_others() {
    let original = filled(4);
    let copies = tempfile::tempdir().unwrap();
    let lives = [(Life::Above(0), 2), (Life::Above(700), 701), (Life::Same, 1)];
    for (place, (life, epoch)) in lives.into_iter().enumerate() {
        let to = copies.path().join(place.to_string());
        let copied = copy(original.path(), &to, life, &[], |_, _| {}).unwrap();
        assert_eq!(copied.epoch, epoch);
        let (report, _) = look(&to).unwrap();
        assert_eq!((report.epoch, report.head, report.created), (epoch, 4, false));
    }
}

#[test]
fn nothing_is_copied_over_something_or_from_what_is_damaged() {
    let original = filled_with(4, tiny_segments());
    let copies = tempfile::tempdir().unwrap();
    let taken = copies.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let empty = copy(original.path(), &taken, Life::Same, &[], |_, _| {});
    assert!(empty.is_ok(), "an empty folder is as good as none");
    let full = copy(original.path(), &taken, Life::Same, &[], |_, _| {}).unwrap_err();
    assert!(full.to_string().contains("there is something already"), "{full}");

    let third = segment(original.path(), 3);
    let mut bytes = fs::read(&third).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&third, bytes).unwrap();
    let to = copies.path().join("damaged");
    let damaged = copy(original.path(), &to, Life::Same, &[], |_, _| {}).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
    assert!(!to.exists(), "there is no half of a copy");
}

#[test]
fn x12_a_journal_that_was_written_anew_is_found_out_by_its_chain() {
    let honest = filled(5);
    let middle = verify(filled(3).path()).unwrap().chain.to_string();
    let expected = Expected {
        chain: Some(&middle),
        ..Expected::default()
    };
    assert_eq!(verify_against(honest.path(), expected).unwrap().records, 5);
    let forged = filled(2);
    let told = verify_against(forged.path(), expected).unwrap_err().to_string();
    assert!(told.contains("it was cut, or written anew"), "{told}");
}

#[test]
fn compacting_keeps_the_state_and_removes_what_was_put_aside() {
    let folder = filled(2000);
    let (_, before) = look(folder.path()).unwrap();
    fs::create_dir(folder.path().join("quarantine-1")).unwrap();
    fs::write(folder.path().join("quarantine-1/db"), "odd").unwrap();
    let compacted = compact(folder.path()).unwrap();
    assert_eq!(compacted.removed, 1);
    assert!(compacted.after < compacted.before, "{compacted:?}");
    assert!(!folder.path().join("quarantine-1").exists());
    let (report, after) = look(folder.path()).unwrap();
    assert_eq!((after, report.head), (before, 2000));
}
