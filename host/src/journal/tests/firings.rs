//! The part of the suite for every store that is about schedules.

use std::sync::Arc;

use bytes::Bytes;

use super::conformance::{entry, new_run};
use super::run_id;
use crate::journal::{BlobId, Error, FiringKey, NewFiring, NewRun, Store};
use crate::model::Timestamp;

/// Runs every case on stores that `open` makes.
pub(super) async fn suite(open: impl AsyncFn() -> Arc<dyn Store>) {
    schedules_have_versions(open().await.as_ref()).await;
    a_schedule_holds_its_component(open().await.as_ref()).await;
    a_firing_gets_one_run(open().await.as_ref()).await;
    of_many_who_fire_one_does(open().await).await;
    firings_are_listed_latest_first(open().await.as_ref()).await;
    what_goes_with_a_schedule(open().await.as_ref()).await;
}

fn key(schedule: &str, nominal: u64, round: u16) -> FiringKey {
    FiringKey { schedule: schedule.to_owned(), nominal: Timestamp(nominal), round }
}

fn note(key: FiringKey, version: Option<u64>, detail: &str) -> NewFiring {
    NewFiring { key, version, run: None, detail: entry(detail) }
}

async fn begin(store: &dyn Store, name: &str) -> BlobId {
    let component = store.put_blob(entry(name)).await.unwrap();
    assert!(store.put_schedule(name, None, component, entry("definition")).await.unwrap());
    component
}

async fn schedules_have_versions(store: &dyn Store) {
    let component = begin(store, "b").await;
    assert!(!store.put_schedule("b", None, component, entry("x")).await.unwrap(), "it is there");
    assert!(!store.put_schedule("b", Some(2), component, entry("x")).await.unwrap());
    assert!(!store.put_schedule("c", Some(1), component, entry("x")).await.unwrap(), "it isn't there");
    let long = Bytes::from(vec![7; 60_000]);
    assert!(store.put_schedule("b", Some(1), component, long.clone()).await.unwrap());
    let found = store.schedule("b").await.unwrap().unwrap();
    assert_eq!((found.version, found.component, found.value), (2, component, long));
    begin(store, "a").await;
    begin(store, "ba").await;
    let names = async |after, max| {
        let found = store.schedules(after, max).await.unwrap();
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10).await, ["a", "b", "ba"]);
    assert_eq!(names(Some("a"), 1).await, ["b"]);
    assert!(!store.remove_schedule("b", 1).await.unwrap());
    assert!(store.remove_schedule("b", 2).await.unwrap());
    assert!(!store.remove_schedule("b", 2).await.unwrap());
    assert_eq!(store.schedule("b").await.unwrap(), None);
    let over = Bytes::from(vec![0; (64 << 10) + 1]);
    let refused = store.put_schedule("d", None, component, over).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
}

async fn a_schedule_holds_its_component(store: &dyn Store) {
    let component = begin(store, "one").await;
    let claim = store.submit(NewRun { blobs: vec![component], ..new_run(1) }).await.unwrap();
    store.release(&claim).await.unwrap();
    store.remove(&run_id(1)).await.unwrap();
    assert!(store.blob(component).await.unwrap().is_some(), "no run needs it, and the schedule does");
    assert!(store.put_schedule("one", Some(1), component, entry("same")).await.unwrap());
    assert!(store.blob(component).await.unwrap().is_some());
    let other = store.put_blob(entry("another workflow")).await.unwrap();
    assert!(store.put_schedule("one", Some(2), other, entry("other")).await.unwrap());
    assert!(store.blob(component).await.unwrap().is_none());
    assert!(store.blob(other).await.unwrap().is_some());
    assert!(store.remove_schedule("one", 3).await.unwrap());
    assert!(store.blob(other).await.unwrap().is_none());
}

