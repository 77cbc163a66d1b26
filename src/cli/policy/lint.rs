//! Checking policy files without any control plane.
//!
//! What the text says is checked wherever a policy is read; what its calendar and its traffic make of it is
//! checked by `lint` alone, because it depends on the day, and on a Prometheus if one is given.

use crate::cli::failure::Failure;
use crate::cli::instant;
use crate::cli::read_text;
use crate::cli::screen::{self, Screen};
use crate::cli::target::Target;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::policy::Policy;
use tidegate_model::policy::diagnostic::{Diagnostic, Severity};
use tidegate_model::policy::read::{locate, read};
use tidegate_simulate::lint::sight::{Percent, Sight};
use tidegate_simulate::lint::{Concern, lint};

mod measured;

#[derive(Debug, Args)]
pub(super) struct Lint {
    /// Files, folders with *.yaml files, or `-` for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The day on which windows and freezes are looked at [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    #[command(flatten)]
    asked: measured::Asked,
}

/// A file and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Checked {
    file: String,
    #[serde(rename = "valid", serialize_with = "is_some")]
    pub(super) policy: Option<Policy>,
    diagnostics: Vec<Diagnostic>,
    /// What each stage can see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sight: Vec<Sight>,
    /// What was measured of its traffic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    measured: Vec<String>,
    #[serde(skip)]
    pub(super) text: String,
}

fn is_some<S: serde::Serializer>(policy: &Option<Policy>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(policy.is_some())
}

/// Checks the files and shows everything that is wrong with them.
pub(super) async fn run(target: &Target, screen: Screen, args: &Lint) -> Result<(), Failure> {
    let source = args.asked.source()?;
    let now = args.at.unwrap_or_else(chrono::Utc::now);
    let mut checked = check(&args.files)?;
    for file in &mut checked {
        let Some(policy) = &mut file.policy else {
            continue;
        };
        let mut concerns = Vec::new();
        if let Some(source) = &source {
            let found = measured::measure(source, &args.asked, &target.environment, policy, now).await?;
            concerns = found.concerns;
            policy.traffic = found.traffic;
            file.measured = found.notes;
        }
        let linted = lint(policy, now);
        concerns.extend(linted.concerns);
        file.sight = linted.sight;
        let warnings = concerns.into_iter().map(|concern| warning(&file.text, concern));
        file.diagnostics.extend(warnings);
        file.diagnostics.sort_by_key(|one| (one.line, one.column));
    }
    let findings = json!({ "items": checked });
    screen.show(&findings, || Ok(shown(screen, &checked)))?;
    match mistakes(&checked) {
        0 => Ok(()),
        errors => Err(Failure::Mistakes { errors }),
    }
}

fn warning(text: &str, concern: Concern) -> Diagnostic {
    let (line, column) = locate(text, &concern.path);
    Diagnostic {
        severity: Severity::Warning,
        line,
        column,
        path: concern.path,
        message: concern.message,
        hint: concern.hint,
    }
}

/// All findings, and below what stages see.
fn shown(screen: Screen, checked: &[Checked]) -> String {
    let mut text = findings_as_text(checked);
    for file in checked {
        for note in &file.measured {
            text.push_str(&format!("{}: measured: {note}\n", file.file));
        }
        if !file.sight.is_empty() {
            text.push('\n');
            text.push_str(&seen(screen, &file.sight));
        }
    }
    text
}

fn seen(screen: Screen, sight: &[Sight]) -> String {
    let row = |sight: &Sight| {
        let smallest = sight
            .smallest
            .map_or_else(|| "nothing".to_owned(), |share| Percent(share).to_string());
        vec![
            screen::cell(&sight.stage),
            screen::cell(&sight.rule),
            screen::cell(Figure(sight.requests.floor())),
            screen::cell(Percent(sight.usual)),
            screen::cell(smallest),
            screen::cell(
                sight
                    .named
                    .map_or_else(String::new, |named| Percent(named).to_string()),
            ),
            screen::cell(Percent(sight.false_alarm)),
        ]
    };
    let header = [
        "stage",
        "rule",
        "requests",
        "usually bad",
        "sees from",
        "bad from",
        "false alarm",
    ];
    screen.table(&header, sight.iter().map(row).collect(), "")
}

/// Shows everything that is wrong with the files, if anything makes one unusable.
pub(super) fn refuse_mistakes(screen: Screen, checked: &[Checked]) -> Result<(), Failure> {
    match mistakes(checked) {
        0 => Ok(()),
        errors => {
            if !screen.json {
                screen::print(&findings_as_text(checked))?;
            }
            Err(Failure::Mistakes { errors })
        }
    }
}

