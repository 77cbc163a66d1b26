//! What an engine must do to take part, and how it is driven.

use crate::workload::{Flag, Person, Workload, flags, mix, people};
use std::hint::black_box;

/// An engine: flags loaded, contexts made, flags evaluated by name.
pub trait Engine: Sized {
    /// What the engine calls a context; it may borrow from the person.
    type Context<'p>;

    /// The crate and its version.
    const NAME: &'static str;

    /// Loads the flags in the engine's own words.
    fn load(flags: &[Flag]) -> Self;

    /// A context from a person's attributes.
    fn context<'p>(&self, person: &'p Person) -> Self::Context<'p>;

    /// Takes a context back that is needed no more, for engines that use its memory again.
    fn take_back(&self, _context: Self::Context<'_>) {}

    /// Whether a boolean flag is on.
    fn on(&self, flag: &str, context: &Self::Context<'_>) -> bool;

    /// Which of D's variations is served: 1 for `a` to 4 for `d`, 0 outside the segment.
    fn letter(&self, flag: &str, context: &Self::Context<'_>) -> u8;

    /// All of the flags for one context: the sum of the answers.
    fn everything(&self, flags: &[Flag], context: &Self::Context<'_>) -> u64 {
        flags
            .iter()
            .map(|flag| u64::from(self.answer(flag, context)))
            .sum()
    }

    /// The answer of one flag, as a number.
    fn answer(&self, flag: &Flag, context: &Self::Context<'_>) -> u8 {
        if flag.has_letters() {
            self.letter(&flag.name, context)
        } else {
            u8::from(self.on(&flag.name, context))
        }
    }
}

/// The letter of a variation as a number.
pub fn number_of(variation: &str) -> u8 {
    match variation.as_bytes() {
        [letter @ b'a'..=b'd'] => letter - b'a' + 1,
        _ => 0,
    }
}

/// An engine with its flags and contexts, its type forgotten: one call of it is one round.
pub trait Seat {
    /// The crate and its version.
    fn name(&self) -> &'static str;

    /// One workload for the first `count` prepared contexts: the sum of the answers.
    fn round(&self, workload: Workload, count: usize) -> u64;

    /// One workload for the first `count` people, the context made each time: the sum of the answers.
    fn raw_round(&self, workload: Workload, count: usize) -> u64;

    /// The answers of one workload, person by person.
    fn answers(&self, workload: Workload) -> Vec<u64>;

    /// Makes the first `count` contexts.
    fn contexts_round(&self, count: usize);
}

/// The seat of one engine: one environment for E, another for the flags that are asked for alone.
pub struct Seated<E: Engine> {
    alone: Loaded<E>,
    together: Loaded<E>,
    mix: Vec<Flag>,
    people: &'static [Person],
}

struct Loaded<E: Engine> {
    engine: E,
    contexts: Vec<E::Context<'static>>,
}

impl<E: Engine> Loaded<E> {
    fn new(flags: &[Flag], people: &'static [Person]) -> Self {
        let engine = E::load(flags);
        let contexts = people.iter().map(|person| engine.context(person)).collect();
        Self { engine, contexts }
    }

    #[inline(always)]
    fn one(&self, workload: Workload, mix: &[Flag], context: &E::Context<'_>) -> u64 {
        let flag = black_box(workload.flag());
        match workload {
            Workload::Everything => self.engine.everything(mix, context),
            Workload::FourWay => u64::from(self.engine.letter(flag, context)),
            _ => u64::from(self.engine.on(flag, context)),
        }
    }
}

impl<E: Engine> Seated<E> {
    /// Loads the engine and prepares the contexts.
    pub fn new() -> Self {
        // They live as long as the program, so that contexts may borrow from them.
        let people: &'static [Person] = people().leak();
        Self {
            alone: Loaded::new(&flags(), people),
            together: Loaded::new(&mix(), people),
            mix: mix(),
            people,
        }
    }

    fn loaded(&self, workload: Workload) -> &Loaded<E> {
        if workload == Workload::Everything {
            &self.together
        } else {
            &self.alone
        }
    }
}

impl<E: Engine> Seat for Seated<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn round(&self, workload: Workload, count: usize) -> u64 {
        let loaded = self.loaded(workload);
        loaded
            .contexts
            .iter()
            .take(count)
            .map(|context| loaded.one(workload, &self.mix, black_box(context)))
            .sum()
    }

    fn raw_round(&self, workload: Workload, count: usize) -> u64 {
        let loaded = self.loaded(workload);
        let mut sum = 0;
        for person in self.people.iter().take(count) {
            let context = loaded.engine.context(black_box(person));
            sum += loaded.one(workload, &self.mix, black_box(&context));
            loaded.engine.take_back(context);
        }
        sum
    }

    fn answers(&self, workload: Workload) -> Vec<u64> {
        let loaded = self.loaded(workload);
        loaded
            .contexts
            .iter()
            .map(|context| loaded.one(workload, &self.mix, context))
            .collect()
    }

    fn contexts_round(&self, count: usize) {
        let engine = &self.alone.engine;
        for person in self.people.iter().take(count) {
            engine.take_back(black_box(engine.context(black_box(person))));
        }
    }
}
