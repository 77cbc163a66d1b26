//! What can be said of a PromQL expression without asking any Prometheus.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::token::{T_BOTTOMK, T_COUNT_VALUES, T_DIV, T_TOPK};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};
use std::collections::BTreeSet;

/// Longest query, in bytes. Also keeps the parser's tree shallow enough to be walked by recursion.
pub(crate) const QUERY_BYTES_MAX: usize = 8192;

/// Longest piece of the parser's words that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// Why a text is no usable query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: &'static str,
    /// Where, in bytes, if that is known.
    pub(crate) offset: Option<usize>,
}

/// How many series an expression yields, as far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    /// At most one, or it cannot be told.
    One,
    /// Several, as soon as there are several.
    Several,
}

/// Checks a query that has no placeholders any more.
pub(crate) fn check(query: &str) -> Result<Series, Unusable> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(Unusable {
            message: format!(
                "the query has {} bytes; at most {QUERY_BYTES_MAX} are read",
                query.len()
            ),
            hint: "move parts of it into recording rules",
            offset: None,
        });
    }
    if let Some(unbalanced) = unbalanced(query) {
        return Err(unbalanced);
    }
    let expression = promql_parser::parser::parse(query).map_err(|message| Unusable {
        message: format!("not PromQL: {}", one_line(&message)),
        hint: "try it in the expression browser of Prometheus",
        offset: None,
    })?;
    match expression.value_type() {
        ValueType::Scalar => Ok(Series::One),
        ValueType::Vector => Ok(series(&expression)),
        ValueType::Matrix => Err(Unusable {
            message: "the query yields a range of samples and not a number".to_owned(),
            hint: "put a function around it, for example sum(rate(...))",
            offset: None,
        }),
        ValueType::String => Err(Unusable {
            message: "the query yields text and not a number".to_owned(),
            hint: "a rule compares a number with its threshold",
            offset: None,
        }),
    }
}

/// Checks a query that must be a selector of counters and nothing else: what is counted, and over which
/// time, is found by whoever asks.
pub(crate) fn check_selector(query: &str) -> Result<(), Unusable> {
    check(query)?;
    let expression = promql_parser::parser::parse(query).ok();
    let is_bare = |expression: Expr| match expression {
        Expr::VectorSelector(selector) => selector.offset.is_none() && selector.at.is_none(),
        _ => false,
    };
    if expression.is_some_and(is_bare) {
        return Ok(());
    }
    Err(Unusable {
        message: "the query is no bare selector of counters".to_owned(),
        hint: "write a metric and its labels without any function, for example http_requests_total{variation=\"{{variation}}\"}",
        offset: None,
    })
}

/// The parser repeats what it stumbles over, line breaks and all.
fn one_line(message: &str) -> String {
    let visible = |character: char| {
        let escaped = character.is_control().then(|| character.escape_default());
        let kept = escaped.is_none().then_some(character);
        escaped.into_iter().flatten().chain(kept)
    };
    message
        .chars()
        .take(MESSAGE_CHARS_MAX)
        .flat_map(visible)
        .collect()
}

/// The parser says only "invalid promql query" when brackets do not match; this says which.
fn unbalanced(query: &str) -> Option<Unusable> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut scanner = super::Scanner::default();
    for (offset, character) in query.char_indices() {
        if scanner.setting() == super::Setting::Bare {
            let opens = |bracket| open.last().is_some_and(|(last, _)| *last == bracket);
            let matches = match character {
                '(' | '[' | '{' => {
                    open.push((character, offset));
                    continue;
                }
                ')' => opens('('),
                ']' => opens('['),
                '}' => opens('{'),
                _ => {
                    scanner.pass(character.encode_utf8(&mut [0; 4]));
                    continue;
                }
            };
            if !matches {
                return Some(bracket(format!("'{character}' closes nothing"), offset));
            }
            open.pop();
        } else {
            scanner.pass(character.encode_utf8(&mut [0; 4]));
        }
    }
    let (character, offset) = open.pop()?;
    Some(bracket(format!("'{character}' is not closed"), offset))
}

fn bracket(message: String, offset: usize) -> Unusable {
    Unusable {
        message: format!("not PromQL: {message}"),
        hint: "count the brackets and quotes around it",
        offset: Some(offset),
    }
}

/// The names of the metrics that a query asks for, as far as its text tells.
#[must_use]
pub fn metrics(query: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if query.len() <= QUERY_BYTES_MAX
        && let Ok(expression) = promql_parser::parser::parse(query)
    {
        gather(&expression, &mut names);
    }
    names
}

