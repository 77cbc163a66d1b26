//! Reference vectors: inputs of a method and what established packages answer, compared with our answers.
//!
//! The schema `stats-vectors/1` and its rule of comparison are written down beside the vectors, in
//! `core/stats/tests/reference/README.md`.

use crate::methods::{self, Answer};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a file of vectors cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is no JSON of this shape.
    #[error("the file is no list of reference cases")]
    Shape(#[source] serde_json::Error),
    /// It has another schema.
    #[error("the schema is {0:?}, and only \"stats-vectors/1\" can be checked")]
    Schema(String),
}

#[derive(Deserialize)]
struct Vectors {
    schema: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    #[serde(rename = "fn")]
    method: String,
    #[serde(rename = "in")]
    input: Value,
    out: Map<String, Value>,
    #[serde(default)]
    tol: Tolerance,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(default)]
struct Tolerance {
    rel: f64,
    abs: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { rel: 1e-9, abs: 0.0 }
    }
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Every output that was given is as expected.
    Passed,
    /// Some are not; a sentence for each.
    Failed(Vec<String>),
    /// The method is not offered.
    Unsupported,
}

/// One case and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Its name, `topic/number`.
    pub id: String,
    /// The method it asks for.
    pub method: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Checks all cases of one file.
///
/// # Errors
///
/// When the text is no file of the schema `stats-vectors/1`.
pub fn check(text: &str) -> Result<Vec<Checked>, CheckError> {
    let vectors: Vectors = serde_json::from_str(text).map_err(CheckError::Shape)?;
    if vectors.schema != "stats-vectors/1" {
        return Err(CheckError::Schema(vectors.schema));
    }
    Ok(vectors.cases.into_iter().map(check_one).collect())
}

fn check_one(case: Case) -> Checked {
    let outcome = match methods::answer(&case.method, &case.input) {
        Answer::Unsupported => Outcome::Unsupported,
        Answer::Unreadable(why) => Outcome::Failed(vec![format!("the input cannot be read: {why}")]),
        Answer::Refused(why) => {
            let wrong = case.out.iter().filter(|(_, want)| !want.is_null());
            decided(
                wrong
                    .map(|(name, want)| format!("{name}: want {want}, refused: {why}"))
                    .collect(),
            )
        }
        Answer::Given(given) => compare(&case, &given),
    };
    Checked {
        id: case.id,
        method: case.method,
        outcome,
    }
}

fn compare(case: &Case, given: &Map<String, Value>) -> Outcome {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, want) in &case.out {
        // A method may leave out what it does not offer.
        let Some(got) = given.get(name) else { continue };
        compared += 1;
        if !matches(name, &case.method, want, got, case.tol) {
            wrong.push(format!("{name}: want {want}, got {got}"));
        }
    }
    if compared == 0 {
        wrong.push("none of the outputs is given".to_owned());
    }
    decided(wrong)
}

fn decided(wrong: Vec<String>) -> Outcome {
    if wrong.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(wrong)
    }
}

fn matches(name: &str, method: &str, want: &Value, got: &Value, tol: Tolerance) -> bool {
    if is_far_bound(name, method, want, got) {
        return true;
    }
    match (want, got) {
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len()
                && want
                    .iter()
                    .zip(got)
                    .all(|(want, got)| matches(name, method, want, got, tol))
        }
        (Value::Number(want), Value::Number(got)) => {
            let (Some(want), Some(got)) = (want.as_f64(), got.as_f64()) else {
                return false;
            };
            if name.ends_with("_ceil") {
                return want.to_bits() == got.to_bits();
            }
            (got - want).abs() <= (tol.rel * want.abs()).max(floor(name, method, tol))
        }
        _ => want == got,
    }
}

/// The convention of the bounds of group sequential designs, which stands in the notes of their cases: a bound above
/// 7.5 needs only to be above 7, for there the tail is nothing.
fn is_far_bound(name: &str, method: &str, want: &Value, got: &Value) -> bool {
    let above = |value: &Value, least: f64| {
        value.as_str() == Some("inf") || value.as_f64().is_some_and(|bound| bound > least)
    };
    name == "z" && method == "gs_bounds" && above(want, 7.5) && above(got, 7.0)
}

/// How far apart two numbers may be however small they are.
fn floor(name: &str, method: &str, tol: Tolerance) -> f64 {
    let of_distribution = name == "value" && (method.ends_with("_sf") || method.ends_with("_cdf"));
    let probability = of_distribution
        || matches!(name, "p" | "adjusted" | "power")
        || name.starts_with("p_")
        || name.starts_with("chance_");
    let statistic = matches!(name, "t" | "z" | "f" | "chi2" | "g" | "h" | "u" | "rho" | "ln")
        || name.starts_with("ln_")
        || name.starts_with("t_");
    let count = name == "df" || name.starts_with("df") || name.starts_with("n_") || name == "n";
    // `p_control` and `p_treatment` are rates, on the scale of the effect.
    if matches!(name, "p_control" | "p_treatment") {
        tol.abs
    } else if probability {
        1e-300
    } else if statistic {
        1e-12
    } else if count {
        0.0
    } else {
        tol.abs
    }
}
