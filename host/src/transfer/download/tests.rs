//! Downloads from a server in memory, with everything that goes wrong on the way.

use crate::model::{
    ByteCount, Digest, Exhausted, Fault, FaultCode, HashAlgorithm, IfExists, IfSourceGrows, Proof,
    RetryPolicy, TransferOptions,
};
use crate::transfer::fake::{Faults, Rest, Rig, noise, sha256};
use crate::transfer::{Stop, StopKind, Watch};

fn options() -> TransferOptions {
    TransferOptions::default()
}

fn rig(length: usize) -> (Rig, Vec<u8>) {
    let rig = Rig::new();
    let data = noise(length);
    rig.server.put("in/a.bin", &data);
    (rig, data)
}

/// Sizes around what matters: nothing, one byte, the small limit, the window of the tests, a chunk.
const SIZES: &[usize] = &[0, 1, 65_535, 65_537, 1 << 20, (1 << 20) + 1, 3 << 20, 8 << 20, (16 << 20) + 5];

#[tokio::test]
async fn every_size_arrives_whole_once_and_verified() {
    for &size in SIZES {
        let (rig, data) = rig(size);
        let receipt = rig.download("in/a.bin", "new/sub/a.bin", options()).await.unwrap().unwrap();
        assert_eq!(rig.read("new/sub/a.bin").unwrap(), data, "{size}");
        assert_eq!(receipt.bytes.0, size as u64);
        assert_eq!(receipt.digests[0].hex, sha256(&data));
        assert_eq!((receipt.attempts, receipt.resent.0, receipt.resumed_from.0), (1, 0, 0), "{size}");
        assert_eq!(receipt.file.path, "dir/new/sub/a.bin");
        assert_eq!(receipt.file.modified.unwrap().0, rig.server.state().files["in/a.bin"].modified * 1000);
        let names: Vec<_> = std::fs::read_dir(rig.folder.path().join("new/sub")).unwrap().collect();
        assert_eq!(names.len(), 1, "no part is left");
    }
}

#[tokio::test]
async fn cut_connections_cost_an_overlap_each() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![700_000, 1, 900_000];
    let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!(receipt.attempts, 4);
    // The attempt of one byte got no further than the overlap.
    assert_eq!(receipt.resent.0, 1000 + 1 + 1000);
    assert_eq!(receipt.resent.0, rig.server.state().sent - data.len() as u64);
}

#[tokio::test]
async fn a_truncated_file_with_226_is_gone_on_from() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.truncate = Some(2_000_000);
    let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!((receipt.attempts, receipt.resumed_from.0), (2, 2_000_000));
}

#[tokio::test]
async fn a_lost_final_reply_is_no_failure_when_all_is_there() {
    let (rig, data) = rig(2 << 20);
    rig.server.state().faults.lost_final = 1;
    let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!((receipt.attempts, receipt.resent.0), (1, 0));
}

#[tokio::test]
async fn a_server_that_ignores_or_refuses_rest_starts_again() {
    for rest in [Rest::Ignored, Rest::Refused] {
        let (rig, data) = rig(3 << 20);
        rig.server.state().faults = Faults { rest, cuts: vec![2_000_000], ..Faults::default() };
        let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
        assert_eq!(rig.read("a.bin").unwrap(), data, "{rest:?}");
        assert_eq!(receipt.resumed_from.0, 0);
        assert_eq!(rig.names(), ["a.bin"]);
    }
}

#[tokio::test]
async fn a_source_that_changes_between_attempts_is_fetched_anew() {
    let (rig, _) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![2_000_000];
    rig.fuse.set(0);
    let site_retry = RetryPolicy { max_attempts: Some(1), ..RetryPolicy::default() };
    let once = TransferOptions { retry: Some(site_retry), ..options() };
    // Kill in the middle, change the file, go on.
    rig.fuse.set(25);
    assert!(rig.download("in/a.bin", "a.bin", once).await.is_none());
    rig.fuse.set(0);
    let other = noise((3 << 20) + 7).split_off(7);
    rig.server.put("in/a.bin", &other);
    let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), other);
    assert_eq!(receipt.digests[0].hex, sha256(&other));
    assert_eq!(rig.names(), ["a.bin"]);
}

