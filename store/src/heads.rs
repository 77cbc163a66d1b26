//! Heads that the control plane has signed, in a file beside the journal: one a line, as JSON, never changed.
//!
//! A line that is cut off is what an interrupted write has left behind; it is no head, and the next one takes its place.

use crate::api::StoreError;
use crate::folder::sync;
use crate::journal::Chain;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tidegate_model::Timestamp;
use tidegate_model::head::SignedHead;

/// The file's name in the data folder.
const FILE: &str = "heads";

/// Digits of a step: eight bytes of a chain.
const STEP_DIGITS: usize = 16;

/// The file that heads are kept in.
#[derive(Debug)]
pub struct HeadFile {
    path: PathBuf,
    file: File,
}

impl HeadFile {
    /// Of the store in `folder`; made if it is not there. Cuts off a line that is not whole.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let bytes = read_bytes(&path)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let opening = || {
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.set_len(whole as u64)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = opening().map_err(StoreError::io("opening", &path))?;
        sync(folder)?;
        Ok(Self { path, file })
    }

    /// Keeps a head. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it cannot be written. What was written of it is no head.
    pub fn append(&mut self, head: &SignedHead) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(head).map_err(|error| self.failed(error.to_string()))?;
        line.push(b'\n');
        let before = self.file.metadata().map(|about| about.len());
        let written = before.and_then(|before| {
            let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
            if written.is_err() {
                // Half a line would spoil the next one.
                self.file.set_len(before)?;
            }
            written
        });
        written.map_err(|error| self.failed(error.to_string()))
    }

    fn failed(&self, cause: String) -> StoreError {
        let operation = format!("writing {}", self.path.display());
        StoreError::Io { operation, cause }
    }
}

/// The heads in a file, in the order in which they were signed. Nobody's word is taken for them yet.
///
/// # Errors
/// When it cannot be read, or a whole line is no head; the line is named.
pub fn read_heads(file: &Path) -> Result<Vec<SignedHead>, StoreError> {
    let bytes = fs::read(file).map_err(StoreError::io("reading", file))?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = text
        .rfind('\n')
        .map_or("", |end| text.get(..end).unwrap_or_default());
    let mut offset = 0;
    let mut heads = Vec::new();
    for (line, number) in whole.lines().zip(1_u64..) {
        let head: Result<SignedHead, _> = serde_json::from_str(line);
        let head = head.map_err(|error| error.to_string());
        let head = head.and_then(|head| match head.head.steps.len() % STEP_DIGITS {
            0 => Ok(head),
            _ => Err("its steps are cut short".to_owned()),
        });
        heads.push(head.map_err(|why| {
            StoreError::damaged(file, offset, format!("line {number} is no signed head: {why}"))
        })?);
        offset += line.len() as u64 + 1;
    }
    Ok(heads)
}

/// The heads of a store up to a record, as text.
pub(crate) fn up_to(folder: &Path, sequence: u64) -> Result<String, StoreError> {
    let path = folder.join(FILE);
    let bytes = read_bytes(&path)?;
    let text = String::from_utf8_lossy(&bytes);
    let stands = |line: &&str| {
        let head: Result<SignedHead, _> = serde_json::from_str(line);
        head.map_or(true, |head| head.head.sequence <= sequence)
    };
    let whole = text
        .rfind('\n')
        .map_or("", |end| text.get(..end).unwrap_or_default());
    Ok(whole
        .lines()
        .filter(stands)
        .map(|line| format!("{line}\n"))
        .collect())
}

/// Keeps heads that were copied, if there are any.
pub(crate) fn put(folder: &Path, text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        return Ok(());
    }
    let path = folder.join(FILE);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(StoreError::io("writing", &path))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::io("reading", path)(error)),
    }
}

/// What heads say of the records of a journal.
#[derive(Debug, Default)]
pub(crate) struct Vouched {
    /// By sequence.
    records: BTreeMap<u64, Word>,
    /// The last record that was found to be as it was signed.
    agreed: u64,
}

/// What is said of the chain after one record.
#[derive(Debug)]
struct Word {
    /// How its text begins, or all of it.
    chains: Vec<String>,
    /// When it was signed, and in which life.
    at: Timestamp,
    epoch: u64,
}

impl Vouched {
    /// By these heads, whose signatures somebody has checked.
    pub(crate) fn by(heads: &[SignedHead]) -> Self {
        let mut vouched = Self::default();
        for SignedHead { head, .. } in heads {
            let mut say = |sequence, chain: &str| {
                let word = vouched.records.entry(sequence).or_insert(Word {
                    chains: Vec::new(),
                    at: head.at,
                    epoch: head.epoch,
                });
                if !word.chains.iter().any(|said| said == chain) {
                    word.chains.push(chain.to_owned());
                }
            };
            let steps = head.steps.as_bytes().chunks(STEP_DIGITS).rev();
            for (step, sequence) in steps.zip((1..=head.sequence).rev()) {
                say(sequence, &String::from_utf8_lossy(step));
            }
            say(head.sequence, head.chain.as_str());
        }
        vouched
    }

    /// Compares what stands in the journal. In words, what is wrong with it.
    pub(crate) fn check(&mut self, sequence: u64, chain: Chain) -> Result<(), String> {
        let Some(word) = self.records.get(&sequence) else {
            return Ok(());
        };
        let chain = chain.to_string();
        if word.chains.iter().all(|said| chain.starts_with(said.as_str())) {
            self.agreed = sequence;
            return Ok(());
        }
        let unsigned = match self.agreed + 1 {
            first if first < sequence => format!(
                "; records {first} to {sequence} were not signed one by one, so it may be any of these that differs first"
            ),
            _ => String::new(),
        };
        Err(format!(
            "record {sequence} is not the one that was signed at {} in life {}: it was changed, or put in another's \
             place{unsigned}",
            word.at.to_rfc3339(),
            word.epoch
        ))
    }

    /// Whether the journal goes as far as was signed.
    pub(crate) fn check_end(&self, head: u64) -> Result<(), String> {
        match self.records.range(head.saturating_add(1)..).next_back() {
            None => Ok(()),
            Some((sequence, word)) => Err(format!(
                "the journal ends at record {head}, but record {sequence} was signed at {} in life {}: records {} to \
                 {sequence} were cut off",
                word.at.to_rfc3339(),
                word.epoch,
                head + 1
            )),
        }
    }

    /// Whether anything was signed of a record before this one.
    pub(crate) fn is_before(&self, first: u64) -> bool {
        self.records
            .keys()
            .find(|sequence| **sequence > 0)
            .is_some_and(|earliest| earliest + 1 < first)
    }
}
