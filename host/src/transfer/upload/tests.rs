//! Uploads to a server in memory, with everything that goes wrong on the way.

use crate::model::{
    Fault, FaultCode, HashAlgorithm, IfExists, IfSourceGrows, Jitter, Proof, Receipt, RetryPolicy,
    TransferOptions,
};
use crate::transfer::fake::{Faults, Rest, Rig, noise, sha256};

fn options() -> TransferOptions {
    TransferOptions::default()
}

fn rig(length: usize) -> (Rig, Vec<u8>) {
    let rig = Rig::new();
    let data = noise(length);
    write(&rig, &data);
    (rig, data)
}

fn write(rig: &Rig, data: &[u8]) {
    std::fs::write(rig.folder.path().join("a.bin"), data).unwrap();
}

fn check(rig: &Rig, data: &[u8], receipt: &Receipt, what: &str) {
    assert!(rig.server.get("a.bin").is_some_and(|found| found == data), "{what}: the content differs");
    assert_eq!(rig.server.names(), ["a.bin"], "{what}");
    assert_eq!(receipt.digests[0].hex, sha256(data), "{what}");
    assert_eq!(rig.server.count("RNTO"), 1, "{what}: {:?}", rig.server.state().effects);
    let resent = rig.server.state().taken - data.len() as u64;
    assert!(receipt.resent.0 >= resent, "{what}: {} told, {resent} were", receipt.resent.0);
}

#[tokio::test]
async fn every_size_arrives_whole_once_and_verified() {
    for size in [0, 1, 65_535, 65_537, 1 << 20, 3 << 20, 8 << 20, (16 << 20) + 5] {
        let (rig, data) = rig(size);
        let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
        check(&rig, &data, &receipt, &size.to_string());
        assert_eq!((receipt.attempts, receipt.resent.0, receipt.resumed_from.0), (1, 0, 0), "{size}");
        let modified = rig.root.stat("a.bin").await.unwrap().unwrap().modified.unwrap();
        assert_eq!(receipt.file.modified, Some(modified.whole_second()));
    }
}

#[tokio::test]
async fn folders_are_made_once_they_are_needed() {
    let (rig, data) = rig(10);
    rig.upload("new/sub/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.server.get("new/sub/a.bin").unwrap(), data);
    assert_eq!(rig.server.names(), ["new/sub/a.bin"]);
}

#[tokio::test]
async fn cut_connections_cost_an_overlap_each() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![700_000, 5_000, 900_000];
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "cut");
    assert_eq!(receipt.attempts, 4);
    assert_eq!(rig.server.state().taken - data.len() as u64, 3 * 1000);
}

#[tokio::test]
async fn zombies_are_waited_for_and_harmless() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults =
        Faults { cuts: vec![1 << 20], in_flight: 400_000, zombie_step: 150_000, ..Faults::default() };
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "zombie");
    assert_eq!(receipt.resumed_from.0, (1 << 20) - 1000, "all that the zombie wrote is kept");
}

#[tokio::test]
async fn a_zombie_that_does_not_end_costs_the_generation() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults =
        Faults { cuts: vec![2 << 20], in_flight: 400_000, zombie_step: 1, ..Faults::default() };
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "restless");
    assert_eq!(receipt.resumed_from.0, 0);
}

#[tokio::test]
async fn without_rest_the_tail_is_read_back_and_appended_to() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults =
        Faults { rest: Rest::RefusedForStore, cuts: vec![2 << 20], ..Faults::default() };
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "append");
    assert_eq!(rig.server.count("APPE"), 1);
    assert_eq!(receipt.resumed_from.0, 2 << 20);
}

#[tokio::test]
async fn without_rest_at_all_it_starts_again() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults = Faults { rest: Rest::Refused, cuts: vec![2 << 20], ..Faults::default() };
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "again");
    assert_eq!((rig.server.count("APPE"), receipt.resumed_from.0), (0, 0));
}

