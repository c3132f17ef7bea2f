//! Adding, changing, backfilling, applying.

use super::stage::{BEGIN, DAY, HOUR, MINUTE, Stage, done, failed};
use crate::model::Timestamp;
use crate::schedule::{
    Backfill, Change, Definition, Desired, End, Error, Missed, Origin, Patch, State, Timing, When, Which,
};

fn at(minutes: u64) -> Timestamp {
    Timestamp(BEGIN + minutes * MINUTE)
}

#[tokio::test]
async fn schedules_are_added_changed_and_removed() {
    let stage = Stage::new().await;
    let added = stage.add("nightly", "0 2 * * *").await;
    let again = stage.handle.add(added.definition.clone(), b"x".to_vec(), Origin::Added, None).await;
    assert!(matches!(again, Err(Error::Exists { .. })));
    let near = stage.handle.get("nihgtly").await.unwrap_err();
    assert!(matches!(&near, Error::NotFound { near: Some(near), .. } if near == "nightly"), "{near}");
    let patch = Patch { when: Some(When::Cron("30 2 * * *".to_owned())), ..Patch::default() };
    let edited = stage.handle.edit("nightly", &patch, None).await.unwrap();
    assert_eq!(edited.component, added.component, "only --workflow pins another one");
    assert_eq!(stage.handle.show("nightly", 2).await.unwrap().next[0].0, at(150));
    let pinned = stage.handle.edit("nightly", &Patch::default(), Some(b"other".to_vec())).await.unwrap();
    assert_ne!(pinned.component, added.component);
    let past = Patch { when: Some(When::At(at(0))), ..Patch::default() };
    assert!(matches!(stage.handle.edit("nightly", &past, None).await, Err(Error::Invalid { .. })));
    stage.handle.remove("nightly").await.unwrap();
    assert!(matches!(stage.handle.remove("nightly").await, Err(Error::NotFound { .. })));
    stage.pass(3 * HOUR).await;
    assert!(stage.fired().is_empty());
}

#[tokio::test]
async fn a_paused_schedule_does_not_fire_and_makes_nothing_up() {
    let stage = Stage::new().await;
    stage.add("s", "0 * * * *").await;
    stage.handle.pause("s", "maintenance", "ada").await.unwrap();
    stage.pass(3 * HOUR + MINUTE).await;
    assert!(stage.fired().is_empty());
    let view = stage.handle.show("s", 1).await.unwrap();
    assert_eq!((view.state, view.record.paused.unwrap().reason.as_str()), (State::Paused, "maintenance"));
    stage.handle.resume("s").await.unwrap();
    stage.pass(HOUR).await;
    assert_eq!(stage.fired(), [240]);
}

#[tokio::test]
async fn one_of_the_same_name_is_another_schedule() {
    let stage = Stage::new().await;
    stage.add("s", "0 * * * *").await;
    stage.pass(HOUR + MINUTE).await;
    stage.end_last(done()).await;
    stage.handle.remove("s").await.unwrap();
    stage.clock.set_by(-(2 * MINUTE as i64));
    stage.add("s", "0 * * * *").await;
    stage.pass(2 * MINUTE).await;
    assert_eq!(stage.fired(), [60, 60], "the new one fires for itself");
}

