//! Durable steps per second, with one run and with 64, beside a bare loop of sled batch, flush and
//! fsync with records of the same sizes, and replay from memory and from the store.
//!
//! `cargo run --release --example bench_steps -- [FOLDER] [SECONDS]` prints a table, then one JSON
//! object in the last line. FOLDER must lie on the disk that is to be measured.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orchestrator_host::clock::{Clock, SystemClock};
use orchestrator_host::journal::{
    BlobId, Call, Halt, MemoryStore, Options, Recovery, RunCreated, SledStore, StepLog, Store, Stored,
};
use orchestrator_host::model::{Grants, RunId, StepSeq, Timestamp};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs at once in the second measurement.
const RUNS: u8 = 64;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().map_or_else(std::env::temp_dir, Into::into);
    let seconds = args.next().map_or(Ok(3), |text| text.parse())?;
    let root = folder.join(format!("bench-steps-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let result = measure(&root, Duration::from_secs(seconds));
    std::fs::remove_dir_all(&root)?;
    result
}

fn measure(root: &Path, time: Duration) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let record = record_bytes(&runtime)?;
    println!("a step's record has {record} bytes");

    // Alternating, so that a disk that slows down slows both.
    let mut rows = Vec::new();
    for (name, runs) in [("1 run", 1), ("64 runs", RUNS)] {
        let mut steps = Vec::new();
        let mut bare = Vec::new();
        for round in 0..3 {
            bare.push(bare_loop(&root.join(format!("bare-{runs}-{round}")), record, runs, time / 3)?);
            steps.push(runtime.block_on(steps_per_second(
                &root.join(format!("steps-{runs}-{round}")),
                runs,
                time / 3,
            ))?);
        }
        let (steps, bare) = (median(steps), median(bare));
        println!(
            "{name:8} {steps:9.0} steps/s   bare sled + fsync {bare:9.0} records/s   ratio {:.2}",
            steps / bare
        );
        rows.push((steps, bare));
    }
    let fdatasync = fdatasync_loop(&root.join("raw"), record, time / 3)?;
    println!("raw write + fdatasync {fdatasync:9.0}/s");
    let (memory, stored) = runtime.block_on(replay(&root.join("replay")))?;
    let scan = bare_scan(&root.join("scan"), record)?;
    println!("replay: {memory:9.0} entries/s from memory, {stored:9.0} from the store; bare scan {scan:9.0}");
    println!(
        "{{\"steps_1\":{:.0},\"bare_1\":{:.0},\"steps_64\":{:.0},\"bare_64\":{:.0},\"fdatasync\":{fdatasync:.0},\"replay_memory\":{memory:.0},\"replay_store\":{stored:.0},\"bare_scan\":{scan:.0}}}",
        rows[0].0, rows[0].1, rows[1].0, rows[1].1,
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn created(n: u8) -> RunCreated {
    RunCreated {
        run: RunId::new(Timestamp(1_700_000_000_000), [n; 10]),
        workflow: "bench".to_owned(),
        component: BlobId::of(b""),
        input: Stored::Inline(b"{}".to_vec().into()),
        grants: Grants::default(),
        seed: [0; 32],
        host: "bench".to_owned(),
        began_at: Timestamp(1_700_000_000_000),
        after: StepSeq(0),
        resumed: None,
        checkpoints: Vec::new(),
        statuses: Vec::new(),
    }
}

/// A step such as workflows have: a stat of a file, with an answer of about a hundred bytes.
async fn step(log: &mut StepLog, n: u64) -> Result<(), Halt> {
    let args = ("bank", format!("in/statement-{n:06}.csv"));
    let call = Call { kind: "ftp.stat", args: &args, label: None, recovery: Recovery::Read };
    let answer: (String, u64, u64) =
        log.once(call, async |_| Ok(("-rw-r--r-- 1 ftp ftp statement of the day".to_owned(), n, n))).await?;
    assert_eq!(answer.1, n);
    Ok(())
}

fn record_bytes(runtime: &tokio::runtime::Runtime) -> Result<usize, Failure> {
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let made = created(0);
        let run = made.run.clone();
        let mut log = StepLog::create(Arc::clone(&store), clock(), made).await?;
        let before = store.head(&run).await?.map_or(0, |head| head.bytes);
        step(&mut log, 1).await?;
        let after = store.head(&run).await?.map_or(0, |head| head.bytes);
        Ok(usize::try_from(after - before)?)
    })
}