#[tokio::test]
async fn an_append_whose_end_is_not_known_costs_the_generation() {
    let (rig, data) = rig(4 << 20);
    rig.server.state().faults =
        Faults { rest: Rest::RefusedForStore, cuts: vec![1 << 20, 1 << 30, 2 << 20], ..Faults::default() };
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "append cut");
    assert_eq!((rig.server.count("APPE"), receipt.resumed_from.0), (1, 0));
}

#[tokio::test]
async fn a_full_server_is_told_in_its_own_words_and_the_part_waits_for_room() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.full_at = Some(1 << 20);
    let fault = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap_err();
    assert_eq!((fault.code, fault.reply), (FaultCode::FtpNoSpace, Some(552)));
    assert!(rig.server.names().iter().all(|name| name.ends_with(".part")), "{:?}", rig.server.names());
    rig.server.state().faults.full_at = None;
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "room");
    assert!(receipt.resumed_from.0 > 0);
}

#[tokio::test]
async fn a_lost_reply_to_the_rename_is_settled_by_looking() {
    let (rig, data) = rig(10_000);
    rig.server.state().faults.lost_rnto = 1;
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "rename");
    assert_eq!(receipt.attempts, 2);
}

#[tokio::test]
async fn a_lost_final_reply_is_verified_and_the_tail_sent_again() {
    let (rig, data) = rig(10_000);
    rig.server.state().faults.lost_final = 1;
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "226");
    assert_eq!((receipt.attempts, receipt.resumed_from.0), (2, 9_000));
}

#[tokio::test]
async fn a_server_that_refuses_taken_names_is_replaced_on_only_by_policy() {
    let (rig, data) = rig(10_000);
    rig.server.put("a.bin", b"old");
    rig.server.state().faults.rnto_refuses = true;
    let with = |if_exists| TransferOptions { if_exists, ..options() };
    let fault = rig.upload("a.bin", "a.bin", with(IfExists::Fail)).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpExists);
    let receipt = rig.upload("a.bin", "a.bin", with(IfExists::Skip)).await.unwrap().unwrap();
    assert!(receipt.skipped);
    assert_eq!(rig.server.get("a.bin").unwrap(), b"old");
    let receipt = rig.upload("a.bin", "a.bin", with(IfExists::Replace)).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "replace");
}

#[tokio::test]
async fn a_killed_client_goes_on_wherever_it_was_killed() {
    for (size, stride) in [(0, 1), (1, 1), (300_000, 1), (2_500_000, 1), ((8 << 20) + 1, 7)] {
        let (counted, _) = rig(size);
        counted.fuse.set(0);
        counted.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
        let steps = counted.fuse.passed();
        for kill in (1..=steps).step_by(stride) {
            let (rig, data) = rig(size);
            rig.server.state().faults.in_flight = 200_000;
            rig.server.state().faults.zombie_step = 130_000;
            rig.fuse.set(kill);
            let first = rig.upload("a.bin", "a.bin", options()).await;
            rig.fuse.set(0);
            let receipt = match first {
                Some(done) => done.unwrap(),
                None => rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap(),
            };
            let what = format!("{size} bytes, killed at {kill}");
            check(&rig, &data, &receipt, &what);
            let resent = rig.server.state().taken - data.len() as u64;
            assert!(resent <= rig.options.window() + 1000, "{what}: {resent}");
        }
    }
}

#[tokio::test]
async fn killed_again_and_again_it_still_arrives() {
    let (rig, data) = rig(9 << 20);
    let mut kills = 0;
    let receipt = loop {
        rig.fuse.set(28);
        match rig.upload("a.bin", "a.bin", options()).await {
            Some(done) => break done.unwrap(),
            None => kills += 1,
        }
        assert!(kills < 100);
    };
    assert!(kills > 2, "{kills}");
    check(&rig, &data, &receipt, "again and again");
    assert_eq!(receipt.attempts, kills + 1);
}