#[tokio::test]
async fn a_backfill_makes_up_for_what_is_asked() {
    let stage = Stage::new().await;
    let none = |it: &mut Definition| it.catch_up.which = Missed::None;
    stage.add_as("s", "0 * * * *", none).await;
    stage.pass(HOUR + MINUTE).await;
    stage.end_last(failed()).await;
    stage.pass(HOUR).await;
    stage.end_last(done()).await;
    stage.clock.set_by(2 * HOUR as i64);
    stage.pass(MINUTE).await;
    let span =
        Backfill { from: at(60), to: at(1_000_000), which: Which::Missed, parallel: 2, reverse: false };
    let plan = async |which, reverse| {
        let plan = stage.handle.backfill_plan("s", &Backfill { which, reverse, ..span }).await.unwrap();
        plan.into_iter().map(|at| (at.0 - BEGIN) / MINUTE).collect::<Vec<_>>()
    };
    assert_eq!(plan(Which::Missed, false).await, [180, 240]);
    assert_eq!(plan(Which::Failed, false).await, [60]);
    assert_eq!(plan(Which::All, true).await, [240, 180, 120, 60]);

    *stage.runs.take.lock().unwrap() = Some(std::time::Duration::ZERO);
    let filled = stage.handle.backfill("s", &span, &|_| {}).await.unwrap();
    assert_eq!(filled.len(), 2);
    assert!(filled.iter().all(|one| one.ended == Some(End::Done)), "{filled:?}");
    assert!(plan(Which::Missed, false).await.is_empty(), "once more does nothing");
    let again =
        stage.handle.backfill("s", &Backfill { which: Which::Failed, ..span }, &|_| {}).await.unwrap();
    assert_eq!(again.len(), 1);
    super::stage::settle().await;
    assert!(plan(Which::Failed, false).await.is_empty());
    stage.judge().await;
    let wrong = Backfill { to: at(0), ..span };
    assert!(stage.handle.backfill_plan("s", &wrong).await.is_err());
    let long = Backfill { from: Timestamp(0), ..span };
    assert!(matches!(stage.handle.backfill_plan("s", &long).await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn apply_makes_the_schedules_those_of_the_file() {
    let stage = Stage::new().await;
    stage.add("by-hand", "@daily").await;
    let desired = |name: &str, cron: &str, component: &[u8]| Desired {
        definition: Definition::new(name, "w", Timing::new(When::Cron(cron.to_owned()), "UTC")),
        component: component.to_vec(),
    };
    let both = || vec![desired("b", "@daily", b"1"), desired("a", "@hourly", b"1")];
    let names = |changes: &[Change]| {
        let name = |change: &Change| match change {
            Change::Add { name } => format!("+{name}"),
            Change::Edit { name, differences } => {
                let fields: Vec<_> = differences.iter().map(|one| one.field.as_str()).collect();
                format!("~{name} {}", fields.join(","))
            }
            Change::Remove { name } => format!("-{name}"),
        };
        changes.iter().map(name).collect::<Vec<_>>()
    };
    let dry = stage.handle.apply(both(), true, true).await.unwrap();
    assert_eq!(names(&dry), ["+a", "+b"]);
    assert_eq!(stage.handle.list().await.unwrap().len(), 1, "a dry run changes nothing");
    assert_eq!(stage.handle.apply(both(), false, true).await.unwrap(), dry);
    assert!(stage.handle.apply(both(), false, true).await.unwrap().is_empty(), "it is so already");
    stage.handle.pause("a", "x", "y").await.unwrap();

    let other = vec![desired("a", "@weekly", b"2")];
    let changed = stage.handle.apply(other.clone(), false, false).await.unwrap();
    assert_eq!(names(&changed), ["~a timing.when.cron,digest"]);
    assert!(stage.handle.get("a").await.unwrap().paused.is_some(), "a pause is no setting");
    assert_eq!(names(&stage.handle.apply(other.clone(), false, true).await.unwrap()), ["-b"]);
    let left: Vec<_> =
        stage.handle.list().await.unwrap().into_iter().map(|view| view.record.definition.name).collect();
    assert_eq!(left, ["a", "by-hand"]);
    let broken = vec![desired("a", "@daily", b"2"), desired("c", "61 * * * *", b"2")];
    assert!(stage.handle.apply(broken, false, true).await.is_err());
    assert!(stage.handle.apply(other, false, true).await.unwrap().is_empty(), "nothing had changed");
}

#[tokio::test]
async fn a_store_from_a_backup_has_its_schedules_paused() {
    let stage = Stage::new().await;
    stage.add("s", "0 * * * *").await;
    stage.pass(DAY / 2).await;
    let later = Timestamp(BEGIN + DAY).0.to_le_bytes().to_vec();
    assert!(stage.store.put_if("restored-at", None, Some(later.into())).await.unwrap());
    let view = stage.handle.show("s", 1).await.unwrap();
    assert_eq!((view.state, view.record.paused.unwrap().by.as_str()), (State::Paused, "state restore"));
}
