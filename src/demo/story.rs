//! What happens in the demo: two features are opened, one of them fails.

use super::EAGERLY;
use super::cast::Cast;
use super::stopwatch::Stopwatch;
use super::timeline::{Mood, Timeline};
use crate::cli::client::{Body, Client};
use crate::cli::failure::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate_actors::view::RolloutView;
use tidegate_model::change::{EntityRef, Kind};
use tidegate_model::policy::{Policy, Rule, Source, read};
use tidegate_model::rollout::{Ending, Phase};

/// The feature that is fine.
const HEALTHY: &str = "new-checkout";
/// The feature whose new variation fails.
const FAILING: &str = "new-search";

/// The policy of the demo for rules that ask Prometheus, and for rules that look at events.
const POLICY_PROMETHEUS: &str = include_str!("../../examples/shop/policies/demo-prometheus.yaml");
const POLICY_EVENTS: &str = include_str!("../../examples/shop/policies/demo-events.yaml");

/// How often the visitor is told what is being waited for.
const REMIND_EVERY: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct AuditPage {
    items: Vec<AuditLine>,
}

#[derive(Deserialize)]
struct AuditLine {
    sequence: u64,
    #[serde(default)]
    because: Option<String>,
    entries: Vec<AuditEntry>,
}

#[derive(Deserialize)]
struct AuditEntry {
    entity: EntityRef,
}

/// Plays the two rollouts to their ends.
pub(super) async fn play(cast: &Cast, client: &Client, timeline: &Timeline) -> Result<(), Failure> {
    let text = if cast.prometheus.is_some() {
        POLICY_PROMETHEUS
    } else {
        POLICY_EVENTS
    };
    let policy = set_the_scene(client, text).await?;
    wait_for_shoppers(cast, timeline).await?;
    for flag in [HEALTHY, FAILING] {
        let start = json!({"flag": flag, "policy": policy.name});
        client.post(&client.within("rollouts"), &start).await?;
    }
    let stopwatch = Stopwatch::of(cast)?;
    let mut measuring = Box::pin(measure_time_to_safe(&stopwatch, client, &policy));
    let mut measured = None;
    let watching = watch_until_both_end(client, timeline);
    tokio::pin!(watching);
    let ends = loop {
        tokio::select! {
            ends = &mut watching => break ends?,
            times = &mut measuring, if measured.is_none() => measured = Some(times?),
        }
    };
    conclude(&ends, &policy, measured, timeline)
}

async fn set_the_scene(client: &Client, text: &str) -> Result<Policy, Failure> {
    let (policy, diagnostics) = read::read(text);
    let Some(policy) = policy else {
        let said: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        return Err(Failure::input(
            "the demo's policy",
            said.join("; "),
            "this is a bug",
        ));
    };
    let path = client.within(&format!("policies/{}", policy.name));
    client.put(&path, Body::Yaml(text.to_owned()), None).await?;
    for flag in [HEALTHY, FAILING] {
        let definition =
            json!({"key": flag, "type": "boolean", "description": "A feature of the demo's shop"});
        client
            .put(
                &client.within(&format!("flags/{flag}")),
                Body::Json(definition),
                None,
            )
            .await?;
    }
    Ok(policy)
}

/// A Prometheus that just started scrapes for the first time after some seconds.
async fn wait_for_shoppers(cast: &Cast, timeline: &Timeline) -> Result<(), Failure> {
    let Some(url) = &cast.prometheus else {
        return Ok(());
    };
    timeline.say("waiting until Prometheus sees the shoppers");
    let stopwatch = Stopwatch::of(cast)?;
    let seen = stopwatch.breach_is_visible(
        "sum(rate(http_requests_total{flag=\"new-checkout\"}[10s]))",
        0.0,
        ("vector(1)", 1.0),
    );
    match tokio::time::timeout(Duration::from_secs(60), seen).await {
        Ok(_seen) => Ok(()),
        Err(_elapsed) => Err(Failure::input(
            url,
            "no request of the shop arrives there within a minute",
            format!("let it scrape {}metrics every second", cast.shop),
        )),
    }
}

/// Tells every decision as it is made, and from time to time what is being waited for.
async fn watch_until_both_end(client: &Client, timeline: &Timeline) -> Result<Vec<RolloutView>, Failure> {
    let mut told = 0;
    let mut reminded = Instant::now();
    loop {
        // Asked for first: what has ended has its last line in the journal.
        let views: Vec<RolloutView> = client.get(&client.within("rollouts")).await?.items()?;
        let page: AuditPage = client
            .get(&client.within(&format!("audit?after={told}&limit=1000")))
            .await?
            .read()?;
        for line in page.items {
            told = line.sequence;
            let rollout = line
                .entries
                .iter()
                .find(|entry| entry.entity.kind() == Kind::Rollout);
            // Looks that are worth a line in the journal are not always worth one here.
            let decision = line.because.filter(|because| !because.starts_with("holds"));
            if let (Some(entry), Some(because)) = (rollout, decision) {
                let feature = entry
                    .entity
                    .name()
                    .rsplit_once('.')
                    .map_or("", |(flag, _attempt)| flag);
                timeline.tell(feature, &because, mood(&because));
            }
        }
        if views.len() == 2 && views.iter().all(|view| matches!(view.phase, Phase::Ended { .. })) {
            return Ok(views);
        }
        if reminded.elapsed() >= REMIND_EVERY {
            reminded = Instant::now();
            for view in views
                .iter()
                .filter(|view| !matches!(view.phase, Phase::Ended { .. }))
            {
                timeline.tell(view.flag.as_str(), &view.because, Mood::Plain);
            }
        }
        tokio::time::sleep(EAGERLY * 5).await;
    }
}

