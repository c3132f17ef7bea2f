//! Sites with two servers, one of which goes: over sessions with the servers in memory.

use std::time::Duration;

use crate::model::{
    Balance, Exhausted, Fault, FaultCode, HashAlgorithm, Receipt, RemotePath, RetryPolicy, TransferOptions,
};
use crate::transfer::fake::{Rig, noise, sha256};
use crate::transfer::{Evidence, Transfers, Unwatched};

const LENGTH: usize = 4 << 20;
const CUT: u64 = 3 << 20;

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

/// Two servers with the same file, each with a clock of its own.
fn mirrors() -> (Rig, Vec<u8>) {
    let (rig, data) = (Rig::of_two(Balance::RoundRobin, false), noise(LENGTH));
    rig.server.put("a", &data);
    rig.second.put("a", &data);
    (rig, data)
}

/// The server that the first attempt meets dies in its middle.
fn first_dies(rig: &Rig) {
    let mut state = rig.server.state();
    (state.faults.cuts, state.faults.dies) = (vec![CUT], true);
}

async fn download(rig: &Rig) -> Receipt {
    let receipt = rig.download("a", "a", TransferOptions::default()).await.unwrap().unwrap();
    assert_eq!(rig.names(), ["a"]);
    receipt
}

async fn upload(rig: &Rig, transfers: &Transfers, options: TransferOptions) -> Result<Receipt, Fault> {
    transfers.upload(rig.job("b", "a", options, &Unwatched)).await
}

#[tokio::test]
async fn a_download_goes_on_with_the_other_server() {
    let (rig, data) = mirrors();
    first_dies(&rig);
    let receipt = download(&rig).await;
    assert_eq!((receipt.attempts, receipt.digests[0].hex.clone()), (2, sha256(&data)));
    assert!(receipt.resumed_from.0 > 0, "what had come was of use: {receipt:?}");
    assert_eq!(rig.read("a").unwrap(), data);
    assert!(rig.second.state().sent < LENGTH as u64);
}

#[tokio::test]
async fn a_download_begins_again_where_the_other_file_differs() {
    for what in ["size", "time", "content"] {
        let (rig, data) = mirrors();
        let mut other = data.clone();
        match what {
            "size" => other.push(0),
            "content" => other[..CUT as usize].reverse(),
            _ => {}
        }
        rig.second.put("a", &other);
        let apart = if what == "time" { 3 } else { 0 };
        let modified = rig.server.state().files["a"].modified;
        rig.second.state().files.get_mut("a").unwrap().modified = modified + apart;
        first_dies(&rig);
        let receipt = download(&rig).await;
        assert_eq!(receipt.resumed_from.0, 0, "{what}");
        assert!(rig.read("a").unwrap() == other, "{what}: a wrong join");
    }
}

#[tokio::test]
async fn times_within_the_tolerance_are_the_same() {
    for (apart, resumed) in [(2, true), (3, false)] {
        let (rig, data) = mirrors();
        let modified = rig.server.state().files["a"].modified;
        rig.second.state().files.get_mut("a").unwrap().modified = modified + apart;
        first_dies(&rig);
        assert_eq!(download(&rig).await.resumed_from.0 > 0, resumed);
        assert_eq!(rig.read("a").unwrap(), data);
    }
}

#[tokio::test]
async fn a_join_that_only_the_digest_can_refute_is_refuted() {
    let (rig, data) = mirrors();
    let mut other = data.clone();
    // Before the overlap, so that nothing but a digest of the whole can tell.
    other[1000] ^= 1;
    rig.second.put("a", &other);
    rig.second.state().files.get_mut("a").unwrap().modified = rig.server.state().files["a"].modified;
    for server in [&rig.server, &rig.second] {
        server.state().faults.hashes = vec![HashAlgorithm::Sha256];
    }
    first_dies(&rig);
    let receipt = download(&rig).await;
    assert_eq!(receipt.digests[0].hex, sha256(&other));
    assert!(rig.read("a").unwrap() == other);
}

#[tokio::test]
async fn an_upload_begins_again_elsewhere_and_its_part_is_removed_when_the_server_is_back() {
    let (mut rig, data) = (Rig::of_two(Balance::RoundRobin, false), noise(LENGTH));
    rig.site.limits.session_idle = Duration::from_secs(3600);
    std::fs::write(rig.folder.path().join("a"), &data).unwrap();
    first_dies(&rig);
    let transfers = rig.transfers();
    let receipt = upload(&rig, &transfers, TransferOptions::default()).await.unwrap();
    assert_eq!((receipt.resumed_from.0, receipt.digests[0].hex.clone()), (0, sha256(&data)));
    assert_eq!(rig.second.get("b").unwrap(), data);
    assert_eq!(rig.second.names(), ["b"]);
    let left = rig.server.names();
    assert!(left.len() == 1 && left[0].ends_with(".1.part"), "{left:?}");
    let view = transfers.servers(&rig.site);
    assert_eq!((view[0].parts_left, view[1].parts_left), (1, 0), "{view:?}");

    rig.server.state().faults.down = false;
    rig.pass(Duration::from_secs(60)).await;
    // Its share grows back pick by pick.
    for _ in 0..16 {
        transfers.stat(&rig.site, &path("b")).await.unwrap();
    }
    assert!(rig.server.names().is_empty(), "{:?}", rig.server.names());
    assert_eq!(transfers.servers(&rig.site)[0].parts_left, 0);
}

