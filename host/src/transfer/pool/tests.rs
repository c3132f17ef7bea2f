//! What the pool promises, over sessions with the server in memory.

use std::time::Duration;

use crate::model::{Fault, FaultCode, RemotePath, TransferOptions};
use crate::transfer::fake::Rig;
use crate::transfer::pool::Want;
use crate::transfer::{Transfers, Unwatched};

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

fn rig() -> Rig {
    let rig = Rig::new();
    rig.server.put("a", b"content");
    rig
}

fn logins(rig: &Rig) -> u32 {
    rig.server.state().logins
}

async fn look(rig: &Rig, transfers: &Transfers) {
    transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_is_used_again_until_it_lay_too_long() {
    let mut rig = rig();
    let transfers = rig.transfers();
    for _ in 0..5 {
        look(&rig, &transfers).await;
    }
    assert_eq!(logins(&rig), 1);
    rig.pass(rig.site.limits.session_idle + Duration::from_millis(1)).await;
    look(&rig, &transfers).await;
    assert_eq!(logins(&rig), 2);
    rig.site.user = "another".into();
    look(&rig, &transfers).await;
    assert_eq!(logins(&rig), 3, "a session of one user never serves another");
    transfers.close().await;
    assert_eq!(rig.server.sessions(), 0);
}

#[tokio::test]
async fn a_session_that_no_longer_answers_is_replaced() {
    let rig = rig();
    let transfers = rig.transfers();
    look(&rig, &transfers).await;
    rig.server.state().faults.dead_probes = 1;
    rig.pass(rig.options.probe_after).await;
    look(&rig, &transfers).await;
    assert_eq!(logins(&rig), 2);
}

#[tokio::test]
async fn a_session_dropped_in_the_middle_is_never_used_again() {
    let rig = rig();
    let transfers = rig.transfers();
    look(&rig, &transfers).await;
    rig.fuse.set(2);
    assert!(rig.fuse.guard(transfers.stat(&rig.site, &path("a"))).await.is_none());
    rig.fuse.set(0);
    assert_eq!(rig.server.sessions(), 0);
    look(&rig, &transfers).await;
    assert_eq!(logins(&rig), 2);
}

#[tokio::test]
async fn a_server_that_takes_fewer_sessions_is_obeyed() {
    let rig = rig();
    rig.server.state().faults.sessions_max = Some(2);
    let transfers = rig.transfers();
    let jobs = (0..6).map(|n| {
        let job = rig.job("a", &format!("a{n}"), TransferOptions::default(), &Unwatched);
        transfers.download(crate::transfer::Job {
            log: std::sync::Arc::<crate::transfer::MemoryLog>::default(),
            ..job
        })
    });
    for receipt in futures::future::join_all(jobs).await {
        assert_eq!(receipt.unwrap().attempts, 1, "waiting for a session is no failure");
    }
    assert_eq!(logins(&rig), 2);
}

#[tokio::test]
async fn a_server_that_takes_none_is_a_fault() {
    let rig = rig();
    rig.server.state().faults.sessions_max = Some(0);
    let fault = rig.transfers().stat(&rig.site, &path("a")).await.unwrap_err();
    assert_eq!((fault.code, fault.attempts), (FaultCode::FtpTooMany, 5));
}

#[tokio::test]
async fn a_refusal_keeps_the_session_and_a_lost_one_does_not() {
    let rig = rig();
    let transfers = rig.transfers();
    let fault = transfers.read_small(&rig.site, &path("a"), 3).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FileTooLarge);
    look(&rig, &transfers).await;
    rig.server.state().faults.connect = vec![Fault::new(FaultCode::FtpLogin, "530 no").with_reply(530)];
    rig.server.state().faults.cuts = vec![1];
    let fault = transfers.read_small(&rig.site, &path("a"), 100).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpLogin, "the cut session was thrown away, so a login follows");
}

/// What `count` files of a run have in common: each needs a session for a while.
async fn files(
    rig: &Rig,
    transfers: &Transfers,
    count: usize,
    order: &std::sync::Mutex<Vec<&'static str>>,
    name: &'static str,
) {
    let each = (0..count).map(|_| async {
        let lease = transfers.lease(&rig.site, &Want::default()).await.unwrap();
        tokio::task::yield_now().await;
        order.lock().unwrap().push(name);
        lease.give_back();
    });
    futures::future::join_all(each).await;
}

#[tokio::test]
async fn a_single_file_of_one_run_does_not_wait_for_all_of_another() {
    let mut rig = rig();
    rig.site.limits.sessions_max = 2;
    let run = |n| crate::model::RunId::new(crate::model::Timestamp(n), [0; 10]);
    let (transfers, order) = (rig.transfers(), std::sync::Mutex::default());
    let (large, small) = (transfers.of_run(&run(1)), transfers.of_run(&run(2)));
    futures::join!(files(&rig, &large, 500, &order, "large"), files(&rig, &small, 1, &order, "small"));
    let order = order.into_inner().unwrap();
    let at = order.iter().position(|name| *name == "small").unwrap();
    assert!(at < 10, "it was served as number {at}");
    assert_eq!((order.len(), logins(&rig)), (501, 2));
}

