//! One suite for every store: its promises, as `store.rs` gives them.

use std::sync::Arc;

use bytes::Bytes;

use super::run_id;
use crate::journal::{
    Append, BlobId, Claim, Error, Limits, MemoryStore, NewRun, Options, SledStore, Store, ValueWrite, Write,
};

pub(super) fn new_run(n: u8) -> NewRun {
    let entries = vec![Bytes::from_static(b"first")];
    NewRun { run: run_id(n), entries, summary: Bytes::from(vec![n]), blobs: Vec::new(), firing: None }
}

pub(super) fn entry(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn append(claim: &Claim, expected: u64, entries: &[&str]) -> Append {
    let mut append = Append::new(claim.clone(), expected);
    append.entries = entries.iter().map(|text| entry(text)).collect();
    append
}

async fn all(store: &dyn Store, n: u8) -> Vec<Bytes> {
    let (mut next, mut entries) = (1, Vec::new());
    loop {
        let (first, page) = store.read(&run_id(n), next, 64).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        assert!(entries.is_empty() || first == next, "a gap");
        next = first + page.len() as u64;
        entries.extend(page);
    }
}

/// Runs every case on stores that `open` makes.
pub(super) async fn suite(open: impl AsyncFn() -> Arc<dyn Store>) {
    numbers_are_dense_and_expected(open().await.as_ref()).await;
    only_the_newest_claim_writes(open().await.as_ref()).await;
    appends_are_whole(open().await.as_ref()).await;
    limits_are_held(open().await.as_ref()).await;
    large_entries_come_back(open().await.as_ref()).await;
    tables_are_ordered_and_apart(open().await.as_ref()).await;
    heads_are_listed_newest_first(open().await.as_ref()).await;
    unclean_ends_are_counted(open().await.as_ref()).await;
    journals_begin_anew(open().await.as_ref()).await;
    values_have_versions(open().await.as_ref()).await;
    appends_carry_values(open().await.as_ref()).await;
    blobs_are_kept_while_needed(open().await.as_ref()).await;
    runs_are_removed_and_moved(open().await.as_ref(), open().await.as_ref()).await;
    many_writers_share_the_store(open().await).await;
    super::firings::suite(open).await;
}

async fn numbers_are_dense_and_expected(store: &dyn Store) {
    let claim = store.submit(new_run(1)).await.unwrap();
    assert_eq!(claim.epoch, 1);
    assert!(matches!(store.submit(new_run(1)).await, Err(Error::Exists { .. })));
    assert_eq!(store.append(append(&claim, 1, &["a", "b"])).await.unwrap(), 3);
    assert_eq!(store.append(append(&claim, 3, &["c"])).await.unwrap(), 4);
    for wrong in [0, 3, 5] {
        let result = store.append(append(&claim, wrong, &["x"])).await;
        assert!(matches!(result, Err(Error::SeqConflict { last: 4, .. })), "{result:?}");
    }
    assert_eq!(all(store, 1).await, ["first", "a", "b", "c"].map(entry));
    let (first, page) = store.read(&run_id(1), 2, 0).await.unwrap();
    assert_eq!((first, page), (2, vec![entry("a")]), "at least one, whatever its length");
    assert_eq!(store.read(&run_id(1), 5, 100).await.unwrap(), (5, Vec::new()));
    assert!(matches!(store.read(&run_id(9), 1, 100).await, Err(Error::NotFound { .. })));
    let head = store.head(&run_id(1)).await.unwrap().unwrap();
    assert_eq!((head.first_seq, head.last_seq, head.bytes), (1, 4, 8));
}

async fn only_the_newest_claim_writes(store: &dyn Store) {
    let old = store.submit(new_run(1)).await.unwrap();
    let (new, head) = store.claim(&run_id(1)).await.unwrap();
    assert_eq!((new.epoch, head.epoch, head.last_seq), (2, 2, 1));
    let fenced = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Fenced { epoch: 2, .. })));
    fenced(store.append(append(&old, 1, &["x"])).await.map(|_| ()));
    fenced(store.write(&old, vec![Write::Put(b"k".to_vec(), entry("v"))]).await);
    fenced(store.release(&old).await);
    // A claim that was never given.
    let made_up = Claim { run: run_id(1), epoch: 3 };
    fenced(store.append(append(&made_up, 1, &["x"])).await.map(|_| ()));
    assert!(matches!(store.claim(&run_id(9)).await, Err(Error::NotFound { .. })));
    store.append(append(&new, 1, &["mine"])).await.unwrap();
    assert_eq!(all(store, 1).await, ["first", "mine"].map(entry));
    assert_eq!(store.get(&run_id(1), b"k").await.unwrap(), None);
}