#[tokio::test]
async fn servers_that_share_their_storage_go_on_with_the_part() {
    let (rig, data) = (Rig::of_two(Balance::RoundRobin, true), noise(LENGTH));
    std::fs::write(rig.folder.path().join("a"), &data).unwrap();
    rig.server.state().faults.cuts = vec![CUT];
    let receipt = upload(&rig, &rig.transfers(), TransferOptions::default()).await.unwrap();
    assert!(receipt.resumed_from.0 > 0, "{receipt:?}");
    assert_eq!((rig.server.names(), rig.server.get("b").unwrap()), (vec!["b".to_owned()], data));
}

#[tokio::test]
async fn a_rename_that_may_have_happened_is_never_guessed_from_another_server() {
    for renamed in [true, false] {
        let (rig, data) = (Rig::of_two(Balance::RoundRobin, false), noise(1000));
        std::fs::write(rig.folder.path().join("a"), &data).unwrap();
        {
            let mut state = rig.server.state();
            (state.faults.lost_rnto, state.faults.dies) = (1, true);
        }
        let fault = upload(&rig, &rig.transfers(), TransferOptions::default()).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::RunIndeterminate, "{fault:?}");
        assert!(fault.message.contains("localhost:21"), "{fault:?}");
        assert!(rig.second.names().is_empty(), "nothing was done elsewhere");
        // Back again, the same transfer finds out, in another process.
        {
            let mut state = rig.server.state();
            state.faults.down = false;
            if !renamed {
                let file = state.files.remove("b").unwrap();
                let part = ".b.00000000000000000000000000.1.0.1.part".to_owned();
                state.files.insert(part, file);
            }
        }
        let receipt = upload(&rig, &rig.transfers(), TransferOptions::default()).await.unwrap();
        assert_eq!(receipt.bytes.0, 1000);
        assert_eq!((rig.server.names(), rig.server.get("b").unwrap()), (vec!["b".to_owned()], data));
        assert!(rig.second.names().is_empty());
    }
}

#[tokio::test]
async fn a_paused_transfer_keeps_its_doubt_for_later() {
    let rig = Rig::of_two(Balance::RoundRobin, false);
    std::fs::write(rig.folder.path().join("a"), b"x").unwrap();
    {
        let mut state = rig.server.state();
        (state.faults.lost_rnto, state.faults.dies) = (1, true);
    }
    let options = TransferOptions { on_exhausted: Some(Exhausted::Pause), ..TransferOptions::default() };
    let fault = upload(&rig, &rig.transfers(), options).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpUnreachable);
}

#[tokio::test]
async fn effects_take_place_on_the_server_where_they_were_planned_or_nowhere() {
    let (rig, _) = mirrors();
    let transfers = rig.transfers();
    let evidence = transfers.plan_rename(&rig.site, &path("a"), &path("b"), None).await.unwrap();
    let evidence = Evidence::from_bytes(&evidence.to_bytes().unwrap()).unwrap();
    // Planned on the first, in whose absence nothing is renamed on the second.
    rig.server.state().faults.down = true;
    rig.pass(rig.options.probe_after).await;
    let fault = transfers.rename(&rig.site, &path("a"), &path("b"), &evidence, false).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpUnreachable, "it was never sent: {fault:?}");
    let fault = transfers.rename(&rig.site, &path("a"), &path("b"), &evidence, true).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::RunIndeterminate, "{fault:?}");
    rig.server.state().faults.down = false;
    rig.pass(Duration::from_secs(60)).await;
    transfers.rename(&rig.site, &path("a"), &path("b"), &evidence, true).await.unwrap();
    assert_eq!((rig.server.names(), rig.second.names()), (vec!["b".to_owned()], vec!["a".to_owned()]));

    let mut other = rig.site.clone();
    other.servers.endpoints[0].port = 2121;
    let fault = transfers.rename(&other, &path("a"), &path("b"), &evidence, false).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::ConfigInvalid, "{fault:?}");
}

