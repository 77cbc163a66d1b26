//! What a disk holds after a power cut: what was synced, and of the rest whatever it likes.

use crate::Dice;
use crate::shim::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder, as a program sees it and as a power cut would leave it.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Names as the program sees them.
    names: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    /// Names and folders whose folder was synced since.
    kept: BTreeMap<PathBuf, Named>,
    /// What happened to names since their folder was synced, in order.
    unkept: Vec<(PathBuf, Renaming)>,
}

#[derive(Debug, Default)]
struct File {
    synced: Vec<u8>,
    /// Since then, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Written(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Debug, Clone, Copy)]
enum Named {
    File(usize),
    Folder,
}

#[derive(Debug, Clone)]
enum Renaming {
    Made(PathBuf, Named),
    Moved(PathBuf, PathBuf, Named),
    Removed(PathBuf),
}

impl Disk {
    /// Does one more thing.
    pub(crate) fn follow(&mut self, entry: &Entry) {
        let path = entry.path.clone();
        let parent = path.parent().unwrap_or(Path::new("")).to_owned();
        match entry.what {
            b'C' => {
                let file = self.files.len();
                self.files.push(File::default());
                self.names.insert(path.clone(), file);
                self.unkept
                    .push((parent, Renaming::Made(path, Named::File(file))));
            }
            b'M' => {
                self.folders.insert(path.clone());
                self.unkept.push((parent, Renaming::Made(path, Named::Folder)));
            }
            b'W' => self.change(&path, Change::Written(entry.offset, entry.bytes.clone())),
            b'T' => self.change(&path, Change::Cut(entry.offset)),
            b'S' => self.sync(&path),
            b'R' => {
                let to = PathBuf::from(String::from_utf8(entry.bytes.clone()).unwrap());
                let file = self.names.remove(&path).unwrap();
                self.names.insert(to.clone(), file);
                self.unkept
                    .push((parent, Renaming::Moved(path, to, Named::File(file))));
            }
            b'U' => {
                self.names.remove(&path);
                self.unkept.push((parent, Renaming::Removed(path)));
            }
            _ => {}
        }
    }

    fn change(&mut self, path: &Path, change: Change) {
        let file = self.names[path];
        self.files[file].unsynced.push(change);
    }

    fn sync(&mut self, path: &Path) {
        if let Some(file) = self.names.get(path) {
            let file = &mut self.files[*file];
            for change in std::mem::take(&mut file.unsynced) {
                apply(&mut file.synced, &change);
            }
            return;
        }
        let (of_it, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unkept)
            .into_iter()
            .partition(|(parent, _)| parent == path);
        self.unkept = others;
        for (_, renaming) in of_it {
            rename(&mut self.kept, &renaming);
        }
    }

    /// Writes what is left after a power cut to `to`, in place of the folder `from`. Of what was not synced some is there
    /// and some is not: of the names of each folder the first few changes, of the bytes of each file any.
    pub(crate) fn cut(&self, dice: &mut Dice, from: &Path, to: &Path) {
        let mut names = self.kept.clone();
        let parents: BTreeSet<&PathBuf> = self.unkept.iter().map(|(parent, _)| parent).collect();
        for parent in parents {
            let of_it: Vec<&Renaming> = (self.unkept.iter())
                .filter(|(of, _)| of == parent)
                .map(|(_, renaming)| renaming)
                .collect();
            let survive = dice.up_to(of_it.len());
            for renaming in &of_it[..survive] {
                rename(&mut names, renaming);
            }
        }
        for (path, named) in &names {
            // A folder that was lost has lost what was in it.
            let whole = path.ancestors().skip(1).take_while(|above| *above != from);
            if !whole.clone().all(|above| names.contains_key(above)) {
                continue;
            }
            let target = to.join(path.strip_prefix(from).unwrap());
            match named {
                Named::Folder => std::fs::create_dir_all(&target).unwrap(),
                Named::File(file) => {
                    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                    std::fs::write(&target, self.files[*file].left(dice)).unwrap();
                }
            }
        }
    }
}

impl File {
    fn left(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let kept = dice.up_to(2);
        for change in &self.unsynced {
            match (kept, change) {
                (0, _) => {}
                (1, change) => apply(&mut bytes, change),
                (_, Change::Written(offset, written)) if dice.coin() => {
                    let torn = dice.up_to(written.len());
                    apply(&mut bytes, &Change::Written(*offset, written[..torn].to_vec()));
                }
                (_, change) if dice.coin() => apply(&mut bytes, change),
                _ => {}
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Cut(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
        Change::Written(offset, written) => {
            let offset = usize::try_from(*offset).unwrap();
            let end = offset + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(written);
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, Named>, renaming: &Renaming) {
    match renaming {
        Renaming::Made(path, named) => drop(names.insert(path.clone(), *named)),
        Renaming::Moved(from, to, named) => {
            names.remove(from);
            names.insert(to.clone(), *named);
        }
        Renaming::Removed(path) => drop(names.remove(path)),
    }
}
