//! The keys and words that policy files know, level by level.
//!
//! The reader accepts exactly these; `policies/schema.json` lists them for editors, and a test holds
//! the two together.

use crate::notice::Occasion;
use crate::policy::{Action, BlindAction, Comparison, EventAggregate, FlagEdits, QuorumBy, UnknownMeans};

/// The keys of one kind of mapping.
#[derive(Debug)]
pub struct Level {
    /// Its name among the definitions of `policies/schema.json`.
    pub name: &'static str,
    /// Keys without which nothing works.
    pub required: &'static [&'static str],
    /// Keys with a default.
    pub optional: &'static [&'static str],
}

impl Level {
    /// All its keys, required ones first.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.required.iter().chain(self.optional).copied()
    }
}

/// The whole file.
pub const POLICY: Level = Level {
    name: "policy",
    required: &["apiVersion", "kind", "name", "safety"],
    optional: &[
        "description",
        "arguments",
        "schedule",
        "blind",
        "rollback",
        "alerts",
        "watchdog",
        "notify",
        "traffic",
        "dependencies",
        "interlock",
        "flagEdits",
        "exposure",
    ],
};
/// `arguments.<name>`
pub const ARGUMENT: Level = Level {
    name: "argument",
    required: &[],
    optional: &["description", "example", "default"],
};
/// `schedule` with `type: custom`
pub const CUSTOM: Level = Level {
    name: "customSchedule",
    required: &[],
    optional: &[
        "type",
        "stages",
        "pauseBetweenStages",
        "windows",
        "freezes",
        "bakeMustFit",
        "monitorAfter",
        "quorum",
    ],
};
/// `schedule` with `type: linear`
pub const LINEAR: Level = Level {
    name: "linearSchedule",
    required: &["type", "from", "step", "duration"],
    optional: &[
        "pauseBetweenStages",
        "windows",
        "freezes",
        "bakeMustFit",
        "monitorAfter",
        "quorum",
    ],
};
/// `schedule` with `type: exponential`
pub const EXPONENTIAL: Level = Level {
    name: "exponentialSchedule",
    required: &["type", "from", "duration"],
    optional: &[
        "factor",
        "pauseBetweenStages",
        "windows",
        "freezes",
        "bakeMustFit",
        "monitorAfter",
        "quorum",
    ],
};
/// `schedule.stages[]`
pub const STAGE: Level = Level {
    name: "stage",
    required: &["percentage", "duration"],
    optional: &[
        "name",
        "segment",
        "of",
        "waitForApproval",
        "successCriteria",
        "gate",
        "pointOfNoReturn",
    ],
};
/// `schedule.stages[].waitForApproval`
pub const APPROVAL: Level = Level {
    name: "approval",
    required: &[],
    optional: &["roles", "expires"],
};
/// `schedule.stages[].successCriteria[]`
pub const CRITERION: Level = Level {
    name: "criterion",
    required: &["rule", "healthyFor"],
    optional: &[],
};
/// `schedule.windows[]`
pub const WINDOW: Level = Level {
    name: "window",
    required: &["for"],
    optional: &["allow", "deny", "timezone", "reason"],
};
/// `schedule.freezes[]`
pub const FREEZE: Level = Level {
    name: "freeze",
    required: &["from", "to", "reason"],
    optional: &["timezone"],
};
/// `schedule.quorum`
pub const QUORUM: Level = Level {
    name: "quorum",
    required: &[],
    optional: &["share", "by"],
};
/// `safety`
pub const SAFETY: Level = Level {
    name: "safety",
    required: &["rules"],
    optional: &["interval", "falseRollbackBudget"],
};
/// `safety.rules[]`
pub const RULE: Level = Level {
    name: "rule",
    required: &["name"],
    optional: &[
        "query",
        "events",
        "compare",
        "slo",
        "score",
        "threshold",
        "window",
        "interval",
        "comparison",
        "clear",
        "trip",
        "consecutive",
        "minimum",
        "unknown",
        "action",
        "dryRun",
    ],
};
/// `safety.rules[].compare`
pub const COMPARE: Level = Level {
    name: "compare",
    required: &["candidate", "baseline", "method"],
    optional: &["tolerance", "effect", "significance", "step"],
};
/// `safety.rules[].compare.candidate` and `baseline` with `method: sequential`
pub const COUNTERS: Level = Level {
    name: "counters",
    required: &["errors", "requests"],
    optional: &[],
};
/// `safety.rules[].slo`
pub const SLO: Level = Level {
    name: "slo",
    required: &["objective", "errorRatio"],
    optional: &["burnRates", "period", "startAbove"],
};
/// `safety.rules[].slo.burnRates[]`
pub const BURN_RATE: Level = Level {
    name: "burnRate",
    required: &["long", "short", "rate"],
    optional: &[],
};
/// `safety.rules[].score`
pub const SCORE: Level = Level {
    name: "score",
    required: &["of", "pass"],
    optional: &["marginal"],
};
/// `safety.rules[].score.of[]`
pub const SCORE_PART: Level = Level {
    name: "scorePart",
    required: &["rule"],
    optional: &["weight"],
};
/// `safety.rules[].events`
pub const EVENTS: Level = Level {
    name: "events",
    required: &["metric"],
    optional: &["aggregate", "per"],
};
/// `safety.rules[].events.per`
pub const PER: Level = Level {
    name: "perMetric",
    required: &["metric"],
    optional: &[],
};
/// `safety.rules[].trip`
pub const TRIP: Level = Level {
    name: "trip",
    required: &["of", "need"],
    optional: &[],
};
/// `safety.rules[].minimum`
pub const MINIMUM: Level = Level {
    name: "minimum",
    required: &["atLeast"],
    optional: &["query"],
};
/// `safety.rules[].unknown`: every reason except `window_overlaps_stage`, which always holds.
pub const UNKNOWN: Level = Level {
    name: "unknownByReason",
    required: &[],
    optional: &[
        "default",
        "no_series",
        "nan",
        "inf",
        "stale_sample",
        "too_few",
        "many_series",
        "partial",
        "provider_error",
        "timeout",
    ],
};
/// `blind`
pub const BLIND: Level = Level {
    name: "blind",
    required: &[],
    optional: &["after", "do"],
};
/// `rollback`
pub const ROLLBACK: Level = Level {
    name: "rollback",
    required: &[],
    optional: &["to", "cooldown", "attempts"],
};
/// `rollback.to`
pub const TARGET: Level = Level {
    name: "rollbackVariation",
    required: &["variation"],
    optional: &[],
};

