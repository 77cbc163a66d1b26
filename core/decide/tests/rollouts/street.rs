//! Several rollouts side by side, each told what the others have committed.

use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, monday};
use tidegate_decide::neighbour::{Neighbour, Neighbours};
use tidegate_decide::rollout::Input;
use tidegate_model::Timestamp;
use tidegate_model::key::{EnvironmentKey, FlagKey, RuleName};
use tidegate_model::rollout::Rollout;
use tidegate_model::span::Span;
use tidegate_simulate::answer::Script;
use tidegate_simulate::fault::Fault;
use tidegate_simulate::setting::Setting;

/// How long one rollout is ahead of the others at most.
const CHUNK: Span = Span::seconds(5);

/// Rollouts side by side.
pub(crate) struct Street {
    pub(crate) worlds: Vec<Simulation>,
    now: Timestamp,
}

impl Street {
    pub(crate) fn new() -> Self {
        Self {
            worlds: Vec::new(),
            now: monday(),
        }
    }

    fn seen(&self) -> Vec<Neighbour> {
        self.worlds
            .iter()
            .map(|world| Neighbour::of(&world.rollout))
            .collect()
    }

    /// Starts a rollout of `flag` beside those that are there. Answers with its place.
    pub(crate) fn start(&mut self, flag: &str, text: &str) -> Result<usize, Fault> {
        let policy = policy(text);
        let environment = EnvironmentKey::new("production").unwrap();
        let flag = FlagKey::new(flag).unwrap();
        let setting = Setting::with(&policy, environment, flag, None, [].into()).unwrap();
        let all = Neighbours(
            (self.seen().into_iter())
                .map(|other| (other.id.clone(), other))
                .collect(),
        );
        let mut world = Simulation::beside(&setting, &policy, Script::default(), all, self.now)?;
        let start = world.rollout.start.clone();
        let seen = self.seen();
        world.neighbours = Neighbours::concerning(&start.id, &start.flag, &start.plan, &seen);
        world.observed.neighbours = world.neighbours.clone();
        self.worlds.push(world);
        self.tell();
        Ok(self.worlds.len() - 1)
    }

    /// Tells everybody what the others have committed, until nobody has anything new.
    pub(crate) fn tell(&mut self) {
        for _ in 0..20 {
            let seen = self.seen();
            let latest = self.worlds.iter().map(|world| world.now).max();
            let mut news = false;
            for world in &mut self.worlds {
                let start = &world.rollout.start;
                let now = Neighbours::concerning(&start.id, &start.flag, &start.plan, &seen);
                if now != world.neighbours {
                    news = true;
                    // All of them live by the same clock.
                    world.now = latest.unwrap_or(world.now);
                    world.neighbours = now.clone();
                    world.feed(Input::Neighbours(now)).unwrap();
                }
            }
            if !news {
                return;
            }
        }
        panic!("they never stop telling each other something new");
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        let end = Span::seconds(seconds).after(self.now);
        while self.now < end {
            self.now = CHUNK.after(self.now);
            for index in 0..self.worlds.len() {
                let world = &mut self.worlds[index];
                world.run(Span::between(world.now, self.now)).unwrap();
                self.tell();
            }
        }
    }

    /// Runs until `enough`, or panics after a day.
    pub(crate) fn until(&mut self, enough: impl Fn(&Self) -> bool) {
        for _ in 0..17_280 {
            if enough(self) {
                return;
            }
            self.run(5);
        }
        panic!("it never comes to that: {:?}", self.shares());
    }

    pub(crate) fn say(&mut self, index: usize, rule: &str, answer: Answer) {
        let rule = RuleName::new(rule).unwrap();
        self.worlds[index].answers.insert(rule, answer);
    }

    pub(crate) fn rollout(&self, index: usize) -> &Rollout {
        &self.worlds[index].rollout
    }

    pub(crate) fn shares(&self) -> Vec<f64> {
        let shares = self.worlds.iter().map(|world| world.rollout.share.percent());
        shares.collect()
    }

    /// What one of them waits for, as it says it itself.
    pub(crate) fn says(&self, index: usize) -> String {
        let taken = self.worlds[index].taken.last().unwrap();
        taken.step.because.to_string()
    }
}
