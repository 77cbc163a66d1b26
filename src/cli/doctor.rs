//! `tidegate doctor`: one page about the health of a control plane and the machine under it.

use super::client::Client;
use super::failure::Failure;
use super::screen::{self, Screen, Tone, cell, toned};
use super::target::Target;
use clap::Args;
use indicatif::{DecimalBytes, HumanDuration};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::fleet::NodeView;
use tidegate_store::{About, Space, StoreError, VerifyReport, about, sync_times, verify, view_bytes_max};

/// How often the disk is asked to keep something.
const SYNCS: usize = 32;
/// A sync that usually takes longer than this slows every change.
const SYNC_SLOW: Duration = Duration::from_millis(20);
/// With less room than this share the store refuses everything but rollbacks.
const ROOM_LEAST: f64 = 0.05;
/// With less room than this share somebody should look.
const ROOM_LITTLE: f64 = 0.15;
/// A wall clock that moved by more seconds than this since the server started was set.
const CLOCK_MOVED: f64 = 1.0;

/// What is looked at.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidegate doctor
  tidegate doctor --data /var/lib/tidegate --json

Reads the data folder on this machine, and asks the control plane for its nodes if it answers. Changes nothing but a
small file that is written and removed to see how quick the disk is. Exit code 7 if something is wrong.")]
pub(crate) struct DoctorArgs {
    /// The data folder of the control plane
    #[arg(long, env = "TIDEGATE_DATA", default_value = "data", value_name = "FOLDER")]
    data: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq)]
struct Finding {
    what: &'static str,
    tone: Tone,
    says: String,
    /// What to do about it; empty when nothing is to be done.
    fix: String,
}

impl Finding {
    fn good(what: &'static str, says: String) -> Self {
        Self::of(what, Tone::Good, says, "")
    }

    fn of(what: &'static str, tone: Tone, says: String, fix: &str) -> Self {
        Self {
            what,
            tone,
            says,
            fix: fix.to_owned(),
        }
    }

    fn word(&self) -> &'static str {
        match self.tone {
            Tone::Good | Tone::Plain => "good",
            Tone::Wait => "look at it",
            Tone::Bad => "wrong",
        }
    }
}

/// Looks at everything.
pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let folder = &args.data;
    if !folder.is_dir() {
        return Err(Failure::input(
            format!("--data {}", folder.display()),
            "there is no such folder",
            "name the data folder of a control plane on this machine",
        ));
    }
    let mut findings = vec![room(Space::of(folder)), syncs(sync_times(folder, SYNCS))];
    let verified = verify(folder);
    let newest = verified.as_ref().ok().and_then(|report| report.newest);
    let state_bytes = verified.as_ref().map_or(0, |report| report.state_bytes);
    findings.extend(about_store(about(folder), view_bytes_max(state_bytes)));
    findings.push(clock(newest, chrono::Utc::now()));
    findings.push(journal(verified));
    findings.extend(plane(&args.target).await);
    findings.push(nodes(&args.target).await);
    let screen = Screen::of(&args.target);
    let wrong = findings
        .iter()
        .filter(|finding| finding.tone == Tone::Bad)
        .count();
    let document = findings.iter().map(|finding| {
        json!({ "what": finding.what, "state": finding.word(), "says": finding.says, "fix": finding.fix })
    });
    screen.show(&json!({ "findings": document.collect::<Vec<_>>() }), || {
        Ok(page(screen, &findings))
    })?;
    match wrong {
        0 => Ok(()),
        wrong => Err(Failure::Failed {
            what: format!(
                "{wrong} of {} things are wrong in {}",
                findings.len(),
                folder.display()
            ),
        }),
    }
}

fn page(screen: Screen, findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        vec![
            cell(finding.what),
            toned(finding.word(), finding.tone),
            cell(&finding.says),
        ]
    };
    let mut page = screen.table(
        &["what", "state", "found"],
        findings.iter().map(row).collect(),
        "nothing was looked at",
    );
    for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
        page.push_str(&format!("{}: {}\n", finding.what, finding.fix));
    }
    page
}

fn room(space: Result<Space, StoreError>) -> Finding {
    let space = match space {
        Ok(space) => space,
        Err(error) => {
            return Finding::of(
                "disk",
                Tone::Bad,
                error.to_string(),
                "see why the system does not say",
            );
        }
    };
    let says = format!(
        "{} of {} free ({:.0} %)",
        DecimalBytes(space.free),
        DecimalBytes(space.all),
        space.share() * 100.0
    );
    match space.share() {
        share if share < ROOM_LEAST => Finding::of(
            "disk",
            Tone::Bad,
            says,
            "make room: below 5 % nothing is stored but what shuts rollouts",
        ),
        share if share < ROOM_LITTLE => {
            Finding::of("disk", Tone::Wait, says, "make room before it is below 5 %")
        }
        _ => Finding::good("disk", says),
    }
}

