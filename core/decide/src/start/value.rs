//! A value that is opened: by the variation that has it already, or by one that is made for it.

use super::StartRollout;
use serde_json::Value;
use tidegate_model::flag::{Flag, FlagDefinition, FlagType, Variation};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::VariationKey;

/// The field of the request.
const FIELD: &str = "value";

/// The flag as it is once something opens, and what opens. A request without a value changes nothing about the flag.
pub(super) struct Opened {
    pub(super) flag: Flag,
    pub(super) candidate: VariationKey,
}

/// The flag with a variation of this value. One that has it already is taken as it is: so a value that was rolled
/// back once is opened again without another copy of it.
pub(super) fn opened(flag: &Flag, value: &Value, named: Option<&VariationKey>) -> Result<Opened, Invalid> {
    let value = flag.spelled(value);
    let has_it = |variation: &&Variation| variation.value == value;
    let there = match named {
        Some(name) => flag.variation(name),
        None => flag.definition().variations.iter().find(has_it),
    };
    if let Some(variation) = there {
        if !has_it(&variation) {
            let fix =
                "leave 'candidate' out, so that the next free name is taken, or give it a name of its own";
            let rule = "the flag has this variation already, and it has another value";
            return Err(Invalid::from(Violation::new(
                "candidate",
                &variation.key,
                rule,
                fix,
            )));
        }
        let (flag, candidate) = (flag.clone(), variation.key.clone());
        return Ok(Opened { flag, candidate });
    }
    let candidate = match named {
        Some(name) => name.clone(),
        None => next_free(flag)?,
    };
    let mut definition: FlagDefinition = flag.definition().clone();
    let place = format!("variations[{}].value", definition.variations.len());
    definition.variations.push(Variation {
        key: candidate.clone(),
        value: value.clone(),
        description: String::new(),
    });
    let told = |one: Violation| match (one.field == place, flag.definition().kind) {
        (true, _) => {
            let fix = format!("give a value of the type that {} has", flag.key());
            Violation::new(FIELD, &value, one.rule, fix)
        }
        (false, FlagType::Percentage) => {
            let fix = "name the variation that has it in 'candidate'";
            Violation::new(FIELD, &value, one.rule, fix)
        }
        (false, _) => {
            let fix = "remove variations that nobody is served any more, then start again";
            Violation::new(FIELD, &value, one.rule, fix)
        }
    };
    let flag = Flag::new(definition).map_err(|invalid| invalid.told(told))?;
    Ok(Opened { flag, candidate })
}

/// `v2`, or the first after it that is free: what was there before is the first version.
fn next_free(flag: &Flag) -> Result<VariationKey, Violation> {
    let taken = flag.definition().variations.len();
    let names = (2..=taken + 2).filter_map(|number| VariationKey::new(&format!("v{number}")).ok());
    let mut free = names.filter(|name| flag.variation(name).is_none());
    free.next().ok_or_else(|| {
        let rule = "the flag has no free name for another variation";
        Violation::new("candidate", "", rule, "give it a name")
    })
}

/// That a rollout would open the value that is there already.
pub(super) fn same(request: &StartRollout, safe: &VariationKey) -> Option<Violation> {
    let value = request.value.as_ref()?;
    let rule = format!("a rollback returns to this value already, as variation '{safe}'");
    Some(Violation::new(FIELD, value, rule, "give another value"))
}