async fn appends_are_whole(store: &dyn Store) {
    let claim = store.submit(new_run(1)).await.unwrap();
    let mut one = append(&claim, 1, &["a"]);
    one.writes = vec![Write::Put(b"k1".to_vec(), entry("v1")), Write::Put(b"k2".to_vec(), entry("v2"))];
    one.summary = Some(entry("summary"));
    store.append(one).await.unwrap();
    let mut refused = append(&claim, 1, &["b"]);
    refused.writes = vec![Write::RemoveAll(b"k".to_vec())];
    refused.summary = Some(entry("other"));
    assert!(store.append(refused).await.is_err());
    assert_eq!(store.get(&run_id(1), b"k1").await.unwrap(), Some(entry("v1")));
    assert_eq!(store.head(&run_id(1)).await.unwrap().unwrap().summary, entry("summary"));
    // Changes count in their order.
    let mut last = append(&claim, 2, &[]);
    last.writes = vec![Write::RemoveAll(b"k".to_vec()), Write::Put(b"k2".to_vec(), entry("again"))];
    assert_eq!(store.append(last).await.unwrap(), 2);
    assert_eq!(store.scan(&run_id(1), b"", None, 10).await.unwrap(), vec![(b"k2".to_vec(), entry("again"))]);
}

/// All of it or nothing, whichever part is refused.
async fn appends_carry_values(store: &dyn Store) {
    let claim = store.submit(new_run(1)).await.unwrap();
    let write = |key: &str, version, value: Option<&str>| ValueWrite {
        key: key.to_owned(),
        version,
        value: value.map(entry),
    };
    let mut both = append(&claim, 1, &["a"]);
    both.values = vec![write("m1", None, Some("one")), write("m2", None, Some("two"))];
    store.append(both).await.unwrap();
    let mut stale = append(&claim, 2, &["b"]);
    stale.values = vec![write("m1", Some(1), Some("changed")), write("m2", Some(7), None)];
    let refused = store.append(stale).await;
    assert!(matches!(&refused, Err(Error::ValueConflict { key }) if key == "m2"), "{refused:?}");
    let mut late = append(&claim, 1, &["b"]);
    late.values = vec![write("m1", Some(1), None)];
    assert!(matches!(store.append(late).await, Err(Error::SeqConflict { .. })));
    let mut long = append(&claim, 2, &["b"]);
    long.values = vec![write(&"k".repeat(65), None, Some("x"))];
    assert!(matches!(store.append(long).await, Err(Error::TooLarge { .. })));
    let value = async |key: &str| store.value(key).await.unwrap().map(|value| (value.version, value.value));
    assert_eq!((value("m1").await, value("m2").await), (Some((1, entry("one"))), Some((1, entry("two")))));
    assert_eq!(all(store, 1).await, ["first", "a"].map(entry));
    let mut last = append(&claim, 2, &["b"]);
    last.values = vec![write("m1", Some(1), Some("changed")), write("m2", Some(1), None)];
    store.append(last).await.unwrap();
    assert_eq!((value("m1").await, value("m2").await), (Some((2, entry("changed"))), None));
}

async fn limits_are_held(store: &dyn Store) {
    let limits = *store.limits();
    let claim = store.submit(new_run(1)).await.unwrap();
    let huge = "x".repeat(limits.entry_bytes_max + 1);
    assert!(matches!(store.append(append(&claim, 1, &[&huge])).await, Err(Error::TooLarge { .. })));
    let long_key = vec![Write::Put(vec![b'k'; 65], Bytes::new())];
    assert!(matches!(store.write(&claim, long_key).await, Err(Error::TooLarge { .. })));
    let long_value = vec![Write::Put(b"k".to_vec(), vec![0; (64 << 10) + 1].into())];
    assert!(matches!(store.write(&claim, long_value).await, Err(Error::TooLarge { .. })));
    // Up to the limit of entries, in appends as long as may be.
    let mut seq = 1;
    while seq < limits.entries_max {
        let count = (limits.entries_max - seq).min(10_000);
        let mut fill = Append::new(claim.clone(), seq);
        fill.entries = vec![entry("x"); usize::try_from(count).unwrap()];
        seq = store.append(fill).await.unwrap();
    }
    let over = store.append(append(&claim, seq, &["x"])).await;
    assert!(matches!(over, Err(Error::HistoryLimit { .. })), "{over:?}");
    let mut pause = append(&claim, seq, &["paused"]);
    pause.beyond_limits = true;
    assert_eq!(store.append(pause).await.unwrap(), seq + 1);
}

