//! What commands on a data folder say of its logs of observations.

use super::failure::Failure;
use crate::observation_logs::environments_in;
use indicatif::{DecimalBytes, HumanCount};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tidegate_model::key::EnvironmentKey;
use tidegate_observations::{Damage, LogError, Replayed, folder_of, replay};

/// The log of one environment, read from its first byte to its last.
pub(super) struct ObservedLog {
    environment: EnvironmentKey,
    bytes: u64,
    replayed: Replayed,
}

/// Reads all logs of a data folder. Changes nothing, and may run beside a server.
///
/// # Errors
/// When one cannot be read, or is of a newer version. What is damaged is no error here.
pub(super) fn read_logs(data: &Path) -> Result<Vec<ObservedLog>, Failure> {
    let cannot_read = |error| Failure::process("cannot read the logs of observations", error);
    let environments = environments_in(data).map_err(cannot_read)?;
    let each = environments.into_iter().map(|environment| {
        let bytes = bytes_of(&folder_of(data, &environment)).map_err(cannot_read)?;
        let replayed = replay(data, &environment, |_, _| {}).map_err(|error| refused(data, error))?;
        Ok(ObservedLog {
            environment,
            bytes,
            replayed,
        })
    });
    each.collect()
}

fn refused(data: &Path, error: LogError) -> Failure {
    match error {
        LogError::TooNew { .. } => Failure::DataDamaged {
            folder: data.to_owned(),
            detail: error.to_string(),
        },
        other => Failure::process("cannot read the logs of observations", other),
    }
}

fn bytes_of(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// A line for each log, and one for each part of it that cannot be read.
pub(super) fn text(logs: &[ObservedLog]) -> String {
    let mut text = String::new();
    for log in logs {
        let Replayed {
            batches,
            observations,
            damaged,
        } = &log.replayed;
        text.push_str(&format!(
            "observations of {}: {} in {} batches ({})\n",
            log.environment,
            HumanCount(*observations),
            HumanCount(*batches),
            DecimalBytes(log.bytes)
        ));
        for part in damaged {
            text.push_str(&format!("  {part}\n"));
        }
        if log.ends_torn() {
            text.push_str(
                "  the last may be a batch that a server is writing, or was cut off at; a start tells\n",
            );
        }
    }
    text
}

/// The same for machines, by environment.
pub(super) fn document(logs: &[ObservedLog]) -> Value {
    let each = logs.iter().map(|log| {
        let damaged: Vec<String> = log.replayed.damaged.iter().map(Damage::to_string).collect();
        let about = json!({
            "batches": log.replayed.batches, "observations": log.replayed.observations, "bytes": log.bytes,
            "damaged": damaged, "endsTorn": log.ends_torn(),
        });
        (log.environment.to_string(), about)
    });
    Value::Object(each.collect())
}

/// The first part of the logs that cannot be read, other than a torn end.
pub(super) fn first_damage(logs: &[ObservedLog]) -> Option<&Damage> {
    logs.iter().find_map(|log| log.within().first())
}

impl ObservedLog {
    /// Whether nothing can be read at its very end: nobody can tell that from a write that is under way.
    fn ends_torn(&self) -> bool {
        self.replayed.damaged.last().is_some_and(|last| last.batches == 0)
    }

    /// What is damaged before its end.
    fn within(&self) -> &[Damage] {
        match self.replayed.damaged.split_last() {
            Some((_, rest)) if self.ends_torn() => rest,
            _ => &self.replayed.damaged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;
    use tidegate_model::observation::ObservationBatch;
    use tidegate_observations::Observations;

    fn batch(number: u64) -> ObservationBatch {
        let seen: Vec<Value> = (0..50)
            .map(|unit| {
                json!({"kind": "event", "unit": format!("u{unit}"), "metric": "purchase", "value": 1,
                    "at": "2030-06-01T12:00:00Z", "id": number.to_string()})
            })
            .collect();
        serde_json::from_value(json!({"spool": "line", "number": number, "observations": seen})).unwrap()
    }

    /// A log of three batches, and where its one file is.
    async fn written() -> (TempDir, std::path::PathBuf) {
        let data = tempfile::tempdir().unwrap();
        let environment = EnvironmentKey::new("production").unwrap();
        let now = || "2030-06-01T12:00:00Z".parse().unwrap();
        let log = Observations::open(data.path(), &environment, now).unwrap();
        for number in 1..=3 {
            log.take_in(&batch(number)).await.unwrap();
        }
        log.close().await;
        let file = folder_of(data.path(), &environment).join("00000001.log");
        (data, file)
    }

    #[tokio::test]
    async fn a_whole_log_is_counted() {
        let (data, file) = written().await;
        let logs = read_logs(data.path()).unwrap();
        assert_eq!(first_damage(&logs), None);
        let said = text(&logs);
        assert!(
            said.starts_with("observations of production: 150 in 3 batches ("),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        let bytes = fs::metadata(file).unwrap().len();
        let expected = json!({"production": {
            "batches": 3, "observations": 150, "bytes": bytes, "damaged": [], "endsTorn": false,
        }});
        assert_eq!(document(&logs), expected);
    }

    #[tokio::test]
    async fn damage_is_named_and_a_torn_end_is_told_from_it() {
        let (data, file) = written().await;
        let whole = fs::read(&file).unwrap();
        // Within the second batch: the third one, which can be read, says how many are lost.
        let frames: Vec<usize> = (0..whole.len().saturating_sub(4))
            .filter(|at| whole[*at..].starts_with(b"tgob"))
            .collect();
        let mut bad = whole.clone();
        bad[frames[1] + 40] ^= 1;
        fs::write(&file, &bad).unwrap();
        let logs = read_logs(data.path()).unwrap();
        let damage = first_damage(&logs).unwrap();
        assert_eq!((damage.offset, damage.batches), (frames[1] as u64, 1));
        assert!(text(&logs).contains("is damaged at offset"), "{}", text(&logs));

        fs::write(&file, &whole[..whole.len() - 7]).unwrap();
        let logs = read_logs(data.path()).unwrap();
        assert_eq!(first_damage(&logs), None);
        assert_eq!(document(&logs)["production"]["endsTorn"], true);
        assert!(text(&logs).contains("a server is writing"), "{}", text(&logs));
    }

    #[test]
    fn a_folder_without_logs_says_nothing() {
        let data = tempfile::tempdir().unwrap();
        let logs = read_logs(data.path()).unwrap();
        assert_eq!((text(&logs), document(&logs)), (String::new(), json!({})));
    }
}