#[tokio::test]
async fn a_source_that_changed_between_processes_is_sent_anew() {
    let (rig, _) = rig(3 << 20);
    rig.fuse.set(20);
    assert!(rig.upload("a.bin", "a.bin", options()).await.is_none());
    rig.fuse.set(0);
    let other = noise((3 << 20) + 9).split_off(9);
    write(&rig, &other);
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &other, &receipt, "changed");
}

#[tokio::test]
async fn a_growing_source_is_treated_as_the_options_say() {
    for policy in [IfSourceGrows::Fail, IfSourceGrows::UpToStartSize, IfSourceGrows::Follow] {
        let (rig, data) = rig(3 << 20);
        let options = TransferOptions { if_source_grows: policy, ..options() };
        rig.fuse.set(20);
        assert!(rig.upload("a.bin", "a.bin", options.clone()).await.is_none());
        rig.fuse.set(0);
        let longer = [&data[..], b"and more"].concat();
        std::fs::OpenOptions::new()
            .append(true)
            .open(rig.folder.path().join("a.bin"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"and more"))
            .unwrap();
        let result = rig.upload("a.bin", "a.bin", options).await.unwrap();
        match policy {
            IfSourceGrows::Fail => {
                assert_eq!(result.unwrap_err().code, FaultCode::FileChanged);
                assert!(rig.server.names().is_empty());
            }
            IfSourceGrows::UpToStartSize => check(&rig, &data, &result.unwrap(), "up to"),
            IfSourceGrows::Follow => check(&rig, &longer, &result.unwrap(), "follow"),
        }
    }
}

#[tokio::test]
async fn proofs_are_as_strong_as_the_server_allows() {
    let (rig, data) = rig(100_000);
    rig.server.state().faults.hashes = vec![HashAlgorithm::Md5];
    let receipt = rig.upload("a.bin", "a.bin", options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "hash");
    assert_eq!(receipt.proof, Proof::DigestOfServer);

    let (rig, data) = self::rig(100_000);
    let options = TransferOptions { read_back: true, ..options() };
    let receipt = rig.upload("a.bin", "a.bin", options.clone()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "read back");
    assert_eq!(receipt.proof, Proof::ReadBack);

    // A bit that flips whenever it is read back: twice is no accident.
    let (rig, _) = self::rig(100_000);
    rig.server.state().faults.flip = true;
    let receipt = rig.upload("a.bin", "a.bin", options).await.unwrap().unwrap();
    assert_eq!(receipt.attempts, 2);
    assert_eq!(rig.server.names(), ["a.bin"]);
}

#[tokio::test]
async fn a_direct_upload_needs_no_part() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![1 << 20];
    let direct = TransferOptions { direct: true, ..options() };
    let receipt = rig.upload("a.bin", "a.bin", direct).await.unwrap().unwrap();
    assert_eq!(rig.server.get("a.bin").unwrap(), data);
    assert_eq!((rig.server.count("RNTO"), receipt.attempts), (0, 2));
}

#[tokio::test]
async fn attempts_and_waits_go_on_in_the_next_process() {
    let (rig, data) = rig(1000);
    let policy = RetryPolicy { jitter: Jitter::None, ..RetryPolicy::default() };
    let options = TransferOptions { retry: Some(policy), ..options() };
    let refused = || Fault::new(FaultCode::FtpUnreachable, "refused");
    rig.server.state().faults.connect = vec![refused(), refused(), refused()];
    // An attempt that can't log in takes three steps: the login, and the log before and after its write.
    // The client is killed when it has failed twice and has written that down.
    rig.fuse.set(6);
    assert!(rig.upload("a.bin", "a.bin", options.clone()).await.is_none());
    rig.fuse.set(0);
    let receipt = rig.upload("a.bin", "a.bin", options).await.unwrap().unwrap();
    let waits: Vec<_> =
        rig.slept().iter().map(std::time::Duration::as_secs).filter(|wait| *wait > 0).collect();
    assert_eq!(waits, [1, 2, 4], "the wait that was under way, and those after it");
    assert_eq!(receipt.attempts, 4);
    assert_eq!(rig.server.get("a.bin").unwrap(), data);
}
