//! The crate against its own mock host: what a workflow sees of batches, retries, time and failures.

use orchestrator_sdk::prelude::*;
use orchestrator_sdk::testing::MockHost;
use serde_json::Value;

fn host() -> MockHost {
    let host = MockHost::new().with_site("acme").with_folder("got");
    for n in 0..2_500 {
        host.site("acme").write(&format!("in/{n:04}.csv"), format!("{n}\n"));
    }
    host
}

fn busy() -> Error {
    Error::new("ftp.busy", "locked").with_class(ErrorClass::Transient)
}

#[test]
fn a_batch_takes_any_number_of_transfers_and_gives_each_outcome_once() {
    let host = host();
    host.fail("ftp.download", "in/1234.csv", busy());
    let run = |_: ()| {
        let site = Site::open("acme")?;
        let mut batch = site.batch(8, &TransferOptions::default())?;
        let wanted = site.list("in", "*.csv")?.map(|file| {
            let local = path::join("got", file.name());
            Ok(Transfer::download(file.path, local))
        });
        let (mut moved, mut failed) = (Vec::new(), Vec::new());
        batch.run_all(wanted, |outcome| {
            match outcome.receipt {
                Ok(_) => moved.push(outcome.id),
                Err(_) => failed.push(outcome.transfer.remote),
            }
            Ok(())
        })?;
        Ok((moved, failed))
    };
    let (mut moved, failed) = host.run(run, Value::Null).unwrap();
    moved.sort_unstable();
    moved.dedup();
    assert_eq!((moved.len(), failed), (2_499, vec!["in/1234.csv".to_owned()]));
    assert_eq!(host.folder("got").paths().len(), 2_499);
}

#[test]
fn a_batch_is_an_iterator_until_all_is_delivered() {
    let host = host();
    host.stall(1);
    let run = |_: ()| {
        let mut batch = Site::open("acme")?.batch(2, &TransferOptions::default())?;
        batch.submit([Transfer::download("in/0001.csv", "got/a"), Transfer::download("in/none", "got/b")])?;
        assert_eq!(batch.next_within(10, Duration::from_secs(5)), Delivery::TimedOut);
        let first: Vec<_> = batch.by_ref().map(|outcome| outcome.receipt.is_ok()).collect();
        batch.submit([Transfer::download("in/0002.csv", "got/c")])?;
        batch.commit(&[0, 1])?;
        batch.close();
        let last: Vec<_> = batch.by_ref().map(|outcome| outcome.receipt.unwrap_err().code).collect();
        assert_eq!(batch.next_within(10, Duration::ZERO), Delivery::Finished);
        Ok((first, last))
    };
    let outcome = host.run(run, Value::Null).unwrap();
    assert_eq!(outcome, (vec![true, false], vec!["run.cancelled".to_owned()]));
}

#[test]
fn retry_waits_between_transient_errors_and_stops_at_others() {
    let host = host();
    let begin = host.now();
    host.fail("ftp.remove", "in/0001.csv", busy());
    host.fail("ftp.remove", "in/0001.csv", busy());
    host.fail("ftp.remove", "in/0002.csv", Error::new("ftp.denied", "no"));
    let run = |_: ()| {
        let site = Site::open("acme")?;
        let policy = RetryPolicy::default().every(Duration::from_secs(30));
        retry("first", &policy, || site.remove("in/0001.csv"))?;
        retry("second", &policy, || site.remove("in/0002.csv"))
    };
    let error = host.run(run, Value::Null).unwrap_err();
    assert!(error.is("ftp.denied"));
    assert_eq!((error.attempts, host.count("ftp.remove")), (1, 4));
    assert_eq!(host.now().since(begin).as_secs(), 60);
}

