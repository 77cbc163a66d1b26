use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tidegate_model::Timestamp;
use tidegate_model::key::MetricName;

const ROOM: u64 = 64 << 20;

fn event(unit: &str, id: usize) -> Observation {
    Observation::Event {
        unit: unit.to_owned(),
        metric: MetricName::new("purchase").unwrap(),
        value: 0.1 + id as f64,
        at: Timestamp::default(),
        id: id.to_string(),
    }
}

fn events(ids: std::ops::Range<usize>) -> Vec<Observation> {
    ids.map(|id| event("u1", id)).collect()
}

fn open(folder: &Path, room: u64) -> Spool {
    Spool::open(folder, room, |_| {}).unwrap().unwrap().0
}

/// Hands in and waits until it is written.
async fn put(spool: &Spool, observations: &[Observation]) {
    spool
        .hand_in(observations, true)
        .unwrap()
        .written()
        .await
        .unwrap();
}

fn waiting(spool: &Spool) -> Vec<ObservationBatch> {
    let state = spool.shared.lock();
    state.waiting.iter().map(|batch| batch.load().unwrap()).collect()
}

fn ids(batches: &[ObservationBatch]) -> Vec<usize> {
    let all = batches.iter().flat_map(|batch| &batch.observations);
    all.map(|one| match one {
        Observation::Event { id, .. } => id.parse().unwrap(),
        Observation::Exposure { .. } => unreachable!(),
    })
    .collect()
}

/// What a process that is killed leaves: what was written, and nothing else.
fn killed(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let found = Segment::all(folder).unwrap().into_iter();
    found.map(|(_, segment)| segment.path().to_owned()).collect()
}

#[tokio::test]
async fn a_line_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), ROOM);
    put(&spool, &events(0..3)).await;
    spool.end_batch().await;
    put(&spool, &events(3..5)).await;
    spool.end_batch().await;
    let before = waiting(&spool);
    assert_eq!(
        before.iter().map(|batch| batch.number).collect::<Vec<_>>(),
        [1, 2]
    );
    put(&spool, &events(5..6)).await;
    let folder = killed(folder.path());
    drop(spool);
    let spool = open(folder.path(), ROOM);
    assert_eq!(waiting(&spool), before, "the same batches under the same numbers");
    assert_eq!(spool.level().borrow().open, 1);
    spool.end_batch().await;
    let after = waiting(&spool);
    assert_eq!(ids(&after), [0, 1, 2, 3, 4, 5]);
    assert_eq!((&after[2].spool, after[2].number), (&before[0].spool, 3));
    // All of it is with upstream; the line is still known.
    assert_eq!(spool.forget(&before[0].spool, 3), 3);
    drop(spool);
    let spool = open(folder.path(), ROOM);
    put(&spool, &events(6..7)).await;
    spool.end_batch().await;
    let last = waiting(&spool).pop().unwrap();
    assert_eq!((&last.spool, last.number), (&before[0].spool, 4));
}

/// Whatever a power cut leaves of the last file, groups are whole or gone, and no number that may have been
/// sent, which is synced before, comes to stand for something else.
#[tokio::test]
async fn a_torn_tail_is_cut_at_the_last_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), ROOM);
    put(&spool, &events(0..2)).await;
    spool.end_batch().await;
    spool.sync().unwrap();
    let path = segments(folder.path()).pop().unwrap();
    let synced = fs::read(&path).unwrap().len();
    let sent: BTreeMap<_, _> = waiting(&spool)
        .into_iter()
        .map(|one| ((one.spool.clone(), one.number), one))
        .collect();
    put(&spool, &events(2..4)).await;
    put(&spool, &events(4..6)).await;
    spool.end_batch().await;
    put(&spool, &events(6..8)).await;
    let whole = fs::read(&path).unwrap();
    let mut outcomes = std::collections::BTreeSet::new();
    for length in (0..=whole.len()).rev().step_by(7) {
        let copy = killed(folder.path());
        let torn = copy.path().join(path.file_name().unwrap());
        fs::write(&torn, &whole[..length]).unwrap();
        let spool = open(copy.path(), ROOM);
        spool.end_batch().await;
        let found = waiting(&spool);
        for batch in &found {
            if length >= synced
                && let Some(known) = sent.get(&(batch.spool.clone(), batch.number))
            {
                assert_eq!(batch, known, "cut at {length}");
            }
        }
        let found = ids(&found);
        assert_eq!(found, (0..found.len()).collect::<Vec<_>>(), "cut at {length}");
        outcomes.insert(found.len());
        // What was found is still found after another start, and once.
        drop(spool);
        assert_eq!(ids(&waiting(&open(copy.path(), ROOM))), found, "cut at {length}");
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
}

#[tokio::test]
async fn damage_in_the_middle_loses_what_is_behind_it_in_that_file_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), ROOM);
    for first in [0, 2, 4] {
        put(&spool, &events(first..first + 2)).await;
        spool.end_batch().await;
    }
    let copy = killed(folder.path());
    let path = segments(copy.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.windows(7).position(|part| part == b"\"id\":\"2").unwrap();
    bytes[second] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (spool, damaged) = Spool::open(copy.path(), ROOM, |_| {}).unwrap().unwrap();
    assert!(damaged > 0);
    put(&spool, &events(6..7)).await;
    spool.end_batch().await;
    let found = waiting(&spool);
    assert_eq!(ids(&found), [0, 1, 6]);
    assert_ne!(
        found[0].spool, found[1].spool,
        "numbers behind the damage may have been used"
    );
}