/// Of a file of any size: also of a small one, whose beginning isn't written down.
#[tokio::test]
async fn a_source_that_changes_after_a_kill_is_never_joined_on_to() {
    for size in [300_000, 1 << 20] {
        for kill in 1.. {
            let (rig, before) = rig(size);
            rig.fuse.set(kill);
            let killed = rig.download("in/a.bin", "a.bin", options()).await.is_none();
            rig.fuse.set(0);
            if !killed {
                break;
            }
            // It joins on wherever the first was left: only its ends tell the one from the other.
            let mut after = before.clone();
            after[0] ^= 1;
            after[size - 1] ^= 1;
            rig.server.put("in/a.bin", &after);
            rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
            let arrived = rig.read("a.bin").unwrap();
            // All of it had been verified before the kill, or it is the file that is there now.
            assert!(arrived == before || arrived == after, "{size} bytes, killed at {kill}");
            assert_eq!(rig.names(), ["a.bin"], "{size} bytes, killed at {kill}");
        }
    }
}

#[tokio::test]
async fn a_killed_client_goes_on_wherever_it_was_killed() {
    for (size, stride) in [(0, 1), (1, 1), (300_000, 1), (2_500_000, 5), ((8 << 20) + 1, 31)] {
        let (counted, _) = rig(size);
        counted.fuse.set(0);
        counted.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
        let steps = counted.fuse.passed();
        for kill in (1..=steps).step_by(stride) {
            let (rig, data) = rig(size);
            rig.fuse.set(kill);
            let first = rig.download("in/a.bin", "a.bin", options()).await;
            rig.fuse.set(0);
            let receipt = match first {
                Some(done) => done.unwrap(),
                None => rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap(),
            };
            assert_eq!(rig.read("a.bin").unwrap(), data, "{size} bytes, killed at {kill}");
            assert_eq!(rig.names(), ["a.bin"], "{size} bytes, killed at {kill}");
            assert_eq!(receipt.digests[0].hex, sha256(&data));
            let resent = rig.server.state().sent - data.len() as u64;
            assert!(resent <= rig.options.window() + 1000 + 64 * 1024, "{resent} at {kill}");
            assert!(
                receipt.resent.0 + 64 * 1024 >= resent,
                "{} told, {resent} were at {kill}",
                receipt.resent.0
            );
        }
    }
}

#[tokio::test]
async fn killed_again_and_again_it_still_arrives() {
    let (rig, data) = rig(9 << 20);
    let mut kills = 0;
    let receipt = loop {
        rig.fuse.set(60);
        match rig.download("in/a.bin", "a.bin", options()).await {
            Some(done) => break done.unwrap(),
            None => kills += 1,
        }
        assert!(kills < 100);
    };
    assert!(kills > 2, "{kills}");
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!(receipt.attempts, kills + 1);
    let resent = rig.server.state().sent - data.len() as u64;
    assert!(resent <= u64::from(kills) * (rig.options.window() + 1000));
    assert_eq!(rig.names(), ["a.bin"]);
}

#[tokio::test]
async fn a_part_that_was_damaged_on_disk_is_taken_back_to_what_is_proven() {
    let (rig, data) = rig(20 << 20);
    rig.server.state().faults.cuts = vec![18 << 20];
    let once =
        RetryPolicy { max_attempts: Some(1), on_exhausted: Exhausted::Pause, ..RetryPolicy::default() };
    let options = TransferOptions { retry: Some(once), ..options() };
    let fault = rig.download("in/a.bin", "a.bin", options.clone()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpConnectionLost);
    let part = rig.folder.path().join(&rig.names()[0]);
    let mut bytes = std::fs::read(&part).unwrap();
    assert!(bytes.len() > 16 << 20, "{}", bytes.len());
    let at = (16 << 20) + 100;
    bytes[at] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let receipt = rig.download("in/a.bin", "a.bin", options).await.unwrap().unwrap();
    assert_eq!(receipt.resumed_from.0, 16 << 20);
    assert_eq!(rig.read("a.bin").unwrap(), data);
}

