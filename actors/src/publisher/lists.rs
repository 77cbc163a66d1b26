//! Lists of units: nothing is published whose lists nodes could not get.

use std::collections::BTreeSet;
use std::sync::Arc;
use tidegate_model::snapshot::Digest;
use tidegate_model::units::{Lists, UnitSet};
use tidegate_store::Store;

/// Which of these lists can be had, each looked at once. For each stands a set of nobody: to see whether
/// a snapshot can be compiled it does not take the units, and nothing has to be kept in memory.
pub(super) async fn at_hand(store: &dyn Store, wanted: BTreeSet<Digest>) -> Lists {
    let nobody = Arc::new(UnitSet::of_hashes(Vec::new()));
    let mut found = Lists::new();
    for digest in wanted {
        match check(store, &digest).await {
            Ok(()) => {
                found.insert(digest, Arc::clone(&nobody));
            }
            Err(why) => {
                tracing::error!(%digest, why, "a list of units cannot be had; import it again");
            }
        }
    }
    found
}

async fn check(store: &dyn Store, digest: &Digest) -> Result<(), String> {
    let bytes = store.load_list(digest).await.map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or("the store does not have it")?;
    let read = UnitSet::from_bytes(&bytes).map_err(|refusal| refusal.to_string());
    read.map(drop)
}