/// Reads the files, and the YAML files in the folders.
pub(super) fn check(files: &[PathBuf]) -> Result<Vec<Checked>, Failure> {
    let mut checked = Vec::new();
    for given in files {
        for file in expand(given)? {
            let text = read_text(&file)?;
            let (policy, diagnostics) = read(&text);
            let file = file.display().to_string();
            checked.push(Checked {
                file,
                policy,
                diagnostics,
                sight: Vec::new(),
                measured: Vec::new(),
                text,
            });
        }
    }
    Ok(checked)
}

/// The one policy of a file that has to be without mistakes.
pub(super) fn one(screen: Screen, file: &Path) -> Result<Policy, Failure> {
    let checked = check(&[file.to_owned()])?;
    refuse_mistakes(screen, &checked)?;
    let mut policies = checked.into_iter().filter_map(|checked| checked.policy);
    match (policies.next(), policies.next()) {
        (Some(policy), None) => Ok(policy),
        _ => Err(Failure::input(
            file.display(),
            "holds several policies, and one is looked at at a time",
            "name one file",
        )),
    }
}

fn expand(given: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !given.is_dir() {
        return Ok(vec![given.to_owned()]);
    }
    let unreadable = |error: std::io::Error| {
        Failure::input(
            given.display(),
            format!("cannot be read: {error}"),
            "check the path",
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(given).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml")
        {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Failure::input(
            given.display(),
            "has no *.yaml file",
            "name another folder",
        ));
    }
    found.sort();
    Ok(found)
}

fn mistakes(checked: &[Checked]) -> usize {
    let findings = checked.iter().flat_map(|file| &file.diagnostics);
    let errors = findings
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    // A file without a policy is wrong even if nobody could say why.
    let silent = checked.iter().any(|file| file.policy.is_none());
    errors.max(usize::from(silent))
}

fn findings_as_text(checked: &[Checked]) -> String {
    let mut lines = Vec::new();
    for Checked {
        file,
        policy,
        diagnostics,
        ..
    } in checked
    {
        lines.extend(diagnostics.iter().map(|finding| format!("{file}:{finding}\n")));
        if let Some(policy) = policy {
            lines.push(format!("{file}: {} is valid\n", policy.name));
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(severity: Severity, line: usize) -> Diagnostic {
        Diagnostic {
            severity,
            line,
            column: 7,
            path: "safety.rules[0].threshold".to_owned(),
            message: "missing".to_owned(),
            hint: "for example 2%".to_owned(),
        }
    }

    #[test]
    fn findings_are_lines_that_editors_can_jump_to() {
        let checked = [Checked {
            file: "p/canary.yaml".to_owned(),
            policy: None,
            diagnostics: vec![diagnostic(Severity::Error, 12), diagnostic(Severity::Warning, 3)],
            sight: Vec::new(),
            measured: Vec::new(),
            text: String::new(),
        }];
        assert_eq!(
            findings_as_text(&checked),
            "p/canary.yaml:12:7: error: safety.rules[0].threshold: missing; for example 2%
p/canary.yaml:3:7: warning: safety.rules[0].threshold: missing; for example 2%
"
        );
        assert_eq!(mistakes(&checked), 1);
        assert_eq!(json!(checked)[0]["valid"], false);
    }

    #[test]
    fn every_policy_in_the_repository_is_valid_without_a_warning() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["policies", "examples/shop/policies"].map(|folder| root.join(folder));
        let checked = check(&folders).unwrap();
        assert_eq!(mistakes(&checked), 0, "{}", findings_as_text(&checked));
        let findings: usize = checked.iter().map(|file| file.diagnostics.len()).sum();
        assert_eq!(findings, 0, "{}", findings_as_text(&checked));
        assert!(checked.len() >= 7, "the folders were found");
    }

    #[test]
    fn all_mistakes_of_a_file_are_found_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broken.yaml");
        let broken = "apiVersion: tidegate/v1\nkind: RolloutPolicy\nname: a b\nsaftey: {}\n";
        std::fs::write(&file, broken).unwrap();
        let checked = check(&[file]).unwrap();
        let text = findings_as_text(&checked);
        assert!(mistakes(&checked) >= 2, "{text}");
        assert!(text.contains("broken.yaml:4:1: error"), "{text}");
        let refused = refuse_mistakes(
            Screen {
                json: true,
                ..Screen::PIPE
            },
            &checked,
        )
        .unwrap_err();
        assert_eq!(refused.exit(), crate::cli::failure::Exit::Refused);
    }

    #[test]
    fn folders_stand_for_their_yaml_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "README.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = expand(folder.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
        let empty = tempfile::tempdir().unwrap();
        assert!(
            expand(empty.path())
                .unwrap_err()
                .to_string()
                .contains("no *.yaml")
        );
        assert!(check(&[folder.path().join("none.yaml")]).is_err());
    }
}