/// `alerts[]`
pub const ALERT: Level = Level {
    name: "alertRule",
    required: &[],
    optional: &["match", "do"],
};
/// `watchdog`
pub const WATCHDOG: Level = Level {
    name: "watchdog",
    required: &[],
    optional: &["match", "every"],
};

/// `schedule.stages[].gate`
pub const GATE: Level = Level {
    name: "gate",
    required: &["target"],
    optional: &["deadline", "every", "expires"],
};
/// `notify[]`
pub const NOTIFY: Level = Level {
    name: "notifyRule",
    required: &["to"],
    optional: &["on"],
};
/// `traffic`
pub const TRAFFIC: Level = Level {
    name: "traffic",
    required: &["perMinute"],
    optional: &["baseline"],
};
/// `dependencies`
pub const DEPENDENCIES: Level = Level {
    name: "dependencies",
    required: &[],
    optional: &["after", "with", "notWith"],
};
/// `exposure`
pub const EXPOSURE: Level = Level {
    name: "exposure",
    required: &["audience"],
    optional: &["userMinutes", "units", "do"],
};

/// A schedule alone, for a rollout that is under way. Not in any policy file.
pub const AHEAD: Level = Level {
    name: "scheduleAhead",
    required: &["schedule"],
    optional: &[],
};

/// Every level of a policy file.
pub const LEVELS: &[&Level] = &[
    &POLICY,
    &ARGUMENT,
    &CUSTOM,
    &LINEAR,
    &EXPONENTIAL,
    &STAGE,
    &APPROVAL,
    &CRITERION,
    &WINDOW,
    &FREEZE,
    &QUORUM,
    &SAFETY,
    &RULE,
    &COMPARE,
    &COUNTERS,
    &SLO,
    &BURN_RATE,
    &SCORE,
    &SCORE_PART,
    &EVENTS,
    &PER,
    &TRIP,
    &MINIMUM,
    &UNKNOWN,
    &BLIND,
    &ROLLBACK,
    &TARGET,
    &ALERT,
    &WATCHDOG,
    &GATE,
    &NOTIFY,
    &TRAFFIC,
    &DEPENDENCIES,
    &EXPOSURE,
];