async fn large_entries_come_back(store: &dyn Store) {
    let claim = store.submit(new_run(1)).await.unwrap();
    let lengths = [0, 1, 4000, 4064, 4095, 4096, 4097, 8192, 10_000, 65_535, 65_536];
    let bytes = |n: usize| Bytes::from((0..n).map(|i| (i * 31 + n) as u8).collect::<Vec<_>>());
    for (seq, length) in (1..).zip(lengths) {
        let mut one = Append::new(claim.clone(), seq);
        one.entries = vec![bytes(length)];
        one.writes = vec![Write::Put(seq.to_be_bytes().to_vec(), bytes(length))];
        store.append(one).await.unwrap();
    }
    let entries = all(store, 1).await;
    for (n, length) in lengths.into_iter().enumerate() {
        assert!(entries[n + 1] == bytes(length), "an entry of {length} bytes");
        let key = (n as u64 + 1).to_be_bytes();
        assert!(store.get(&run_id(1), &key).await.unwrap() == Some(bytes(length)), "a value of {length}");
    }
    let rows = store.scan(&run_id(1), b"", None, 100).await.unwrap();
    assert_eq!(rows.iter().map(|(_, value)| value.len()).collect::<Vec<_>>(), lengths);
    // A shorter value leaves nothing of a longer one, and removing one leaves nothing at all.
    let last = (lengths.len() as u64).to_be_bytes().to_vec();
    store.write(&claim, vec![Write::Put(last.clone(), entry("short"))]).await.unwrap();
    assert_eq!(store.get(&run_id(1), &last).await.unwrap(), Some(entry("short")));
    store.write(&claim, vec![Write::Remove(last.clone())]).await.unwrap();
    assert_eq!(store.get(&run_id(1), &last).await.unwrap(), None);
    assert_eq!(store.scan(&run_id(1), b"", None, 100).await.unwrap().len(), lengths.len() - 1);
    let export = store.export(&run_id(1)).await.unwrap().unwrap();
    assert_eq!(export.entries, entries);
    assert_eq!(export.table.len(), lengths.len() - 1);
}

async fn tables_are_ordered_and_apart(store: &dyn Store) {
    let one = store.submit(new_run(1)).await.unwrap();
    let two = store.submit(new_run(2)).await.unwrap();
    let keys: [&[u8]; 6] = [b"a", b"a\0", b"ab", b"b", b"\xff", b"\xff\xff"];
    for key in keys.iter().rev() {
        store.write(&one, vec![Write::Put(key.to_vec(), Bytes::copy_from_slice(key))]).await.unwrap();
    }
    store.write(&two, vec![Write::Put(b"a".to_vec(), entry("other"))]).await.unwrap();
    let found = |rows: Vec<(Vec<u8>, Bytes)>| rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    let scan = async |prefix: &[u8], after: Option<&[u8]>, max| {
        found(store.scan(&run_id(1), prefix, after, max).await.unwrap())
    };
    assert_eq!(scan(b"", None, 100).await, keys.map(<[u8]>::to_vec));
    assert_eq!(scan(b"a", None, 100).await, keys[..3].iter().map(|k| k.to_vec()).collect::<Vec<_>>());
    assert_eq!(scan(b"a", Some(b"a"), 1).await, vec![b"a\0".to_vec()]);
    assert_eq!(scan(b"\xff", None, 100).await, keys[4..].iter().map(|k| k.to_vec()).collect::<Vec<_>>());
    store.write(&one, vec![Write::RemoveAll(b"a".to_vec())]).await.unwrap();
    assert_eq!(scan(b"", None, 100).await, keys[3..].iter().map(|k| k.to_vec()).collect::<Vec<_>>());
    assert_eq!(store.get(&run_id(2), b"a").await.unwrap(), Some(entry("other")));
    assert!(matches!(store.get(&run_id(9), b"a").await, Err(Error::NotFound { .. })));
}

