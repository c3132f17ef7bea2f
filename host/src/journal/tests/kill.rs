//! Real kills: a child process writes to a store and is killed at random moments, also while it opens;
//! whatever it had been told is durable is there afterwards.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::run_id;
use crate::journal::{Append, NewRun, Options, SledStore, Store, Write};

/// Tells the child what to do; the test that is the child does nothing without it.
const STATE: &str = "ORCHESTRATOR_TEST_KILLED_STATE";

const RUNS: u8 = 4;

/// The entry that a run has at this place.
fn entry(n: u8, seq: u64) -> Bytes {
    let length = usize::try_from(seq * 37 % 6000).unwrap();
    let mut bytes = format!("{n}/{seq}/").into_bytes();
    bytes.resize(bytes.len() + length, n);
    bytes.into()
}

/// Not a test by itself: what is killed.
#[test]
fn child_of_the_kill_test() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        let store: Arc<dyn Store> = Arc::new(SledStore::open(Path::new(&state), Options::default()).unwrap());
        let mut tasks = Vec::new();
        for n in 0..RUNS {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move { write_run(store, n).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn write_run(store: Arc<dyn Store>, n: u8) {
    let run = run_id(n);
    let (claim, mut seq) = match store.head(&run).await.unwrap() {
        Some(head) => (store.claim(&run).await.unwrap().0, head.last_seq),
        None => {
            let new = NewRun {
                run,
                entries: vec![entry(n, 1)],
                summary: Bytes::new(),
                blobs: Vec::new(),
                firing: None,
            };
            (store.submit(new).await.unwrap(), 1)
        }
    };
    loop {
        if seq.is_multiple_of(200) {
            let blob = store.put_blob(entry(n, seq)).await.unwrap();
            let append = Append { blobs: vec![blob], ..Append::new(claim.clone(), seq) };
            store.append(append).await.unwrap();
        }
        let mut append = Append::new(claim.clone(), seq);
        append.entries = vec![entry(n, seq + 1)];
        append.writes = vec![Write::Put(b"last".to_vec(), entry(n, seq + 1))];
        seq = store.append(append).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {n} {seq}").unwrap();
    }
}

/// One life of the child, killed after `delay`; gives the last entry of each run that it was told of.
fn live_and_die(state: &Path, delay: Duration) -> [u64; RUNS as usize] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::kill::child_of_the_kill_test", "--nocapture"])
        .env(STATE, state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut last = [0; RUNS as usize];
        for line in lines.lines().map_while(Result::ok) {
            let mut words = line.split(' ').skip_while(|word| *word != "acknowledged").skip(1);
            // The last line may be cut by the kill.
            let (Some(Ok(n)), Some(Ok(seq))) =
                (words.next().map(str::parse::<usize>), words.next().map(str::parse))
            else {
                continue;
            };
            last[n] = seq;
        }
        last
    });
    std::thread::sleep(delay);
    let ended = child.try_wait().unwrap();
    assert!(ended.is_none(), "the child ended by itself: {ended:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("state");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut acknowledged = [0; RUNS as usize];
    for round in 0..25 {
        // Half of them while it opens, or soon after.
        let delay = if round % 2 == 0 { rng.random_range(5..60) } else { rng.random_range(60..500) };
        let told = live_and_die(&state, Duration::from_millis(delay));
        for (last, told) in acknowledged.iter_mut().zip(told) {
            *last = told.max(*last);
        }
        if round % 5 == 4 {
            check(&state, &acknowledged);
        }
    }
    assert!(acknowledged.iter().all(|last| *last > 20), "too few entries: {acknowledged:?}");
    let left = fs::read_dir(state.join("store")).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name == "found").collect();
    assert!(left.is_empty(), "{left:?}");
}

fn check(state: &Path, acknowledged: &[u64]) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let store = SledStore::open(state, Options::default()).unwrap();
        for (n, told) in (0_u8..).zip(acknowledged) {
            let Some(head) = store.head(&run_id(n)).await.unwrap() else {
                assert_eq!(*told, 0);
                continue;
            };
            assert!(head.last_seq >= *told, "run {n} ends at {}, and {told} was acknowledged", head.last_seq);
            let mut next = 1;
            while next <= head.last_seq {
                let (_, page) = store.read(&run_id(n), next, 1 << 20).await.unwrap();
                for found in page {
                    assert!(found == entry(n, next), "entry {next} of run {n}");
                    next += 1;
                }
            }
            assert_eq!(next, head.last_seq + 1);
            if head.last_seq > 1 {
                let row = store.get(&run_id(n), b"last").await.unwrap().unwrap();
                assert!(row == entry(n, head.last_seq), "the row goes with its entry");
            }
        }
    });
}
