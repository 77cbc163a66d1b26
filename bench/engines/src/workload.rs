//! What is evaluated: six workloads over 1,024 people, said in no engine's words.

use serde_json::{Value, json};

/// How many different contexts there are.
pub const PEOPLE: usize = 1024;

/// How many flags an application evaluates at once.
pub const FLAGS: usize = 500;

/// How many ids the long list has.
pub const IDS: usize = 10_000;

/// The five rules of B, in order: attribute, operator, value. Every person matches the fourth.
pub const RULE_COUNTRY: &str = "NZ";
/// What B's third rule looks for at the start of an e-mail address.
pub const RULE_EMAIL_START: &str = "qa+";
/// What B's fourth rule wants the age to be greater than.
pub const RULE_AGE: u32 = 29;
/// What B's fifth rule wants the version of the application to be greater than.
pub const RULE_VERSION: &str = "3.0.0";
/// Who is in D's segment: this plan.
pub const SEGMENT_PLAN: &str = "pro";
/// D's variations and their weights in percent.
pub const FOUR_WAY: [(&str, u32); 4] = [("a", 10), ("b", 20), ("c", 30), ("d", 40)];

/// One workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A: a boolean without rules.
    Plain,
    /// B: five rules, the fourth matches.
    FiveRules,
    /// C: a 25 % split.
    Quarter,
    /// D: four variations behind a segment.
    FourWay,
    /// E: all of 500 flags for one context.
    Everything,
    /// F: a list of 10,000 ids.
    LongList,
}

impl Workload {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::FiveRules,
        Self::Quarter,
        Self::FourWay,
        Self::Everything,
        Self::LongList,
    ];

    /// Its letter.
    pub fn letter(self) -> char {
        match self {
            Self::Plain => 'A',
            Self::FiveRules => 'B',
            Self::Quarter => 'C',
            Self::FourWay => 'D',
            Self::Everything => 'E',
            Self::LongList => 'F',
        }
    }

    /// What it is, in few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "boolean, no rules",
            Self::FiveRules => "five rules, fourth matches",
            Self::Quarter => "25 % split",
            Self::FourWay => "four-way split behind a segment",
            Self::Everything => "all of 500 flags",
            Self::LongList => "in-list of 10,000 ids",
        }
    }

    /// The flag that is asked for by name.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::FiveRules => "five-rules",
            Self::Quarter => "quarter",
            Self::FourWay => "four-way",
            Self::Everything => "",
            Self::LongList => "long-list",
        }
    }
}

/// What kind of flag one of the 500 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As in A.
    Plain,
    /// As in B.
    FiveRules,
    /// As in C, with this share in percent.
    Split(u32),
    /// As in D.
    FourWay,
    /// As in F.
    LongList,
}

/// A flag: its name and its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

impl Flag {
    fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }

    /// Whether its value is one of four letters; a boolean otherwise.
    pub fn has_letters(&self) -> bool {
        self.kind == Kind::FourWay
    }
}

/// The 500 flags of E: a hundred of each kind, and a hundred that are rolled out to 10 %.
pub fn mix() -> Vec<Flag> {
    let kinds = [
        Kind::Plain,
        Kind::FiveRules,
        Kind::Split(25),
        Kind::FourWay,
        Kind::Split(10),
    ];
    (0..FLAGS)
        .map(|i| Flag::new(format!("flag-{i}"), kinds[i % kinds.len()]))
        .collect()
}

/// The flags that are asked for alone, one of each kind, among the 500.
pub fn flags() -> Vec<Flag> {
    let named = [
        Flag::new("plain", Kind::Plain),
        Flag::new("five-rules", Kind::FiveRules),
        Flag::new("quarter", Kind::Split(25)),
        Flag::new("four-way", Kind::FourWay),
        Flag::new("long-list", Kind::LongList),
    ];
    named.into_iter().chain(mix()).collect()
}

/// The 20 values of B's second rule.
pub fn staff() -> Vec<String> {
    (0..20).map(|i| format!("staff-{i}")).collect()
}

/// The ids of F.
pub fn ids() -> Vec<String> {
    (0..IDS).map(|i| format!("account-{i}")).collect()
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

impl Attribute {
    /// As JSON.
    pub fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            #[expect(clippy::cast_possible_truncation, reason = "ages are small whole numbers")]
            Self::Number(number) => json!(*number as i64),
        }
    }
}

/// One person: the key that is bucketed, and nine attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// What is bucketed.
    pub key: String,
    /// The attributes, by name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// The people whose contexts go round.
pub fn people() -> Vec<Person> {
    (0..PEOPLE).map(person).collect()
}

fn person(i: usize) -> Person {
    let text = |text: String| Attribute::Text(text);
    let pick = |list: &[&str]| text(list[i % list.len()].to_owned());
    Person {
        key: format!("0b9c7d3e-52a4-4d0e-9b42-{i:012x}"),
        attributes: vec![
            ("country", pick(&["FR", "DE", "IT", "ES", "US", "JP", "BR"])),
            ("plan", pick(&["free", "pro", "team"])),
            ("age", Attribute::Number((i % 80 + 30) as f64)),
            ("email", text(format!("person.{i}@example.com"))),
            ("city", text(format!("city-{}", i * 37 % 20_000))),
            ("account", text(format!("account-{}", i * 7919 % (2 * IDS)))),
            ("appVersion", text(format!("2.{}.{}", i % 13, i % 7))),
            (
                "userAgent",
                text("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned()),
            ),
            ("deviceType", text("phone".to_owned())),
        ],
    }
}
