//! Backup, restore, check.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{clock, created, run_id};
use crate::journal::{
    Append, Call, Error, FiringKey, Halt, MemoryStore, NewFiring, NewRun, Options, Recovery, SledStore,
    StepLog, Store, Summary, backup, check, prune, restore, restored_at, state_of, verify_backup,
};
use crate::model::{ItemId, PauseReason, RunStatus, StepSeq, Timestamp};

async fn begin(store: &Arc<dyn Store>, n: u8) -> StepLog {
    let component = store.put_blob(Bytes::from(vec![n / 2; 20_000])).await.unwrap();
    let made = crate::journal::RunCreated { component, ..created(n) };
    let mut log = StepLog::create(Arc::clone(store), clock(), made).await.unwrap();
    for step in 0..20_usize {
        let call = Call { kind: "ftp.read", args: &step, label: None, recovery: Recovery::Read };
        let done: Result<Vec<u8>, Halt> = log.once(call, async |_| Ok(vec![n; step * 5000])).await;
        done.unwrap();
    }
    let table = log.table(StepSeq(20), ItemId(1));
    table.put(vec![("offset".to_owned(), Some(vec![n; 3000]))]).await.unwrap();
    log.deliver(StepSeq(20), async |_| Ok(n)).await.unwrap();
    log
}

async fn filled(store: &Arc<dyn Store>) {
    for n in 0..4 {
        let mut log = begin(store, n).await;
        match n {
            0 => log.finish(Ok("done".to_owned())).await.unwrap(),
            1 => log.release().await.unwrap(),
            _ => {}
        }
    }
    assert!(store.put_if("node", None, Some(Bytes::from_static(b"one"))).await.unwrap());
}

