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
use tidegate_store::{EmbeddedStore, Store as _};

/// How many commits of one writer are measured, each after a bare sync.
const SINGLE: usize = 3000;

/// How many commits each of the many writers makes.
const EACH: usize = 1000;

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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let alone = runtime.block_on(alone(folder.path()))?;
    print("append and fdatasync", &alone.bare, None);
    print("commit, 1 at once", &alone.commits, Some(1));
    print("its own fdatasync", &alone.own, None);
    let (store, _) = EmbeddedStore::open(folder.path().join("store-64"))?;
    let store = Arc::new(store);
    let run = runtime.block_on(commits(Arc::clone(&store), 64, EACH))?;
    let stats = store.stats();
    runtime.block_on(store.close())?;
    print(
        "commit, 64 at once",
        &run,
        Some(stats.commits / stats.groups.max(1)),
    );
    let median = |run: &Run| run.quantile(50).as_secs_f64();
    let commit = median(&alone.commits);
    println!(
        "medians: a commit of one writer takes {:.2} times as long as a bare append and fdatasync, {:.2} times as long as \
         its own fdatasync",
        commit / median(&alone.bare),
        commit / median(&alone.own)
    );
    Ok(())
}

/// What one writer measures.
#[derive(Default)]
struct Alone {
    /// A bare append and sync of as many bytes as a commit adds.
    bare: Run,
    /// The commits.
    commits: Run,
    /// The sync of each of these commits, which no commit can be quicker than.
    own: Run,
}

/// One bare sync, one commit, and so on: syncs of a disk that others use too take a fraction of a millisecond or several,
/// by turns, and medians of runs after each other say which it was, not what a commit adds.
async fn alone(folder: &Path) -> Outcome<Alone> {
    let (store, _) = EmbeddedStore::open(folder.join("store-1"))?;
    let change = flag("flag-0", "saved again and again");
    let proposal = || propose(vec![save(flag_ref("flag-0"), change.clone())]);
    store.commit(proposal()).await?;
    let before = store.stats().journal_bytes;
    store.commit(proposal()).await?;
    let bytes = vec![b'x'; usize::try_from(store.stats().journal_bytes - before)?];
    let mut file = File::options()
        .append(true)
        .create_new(true)
        .open(folder.join("bare"))?;
    let mut found = Alone::default();
    for _ in 0..SINGLE {
        let began = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        found.bare.note(began.elapsed());
        let synced = store.stats().sync_seconds;
        let began = Instant::now();
        store.commit(proposal()).await?;
        found.commits.note(began.elapsed());
        let own = store.stats().sync_seconds - synced;
        found.own.note(Duration::from_secs_f64(own.max(0.0)));
    }
    store.close().await?;
    Ok(found)
}

/// What was measured: how long all took, and each.
#[derive(Default)]
struct Run {
    whole: Duration,
    each: Vec<Duration>,
}

impl Run {
    fn note(&mut self, took: Duration) {
        self.whole += took;
        self.each.push(took);
    }

    fn quantile(&self, percent: usize) -> Duration {
        let mut each = self.each.clone();
        each.sort_unstable();
        each.get(each.len() * percent / 100).copied().unwrap_or_default()
    }
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

fn print(what: &str, run: &Run, group: Option<u64>) {
    let quantile = |percent| run.quantile(percent).as_micros();
    let count = u32::try_from(run.each.len()).unwrap_or(u32::MAX);
    let rate = f64::from(count) / run.whole.as_secs_f64();
    let group = group.map_or_else(String::new, |group| group.to_string());
    println!(
        "{what:<26} {rate:>10.0} {:>9} {:>9} {group:>7}",
        quantile(50),
        quantile(99)
    );
}
