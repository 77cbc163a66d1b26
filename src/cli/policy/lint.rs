//! Checking policy files without any control plane.

use crate::cli::failure::Failure;
use crate::cli::read_text;
use crate::cli::screen::{self, Screen};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use tidegate_model::policy::Policy;
use tidegate_model::policy::diagnostic::{Diagnostic, Severity};
use tidegate_model::policy::read::read;

/// A file and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Checked {
    file: String,
    #[serde(rename = "valid", serialize_with = "is_some")]
    pub(super) policy: Option<Policy>,
    diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    pub(super) text: String,
}

fn is_some<S: serde::Serializer>(policy: &Option<Policy>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(policy.is_some())
}

/// Checks the files and shows everything that is wrong with them.
pub(super) fn run(screen: Screen, files: &[PathBuf]) -> Result<(), Failure> {
    let checked = check(files)?;
    let findings = json!({ "items": checked });
    screen.show(&findings, || Ok(findings_as_text(&checked)))?;
    match mistakes(&checked) {
        0 => Ok(()),
        errors => Err(Failure::Mistakes { errors }),
    }
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
