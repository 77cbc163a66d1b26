//! Any YAML document, as the JSON that it stands for.

use super::findings::Findings;
use super::yaml::{self, Node, Value as Written};
use crate::policy::diagnostic::Diagnostic;
use serde_json::{Map, Number, Value};

/// Reads a YAML document, which any JSON text is one of. Scalars without quotes are null, truths and numbers where JSON
/// has them, else texts.
///
/// # Errors
/// What is wrong with the text; two entries of the same name too.
pub fn document(text: &str) -> Result<Value, Vec<Diagnostic>> {
    let findings = Findings::default();
    let read = yaml::load(text, &findings).map(|root| json(root, "", &findings));
    let diagnostics = findings.into_diagnostics();
    read.filter(|_| diagnostics.is_empty()).ok_or(diagnostics)
}

fn json(node: Node, path: &str, findings: &Findings) -> Value {
    match node.value {
        Written::Scalar { text, plain: false } => Value::String(text),
        Written::Scalar { text, plain: true } => plain(text),
        Written::List(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(i, item)| json(item, &format!("{path}[{i}]"), findings));
            Value::Array(items.collect())
        }
        Written::Mapping(pairs) => {
            let mut members = Map::new();
            for (name, value) in pairs {
                let Written::Scalar { text, .. } = name.value else {
                    findings.error(name.place, path, "a name is a text", "write it without brackets");
                    continue;
                };
                let path = match path {
                    "" => text.clone(),
                    path => format!("{path}.{text}"),
                };
                if members.contains_key(&text) {
                    findings.error(name.place, &path, "stands here twice", "remove one of the two");
                }
                let value = json(value, &path, findings);
                members.insert(text, value);
            }
            Value::Object(members)
        }
    }
}

fn plain(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number => match serde_json::from_str::<Number>(number) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_stands_for_json() {
        let text = "key: beta\nincluded: [u1, '7', 7]\nwhen:\n  all:\n    - { attribute: age, operator: greater_than, value: 17.5 }\n    - not: { segment: staff }\nlist: ~\nold: false\n";
        let is = json!({
            "key": "beta", "included": ["u1", "7", 7], "list": null, "old": false,
            "when": {"all": [
                {"attribute": "age", "operator": "greater_than", "value": 17.5},
                {"not": {"segment": "staff"}},
            ]},
        });
        assert_eq!(document(text).unwrap(), is);
        assert_eq!(document(&is.to_string()).unwrap(), is);
        for (text, says) in [
            ("a: 1\na: 2\n", "2:1: error: a: stands here twice"),
            ("a: [1\n", "not YAML"),
            ("? [a]\n: 1\n", "a name is a text"),
        ] {
            let found = document(text).unwrap_err();
            assert!(
                found.iter().any(|one| one.to_string().contains(says)),
                "{found:?}"
            );
        }
    }
}
