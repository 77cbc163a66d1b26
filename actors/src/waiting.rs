//! Flags whose loss waits for somebody's word: until then they are published as they were (faults.md
//! F68).

use std::collections::{BTreeMap, BTreeSet};
use tidegate_decide::loss::needs_word;
use tidegate_model::flag::{Flag, FlagStatus};
use tidegate_model::key::FlagKey;

/// What was published last, and what of it is kept there until somebody says that it may go.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Flags that were published last and are not archived.
    published: BTreeMap<FlagKey, Flag>,
    held: BTreeSet<FlagKey>,
    /// Flags that may go.
    confirmed: BTreeSet<FlagKey>,
}

impl Waiting {
    /// What has to be published in place of `flags`: the same, but for those that must not vanish yet.
    pub(crate) fn keep(&mut self, flags: &BTreeMap<FlagKey, Flag>) -> BTreeMap<FlagKey, Flag> {
        let gone = |key: &FlagKey| flags.get(key).is_none_or(is_archived);
        self.confirmed.retain(gone);
        self.held.retain(|key| gone(key) && !self.confirmed.contains(key));
        let vanished = self
            .published
            .keys()
            .filter(|key| gone(key) && !self.confirmed.contains(*key));
        let vanished: BTreeSet<FlagKey> = vanished.cloned().collect();
        if needs_word(self.published.len(), vanished.len()) {
            self.held = vanished;
        }
        let held = self
            .held
            .iter()
            .filter_map(|key| self.published.get_key_value(key));
        held.map(|(key, flag)| (key.clone(), flag.clone())).collect()
    }

    /// This is what was published.
    pub(crate) fn note<'a>(&mut self, flags: impl Iterator<Item = &'a Flag>) {
        let live = flags.filter(|flag| !is_archived(flag));
        self.published = live.map(|flag| (flag.key().clone(), flag.clone())).collect();
    }

    /// The flags that wait.
    pub(crate) fn held(&self) -> Vec<FlagKey> {
        self.held.iter().cloned().collect()
    }

    /// These flags may go, if they are the ones that wait.
    pub(crate) fn confirm(&mut self, flags: &BTreeSet<FlagKey>) -> bool {
        let same = *flags == self.held && !flags.is_empty();
        if same {
            self.confirmed.append(&mut self.held);
        }
        same
    }
}

fn is_archived(flag: &Flag) -> bool {
    flag.definition().status == FlagStatus::Archived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(live: std::ops::Range<usize>, archived: std::ops::Range<usize>) -> BTreeMap<FlagKey, Flag> {
        let flag = |number: usize, status: &str| -> Flag {
            let text = format!(r#"{{"key": "f{number:02}", "type": "boolean", "status": "{status}"}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let live = live.map(|number| flag(number, "active"));
        let archived = archived.map(|number| flag(number, "archived"));
        live.chain(archived)
            .map(|flag| (flag.key().clone(), flag))
            .collect()
    }

    /// Publishes, and says how many flags wait and how many are published and not archived.
    fn publish(waiting: &mut Waiting, flags: &BTreeMap<FlagKey, Flag>) -> (usize, usize) {
        let mut out = flags.clone();
        out.extend(waiting.keep(flags));
        waiting.note(out.values());
        (waiting.held().len(), waiting.published.len())
    }

    #[test]
    fn f68_what_vanishes_at_once_waits_for_a_word() {
        let mut waiting = Waiting::default();
        assert_eq!(publish(&mut waiting, &flags(0..20, 0..0)), (0, 20));
        assert_eq!(
            publish(&mut waiting, &flags(4..20, 0..4)),
            (0, 16),
            "a fifth may go"
        );
        assert_eq!(
            publish(&mut waiting, &flags(8..20, 0..8)),
            (4, 16),
            "four of sixteen wait"
        );
        assert_eq!(
            publish(&mut waiting, &flags(9..21, 0..9)),
            (5, 17),
            "and another one with them"
        );
        assert_eq!(
            publish(&mut waiting, &flags(6..21, 0..6)),
            (2, 17),
            "two still wait"
        );
        let held: BTreeSet<FlagKey> = waiting.held().into_iter().collect();
        assert!(!waiting.confirm(&BTreeSet::new()));
        let other = held.iter().skip(1).cloned().collect();
        assert!(!waiting.confirm(&other), "not what waits");
        assert!(waiting.confirm(&held));
        assert_eq!(publish(&mut waiting, &flags(6..21, 0..6)), (0, 15));
        assert_eq!(publish(&mut waiting, &flags(0..0, 0..21)), (15, 15), "empty");
    }

    #[test]
    fn f68_what_comes_back_waits_no_more() {
        let mut waiting = Waiting::default();
        publish(&mut waiting, &flags(0..4, 0..0));
        assert_eq!(publish(&mut waiting, &flags(2..4, 0..2)), (2, 4));
        assert_eq!(publish(&mut waiting, &flags(0..4, 0..0)), (0, 4));
        assert_eq!(publish(&mut waiting, &flags(1..4, 0..1)), (0, 3));
    }
}