fn syncs(times: Result<Vec<Duration>, StoreError>) -> Finding {
    let times = match times {
        Ok(times) => times,
        Err(error) => {
            let fix = "see to it that the control plane's user can write to the data folder";
            return Finding::of("sync", Tone::Bad, error.to_string(), fix);
        }
    };
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    let (usual, longest) = (at(times.len() / 2), at(times.len().saturating_sub(1)));
    let says = format!("{usual:.1?} usually, {longest:.1?} at most of {SYNCS}");
    if usual > SYNC_SLOW {
        let fix = "every change waits for this: use a faster disk, or one that nobody else keeps busy";
        return Finding::of("sync", Tone::Wait, says, fix);
    }
    Finding::good("sync", says)
}

fn about_store(about: Result<About, StoreError>, view_most: u64) -> Vec<Finding> {
    let about = match about {
        Ok(about) => about,
        Err(error) => {
            let fix = "docs/store.md says what to do about it";
            return vec![Finding::of("folder", Tone::Bad, error.to_string(), fix)];
        }
    };
    let held = about.holder.as_deref().map_or_else(
        || "no server has it".to_owned(),
        |holder| format!("a server has it: process {holder}"),
    );
    let view = view(about.view_bytes, view_most);
    let quarantines = match about.quarantines.as_slice() {
        [] => Finding::good("quarantine", "no view was ever put aside".to_owned()),
        some => Finding::of(
            "quarantine",
            Tone::Wait,
            format!("{} views were put aside", some.len()),
            "the disk or sled did something odd; see the log of that start, then run: tidegate compact",
        ),
    };
    let ballast = match about.ballast {
        true => Finding::good("ballast", "there is room for rollbacks on a full disk".to_owned()),
        false => Finding::of(
            "ballast",
            Tone::Wait,
            "the room that was kept for rollbacks is used up".to_owned(),
            "make room on the disk; the next start keeps some again",
        ),
    };
    vec![
        Finding::good("folder", format!("life {}, {held}", about.epoch)),
        view,
        quarantines,
        ballast,
    ]
}

/// sled never makes its file smaller; a start does.
fn view(bytes: u64, most: u64) -> Finding {
    let says = format!("{} of at most {}", DecimalBytes(bytes), DecimalBytes(most));
    match bytes > most {
        true => Finding::of(
            "view",
            Tone::Wait,
            says,
            "the next start makes it again; to do it now, stop the server and run: tidegate compact",
        ),
        false => Finding::good("view", says),
    }
}

/// The clock must not stand before what was written by it.
fn clock(newest: Option<Timestamp>, now: Timestamp) -> Finding {
    let Some(newest) = newest else {
        return Finding::good("clock", "nothing was written yet".to_owned());
    };
    match (now - newest).to_std() {
        Ok(since) => Finding::good(
            "clock",
            format!(
                "it shows {}; the newest record is {} old",
                screen::moment(now),
                HumanDuration(since)
            ),
        ),
        Err(_ahead) => Finding::of(
            "clock",
            Tone::Bad,
            format!(
                "it shows {}, and the newest record was written at {}",
                screen::moment(now),
                screen::moment(newest)
            ),
            "set the clock of this machine, and keep it set (chrony, systemd-timesyncd)",
        ),
    }
}

fn journal(report: Result<VerifyReport, StoreError>) -> Finding {
    match report {
        Ok(report) => Finding::good(
            "journal",
            format!(
                "records {} to {} in {} segments ({}), every byte as it was written; {}",
                report.first,
                report.records,
                report.segments,
                DecimalBytes(report.bytes),
                match report.checkpoints.as_slice() {
                    [] => "nothing is archived".to_owned(),
                    [.., newest] => format!("checkpoints up to record {newest}"),
                }
            ),
        ),
        Err(error) => Finding::of(
            "journal",
            Tone::Bad,
            error.to_string(),
            "keep a copy of the folder, then put the last backup back: tidegate restore --from BACKUP --data NEW-FOLDER",
        ),
    }
}

/// What the control plane says of itself, if it answers; who does not answer is told with the nodes.
async fn plane(target: &Target) -> Vec<Finding> {
    let ready = async { Client::new(target)?.get("/readyz").await?.read::<Ready>() };
    match ready.await {
        Ok(ready) => told_of_plane(&ready),
        Err(Failure::Problem(problem)) => vec![Finding::of(
            "server",
            Tone::Bad,
            problem.to_string(),
            "see its log; nodes go on with what they have",
        )],
        Err(_not_there) => Vec::new(),
    }
}

/// What `/readyz` answers, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    #[serde(default)]
    reasons: Vec<String>,
    quarantined: usize,
    #[serde(default)]
    not_observing: BTreeMap<String, String>,
    #[serde(default)]
    clock_offset_seconds: f64,
}

