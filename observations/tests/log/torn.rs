//! What a crash leaves at the end is cut off, and nothing else is.

use crate::ground::{Clock, batch, copy, kept, open, segments, small};
use std::fs::{self, OpenOptions};
use std::path::Path;
use tidegate_model::observation::ObservationReceipt;

/// Cuts the file of the last segment, and checks that the batches are there that are wholly before, and that the others
/// can be sent again.
async fn cut(original: &Path, copied: &Path, bytes: u64, whole: u64, sent: u64) {
    copy(original, copied);
    let last = segments(copied).pop().unwrap();
    let file = OpenOptions::new().write(true).open(&last).unwrap();
    file.set_len(bytes).unwrap();
    let log = open(copied, &Clock::at_nine(), small());
    let status = log.status();
    assert_eq!(status.batches, whole, "{bytes} bytes");
    assert_eq!(status.damaged, [], "{bytes} bytes");
    for number in whole + 1..=sent {
        let receipt = log.take_in(&batch("node", number)).await;
        assert_eq!(
            receipt,
            Ok(ObservationReceipt { through: number }),
            "{bytes} bytes"
        );
    }
    let repeated = log.take_in(&batch("node", 1)).await;
    assert_eq!(repeated, Ok(ObservationReceipt { through: sent }));
    log.close().await;
    let numbers: Vec<u64> = kept(copied).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, (1..=sent).collect::<Vec<u64>>(), "{bytes} bytes");
    let torn = status.torn.map(|torn| torn.bytes);
    assert_eq!(
        torn.is_none(),
        torn_nothing(original, bytes, whole),
        "{bytes} bytes: {torn:?}"
    );
}

/// Whether a batch ends there.
fn torn_nothing(original: &Path, bytes: u64, whole: u64) -> bool {
    ends(original).get(&whole) == Some(&bytes) || bytes == head(original)
}

/// Where the head of the last segment ends: where its first frame begins.
fn head(data: &Path) -> u64 {
    let bytes = fs::read(segments(data).pop().unwrap()).unwrap();
    let first = bytes.windows(4).position(|window| window == b"tgob");
    first.unwrap_or(bytes.len()) as u64
}

/// Where the batches of the last segment end, by number.
fn ends(data: &Path) -> std::collections::BTreeMap<u64, u64> {
    let bytes = fs::read(segments(data).pop().unwrap()).unwrap();
    let all = kept(data);
    let mut at = usize::try_from(head(data)).unwrap();
    let mut ends = Vec::new();
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        at += 36 + usize::try_from(length).unwrap();
        ends.push(at as u64);
    }
    let first = all.len() - ends.len();
    all[first..].iter().map(|(_, number)| *number).zip(ends).collect()
}

#[tokio::test]
async fn cut_at_every_byte_of_the_last_segment_what_is_whole_is_there_and_the_rest_can_come_again() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    let mut sent = 0;
    // Until the second segment has two frames.
    while log.status().segments < 2 || ends(data.path()).len() < 2 {
        sent += 1;
        log.take_in(&batch("node", sent)).await.unwrap();
    }
    log.close().await;
    let ends = ends(data.path());
    let all = fs::metadata(segments(data.path()).pop().unwrap()).unwrap().len();
    let copied = tempfile::tempdir().unwrap();
    for bytes in 0..=all {
        let whole = ends
            .iter()
            .rfind(|(_, end)| **end <= bytes)
            .map(|(number, _)| *number);
        let before = *ends.keys().next().unwrap() - 1;
        cut(data.path(), copied.path(), bytes, whole.unwrap_or(before), sent).await;
    }
}

#[tokio::test]
async fn zeros_behind_the_end_are_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    log.take_in(&batch("node", 1)).await.unwrap();
    log.close().await;
    let last = segments(data.path()).pop().unwrap();
    let end = fs::metadata(&last).unwrap().len();
    OpenOptions::new()
        .write(true)
        .open(&last)
        .unwrap()
        .set_len(end + 500)
        .unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    assert_eq!(
        log.status().torn.map(|torn| (torn.offset, torn.bytes)),
        Some((end, 500))
    );
    assert_eq!(log.status().damaged, []);
    log.take_in(&batch("node", 2)).await.unwrap();
    log.close().await;
    assert_eq!(kept(data.path()).len(), 2);
}
