//! Experiments that are watched while their users come in, and the methods that watch them.

use super::draws::{Binomial, Draws, count};
use tidegate_stats::effect::Contrast;
use tidegate_stats::moments::Moments;
use tidegate_stats::{Counts, Refusal, mean};

/// What the users of one arm do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Traffic {
    /// This share of them converts. The value of a user is 0 or 1.
    Conversions {
        /// From 0 to 1.
        rate: f64,
    },
    /// Some buy, for an amount whose logarithm is normal. The value of a user is the amount.
    Purchases {
        /// The share that buys.
        buyers: f64,
        /// The mean of the logarithm of the amount.
        mu: f64,
        /// The deviation of the logarithm of the amount.
        sigma: f64,
    },
}

/// An experiment: what both arms do, and when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The users of the control.
    pub control: Traffic,
    /// The users of the treatment.
    pub treatment: Traffic,
    /// How many of them come to each arm between two looks.
    pub users: u64,
    /// How many looks there are.
    pub looks: u32,
}

/// What is known of one arm.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Arm {
    /// Its users.
    pub users: u64,
    /// Those who did something: converted, bought.
    pub events: u64,
    /// The values of all users.
    pub values: Moments,
}

impl Arm {
    /// Those who did something among all.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        Counts {
            events: self.events,
            trials: self.users,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.users += other.users;
        self.events += other.events;
        self.values.merge(&other.values);
    }
}

/// What a method sees at one look.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Which one it is, from 1. At the first one a method that remembers must forget.
    pub number: u32,
    /// The control so far.
    pub control: &'a Arm,
    /// The treatment so far.
    pub treatment: &'a Arm,
    /// The control since the last look, whether the method was asked at that or not.
    pub control_since: &'a Arm,
    /// The treatment since the last look.
    pub treatment_since: &'a Arm,
}

impl Look<'_> {
    /// The users of both arms.
    #[must_use]
    pub const fn users(&self) -> u64 {
        self.control.users + self.treatment.users
    }

    /// The means of the arms' values, compared.
    ///
    /// # Errors
    ///
    /// As [`mean::contrast`].
    pub fn contrast(&self) -> Result<Contrast, Refusal> {
        mean::contrast(&self.control.values, &self.treatment.values)
    }
}

/// What a method is asked at each look.
pub type Finds<'a> = dyn FnMut(&Look<'_>) -> Result<bool, Refusal> + 'a;

/// A method that says at each look whether it has found something. A refusal is no finding.
pub struct Method<'a> {
    /// What it is.
    pub name: String,
    /// It is asked at every so many-th look, so that 1 is all of them.
    pub every: u32,
    /// Whether it has found something. It is not asked again in a trial after it has.
    pub finds: Box<Finds<'a>>,
}

impl<'a> Method<'a> {
    /// A method that is asked at every so many-th look.
    pub fn new(
        name: impl Into<String>,
        every: u32,
        finds: impl FnMut(&Look<'_>) -> Result<bool, Refusal> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            every,
            finds: Box::new(finds),
        }
    }
}

/// What became of one method in many trials.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The method.
    pub name: String,
    /// In how many trials it found something.
    pub found: u64,
    /// The users in an arm when it did, or in the end when it did not.
    pub users: Moments,
}

/// The traffic of one arm, made ready to be drawn.
enum Source {
    Conversions(Binomial),
    Purchases { buyers: Binomial, mu: f64, sigma: f64 },
}

impl Source {
    fn new(traffic: Traffic, users: u64) -> Self {
        match traffic {
            Traffic::Conversions { rate } => Self::Conversions(Binomial::new(users, rate)),
            Traffic::Purchases { buyers, mu, sigma } => Self::Purchases {
                buyers: Binomial::new(users, buyers),
                mu,
                sigma,
            },
        }
    }

    fn draw(&self, draws: &mut Draws) -> Arm {
        match self {
            Self::Conversions(counts) => {
                let (users, events) = (counts.trials(), draws.count_of(counts));
                let rate = count(events) / count(users);
                Arm {
                    users,
                    events,
                    values: Moments {
                        n: users,
                        mean: rate,
                        m2: count(events) * (1.0 - rate),
                    },
                }
            }
            Self::Purchases { buyers, mu, sigma } => {
                let (users, events) = (buyers.trials(), draws.count_of(buyers));
                let mut values = Moments {
                    n: users - events,
                    ..Moments::default()
                };
                let mut amounts = Moments::default();
                for _ in 0..events {
                    amounts.push(draws.lognormal(*mu, *sigma));
                }
                values.merge(&amounts);
                Arm {
                    users,
                    events,
                    values,
                }
            }
        }
    }
}

impl Trial {
    /// Runs as many trials, and says what each method made of them. `tick` is called after each.
    pub fn run(
        &self,
        methods: &mut [Method<'_>],
        rounds: u64,
        draws: &mut Draws,
        tick: &mut dyn FnMut(),
    ) -> Vec<Outcome> {
        let sources = [self.control, self.treatment].map(|traffic| Source::new(traffic, self.users));
        let most = self.users * u64::from(self.looks);
        let mut outcomes: Vec<Outcome> = methods
            .iter()
            .map(|method| Outcome {
                name: method.name.clone(),
                found: 0,
                users: Moments::default(),
            })
            .collect();
        let mut found_at: Vec<Option<u64>> = Vec::with_capacity(methods.len());
        for _ in 0..rounds {
            found_at.clear();
            found_at.resize(methods.len(), None);
            self.watch(&sources, methods, &mut found_at, draws);
            for (outcome, at) in outcomes.iter_mut().zip(&found_at) {
                outcome.found += u64::from(at.is_some());
                outcome.users.push(count(at.unwrap_or(most)));
            }
            tick();
        }
        outcomes
    }

    /// One trial; after how many users of an arm each method found something.
    fn watch(
        &self,
        [control_source, treatment_source]: &[Source; 2],
        methods: &mut [Method<'_>],
        found_at: &mut [Option<u64>],
        draws: &mut Draws,
    ) {
        let (mut control, mut treatment) = (Arm::default(), Arm::default());
        for number in 1..=self.looks {
            let (control_since, treatment_since) = (control_source.draw(draws), treatment_source.draw(draws));
            control.merge(&control_since);
            treatment.merge(&treatment_since);
            let look = Look {
                number,
                control: &control,
                treatment: &treatment,
                control_since: &control_since,
                treatment_since: &treatment_since,
            };
            for (method, at) in methods.iter_mut().zip(found_at.iter_mut()) {
                if at.is_none() && number % method.every == 0 && (method.finds)(&look) == Ok(true) {
                    *at = Some(control.users);
                }
            }
        }
    }
}