fn told_of_plane(ready: &Ready) -> Vec<Finding> {
    let server = match (ready.reasons.as_slice(), ready.quarantined) {
        ([], 0) => Finding::good("server", "it takes changes".to_owned()),
        ([], apart) => Finding::of(
            "server",
            Tone::Wait,
            format!("{apart} rollouts failed too often and are kept apart"),
            "see its log; roll them back, or restart the server to give them another chance",
        ),
        (reasons, _) => Finding::of(
            "server",
            Tone::Bad,
            format!("it takes nothing but what shuts: {}", reasons.join("; ")),
            "docs/errors/serves-only.md says what to do",
        ),
    };
    let mut findings = vec![server, observations(&ready.not_observing)];
    let offset = ready.clock_offset_seconds;
    if offset.abs() > CLOCK_MOVED {
        findings.push(Finding::of(
            "jump",
            Tone::Wait,
            format!("the clock moved by {offset:.0} s since the server started"),
            "nothing went by it: see that the clock is right now, then restart the server",
        ));
    }
    findings
}

fn observations(not_observing: &BTreeMap<String, String>) -> Finding {
    if not_observing.is_empty() {
        return Finding::good("observations", "they are taken in".to_owned());
    }
    let each = not_observing
        .iter()
        .map(|(environment, why)| format!("{environment}: {why}"));
    Finding::of(
        "observations",
        Tone::Bad,
        each.collect::<Vec<_>>().join("; "),
        "nodes keep theirs meanwhile: make room, or look at the disk and restart the server if they were stopped",
    )
}

async fn nodes(target: &Target) -> Finding {
    let views = async {
        let client = Client::new(target)?;
        client.get(&client.within("nodes")).await?.items::<NodeView>()
    };
    match views.await {
        Ok(views) => told_of_nodes(&views),
        Err(failure) => Finding::of(
            "nodes",
            Tone::Wait,
            format!("not asked: {failure}"),
            "name the control plane with --url, and a token with --token-file, to see them too",
        ),
    }
}

fn told_of_nodes(views: &[NodeView]) -> Finding {
    let names =
        |these: Vec<&NodeView>| -> Vec<String> { these.iter().map(|view| view.name.to_string()).collect() };
    let silent = names(views.iter().filter(|view| !view.live).collect());
    let behind = names(views.iter().filter(|view| view.live && !view.current).collect());
    let says = format!("{} known", views.len());
    match (silent.as_slice(), behind.as_slice()) {
        ([], []) => Finding::good("nodes", format!("{says}, all up to date")),
        _ => Finding::of(
            "nodes",
            Tone::Wait,
            format!("{says}; silent: {}; behind: {}", listed(&silent), listed(&behind)),
            "tidegate nodes tells more of each",
        ),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// What the folder of a control plane looks like to somebody who has never seen it.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_and_wrong_clocks_are_found() {
        let space = |free| Ok(Space { free, all: 100 });
        let tones = [50, 10, 4].map(|free| room(space(free)).tone);
        assert_eq!(tones, [Tone::Good, Tone::Wait, Tone::Bad]);
        let now = Timestamp::default();
        let later = now + chrono::TimeDelta::seconds(60);
        assert_eq!(clock(Some(later), now).tone, Tone::Bad);
        assert_eq!(clock(Some(now), later).tone, Tone::Good);
        assert_eq!(clock(None, now).tone, Tone::Good);
    }

    #[test]
    fn a_view_that_is_too_large_is_told() {
        assert_eq!((view(9, 10).tone, view(11, 10).tone), (Tone::Good, Tone::Wait));
        assert!(view(11, 10).fix.contains("tidegate compact"));
    }

    #[test]
    fn slow_disks_are_found() {
        let times = |milliseconds: u64| Ok(vec![Duration::from_millis(milliseconds); 3]);
        assert_eq!(syncs(times(1)).tone, Tone::Good);
        assert_eq!(syncs(times(50)).tone, Tone::Wait);
    }

    #[test]
    fn what_the_server_says_of_itself_is_told() {
        let told = |text: &str| {
            let findings = told_of_plane(&serde_json::from_str(text).unwrap());
            let each = findings.into_iter().map(|found| (found.what, found.tone));
            each.collect::<Vec<_>>()
        };
        let observed = ("observations", Tone::Good);
        assert_eq!(told(r#"{"quarantined":0}"#), [("server", Tone::Good), observed]);
        assert_eq!(
            told(r#"{"quarantined":0,"notObserving":{"production":"full"}}"#),
            [("server", Tone::Good), ("observations", Tone::Bad)]
        );
        assert_eq!(
            told(r#"{"quarantined":2,"clockOffsetSeconds":-3600.2}"#),
            [("server", Tone::Wait), observed, ("jump", Tone::Wait)]
        );
        let serves =
            r#"{"status":"serves_only","reasons":["late"],"quarantined":0,"clockOffsetSeconds":0.4}"#;
        assert_eq!(told(serves), [("server", Tone::Bad), observed]);
    }

    #[test]
    fn a_page_says_what_to_do() {
        let findings = [
            Finding::good("disk", "free".to_owned()),
            Finding::of("clock", Tone::Bad, "late".to_owned(), "set it"),
        ];
        assert_eq!(
            page(Screen::PIPE, &findings),
            "WHAT   STATE  FOUND\ndisk   good   free\nclock  wrong  late\nclock: set it\n"
        );
    }
}
