//! Windows by other time zone data than before.

use crate::faults::{run, world};
use crate::simulation::Simulation;
use tidegate_decide::rollout::Input;
use tidegate_model::because::Reason;
use tidegate_model::calendar::ZONE_DATA;
use tidegate_model::rollout::Reckoned;
use tidegate_model::span::Span;

const TEXT: &str = "stage a 1 for 5m\nstage b 100 for 1m\nallow \"0 0 * * *\" for 2m Europe/London\nblind 1d hold\n\
                    rule r > 1 window 10s every 10s rollback";

/// A rollout behind the end of a window, by this data.
fn waiting(zone_data: &str) -> Simulation {
    let mut world = world(TEXT);
    zone_data.clone_into(&mut world.observed.zone_data);
    run(&mut world, 400);
    world
}

fn moved(world: &Simulation) -> Vec<String> {
    let reasons = world.taken.iter().flat_map(|taken| &taken.step.because.reasons);
    let moved = reasons.filter(|reason| matches!(reason, Reason::ZoneData { .. }));
    moved.map(ToString::to_string).collect()
}

#[test]
fn f42_other_data_that_moves_the_next_opening_is_told_once() {
    let mut world = waiting("2025a");
    let tomorrow = "2026-01-06T00:00:00Z".parse().unwrap();
    let reckoned = |zone_data: &str, opens| Reckoned {
        zone_data: zone_data.to_owned(),
        opens: Some(opens),
    };
    assert_eq!(world.rollout.reckoned, Some(reckoned("2025a", tomorrow)));
    // As if 2025a had London an hour further west.
    let later = Span::seconds(3600).after(tomorrow);
    world.rollout.reckoned = Some(reckoned("2025a", later));
    "2026a".clone_into(&mut world.observed.zone_data);
    run(&mut world, 60);
    assert_eq!(world.rollout.reckoned, Some(reckoned("2026a", tomorrow)));
    assert_eq!(
        moved(&world),
        [
            "the next window opens Tue 2026-01-06 00:00 UTC by time zone data 2026a, and would have opened \
          Tue 2026-01-06 01:00 UTC by 2025a"
        ]
    );
}

#[test]
fn f42_other_data_that_moves_nothing_is_only_remembered() {
    let mut world = waiting("2025a");
    let records = |world: &Simulation| {
        world
            .taken
            .iter()
            .filter(|taken| !taken.step.changes.is_empty())
            .count()
    };
    let before = records(&world);
    "2026a".clone_into(&mut world.observed.zone_data);
    run(&mut world, 60);
    assert_eq!(records(&world), before + 1);
    assert_eq!(world.rollout.reckoned.clone().unwrap().zone_data, "2026a");
    assert_eq!(moved(&world), Vec::<String>::new());
    // Nobody reckons for a simulation that names no data.
    let mut nameless = waiting("");
    run(&mut nameless, 60);
    assert_eq!(nameless.rollout.reckoned, None);
}

#[test]
fn f42_an_opening_that_is_over_is_not_compared() {
    let mut world = waiting("2025a");
    world.rollout.reckoned = Some(Reckoned {
        zone_data: "2025a".to_owned(),
        opens: Some(world.now),
    });
    "2026a".clone_into(&mut world.observed.zone_data);
    world.feed(Input::Wake).unwrap();
    assert_eq!(moved(&world), Vec::<String>::new());
    assert_eq!(ZONE_DATA.len(), 5, "{ZONE_DATA}");
}
