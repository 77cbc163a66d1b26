//! Windows in which stages may, or may not, open.

use super::cron;
use super::cursor::{Cursor, shown};
use super::keys;
use crate::invalid::nearest;
use crate::policy::{Window, WindowEffect};

/// The zone of a window that names none.
pub(super) const DEFAULT_ZONE: &str = "UTC";

pub(super) fn read(at: &Cursor<'_>) -> Option<Vec<Window>> {
    let windows: Vec<_> = at.list()?.iter().map(window).collect();
    windows.into_iter().collect()
}

fn window(at: &Cursor<'_>) -> Option<Window> {
    let window = at.mapping(&keys::WINDOW)?;
    let start = match (window.get("allow"), window.get("deny")) {
        (Some(allow), None) => cron(allow).map(|cron| (WindowEffect::Allow, cron)),
        (None, Some(deny)) => cron(deny).map(|cron| (WindowEffect::Deny, cron)),
        (Some(_), Some(deny)) => {
            deny.error(
                "the window has both 'allow' and 'deny'",
                "write two windows; deny is the stronger one",
            );
            None
        }
        (None, None) => {
            window.at().error(
                "the window has neither 'allow' nor 'deny'",
                "for example allow: \"0 9 * * Mon-Thu\"",
            );
            None
        }
    };
    let length = window
        .get("for")
        .and_then(|at| at.positive_span("a window of no length is never open"));
    let timezone = window.or("timezone", DEFAULT_ZONE.to_owned(), zone);
    let reason = window.or("reason", String::new(), |at| at.text().map(str::to_owned));
    let (effect, cron) = start?;
    Some(Window {
        effect,
        cron,
        length: length?,
        timezone: timezone?,
        reason: reason?,
    })
}

fn cron(at: &Cursor<'_>) -> Option<String> {
    let text = at.text()?;
    match cron::read(text) {
        Ok(cron) => {
            if cron.by_date_and_weekday {
                at.warning(
                    "day of month and weekday are both given: it starts on days that match both",
                    "other cron programs take days that match either; write two windows for that",
                );
            }
            Some(cron.fields)
        }
        Err(wrong) => {
            at.error(wrong.message, wrong.hint);
            None
        }
    }
}

pub(super) fn zone(at: &Cursor<'_>) -> Option<String> {
    let text = at.text()?;
    if text.parse::<chrono_tz::Tz>().is_ok() {
        return Some(text.to_owned());
    }
    let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |name: &&str| {
        let last = name.rsplit('/').next().unwrap_or(name);
        last.eq_ignore_ascii_case(&text.replace(' ', "_")) || name.eq_ignore_ascii_case(text)
    };
    let near = names()
        .find(city)
        .or_else(|| nearest(text, names()).filter(|_| text.len() <= 64));
    let hint = match near {
        Some(near) => format!("did you mean '{near}'?"),
        None => "write an IANA name, for example Europe/Paris or UTC".to_owned(),
    };
    at.error(format!("{} is not a time zone", shown(text)), hint);
    None
}
