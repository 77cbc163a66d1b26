//! What the events of a unit come to for one metric.

use super::event::Event;
use super::lens::{Gauge, Moment, Reading, Take};
use tidegate_model::experiment::tally::{Fixed, MetricTally, Sums};

/// A billion, in millionths: see [`Fixed::LARGEST`].
const LARGEST: i128 = 1_000_000_000_000_000;

/// What the events of a unit have come to for one metric.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// Above the line, or the only number. Of a funnel the steps that were reached, of a percentile the values.
    above: Amount,
    /// Below the line, or the same number before the exposure.
    below: Amount,
}

#[derive(Debug, Clone, Default)]
struct Amount {
    events: u64,
    /// The sum of the values or the largest one, in millionths.
    number: i128,
    /// The values of a percentile, or those that differ, ascending.
    values: Vec<Fixed>,
}

/// A unit's numbers for one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) y: Fixed,
    x: Fixed,
    /// Whether the unit has a history.
    known: bool,
    /// Steps of a funnel that were reached.
    reached: u64,
}

impl Amount {
    fn add(&mut self, take: Take, value: Fixed) {
        let millionths = i128::from(value.millionths());
        match take {
            Take::Any | Take::Count => {}
            Take::Sum => self.number += millionths,
            Take::Max if self.events == 0 => self.number = millionths,
            Take::Max => self.number = self.number.max(millionths),
            Take::Unique => {
                if let Err(place) = self.values.binary_search(&value) {
                    self.values.insert(place, value);
                }
            }
        }
        self.events += 1;
    }

    /// The number, cut to what can be counted; `None` where there is none without events.
    fn take(&self, take: Take) -> Option<Fixed> {
        match take {
            Take::Any => Some(whole(u64::from(self.events > 0))),
            Take::Count => Some(whole(self.events)),
            Take::Sum => Some(fixed(self.number)),
            Take::Max => (self.events > 0).then(|| fixed(self.number)),
            Take::Unique => Some(whole(u64::try_from(self.values.len()).unwrap_or(u64::MAX))),
        }
    }
}

fn whole(count: u64) -> Fixed {
    fixed(i128::from(count) * i128::from(Fixed::ONE.millionths()))
}

fn fixed(millionths: i128) -> Fixed {
    let cut = i64::try_from(millionths.clamp(-LARGEST, LARGEST));
    Fixed::of_millionths(cut.unwrap_or_default())
}

impl Meter {
    /// The meter of a unit that was exposed then, and did this and nothing else.
    pub(super) fn of(gauge: &Gauge, events: &[Event], exposed: Moment, history: u64) -> Self {
        let mut meter = Self::default();
        meter.take_in(gauge, events, exposed, history);
        meter
    }

    /// Takes in events in the order of time. Only for funnels is it wrong to hand them in out of their order.
    pub(super) fn take_in(&mut self, gauge: &Gauge, events: &[Event], exposed: Moment, history: u64) {
        if let Reading::Funnel { steps } = &gauge.reading {
            let start = events.partition_point(|event| event.at().saturating_add(history) < exposed);
            let middle = events.partition_point(|event| event.at() < exposed);
            let end =
                events.partition_point(|event| event.at() < exposed || event.at() - exposed < gauge.window);
            let part = |from: usize, to: usize| events.get(from..to).unwrap_or_default();
            advance(&mut self.below.events, steps, part(start.min(middle), middle));
            advance(&mut self.above.events, steps, part(middle, end));
            return;
        }
        for event in events.iter().filter(|event| !event.is_again()) {
            if let Some(since) = event.at().checked_sub(exposed) {
                if since < gauge.window {
                    self.count(gauge, event, since);
                }
            } else if exposed - event.at() <= history {
                self.remember(gauge, event);
            }
        }
    }

    /// Something from before the exposure.
    fn remember(&mut self, gauge: &Gauge, event: &Event) {
        match gauge.reading {
            Reading::Single { event: number, take } if number == event.number() => {
                self.below.add(take, event.value);
            }
            Reading::Retention { event: number, .. } if number == event.number() => {
                self.below.add(Take::Any, event.value);
            }
            _ => {}
        }
    }