/// How a schedule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleType {
    /// Every stage by itself.
    Custom,
    /// By equal steps.
    Linear,
    /// By equal factors.
    Exponential,
}

/// `schedule.type`
pub const SCHEDULE_TYPES: &[(&str, ScheduleType)] = &[
    ("custom", ScheduleType::Custom),
    ("linear", ScheduleType::Linear),
    ("exponential", ScheduleType::Exponential),
];
/// How the candidate is compared with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareMethod {
    /// By subtraction.
    Difference,
    /// By division.
    Ratio,
    /// By the ranks of their samples.
    MannWhitney,
    /// By counters, with a bounded chance of a false rollback.
    Sequential,
}

/// `safety.rules[].compare.method`
pub const COMPARE_METHODS: &[(&str, CompareMethod)] = &[
    ("difference", CompareMethod::Difference),
    ("ratio", CompareMethod::Ratio),
    ("mann_whitney", CompareMethod::MannWhitney),
    ("sequential", CompareMethod::Sequential),
];
/// `safety.rules[].comparison`
pub const COMPARISONS: &[(&str, Comparison)] = &[
    ("greater_than", Comparison::GreaterThan),
    ("less_than", Comparison::LessThan),
    ("equals", Comparison::Equals),
];
/// `safety.rules[].action`
pub const ACTIONS: &[(&str, Action)] = &[
    ("alert", Action::Alert),
    ("pause", Action::Pause),
    ("retreat", Action::Retreat),
    ("rollback", Action::Rollback),
];
/// `safety.rules[].unknown`, for all reasons but `no_series`
pub const UNKNOWN_MEANS: &[(&str, UnknownMeans)] = &[
    ("hold", UnknownMeans::Hold),
    ("healthy", UnknownMeans::Healthy),
    ("breached", UnknownMeans::Breached),
];
/// `safety.rules[].unknown.no_series`: an empty answer is the one that may stand for zero.
pub const NO_SERIES_MEANS: &[(&str, UnknownMeans)] = &[
    ("hold", UnknownMeans::Hold),
    ("healthy", UnknownMeans::Healthy),
    ("breached", UnknownMeans::Breached),
    ("zero", UnknownMeans::Zero),
];
/// `safety.rules[].events.aggregate`
pub const AGGREGATES: &[(&str, EventAggregate)] =
    &[("count", EventAggregate::Count), ("sum", EventAggregate::Sum)];
/// `notify[].on[]`
pub const OCCASIONS: &[(&str, Occasion)] = &[
    ("started", Occasion::Started),
    ("took_effect", Occasion::TookEffect),
    ("advanced", Occasion::Advanced),
    ("plan_proposed", Occasion::PlanProposed),
    ("plan_changed", Occasion::PlanChanged),
    ("monitoring", Occasion::Monitoring),
    ("paused", Occasion::Paused),
    ("resumed", Occasion::Resumed),
    ("approved", Occasion::Approved),
    ("retreated", Occasion::Retreated),
    ("rolling_back", Occasion::RollingBack),
    ("rolled_back", Occasion::RolledBack),
    ("completed", Occasion::Completed),
    ("aborted", Occasion::Aborted),
    ("alerted", Occasion::Alerted),
];
/// `schedule.quorum.by`
pub const QUORUM_BY: &[(&str, QuorumBy)] = &[("nodes", QuorumBy::Nodes), ("requests", QuorumBy::Requests)];
/// `exposure.do`
pub const EXPOSURE_ACTIONS: &[(&str, Action)] = &[
    ("pause", Action::Pause),
    ("retreat", Action::Retreat),
    ("rollback", Action::Rollback),
];
/// `flagEdits`
pub const FLAG_EDITS: &[(&str, FlagEdits)] =
    &[("restart", FlagEdits::Restart), ("refuse", FlagEdits::Refuse)];
/// `blind.do`
pub const BLIND_ACTIONS: &[(&str, BlindAction)] = &[
    ("hold", BlindAction::Hold),
    ("pause", BlindAction::Pause),
    ("retreat", BlindAction::Retreat),
    ("rollback", BlindAction::Rollback),
];

/// The units of durations. Fewer than [`crate::span::Span`] reads: its `M` is a month, and nobody
/// who writes `5M` beside `5m` means one.
pub const DURATION_UNITS: &[&str] = &[
    "ms", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hour", "hours", "d", "day",
    "days", "w", "week", "weeks",
];
