//! What is taken while the control plane only serves.

use crate::simulation::{monday, person};
use tidegate_decide::serving::is_taken;
use tidegate_model::access::{Author, Role};
use tidegate_model::change::Change;
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::freeze::Frozen;
use tidegate_model::rollout::{Ending, PauseOwner, RolloutChange};

fn ended(ending: Ending) -> Change {
    Change::Rollout(RolloutChange::Ended { ending })
}

#[test]
fn what_shuts_is_taken_from_everybody_and_what_opens_from_nobody() {
    let frozen = Change::Frozen(Box::new(Frozen {
        reason: "flames".to_owned(),
        by: Author::Tidegate,
        since: monday(),
    }));
    let resumed = Change::Rollout(RolloutChange::Resumed {
        owner: PauseOwner::Operator,
        reason: "back".to_owned(),
        by: person("ops", Role::Operator),
    });
    let opened = || Change::Rollout(RolloutChange::Opened);
    let settings = Change::EnvironmentSaved(EnvironmentSettings::default());
    // What; whether it is taken from a person, and from Tidegate itself.
    for (changes, person_may, tidegate_may) in [
        (vec![ended(Ending::Aborted)], true, true),
        (vec![ended(Ending::RolledBack)], true, true),
        (vec![frozen], true, true),
        (vec![Change::TokenRevoked], true, true),
        (vec![Change::AlertForgotten], true, true),
        (vec![ended(Ending::Completed)], false, false),
        (vec![opened()], false, false),
        (vec![opened(), ended(Ending::Aborted)], false, false),
        (vec![resumed], false, true),
        (vec![Change::Thawed], false, true),
        (vec![settings], false, true),
    ] {
        let operator = person("ops", Role::Operator);
        assert_eq!(is_taken(&operator, changes.iter()), person_may, "{changes:?}");
        assert_eq!(
            is_taken(&Author::Tidegate, changes.iter()),
            tidegate_may,
            "{changes:?}"
        );
        let file = Author::PolicyFile {
            file: "a.yaml".to_owned(),
        };
        assert_eq!(is_taken(&file, changes.iter()), person_may, "{changes:?}");
    }
}