/// Whether a query divides what was counted of a metric by all that was counted of it, and so yields a share.
#[must_use]
pub fn is_share(query: &str) -> bool {
    fn shares(expression: &Expr) -> bool {
        match expression {
            Expr::Paren(inner) => shares(&inner.expr),
            Expr::Binary(binary) if binary.op.id() == T_DIV => {
                let (mut part, mut whole) = (BTreeSet::new(), BTreeSet::new());
                gather(&binary.lhs, &mut part);
                gather(&binary.rhs, &mut whole);
                part == whole && whole.len() == 1
            }
            _ => false,
        }
    }
    query.len() <= QUERY_BYTES_MAX
        && promql_parser::parser::parse(query).is_ok_and(|expression| shares(&expression))
}

fn gather(expression: &Expr, names: &mut BTreeSet<String>) {
    match expression {
        Expr::Paren(inner) => gather(&inner.expr, names),
        Expr::Unary(inner) => gather(&inner.expr, names),
        Expr::Subquery(inner) => gather(&inner.expr, names),
        Expr::Aggregate(aggregate) => {
            gather(&aggregate.expr, names);
            if let Some(parameter) = &aggregate.param {
                gather(parameter, names);
            }
        }
        Expr::Call(call) => {
            for argument in &call.args.args {
                gather(argument, names);
            }
        }
        Expr::Binary(binary) => {
            gather(&binary.lhs, names);
            gather(&binary.rhs, names);
        }
        Expr::VectorSelector(selector) => names.extend(name_of(selector)),
        Expr::MatrixSelector(matrix) => names.extend(name_of(&matrix.vs)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// The metric that is selected, if it is named.
fn name_of(selector: &VectorSelector) -> Option<String> {
    let mut matchers = selector.matchers.matchers.iter();
    let is_name = |matcher: &&Matcher| matcher.name == "__name__" && matcher.op == MatchOp::Equal;
    let by_label = || matchers.find(is_name).map(|matcher| matcher.value.clone());
    selector.name.clone().or_else(by_label)
}

fn series(expression: &Expr) -> Series {
    match expression {
        Expr::Paren(inner) => series(&inner.expr),
        Expr::Unary(inner) => series(&inner.expr),
        Expr::Aggregate(aggregate) => series_of_aggregate(aggregate),
        Expr::Call(call) => series_of_call(call),
        Expr::Binary(binary) => series_of_binary(binary),
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) | Expr::Subquery(_) => Series::Several,
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Series::One,
    }
}

fn series_of_aggregate(aggregate: &AggregateExpr) -> Series {
    let keeps_series = [T_TOPK, T_BOTTOMK, T_COUNT_VALUES].contains(&aggregate.op.id());
    match &aggregate.modifier {
        Some(LabelModifier::Include(labels)) if !labels.labels.is_empty() => Series::Several,
        Some(LabelModifier::Exclude(_)) => Series::Several,
        _ if keeps_series => Series::Several,
        _ => Series::One,
    }
}

fn series_of_call(call: &Call) -> Series {
    let arguments = call.args.args.iter().map(AsRef::as_ref);
    match call.func.name {
        "absent" | "absent_over_time" | "vector" | "time" | "scalar" => Series::One,
        // It uses up the label `le`.
        "histogram_quantile" if arguments.clone().any(is_grouped_by_le_alone) => Series::One,
        _ => one_unless(arguments.map(series).any(|one| one == Series::Several)),
    }
}

fn is_grouped_by_le_alone(expression: &Expr) -> bool {
    match expression {
        Expr::Paren(inner) => is_grouped_by_le_alone(&inner.expr),
        Expr::Aggregate(aggregate) => matches!(&aggregate.modifier,
            Some(LabelModifier::Include(labels)) if labels.labels.iter().all(|label| label == "le")),
        _ => false,
    }
}

fn series_of_binary(binary: &BinaryExpr) -> Series {
    let is_scalar = |side: &Expr| side.value_type() == ValueType::Scalar;
    let (left, right) = (series(&binary.lhs), series(&binary.rhs));
    match (is_scalar(&binary.lhs), is_scalar(&binary.rhs)) {
        (true, _) => right,
        (_, true) => left,
        // One series has no labels, so at most one of several can match it.
        _ => one_unless(left == Series::Several && right == Series::Several),
    }
}

fn one_unless(several: bool) -> Series {
    if several { Series::Several } else { Series::One }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries_that_yield_several_series_are_seen() {
        let check = |query: &str, expected: Series| assert_eq!(check(query), Ok(expected), "{query}");
        for one in [
            "1",
            "vector(1)",
            "sum(up)",
            "(sum(rate(x[5m])) / sum(rate(y[5m])))",
            "histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m])))",
            "sum(x) / 2",
            "-sum(x)",
            "scalar(x)",
            "absent(x)",
            "max by () (x)",
            "sum(x) or vector(0)",
            "# a comment with ( and '\nsum(x)",
        ] {
            check(one, Series::One);
        }
        for several in [
            "up",
            "rate(x[5m])",
            "sum by (code) (x)",
            "sum without (code) (x)",
            "topk(3, x)",
            "x / 2",
            "x / y",
            "abs(x)",
            "histogram_quantile(0.99, sum by (le, code) (rate(x_bucket[5m])))",
        ] {
            check(several, Series::Several);
        }
    }

    #[test]
    fn unusable_queries_say_why() {
        let check = |query: &str, message: &str, offset: Option<usize>| {
            let unusable = check(query).unwrap_err();
            assert_eq!(
                (unusable.message.as_str(), unusable.offset),
                (message, offset),
                "{query}"
            );
        };
        check("sum(up", "not PromQL: '(' is not closed", Some(3));
        check("sum(up))", "not PromQL: ')' closes nothing", Some(7));
        check("x{a=\"(\"]", "not PromQL: ']' closes nothing", Some(7));
        check(
            "x[5m]",
            "the query yields a range of samples and not a number",
            None,
        );
        check("\"x\"", "the query yields text and not a number", None);
        check("sum(", "not PromQL: '(' is not closed", Some(3));
        check("x y", "not PromQL: invalid promql query", None);
        check(
            "sum(x) / .\n",
            "not PromQL: unexpected character after '.': '\\n'",
            None,
        );
        assert!(check_message("summ(x)").starts_with("not PromQL: unknown function"));
        assert!(check_message(&"x".repeat(9000)).contains("9000 bytes"));
    }

    #[test]
    fn counters_are_selected_and_nothing_else() {
        for good in ["x", "x{a=\"b\"}", "{__name__=\"x\"}", " x # a comment"] {
            assert_eq!(check_selector(good), Ok(()), "{good}");
        }
        for bad in [
            "sum(x)",
            "rate(x[5m])",
            "x offset 5m",
            "x @ 0",
            "x + x",
            "1",
            "-x",
            "x[5m]",
            "x{",
        ] {
            assert!(check_selector(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn metrics_are_found_wherever_they_stand() {
        let found = |query: &str| metrics(query).into_iter().collect::<Vec<_>>().join(" ");
        for (query, expected) in [
            ("1 + time()", ""),
            (
                "sum(rate(errors[5m])) / sum(rate(requests[5m]))",
                "errors requests",
            ),
            ("-(a or vector(0)) > bool b", "a b"),
            ("max_over_time(sum(a)[5m:1m])", "a"),
            ("topk(scalar(n), a)", "a n"),
            ("{__name__=\"a\"}", "a"),
            ("{job=\"a\"}", ""),
            (
                "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))",
                "a_bucket",
            ),
            ("not promql (", ""),
        ] {
            assert_eq!(found(query), expected, "{query}");
        }
    }

    #[test]
    fn shares_are_told_from_other_quotients() {
        for share in [
            "sum(rate(x{code=~\"5..\"}[5m])) / sum(rate(x[5m]))",
            "((sum(rate(x{a=\"b\"}[5m])) or vector(0)) / sum(rate(x[5m])))",
        ] {
            assert!(is_share(share), "{share}");
        }
        for other in [
            "sum(x)",
            "sum(x_sum) / sum(x_count)",
            "sum(x) / 2",
            "sum(x) * sum(x)",
            "x /",
        ] {
            assert!(!is_share(other), "{other}");
        }
    }

    fn check_message(query: &str) -> String {
        check(query).unwrap_err().message
    }

    /// The deepest trees that the size limit lets through.
    #[test]
    fn deep_queries_do_not_exhaust_the_stack() {
        let most = QUERY_BYTES_MAX;
        let _ = check(&format!("{}1", "-".repeat(most - 1)));
        let _ = check(&format!("{}1", "1+".repeat(most / 2 - 1)));
        let _ = check(&format!("{}x", "x^".repeat(most / 2 - 1)));
        let half = most / 2 - 1;
        let _ = check(&format!("{}x{}", "(".repeat(half), ")".repeat(half)));
        let deep = (most - 1) / 5;
        let _ = check(&format!("{}x{}", "abs(".repeat(deep), ")".repeat(deep)));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>(), queryish in "[a-z0-9(){}\\[\\]\"'`\\\\=~!,:@# +*/%^-]{0,60}") {
            let _ = check(&text);
            let _ = check(&queryish);
        }
    }
}