#[test]
fn retry_gives_up_when_the_attempts_or_the_time_are_used_up() {
    let run = |policy: RetryPolicy| {
        move |_: ()| {
            retry::<()>("never", &policy, || Err(busy())).map_err(|error| error.while_doing("trying"))
        }
    };
    let error = host().run(run(RetryPolicy::default().attempts(3)), Value::Null).unwrap_err();
    assert_eq!((error.attempts, error.message.as_str()), (3, "trying: locked"));
    let policy = RetryPolicy::default().without_end().for_at_most(Duration::from_secs(10));
    let error = host().run(run(policy), Value::Null).unwrap_err();
    assert_eq!(error.attempts, 4, "1 + 2 + 4 s fit into 10 s, 8 more don't");
}

#[test]
fn waiting_for_a_file_ends_when_it_is_settled_or_late() {
    let run = |_: ()| {
        let site = Site::open("acme")?;
        let wait = Duration::from_secs(2);
        let settled = site.wait_for("in/0001.csv", wait, Duration::from_secs(60))?;
        let late = site.wait_for("in/none", wait, Duration::from_secs(60))?;
        Ok((settled.and_then(|file| file.size), late.is_none()))
    };
    let host = host();
    let begin = host.now();
    assert_eq!(host.run(run, Value::Null).unwrap(), (Some(2), true));
    assert_eq!(host.now().since(begin).as_secs(), 62);
}

#[test]
fn a_cancelled_run_may_still_clean_up() {
    let host = host();
    host.cancel_after(2);
    let run = |_: ()| {
        let site = Site::open("acme")?;
        site.rename("in/0001.csv", "in/busy")?;
        let cancelled = site.download("in/busy", "got/x").unwrap_err();
        assert!(cancelled.is_cancelled() && context::cancelled());
        site.rename("in/busy", "in/0001.csv")?;
        Err::<(), _>(cancelled)
    };
    assert!(host.run(run, Value::Null).unwrap_err().is("run.cancelled"));
    assert!(host.site("acme").read("in/0001.csv").is_some());
}

#[test]
fn small_files_checkpoints_and_what_people_see() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Seen {
        last: String,
    }
    let host = host();
    let run = |_: ()| {
        files::make_dir("got/a/b")?;
        files::write("got/a/b/list", "one\ntwo")?;
        files::rename("got/a/b/list", "got/a/list")?;
        files::remove_dir("got/a/b")?;
        assert_eq!(files::read_to_string("got/a/list")?, "one\ntwo");
        assert_eq!(files::count_records("got/a/list")?, 2);
        assert_eq!(files::hash("got/a/list", HashAlgorithm::Crc32)?.hex, "0288c675");
        assert_eq!(checkpoint::load::<Seen>("seen")?, None);
        checkpoint::save("seen", &Seen { last: "0003".into() })?;
        assert_eq!(checkpoint::load("seen")?, Some(Seen { last: "0003".into() }));
        let count = 2;
        info!(file = "list", count, "wrote {} lines", count);
        warn!("plain");
        progress::status("phase", format_args!("{count} of 3"));
        assert_eq!(random::uuid().len(), 36);
        Ok(())
    };
    host.run(run, Value::Null).unwrap();
    assert_eq!(host.log(), ["info wrote 2 lines file=list count=2", "warn plain"]);
    assert_eq!(host.status("phase").as_deref(), Some("2 of 3"));
    assert_eq!(host.checkpoint("seen"), Some(serde_json::json!({"last": "0003"})));
    assert_eq!(host.folder("got").paths(), ["a", "a/list"]);
}

#[test]
fn what_was_not_granted_or_leaves_the_folder_is_refused() {
    let code = |run: fn(()) -> Result<()>| host().run(run, Value::Null).unwrap_err().code;
    assert_eq!(code(|_| Site::open("other").map(drop)), "grant.refused");
    assert_eq!(code(|_| files::read("secret/x").map(drop)), "grant.refused");
    assert_eq!(code(|_| files::read("/etc/passwd").map(drop)), "file.bad-name");
    assert_eq!(code(|_| files::read("got/../x").map(drop)), "file.bad-name");
    assert_eq!(code(|_| Site::open("acme")?.remove("a\r\nDELE b")), "ftp.bad-name");
    assert_eq!(code(|_| Site::open("acme")?.list("in", "[").map(drop)), "call.invalid");
}