fn mood(because: &str) -> Mood {
    if because.starts_with("roll") {
        Mood::Bad
    } else if because.starts_with("advanced") || because.starts_with("completed") {
        Mood::Good
    } else {
        Mood::Plain
    }
}

/// From the moment the breach can be seen to the moment every node serves the safe variation.
async fn measure_time_to_safe(
    stopwatch: &Stopwatch,
    client: &Client,
    policy: &Policy,
) -> Result<(Instant, Instant), Failure> {
    let unit = stopwatch.find_somebody_inside(FAILING).await;
    let rule = policy.safety.rules.first();
    let visible = match rule.map(|rule| (rule, &rule.source)) {
        Some((rule, Source::Query(query))) => {
            let minimum = rule.minimum.as_ref();
            let counting = minimum
                .and_then(|minimum| minimum.query.as_deref())
                .unwrap_or("vector(1)");
            let at_least = minimum.map_or(1.0, |minimum| minimum.at_least);
            let (query, counting) = (fill_in(query, rule), fill_in(counting, rule));
            stopwatch
                .breach_is_visible(&query, rule.threshold, (&counting, at_least))
                .await
        }
        // With events there is no outside to look from: the first look that says so is what is known.
        _ => first_breached_look(client).await?,
    };
    Ok((visible, stopwatch.everybody_is_safe(FAILING, &unit).await))
}

fn fill_in(query: &str, rule: &Rule) -> String {
    let names = BTreeMap::from([
        ("flag", FAILING.to_owned()),
        ("variation", "on".to_owned()),
        ("window", rule.window.promql()),
    ]);
    names.iter().fold(query.to_owned(), |query, (name, value)| {
        query.replace(&format!("{{{{{name}}}}}"), value)
    })
}

async fn first_breached_look(client: &Client) -> Result<Instant, Failure> {
    loop {
        let views: Vec<Value> = client.get(&client.within("rollouts")).await?.items()?;
        let failing = views
            .iter()
            .find(|view| view.get("flag").and_then(Value::as_str) == Some(FAILING));
        let breached = |look: &Value| look.get("verdict").and_then(Value::as_str) == Some("breached");
        let looks = failing
            .and_then(|view| view.get("looks"))
            .and_then(Value::as_object);
        if looks.is_some_and(|looks| looks.values().any(breached)) {
            return Ok(Instant::now());
        }
        tokio::time::sleep(EAGERLY).await;
    }
}

/// Both ends must be what was promised: the demo is a test, too.
fn conclude(
    ends: &[RolloutView],
    policy: &Policy,
    measured: Option<(Instant, Instant)>,
    timeline: &Timeline,
) -> Result<(), Failure> {
    for view in ends {
        let Phase::Ended { ending, took, .. } = &view.phase else {
            continue;
        };
        let expected = if view.flag.as_str() == FAILING {
            Ending::RolledBack
        } else {
            Ending::Completed
        };
        if *ending != expected {
            let why = std::io::Error::other(view.because.clone());
            return Err(Failure::process(
                format!("{} was to be {expected} and was {ending}", view.flag),
                why,
            ));
        }
        if let Some(took) = took {
            timeline.say(&format!(
                "decision to roll {} back -> last node's confirmation: {}",
                view.flag,
                took.rounded()
            ));
        }
    }
    let from = if matches!(
        policy.safety.rules.first().map(|rule| &rule.source),
        Some(Source::Query(_))
    ) {
        "breach visible in Prometheus"
    } else {
        "first look that shows the breach"
    };
    if let Some((visible, safe)) = measured {
        timeline.say(&format!(
            "{from} -> every node serves the safe variation: {:.3} s (rules are looked at every {})",
            safe.saturating_duration_since(visible).as_secs_f64(),
            policy.safety.interval
        ));
    }
    Ok(())
}

/// What a visitor may do next.
#[expect(clippy::print_stdout, reason = "this is what the command answers")]
pub(super) fn tell_what_to_try(cast: &Cast) {
    let token = cast.folder.join("data/admin-token");
    let folder = std::env::current_exe()
        .ok()
        .and_then(|program| program.parent().map(Path::to_owned));
    println!(
        "\nEverything keeps running until Ctrl-C. In another terminal, try:\n\n  \
         export PATH={}:$PATH TIDEGATE_URL={} TIDEGATE_TOKEN=$(cat {})\n  \
         tidegate flag list\n  \
         tidegate rollout status {FAILING}\n  \
         tidegate rollout start {FAILING} --policy {}\n  \
         tidegate rollout watch {FAILING}\n  \
         tidegate rollout rollback {HEALTHY}   # refused, and why\n  \
         tidegate audit --limit 10\n\n  \
         {}docs/      the API, to click through\n  \
         {}          the shop\n",
        folder.unwrap_or_default().display(),
        cast.plane,
        token.display(),
        if cast.prometheus.is_some() {
            "demo-prometheus"
        } else {
            "demo-events"
        },
        cast.plane,
        cast.shop
    );
}