    fn count(&mut self, gauge: &Gauge, event: &Event, since: u64) {
        let number = event.number();
        match &gauge.reading {
            Reading::Single { event: wanted, take } => {
                if *wanted == number {
                    self.above.add(*take, event.value);
                }
            }
            Reading::Retention {
                event: wanted,
                from,
                to,
            } => {
                if *wanted == number && (*from..*to).contains(&since) {
                    self.above.add(Take::Any, event.value);
                }
            }
            Reading::Pair { above, below } => {
                if above.0 == number {
                    self.above.add(above.1, event.value);
                }
                if below.0 == number {
                    self.below.add(below.1, event.value);
                }
            }
            Reading::Values { event: wanted, .. } => {
                if *wanted == number {
                    self.above.values.push(event.value);
                }
            }
            Reading::Funnel { .. } => {}
        }
    }

    /// What it says; `None` when that is nothing. `known` is whether the unit has a history.
    pub(super) fn numbers(&self, gauge: &Gauge, known: bool) -> Option<Numbers> {
        let (y, x, reached) = match &gauge.reading {
            Reading::Single { take, .. } => (
                cut(self.above.take(*take)?, gauge.cap),
                cut(self.below.take(*take).unwrap_or_default(), gauge.cap),
                0,
            ),
            Reading::Retention { .. } => (self.above.take(Take::Any)?, self.below.take(Take::Any)?, 0),
            Reading::Pair { above, below } => (self.above.take(above.1)?, self.below.take(below.1)?, 0),
            Reading::Funnel { steps } => {
                let all = u64::try_from(steps.len()).unwrap_or(u64::MAX);
                let done = |reached: u64| whole(u64::from(reached == all));
                (
                    done(self.above.events),
                    done(self.below.events),
                    self.above.events,
                )
            }
            Reading::Values { .. } => return None,
        };
        Some(Numbers {
            y,
            x,
            known: known || gauge.is_pair(),
            reached,
        })
    }

    /// The values of a percentile.
    pub(super) fn values(&self) -> &[Fixed] {
        &self.above.values
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        (self.above.values.capacity() + self.below.values.capacity()) * size_of::<Fixed>()
    }
}

fn cut(value: Fixed, cap: Option<Fixed>) -> Fixed {
    cap.map_or(value, |cap| value.min(cap))
}

/// Goes on in a funnel. Events of one millisecond have no order, and are taken in that of the steps.
fn advance(reached: &mut u64, steps: &[u16], events: &[Event]) {
    let next = |reached: u64| steps.get(usize::try_from(reached).ok()?);
    for moment in events.chunk_by(|a, b| a.at() == b.at()) {
        let counting = moment.iter().filter(|event| !event.is_again());
        if moment.len() == 1 {
            for event in counting {
                *reached += u64::from(next(*reached) == Some(&event.number()));
            }
            continue;
        }
        let mut left: Vec<u16> = counting.map(Event::number).collect();
        while let Some(step) = next(*reached)
            && let Some(place) = left.iter().position(|number| number == step)
        {
            left.swap_remove(place);
            *reached += 1;
        }
    }
}

impl Numbers {
    /// Adds them to a tally, or takes them away again.
    pub(super) fn count(&self, tally: &mut MetricTally, add: bool) {
        let sums = if self.known {
            &mut tally.known
        } else {
            &mut tally.new
        };
        self.sum_up(sums, add);
        if self.y != Fixed::ZERO {
            step(&mut tally.active, 1, add);
        }
        for (place, count) in (0..).zip(&mut tally.steps) {
            if place < self.reached {
                step(count, 1, add);
            }
        }
    }

    fn sum_up(&self, sums: &mut Sums, add: bool) {
        let sign = if add { 1 } else { -1 };
        let (y, x) = (i128::from(self.y.millionths()), i128::from(self.x.millionths()));
        step(&mut sums.n, 1, add);
        // Wrapping, because taking away undoes it then whatever happened; a hundred million units have room.
        sums.y = sums.y.wrapping_add(sign * y);
        sums.yy = sums.yy.wrapping_add(sign * y * y);
        sums.x = sums.x.wrapping_add(sign * x);
        sums.xx = sums.xx.wrapping_add(sign * x * x);
        sums.xy = sums.xy.wrapping_add(sign * x * y);
    }
}

/// Counts up or down.
pub(super) fn step(count: &mut u64, by: u64, add: bool) {
    *count = if add {
        count.saturating_add(by)
    } else {
        count.saturating_sub(by)
    };
}