#[tokio::test]
async fn a_file_that_is_none_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{:020}.observations", 7);
    fs::write(folder.path().join(name), b"something else\n").unwrap();
    let (spool, damaged) = Spool::open(folder.path(), ROOM, |_| {}).unwrap().unwrap();
    assert_eq!(damaged, 15);
    put(&spool, &events(0..1)).await;
    assert_eq!(segments(folder.path()).len(), 1);
    drop(spool);
    assert_eq!(open(folder.path(), ROOM).level().borrow().open, 1);
}

#[tokio::test]
async fn batches_are_bounded_by_count_and_by_bytes() {
    for folder in [None, Some(tempfile::tempdir().unwrap())] {
        let spool = match &folder {
            Some(folder) => open(folder.path(), ROOM),
            None => Spool::in_memory(ROOM),
        };
        for first in (0..25_000).step_by(1_000) {
            put(&spool, &events(first..first + 1_000)).await;
        }
        let long = "u".repeat(1_000);
        let many: Vec<_> = (25_000..26_000).map(|id| event(&long, id)).collect();
        for group in many.chunks(100) {
            put(&spool, group).await;
        }
        spool.end_batch().await;
        let batches = waiting(&spool);
        for batch in &batches {
            assert!(batch.observations.len() <= OBSERVATIONS_MAX);
            assert!(serde_json::to_vec(batch).unwrap().len() < BATCH_BYTES_MAX + 1_000);
        }
        assert_eq!(ids(&batches), (0..26_000).collect::<Vec<_>>());
        assert_eq!(
            batches.iter().map(|batch| batch.number).collect::<Vec<_>>(),
            (1..=batches.len() as u64).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn what_finds_no_room_is_refused_until_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    for spool in [Spool::in_memory(64 << 10), open(folder.path(), 64 << 10)] {
        let mut kept = 0;
        let refused = loop {
            match spool.hand_in(&events(kept..kept + 10), true) {
                Ok(ticket) => ticket.written().await.unwrap(),
                Err(refused) => break refused,
            }
            kept += 10;
        };
        assert_eq!(refused, NotKept::Full);
        assert!(spool.size().0 <= 64 << 10);
        spool.end_batch().await;
        let batches = waiting(&spool);
        assert_eq!(
            ids(&batches),
            (0..kept).collect::<Vec<_>>(),
            "what was acknowledged is there"
        );
        let last = batches.last().unwrap();
        spool.forget(&last.spool, last.number);
        put(&spool, &events(0..10)).await;
    }
    assert!(
        segments(folder.path()).len() <= 2,
        "files of which upstream has everything are gone"
    );
}

#[tokio::test]
async fn two_processes_do_not_write_the_same_line() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), ROOM);
    assert!(Spool::open(folder.path(), ROOM, |_| {}).unwrap().is_none());
    drop(spool);
    open(folder.path(), ROOM);
}

#[tokio::test]
async fn who_waits_hears_that_nothing_was_written_and_later_things_are() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("observations");
    let lost = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&lost);
    let on_loss = move |more: usize| *heard.lock().unwrap() += more;
    let (spool, _) = Spool::open(&inner, ROOM, on_loss).unwrap().unwrap();
    // There is no file yet, and now there cannot be one.
    fs::remove_dir_all(&inner).unwrap();
    let quiet = spool.hand_in(&events(0..2), false).unwrap();
    let loud = spool.hand_in(&events(2..5), true).unwrap();
    assert_eq!(loud.written().await, Err(NotKept::Disk));
    assert_eq!(quiet.written().await, Ok(()), "nobody waits for it");
    assert_eq!(*lost.lock().unwrap(), 5);
    fs::create_dir(&inner).unwrap();
    put(&spool, &events(5..6)).await;
    spool.end_batch().await;
    assert_eq!(ids(&waiting(&spool)), [5]);
    spool.sync().unwrap();
    assert!(!spool.level().borrow().unsynced);
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_too() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), ROOM);
    spool.hand_in(&events(0..1), false).unwrap();
    let mut level = spool.level();
    level.wait_for(|level| level.open == 1).await.unwrap();
    // A thousand do not wait for the time to pass, and the end of the process waits for them.
    spool.hand_in(&events(1..1_001), false).unwrap();
    drop(spool);
    let spool = open(folder.path(), ROOM);
    spool.end_batch().await;
    assert_eq!(ids(&waiting(&spool)), (0..1_001).collect::<Vec<_>>());
}

#[tokio::test]
async fn flushing_waits_for_what_was_handed_in_before() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), ROOM);
    spool.hand_in(&events(0..3), false).unwrap();
    spool.flushed().await.unwrap();
    let copy = killed(folder.path());
    assert_eq!(open(copy.path(), ROOM).level().borrow().open, 3);
    Spool::in_memory(ROOM).flushed().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Arc::new(open(folder.path(), ROOM));
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let spool = Arc::clone(&spool);
            tokio::spawn(async move {
                for step in 0..25 {
                    let first = (task * 25 + step) * 4;
                    put(&spool, &events(first..first + 4)).await;
                    if step % 9 == 0 {
                        spool.end_batch().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    spool.end_batch().await;
    let mut found = ids(&waiting(&spool));
    found.sort_unstable();
    assert_eq!(found, (0..6_400).collect::<Vec<_>>());
}
