//! How fast a store opens: with its view, without it, and how fast its journal is verified.
//!
//! `cargo run --release -p tidegate-store --example start_rate [records] [entities] [folder]`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tidegate_store::contract::sample::{flag, flag_ref, propose, save};
use tidegate_store::{EmbeddedStore, Store as _, verify};

/// Writers at once while the journal is made.
const WRITERS: usize = 256;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual: usize| arguments.next().map_or(Ok(usual), |text| text.parse());
    let (records, entities) = (number(1_000_000)?, number(10_000)?);
    let folder = match std::env::args_os().nth(3) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let folder = folder.path();
    told("made", || make(folder, records, entities))?;
    told("opened with its view", || open(folder))?;
    told("opened with its view again", || open(folder))?;
    told("verified", || Ok(verify(folder).map(drop)?))?;
    std::fs::remove_dir_all(folder.join("view"))?;
    told("opened without a view: everything replayed", || open(folder))
}

fn told(what: &str, work: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    let begun = Instant::now();
    work()?;
    println!("{what}: {:.2?}", begun.elapsed());
    Ok(())
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?)
}

fn make(folder: &Path, records: usize, entities: usize) -> Outcome<()> {
    let (store, _) = EmbeddedStore::open(folder)?;
    let store = Arc::new(store);
    runtime()?.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                for number in (writer..records).step_by(WRITERS) {
                    let key = format!("flag-{}", number % entities.max(1));
                    let change = flag(&key, &format!("saved as number {number}"));
                    store.commit(propose(vec![save(flag_ref(&key), change)])).await?;
                }
                Outcome::Ok(())
            });
        }
        while let Some(done) = writers.join_next().await {
            done??;
        }
        store.close().await?;
        Ok(())
    })
}

/// Opens it and gives it back; what closing takes is in it, too.
fn open(folder: &Path) -> Outcome<()> {
    let begun = Instant::now();
    let (store, report) = EmbeddedStore::open(folder)?;
    println!("  {} records, ready after {:.2?}", report.head, begun.elapsed());
    runtime()?.block_on(store.close())?;
    Ok(())
}
