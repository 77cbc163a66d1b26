//! Numbers as people read them.

use crate::decision::Percent;
use crate::result::{Answer, Bounds, Chance, Kind};
use std::f64::consts::LN_10;
use tidegate_model::because::Figure;
use tidegate_stats::Refusal;

/// A refusal in the place of a number.
pub(super) fn refused(refusal: Refusal) -> String {
    format!("refused: {refusal}")
}

/// What is given, or why it is not.
pub(super) fn given<T>(answer: &Answer<T>, show: impl FnOnce(&T) -> String) -> String {
    match answer {
        Answer::Given(value) => show(value),
        Answer::Refused(refusal) => refused(*refusal),
    }
}

/// A p-value with its digits, however small it is.
pub(super) fn p(chance: Chance) -> String {
    if chance.p >= 1e-4 {
        return Figure(chance.p).to_string();
    }
    if chance.ln == f64::NEG_INFINITY {
        return "0".to_owned();
    }
    let power = (chance.ln / LN_10).floor();
    let digits = (chance.ln - power * LN_10).exp();
    // Rounded to one digit behind the point, 9.97 is 10.
    if digits >= 9.95 {
        format!("1.0e{:.0}", power + 1.0)
    } else {
        format!("{digits:.1}e{power:.0}")
    }
}

/// A chance, which is never certain.
pub(super) fn chance(chance: f64) -> String {
    match chance {
        chance if chance > 0.9999 => "over 99.99 %".to_owned(),
        chance if chance < 0.0001 => "under 0.01 %".to_owned(),
        chance => Percent(chance).to_string(),
    }
}

/// A number in a metric's unit.
pub(super) fn value(kind: Kind, number: f64) -> String {
    if kind == Kind::Share {
        Percent(number).to_string()
    } else {
        Figure(number).to_string()
    }
}

/// A difference in a metric's unit, with its sign; of shares in points of a percent.
pub(super) fn difference(kind: Kind, number: f64) -> String {
    let sign = if number > 0.0 { "+" } else { "" };
    if kind == Kind::Share {
        format!("{sign}{} points", Figure(number * 100.0))
    } else {
        format!("{sign}{}", Figure(number))
    }
}

/// A share of the control's value, with its sign.
pub(super) fn lift(number: f64) -> String {
    let sign = if number > 0.0 { "+" } else { "" };
    format!("{sign}{}", Percent(number))
}

/// Both ends; an open one is infinite.
pub(super) fn bounds(bounds: &Answer<Bounds>, show: impl Fn(f64) -> String) -> String {
    given(bounds, |bounds| {
        let end = |end: Option<f64>, open: &str| end.map_or_else(|| open.to_owned(), &show);
        format!("{} to {}", end(bounds.lower, "-inf"), end(bounds.upper, "inf"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_chances_keep_their_digits() {
        for (p_of, ln, text) in [
            (0.0315, 0.0315_f64.ln(), "0.0315"),
            (2e-5, 2e-5_f64.ln(), "2.0e-5"),
            (2.4e-102, 2.4e-102_f64.ln(), "2.4e-102"),
            (0.0, -2_302.585_1, "1.0e-1000"),
            (0.0, f64::NEG_INFINITY, "0"),
            (1.0, 0.0, "1"),
        ] {
            assert_eq!(p(Chance { p: p_of, ln }), text);
        }
    }

    #[test]
    fn nothing_is_certain() {
        for (of, text) in [(1.0, "over 99.99 %"), (0.0, "under 0.01 %"), (0.5, "50.0 %")] {
            assert_eq!(chance(of), text);
        }
    }

    #[test]
    fn units_are_shown() {
        assert_eq!(value(Kind::Share, 0.1234), "12.3 %");
        assert_eq!(value(Kind::Mean, 0.1234), "0.1234");
        assert_eq!(difference(Kind::Share, 0.0023), "+0.23 points");
        assert_eq!(difference(Kind::Mean, -2.5), "-2.5");
        assert_eq!(lift(0.5), "+50.0 %");
        let open = Answer::Given(Bounds {
            lower: None,
            upper: Some(0.1),
        });
        assert_eq!(bounds(&open, lift), "-inf to +10.0 %");
        assert!(bounds(&Answer::Refused(Refusal::NoVariance), lift).starts_with("refused: nothing varies"));
    }
}
