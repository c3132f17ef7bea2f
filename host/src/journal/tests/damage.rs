//! Damage to the files of a store: it is seen and said, and the files stay as they are. What opens
//! nevertheless holds everything.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{clock, created};
use crate::journal::{Call, Error, Halt, Options, Recovery, RunExport, SledStore, StepLog, Store, Versioned};

/// All that a store holds.
type Content = (Vec<RunExport>, Vec<(String, Versioned)>, Vec<Bytes>);

async fn content(store: &dyn Store) -> Result<Content, Error> {
    let (mut runs, mut blobs) = (Vec::new(), Vec::new());
    for head in store.heads(None, 1000).await? {
        let export = store.export(&head.run).await?.ok_or(Error::NotFound { run: head.run })?;
        for id in &export.blobs {
            blobs.push(store.blob(*id).await?.ok_or(Error::Damaged { what: "a blob is gone".to_owned() })?);
        }
        runs.push(export);
    }
    Ok((runs, store.values(None, 1000).await?, blobs))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(future)
}

/// Fills a store as runs do, over two processes, so that there is a snapshot too.
async fn fill(state: &Path) -> Content {
    for life in 0..2_u8 {
        let store: Arc<dyn Store> = Arc::new(SledStore::open(state, Options::default()).unwrap());
        for n in 0..10 {
            let id = store.put_blob(Bytes::from(vec![n; 10_000])).await.unwrap();
            let mut made = created(10 * life + n);
            made.component = id;
            let mut log = StepLog::create(Arc::clone(&store), clock(), made).await.unwrap();
            for step in 0..40_usize {
                let call = Call { kind: "ftp.read", args: &step, label: None, recovery: Recovery::Read };
                let done: Result<Vec<u8>, Halt> = log.once(call, async |_| Ok(vec![n; step * 200])).await;
                done.unwrap();
            }
            log.finish(Ok("done".to_owned())).await.unwrap();
        }
        let value = Bytes::from(vec![life; 5000]);
        assert!(store.put_if(&format!("value {life}"), None, Some(value)).await.unwrap());
    }
    let store = SledStore::open(state, Options::default()).unwrap();
    content(&store).await.unwrap()
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn restore(folder: &Path, original: &BTreeMap<PathBuf, Vec<u8>>) {
    for path in files(folder).keys() {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in original {
        fs::write(path, bytes).unwrap();
    }
}

/// Opens a damaged state: true if it was refused. Whatever isn't refused must be whole.
fn is_refused(state: &Path, expected: &Content, what: &str) -> bool {
    let damaged = files(state);
    let opened = catch_unwind(AssertUnwindSafe(|| SledStore::open(state, Options::default())));
    let opened = opened.unwrap_or_else(|_| panic!("{what}: panicked"));
    let store = match opened {
        Ok(store) => store,
        Err(error @ (Error::Damaged { .. } | Error::Version { .. })) => {
            assert!(
                error.to_string().contains(state.to_str().unwrap()) || matches!(error, Error::Version { .. }),
                "{error}"
            );
            let after = files(state);
            for (path, bytes) in &damaged {
                if path.file_name().unwrap() != "lock" {
                    assert!(after.get(path) == Some(bytes), "{what}: {} was changed", path.display());
                }
            }
            return true;
        }
        Err(other) => panic!("{what}: {other}"),
    };
    match block_on(content(&store)) {
        Ok(found) => {
            assert!(found == *expected, "{what}: something else was read");
            false
        }
        Err(Error::Damaged { .. }) => true,
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("state");
    let expected = block_on(fill(&state));
    let original = files(&state);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut seen, mut harmless) = (BTreeMap::<String, u32>::new(), BTreeMap::<String, u32>::new());

    for (path, bytes) in original.iter().filter(|(path, _)| path.file_name().unwrap() != "lock") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = if name.len() == 64 { "blob" } else { name.split('.').next().unwrap() };
        let (flips, cuts) = match kind {
            "db" => (60, 40),
            "blob" => (1, 1),
            _ => (8, 4),
        };
        for n in 0..flips + cuts {
            let mut changed = bytes.clone();
            let at = rng.random_range(0..bytes.len());
            let what = if n < flips {
                changed[at] ^= 1 << rng.random_range(0..8_u8);
                format!("a flipped bit at {at} of {name}")
            } else {
                changed.truncate(at);
                format!("{name} cut at {at}")
            };
            fs::write(path, &changed).unwrap();
            let table = if is_refused(&state, &expected, &what) { &mut seen } else { &mut harmless };
            *table.entry(kind.to_owned()).or_default() += 1;
            restore(&state, &original);
        }
    }
    // What is harmless lies in free space, or is made anew (the snapshot).
    assert_eq!(harmless.get("blob"), None);
    assert_eq!(harmless.get("witness"), None);
    assert!(seen["db"] >= 40, "seen {seen:?}, harmless {harmless:?}");
    assert!(!is_refused(&state, &expected, "nothing"), "the original opens");
}

#[test]
fn missing_files_are_seen() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("state");
    let expected = block_on(fill(&state));
    let original = files(&state);
    for name in ["store/db", "store/witness", "store/format"] {
        fs::remove_file(state.join(name)).unwrap();
        assert!(is_refused(&state, &expected, name), "{name}");
        restore(&state, &original);
    }
}
