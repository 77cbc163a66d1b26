//! Methods of the topic `group_sequential`.

use super::{Answer, ask, number, numbers, outputs};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_stats::group_sequential::{Boundary, Design, Plan, Spending};
use tidegate_stats::{Alternative, Refusal};

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    match method {
        "gs_bounds" => ask(input, bounds),
        "gs_characteristics" => ask(input, characteristics),
        "gs_sample_size_prop" => ask(input, sample_size),
        _ => Answer::Unsupported,
    }
}

type Outputs = Result<Map<String, Value>, Refusal>;

#[derive(Deserialize, Clone, Copy)]
enum Kind {
    #[serde(rename = "OF")]
    OBrienFleming,
    #[serde(rename = "P")]
    Pocock,
    #[serde(rename = "asOF")]
    LikeOBrienFleming,
    #[serde(rename = "asP")]
    LikePocock,
    #[serde(rename = "asKD")]
    Power,
    #[serde(rename = "asHSD")]
    HwangShihDeCani,
}

#[derive(Deserialize)]
struct Planned {
    #[serde(rename = "type")]
    kind: Kind,
    gamma: Option<f64>,
    sided: u8,
    alpha: f64,
    information: Vec<f64>,
}

impl Planned {
    fn design(&self) -> Result<Design, Refusal> {
        let gamma = self.gamma.ok_or(Refusal::Undefined {
            why: "the spending function has a parameter, and none is given",
        });
        let boundary = match self.kind {
            Kind::OBrienFleming => Boundary::OBrienFleming,
            Kind::Pocock => Boundary::Pocock,
            Kind::LikeOBrienFleming => Boundary::Spending(Spending::OBrienFleming),
            Kind::LikePocock => Boundary::Spending(Spending::Pocock),
            Kind::Power => Boundary::Spending(Spending::Power { exponent: gamma? }),
            Kind::HwangShihDeCani => Boundary::Spending(Spending::HwangShihDeCani { gamma: gamma? }),
        };
        let plan = Plan {
            alternative: if self.sided == 1 {
                Alternative::Greater
            } else {
                Alternative::TwoSided
            },
            alpha: self.alpha,
            boundary,
        };
        Design::new(plan, &self.information)
    }
}

fn bounds(input: Planned) -> Outputs {
    let design = input.design()?;
    let looks = design.looks().iter();
    Ok(outputs([
        ("z", looks.clone().map(|look| number(look.bound)).collect()),
        ("alpha_spent", looks.map(|look| number(look.spent)).collect()),
    ]))
}

#[derive(Deserialize)]
struct Powered {
    #[serde(flatten)]
    planned: Planned,
    power: f64,
}

fn characteristics(input: Powered) -> Outputs {
    let found = input.planned.design()?.characteristics(input.power)?;
    Ok(outputs([
        ("inflation_factor", number(found.inflation_factor)),
        ("asn_h1_over_fixed", number(found.expected_h1)),
        ("asn_h0_over_fixed", number(found.expected_h0)),
        ("cumulative_power", numbers(&found.cumulative_power)),
    ]))
}

#[derive(Deserialize)]
struct Shares {
    #[serde(flatten)]
    powered: Powered,
    p_control: f64,
    p_treatment: f64,
}

fn sample_size(input: Shares) -> Outputs {
    let Powered { planned, power } = input.powered;
    let size = planned
        .design()?
        .sample_size_proportions(power, input.p_control, input.p_treatment, 1.0)?;
    Ok(outputs([
        ("max_total", number(size.max_total)),
        ("expected_total_h1", number(size.expected_h1)),
        ("expected_total_h0", number(size.expected_h0)),
    ]))
}
