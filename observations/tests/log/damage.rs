//! Damage in the middle is named, the rest is read, and what comes later is kept.

use crate::ground::{Clock, batch, copy, open, production, segments, small};
use crate::{Dice, count};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tidegate_model::observation::ObservationReceipt;
use tidegate_observations::{Damage, Replayed, replay};

/// Batches in the log whose bits turn.
const SENT: u64 = 30;

async fn written(data: &Path) {
    let log = open(data, &Clock::at_nine(), small());
    for number in 1..=SENT {
        log.take_in(&batch("node", number)).await.unwrap();
    }
    assert!(log.status().segments >= 3);
    log.close().await;
}

/// The numbers that can be read, each with what was sent, and what else the reading says.
fn readable(data: &Path) -> (BTreeSet<u64>, Replayed) {
    let mut found = BTreeSet::new();
    let replayed = replay(data, &production(), |_, read| {
        assert_eq!(
            read,
            batch(&read.spool, read.number),
            "what is read is what was sent"
        );
        assert!(found.insert(read.number), "{} twice", read.number);
    });
    (found, replayed.unwrap())
}

#[tokio::test]
async fn a_flipped_bit_is_named_or_harmless_and_never_silent() {
    let flips = count("TIDEGATE_FLIPS", 150);
    let mut dice = Dice::of("flipped bits of observations");
    let data = tempfile::tempdir().unwrap();
    written(data.path()).await;
    let files = segments(data.path());
    let world = tempfile::tempdir().unwrap();
    let copied = world.path();
    let (mut named, mut torn) = (0, 0);
    for flip in 0..flips {
        copy(data.path(), copied);
        let place = dice.up_to(files.len() - 1);
        let file = &segments(copied)[place];
        let mut bytes = fs::read(file).unwrap();
        let bit = dice.up_to(bytes.len() * 8 - 1);
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(file, bytes).unwrap();
        let what = format!("flip {flip}: bit {bit} of {}", file.display());
        let log = open(copied, &Clock::at_nine(), small());
        let status = log.status();
        let (found, replayed) = readable(copied);
        let lost = SENT - found.len() as u64;
        if let Some(cut) = &status.torn {
            // No log can tell damage in the very last write from a write that was interrupted. It is told, and cut.
            assert_eq!(place, files.len() - 1, "{what}");
            assert!(cut.bytes > 0 && lost == 1 && !found.contains(&SENT), "{what}");
            assert_eq!(status.batches, SENT - 1, "{what}: it may come again");
            torn += 1;
        } else {
            assert_eq!(replayed.damaged.len(), 1, "{what}");
            let stem = replayed.damaged[0].file.file_stem();
            assert_eq!(stem, file.file_stem(), "{what}");
            assert_eq!(replayed.damaged[0].batches, lost, "{what}");
            assert!(lost <= 1, "{what}");
            named += 1;
        }
        // The log goes on, and no batch that can be read is taken in twice.
        let before = status.batches;
        for number in found.iter().copied().chain([SENT + 1]) {
            let receipt = log.take_in(&batch("node", number)).await;
            assert!(
                matches!(receipt, Ok(ObservationReceipt { through }) if through >= number),
                "{what}"
            );
        }
        assert_eq!(log.status().batches, before + 1, "{what}");
        log.close().await;
        let again = open(copied, &Clock::at_nine(), small());
        assert!(readable(copied).0.contains(&(SENT + 1)), "{what}");
        assert_eq!(
            again.status().batches,
            before + 1,
            "{what}: the same after another restart"
        );
        again.close().await;
    }
    println!("{flips} flipped bits: {named} named, {torn} in the last write and cut off, none silent");
}

#[tokio::test]
async fn damage_of_the_last_segment_is_told_at_start_and_the_segment_is_set_aside() {
    let data = tempfile::tempdir().unwrap();
    written(data.path()).await;
    let last = segments(data.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let frames: Vec<usize> = (1..bytes.len() - 4)
        .filter(|at| bytes[*at..].starts_with(b"tgob"))
        .collect();
    assert!(
        frames.len() >= 2,
        "a frame behind the damaged one proves that it was whole"
    );
    bytes[frames[0] + 40] ^= 1;
    fs::write(&last, bytes).unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    let status = log.status();
    let [damage] = status.damaged.as_slice() else {
        panic!("{status:?}");
    };
    let expected = Damage {
        file: last.clone(),
        offset: frames[0] as u64,
        bytes: (frames[1] - frames[0]) as u64,
        batches: 1,
        what: damage.what.clone(),
    };
    assert_eq!(*damage, expected);
    assert!(damage.what.ends_with("its checksum does not match"));
    assert!(!last.exists() && last.with_extension("damaged").exists());
    // What was lost is a gap in its line, and finds its place if it is sent again.
    assert_eq!(status.missing, 1);
    log.take_in(&batch("node", SENT + 1)).await.unwrap();
    let (found, _) = readable(data.path());
    let lost = (1..=SENT).find(|number| !found.contains(number)).unwrap();
    log.take_in(&batch("node", lost)).await.unwrap();
    assert_eq!(log.status().missing, 0);
    assert_eq!(readable(data.path()).0.len() as u64, SENT + 1);
}

#[tokio::test]
async fn a_missing_segment_is_named() {
    let data = tempfile::tempdir().unwrap();
    written(data.path()).await;
    let before = readable(data.path()).0.len();
    let second = segments(data.path())[1].clone();
    fs::remove_file(&second).unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    let damaged = log.status().damaged;
    assert_eq!(damaged.len(), 1);
    assert_eq!(
        (&damaged[0].file, damaged[0].what.as_str()),
        (&second, "the file is missing")
    );
    let (found, replayed) = readable(data.path());
    assert_eq!(replayed.damaged[0].batches, (before - found.len()) as u64);
    assert_eq!(log.status().batches, SENT, "nothing is taken in again");
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_not_touched() {
    let data = tempfile::tempdir().unwrap();
    written(data.path()).await;
    let last = segments(data.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes[8] = 2;
    let length = usize::try_from(u32::from_le_bytes(bytes[12..16].try_into().unwrap())).unwrap();
    let rest = bytes[20..20 + length].to_vec();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..16]), &rest);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&last, &bytes).unwrap();
    let refused = crate::ground::try_open(data.path(), &Clock::at_nine(), small()).map(|_| ());
    let file = last.display().to_string();
    let expected = tidegate_observations::LogError::TooNew {
        file,
        found: 2,
        known: 1,
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(fs::read(&last).unwrap(), bytes);
}