async fn heads_are_listed_newest_first(store: &dyn Store) {
    for n in [2, 5, 1, 4, 3] {
        store.submit(new_run(n)).await.unwrap();
    }
    let runs = async |before: Option<u8>, max| {
        let before = before.map(run_id);
        let heads = store.heads(before.as_ref(), max).await.unwrap();
        heads.into_iter().map(|head| head.summary[0]).collect::<Vec<u8>>()
    };
    assert_eq!(runs(None, 100).await, [5, 4, 3, 2, 1]);
    assert_eq!(runs(None, 2).await, [5, 4]);
    assert_eq!(runs(Some(4), 2).await, [3, 2]);
    assert_eq!(runs(Some(1), 2).await, [0_u8; 0]);
    let head = store.head(&run_id(3)).await.unwrap().unwrap();
    assert_eq!(store.heads(Some(&run_id(4)), 1).await.unwrap(), vec![head]);
}

async fn unclean_ends_are_counted(store: &dyn Store) {
    let run = run_id(1);
    let ends = async || store.claim(&run).await.unwrap();
    store.submit(new_run(1)).await.unwrap();
    assert_eq!(ends().await.1.unclean_ends, 1);
    assert_eq!(ends().await.1.unclean_ends, 2);
    let (claim, head) = ends().await;
    assert_eq!(head.unclean_ends, 3);
    // An entry alone isn't progress, an append that says so is.
    store.append(append(&claim, 1, &["resumed"])).await.unwrap();
    let (claim, head) = ends().await;
    assert_eq!(head.unclean_ends, 4);
    store.append(Append { progress: true, ..append(&claim, 2, &["step"]) }).await.unwrap();
    let (claim, head) = ends().await;
    assert_eq!(head.unclean_ends, 1);
    store.write(&claim, vec![Write::Put(b"offset".to_vec(), entry("1"))]).await.unwrap();
    let (claim, head) = ends().await;
    assert_eq!(head.unclean_ends, 1);
    store.release(&claim).await.unwrap();
    let head = store.head(&run).await.unwrap().unwrap();
    assert_eq!((head.unclean_ends, head.claimed), (0, false));
    let (_, head) = ends().await;
    assert_eq!((head.unclean_ends, head.claimed), (0, true));
}

async fn journals_begin_anew(store: &dyn Store) {
    let claim = store.submit(new_run(1)).await.unwrap();
    store.append(append(&claim, 1, &["a", "b"])).await.unwrap();
    let mut restart = append(&claim, 3, &["again", "more"]);
    restart.restart = true;
    restart.writes = vec![Write::RemoveAll(Vec::new())];
    assert_eq!(store.append(restart).await.unwrap(), 5);
    let head = store.head(&run_id(1)).await.unwrap().unwrap();
    assert_eq!((head.first_seq, head.last_seq, head.bytes, head.entries()), (4, 5, 9, 2));
    // Reading from the front begins where the journal does.
    assert_eq!(store.read(&run_id(1), 1, 100).await.unwrap(), (4, vec![entry("again"), entry("more")]));
    assert_eq!(store.append(append(&claim, 5, &["on"])).await.unwrap(), 6);
    assert_eq!(all(store, 1).await, ["again", "more", "on"].map(entry));
}

async fn values_have_versions(store: &dyn Store) {
    let put = async |key: &str, version, value: Option<&str>| {
        store.put_if(key, version, value.map(entry)).await.unwrap()
    };
    assert!(!put("k", Some(1), Some("x")).await);
    assert!(put("k", None, Some("one")).await);
    assert!(!put("k", None, Some("x")).await);
    assert!(put("k", Some(1), Some("two")).await);
    assert!(!put("k", Some(1), None).await);
    assert!(put("j", None, Some("other")).await);
    let value = store.value("k").await.unwrap().unwrap();
    assert_eq!((value.version, value.value), (2, entry("two")));
    let keys = async |after, max| {
        let values = store.values(after, max).await.unwrap();
        values.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(None, 10).await, ["j", "k"]);
    assert_eq!(keys(None, 1).await, ["j"]);
    assert_eq!(keys(Some("j"), 10).await, ["k"]);
    assert!(put("k", Some(2), None).await);
    assert_eq!(store.value("k").await.unwrap(), None);
    assert!(matches!(
        store.put_if(&"k".repeat(65), None, Some(entry("x"))).await,
        Err(Error::TooLarge { .. })
    ));
}