#[tokio::test]
async fn policies_about_a_target_hold() {
    let (rig, data) = rig(1000);
    std::fs::write(rig.folder.path().join("a.bin"), b"old").unwrap();
    let with = |if_exists| TransferOptions { if_exists, ..options() };
    let fault = rig.download("in/a.bin", "a.bin", with(IfExists::Fail)).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FileExists);
    let receipt = rig.download("in/a.bin", "a.bin", with(IfExists::Skip)).await.unwrap().unwrap();
    assert!(receipt.skipped && rig.read("a.bin").unwrap() == b"old");
    // The local file was just written; the server's is from 2023.
    let receipt = rig.download("in/a.bin", "a.bin", with(IfExists::Newer)).await.unwrap().unwrap();
    assert!(receipt.skipped && rig.read("a.bin").unwrap() == b"old");
    rig.download("in/a.bin", "a.bin", with(IfExists::Replace)).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!(rig.names(), ["a.bin"]);
}

#[tokio::test]
async fn what_is_expected_is_checked_before_the_file_is_in_its_place() {
    let rig = Rig::new();
    rig.server.put("in/a.bin", b"one\ntwo\nthree");
    let wrong = Digest { algorithm: HashAlgorithm::Md5, hex: "0".repeat(32) };
    let fault = rig
        .download("in/a.bin", "a.bin", TransferOptions { expect: Some(wrong), ..options() })
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(fault.code, FaultCode::VerifyDigest);
    assert!(rig.names().is_empty(), "neither target nor part: {:?}", rig.names());

    let rig = Rig::new();
    rig.server.put("in/a.bin", b"one\ntwo\nthree");
    let count = |n| TransferOptions { expect_records: Some(n), ..options() };
    let fault = rig.download("in/a.bin", "a.bin", count(2)).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::VerifyRecords);
    assert!(rig.names().is_empty());

    let rig = Rig::new();
    rig.server.put("in/a.bin", b"one\ntwo\nthree");
    let receipt = rig.download("in/a.bin", "a.bin", count(3)).await.unwrap().unwrap();
    assert_eq!(receipt.proof, Proof::RecordCount);
}

#[tokio::test]
async fn a_flipped_bit_is_found_where_the_server_can_hash() {
    let (rig, data) = rig(2 << 20);
    rig.server.state().faults =
        Faults { flip: true, hashes: vec![HashAlgorithm::Crc32], ..Faults::default() };
    let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!((receipt.proof, receipt.attempts), (Proof::DigestOfServer, 2));
    assert_eq!(rig.names(), ["a.bin"]);
}

#[tokio::test]
async fn a_growing_source_is_treated_as_the_options_say() {
    let grown = |policy| async move {
        let (rig, data) = rig(3 << 20);
        rig.fuse.set(40);
        let options = TransferOptions { if_source_grows: policy, ..options() };
        assert!(rig.download("in/a.bin", "a.bin", options.clone()).await.is_none());
        rig.fuse.set(0);
        let mut longer = data.clone();
        longer.extend_from_slice(b"and more");
        rig.server.put("in/a.bin", &longer);
        let result = rig.download("in/a.bin", "a.bin", options).await.unwrap();
        (result, rig.read("a.bin"), data, longer, rig.names())
    };
    let (result, _, _, _, names) = grown(IfSourceGrows::Fail).await;
    assert_eq!(result.unwrap_err().code, FaultCode::FtpRemoteChanged);
    assert!(names.is_empty());
    let (result, found, data, _, _) = grown(IfSourceGrows::UpToStartSize).await;
    assert!(result.unwrap().resumed_from.0 > 0 && found.unwrap() == data);
    let (result, found, _, longer, _) = grown(IfSourceGrows::Follow).await;
    assert!(result.unwrap().resumed_from.0 > 0 && found.unwrap() == longer);
}