#[tokio::test]
async fn servers_that_share_their_storage_verify_each_others_effects() {
    let rig = Rig::of_two(Balance::RoundRobin, true);
    rig.server.put("a", b"content");
    let transfers = rig.transfers();
    let evidence = transfers.plan_remove(&rig.site, &path("a"), None).await.unwrap();
    assert_eq!(evidence.to_bytes().unwrap()[0], 1, "evidence that binds to no server is as it was");
    transfers.remove(&rig.site, &path("a"), &evidence, false).await.unwrap();
    transfers.remove(&rig.site, &path("a"), &evidence, true).await.unwrap();
    assert_eq!(rig.server.count("DELE"), 1);
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_and_comes_back() {
    let (rig, _) = mirrors();
    let transfers = rig.transfers();
    rig.server.state().faults.down = true;
    for _ in 0..20 {
        transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
    }
    assert_eq!(rig.server.state().asked, 3, "the third failure takes it out");
    let standing = |transfers: &Transfers| transfers.servers(&rig.site)[0].standing;
    assert_eq!(standing(&transfers), Some("down"));
    assert!(rig.slept().is_empty(), "no attempt failed");
    rig.server.state().faults.down = false;
    rig.pass(Duration::from_secs(2)).await;
    for _ in 0..16 {
        transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
    }
    assert_eq!(standing(&transfers), Some("alive"));
}

#[tokio::test]
async fn a_missed_heartbeat_makes_a_server_suspect() {
    let mut rig = mirrors().0;
    rig.site.limits.heartbeat = Some(Duration::from_secs(10));
    rig.site.limits.session_idle = Duration::from_secs(3600);
    let transfers = rig.transfers();
    rig.server.state().faults.dead_probes = 1;
    transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
    while transfers.servers(&rig.site)[0].standing != Some("suspect") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let view = transfers.servers(&rig.site);
    assert!(view[0].share_percent < Some(100) && view[0].idle == 0, "{view:?}");
}

#[tokio::test]
async fn with_all_servers_down_attempts_wait_for_the_next_trial() {
    let (rig, _) = mirrors();
    let transfers = rig.transfers();
    for server in [&rig.server, &rig.second] {
        server.state().faults.down = true;
    }
    let mut site = rig.site.clone();
    site.retry = RetryPolicy { max_attempts: Some(8), ..site.retry };
    let fault = transfers.stat(&site, &path("a")).await.unwrap_err();
    assert_eq!((fault.code, fault.attempts), (FaultCode::FtpUnreachable, 8));
    // In the same moment nobody is asked again: the fault says when it makes sense.
    let asked = || rig.server.state().asked + rig.second.state().asked;
    let before = asked();
    site.retry = RetryPolicy { max_attempts: Some(1), ..site.retry };
    let fault = transfers.stat(&site, &path("a")).await.unwrap_err();
    assert!(fault.retry_after_ms.is_some() && asked() == before, "{fault:?}");
}

#[tokio::test]
async fn one_path_has_one_server_while_it_is_alive() {
    let mut rig = mirrors().0;
    rig.site.servers.balance = Balance::ConsistentHash;
    let transfers = rig.transfers();
    rig.site.limits.session_idle = Duration::ZERO;
    rig.site.limits.idle_max = Some(0);
    for _ in 0..5 {
        transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
    }
    let asked = [rig.server.state().asked, rig.second.state().asked];
    assert!(asked == [5, 0] || asked == [0, 5], "{asked:?}");
}

/// Kills the client at every step of a transfer whose server dies as well.
#[tokio::test]
async fn a_client_killed_at_any_step_of_a_failover_makes_nothing_twice_and_no_wrong_join() {
    let data = noise(LENGTH / 4 * 3);
    let scene = || {
        let rig = Rig::of_two(Balance::RoundRobin, false);
        rig.server.put("a", &data);
        rig.second.put("a", &data);
        std::fs::write(rig.folder.path().join("up"), &data).unwrap();
        let mut state = rig.server.state();
        (state.faults.cuts, state.faults.dies) = (vec![2 << 20], true);
        drop(state);
        rig
    };
    for up in [false, true] {
        let go = async |rig: &Rig| match up {
            false => rig.download("a", "a", TransferOptions::default()).await,
            true => rig.upload("b", "up", TransferOptions::default()).await,
        };
        let rig = scene();
        rig.fuse.set(0);
        go(&rig).await.unwrap().unwrap();
        let steps = rig.fuse.passed();
        for kill in 1..=steps {
            let rig = scene();
            rig.fuse.set(kill);
            let mut ended = go(&rig).await;
            rig.fuse.set(0);
            // The second life finds both servers up again.
            if ended.is_none() {
                rig.server.state().faults.down = false;
                ended = go(&rig).await;
            }
            let what = format!("up {up}, killed at {kill} of {steps}");
            let receipt = ended.unwrap().unwrap_or_else(|fault| panic!("{what}: {fault:?}"));
            assert_eq!(receipt.digests[0].hex, sha256(&data), "{what}");
            if up {
                let placed = [&rig.server, &rig.second].map(|server| server.get("b"));
                assert_eq!(placed.iter().flatten().count(), 1, "{what}");
                assert!(placed.iter().flatten().all(|found| *found == data), "{what}");
            } else {
                assert!(rig.read("a").unwrap() == data, "{what}");
                assert_eq!(rig.names(), ["a", "up"], "{what}");
            }
        }
    }
}
