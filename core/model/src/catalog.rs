//! What must hold between the flags and segments of one environment.

use crate::flag::Flag;
use crate::invalid::{Violation, nearest};
use crate::key::{FlagKey, SegmentKey};
use crate::segment::{Segment, StagedSegment};
use std::collections::{BTreeMap, BTreeSet};

/// Longest chain of flags that are each other's prerequisites, and of segments that name each other.
pub const CHAIN_MAX: usize = 32;

/// All flags and segments of one environment, by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// All flags.
    pub flags: BTreeMap<FlagKey, Flag>,
    /// All segments.
    pub segments: BTreeMap<SegmentKey, Segment>,
    /// Edits of segments that are being opened.
    pub staged: BTreeMap<SegmentKey, StagedSegment>,
}

impl Catalog {
    /// What would be wrong if this flag stood in the catalogue: unknown segments, unknown or
    /// missing prerequisites, prerequisites that lead back to the flag.
    pub fn violations_with_flag(&self, flag: &Flag) -> Vec<Violation> {
        let mut found = Vec::new();
        for (field, segment) in flag.segments() {
            self.check_segment(&field, segment, &mut found);
        }
        for (i, prerequisite) in flag.definition().prerequisites.iter().enumerate() {
            let path = format!("prerequisites[{i}]");
            let Some(other) = self.flags.get(&prerequisite.flag) else {
                let known = self.flags.keys().map(FlagKey::as_str);
                found.push(unknown(
                    &format!("{path}.flag"),
                    prerequisite.flag.as_str(),
                    "flag",
                    known,
                ));
                continue;
            };
            for variation in &prerequisite.variations {
                if other.variation(variation).is_none() {
                    let known = other.definition().variations.iter().map(|one| one.key.as_str());
                    let field = format!("{path}.variations");
                    found.push(unknown(
                        &field,
                        variation.as_str(),
                        "variation of that flag",
                        known,
                    ));
                }
            }
        }
        let keys = self.flags.keys().chain([flag.key()]);
        let edges = |key: &FlagKey| -> Vec<FlagKey> {
            let one = if key == flag.key() {
                Some(flag)
            } else {
                self.flags.get(key)
            };
            let prerequisites = one
                .map(|one| one.definition().prerequisites.as_slice())
                .unwrap_or_default();
            prerequisites
                .iter()
                .map(|prerequisite| prerequisite.flag.clone())
                .collect()
        };
        found.extend(chain_violation("prerequisites", flag.key(), keys, edges));
        found.extend(self.layer_violations(flag));
        found
    }

    /// Experiments of other flags that could share a unit with this flag's, though both are in one layer
    /// to avoid it.
    fn layer_violations(&self, flag: &Flag) -> Vec<Violation> {
        let Some((own, layer)) = flag
            .running_experiment()
            .and_then(|own| Some((own, own.layer.as_ref()?)))
        else {
            return Vec::new();
        };
        let others = self.flags.values().filter(|other| other.key() != flag.key());
        others
            .filter_map(|other| {
                let experiment = other.running_experiment().filter(|one| own.collides_with(one))?;
                let taken = experiment.layer.as_ref()?;
                Some(Violation::new(
                    "experiment.layer",
                    format!("from {} to {}", layer.from, layer.to),
                    format!(
                        "experiment {} of flag {} has layer {} from {} to {}, and two experiments share no part",
                        experiment.key,
                        other.key(),
                        taken.key,
                        taken.from,
                        taken.to
                    ),
                    "choose another part of the layer, or end the other experiment first",
                ))
            })
            .collect()
    }

    /// What would be wrong if this segment stood in the catalogue: unknown segments, and segments
    /// that lead back to it.
    pub fn violations_with_segment(&self, segment: &Segment) -> Vec<Violation> {
        self.violations_beside(segment, None)
    }

