//! A rule's values over time, drawn as SVG.

use super::{Metric, Report, bad};
use maud::{Markup, html};
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::verdict::Verdict;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 180.0;
/// Room for the numbers on the left, and the times below.
const LEFT: f64 = 70.0;
const BELOW: f64 = 22.0;
/// Room for half a point on the right.
const RIGHT: f64 = 4.0;
const ABOVE: f64 = 14.0;
/// How much of the height is left free beyond the outermost values.
const FREE: f64 = 0.08;

/// From moments and values to places.
struct Scale {
    from: Timestamp,
    seconds: f64,
    lowest: f64,
    highest: f64,
}

impl Scale {
    fn of(metric: &Metric, report: &Report) -> Self {
        let values = metric.points.iter().filter_map(|point| point.value);
        let values = values
            .chain([metric.threshold, metric.clear])
            .filter(|value| value.is_finite());
        let (lowest, highest) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lowest, highest), value| {
                (lowest.min(value), highest.max(value))
            });
        // Rates and shares are seen from zero, unless all that matters is far above it.
        let lowest = match lowest > 0.0 && lowest <= highest / 2.0 {
            true => 0.0,
            false => lowest,
        };
        let room = match highest - lowest {
            room if room > 0.0 => room,
            _ => highest.abs().max(1.0),
        };
        let last = metric
            .points
            .last()
            .map_or(report.until, |point| point.at.max(report.until));
        Self {
            from: report.started,
            seconds: seconds(report.started, last).max(1.0),
            lowest: if lowest == 0.0 {
                lowest
            } else {
                lowest - room * FREE
            },
            highest: highest + room * FREE,
        }
    }

    /// Places have one digit behind the point: the same on every machine.
    fn x(&self, at: Timestamp) -> String {
        let share = (seconds(self.from, at) / self.seconds).clamp(0.0, 1.0);
        format!("{:.1}", LEFT + share * (WIDTH - LEFT - RIGHT))
    }

    fn y(&self, value: f64) -> String {
        let share = (value - self.lowest) / (self.highest - self.lowest);
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.5
        };
        format!("{:.1}", HEIGHT - BELOW - share * (HEIGHT - BELOW - ABOVE))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rollout's milliseconds stay far below 2^53"
)]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).num_milliseconds() as f64 / 1000.0
}

/// The chart of one rule: its values, its threshold, the stages, and where it could not be judged.
pub(super) fn draw(metric: &Metric, report: &Report) -> Markup {
    let scale = Scale::of(metric, report);
    let (right, bottom) = (format!("{WIDTH:.0}"), format!("{:.1}", HEIGHT - BELOW));
    let (left, top) = (format!("{LEFT:.0}"), format!("{ABOVE:.0}"));
    let threshold = scale.y(metric.threshold);
    let label = format!("{} over time, {}", metric.rule, bad(metric));
    html! {
        svg viewBox=(format!("0 0 {WIDTH:.0} {HEIGHT:.0}")) role="img" aria-label=(label) {
            @for (x, width) in unknown(metric, report, &scale) {
                rect.unknown x=(x) y=(top) width=(width) height=(format!("{:.1}", HEIGHT - BELOW - ABOVE)) {}
            }
            @for visit in &report.progress {
                line.stage x1=(scale.x(visit.opened)) x2=(scale.x(visit.opened)) y1=(top) y2=(bottom) {}
                text.share x=(scale.x(visit.opened)) y="10" { (visit.share) }
            }
            line.axis x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
            line.threshold x1=(left) x2=(right) y1=(threshold) y2=(threshold) {}
            text.value x=(format!("{:.0}", LEFT - 4.0)) y=(threshold) { (Figure(metric.threshold).to_string()) }
            @if metric.clear.to_bits() != metric.threshold.to_bits() {
                line.clear x1=(left) x2=(right) y1=(scale.y(metric.clear)) y2=(scale.y(metric.clear)) {}
                text.value x=(format!("{:.0}", LEFT - 4.0)) y=(scale.y(metric.clear)) { (Figure(metric.clear).to_string()) }
            }
            @for line in lines(metric, &scale) {
                polyline points=(line) {}
            }
            @for point in &metric.points {
                @if let Some(value) = point.value {
                    circle class=(point.verdict.name()) cx=(scale.x(point.at)) cy=(scale.y(value)) r="2.5" {
                        title { (super::clock(point.at)) " " (Figure(value).to_string()) " " (point.verdict) }
                    }
                }
            }
            text.time x=(left) y=(format!("{:.0}", HEIGHT - 6.0)) { (super::clock(report.started)) }
            text.time.end x=(right) y=(format!("{:.0}", HEIGHT - 6.0)) { (super::clock(report.until)) }
        }
    }
}

/// The values as lines, broken off where there is none.
fn lines(metric: &Metric, scale: &Scale) -> Vec<String> {
    let runs = metric.points.split(|point| point.value.is_none());
    let runs = runs.filter(|run| run.len() > 1);
    let places = |run: &[super::Point]| {
        let place = |point: &super::Point| {
            let value = point.value?;
            Some(format!("{},{}", scale.x(point.at), scale.y(value)))
        };
        run.iter().filter_map(place).collect::<Vec<_>>().join(" ")
    };
    runs.map(places).collect()
}

/// From where, and how wide, the rule could not be judged.
fn unknown(metric: &Metric, report: &Report, scale: &Scale) -> Vec<(String, String)> {
    let next = metric
        .points
        .iter()
        .skip(1)
        .map(|point| point.at)
        .chain([report.until]);
    let points = metric.points.iter().zip(next);
    let unknown = points.filter(|(point, _)| matches!(point.verdict, Verdict::Unknown(_)));
    unknown
        .map(|(point, next)| {
            let width = seconds(point.at, next) / scale.seconds * (WIDTH - LEFT);
            (scale.x(point.at), format!("{:.1}", width.max(0.0)))
        })
        .collect()
}