#[tokio::test]
async fn who_stops_waiting_leaves_the_line() {
    let mut rig = rig();
    rig.site.limits.sessions_max = 1;
    let transfers = rig.transfers();
    let want = Want::default();
    let held = transfers.lease(&rig.site, &want).await.unwrap();
    {
        let waiting = transfers.lease(&rig.site, &want);
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
    }
    let second = transfers.lease(&rig.site, &want);
    let mut second = Box::pin(second);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut second).await.is_err());
    assert_eq!(transfers.servers(&rig.site)[0].waiting, 1);
    held.give_back();
    // Its turn has come, and it goes without looking: the next one has the session.
    drop(second);
    transfers.lease(&rig.site, &want).await.unwrap().give_back();
    let view = &transfers.servers(&rig.site)[0];
    assert_eq!((view.leased, view.waiting, view.idle, view.logins), (0, 0, 1, 1));
}

#[tokio::test]
async fn a_cap_rises_again_for_those_who_wait() {
    let rig = rig();
    rig.server.state().faults.sessions_max = Some(1);
    let transfers = rig.transfers();
    let want = Want::default();
    let held = transfers.lease(&rig.site, &want).await.unwrap();
    // Refused once, it waits; when the server takes more again, nobody has to give anything back.
    let waiting = transfers.lease(&rig.site, &want);
    let relents = async {
        while transfers.servers(&rig.site)[0].cap != Some(1) {
            tokio::task::yield_now().await;
        }
        rig.server.state().faults.sessions_max = None;
    };
    let (second, ()) = futures::join!(waiting, relents);
    assert_eq!(rig.server.sessions(), 2);
    drop((held, second));
}

#[tokio::test]
async fn old_and_surplus_sessions_are_not_kept() {
    let mut rig = rig();
    rig.site.limits.session_age = Some(Duration::from_secs(100));
    rig.site.limits.session_idle = Duration::from_secs(60);
    rig.site.limits.idle_max = Some(1);
    let transfers = rig.transfers();
    let want = Want::default();
    let held = futures::join!(transfers.lease(&rig.site, &want), transfers.lease(&rig.site, &want));
    held.0.unwrap().give_back();
    held.1.unwrap().give_back();
    assert_eq!(rig.server.sessions(), 1, "one may lie unused");
    let before = logins(&rig);
    for _ in 0..3 {
        rig.pass(Duration::from_secs(40)).await;
        look(&rig, &transfers).await;
    }
    assert_eq!(logins(&rig), before + 1, "none is used when it is older than 100 s");
}

#[tokio::test]
async fn a_process_has_no_more_sessions_than_it_may_have() {
    let mut rig = rig();
    rig.options.sessions_max = Some(3);
    let transfers = rig.transfers();
    let mut other = rig.site.clone();
    other.user = "another".into();
    let want = Want::default();
    let mut held = Vec::new();
    for site in [&rig.site, &rig.site, &other] {
        held.push(transfers.lease(site, &want).await.unwrap());
    }
    let fourth = transfers.lease(&other, &want);
    let mut fourth = Box::pin(fourth);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut fourth).await.is_err());
    // A session that lies unused on another shelf makes room.
    held.remove(0).give_back();
    let fourth = fourth.await.unwrap();
    assert_eq!(rig.server.sessions(), 3);
    drop((held, fourth));
    assert_eq!(rig.server.sessions(), 0);
}

#[tokio::test]
async fn a_heartbeat_keeps_sessions_and_drops_the_dead() {
    let mut rig = rig();
    rig.site.limits.heartbeat = Some(Duration::from_secs(10));
    rig.site.limits.session_idle = Duration::from_secs(100);
    let transfers = rig.transfers();
    let want = Want::default();
    let held = futures::join!(transfers.lease(&rig.site, &want), transfers.lease(&rig.site, &want));
    let until = async |done: &dyn Fn() -> bool| {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    held.0.unwrap().give_back();
    held.1.unwrap().give_back();
    until(&|| rig.server.state().probes >= 2).await;
    assert_eq!(rig.server.sessions(), 2);
    rig.server.state().faults.dead_probes = 1;
    until(&|| rig.server.sessions() == 1).await;
    assert_eq!(logins(&rig), 2, "the dead one is closed, and nobody needed another");
    // Being asked is no use: after a while it is put away, and nobody looks after anything.
    until(&|| rig.server.sessions() == 0).await;
    assert!(rig.server.state().probes > 4);
    look(&rig, &transfers).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks() > 0, "somebody looks after the new one");
    drop(transfers);
    until(&|| tasks() == 0).await;
    assert_eq!(rig.server.sessions(), 0, "nor is anything kept alive");
}