    /// What would be wrong if this edit of a segment were opened step by step: the same, for the segment leads wherever
    /// either of its definitions does.
    pub fn violations_with_staged(&self, staged: &Segment) -> Vec<Violation> {
        self.violations_beside(staged, self.segments.get(staged.key()))
    }

    fn violations_beside(&self, segment: &Segment, present: Option<&Segment>) -> Vec<Violation> {
        let mut found = Vec::new();
        for (field, named) in segment.segments() {
            if named != segment.key() {
                self.check_segment(&field, named, &mut found);
            }
        }
        let keys = self.segments.keys().chain([segment.key()]);
        let edges = |key: &SegmentKey| -> Vec<SegmentKey> {
            let (one, other) = if key == segment.key() {
                (Some(segment), present)
            } else {
                let staged = self.staged.get(key).map(|staged| &staged.definition);
                (self.segments.get(key), staged)
            };
            let named = one.into_iter().chain(other).flat_map(Segment::segments);
            named.map(|(_, named)| named.clone()).collect()
        };
        found.extend(chain_violation("when", segment.key(), keys, edges));
        found
    }

    /// Everything that names the segment: flags and segments that keep it from being deleted.
    pub fn users_of_segment(&self, key: &SegmentKey) -> Vec<String> {
        let names = |segments: Vec<(String, &SegmentKey)>| segments.iter().any(|(_, named)| *named == key);
        let flags = self.flags.values().filter(|flag| names(flag.segments()));
        let segments = self.segments.values().filter(|segment| names(segment.segments()));
        let staged = self.staged.values().map(|staged| &staged.definition);
        let staged = staged.filter(|segment| names(segment.segments()));
        flags
            .map(|flag| format!("flag {}", flag.key()))
            .chain(segments.map(|segment| format!("segment {}", segment.key())))
            .chain(staged.map(|segment| format!("the staged edit of segment {}", segment.key())))
            .collect()
    }

    fn check_segment(&self, field: &str, key: &SegmentKey, found: &mut Vec<Violation>) {
        if !self.segments.contains_key(key) {
            let known = self.segments.keys().map(SegmentKey::as_str);
            found.push(unknown(field, key.as_str(), "segment", known));
        }
    }
}

fn unknown<'a>(field: &str, name: &str, noun: &str, known: impl Iterator<Item = &'a str>) -> Violation {
    const SHOWN_MAX: usize = 20;
    let known: Vec<&str> = known.collect();
    let mut listed = known
        .iter()
        .take(SHOWN_MAX)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if known.len() > SHOWN_MAX {
        listed.push_str(", …");
    }
    let fix = match (known.is_empty(), nearest(name, known.iter().copied())) {
        (true, _) => format!("there is no {noun} yet; create it first"),
        (false, Some(near)) => format!("did you mean '{near}'? known: {listed}"),
        (false, None) => format!("known: {listed}"),
    };
    Violation::new(field, name, format!("there is no such {noun}"), fix)
}

/// What is wrong with the chains that lead through `changed`: they come back, or are too long.
fn chain_violation<'a, K: Ord + Clone + ToString + 'a>(
    field: &str,
    changed: &K,
    keys: impl Iterator<Item = &'a K>,
    edges: impl Fn(&K) -> Vec<K>,
) -> Option<Violation> {
    if let Some(path) = path_back(changed, &edges) {
        let rule = format!("'{field}' does not lead back to where it started");
        return Some(Violation::new(
            field,
            path,
            rule,
            "remove one of the names on this path",
        ));
    }
    if edges(changed).is_empty() {
        // What leads nowhere makes no chain longer than it was.
        return None;
    }
    let start = start_of_long_chain(keys, edges)?;
    Some(Violation::new(
        field,
        start.to_string(),
        format!("names lead at most {CHAIN_MAX} deep"),
        "shorten the chain that starts there",
    ))
}