fn open(state: &Path) -> Arc<dyn Store> {
    Arc::new(SledStore::open(state, Options::default()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_live_store_brings_its_runs_back_paused() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("state.backup");
    let store = open(&root.path().join("state"));
    filled(&store).await;
    let report = backup(&store, &file).await.unwrap();
    // Numbers 2 and 3 share a component; results over 64 KiB are blobs of their own.
    assert_eq!((report.runs, report.values), (4, 1));
    assert_eq!(verify_backup(&file).unwrap(), report);

    let target = root.path().join("restored");
    let done = restore(&target, &file, &clock()).await.unwrap();
    assert_eq!(done, report);
    assert!(!target.join("restore.new").exists());
    let restored = open(&target);
    for n in 0..4_u8 {
        let state = state_of(&restored, &run_id(n)).await.unwrap();
        let head = restored.head(&run_id(n)).await.unwrap().unwrap();
        assert!(!head.claimed);
        let old = store.export(&run_id(n)).await.unwrap().unwrap();
        let new = restored.export(&run_id(n)).await.unwrap().unwrap();
        assert_eq!(new.entries[..old.entries.len()], old.entries);
        assert_eq!((&new.table, &new.blobs), (&old.table, &old.blobs));
        if n == 0 {
            assert_eq!(state.status, RunStatus::Done);
            assert_eq!(new.entries.len(), old.entries.len());
        } else {
            assert_eq!(state.status, RunStatus::Paused);
            assert_eq!(state.pause.unwrap().0, PauseReason::Restored);
            assert_eq!(Summary::decode(&head.summary).unwrap().why, Some(PauseReason::Restored));
        }
        // A claim from before the backup writes nothing here.
        let stale = crate::journal::Claim { run: run_id(n), epoch: 1 };
        if n > 0 {
            let refused = restored.append(Append::new(stale, head.last_seq)).await;
            assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
        }
    }
    assert_eq!(restored.value("node").await.unwrap().unwrap().value, "one");
    let checked = check(&restored).await.unwrap();
    assert_eq!((checked.runs, checked.problems), (4, Vec::new()));

    // It goes on from there.
    let (claim, head) = restored.claim(&run_id(2)).await.unwrap();
    let (mut log, _) = StepLog::open(Arc::clone(&restored), clock(), claim, &head).await.unwrap();
    log.unpause().await.unwrap();
    let call = Call { kind: "ftp.read", args: &0_usize, label: None, recovery: Recovery::Read };
    let first: Vec<u8> = log.once(call, async |_| panic!("done anew")).await.unwrap();
    assert!(first.is_empty());

    drop(log);
    drop(restored);
    let again = restore(&target, &file, &clock()).await;
    assert!(matches!(again, Err(Error::StateExists { .. })), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_restores_nothing() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("state.backup");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    filled(&store).await;
    backup(&store, &file).await.unwrap();
    let bytes = fs::read(&file).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for n in 0..200 {
        let mut changed = bytes.clone();
        let at = rng.random_range(0..bytes.len());
        if n % 2 == 0 {
            changed[at] ^= 1 << rng.random_range(0..8_u8);
        } else {
            changed.truncate(at);
        }
        fs::write(&file, &changed).unwrap();
        let refused = verify_backup(&file);
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{n} at {at}: {refused:?}");
    }
    let target = root.path().join("restored");
    assert!(restore(&target, &file, &clock()).await.is_err());
    assert!(!target.join("store").exists());
}

#[tokio::test]
async fn a_check_names_what_is_wrong() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    filled(&store).await;
    assert_eq!(check(&store).await.unwrap().problems, Vec::<String>::new());
    let junk = NewRun {
        run: run_id(9),
        entries: vec![Bytes::from_static(b"\x01junk")],
        summary: Bytes::new(),
        blobs: Vec::new(),
        firing: None,
    };
    store.submit(junk).await.unwrap();
    let missing = StepLog::create(Arc::clone(&store), clock(), created(8)).await.unwrap();
    drop(missing);
    let report = check(&store).await.unwrap();
    assert_eq!(report.problems.len(), 2, "{report:?}");
    assert!(report.problems[0].contains(&format!("run {}", run_id(9))), "{report:?}");
    assert!(report.problems[1].contains("blob") && report.problems[1].contains("missing"), "{report:?}");
}

#[tokio::test]
async fn old_runs_that_ended_are_removed() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    filled(&store).await;
    assert_eq!(prune(&store, Timestamp(0), 0).await.unwrap(), 0);
    assert_eq!(prune(&store, Timestamp(u64::MAX), 4).await.unwrap(), 0);
    assert_eq!(prune(&store, Timestamp(u64::MAX), 0).await.unwrap(), 1, "only one has ended");
    assert_eq!(store.head(&run_id(0)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_come_back_with_their_firings() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("state.backup");
    let store = open(&root.path().join("state"));
    let component = store.put_blob(Bytes::from_static(b"the workflow")).await.unwrap();
    assert!(store.put_schedule("nightly", None, component, Bytes::from_static(b"daily")).await.unwrap());
    let key = |n| FiringKey { schedule: "nightly".to_owned(), nominal: Timestamp(n), round: 0 };
    let note = |n| NewFiring { key: key(n), version: None, run: None, detail: Bytes::from(vec![1; 5000]) };
    let fired = NewRun {
        run: run_id(1),
        entries: vec![Bytes::from_static(b"first")],
        summary: Bytes::new(),
        blobs: Vec::new(),
        firing: Some(note(700)),
    };
    store.submit(fired).await.unwrap();
    // Nothing but a schedule needs the component, and the run isn't one that could be read.
    let claim = store.claim(&run_id(1)).await.unwrap().0;
    store.release(&claim).await.unwrap();
    store.remove(&run_id(1)).await.unwrap();
    for n in 0..300 {
        assert!(store.note_firing(note(1_000 + n)).await.unwrap());
    }
    let report = backup(&store, &file).await.unwrap();
    assert_eq!((report.runs, report.blobs, report.schedules, report.firings), (0, 1, 1, 301));
    assert_eq!(verify_backup(&file).unwrap(), report);

    let target = root.path().join("restored");
    restore(&target, &file, &clock()).await.unwrap();
    let restored = open(&target);
    let found = restored.schedule("nightly").await.unwrap().unwrap();
    assert_eq!((found.component, &found.value[..]), (component, &b"daily"[..]));
    assert_eq!(restored.blob(component).await.unwrap(), Some(Bytes::from_static(b"the workflow")));
    let firings = |store: Arc<dyn Store>| async move { store.firings("nightly", None, 1000).await.unwrap() };
    assert_eq!(firings(restored.clone()).await, firings(store).await, "with its run, though that is gone");
    assert!(restored_at(&restored).await.unwrap().is_some());
    assert_eq!(check(&restored).await.unwrap().problems, Vec::<String>::new());
}
