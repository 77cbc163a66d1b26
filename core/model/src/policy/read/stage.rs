//! Stages that are written out.

use super::cursor::{Cursor, Mapping, shown, suggestion};
use super::schedule::name_of;
use super::{LIST_MAX, gate, keys, unique_names};
use crate::access::{Permission, Role};
use crate::key::{SegmentKey, StageName};
use crate::policy::{Approval, Stage, SuccessCriterion, Wave};
use crate::share::Share;
use crate::span::Span;
use std::collections::{BTreeMap, BTreeSet};

/// A share of somebody at least.
pub(super) fn open_share(at: &Cursor<'_>) -> Option<Share> {
    let share = at.share()?;
    if share == Share::ZERO {
        at.error(
            "0 % opens it for nobody, so there is nothing to measure",
            "for example 1",
        );
        return None;
    }
    Some(share)
}

/// How long a stage lasts.
pub(super) fn lasting(at: &Cursor<'_>) -> Option<Span> {
    at.positive_span("a stage of no length shows nothing before the next opens")
}

pub(super) fn read(at: &Cursor<'_>, rules: Option<&[&str]>) -> Option<Vec<Stage>> {
    let items = at.list()?;
    if items.is_empty() {
        at.error(
            "there is no stage, so nothing would ever open",
            "add one with a percentage and a duration, or leave 'stages' out for the usual ones",
        );
        return None;
    }
    if items.len() > LIST_MAX {
        at.error(format!("{} stages; at most {LIST_MAX} are read", items.len()), "");
        return None;
    }
    unique_names(&items, "stage");
    let mut before = Before::default();
    let stages: Vec<_> = items.iter().map(|item| stage(item, rules, &mut before)).collect();
    stages.into_iter().collect()
}

/// What the stages before said.
#[derive(Default)]
struct Before {
    largest: Option<Share>,
    /// How far each segment was opened.
    waves: BTreeMap<SegmentKey, Share>,
    /// Whether one of them opened to anybody.
    anybody: bool,
}

/// Reports a share that is not larger than the largest before it.
fn increasing(at: &Cursor<'_>, share: Share, largest: &mut Option<Share>) {
    if let Some(before) = largest.filter(|before| share <= *before) {
        at.error(
            format!("{share} does not open further than the {before} before it"),
            "each stage is larger than the one before; going back is what rollback is for",
        );
    }
    *largest = (*largest).max(Some(share));
}

/// To which segment a stage opens, if it is not everybody's.
fn wave(stage: &Mapping<'_>, before: &mut Before) -> Option<Option<Wave>> {
    let Some(at) = stage.get("segment") else {
        before.anybody = true;
        if let Some(of) = stage.get("of") {
            of.error(
                "there is no segment of which this would be a part",
                "name one with 'segment', or leave 'of' out",
            );
            return None;
        }
        return Some(None);
    };
    let segment: SegmentKey = at.name()?;
    let share = match stage.get("of") {
        Some(of) => open_share(of)?,
        None => Share::ALL,
    };
    if before.anybody {
        at.error(
            "a stage before it is open to anybody already",
            "let stages with a segment come first",
        );
        return None;
    }
    if let Some(had) = before.waves.get(&segment).filter(|had| share <= **had) {
        let place = stage.get("of").unwrap_or(at);
        place.error(
            format!("{share} of segment {segment} is no more than the {had} before it"),
            "let 'of' grow from stage to stage of a segment",
        );
        return None;
    }
    before.waves.insert(segment.clone(), share);
    Some(Some(Wave { segment, share }))
}

/// How a stage is called that was given no name.
fn usual_name(wave: Option<&Wave>, percentage: Share) -> Option<StageName> {
    match wave {
        None => name_of(percentage),
        Some(Wave { segment, share }) if *share == Share::ALL => StageName::new(segment.as_str()).ok(),
        Some(Wave { segment, share }) => {
            StageName::new(&format!("{segment}-{}-percent", share.percent())).ok()
        }
    }
}

