//! What is evaluated, and what the answers must be: the workloads of `bench/engines` in our own words.

use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, Filling, bucket};
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// How many different contexts there are.
pub(crate) const PEOPLE: usize = 1024;
/// How many flags an application evaluates at once.
pub(crate) const FLAGS: usize = 500;
/// How many ids the long list has.
const IDS: usize = 10_000;
/// Variations and their weights in percent; each value is as long as its place counts.
const FOUR_WAY: [(&str, u32); 4] = [("a", 10), ("bb", 20), ("ccc", 30), ("dddd", 40)];

/// One workload of the six.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Workload {
    Plain,
    FiveRules,
    Quarter,
    FourWay,
    Everything,
    LongList,
}

/// What kind of flag one of the 500 is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    FiveRules,
    Quarter,
    FourWay,
    /// A rollout at 10 %.
    Rollout,
    LongList,
}

/// One person: the key that is bucketed, and nine attributes.
pub(crate) struct Person {
    pub(crate) key: String,
    country: &'static str,
    plan: &'static str,
    age: i64,
    email: String,
    city: String,
    account: usize,
    account_id: String,
    version: String,
}

const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// Everybody.
pub(crate) fn people() -> Vec<Person> {
    let pick = |list: &[&'static str], i: usize| list.get(i % list.len()).copied().unwrap_or_default();
    (0..PEOPLE)
        .map(|i| {
            let account = i * 7919 % (2 * IDS);
            Person {
                key: format!("0b9c7d3e-52a4-4d0e-9b42-{i:012x}"),
                country: pick(&["FR", "DE", "IT", "ES", "US", "JP", "BR"], i),
                plan: pick(&["free", "pro", "team"], i),
                age: i64::try_from(i % 80 + 30).unwrap(),
                email: format!("person.{i}@example.com"),
                city: format!("city-{}", i * 37 % 20_000),
                account,
                account_id: format!("account-{account}"),
                version: format!("2.{}.{}", i % 13, i % 7),
            }
        })
        .collect()
}

impl Person {
    /// As a context.
    pub(crate) fn context(&self) -> Context {
        Context::of_unit(self.key.as_str())
            .with("country", self.country)
            .with("plan", self.plan)
            .with("age", self.age)
            .with("email", self.email.as_str())
            .with("city", self.city.as_str())
            .with("account", self.account_id.as_str())
            .with("appVersion", self.version.as_str())
            .with("userAgent", USER_AGENT)
            .with("deviceType", "phone")
    }

    /// The same, attribute by attribute.
    pub(crate) fn fill<'c>(&'c self, filling: &mut Filling<'_, 'c>) {
        filling
            .targeting_key(&self.key)
            .text("country", self.country)
            .text("plan", self.plan)
            .integer("age", self.age)
            .text("email", &self.email)
            .text("city", &self.city)
            .text("account", &self.account_id)
            .text("appVersion", &self.version)
            .text("userAgent", USER_AGENT)
            .text("deviceType", "phone");
    }

    /// What a flag answers, told from its definition: 1 for true, and the length of a text.
    fn answer(&self, flag: &str, kind: Kind) -> u64 {
        match kind {
            Kind::Plain | Kind::FiveRules => 1,
            Kind::Quarter => u64::from(bucket::bucket(flag, &self.key) < 25_000),
            Kind::Rollout => u64::from(bucket::bucket(flag, &self.key) < 10_000),
            Kind::LongList => u64::from(self.account < IDS),
            Kind::FourWay if self.plan != "pro" => 0,
            Kind::FourWay => {
                let bucket = bucket::bucket(flag, &self.key);
                let passed = [0, 10_000, 30_000, 60_000]
                    .into_iter()
                    .filter(|start| *start <= bucket);
                passed.count() as u64
            }
        }
    }
}

