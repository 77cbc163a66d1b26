//! Where something stands in a policy's text, for those who find it wrong later than while reading.

use super::findings::Findings;
use super::yaml::{self, Node, Place, Value};

/// Line and column, both from 1, of what `path` names in `text`, for example `schedule.stages[1].duration`:
/// of the innermost part of the path that was written, because defaults stand nowhere.
#[must_use]
pub fn locate(text: &str, path: &str) -> (usize, usize) {
    let findings = Findings::default();
    let place = yaml::load(text, &findings).map_or(Place::START, |root| find(&root, path));
    (place.line, place.column)
}

fn find(root: &Node, path: &str) -> Place {
    let mut node = root;
    for step in path.split(['.', '[']) {
        let step = step.trim_end_matches(']');
        let found = match &node.value {
            Value::Mapping(pairs) => pairs
                .iter()
                .find(|(key, _)| is(key, step))
                .map(|(_, value)| value),
            Value::List(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
            Value::Scalar { .. } => None,
        };
        match found {
            Some(found) => node = found,
            None => break,
        }
    }
    node.place
}

fn is(key: &Node, wanted: &str) -> bool {
    matches!(&key.value, Value::Scalar { text, .. } if text == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_part_that_was_written_is_found() {
        let text = "a: 1\nschedule:\n  stages:\n    - { name: x }\n    - name: y\n      duration: 5m\n";
        for (path, expected) in [
            ("a", (1, 4)),
            ("schedule.stages[1].duration", (6, 17)),
            ("schedule.stages[1].percentage", (5, 7)),
            ("schedule.stages[0]", (4, 7)),
            ("schedule.stages[7].name", (4, 5)),
            ("schedule.windows", (3, 3)),
            ("b.c", (1, 1)),
            ("a.b", (1, 4)),
        ] {
            assert_eq!(locate(text, path), expected, "{path}");
        }
        assert_eq!(locate("{", "a"), (1, 1));
    }
}
