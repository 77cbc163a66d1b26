//! Who is told of what.

use super::cursor::Cursor;
use super::{LIST_MAX, keys};
use crate::notice::{NotifyRule, Occasion};

pub(super) fn read(at: &Cursor<'_>) -> Option<Vec<NotifyRule>> {
    let items = at.list()?;
    if items.len() > LIST_MAX {
        at.error(format!("{} rules; at most {LIST_MAX} are read", items.len()), "");
        return None;
    }
    let rules: Vec<_> = items.iter().map(rule).collect();
    rules.into_iter().collect()
}

fn rule(at: &Cursor<'_>) -> Option<NotifyRule> {
    let rule = at.mapping(&keys::NOTIFY)?;
    let to = rule.get("to").and_then(Cursor::name);
    let on = rule.or("on", Occasion::usual(), |at| {
        let items = at.list()?;
        if items.is_empty() {
            at.error(
                "nothing would ever be told",
                "leave 'on' out for what usually matters",
            );
            return None;
        }
        let words: Vec<_> = items.iter().map(|item| item.word(keys::OCCASIONS)).collect();
        words.into_iter().collect()
    });
    Some(NotifyRule { to: to?, on: on? })
}
