//! The end of the journal: what is cut off, and what must not be.

use crate::ground::*;
use std::fs;
use tidegate_store::{EmbeddedStore, StoreError, Torn, verify};

/// The journal as a power cut leaves it that came before byte `length` of the last segment.
#[track_caller]
fn check_cut(whole: &[u8], length: usize, folder: &std::path::Path) {
    let frames = frames(whole);
    let last = frames.last().unwrap();
    let cut = copy_without_view(folder);
    let file = segment(cut.path(), 1);
    fs::write(&file, &whole[..length]).unwrap();
    let torn = (length > last.start).then(|| Torn {
        file: file.clone(),
        offset: last.start as u64,
        bytes: (length - last.start) as u64,
    });
    let before = (frames.len() - 1) as u64;
    let verified = verify(cut.path()).unwrap();
    assert_eq!(
        (verified.records, &verified.torn),
        (before, &torn),
        "cut at {length}"
    );
    assert_eq!(fs::read(&file).unwrap().len(), length, "verify changes nothing");

    let (store, report) = EmbeddedStore::open(cut.path()).unwrap();
    assert_eq!(
        (report.head, report.torn, report.epoch),
        (before, torn, 1),
        "cut at {length}"
    );
    runtime().block_on(async {
        commit(&store, 1).await;
        store.close().await.unwrap();
    });
    let verified = verify(cut.path()).unwrap();
    assert_eq!((verified.records, verified.torn), (before + 1, None));
}

#[test]
fn f51_a_torn_tail_is_cut_at_every_byte() {
    let folder = filled(3);
    let whole = fs::read(segment(folder.path(), 1)).unwrap();
    let last = frames(&whole).pop().unwrap();
    for length in last.start..last.end {
        check_cut(&whole, length, folder.path());
    }
}

#[test]
fn f51_a_tail_of_zeros_is_cut() {
    let folder = filled(2);
    let before = look(folder.path()).unwrap().1;
    let file = segment(folder.path(), 1);
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend([0; 5000]);
    fs::write(&file, bytes).unwrap();
    let (report, after) = look(folder.path()).unwrap();
    assert_eq!((report.torn.map(|torn| torn.bytes), after), (Some(5000), before));
}

#[test]
fn f51_a_flipped_bit_in_the_last_record_is_never_silent() {
    let folder = filled(3);
    let whole = fs::read(segment(folder.path(), 1)).unwrap();
    let last = frames(&whole).pop().unwrap();
    let flipped = copy(folder.path());
    let file = segment(flipped.path(), 1);
    for at in last.start..last.end {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&file, &bytes).unwrap();
        let torn = verify(flipped.path()).unwrap().torn;
        assert_eq!(torn.map(|torn| torn.offset), Some(last.start as u64), "byte {at}");
        // The view has seen the record, so it was acknowledged, so it is not cut off.
        if at % 16 == 0 {
            assert_damaged(look(flipped.path()), &file, last.start);
            assert_eq!(fs::read(&file).unwrap(), bytes, "nothing is cut off");
        }
    }
}

/// Frames of one write reach the disk in any order. A gap before the last of them is not damage, as
/// long as nothing of that write was acknowledged.
#[test]
fn f51_a_torn_write_of_several_records_is_cut_at_its_first_gap() {
    // How many proposals one write takes is up to the scheduler, so it is tried until the last took
    // several. The two before it were written alone.
    let several = || {
        let folder = filled_at_once(200);
        let whole = fs::read(segment(folder.path(), 1)).unwrap();
        let frames = frames(&whole);
        let last_group = frames.last().unwrap().group;
        let first = frames.iter().position(|frame| frame.group == last_group).unwrap();
        (frames.len() - first >= 2).then_some((folder, whole, frames, first))
    };
    let (folder, whole, frames, first) = (0..100).find_map(|_| several()).expect("one of a hundred");
    let gapped = |frame: usize, folder: &std::path::Path| {
        let mut bytes = whole.clone();
        bytes[frames[frame].start..frames[frame].end].fill(0);
        fs::write(segment(folder, 1), &bytes).unwrap();
    };

    let lost = copy_without_view(folder.path());
    gapped(first, lost.path());
    let (report, _) = look(lost.path()).unwrap();
    assert_eq!(
        (report.head, report.torn.unwrap().offset),
        (first as u64, frames[first].start as u64)
    );

    let acknowledged = copy(folder.path());
    gapped(first, acknowledged.path());
    assert_damaged(
        look(acknowledged.path()),
        &segment(acknowledged.path(), 1),
        frames[first].start,
    );

    let earlier = copy_without_view(folder.path());
    gapped(first - 1, earlier.path());
    assert_damaged(
        look(earlier.path()),
        &segment(earlier.path(), 1),
        frames[first - 1].start,
    );
}

#[test]
fn f51_a_segment_that_was_just_begun_is_removed_if_its_header_is_torn() {
    for length in [0, 1, 55] {
        let folder = filled_with(3, tiny_segments());
        let before = look(folder.path()).unwrap().1;
        let header = fs::read(segment(folder.path(), 3)).unwrap();
        fs::write(segment(folder.path(), 4), &header[..length]).unwrap();
        let (report, after) = look(folder.path()).unwrap();
        assert_eq!(
            (report.head, report.torn.map(|torn| torn.offset), after),
            (3, Some(0), before)
        );
        assert!(!segment(folder.path(), 4).exists());
    }
}

#[test]
fn f52_a_torn_segment_behind_which_another_was_begun_is_damage() {
    let folder = filled_with(3, tiny_segments());
    let file = segment(folder.path(), 2);
    let bytes = fs::read(&file).unwrap();
    let frame = frames(&bytes)[0].start;
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_damaged(verify(folder.path()), &file, frame);
    assert_damaged(look(folder.path()), &file, frame);
}

#[test]
fn f52_a_journal_that_ends_before_what_was_acknowledged_is_damage() {
    let folder = filled(3);
    let file = segment(folder.path(), 1);
    let bytes = fs::read(&file).unwrap();
    let last = frames(&bytes).pop().unwrap();
    fs::write(&file, &bytes[..last.start]).unwrap();
    assert_damaged(look(folder.path()), &file, last.start);
    match look(folder.path()) {
        Err(StoreError::Damaged { what, .. }) => {
            assert_eq!(
                what,
                "the journal ends at record 2, but record 3 was acknowledged"
            );
        }
        other => panic!("{other:?}"),
    }
}
