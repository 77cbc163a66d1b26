//! How fast commits are, beside a bare `fdatasync` on the same disk in the same run.
//!
//! `cargo run --release -p tidegate-store --example commit_rate [folder]`

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_store::contract::sample::{flag, flag_ref, propose, save};
use tidegate_store::{EmbeddedStore, Store as _, StoreStats};

/// How many syncs and commits one writer is measured over.
const SINGLE: usize = 3000;

/// How many commits each of the many writers makes.
const EACH: usize = 1000;

/// Bytes that one commit adds to the journal here, written before each bare sync too.
const FRAME_BYTES: usize = 300;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let folder = match std::env::args_os().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    println!(
        "{:<26} {:>10} {:>9} {:>9} {:>7}",
        "what", "a second", "p50 us", "p99 us", "group"
    );
    print("append and fdatasync", &bare(folder.path())?, None);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    for writers in [1, 64] {
        let (store, _) = EmbeddedStore::open(folder.path().join(format!("store-{writers}")))?;
        let store = Arc::new(store);
        let each = if writers == 1 { SINGLE } else { EACH };
        let run = runtime.block_on(commits(Arc::clone(&store), writers, each))?;
        let stats = store.stats();
        runtime.block_on(store.close())?;
        print(&format!("commit, {writers} at once"), &run, Some(stats));
    }
    Ok(())
}

/// What was measured: how long all took, and each.
struct Run {
    whole: Duration,
    each: Vec<Duration>,
}

fn bare(folder: &Path) -> Outcome<Run> {
    let mut file = File::create(folder.join("bare"))?;
    let bytes = [b'x'; FRAME_BYTES];
    let mut each = Vec::new();
    let begun = Instant::now();
    for _ in 0..SINGLE {
        let before = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        each.push(before.elapsed());
    }
    Ok(Run {
        whole: begun.elapsed(),
        each,
    })
}

async fn commits(store: Arc<EmbeddedStore>, writers: usize, commits: usize) -> Outcome<Run> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let key = format!("flag-{writer}");
            let change = flag(&key, "saved again and again");
            let mut each = Vec::new();
            for _ in 0..commits {
                let proposal = propose(vec![save(flag_ref(&key), change.clone())]);
                let before = Instant::now();
                store.commit(proposal).await?;
                each.push(before.elapsed());
            }
            Outcome::Ok(each)
        });
    }
    let mut each = Vec::new();
    while let Some(task) = tasks.join_next().await {
        each.extend(task??);
    }
    Ok(Run {
        whole: begun.elapsed(),
        each,
    })
}

fn print(what: &str, run: &Run, stats: Option<StoreStats>) {
    let mut each: Vec<u128> = run.each.iter().map(Duration::as_micros).collect();
    each.sort_unstable();
    let quantile = |percent| each.get(each.len() * percent / 100).copied().unwrap_or_default();
    let count = u32::try_from(each.len()).unwrap_or(u32::MAX);
    let rate = f64::from(count) / run.whole.as_secs_f64();
    let group = stats.map_or_else(String::new, |stats| {
        (stats.commits / stats.groups.max(1)).to_string()
    });
    println!(
        "{what:<26} {rate:>10.0} {:>9} {:>9} {group:>7}",
        quantile(50),
        quantile(99)
    );
}