async fn blobs_are_kept_while_needed(store: &dyn Store) {
    let bytes = Bytes::from(vec![3; 300_000]);
    let id = store.put_blob(bytes.clone()).await.unwrap();
    assert_eq!(id, BlobId::of(&bytes));
    assert_eq!(store.put_blob(bytes.clone()).await.unwrap(), id);
    assert_eq!(store.put_blob(Bytes::new()).await.unwrap(), BlobId::of(b""));
    assert_eq!(store.blob(BlobId::of(b"absent")).await.unwrap(), None);
    let one = store.submit(NewRun { blobs: vec![id], ..new_run(1) }).await.unwrap();
    let two = store.submit(new_run(2)).await.unwrap();
    store.append(Append { blobs: vec![id], ..append(&two, 1, &["b"]) }).await.unwrap();
    assert_eq!(store.export(&run_id(2)).await.unwrap().unwrap().blobs, vec![id]);
    store.release(&one).await.unwrap();
    store.release(&two).await.unwrap();
    store.remove(&run_id(1)).await.unwrap();
    assert_eq!(store.blob(id).await.unwrap(), Some(bytes));
    store.remove(&run_id(2)).await.unwrap();
    assert_eq!(store.blob(id).await.unwrap(), None);
}

async fn runs_are_removed_and_moved(store: &dyn Store, other: &dyn Store) {
    let claim = store.submit(new_run(1)).await.unwrap();
    store.submit(new_run(2)).await.unwrap();
    let mut some = append(&claim, 1, &["a", "b"]);
    some.writes = vec![Write::Put(b"k".to_vec(), entry("v"))];
    store.append(some).await.unwrap();
    assert!(matches!(store.remove(&run_id(1)).await, Err(Error::Claimed { .. })));
    let export = store.export(&run_id(1)).await.unwrap().unwrap();
    other.import(export.clone()).await.unwrap();
    assert!(matches!(other.import(export.clone()).await, Err(Error::Exists { .. })));
    let moved = other.export(&run_id(1)).await.unwrap().unwrap();
    assert!(!moved.head.claimed);
    assert_eq!((&moved.entries, &moved.table), (&export.entries, &export.table));
    assert_eq!(moved.head.epoch, export.head.epoch, "older claims stay refused");
    let (moved, head) = other.claim(&run_id(1)).await.unwrap();
    assert_eq!((moved.epoch, head.unclean_ends), (2, 0));
    assert_eq!(other.append(append(&moved, 3, &["c"])).await.unwrap(), 4);

    store.release(&claim).await.unwrap();
    store.remove(&run_id(1)).await.unwrap();
    assert_eq!(store.head(&run_id(1)).await.unwrap(), None);
    assert_eq!(store.heads(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.export(&run_id(1)).await.unwrap(), None);
    assert!(matches!(store.remove(&run_id(1)).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.append(append(&claim, 3, &["x"])).await, Err(Error::NotFound { .. })));
    store.submit(new_run(1)).await.unwrap();
    assert_eq!(all(store, 1).await, vec![entry("first")], "nothing of the old one is left");
    assert_eq!(store.get(&run_id(1), b"k").await.unwrap(), None);
}

async fn many_writers_share_the_store(store: Arc<dyn Store>) {
    let mut writers = Vec::new();
    for n in 0..16_u8 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            let mut claim = store.submit(new_run(n)).await.unwrap();
            let mut seq = 1;
            for i in 0..50_u32 {
                if n == 7 && i == 25 {
                    // A stale claim fails alone: its neighbours in the same commit don't notice.
                    let stale = claim;
                    claim = store.claim(&run_id(n)).await.unwrap().0;
                    let refused = store.append(append(&stale, seq, &["stale"])).await;
                    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
                }
                seq = store.append(append(&claim, seq, &[&format!("{n}/{i}")])).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for n in 0..16_u8 {
        let expected: Vec<Bytes> =
            std::iter::once(entry("first")).chain((0..50).map(|i| entry(&format!("{n}/{i}")))).collect();
        assert_eq!(all(store.as_ref(), n).await, expected);
    }
}

#[tokio::test]
async fn memory_keeps_its_promises() {
    let limits = Limits { entries_max: 30_000, ..Limits::default() };
    suite(async || Arc::new(MemoryStore::with_limits(limits)) as Arc<dyn Store>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sled_keeps_its_promises() {
    let root = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    let limits = Limits { entries_max: 30_000, ..Limits::default() };
    suite(async || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let state = root.path().join(format!("state{number}"));
        Arc::new(SledStore::open(&state, Options { limits }).unwrap()) as Arc<dyn Store>
    })
    .await;
}
