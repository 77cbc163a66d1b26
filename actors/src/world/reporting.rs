//! What the journal tells of a rollout of the real control plane: explanations of any moment, and reports.

use super::*;
use tidegate_model::rollout::PauseOwner;

const SCRIPT: &str = "<script>alert(\"x\")</script> | **bold** [a](b)";

/// The usual policy, with a query that tries to be markup, and a rule that only shows.
fn policy() -> String {
    POLICY
        .replace("flag=\"{{flag}}\"", "flag=\"{{flag}}\", note=\"</code><script>alert(1)</script>\"")
        .replace(
            "      action: rollback\n",
            "      action: rollback\n      trip: { of: 3, need: 2 }\n    - { name: beside, dryRun: true, compare: { candidate: 'sum(rate(a{v=\"{{variation}}\"}[{{window}}]))', baseline: 'sum(rate(a{v=\"{{baseline}}\"}[{{window}}]))', method: difference, tolerance: 1 } }\n",
        )
        .replace("duration: 1h }\n    - { name: everyone", "duration: 1h, waitForApproval: true }\n    - { name: everyone")
}

/// A rollout that was paused, went blind, was approved, and was rolled back; with its world.
async fn told() -> (World, RolloutId) {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    let name = PolicyName::new("hourly").unwrap();
    let saved = world
        .control
        .save_policy(&world.environment, &name, policy(), Expect::Any, World::by());
    saved.await.unwrap();
    let id = world.start().await.unwrap();
    world.says(Ok(0.004));
    world.advance(minutes(20)).await;
    let reason = SCRIPT.to_owned();
    world
        .command(&id, RolloutCommand::Pause { reason })
        .await
        .unwrap();
    world.advance(minutes(10)).await;
    world.says(Err(UnknownReason::NoSeries));
    world.advance(minutes(5)).await;
    world.says(Ok(0.004));
    let owner = PauseOwner::Operator;
    let resume = RolloutCommand::Resume {
        owner,
        reason: String::new(),
    };
    world.command(&id, resume).await.unwrap();
    world.advance(minutes(20)).await;
    let by = Author::token(TokenName::new("carol").unwrap(), Role::Approver);
    let stage = tidegate_model::key::StageName::new("half").unwrap();
    let approve = RolloutCommand::Approve { stage, plan: None };
    let approved =
        world
            .control
            .command_rollout(&world.environment, &id, approve, Expect::Any, by, Role::Approver);
    approved.await.unwrap();
    world.advance(minutes(20)).await;
    assert_eq!(world.published_percent(), Some(50.0));
    world.says(Ok(0.03));
    world.advance(minutes(5)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    (world, id)
}

#[actix_rt::test]
async fn x13_what_people_wrote_is_text_in_every_report() {
    let (world, id) = told().await;
    let report = world
        .control
        .report_rollout(&world.environment, &id)
        .await
        .unwrap();
    let html = report.html();
    assert!(
        !html.contains("<script") && !html.contains("javascript:"),
        "{html}"
    );
    assert_eq!(
        html.matches("</code>").count(),
        html.matches("<code>").count(),
        "{html}"
    );
    for escaped in [
        "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;",
        "note=&quot;&lt;/code&gt;&lt;script&gt;",
    ] {
        assert!(html.contains(escaped), "{escaped} in\n{html}");
    }
    assert!(html.contains("default-src 'none'"));
    let markdown = report.markdown();
    let code = |line: &&str| line.starts_with("    ");
    let text: Vec<&str> = markdown.lines().filter(|line| !code(line)).collect();
    let text = text.join("\n");
    assert!(!text.contains("<script") && !text.contains("**bold**"), "{text}");
    assert!(text.contains(r"\*\*bold\*\* \[a\](b)"), "{text}");
}

#[actix_rt::test]
async fn a_report_of_a_rollout_under_way_goes_until_now() {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(70)).await;
    let report = world
        .control
        .report_rollout(&world.environment, &id)
        .await
        .unwrap();
    assert_eq!((report.ended, report.until), (None, world.control.clock().now()));
    assert_eq!(report.result, "running, in half at 50 %");
    let visits: Vec<(&str, bool)> = report
        .progress
        .iter()
        .map(|visit| (visit.stage.as_str(), visit.left.is_some()))
        .collect();
    assert_eq!(visits, [("first", true), ("half", false)]);
    assert!(!report.validation.completed && report.safety.rollback.is_none());
    assert!(report.html().contains("<polyline"));
}

#[actix_rt::test]
async fn any_moment_is_explained_from_the_journal() {
    let (world, id) = told().await;
    let explain = async |minute: u64| {
        let at = tidegate_model::span::Span::seconds(60 * minute).after(Timestamp::default());
        world
            .control
            .explain_rollout(&world.environment, &id, Some(at))
            .await
    };
    let paused = explain(25).await.unwrap();
    assert_eq!(
        (paused.rollout.status.as_str(), paused.rollout.share.percent()),
        ("paused", 1.0)
    );
    assert_eq!(paused.decided.by, "sre (operator)");
    assert!(paused.decided.because.starts_with("paused at 1 %"), "{paused:?}");
    assert!(paused.reasons[0].contains(SCRIPT), "{:?}", paused.reasons);
    assert!(
        paused.before[0].because.starts_with("started at 1 %"),
        "{:?}",
        paused.before
    );
    let errors = paused
        .looks
        .iter()
        .find(|kept| kept.look.rule.as_str() == "errors")
        .unwrap();
    let trace = errors.trace.as_ref().unwrap();
    assert!(trace.asked[0].text.contains("errors_total"), "{trace:?}");
    assert!(errors.look.at <= paused.at, "nothing from after the moment");
    let half = explain(70).await.unwrap();
    assert_eq!(half.rollout.stage.as_deref(), Some("half"));
    assert!(
        half.before
            .iter()
            .any(|decision| decision.by == "carol (approver)")
    );
    let end = world
        .control
        .explain_rollout(&world.environment, &id, None)
        .await
        .unwrap();
    assert_eq!(end.rollout.status, "rolled_back");
    assert!(
        end.decided
            .because
            .starts_with("rolled back, confirmed by every live node")
    );
    let early = Timestamp::from_timestamp(-60, 0).unwrap();
    let early = world
        .control
        .explain_rollout(&world.environment, &id, Some(early))
        .await;
    assert!(
        early
            .unwrap_err()
            .to_string()
            .contains("ask about a moment after that")
    );
    let absent = RolloutId::new("checkout.7").unwrap();
    let absent = world
        .control
        .explain_rollout(&world.environment, &absent, None)
        .await;
    assert!(matches!(absent.unwrap_err(), ControlError::NotFound { .. }));
}
