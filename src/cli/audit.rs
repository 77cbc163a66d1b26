//! `tidegate audit`: who changed what, when and why.

use super::client::Client;
use super::failure::Failure;
use super::screen::{Screen, cell, moment};
use super::target::Target;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::change::EntityRef;
use tidegate_model::key::Revision;

/// How many records are asked for at once: as many as the control plane gives.
const PAGE_RECORDS: usize = 1000;

/// Which part of the log.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate audit
  tidegate audit --after 1042 --json")]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only what comes after this sequence number [default: the oldest that is not in an archive]
    #[arg(long)]
    after: Option<u64>,
    /// The newest of them, at most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// A page, as the control plane sends it.
#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next: Option<u64>,
}

/// A record, as it is shown.
#[derive(Debug, Deserialize)]
struct Shown {
    sequence: u64,
    at: Timestamp,
    by: Author,
    #[serde(default)]
    because: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    entity: EntityRef,
    revision: Revision,
    change: Value,
}

/// Shows the newest records.
pub(crate) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut newest: VecDeque<Value> = VecDeque::new();
    let mut after = args.after.unwrap_or(0);
    loop {
        let path = client.within(&format!("audit?after={after}&limit={PAGE_RECORDS}"));
        let answer = client.get(&path).await;
        let page: Page = match answer {
            Err(Failure::Problem(problem)) if args.after.is_none() && problem.oldest > Some(after + 1) => {
                after = problem.oldest.map_or(after, |oldest| oldest - 1);
                continue;
            }
            answer => answer?.read()?,
        };
        newest.extend(page.items);
        newest.drain(..newest.len().saturating_sub(limit));
        match page.next {
            Some(next) if next > after => after = next,
            _ => break,
        }
    }
    let shown = json!({ "items": newest });
    screen.show(&shown, || {
        let records: Result<Vec<Shown>, _> = newest.into_iter().map(serde_json::from_value).collect();
        let records = records.map_err(|error| Failure::StrangeAnswer {
            url: args.target.url.to_string(),
            source: Box::new(error),
        })?;
        Ok(table(screen, &records))
    })
}

fn table(screen: Screen, records: &[Shown]) -> String {
    let row = |record: &Shown| {
        let what: Vec<String> = record
            .entries
            .iter()
            .map(|entry| format!("{} r{}: {}", entry.entity, entry.revision, gist(&entry.change)))
            .collect();
        vec![
            cell(record.sequence),
            cell(moment(record.at)),
            cell(&record.by),
            cell(what.join("; ")),
            cell(record.because.as_deref().unwrap_or_default()),
        ]
    };
    screen.table(
        &["number", "when", "who", "what", "why"],
        records.iter().map(row).collect(),
        "nothing has happened yet",
    )
}

/// A change in a few words: its name in the journal, and a rollout's own.
fn gist(change: &Value) -> String {
    let name = match change {
        Value::String(name) => name.clone(),
        Value::Object(fields) => match fields.iter().next() {
            Some((name, inner)) if name == "rollout" => inner
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or(name)
                .to_owned(),
            Some((name, inner)) if name == "experiment" => format!("experiment {}", gist(inner)),
            Some((name, _)) => name.clone(),
            None => String::new(),
        },
        other => other.to_string(),
    };
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_say_who_did_what_and_why() {
        let records: Vec<Shown> = serde_json::from_value(json!([
            {"sequence": 7, "at": "2026-11-22T09:00:00Z", "by": {"token": {"name": "ada", "role": "operator"}},
             "because": "started at 1 %", "entries": [
                {"entity": "rollout/production/new-checkout.1", "revision": 1, "change": {"rollout": {"kind": "started"}}},
                {"entity": "flag/production/new-checkout", "revision": 2, "change": {"flag_pinned": {"rollout": "x"}}},
                {"entity": "experiment/production/e", "revision": 3, "change": {"experiment": {"looked": {"units": 1}}}}]},
            {"sequence": 9, "at": "2026-11-22T09:01:00Z", "by": "tidegate",
             "entries": [{"entity": "token/-/ci", "revision": 2, "change": "token_revoked"}]},
        ]))
        .unwrap();
        assert_eq!(
            table(Screen::PIPE, &records),
            "NUMBER  WHEN                     WHO             WHAT                                                                                                                                        WHY
7       2026-11-22 09:00:00 UTC  ada (operator)  rollout/production/new-checkout.1 r1: started; flag/production/new-checkout r2: flag pinned; experiment/production/e r3: experiment looked  started at 1 %
9       2026-11-22 09:01:00 UTC  tidegate        token/-/ci r2: token revoked
"
        );
        assert_eq!(table(Screen::PIPE, &[]), "nothing has happened yet\n");
    }
}
