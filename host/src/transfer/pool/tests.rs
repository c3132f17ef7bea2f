//! What the pool promises, over sessions with the server in memory.

use std::time::Duration;

use crate::model::{Fault, FaultCode, RemotePath, TransferOptions};
use crate::transfer::fake::Rig;
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
