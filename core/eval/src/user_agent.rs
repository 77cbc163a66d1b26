//! What a user agent says about the device, its operating system and the browser.
//!
//! Recognised by `woothee`: tables and a few patterns that read versions where browsers write them, so
//! that new versions need no new tables. Parsers with the regular expressions of uap-core know more models;
//! by woothee's own benchmark they take sixty times as long, and a fifth of a second to start.

use crate::attribute::Seen;
use crate::vocabulary::AttributeId;
use woothee::parser::{Parser, WootheeResult};

/// Longest user agent that is looked at, in bytes. Browsers send less than half of it.
const BYTES_MAX: usize = 1024;

/// The attributes that a user agent can tell, in the order of [`Client::told`].
pub(crate) const ATTRIBUTES: [&str; 6] = [
    "device.type",
    "device.os",
    "os.name",
    "os.version",
    "browser.name",
    "browser.version",
];

/// What of it a snapshot asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The attribute that has the user agent.
    pub(crate) agent: AttributeId,
    /// Those of [`ATTRIBUTES`] that something asks for.
    pub(crate) ids: [Option<AttributeId>; ATTRIBUTES.len()],
}

/// What was recognised.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Client<'a> {
    /// `desktop`, `phone`, `tablet`, `crawler`, or `appliance` (consoles, televisions).
    pub(crate) device: Option<&'static str>,
    /// The family: `Windows`, `macOS`, `iOS`, `Android`, `ChromeOS`, `Linux` and rarer ones.
    pub(crate) os: Option<&'a str>,
    pub(crate) os_version: Option<Short>,
    /// `Chrome`, `Edge`, `Firefox`, `Safari`, `Opera` and rarer ones; a crawler's name.
    pub(crate) browser: Option<&'a str>,
    pub(crate) browser_version: Option<&'a str>,
}

/// A text of at most fifteen bytes that is kept in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    length: u8,
    bytes: [u8; Self::BYTES_MAX],
}

impl Short {
    const BYTES_MAX: usize = 15;

    /// The text, if it is short enough.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self { length, bytes })
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }
}

impl<'a> Client<'a> {
    /// What the user agent says.
    pub(crate) fn of(agent: &'a str) -> Self {
        if agent.len() > BYTES_MAX {
            return Self::default();
        }
        let Some(found) = Parser::new().parse(agent) else {
            return Self::default();
        };
        // Else it is a library or a feed reader, with words of its own where others have versions.
        let is_visitor = found.category != "misc";
        Self {
            device: device(&found, agent),
            os: known(found.os).map(family),
            os_version: known(&found.os_version).and_then(os_version),
            browser: is_visitor.then_some(found.name).and_then(known),
            browser_version: is_visitor.then_some(found.version).and_then(known),
        }
    }

    /// The values of [`ATTRIBUTES`].
    pub(crate) fn told(&self) -> [Seen<'a>; ATTRIBUTES.len()] {
        let text = |text: Option<&'a str>| text.map_or(Seen::Missing, Seen::Text);
        [
            text(self.device),
            text(self.os),
            text(self.os),
            self.os_version.map_or(Seen::Missing, Seen::Short),
            text(self.browser),
            text(self.browser_version),
        ]
    }
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty() && text != woothee::woothee::VALUE_UNKNOWN).then_some(text)
}

fn device(found: &WootheeResult<'_>, agent: &str) -> Option<&'static str> {
    // Android tablets are told from phones by the word that is missing.
    let is_tablet = found.os == "iPad" || (found.os == "Android" && !agent.contains("Mobile"));
    match found.category {
        "pc" => Some("desktop"),
        "smartphone" if is_tablet => Some("tablet"),
        "smartphone" | "mobilephone" => Some("phone"),
        "crawler" => Some("crawler"),
        "appliance" => Some("appliance"),
        _ => None,
    }
}

fn family(os: &str) -> &str {
    match os {
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        "Windows Phone OS" | "Windows CE" => os,
        _ if os.starts_with("Windows ") => "Windows",
        _ => os,
    }
}

/// The number alone: Windows writes `NT 10.0`, ChromeOS puts the processor in front.
fn os_version(text: &str) -> Option<Short> {
    text.rsplit(' ').next().and_then(Short::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn browsers_of_today() {
        let apple = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0";
        for (agent, expected) in [
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Safari/537.36"),
                ["desktop", "Windows", "10.0", "Chrome", "131.0.0.0"],
            ),
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Safari/537.36 Edg/131.0.2903.48"),
                ["desktop", "Windows", "10.0", "Edge", "131.0.2903.48"],
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0".to_owned(),
                ["desktop", "Linux", "", "Firefox", "133.0"],
            ),
            (
                format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {apple} Version/18.1 Safari/605.1.15"
                ),
                ["desktop", "macOS", "10.15.7", "Safari", "18.1"],
            ),
            (
                format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {chrome} Safari/537.36"),
                ["desktop", "ChromeOS", "14541.0.0", "Chrome", "131.0.0.0"],
            ),
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1_1 like Mac OS X) {apple} Version/18.1 Mobile/15E148 Safari/604.1"
                ),
                ["phone", "iOS", "18.1.1", "Safari", "18.1"],
            ),
            (
                format!(
                    "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) {apple} Version/17.7 Mobile/15E148 Safari/604.1"
                ),
                ["tablet", "iOS", "17.7", "Safari", "17.7"],
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 14; Pixel 8) {chrome} Mobile Safari/537.36"),
                ["phone", "Android", "14", "Chrome", "131.0.0.0"],
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 13; SM-X906C) {chrome} Safari/537.36"),
                ["tablet", "Android", "13", "Chrome", "131.0.0.0"],
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)".to_owned(),
                ["crawler", "", "", "Googlebot", ""],
            ),
            ("curl/8.11.0".to_owned(), ["", "", "", "", ""]),
            (String::new(), ["", "", "", "", ""]),
            ("\0".repeat(3), ["", "", "", "", ""]),
            ("Chrome/131.0 ".repeat(100), ["", "", "", "", ""]),
        ] {
            let client = Client::of(&agent);
            let found = [
                client.device.unwrap_or_default(),
                client.os.unwrap_or_default(),
                client.os_version.as_ref().map_or("", Short::as_str),
                client.browser.unwrap_or_default(),
                client.browser_version.unwrap_or_default(),
            ];
            assert_eq!(found, expected, "{agent}");
        }
    }

    #[test]
    fn short_texts_are_kept() {
        for text in ["", "17.1", "é", "123456789012345"] {
            assert_eq!(Short::of(text).unwrap().as_str(), text);
        }
        assert_eq!(Short::of("1234567890123456"), None);
    }

    proptest! {
        #[test]
        fn no_user_agent_is_too_odd(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "Mozilla/5.0 (", "Windows ", "NT 10.0", "; ", ")", "Chrome/", "Edg/", "Version/", "Opera", "OPR/",
                    "Safari", "Android ", "iPhone", "CPU iPhone OS ", "Mac OS X ", "10_15", "CrOS ", "DoCoMo/", "KDDI-",
                    "Vodafone/", "PlayStation 4 ", "Trident/7.0;", "rv:", "BB10", "FxiOS/", "Firefox/", "bot", "1.2", "é",
                ]),
                0..12,
            ),
            noise in "\\PC{0,10}",
        ) {
            let agent = pieces.concat() + &noise;
            let _ = Client::of(&agent);
        }
    }
}
