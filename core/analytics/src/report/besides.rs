//! What is said besides of data of others: what was taken for granted, rates, comparisons within strata.

use super::Besides;
use super::content::Block;
use super::measured::{effect, verdict};
use super::text::{bounds, given, lift, p};
use crate::foreign::{RateResult, Stratified};
use tidegate_model::because::Figure;

pub(super) fn notes(besides: &Besides<'_>) -> Vec<Block> {
    if besides.notes.is_empty() {
        return Vec::new();
    }
    vec![
        Block::chapter("Taken for granted"),
        Block::Items(besides.notes.to_vec()),
    ]
}

pub(super) fn blocks(besides: &Besides<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !besides.beside.rates.is_empty() {
        blocks.push(Block::chapter("Rates"));
        blocks.push(Block::text(
            "Counted events by what they were counted over, as Poisson counts: the conditional exact test, corrected together by Holm.",
        ));
        blocks.extend(besides.beside.rates.iter().flat_map(rate));
    }
    if !besides.beside.strata.is_empty() {
        blocks.push(Block::chapter("Within strata"));
        blocks.push(Block::text(
            "Each comparison by itself, for one look: it sharpens the picture and is no verdict.",
        ));
        blocks.extend(besides.beside.strata.iter().flat_map(stratified));
    }
    blocks
}

fn rate(rate: &RateResult) -> [Block; 3] {
    let arms = rate.arms.iter().map(|arm| {
        vec![
            arm.arm.to_string(),
            arm.events.to_string(),
            Figure(arm.exposure).to_string(),
            given(&arm.rate, |rate| Figure(*rate).to_string()),
        ]
    });
    let comparisons = rate.comparisons.iter().map(|comparison| {
        vec![
            comparison.arm.to_string(),
            format!(
                "{} ({})",
                given(&comparison.lift, |number| lift(*number)),
                bounds(&comparison.interval, lift)
            ),
            given(&comparison.p, |chance| p(*chance)),
            given(&comparison.adjusted, |chance| p(*chance)),
            verdict(comparison.verdict).to_owned(),
        ]
    });
    [
        Block::Section(rate.metric.to_string()),
        Block::table(&["arm", "events", "exposure", "rate"], arms.collect()),
        Block::table(
            &["arm", "lift", "p", "adjusted p", "verdict"],
            comparisons.collect(),
        ),
    ]
}

fn stratified(metric: &Stratified) -> [Block; 2] {
    let signed = |number: f64| {
        let sign = if number > 0.0 { "+" } else { "" };
        format!("{sign}{}", Figure(number))
    };
    let rows = metric.comparisons.iter().map(|comparison| {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            comparison.arm.to_string(),
            comparison.strata.to_string(),
            comparison.merged.to_string(),
            effect(&comparison.difference, signed),
            effect(&comparison.lift, lift),
            given(&comparison.p, |chance| p(*chance)),
            or_none(
                comparison
                    .mantel_haenszel
                    .as_ref()
                    .map(|tested| given(tested, |chance| p(*chance))),
            ),
            or_none(
                comparison
                    .odds_ratio
                    .as_ref()
                    .map(|odds| effect(odds, |odds| Figure(odds).to_string())),
            ),
        ]
    });
    let header = [
        "arm",
        "strata",
        "put together",
        "difference",
        "lift",
        "p",
        "p of Mantel and Haenszel",
        "common odds ratio",
    ];
    [
        Block::Section(metric.metric.to_string()),
        Block::table(&header, rows.collect()),
    ]
}
