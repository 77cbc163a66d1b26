//! The file in which an operator names the targets of a control plane.

use super::cursor::{Cursor, Mapping, shown};
use super::findings::Findings;
use super::keys::Level;
use super::{API_VERSION, Diagnostic, LIST_MAX, Severity, expect_word, unique_names, yaml};
use crate::target::{Address, Channel, TargetDefinition};
use std::path::PathBuf;

/// What `kind` says.
const KIND: &str = "Targets";

const FILE: Level = Level {
    name: "targets",
    required: &["apiVersion", "kind", "targets"],
    optional: &[],
};
const TARGET: Level = Level {
    name: "target",
    required: &["name", "type"],
    optional: &["url", "urlFile", "secretFile", "bearerFile"],
};
const CHANNELS: &[(&str, Channel)] = &[
    ("slack", Channel::Slack),
    ("webhook", Channel::Webhook),
    ("alertmanager", Channel::Alertmanager),
];

/// Reads targets from YAML. There are some exactly if no diagnostic is an error.
pub fn targets(text: &str) -> (Option<Vec<TargetDefinition>>, Vec<Diagnostic>) {
    let findings = Findings::default();
    let root = yaml::load(text, &findings);
    let targets = root.and_then(|root| file(&Cursor::root(&root, text, &findings)));
    let diagnostics = findings.into_diagnostics();
    let usable = diagnostics.iter().all(|one| one.severity != Severity::Error);
    (targets.filter(|_| usable), diagnostics)
}

fn file(root: &Cursor<'_>) -> Option<Vec<TargetDefinition>> {
    let top = root.mapping(&FILE)?;
    expect_word(&top, "apiVersion", API_VERSION);
    expect_word(&top, "kind", KIND);
    let at = top.get("targets")?;
    let items = at.list()?;
    if items.len() > LIST_MAX {
        at.error(
            format!("{} targets; at most {LIST_MAX} are read", items.len()),
            "",
        );
        return None;
    }
    unique_names(&items, "target");
    let targets: Vec<_> = items.iter().map(target).collect();
    targets.into_iter().collect()
}

fn target(at: &Cursor<'_>) -> Option<TargetDefinition> {
    let target = at.mapping(&TARGET)?;
    let name = target.get("name").and_then(Cursor::name);
    let channel = target.get("type").and_then(|at| at.word(CHANNELS));
    let address = address(&target);
    let secret_file = file_named(&target, "secretFile");
    let bearer_file = file_named(&target, "bearerFile");
    let channel = channel?;
    fits(&target, channel);
    Some(TargetDefinition {
        name: name?,
        channel,
        address: address?,
        secret_file: secret_file?,
        bearer_file: bearer_file?,
    })
}

fn address(target: &Mapping<'_>) -> Option<Address> {
    match (target.get("url"), target.get("urlFile")) {
        (Some(url), None) => {
            let text = url.text()?;
            if !(text.starts_with("https://") || text.starts_with("http://")) {
                url.error(
                    format!("{} is no address", shown(text)),
                    "an address looks like https://hooks.example.com/tidegate",
                );
                return None;
            }
            Some(Address::Url(text.to_owned()))
        }
        (None, Some(file)) => Some(Address::File(PathBuf::from(file.text()?))),
        (None, None) => {
            target.missing(
                "url",
                "write it, or the name of the file that holds it as 'urlFile'",
            );
            None
        }
        (Some(_), Some(file)) => {
            file.error("there is a 'url' already", "keep one of them");
            None
        }
    }
}

fn file_named(target: &Mapping<'_>, key: &str) -> Option<Option<PathBuf>> {
    target.or(key, None, |at| at.text().map(|text| Some(PathBuf::from(text))))
}

/// Reports what is missing for this kind of target, and what it has no use for.
fn fits(target: &Mapping<'_>, channel: Channel) {
    if channel == Channel::Webhook && target.get("secretFile").is_none() {
        target.missing(
            "secretFile",
            "what is sent to a webhook is signed; write 32 random bytes or more to a file",
        );
    }
    let useless: &[&str] = match channel {
        Channel::Slack => &["secretFile", "bearerFile"],
        Channel::Webhook => &[],
        Channel::Alertmanager => &["secretFile"],
    };
    for at in useless.iter().filter_map(|key| target.get(key)) {
        at.error("targets of this type have no use for it", "remove it");
    }
}