async fn steps_per_second(folder: &Path, runs: u8, time: Duration) -> Result<f64, Failure> {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder, Options::default())?);
    let mut logs = Vec::new();
    for n in 0..runs {
        logs.push(StepLog::create(Arc::clone(&store), clock(), created(n)).await?);
    }
    let begin = Instant::now();
    let tasks: Vec<_> = logs
        .into_iter()
        .map(|mut log| {
            tokio::spawn(async move {
                let mut count = 0;
                // A run may have 100,000 entries.
                while begin.elapsed() < time && count < 90_000 {
                    step(&mut log, count).await?;
                    count += 1;
                }
                Ok::<u64, Halt>(count)
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await??;
    }
    Ok(total as f64 / begin.elapsed().as_secs_f64())
}

/// Records per second of a bare scan of as many records of the same sizes.
fn bare_scan(folder: &Path, record: usize) -> Result<f64, Failure> {
    const RECORDS: u64 = 50_000;
    let db = sled::Config::new().path(folder).flush_every_ms(None).cache_capacity(64 << 20).open()?;
    for n in 0..RECORDS {
        let mut key = b"j01HF7YAT0009ZZ4XK5E8XC3MVQ".to_vec();
        key.extend_from_slice(&n.to_be_bytes());
        db.insert(key, vec![1; record])?;
    }
    let begin = Instant::now();
    let mut bytes = 0;
    for row in db.range::<&[u8], _>(..) {
        bytes += row?.1.len();
    }
    let rate = RECORDS as f64 / begin.elapsed().as_secs_f64();
    assert_eq!(bytes as u64, RECORDS * record as u64);
    Ok(rate)
}

/// What the store costs at the least: one record for each run in a batch, flush, fsync.
fn bare_loop(folder: &Path, record: usize, runs: u8, time: Duration) -> Result<f64, Failure> {
    let db = sled::Config::new().path(folder).flush_every_ms(None).cache_capacity(64 << 20).open()?;
    let file = std::fs::File::open(folder.join("db"))?;
    let begin = Instant::now();
    let mut total = 0_u64;
    let mut n = 0_u64;
    while begin.elapsed() < time {
        n += 1;
        let mut batch = sled::Batch::default();
        for run in 0..runs {
            let mut key = format!("j{:026}", run).into_bytes();
            key.extend_from_slice(&n.to_be_bytes());
            batch.insert(key, vec![run; record]);
        }
        db.apply_batch(batch)?;
        db.flush()?;
        file.sync_data()?;
        total += u64::from(runs);
    }
    Ok(total as f64 / begin.elapsed().as_secs_f64())
}

fn fdatasync_loop(path: &Path, record: usize, time: Duration) -> Result<f64, Failure> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    let bytes = vec![1; record];
    let begin = Instant::now();
    let mut total = 0_u64;
    while begin.elapsed() < time {
        file.write_all(&bytes)?;
        file.sync_data()?;
        total += 1;
    }
    Ok(total as f64 / begin.elapsed().as_secs_f64())
}

/// Entries per second of a replay, from memory and from the store.
async fn replay(folder: &Path) -> Result<(f64, f64), Failure> {
    const STEPS: u64 = 50_000;
    let run = created(0).run;
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut log = StepLog::create(Arc::clone(&memory), clock(), created(0)).await?;
    for n in 0..STEPS {
        step(&mut log, n).await?;
    }
    let stored: Arc<dyn Store> = Arc::new(SledStore::open(folder, Options::default())?);
    let export = memory.export(&run).await?.ok_or("the run is gone")?;
    stored.import(export).await?;

    let mut rates = Vec::new();
    for store in [memory, stored] {
        let begin = Instant::now();
        let (claim, head) = store.claim(&run).await?;
        let (mut log, _) = StepLog::open(store, clock(), claim, &head).await?;
        for n in 0..STEPS {
            step(&mut log, n).await?;
        }
        assert!(log.is_live(), "everything was replayed");
        rates.push(STEPS as f64 / begin.elapsed().as_secs_f64());
    }
    Ok((rates[0], rates[1]))
}
