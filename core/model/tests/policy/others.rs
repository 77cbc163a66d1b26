//! What policies say of others: alerts that act, who is told, who is asked; and the operator's targets.

use crate::{completed, good};
use std::collections::BTreeMap;
use tidegate_model::key::{EnvironmentKey, FlagKey, VariationKey};
use tidegate_model::notice::Occasion;
use tidegate_model::policy::Action;
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::read;
use tidegate_model::span::Span;
use tidegate_model::target::{Address, Channel};

#[test]
fn what_is_left_out_is_safe() {
    let policy = good(&completed(""));
    assert_eq!(policy.alerts.len(), 1, "what is addressed to a rollout pauses it");
    assert!(policy.alerts[0].labels.0.is_empty());
    assert_eq!(policy.alerts[0].action, Action::Pause);
    assert_eq!((policy.watchdog, policy.notify.len()), (None, 0));
    assert!(good(&completed("alerts: []")).alerts.is_empty());
    let watchdog = good(&completed("watchdog: {}")).watchdog.unwrap();
    assert_eq!(watchdog.patience(), Span::seconds(120));
    assert!(watchdog.labels.0["alertname"].contains("Watchdog"));
    let notify = good(&completed("notify: [{ to: releases }]")).notify;
    assert!(!notify[0].on.contains(&Occasion::TookEffect) && notify[0].on.contains(&Occasion::RolledBack));
}

#[test]
fn labels_are_filled_in_for_each_rollout() {
    let text = "arguments: { service: { example: shop } }\n\
        alerts: [{ match: { service: \"{{service}}\", flag: [\"{{flag}}\", all] } }]\n\
        watchdog: { match: { alertname: \"{{environment}}-alive\" } }";
    let bound = good(&completed(text)).bind(&Bindings {
        environment: EnvironmentKey::new("production").unwrap(),
        flag: FlagKey::new("new-checkout").unwrap(),
        variation: VariationKey::new("on").unwrap(),
        baseline: VariationKey::new("off").unwrap(),
        arguments: BTreeMap::from([("service".to_owned(), "web-shop".to_owned())]),
    });
    let bound = bound.unwrap();
    let labels = serde_json::to_value(&bound.alerts[0].labels).unwrap();
    assert_eq!(
        labels,
        serde_json::json!({"service": ["web-shop"], "flag": ["all", "new-checkout"]})
    );
    assert!(bound.watchdog.unwrap().labels.0["alertname"].contains("production-alive"));
}

const HEAD: &str = "apiVersion: tidegate/v1\nkind: Targets\ntargets:\n";

#[test]
fn targets_are_read() {
    let text = format!(
        "{HEAD}\
        \x20 - {{ name: chat, type: slack, urlFile: /run/chat }}\n\
        \x20 - {{ name: change, type: webhook, url: https://change.example.com, secretFile: /run/change, bearerFile: /run/t }}\n\
        \x20 - {{ name: pager, type: alertmanager, url: 'http://am:9093' }}\n"
    );
    let (targets, diagnostics) = read::targets(&text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let targets = targets.unwrap();
    let channels: Vec<Channel> = targets.iter().map(|target| target.channel).collect();
    assert_eq!(
        channels,
        [Channel::Slack, Channel::Webhook, Channel::Alertmanager]
    );
    assert_eq!(targets[0].address, Address::File("/run/chat".into()));
    assert_eq!(
        targets[1].address,
        Address::Url("https://change.example.com".to_owned())
    );
    assert_eq!(
        targets[1].secret_file.as_deref().unwrap().to_str(),
        Some("/run/change")
    );
}

#[test]
fn mistakes_in_targets_are_named() {
    for (target, says) in [
        (
            "name: a, type: slack",
            "4:5: error: targets[0].url: is missing; write it, or the name of the file",
        ),
        ("name: a, type: slack, url: 'ftp://x'", "'ftp://x' is no address"),
        (
            "name: a, type: slack, url: 'http://x', urlFile: y",
            "there is a 'url' already",
        ),
        (
            "name: a, type: slack, url: 'http://x', secretFile: y",
            "have no use for it",
        ),
        (
            "name: a, type: alertmanager, url: 'http://x', secretFile: y",
            "have no use for it",
        ),
        (
            "name: a, type: webhook, url: 'http://x'",
            "targets[0].secretFile: is missing; what is sent to a webhook is signed",
        ),
        (
            "name: a, type: pigeon, url: 'http://x'",
            "'pigeon' is not known here; known: slack, webhook, alertmanager",
        ),
        (
            "name: 'a b', type: slack, url: 'http://x'",
            "a target name has 1 to 255 characters",
        ),
        (
            "name: a, type: slack, url: 'http://x', secret: hunter2",
            "'secret' is not known here; known: name, type",
        ),
    ] {
        let (targets, diagnostics) = read::targets(&format!("{HEAD}  - {{ {target} }}\n"));
        let found: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        assert!(
            targets.is_none() && found.iter().any(|one| one.contains(says)),
            "{target}: {found:?}"
        );
    }
    let twice = "  - { name: a, type: slack, url: 'http://x' }\n".repeat(2);
    let (_, diagnostics) = read::targets(&format!("{HEAD}{twice}"));
    assert!(
        diagnostics[0]
            .to_string()
            .contains("another target is called 'a'"),
        "{diagnostics:?}"
    );
    let (_, diagnostics) = read::targets("apiVersion: tidegate/v1\nkind: RolloutPolicy\ntargets: []\n");
    assert!(
        diagnostics[0].to_string().contains("write 'kind: Targets'"),
        "{diagnostics:?}"
    );
}