#[tokio::test]
async fn attempts_end_and_leave_nothing() {
    let (rig, _) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![0; 20];
    let fault = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap_err();
    assert_eq!((fault.code, fault.attempts), (FaultCode::FtpConnectionLost, 5));
    assert!(rig.names().is_empty());
    let fault = rig.download("in/none", "b.bin", options()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNotFound);
}

/// Stops the transfer that it watches once enough has come.
struct StopAt {
    stop: Stop,
    kind: StopKind,
    bytes: u64,
}

impl Watch for StopAt {
    fn started(&self, _: Option<ByteCount>, _: ByteCount) {}

    fn progress(&self, done: ByteCount, _: Option<ByteCount>) {
        match self.kind {
            _ if done.0 < self.bytes => {}
            StopKind::Interrupt => self.stop.interrupt(),
            StopKind::Cancel => self.stop.cancel(),
        }
    }

    fn retry(&self, _: u32, _: &Fault, _: std::time::Duration) {}
}

#[tokio::test]
async fn an_interrupt_commits_and_a_cancel_cleans() {
    for kind in [StopKind::Interrupt, StopKind::Cancel] {
        let (mut rig, data) = rig(4 << 20);
        rig.options.progress_interval = std::time::Duration::ZERO;
        let transfers = rig.transfers();
        let watch = StopAt { stop: rig.stop.clone(), kind, bytes: 2 << 20 };
        let fault = transfers.download(rig.job("in/a.bin", "a.bin", options(), &watch)).await.unwrap_err();
        if kind == StopKind::Cancel {
            assert_eq!(fault.code, FaultCode::RunCancelled);
            assert!(rig.names().is_empty());
            continue;
        }
        assert_eq!(fault.code, FaultCode::RunInterrupted);
        rig.stop = Stop::new();
        let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
        assert!(receipt.resumed_from.0 >= 2 << 20);
        assert_eq!(receipt.resent.0, 1000, "an interrupt costs the overlap and nothing else");
        assert_eq!(rig.read("a.bin").unwrap(), data);
    }
}

#[tokio::test]
async fn without_a_size_only_a_clean_end_counts() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults = Faults { no_size: true, cuts: vec![2_000_000], ..Faults::default() };
    let receipt = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!((receipt.attempts, receipt.resumed_from.0), (2, 0));
    assert_eq!(rig.names(), ["a.bin"]);
}

#[tokio::test]
async fn a_link_is_never_written_through() {
    let (rig, _) = rig(10);
    std::fs::write(rig.folder.path().join("real"), b"keep").unwrap();
    std::os::unix::fs::symlink("real", rig.folder.path().join("a.bin")).unwrap();
    let fault = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FileDenied);
    assert_eq!(rig.read("real").unwrap(), b"keep");
}

#[tokio::test]
async fn a_target_that_was_taken_away_after_a_crash_is_told_of() {
    let (rig, _) = rig(1000);
    rig.fuse.set(0);
    rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap();
    // As if the process had died before the result was recorded, and a consumer were quick.
    std::fs::write(rig.folder.path().join("a.bin"), b"another").unwrap();
    std::fs::rename(rig.folder.path().join("a.bin"), rig.folder.path().join("b.bin")).unwrap();
    let fault = rig.download("in/a.bin", "a.bin", options()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::RunIndeterminate);
}

#[tokio::test]
async fn a_direct_download_needs_no_part() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![1_500_000];
    let direct = TransferOptions { direct: true, ..options() };
    let receipt = rig.download("in/a.bin", "a.bin", direct).await.unwrap().unwrap();
    assert_eq!(rig.read("a.bin").unwrap(), data);
    assert_eq!(receipt.resumed_from.0, 1_500_000);
}
