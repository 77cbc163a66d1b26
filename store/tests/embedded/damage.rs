//! Damage before the tail: always found, always named, never repaired by guessing.

use crate::ground::*;
use std::fs;
use tidegate_store::verify;

#[test]
fn f52_every_flipped_bit_in_a_middle_record_is_found() {
    let folder = filled(4);
    let file = segment(folder.path(), 1);
    let whole = fs::read(&file).unwrap();
    let middle = &frames(&whole)[1];
    for bit in middle.start * 8..middle.end * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, bytes).unwrap();
        assert_damaged(verify(folder.path()), &file, middle.start);
    }
    // The start finds the same, with and without a view that knows the record.
    assert_damaged(look(folder.path()), &file, middle.start);
    fs::remove_dir_all(folder.path().join("view")).unwrap();
    assert_damaged(look(folder.path()), &file, middle.start);
}

#[test]
fn f52_every_flipped_bit_in_the_header_of_a_segment_is_found() {
    let folder = filled(1);
    let file = segment(folder.path(), 1);
    let whole = fs::read(&file).unwrap();
    for bit in 0..56 * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, bytes).unwrap();
        assert_damaged(verify(folder.path()), &file, 0);
    }
    assert_damaged(look(folder.path()), &file, 0);
}

#[test]
fn f52_dropped_swapped_and_repeated_records_are_found() {
    let folder = filled(5);
    let file = segment(folder.path(), 1);
    let whole = fs::read(&file).unwrap();
    let frames = frames(&whole);
    let check = |order: &[usize], bad: usize| {
        let mut bytes = whole[..frames[0].start].to_vec();
        for frame in order {
            bytes.extend_from_slice(&whole[frames[*frame].start..frames[*frame].end]);
        }
        let places = crate::ground::frames(&bytes);
        fs::write(&file, bytes).unwrap();
        assert_damaged(verify(folder.path()), &file, places[bad].start);
    };
    check(&[0, 1, 3, 4], 2);
    check(&[1, 2, 3, 4], 0);
    check(&[0, 2, 1, 3, 4], 1);
    check(&[0, 1, 1, 2, 3, 4], 2);
    check(&[0, 1, 2, 3, 4, 0], 5);
}

#[test]
fn f52_missing_and_swapped_segments_are_found() {
    let folder = filled_with(4, tiny_segments());
    let at = |number| segment(folder.path(), number);
    fs::rename(at(2), at(9)).unwrap();
    assert_damaged(verify(folder.path()), &at(2), 0);
    fs::rename(at(3), at(2)).unwrap();
    fs::rename(at(9), at(3)).unwrap();
    assert_damaged(verify(folder.path()), &at(2), 0);
    assert_damaged(look(folder.path()), &at(2), 0);
}

#[test]
fn f52_a_journal_that_is_gone_is_not_a_new_store() {
    let folder = filled(2);
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    assert_damaged(verify(folder.path()), &segment(folder.path(), 1), 0);
    assert_damaged(look(folder.path()), &segment(folder.path(), 1), 0);
}

/// Two journals that share their first records: a segment of the one does not pass in the other.
#[test]
fn f52_a_segment_of_another_journal_is_found() {
    let one = filled_with(4, tiny_segments());
    let other = tempfile::tempdir().unwrap();
    let (store, _) = tidegate_store::EmbeddedStore::open_with(other.path(), tiny_segments()).unwrap();
    runtime().block_on(async {
        commit(&store, 1).await;
        commit(&store, 3).await;
        store.close().await.unwrap();
    });
    fs::copy(segment(other.path(), 4), segment(one.path(), 4)).unwrap();
    assert_damaged(verify(one.path()), &segment(one.path(), 4), 0);
}
