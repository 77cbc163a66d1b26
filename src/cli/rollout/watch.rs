//! Following rollouts until they end.

use super::{has_ended, newest, show};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::screen::{self, Screen};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_actors::view::RolloutView;
use tidegate_model::Timestamp;
use tidegate_model::key::RolloutId;
use tidegate_model::rollout::{Ending, Phase};
use tidegate_model::share::Share;

/// How often the control plane is asked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Follows the rollouts that are named, or all that have not ended, until every one has.
pub(super) async fn watch(client: &Client, screen: Screen, wanted: &[String]) -> Result<(), Failure> {
    let mut views = find(client, wanted).await?;
    if views.is_empty() {
        let empty = "no rollout is under way; start one with: tidegate rollout start FLAG --policy POLICY\n";
        return if screen.json { Ok(()) } else { screen::print(empty) };
    }
    let mut display = Display::on(screen);
    let mut reachable = true;
    loop {
        display.show(&views)?;
        if views.iter().all(has_ended) {
            return verdict(&views);
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // The rollout goes on while nobody can be asked about it, so watching does too.
        match look_again(client, &views).await {
            Ok(fresh) => {
                views = fresh;
                reachable = true;
            }
            Err(failure) if failure.may_pass() => {
                if reachable {
                    display.note(&format!("{failure}; still trying"));
                }
                reachable = false;
            }
            Err(failure) => return Err(failure),
        }
    }
}

async fn find(client: &Client, wanted: &[String]) -> Result<Vec<RolloutView>, Failure> {
    if wanted.is_empty() {
        let mut views: Vec<RolloutView> = client.get(&client.within("rollouts")).await?.items()?;
        views.retain(|view| !has_ended(view));
        return Ok(views);
    }
    let mut views = Vec::new();
    for name in wanted {
        views.push(newest(client, name).await?.read()?);
    }
    Ok(views)
}

async fn look_again(client: &Client, views: &[RolloutView]) -> Result<Vec<RolloutView>, Failure> {
    let mut fresh = Vec::new();
    for view in views {
        if has_ended(view) {
            fresh.push(view.clone());
        } else {
            let path = client.within(&format!("rollouts/{}", view.id));
            fresh.push(client.get(&path).await?.read()?);
        }
    }
    Ok(fresh)
}

/// Whether all completed.
fn verdict(views: &[RolloutView]) -> Result<(), Failure> {
    let completed = |view: &&RolloutView| {
        let ending = Ending::Completed;
        matches!(view.phase, Phase::Ended { ending: how, .. } if how == ending)
    };
    let shut: Vec<String> = views
        .iter()
        .filter(|view| !completed(view))
        .map(|view| view.id.to_string())
        .collect();
    if shut.is_empty() {
        Ok(())
    } else {
        Err(Failure::RolledBack { rollouts: shut })
    }
}

/// How rollouts are followed on different screens.
enum Display {
    /// A terminal: a bar for each, redrawn in place.
    Bars {
        screen: Screen,
        all: MultiProgress,
        bars: BTreeMap<RolloutId, ProgressBar>,
    },
    /// A pipe: a line, or a JSON document, for each change.
    Lines {
        screen: Screen,
        told: BTreeMap<RolloutId, String>,
    },
}

impl Display {
    fn on(screen: Screen) -> Self {
        if screen.terminal && !screen.json {
            return Self::Bars {
                screen,
                all: MultiProgress::new(),
                bars: BTreeMap::new(),
            };
        }
        Self::Lines {
            screen,
            told: BTreeMap::new(),
        }
    }

    fn show(&mut self, views: &[RolloutView]) -> Result<(), Failure> {
        match self {
            Self::Bars { screen, all, bars } => {
                for view in views {
                    let bar = bars
                        .entry(view.id.clone())
                        .or_insert_with(|| all.add(ProgressBar::new(u64::from(Share::TOTAL))));
                    draw(bar, *screen, view);
                }
                Ok(())
            }
            Self::Lines { screen, told } => {
                let now = chrono::Utc::now();
                for view in views {
                    if let Some(line) = news(*screen, told, view, now) {
                        screen::print(&line)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn note(&self, text: &str) {
        match self {
            Self::Bars { all, .. } => all.suspend(|| eprintln!("{text}")),
            Self::Lines { .. } => eprintln!("{text}"),
        }
    }
}

fn draw(bar: &ProgressBar, screen: Screen, view: &RolloutView) {
    let colour = match show::tone(view) {
        screen::Tone::Plain | screen::Tone::Good => "green",
        screen::Tone::Wait => "yellow",
        screen::Tone::Bad => "red",
    };
    // Written here, so it is known to be a template; a plain bar would do otherwise.
    let template = format!("{{bar:32.{colour}/white.dim}} {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar.set_position(u64::from(view.share.parts()));
    let message = below(screen, view);
    if has_ended(view) {
        bar.abandon_with_message(message);
    } else {
        bar.set_message(message);
    }
}

/// What stands beside and under a bar.
fn below(screen: Screen, view: &RolloutView) -> String {
    let mut lines = vec![show::headline(screen, view)];
    let rules: Vec<String> = view.looks.values().map(|look| show::rule(screen, look)).collect();
    if !rules.is_empty() {
        lines.push(rules.join(", "));
    }
    lines.push(show::because(view));
    lines.join("\n    ")
}

/// What is new about a rollout since it was told last. A value that moves on the same side of its
/// threshold is no news.
fn news(
    screen: Screen,
    told: &mut BTreeMap<RolloutId, String>,
    view: &RolloutView,
    now: Timestamp,
) -> Option<String> {
    let verdicts: Vec<String> = view
        .looks
        .values()
        .map(|look| format!("{} {}", look.rule, look.verdict))
        .collect();
    let owners: Vec<String> = view.pauses.keys().map(ToString::to_string).collect();
    let gist = format!(
        "{} {:?} {} {owners:?} {verdicts:?} {}",
        view.status,
        view.stage,
        view.share,
        view.waiting_for.len()
    );
    if told.get(&view.id) == Some(&gist) {
        return None;
    }
    told.insert(view.id.clone(), gist);
    if screen.json {
        return serde_json::to_string(view).ok().map(|line| line + "\n");
    }
    let line = format!(
        "{}  {}  {}\n",
        now.format("%H:%M:%S"),
        show::headline(screen, view),
        show::because(view)
    );
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::with;
    use super::*;
    use crate::cli::failure::Exit;
    use serde_json::{Value, json};

    fn told(screen: Screen, steps: &[Value]) -> String {
        let mut told = BTreeMap::new();
        let now = Timestamp::default();
        steps
            .iter()
            .filter_map(|step| news(screen, &mut told, &with(step.clone()), now))
            .collect()
    }

    #[test]
    fn a_pipe_gets_a_line_for_each_change_and_none_between() {
        let half = json!({"kind": "running", "stage": 1, "since": "2026-11-22T09:20:00Z", "effective": null});
        let ended =
            json!({"kind": "ended", "ending": "completed", "at": "2026-11-22T09:30:00Z", "took": null});
        let moved = json!({"errors": {"rule": "errors", "verdict": "healthy", "value": 0.006, "at": "2026-11-22T09:05:10Z"}});
        let steps = [
            json!({}),
            json!({}),
            json!({"looks": moved}),
            json!({"phase": half, "stage": "half", "share": 50, "because": "advanced to half (50 %)"}),
            json!({"phase": ended, "stage": null, "share": 100, "status": "completed", "because": "completed: the last stage is done"}),
        ];
        assert_eq!(
            told(Screen::PIPE, &steps),
            "00:00:00  new-checkout.1  running, canary (1 of 3), 1 %  holds at 1 %: stage lasts until 09:15:01
00:00:00  new-checkout.1  running, half (2 of 3), 50 %  advanced to half (50 %)
00:00:00  new-checkout.1  completed, 100 %  completed: the last stage is done
"
        );
    }

    #[test]
    fn machines_get_a_document_for_each_change() {
        let json = Screen {
            json: true,
            ..Screen::PIPE
        };
        let out = told(json, &[json!({}), json!({"share": 10}), json!({"share": 10})]);
        let shares: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["share"].clone())
            .collect();
        assert_eq!(shares, [1, 10]);
    }

    #[test]
    fn a_bar_says_what_the_rules_said_and_why() {
        let said = below(Screen::PIPE, &with(json!({})));
        assert_eq!(
            said,
            "new-checkout.1  running, canary (1 of 3), 1 %\n    errors healthy at 0.004\n    \
             holds at 1 %: stage lasts until 09:15:01"
        );
    }

    #[test]
    fn only_what_completed_is_a_success() {
        let ended = |ending: &str| {
            let phase =
                json!({"kind": "ended", "ending": ending, "at": "2026-11-22T09:30:00Z", "took": null});
            with(json!({"phase": phase, "id": format!("{ending}.1")}))
        };
        assert!(verdict(&[ended("completed")]).is_ok());
        let failure = verdict(&[ended("completed"), ended("rolled_back"), ended("aborted")]).unwrap_err();
        assert_eq!(failure.exit(), Exit::RolledBack);
        assert_eq!(failure.to_string(), "rolled_back.1, aborted.1 did not complete");
    }
}