fn stage(at: &Cursor<'_>, rules: Option<&[&str]>, before: &mut Before) -> Option<Stage> {
    let stage = at.mapping(&keys::STAGE)?;
    let percentage = stage.get("percentage").and_then(|at| {
        let share = open_share(at)?;
        increasing(at, share, &mut before.largest);
        Some(share)
    });
    let wave = wave(&stage, before);
    let name = match stage.get("name") {
        Some(at) => at.name(),
        None => percentage.and_then(|share| usual_name(wave.as_ref()?.as_ref(), share)),
    };
    let duration = stage.get("duration").and_then(lasting);
    let approval = stage.or("waitForApproval", None, approval);
    let criteria = stage.or("successCriteria", Vec::new(), |at| {
        let criteria: Vec<_> = at.list()?.iter().map(|item| criterion(item, rules)).collect();
        criteria.into_iter().collect()
    });
    let gates = stage.or("gate", Vec::new(), gate::read);
    let no_return = stage.or("pointOfNoReturn", false, Cursor::expect_boolean);
    if let (Some(true), Some(at)) = (no_return, stage.get("pointOfNoReturn")) {
        let nobody = matches!(approval, Some(None)) && gates.as_ref().is_some_and(Vec::is_empty);
        if nobody {
            at.warning(
                "nothing leads back from this stage, and nobody is asked before it opens",
                "add 'waitForApproval: true', or a gate",
            );
        }
    }
    Some(Stage {
        name: name?,
        percentage: percentage?,
        wave: wave?,
        duration: duration?,
        wait_for_approval: approval?,
        success_criteria: criteria?,
        gates: gates?,
        point_of_no_return: no_return?,
    })
}

fn criterion(at: &Cursor<'_>, rules: Option<&[&str]>) -> Option<SuccessCriterion> {
    let criterion = at.mapping(&keys::CRITERION)?;
    let rule = criterion.get("rule");
    if let (Some(at), Some(rules)) = (rule, rules)
        && let Some(name) = at.peek().filter(|name| !rules.contains(name))
    {
        at.error(
            format!("there is no rule {}", shown(name)),
            suggestion(name, rules.iter().copied()),
        );
    }
    let healthy_for = criterion
        .get("healthyFor")
        .and_then(|at| at.positive_span("healthy for no time at all asks for nothing"));
    Some(SuccessCriterion {
        rule: rule?.name()?,
        healthy_for: healthy_for?,
    })
}

/// Who may approve unless the stage says otherwise.
fn approvers() -> BTreeSet<Role> {
    let may = |role: &Role| role.allows(Permission::Approve);
    Role::ALL.into_iter().filter(may).collect()
}

/// `true`, `false`, or a mapping.
fn approval(at: &Cursor<'_>) -> Option<Option<Approval>> {
    if at.is_mapping() {
        let approval = at.mapping(&keys::APPROVAL)?;
        let roles = approval.or("roles", approvers(), roles);
        let expires = approval.or("expires", None, |at| {
            at.positive_span("an approval that expires at once can never be used")
                .map(Some)
        });
        return Some(Some(Approval {
            roles: roles?,
            expires: expires?,
        }));
    }
    let Some(wanted) = at.boolean() else {
        at.error(
            "an approval is 'true', 'false' or a mapping",
            "for example { roles: [approver], expires: 8h }",
        );
        return None;
    };
    Some(wanted.then(|| Approval {
        roles: approvers(),
        expires: None,
    }))
}

fn roles(at: &Cursor<'_>) -> Option<BTreeSet<Role>> {
    let items = at.list()?;
    if items.is_empty() {
        at.error(
            "nobody could approve",
            "leave 'roles' out for approvers and admins",
        );
        return None;
    }
    let approvers: Vec<_> = approvers().into_iter().map(|role| (role.name(), role)).collect();
    let role = |item: &Cursor<'_>| {
        let known = item.peek().and_then(|name| name.parse::<Role>().ok());
        if let Some(role) = known.filter(|role| !role.allows(Permission::Approve)) {
            item.error(
                format!("the role '{role}' may not approve, so its word would never count"),
                "for example approver",
            );
            return None;
        }
        item.word(&approvers)
    };
    let roles: Vec<_> = items.iter().map(role).collect();
    roles.into_iter().collect()
}
