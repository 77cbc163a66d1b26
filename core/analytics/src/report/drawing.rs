//! Intervals, densities and curves of power, drawn as SVG. Places have one digit behind the point: the same on every
//! machine.

use super::text::lift;
use crate::decision::Percent;
use maud::{Markup, html};
use tidegate_model::because::Figure;

const WIDTH: f64 = 760.0;
/// Room for names on the left, and for words on the right.
const LEFT: f64 = 130.0;
const RIGHT: f64 = 90.0;
const ROW: f64 = 26.0;
const BELOW: f64 = 24.0;
const HEIGHT: f64 = 180.0;
/// Points of a density.
const POINTS: u32 = 96;
/// Deviations that are drawn of a density.
const REACH: f64 = 4.0;
/// How much of the width is left free beyond the outermost values.
const FREE: f64 = 0.05;
/// Strokes that tell series apart, again from the first one after the last.
const DASHES: [&str; 4] = ["none", "7 4", "2 3", "10 3 2 3"];

/// A drawing before it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Drawing {
    /// Lifts with their intervals.
    Intervals {
        label: String,
        lines: Vec<Line>,
        margin: Option<f64>,
    },
    /// What is to be believed of lifts.
    Densities { label: String, bells: Vec<Bell> },
    /// Power by units or by effects.
    Power {
        label: String,
        wanted: f64,
        series: Vec<Series>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) estimate: f64,
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    pub(super) verdict: &'static str,
    pub(super) good: bool,
    pub(super) bad: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bell {
    pub(super) name: String,
    pub(super) mean: f64,
    pub(super) sd: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// From values to places along the width.
struct Across {
    lowest: f64,
    highest: f64,
}

impl Across {
    /// All these values and 0 are in sight.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (lowest, highest) = values
            .filter(|value| value.is_finite())
            .fold((0.0_f64, 0.0_f64), |(lowest, highest), value| {
                (lowest.min(value), highest.max(value))
            });
        let room = match highest - lowest {
            room if room > 0.0 && room.is_finite() => room,
            _ => 1.0,
        };
        Self {
            lowest: lowest - room * FREE,
            highest: highest + room * FREE,
        }
    }

    fn x(&self, value: f64) -> String {
        let share = (value - self.lowest) / (self.highest - self.lowest);
        let share = if share.is_nan() {
            0.5
        } else {
            share.clamp(0.0, 1.0)
        };
        place(LEFT + share * (WIDTH - LEFT - RIGHT))
    }

    /// A value that may be open on one side.
    fn end(&self, end: Option<f64>, open: f64) -> String {
        self.x(end.unwrap_or(open))
    }
}

fn place(at: f64) -> String {
    format!("{at:.1}")
}

fn dash(index: usize) -> &'static str {
    DASHES.get(index % DASHES.len()).copied().unwrap_or("none")
}

pub(super) fn draw(drawing: &Drawing) -> Markup {
    match drawing {
        Drawing::Intervals { label, lines, margin } => intervals(label, lines, *margin),
        Drawing::Densities { label, bells } => densities(label, bells),
        Drawing::Power {
            label,
            wanted,
            series,
        } => power(label, *wanted, series),
    }
}

fn intervals(label: &str, lines: &[Line], margin: Option<f64>) -> Markup {
    let ends = lines
        .iter()
        .flat_map(|line| [Some(line.estimate), line.lower, line.upper])
        .flatten();
    let margins = margin.into_iter().flat_map(|margin| [-margin, margin]);
    let across = Across::of(ends.chain(margins));
    let rows: f64 = lines.iter().map(|_| ROW).sum();
    let zero = across.x(0.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH:.0} {:.0}", rows + BELOW)) role="img" aria-label=(label) {
            @for margin in margin.into_iter().flat_map(|margin| [-margin, margin]) {
                line.margin x1=(across.x(margin)) x2=(across.x(margin)) y1="0" y2=(place(rows)) {}
            }
            line.zero x1=(zero) x2=(zero) y1="0" y2=(place(rows)) {}
            @for (line, middle) in lines.iter().zip(middles()) {
                text.name x=(place(LEFT - 8.0)) y=(place(middle)) { (line.name) }
                line class=(shade(line)) y1=(place(middle)) y2=(place(middle))
                    x1=(across.end(line.lower, f64::NEG_INFINITY)) x2=(across.end(line.upper, f64::INFINITY)) {}
                circle class=(shade(line)) cx=(across.x(line.estimate)) cy=(place(middle)) r="4" {
                    title { (line.name) " " (lift(line.estimate)) }
                }
                text.word x=(place(WIDTH - RIGHT + 8.0)) y=(place(middle)) { (line.verdict) }
            }
            (axis(&across, rows, lift))
        }
    }
}

