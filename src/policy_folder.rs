//! A folder of policy files, read at the start and whenever they change.
//!
//! The store has the policies; the folder only proposes. A file with mistakes is reported and leaves
//! the policy as it was; a file that goes away leaves its policy too, because a slip of the finger in
//! a deployment must not take a policy from the SRE who is about to need it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_actors::control::{ControlError, ControlPlane};
use tidegate_model::access::Author;
use tidegate_model::key::PolicyName;
use tidegate_model::policy::diagnostic::Severity;
use tidegate_model::policy::read;
use tidegate_model::snapshot::Digest;
use tidegate_store::Expect;

/// How often the files are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Watches a folder of policies.
pub(crate) struct PolicyFolder {
    folder: PathBuf,
    control: ControlPlane,
    /// What each file held when it was last looked at, good or bad.
    seen: BTreeMap<PathBuf, Digest>,
    /// What each file holds that is to be offered again.
    late: BTreeMap<PathBuf, Digest>,
}

/// What became of a file.
enum Offered {
    /// There is nothing more to do about it.
    Settled,
    /// Nobody could save it; it is offered again.
    Later,
}

impl PolicyFolder {
    /// Will read `folder`, which must exist.
    pub(crate) fn new(folder: PathBuf, control: ControlPlane) -> Self {
        Self {
            folder,
            control,
            seen: BTreeMap::new(),
            late: BTreeMap::new(),
        }
    }

    /// Reads the files again and again, for ever.
    pub(crate) async fn watch(mut self) {
        loop {
            self.read().await;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Reads what has changed.
    pub(crate) async fn read(&mut self) {
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || texts(&folder)).await;
        let files = match read {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                tracing::warn!(folder = %self.folder.display(), %error, "policy folder cannot be read; policies stay as they are");
                return;
            }
            Err(_ending) => return,
        };
        for (path, text) in files {
            let digest = Digest::of(text.as_bytes());
            if self.seen.get(&path) != Some(&digest) {
                let again = self.late.get(&path) == Some(&digest);
                match self.offer(&path, &text, again).await {
                    Offered::Settled => {
                        self.late.remove(&path);
                        self.seen.insert(path, digest);
                    }
                    Offered::Later => {
                        self.late.insert(path, digest);
                    }
                }
            }
        }
    }

    /// Saves what a file says. `again` when it could not be saved before, which was told then.
    async fn offer(&self, path: &Path, text: &str, again: bool) -> Offered {
        let file = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let (policy, diagnostics) = read::read(text);
        for diagnostic in &diagnostics {
            match diagnostic.severity {
                Severity::Error => tracing::error!("{}:{diagnostic}", path.display()),
                Severity::Warning => tracing::warn!("{}:{diagnostic}", path.display()),
            }
        }
        let Some(policy) = policy else {
            tracing::error!(%file, "the policy file has mistakes; what was loaded before stays in force");
            return Offered::Settled;
        };
        let mut offered = Offered::Settled;
        for environment in self.control.environments() {
            let by = Author::PolicyFile { file: file.clone() };
            let saved = self
                .control
                .save_policy(environment, &policy.name, text.to_owned(), Expect::Any, by)
                .await;
            if saved.as_ref().is_err_and(is_passing) {
                offered = Offered::Later;
                if again {
                    continue;
                }
            }
            tell(&file, &policy.name, saved.map(drop));
        }
        offered
    }
}

/// Whether the same may go well a little later.
fn is_passing(error: &ControlError) -> bool {
    use ControlError::{Busy, Full, ServesOnly, Store};
    matches!(error, Busy { .. } | Full | ServesOnly { .. } | Store(_))
}

fn tell(file: &str, policy: &PolicyName, saved: Result<(), ControlError>) {
    match saved {
        Ok(()) => tracing::info!(%file, %policy, "policy loaded"),
        Err(error) if is_passing(&error) => {
            tracing::error!(%file, %policy, %error, "policy not loaded yet; it is tried again every second");
        }
        Err(error) => tracing::error!(%file, %policy, %error, "policy not loaded"),
    }
}

/// The text of each policy file in the folder, sorted by name.
fn texts(folder: &Path) -> std::io::Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_policy = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_policy && path.is_file() {
            // A file that is not text is a file with mistakes: the reader says so.
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            files.push((path, text));
        }
    }
    files.sort();
    Ok(files)
}
