//! One bit that turns, in any file of a folder or its archive.

use crate::{Dice, count, workload};
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_model::change::Record;
use tidegate_store::contract::{folded, listed};
use tidegate_store::{EmbeddedStore, Store as _, StoreError};

/// Commits of each writer in the folder whose bits turn.
const COMMITS: usize = 12;

#[test]
fn f52_f53_a_flipped_bit_is_repaired_or_named_and_never_silent() {
    let flips = count("TIDEGATE_FLIPS", 200);
    let mut dice = Dice::of("flipped bits");
    let world = tempfile::tempdir().unwrap();
    let folder = world.path().join("original/whole");
    fs::create_dir(world.path().join("original")).unwrap();
    assert!(
        workload::command(&folder, COMMITS)
            .output()
            .unwrap()
            .status
            .success()
    );
    let expected = records(&folder).unwrap();
    let original = world.path().join("original");
    let files: Vec<PathBuf> = files(&original, &original)
        .into_iter()
        .filter(|path| !path.ends_with("lock") && fs::metadata(original.join(path)).unwrap().len() > 0)
        .collect();
    let (mut repaired, mut named) = (0, 0);
    for number in 0..flips {
        let copy = world.path().join("flipped");
        copy_folder(&original, &copy);
        let file = &files[dice.up_to(files.len() - 1)];
        let mut bytes = fs::read(copy.join(file)).unwrap();
        let bit = dice.up_to(bytes.len() * 8 - 1);
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(copy.join(file), bytes).unwrap();
        let what = format!("flip {number}: bit {bit} of {}", file.display());
        // Without a view the start needs the checkpoints. It is also what knows of the last write, and stays for that.
        if dice.coin() && !file.starts_with("whole/journal") {
            fs::remove_dir_all(copy.join("whole/view")).unwrap();
        }
        match records(&copy.join("whole")) {
            Ok(found) => {
                assert!(found == expected, "{what}: silent");
                repaired += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::TooNew { .. }) => named += 1,
            Err(other) => panic!("{what}: {other}"),
        }
        fs::remove_dir_all(&copy).unwrap();
    }
    assert_eq!(repaired + named, flips);
    println!(
        "{flips} flipped bits: {repaired} without effect or repaired, {named} refused by name, none silent"
    );
}

/// All records, and the lists that are named: what the journal says, if the state says the same.
fn records(folder: &Path) -> Result<Vec<Record>, StoreError> {
    let (store, _) = EmbeddedStore::open_with(folder, workload::settings())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let records = workload::records(folder, &workload::archive_of(folder))?;
        let state = listed(&store).await;
        assert!(state == folded(records.clone()), "the state is another");
        for stored in state.into_values() {
            if let tidegate_model::change::EntityState::Segment(segment) = &stored.state {
                for list in segment.definitions().filter_map(|one| one.list.as_ref()) {
                    let loaded = store.load_list(&list.digest).await?;
                    assert!(loaded.is_some(), "a list is gone");
                }
            }
        }
        store.close().await.unwrap();
        Ok(records)
    })
}

fn files(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(root, &entry.path())),
            false => found.push(entry.path().strip_prefix(root).unwrap().to_owned()),
        }
    }
    found.sort();
    found
}

fn copy_folder(from: &Path, to: &Path) {
    for file in files(from, from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}