/// Where a chain of more than [`CHAIN_MAX`] steps starts, if there is one.
fn start_of_long_chain<'a, K: Ord + Clone + 'a>(
    keys: impl Iterator<Item = &'a K>,
    edges: impl Fn(&K) -> Vec<K>,
) -> Option<K> {
    let named: BTreeMap<&K, Vec<K>> = keys
        .map(|key| (key, edges(key)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    let mut depths: BTreeMap<&K, usize> = BTreeMap::new();
    for _ in 0..=CHAIN_MAX {
        let beyond = |name: &K| depths.get(name).copied().unwrap_or_default() + 1;
        let next: BTreeMap<&K, usize> = named
            .iter()
            .map(|(key, names)| (*key, names.iter().map(beyond).max().unwrap_or_default()))
            .collect();
        if next == depths {
            break;
        }
        depths = next;
    }
    depths
        .into_iter()
        .find(|(_, depth)| *depth > CHAIN_MAX)
        .map(|(key, _)| key.clone())
}

/// The first path found that leads from `start` back to it, written as `a -> b -> a`.
fn path_back<K: Ord + Clone + ToString>(start: &K, edges: impl Fn(&K) -> Vec<K>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut stack = vec![(start.clone(), start.to_string())];
    while let Some((key, path)) = stack.pop() {
        for next in edges(&key) {
            let path = format!("{path} -> {}", next.to_string());
            if &next == start {
                return Some(path);
            }
            if seen.insert(next.clone()) {
                stack.push((next, path));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(json: &str) -> Flag {
        serde_json::from_str(json).unwrap()
    }

    fn segment(json: &str) -> Segment {
        serde_json::from_str(json).unwrap()
    }

    fn catalog() -> Catalog {
        let flags = [
            flag(r#"{"key":"a","type":"boolean"}"#),
            flag(r#"{"key":"b","type":"boolean","prerequisites":[{"flag":"a","variations":["on"]}]}"#),
        ];
        let segments = [
            segment(r#"{"key":"staff","included":["u1"]}"#),
            segment(r#"{"key":"beta","when":{"segment":"staff"}}"#),
        ];
        Catalog {
            flags: flags.into_iter().map(|flag| (flag.key().clone(), flag)).collect(),
            segments: segments
                .into_iter()
                .map(|segment| (segment.key().clone(), segment))
                .collect(),
            staged: BTreeMap::new(),
        }
    }

    #[test]
    fn what_a_flag_names_must_exist_and_not_lead_back() {
        for (json, says) in [
            (
                r#"{"key":"c","type":"boolean","rules":[{"name":"r","when":{"segment":"staf"},"serve":{"variation":"on"}}]}"#,
                "did you mean 'staff'?",
            ),
            (
                r#"{"key":"c","type":"boolean","prerequisites":[{"flag":"zzz","variations":["on"]}]}"#,
                "known: a, b",
            ),
            (
                r#"{"key":"c","type":"boolean","prerequisites":[{"flag":"a","variations":["x"]}]}"#,
                "no such variation",
            ),
            (
                r#"{"key":"a","type":"boolean","prerequisites":[{"flag":"b","variations":["on"]}]}"#,
                "a -> b -> a",
            ),
            (
                r#"{"key":"c","type":"boolean","experiment":{"key":"e","audience":{"segment":"stuff"},"arms":[{"variation":"on","weight":100}]}}"#,
                "experiment.audience: there is no such segment",
            ),
        ] {
            let found = catalog().violations_with_flag(&flag(json));
            assert!(
                found.iter().any(|one| format!("{one}").contains(says)),
                "{json}: {found:?}"
            );
        }
        let good = r#"{"key":"c","type":"boolean","prerequisites":[{"flag":"b","variations":["on"]}]}"#;
        assert_eq!(catalog().violations_with_flag(&flag(good)), []);
    }

    #[test]
    fn chains_have_an_end() {
        let mut catalog = Catalog::default();
        let link = |number: usize| {
            let needs = match number {
                0 => String::new(),
                _ => format!(
                    r#","prerequisites":[{{"flag":"f{}","variations":["on"]}}]"#,
                    number - 1
                ),
            };
            flag(&format!(r#"{{"key":"f{number}","type":"boolean"{needs}}}"#))
        };
        for number in 0..=CHAIN_MAX {
            assert_eq!(catalog.violations_with_flag(&link(number)), [], "{number}");
            catalog.flags.insert(link(number).key().clone(), link(number));
        }
        let one_more = catalog.violations_with_flag(&link(CHAIN_MAX + 1));
        assert!(
            one_more[0].to_string().contains("at most 32 deep"),
            "{one_more:?}"
        );
    }

    #[test]
    fn experiments_of_one_layer_share_no_part() {
        let experiment = |flag_key: &str, status: &str, key: &str, layer: &str, from: u32, to: u32| {
            flag(&format!(
                r#"{{"key":"{flag_key}","type":"boolean","status":"{status}","experiment":{{"key":"{key}","layer":{{"key":"{layer}","from":{from},"to":{to}}},"arms":[{{"variation":"on","weight":100}}]}}}}"#
            ))
        };
        let mut catalog = Catalog::default();
        for running in [
            experiment("a", "experiment", "first", "l", 20, 40),
            experiment("idle", "active", "later", "l", 40, 100),
        ] {
            catalog.flags.insert(running.key().clone(), running);
        }
        for (other, refused) in [
            (experiment("b", "experiment", "second", "l", 30, 50), true),
            (experiment("b", "experiment", "second", "l", 0, 100), true),
            (experiment("b", "experiment", "second", "l", 40, 60), false),
            (experiment("b", "experiment", "second", "m", 30, 50), false),
            // Not running yet, so that it can be prepared while the other one still runs.
            (experiment("b", "active", "second", "l", 30, 50), false),
            // Another part of the same experiment.
            (experiment("b", "experiment", "first", "l", 30, 50), false),
            // The flag's own earlier definition.
            (experiment("a", "experiment", "second", "l", 30, 50), false),
        ] {
            let found = catalog.violations_with_flag(&other);
            assert_eq!(!found.is_empty(), refused, "{other:?}: {found:?}");
            let named = found
                .iter()
                .all(|one| one.rule.contains("experiment first of flag a"));
            assert!(named, "{found:?}");
        }
    }

    #[test]
    fn scores_name_segments_too() {
        let scored = |key: &str, named: &str| {
            segment(&format!(
                r#"{{"key":"{key}","score":{{"parts":[{{"when":{{"segment":"{named}"}},"weight":1}}],"atLeast":1}}}}"#
            ))
        };
        for (segment, says) in [
            (
                scored("new", "stuff"),
                "score.parts[0].when: there is no such segment",
            ),
            (scored("staff", "beta"), "staff -> beta -> staff"),
        ] {
            let found = catalog().violations_with_segment(&segment);
            assert!(found[0].to_string().contains(says), "{found:?}");
        }
        let mut catalog = catalog();
        let good = scored("new", "beta");
        assert_eq!(catalog.violations_with_segment(&good), []);
        catalog.segments.insert(good.key().clone(), good);
        let beta = SegmentKey::new("beta").unwrap();
        assert_eq!(catalog.users_of_segment(&beta), ["segment new"]);
    }

    #[test]
    fn segments_must_not_lead_back() {
        let looped = segment(r#"{"key":"staff","when":{"segment":"beta"}}"#);
        assert!(
            catalog().violations_with_segment(&looped)[0]
                .to_string()
                .contains("staff -> beta -> staff")
        );
        let own = segment(r#"{"key":"new","when":{"segment":"new"}}"#);
        assert!(
            catalog().violations_with_segment(&own)[0]
                .to_string()
                .contains("new -> new")
        );
        assert_eq!(
            catalog().users_of_segment(&SegmentKey::new("staff").unwrap()),
            ["segment beta"]
        );
    }
}
