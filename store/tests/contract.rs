//! Both stores pass the contract.

use std::sync::Arc;
use tidegate_store::{EmbeddedStore, MemoryStore, Store};

mod memory {
    use super::*;

    tidegate_store::store_contract!(async { (Arc::new(MemoryStore::new()) as Arc<dyn Store>, ()) });
}

mod embedded {
    use super::*;

    tidegate_store::store_contract!(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, report) = EmbeddedStore::open(folder.path()).unwrap();
        assert!(report.created);
        (Arc::new(store) as Arc<dyn Store>, folder)
    });
}
