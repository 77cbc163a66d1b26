//! What stands in a report, before it is Markdown or HTML.

use super::drawing::Drawing;
use super::text::{given, p};
use super::{Besides, Report, besides, measured, planned};
use crate::result::{Answer, Corrected, ExperimentResult, Family};
use tidegate_model::because::Figure;
use tidegate_model::experiment::Role;

/// A part of a report. All texts are plain.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Title(String),
    Chapter(String),
    Section(String),
    Text(String),
    Items(Vec<String>),
    Table {
        header: Vec<&'static str>,
        rows: Vec<Vec<String>>,
    },
    /// Only where it can be drawn.
    Drawing(Drawing),
}

impl Block {
    pub(super) fn chapter(text: &str) -> Self {
        Self::Chapter(text.to_owned())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn table(header: &[&'static str], rows: Vec<Vec<String>>) -> Self {
        Self::Table {
            header: header.to_vec(),
            rows,
        }
    }
}

pub(super) fn title(report: &Report<'_>) -> String {
    format!("Experiment {}: {}", report.design.key, report.decision.action)
}

fn decision(report: &Report<'_>) -> [Block; 3] {
    let because = report.decision.because.iter().map(ToString::to_string);
    [
        Block::chapter("Decision"),
        Block::text(format!("Proposed: {}.", report.decision.action)),
        Block::Items(because.collect()),
    ]
}

/// What decides, and no more.
pub(super) fn brief(report: &Report<'_>, besides: &Besides<'_>) -> Vec<Block> {
    let result = report.result;
    let look = format!(
        "{} is the control; {}; the {} at alpha {}.",
        result.control,
        result.look,
        result.headline,
        Figure(result.alpha)
    );
    let look = if result.metrics.is_empty() {
        format!(
            "{} is the control; alpha {}.",
            result.control,
            Figure(result.alpha)
        )
    } else {
        look
    };
    let mut blocks = vec![Block::text(look)];
    blocks.extend(besides::notes(besides));
    blocks.extend(assignment(result));
    if !result.metrics.is_empty() {
        blocks.push(Block::chapter("Metrics"));
    }
    let metrics = result.metrics.iter();
    blocks.extend(metrics.flat_map(|metric| measured::brief(result, metric)));
    blocks.extend(besides::blocks(besides));
    if !result.metrics.is_empty() {
        blocks.extend(decision(report));
    }
    blocks
}

pub(super) fn of(report: &Report<'_>, besides: Option<&Besides<'_>>) -> Vec<Block> {
    let mut blocks = vec![
        Block::Title(title(report)),
        Block::table(&["", ""], facts(report)),
    ];
    blocks.extend(besides.into_iter().flat_map(besides::notes));
    blocks.extend(decision(report));
    blocks.extend(assignment(report.result));
    for (role, name) in [
        (Role::Success, "Success metrics"),
        (Role::Guardrail, "Guardrails"),
        (Role::Secondary, "Secondary metrics"),
    ] {
        let metrics = report.result.metrics.iter().filter(|metric| metric.role == role);
        let parts: Vec<Block> = metrics
            .flat_map(|metric| measured::blocks(report.result, metric))
            .collect();
        if !parts.is_empty() {
            blocks.push(Block::chapter(name));
            blocks.extend(parts);
        }
    }
    blocks.extend(besides.into_iter().flat_map(besides::blocks));
    blocks.push(Block::chapter("Corrections"));
    blocks.push(Block::table(
        &["claims", "rule", "how many", "corrected by"],
        report.result.families.iter().map(family).collect(),
    ));
    if let Some(plan) = report.plan {
        blocks.extend(planned::blocks(plan));
    }
    blocks.extend(reading());
    blocks
}

fn facts(report: &Report<'_>) -> Vec<Vec<String>> {
    let (design, result) = (report.design, report.result);
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let arms: Vec<String> = design
        .arms
        .iter()
        .map(|arm| format!("{} {} %", arm.variation, arm.weight.percent()))
        .collect();
    let mut rows = vec![
        row("hypothesis", design.hypothesis.clone()),
        row("flag", design.flag.to_string()),
        row("control", design.control.to_string()),
        row("arms", arms.join(", ")),
        row("look", result.look.to_string()),
        row("shown first", format!("the {}", result.headline)),
        row("accepted false alarms", Figure(design.alpha).to_string()),
    ];
    for (name, value) in [("description", &design.description), ("owner", &design.owner)] {
        if !value.is_empty() {
            rows.push(row(name, value.clone()));
        }
    }
    rows.extend(
        design
            .metadata
            .iter()
            .map(|(name, value)| row(name, value.clone())),
    );
    rows.push(row("inputs", report.inputs.to_owned()));
    rows.push(row("made by", report.version.to_owned()));
    rows
}

fn assignment(result: &ExperimentResult) -> Vec<Block> {
    let mut blocks = vec![Block::chapter("Units")];
    match &result.sample_ratio {
        Answer::Given(ratio) => {
            let rows = ratio.arms.iter().map(|arm| {
                vec![
                    arm.arm.to_string(),
                    arm.units.to_string(),
                    format!("{:.1}", arm.expected),
                ]
            });
            blocks.push(Block::table(&["arm", "units", "expected"], rows.collect()));
            let says = if ratio.alarm {
                "The arms have not got the units they should"
            } else {
                "The arms have got the units they should"
            };
            blocks.push(Block::text(format!(
                "{says}: chi-squared {}, p = {}; looked at any time, p = {}.",
                Figure(ratio.chi_squared),
                p(ratio.p),
                p(ratio.sequential)
            )));
        }
        ratio @ Answer::Refused(_) => blocks.push(Block::text(format!(
            "Whether the arms have got the units they should: {}.",
            given(ratio, |_| String::new())
        ))),
    }
    let left_out = left_out(result);
    if left_out.is_empty() {
        blocks.push(Block::text("Nothing was left out."));
    } else {
        blocks.push(Block::table(&["left out", "how many"], left_out));
    }
    blocks
}

/// What is in no arm, by the names of its causes.
fn left_out(result: &ExperimentResult) -> Vec<Vec<String>> {
    let causes = result.left_out.causes();
    causes
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| vec![name.to_owned(), count.to_string()])
        .collect()
}

fn family(family: &Family) -> Vec<String> {
    let role = match family.role {
        Role::Success => "success metrics",
        Role::Secondary => "secondary metrics",
        Role::Guardrail => "guardrails",
    };
    let correction = match family.correction {
        Corrected::Holm => "Holm: the chance of any false claim",
        Corrected::BenjaminiHochberg => "Benjamini and Hochberg: the share of false claims",
        Corrected::EBenjaminiHochberg => "Benjamini and Hochberg for e-values: the share of false claims",
        Corrected::Single => "nothing: each is watched by itself, at half of alpha either side",
    };
    vec![
        role.to_owned(),
        family.rule.to_string(),
        family.claims.to_string(),
        correction.to_owned(),
    ]
}

fn reading() -> Vec<Block> {
    let notes = [
        "An interval leaves no effect out exactly when its test is significant, in every unit.",
        "Intervals are at the level of the step of the correction that decided, so they match the adjusted p-value.",
        "Of the always-valid test every look counts. Of the others only the looks that were planned do.",
        "Chances to beat the control keep no error rate when they are looked at repeatedly: decide by the tests.",
        "What is refused has no number that would be honest; nothing is put in its place.",
    ];
    vec![
        Block::chapter("How to read this"),
        Block::Items(notes.map(str::to_owned).to_vec()),
    ]
}