impl Workload {
    /// What it is.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "A boolean, no rules",
            Self::FiveRules => "B five rules, the fourth matches",
            Self::Quarter => "C 25 % split",
            Self::FourWay => "D four-way split behind a segment",
            Self::Everything => "E all of 500 flags",
            Self::LongList => "F in-list of 10,000 ids",
        }
    }

    /// The flag that is asked for by name; none when all are.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::FiveRules => "five-rules",
            Self::Quarter => "quarter",
            Self::FourWay => "four-way",
            Self::Everything => "",
            Self::LongList => "long-list",
        }
    }

    /// The sum of everybody's answers.
    pub(crate) fn expected(self, people: &[Person]) -> u64 {
        let of = |flag: &str, kind: Kind| -> u64 { people.iter().map(|one| one.answer(flag, kind)).sum() };
        match self {
            Self::Plain => of(self.flag(), Kind::Plain),
            Self::FiveRules => of(self.flag(), Kind::FiveRules),
            Self::Quarter => of(self.flag(), Kind::Quarter),
            Self::FourWay => of(self.flag(), Kind::FourWay),
            Self::LongList => of(self.flag(), Kind::LongList),
            Self::Everything => mix().map(|(name, kind)| of(&name, kind)).sum(),
        }
    }
}

/// The 500 flags: a hundred of each kind but the long list.
fn mix() -> impl Iterator<Item = (String, Kind)> {
    let kinds = [
        Kind::Plain,
        Kind::FiveRules,
        Kind::Quarter,
        Kind::FourWay,
        Kind::Rollout,
    ];
    (0..FLAGS)
        .zip(kinds.into_iter().cycle())
        .map(|(i, kind)| (format!("flag-{i}"), kind))
}

/// The names of the 500.
pub(crate) fn names() -> Vec<String> {
    mix().map(|(name, _)| name).collect()
}

/// The 500 flags compiled, with one of each kind under its own name or without.
pub(crate) fn compile(with_named: bool) -> CompiledSnapshot {
    let named = [
        ("plain", Kind::Plain),
        ("five-rules", Kind::FiveRules),
        ("quarter", Kind::Quarter),
        ("four-way", Kind::FourWay),
        ("long-list", Kind::LongList),
    ];
    let named = named.into_iter().filter(|_| with_named);
    let flags = named
        .map(|(name, kind)| (name.to_owned(), kind))
        .chain(mix())
        .map(|(name, kind)| definition(&name, kind));
    let content = json!({
        "environment": "production",
        "segments": [{"key": "professionals", "when": condition("plan", "equals", "pro")}],
        "flags": flags.collect::<Vec<Value>>(),
    });
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

fn condition(attribute: &str, operator: &str, value: impl Into<Value>) -> Value {
    json!({"attribute": attribute, "operator": operator, "value": value.into()})
}

fn definition(key: &str, kind: Kind) -> Value {
    let rule = |name: &str, when: Value| json!({"name": name, "when": when, "serve": {"variation": "on"}});
    let texts =
        |start: &str, count: usize| -> Vec<String> { (0..count).map(|i| format!("{start}-{i}")).collect() };
    let flag = match kind {
        Kind::Plain => json!({"key": key, "type": "boolean", "fallback": {"variation": "on"}}),
        Kind::FiveRules => json!({"key": key, "type": "boolean", "rules": [
            rule("first", condition("country", "equals", "NZ")),
            rule("second", condition("targetingKey", "in", texts("staff", 20))),
            rule("third", condition("email", "starts_with", "qa+")),
            rule("fourth", condition("age", "greater_than", 29)),
            rule("fifth", condition("appVersion", "semver", ">3.0.0")),
        ]}),
        Kind::Quarter => json!({"key": key, "type": "percentage", "percentage": 25}),
        Kind::FourWay => {
            let variation = |key: &str, value: &str| json!({"key": key, "value": value});
            let variations = FOUR_WAY.map(|(name, _)| variation(name, name)).into_iter();
            let variations: Vec<Value> = variations.chain([variation("none", "")]).collect();
            let split = FOUR_WAY.map(|(name, weight)| json!({"variation": name, "weight": weight}));
            json!({"key": key, "type": "string", "variations": variations, "fallback": {"variation": "none"},
                "rules": [{"name": "professionals", "when": {"segment": "professionals"}, "serve": {"split": split}}]})
        }
        Kind::Rollout => {
            let rollout = json!({"rollout": format!("{key}.1"), "revision": 1, "candidate": "on", "safe": "off", "share": 10});
            return json!({"flag": {"key": key, "type": "boolean"}, "rollout": rollout});
        }
        Kind::LongList => json!({"key": key, "type": "boolean",
            "rules": [rule("ids", condition("account", "in", texts("account", IDS)))]}),
    };
    json!({ "flag": flag })
}