async fn a_firing_gets_one_run(store: &dyn Store) {
    let fired = |n, firing| NewRun { firing: Some(firing), ..new_run(n) };
    let first = note(key("s", 100, 0), None, "fired");
    // There is no such schedule yet, so there is no run either.
    assert!(matches!(store.submit(fired(1, first.clone())).await, Err(Error::Fired { .. })));
    assert!(!store.note_firing(first.clone()).await.unwrap());
    assert!(store.head(&run_id(1)).await.unwrap().is_none());

    begin(store, "s").await;
    store.submit(fired(1, first.clone())).await.unwrap();
    let stands = store.firing(&key("s", 100, 0)).await.unwrap().unwrap();
    assert_eq!((stands.version, stands.run, &stands.detail[..]), (1, Some(run_id(1)), &b"fired"[..]));
    for again in [first.clone(), note(key("s", 100, 0), Some(1), "again")] {
        let refused = store.submit(fired(2, again)).await;
        assert!(matches!(refused, Err(Error::Fired { nominal: Timestamp(100), .. })), "{refused:?}");
        assert!(store.head(&run_id(2)).await.unwrap().is_none(), "no run without its firing");
    }
    // The same run again is refused as a run, and its firing stays as it is.
    assert!(matches!(store.submit(fired(1, first.clone())).await, Err(Error::Exists { .. })));
    assert!(!store.note_firing(first).await.unwrap());
    assert!(store.note_firing(note(key("s", 100, 0), Some(1), "ended")).await.unwrap());
    let other = NewFiring { run: Some(run_id(9)), ..note(key("s", 100, 0), Some(2), "stolen") };
    assert!(!store.note_firing(other).await.unwrap(), "it keeps its run");
    let stands = store.firing(&key("s", 100, 0)).await.unwrap().unwrap();
    assert_eq!((stands.version, stands.run, &stands.detail[..]), (2, Some(run_id(1)), &b"ended"[..]));

    // What waits is fired later; another round and another time are other firings.
    assert!(store.note_firing(note(key("s", 200, 0), None, "waits")).await.unwrap());
    assert!(matches!(
        store.submit(fired(2, note(key("s", 200, 0), None, "x"))).await,
        Err(Error::Fired { .. })
    ));
    store.submit(fired(2, note(key("s", 200, 0), Some(1), "fired"))).await.unwrap();
    store.submit(fired(3, note(key("s", 200, 1), None, "fired"))).await.unwrap();
    assert_eq!(store.firings("s", None, 10).await.unwrap().len(), 3);
}

async fn of_many_who_fire_one_does(store: Arc<dyn Store>) {
    begin(store.as_ref(), "s").await;
    let mut tasks = Vec::new();
    for n in 0..20 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let firing = Some(note(key("s", 5, 0), None, "fired"));
            store.submit(NewRun { firing, ..new_run(n) }).await.is_ok()
        }));
    }
    let mut fired = 0;
    for task in tasks {
        fired += u32::from(task.await.unwrap());
    }
    assert_eq!((fired, store.heads(None, 100).await.unwrap().len()), (1, 1));
}

async fn firings_are_listed_latest_first(store: &dyn Store) {
    for name in ["s", "sa", "r"] {
        begin(store, name).await;
        for (nominal, round) in [(300, 0), (100, 0), (100, 1), (256, 0)] {
            assert!(store.note_firing(note(key(name, nominal, round), None, name)).await.unwrap());
        }
    }
    let times = async |before: Option<&FiringKey>, max| {
        let found = store.firings("s", before, max).await.unwrap();
        assert!(found.iter().all(|firing| firing.key.schedule == "s" && firing.detail == entry("s")));
        found.into_iter().map(|firing| (firing.key.nominal.0, firing.key.round)).collect::<Vec<_>>()
    };
    assert_eq!(times(None, 10).await, [(300, 0), (256, 0), (100, 1), (100, 0)]);
    assert_eq!(times(None, 2).await, [(300, 0), (256, 0)]);
    assert_eq!(times(Some(&key("s", 256, 0)), 10).await, [(100, 1), (100, 0)]);
    assert_eq!(times(Some(&key("s", 100, 0)), 10).await, []);
    assert_eq!(store.forget_firings("s", Timestamp(256)).await.unwrap(), 2);
    assert_eq!(times(None, 10).await, [(300, 0), (256, 0)]);
    assert_eq!(store.firings("sa", None, 10).await.unwrap().len(), 4, "others keep theirs");
    assert_eq!(store.firings("none", None, 10).await.unwrap(), []);
}

async fn what_goes_with_a_schedule(store: &dyn Store) {
    begin(store, "s").await;
    let firing = Some(note(key("s", 100, 0), None, "fired"));
    store.submit(NewRun { firing, ..new_run(1) }).await.unwrap();
    assert!(store.remove_schedule("s", 1).await.unwrap());
    assert_eq!(store.firings("s", None, 10).await.unwrap(), []);
    assert!(store.head(&run_id(1)).await.unwrap().is_some(), "its runs stay");
}
