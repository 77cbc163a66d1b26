//! Whether the flags of ../flags.json are answered as expected.

use open_feature::provider::{FeatureProvider, ResolutionDetails};
use open_feature::{EvaluationContext, EvaluationError, EvaluationErrorCode, EvaluationResult, Value};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// A value and its variation, or the code of an error.
type Answer<T> = Result<(T, String), String>;

#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn expect<T: PartialEq + Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.0.push(format!("{what}: {found:?}, expected {expected:?}"));
        }
    }
}

/// What is not as expected.
pub async fn check(resolver: &str, provider: &dyn FeatureProvider) -> Vec<String> {
    let mut findings = Findings::default();
    types(provider, &mut findings).await;
    targeting(provider, &mut findings).await;
    errors(resolver, provider, &mut findings).await;
    findings.0
}

async fn types(provider: &dyn FeatureProvider, findings: &mut Findings) {
    let nobody = EvaluationContext::default();
    let answer = provider.resolve_bool_value("compat-boolean", &nobody).await;
    findings.expect("compat-boolean", served(answer), ok(true, "on"));
    let answer = provider.resolve_string_value("compat-string", &nobody).await;
    findings.expect("compat-string", served(answer), ok("grün".to_owned(), "green"));
    let answer = provider.resolve_int_value("compat-integer", &nobody).await;
    findings.expect("compat-integer", served(answer), ok(10, "ten"));
    let answer = provider.resolve_float_value("compat-float", &nobody).await;
    findings.expect("compat-float", served(answer), ok(10.0, "ten"));
    let answer = provider.resolve_struct_value("compat-json", &nobody).await;
    // What is nested becomes text in some of these clients, and whole numbers become floats.
    let items = answer.map(|details| details.value.fields.get("items").and_then(number));
    findings.expect("compat-json", items.map_err(code), Ok(Some(3.0)));
}

fn number(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "it is 3")]
    let whole = value.as_i64().map(|whole| whole as f64);
    value.as_f64().or(whole)
}

async fn targeting(provider: &dyn FeatureProvider, findings: &mut Findings) {
    let unit = EvaluationContext::default().with_targeting_key("u1");
    let vip = EvaluationContext::default().with_targeting_key("vip-1");
    let pro = unit.clone().with_custom_field("plan", "pro");
    for (context, on, word) in [(&unit, false, "off"), (&vip, true, "on"), (&pro, true, "on")] {
        let answer = provider.resolve_bool_value("compat-targeted", context).await;
        let what = format!("compat-targeted for {context:?}");
        findings.expect(&what, served(answer), ok(on, word));
    }
    let mut variations = BTreeSet::new();
    for user in 0..50 {
        let context = EvaluationContext::default().with_targeting_key(format!("user-{user}"));
        let first = served(provider.resolve_string_value("compat-split", &context).await);
        let again = served(provider.resolve_string_value("compat-split", &context).await);
        findings.expect(&format!("compat-split again for user-{user}"), &again, &first);
        variations.extend(first.map(|(_value, variation)| variation));
    }
    let both = BTreeSet::from(["left", "right"].map(str::to_owned));
    findings.expect("compat-split for 50 users", variations, both);
}

async fn errors(resolver: &str, provider: &dyn FeatureProvider, findings: &mut Findings) {
    // Each client has its own word for a value of another type.
    let mistyped = match resolver {
        "ofrep" => "PARSE_ERROR",
        "rpc" => "INVALID_CONTEXT",
        _ => "TYPE_MISMATCH",
    };
    let unit = EvaluationContext::default().with_targeting_key("u1");
    for (flag, expected) in [("compat-missing", "FLAG_NOT_FOUND"), ("compat-string", mistyped)] {
        let answer = provider.resolve_bool_value(flag, &unit).await;
        findings.expect(flag, served(answer), Err(expected.to_owned()));
    }
    // There is no value, so that callers serve their own default: in Rust's interface that is an error.
    let answer = provider.resolve_string_value("compat-disabled", &unit).await;
    findings.expect("compat-disabled has no value", answer.is_err(), true);
}

fn ok<T>(value: T, variation: &str) -> Answer<T> {
    Ok((value, variation.to_owned()))
}

pub fn served<T>(answer: EvaluationResult<ResolutionDetails<T>>) -> Answer<T> {
    let details = answer.map_err(code)?;
    Ok((details.value, details.variant.unwrap_or_default()))
}

fn code(error: EvaluationError) -> String {
    match error.code {
        EvaluationErrorCode::General(said) => format!("GENERAL {said} {:?}", error.message),
        code => code.to_string(),
    }
}
