//! Signed heads: whatever is done to the past is found by them, and the first record that differs is named.

use crate::ground::{commit, filled_with, runtime, segment, tiny_segments};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tidegate_model::Timestamp;
use tidegate_model::head::SignedHead;
use tidegate_model::snapshot::SigningKey;
use tidegate_store::contract::sample::{flag, flag_ref, propose, save};
use tidegate_store::{
    EmbeddedStore, Expected, HeadFile, Life, Store as _, StoreError, VerifyReport, archive, copy, read_heads,
    verify_against,
};

/// A store into which these words were committed one after the other, and the heads that were signed after each of
/// `signed`.
fn store_of(words: &[&str], signed: &[u64]) -> (TempDir, Vec<SignedHead>) {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let (store, _) = EmbeddedStore::open_with(folder.path(), tiny_segments()).unwrap();
    let mut heads = Vec::new();
    runtime().block_on(async {
        for words in words {
            let write = save(flag_ref("a"), flag("a", words));
            let record = store.commit(propose(vec![write])).await.unwrap();
            if signed.contains(&record.sequence) {
                let head = store.take_tip().head(store.epoch(), Timestamp::default());
                heads.push(head.signed(&key));
            }
        }
        store.close().await.unwrap();
    });
    for head in &heads {
        assert_eq!(head.check(&[*key.public()]), Ok(()));
    }
    (folder, heads)
}

fn check(folder: &Path, heads: &[SignedHead]) -> Result<VerifyReport, StoreError> {
    let expected = Expected {
        heads,
        ..Expected::default()
    };
    verify_against(folder, expected)
}

const WORDS: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

#[test]
fn x12_a_past_that_was_rewritten_names_the_first_record_that_differs() {
    let (honest, heads) = store_of(&WORDS, &[3, 8]);
    assert_eq!(check(honest.path(), &heads).unwrap().records, 8);
    for first in 1..=8_usize {
        let mut words = WORDS;
        words[first - 1] = "forged";
        // Whoever rewrites a record makes the chain and all checksums anew.
        let (forged, _) = store_of(&words, &[]);
        let refused = check(forged.path(), &heads);
        let StoreError::Damaged { file, what, .. } = refused.unwrap_err() else {
            panic!("record {first} was rewritten");
        };
        let told = format!("record {first} is not the one that was signed");
        assert!(what.starts_with(&told), "{what}");
        let at = segment(forged.path(), u32::try_from(first).unwrap());
        assert_eq!(file, at.display().to_string());
    }
}

#[test]
fn x12_a_past_that_was_reordered_or_cut_is_found() {
    let (_, heads) = store_of(&WORDS, &[8]);
    let (swapped, _) = store_of(&["1", "2", "4", "3", "5", "6", "7", "8"], &[]);
    let told = check(swapped.path(), &heads).unwrap_err().to_string();
    assert!(told.contains("record 3 is not the one that was signed"), "{told}");
    let (dropped, _) = store_of(&["1", "2", "3", "4", "6", "7", "8"], &[]);
    let told = check(dropped.path(), &heads).unwrap_err().to_string();
    assert!(told.contains("record 5 is not the one that was signed"), "{told}");
    let (cut, _) = store_of(&WORDS[..6], &[]);
    let told = check(cut.path(), &heads).unwrap_err().to_string();
    assert!(told.contains("records 7 to 8 were cut off"), "{told}");
}

/// Heads that were fetched have no steps: then the records between two of them are named.
#[test]
fn x12_between_heads_without_steps_the_range_is_named() {
    let (_, mut heads) = store_of(&WORDS, &[3, 8]);
    heads.iter_mut().for_each(|head| head.head.steps.clear());
    let mut words = WORDS;
    words[4] = "forged";
    let (forged, _) = store_of(&words, &[]);
    let told = check(forged.path(), &heads).unwrap_err().to_string();
    assert!(
        told.contains("records 4 to 8 were not signed one by one"),
        "{told}"
    );
}

#[test]
fn heads_of_what_is_in_the_archive_need_the_archive() {
    let (folder, heads) = store_of(&WORDS, &[3, 8]);
    let to = tempfile::tempdir().unwrap();
    archive(folder.path(), to.path(), Timestamp::MAX_UTC, |_, _| {}).unwrap();
    assert!(matches!(
        check(folder.path(), &heads),
        Err(StoreError::Archived { oldest: 7 })
    ));
    let mut whole = Expected {
        archive: Some(to.path()),
        heads: &heads,
        ..Expected::default()
    };
    assert_eq!(verify_against(folder.path(), whole).unwrap().records, 8);
    // The archive of a past that was rewritten, and what it would have led to.
    let mut words = WORDS;
    words[1] = "forged";
    let (forged, _) = store_of(&words, &[]);
    let other = tempfile::tempdir().unwrap();
    archive(forged.path(), other.path(), Timestamp::MAX_UTC, |_, _| {}).unwrap();
    whole.archive = Some(other.path());
    let told = verify_against(forged.path(), whole).unwrap_err().to_string();
    assert!(told.contains("record 2 is not the one that was signed"), "{told}");
}

#[test]
fn heads_are_kept_one_a_line_and_half_a_line_is_none() {
    let (folder, heads) = store_of(&WORDS, &[2, 5, 8]);
    let file = folder.path().join("heads");
    let mut kept = HeadFile::open(folder.path()).unwrap();
    kept.append(&heads[0]).unwrap();
    kept.append(&heads[1]).unwrap();
    drop(kept);
    let two = fs::read(&file).unwrap();
    let mut torn = two.clone();
    torn.extend_from_slice(&two[..40]);
    fs::write(&file, torn).unwrap();
    assert_eq!(read_heads(&file).unwrap(), heads[..2]);
    HeadFile::open(folder.path()).unwrap().append(&heads[2]).unwrap();
    assert_eq!(read_heads(&file).unwrap(), heads);
    let mut bad = two.clone();
    let second = two.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bad[second + 1] = b'!';
    fs::write(&file, bad).unwrap();
    let told = read_heads(&file).unwrap_err().to_string();
    assert!(told.contains("line 2 is no signed head"), "{told}");
}

/// A head that was signed while a copy was made is of a record that the copy does not have.
#[test]
fn a_copy_has_the_heads_of_its_own_records() {
    let (longer, heads) = store_of(&WORDS, &[2, 8]);
    let (folder, _) = store_of(&WORDS[..5], &[]);
    let mut kept = HeadFile::open(folder.path()).unwrap();
    heads.iter().for_each(|head| kept.append(head).unwrap());
    let to = longer.path().join("copy");
    copy(folder.path(), &to, Life::Same, &[], |_, _| {}).unwrap();
    let found = read_heads(&to.join("heads")).unwrap();
    assert_eq!(found, heads[..1]);
    assert_eq!(check(&to, &found).unwrap().records, 5);
}

#[test]
fn a_tip_remembers_its_steps_until_it_is_taken() {
    let folder = filled_with(1, tiny_segments());
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        assert_eq!(store.take_tip().steps, [], "records of before are nobody's steps");
        commit(&store, 3).await;
        assert_eq!((store.tip().sequence, store.tip().steps.len()), (4, 0));
        let tip = store.take_tip();
        assert_eq!((tip.sequence, tip.steps.len()), (4, 3));
        assert_eq!(tip.steps.last(), Some(&tip.chain));
        assert_eq!(store.take_tip().steps, []);
        store.close().await.unwrap();
    });
}