/// The middles of rows.
fn middles() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(ROW / 2.0), |middle| Some(middle + ROW))
}

const fn shade(line: &Line) -> &'static str {
    match (line.good, line.bad) {
        (true, _) => "good",
        (_, true) => "bad",
        _ => "open",
    }
}

/// The ends of the axis and zero, in words.
fn axis(across: &Across, bottom: f64, show: fn(f64) -> String) -> Markup {
    let y = place(bottom + 16.0);
    html! {
        line.axis x1=(place(LEFT)) x2=(place(WIDTH - RIGHT)) y1=(place(bottom)) y2=(place(bottom)) {}
        text.tick x=(place(LEFT)) y=(y) { (show(across.lowest)) }
        text.tick x=(across.x(0.0)) y=(y) { "0" }
        text.tick x=(place(WIDTH - RIGHT)) y=(y) { (show(across.highest)) }
    }
}

fn densities(label: &str, bells: &[Bell]) -> Markup {
    let ends = bells
        .iter()
        .flat_map(|bell| [bell.mean - REACH * bell.sd, bell.mean + REACH * bell.sd]);
    let across = Across::of(ends);
    let tallest = bells
        .iter()
        .map(|bell| bell.sd.recip())
        .fold(f64::MIN_POSITIVE, f64::max);
    let zero = across.x(0.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH:.0} {:.0}", HEIGHT + BELOW)) role="img" aria-label=(label) {
            line.zero x1=(zero) x2=(zero) y1="0" y2=(place(HEIGHT)) {}
            @for (index, bell) in bells.iter().enumerate() {
                polyline.curve points=(bell_points(bell, &across, tallest)) stroke-dasharray=(dash(index)) {}
            }
            (legend(bells.iter().map(|bell| bell.name.as_str())))
            (axis(&across, HEIGHT, lift))
        }
    }
}

fn bell_points(bell: &Bell, across: &Across, tallest: f64) -> String {
    let points = (0..=POINTS).map(|point| {
        let z = REACH * (2.0 * f64::from(point) / f64::from(POINTS) - 1.0);
        let height = (-0.5 * z * z).exp() / bell.sd / tallest;
        let y = place(HEIGHT - height * (HEIGHT - 20.0));
        format!("{},{y}", across.x(bell.mean + z * bell.sd))
    });
    points.collect::<Vec<_>>().join(" ")
}

fn legend<'a>(names: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        @for ((index, name), middle) in names.enumerate().zip(middles()) {
            line.curve x1="4" x2="34" y1=(place(middle)) y2=(place(middle)) stroke-dasharray=(dash(index)) {}
            text.word x="40" y=(place(middle)) { (name) }
        }
    }
}

fn power(label: &str, wanted: f64, series: &[Series]) -> Markup {
    let across = Across::of(
        series
            .iter()
            .flat_map(|series| series.points.iter().map(|point| point.0)),
    );
    let y = |power: f64| place(HEIGHT - power.clamp(0.0, 1.0) * (HEIGHT - 12.0));
    let line = |series: &Series| {
        let points = series
            .points
            .iter()
            .map(|(at, power)| format!("{},{}", across.x(*at), y(*power)));
        points.collect::<Vec<_>>().join(" ")
    };
    // Effects are shares, units are not.
    let show: fn(f64) -> String = |number| {
        if number.abs() < 10.0 {
            Percent(number).to_string()
        } else {
            Figure(number.round()).to_string()
        }
    };
    html! {
        svg viewBox=(format!("0 0 {WIDTH:.0} {:.0}", HEIGHT + BELOW)) role="img" aria-label=(label) {
            line.margin x1=(place(LEFT)) x2=(place(WIDTH - RIGHT)) y1=(y(wanted)) y2=(y(wanted)) {}
            text.word x=(place(WIDTH - RIGHT + 8.0)) y=(y(wanted)) { (Percent(wanted).to_string()) }
            @for (index, series) in series.iter().enumerate() {
                polyline.curve points=(line(series)) stroke-dasharray=(dash(index)) {}
            }
            (legend(series.iter().map(|series| series.name.as_str())))
            (axis(&across, HEIGHT, show))
        }
    }
}
