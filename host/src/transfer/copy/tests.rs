//! Copies between two servers in memory, with everything that goes wrong on either side.

use std::sync::Arc;
use std::time::Duration;

use super::{SiteFile, SpillOptions};
use crate::model::{
    ByteCount, Fault, FaultCode, HashAlgorithm, IfExists, IfSourceGrows, Proof, Receipt, RemotePath, Site,
    TransferOptions,
};
use crate::transfer::fake::{Faults, Rest, Rig, noise, sha256};
use crate::transfer::{Job, Unwatched};

fn options() -> TransferOptions {
    TransferOptions::default()
}

/// A file on the second server, to be copied to the first.
fn rig(length: usize) -> (Rig, Vec<u8>) {
    let rig = Rig::new();
    let data = noise(length);
    rig.second.put("in/a.bin", &data);
    rig.second.state().dirs.insert("in".to_owned());
    (rig, data)
}

fn from(path: &str) -> SiteFile {
    let site = Site { name: "there".to_owned(), host: "second".to_owned(), ..Rig::new().site };
    SiteFile { site: Arc::new(site), path: RemotePath::parse(path).unwrap() }
}

/// A copy in a process of its own; `None` when the fuse blew.
async fn copy(rig: &Rig, options: TransferOptions) -> Option<Result<Receipt, Fault>> {
    copy_from(rig, from("in/a.bin"), options).await
}

async fn copy_from(rig: &Rig, from: SiteFile, options: TransferOptions) -> Option<Result<Receipt, Fault>> {
    let transfers = rig.transfers();
    let (errand, _) = Job::split(rig.job("out/a.bin", "unused", options, &Unwatched));
    rig.fuse.guard(transfers.copy(errand, from)).await
}

fn check(rig: &Rig, data: &[u8], receipt: &Receipt, what: &str) {
    assert!(rig.server.get("out/a.bin").is_some_and(|found| found == data), "{what}: the content differs");
    assert_eq!(rig.server.names(), ["out/a.bin"], "{what}");
    assert_eq!(rig.second.names(), ["in/a.bin"], "{what}");
    assert_eq!(receipt.digests[0].hex, sha256(data), "{what}");
    assert_eq!(rig.server.count("RNTO"), 1, "{what}: {:?}", rig.server.state().effects);
}

#[tokio::test]
async fn every_size_arrives_whole_once_and_verified() {
    for size in [0, 1, 65_537, 3 << 20, 8 << 20, (16 << 20) + 5] {
        let (rig, data) = rig(size);
        let receipt = copy(&rig, options()).await.unwrap().unwrap();
        check(&rig, &data, &receipt, &size.to_string());
        assert_eq!((receipt.attempts, receipt.resent.0, receipt.resumed_from.0), (1, 0, 0), "{size}");
        assert_eq!(receipt.bytes.0, size as u64);
        let source = rig.second.state().files["in/a.bin"].modified;
        assert_eq!(receipt.file.modified.unwrap().0, source * 1000, "the time of the source is kept");
        assert_eq!(rig.names(), Vec::<String>::new(), "nothing lies on this host");
    }
}

#[tokio::test]
async fn a_cut_on_the_targets_side_costs_an_overlap() {
    let (rig, data) = rig(20 << 20);
    rig.server.state().faults.cuts = vec![700_000, 17 << 20];
    let receipt = copy(&rig, options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "target cut");
    assert_eq!(receipt.attempts, 3);
    assert_eq!(rig.server.state().taken - data.len() as u64, 2 * 1000);
    // Only what the last chunks are proven by was read again.
    let again = rig.second.state().sent - data.len() as u64;
    assert!(again <= 3 * (8 << 20) + 700_000 + (8 << 20), "{again} bytes were read again");
}

#[tokio::test]
async fn a_cut_on_the_sources_side_keeps_what_has_come() {
    let (rig, data) = rig(20 << 20);
    rig.second.state().faults.cuts = vec![12 << 20, 10 << 20];
    let receipt = copy(&rig, options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "source cut");
    assert_eq!(receipt.attempts, 3);
    assert_eq!(rig.server.state().taken - data.len() as u64, 2 * 1000, "nothing was lost on the way");
}

#[tokio::test]
async fn each_sides_fault_names_its_site() {
    for source in [true, false] {
        let (rig, _) = rig(3 << 20);
        let fault = Fault::new(FaultCode::FtpLogin, "530 no").with_reply(530);
        let side = if source { &rig.second } else { &rig.server };
        side.state().faults.connect = vec![fault];
        let fault = copy(&rig, options()).await.unwrap().unwrap_err();
        let name = if source { "site there" } else { "site here" };
        assert_eq!(fault.code, FaultCode::FtpLogin);
        assert!(fault.message.starts_with(name), "{fault}");
    }
    let (rig, _) = rig(3 << 20);
    let fault = copy_from(&rig, from("in/none"), options()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNotFound);
    assert!(fault.message.starts_with("site there"), "{fault}");
    rig.server.state().faults.full_at = Some(1 << 20);
    let fault = copy(&rig, options()).await.unwrap().unwrap_err();
    assert!(fault.message.starts_with("site here"), "{fault}");
    assert_eq!((fault.code, fault.reply), (FaultCode::FtpNoSpace, Some(552)));
}

#[tokio::test]
async fn a_source_that_is_said_to_be_whole_and_is_not_goes_on() {
    let (rig, data) = rig(3 << 20);
    rig.second.state().faults.truncate = Some(1 << 20);
    let receipt = copy(&rig, options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "truncated");
    assert_eq!(receipt.resumed_from.0, (1 << 20) - 1000);
}

#[tokio::test]
async fn a_source_without_rest_is_read_again_and_not_sent_again() {
    for rest in [Rest::Refused, Rest::Ignored] {
        let (rig, data) = rig(20 << 20);
        rig.second.state().faults.rest = rest;
        rig.server.state().faults.cuts = vec![18 << 20];
        let receipt = copy(&rig, options()).await.unwrap().unwrap();
        check(&rig, &data, &receipt, &format!("{rest:?}"));
        let again = rig.server.state().taken - data.len() as u64;
        match rest {
            Rest::Refused => assert_eq!(again, 1000, "the part is gone on with"),
            _ => assert_eq!(receipt.resumed_from.0, 0, "what REST was ignored for can't be joined on"),
        }
    }
}

#[tokio::test]
async fn a_target_without_rest_is_appended_to() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults =
        Faults { rest: Rest::RefusedForStore, cuts: vec![2 << 20], ..Faults::default() };
    let receipt = copy(&rig, options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "append");
    assert_eq!((rig.server.count("APPE"), receipt.resumed_from.0), (1, 2 << 20));
}

#[tokio::test]
async fn a_source_that_changed_between_attempts_costs_the_generation() {
    let (rig, _) = rig(3 << 20);
    rig.server.state().faults.cuts = vec![2 << 20];
    let other = noise(2 << 20);
    let fuse = rig.fuse.clone();
    fuse.set(40);
    assert!(copy(&rig, options()).await.is_none(), "the fuse was set too late");
    fuse.set(0);
    rig.second.put("in/a.bin", &other);
    let receipt = copy(&rig, options()).await.unwrap().unwrap();
    check(&rig, &other, &receipt, "another source");
    assert_eq!(receipt.resumed_from.0, 0);
}

#[tokio::test]
async fn killed_at_every_step_it_goes_on_and_ends_once() {
    let (probe, _) = rig(1_200_000);
    copy(&probe, options()).await.unwrap().unwrap();
    let steps = probe.fuse.passed();
    for step in 1..=steps {
        let (rig, data) = rig(1_200_000);
        rig.fuse.set(step);
        let first = copy(&rig, options()).await;
        rig.fuse.set(0);
        let receipt = match first {
            Some(receipt) => receipt.unwrap(),
            None => copy(&rig, options()).await.unwrap().unwrap(),
        };
        check(&rig, &data, &receipt, &format!("killed at step {step} of {steps}"));
        let resent = rig.server.state().taken.saturating_sub(data.len() as u64);
        assert!(resent <= rig.options.commit_bytes.0 + 1000 + (1 << 20), "{step}: {resent} bytes sent again");
    }
}

#[tokio::test]
async fn both_servers_digests_are_compared() {
    let (rig, data) = rig(3 << 20);
    rig.server.state().faults.hashes = vec![HashAlgorithm::Md5];
    rig.second.state().faults.hashes = vec![HashAlgorithm::Crc32];
    let receipt = copy(&rig, options()).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "digests");
    assert_eq!((receipt.proof, receipt.digests.len()), (Proof::DigestOfServer, 3));
    // What was flipped on the way from the source is only known by the source's own digest.
    let (flipped, data) = rig_flipping();
    let receipt = copy(&flipped, options()).await.unwrap().unwrap();
    check(&flipped, &data, &receipt, "flipped");
    assert_eq!(receipt.attempts, 2);
}

fn rig_flipping() -> (Rig, Vec<u8>) {
    let (rig, data) = rig(3 << 20);
    rig.second.state().faults = Faults { flip: true, hashes: vec![HashAlgorithm::Md5], ..Faults::default() };
    (rig, data)
}

#[tokio::test]
async fn without_any_hash_it_is_read_back_where_that_is_wanted() {
    let (rig, data) = rig(100_000);
    let receipt = copy(&rig, TransferOptions { read_back: true, ..options() }).await.unwrap().unwrap();
    check(&rig, &data, &receipt, "read back");
    assert_eq!(receipt.proof, Proof::ReadBack);
}

#[tokio::test]
async fn records_are_counted_on_their_way_back() {
    let (rig, _) = rig(0);
    rig.second.put("in/a.bin", b"1\n2\n3");
    let count = |expected| TransferOptions { expect_records: Some(expected), ..options() };
    let fault = copy(&rig, count(2)).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::VerifyRecords);
    assert_eq!(rig.server.names(), Vec::<String>::new());
    let (rig, _) = self::rig(0);
    rig.second.put("in/a.bin", b"1\n2\n3");
    let receipt = copy(&rig, count(3)).await.unwrap().unwrap();
    assert_eq!(receipt.proof, Proof::ReadBack);
}

#[tokio::test]
async fn what_stands_at_the_target_is_judged_by_policy() {
    let (rig, _) = rig(1000);
    rig.server.put("out/a.bin", b"old");
    let fault = copy(&rig, TransferOptions { if_exists: IfExists::Fail, ..options() }).await.unwrap();
    assert_eq!(fault.unwrap_err().code, FaultCode::FtpExists);
    let (rig, _) = self::rig(1000);
    rig.server.put("out/a.bin", b"old");
    let left = copy(&rig, TransferOptions { if_exists: IfExists::Skip, ..options() }).await.unwrap().unwrap();
    assert!(left.skipped && rig.server.get("out/a.bin").unwrap() == b"old");
}

#[tokio::test]
async fn a_source_that_grows_is_followed_or_refused() {
    for (grows, ends) in [(IfSourceGrows::Fail, None), (IfSourceGrows::UpToStartSize, Some(1 << 20))] {
        let (rig, data) = rig(1 << 20);
        rig.server.state().faults.cuts = vec![1 << 19];
        let transfers = rig.transfers();
        let options = TransferOptions { if_source_grows: grows, ..options() };
        let (errand, _) = Job::split(rig.job("out/a.bin", "unused", options.clone(), &Unwatched));
        rig.fuse.set(30);
        assert!(rig.fuse.guard(transfers.copy(errand, from("in/a.bin"))).await.is_none());
        rig.fuse.set(0);
        rig.second.state().files.get_mut("in/a.bin").unwrap().data.extend_from_slice(b"more");
        let result = copy(&rig, options).await.unwrap();
        match ends {
            None => assert_eq!(result.unwrap_err().code, FaultCode::FtpRemoteChanged),
            Some(length) => {
                assert_eq!(result.unwrap().bytes.0, length);
                assert!(rig.server.get("out/a.bin").unwrap() == data);
            }
        }
    }
}

#[tokio::test]
async fn onto_itself_and_with_one_session_it_is_refused() {
    let (rig, _) = rig(10);
    let own = |path: &str, sessions_max| {
        let mut site = rig.site.clone();
        site.limits.sessions_max = sessions_max;
        SiteFile { site: Arc::new(site), path: RemotePath::parse(path).unwrap() }
    };
    let fault = copy_from(&rig, own("out/a.bin", 8), options()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::CallInvalid);
}

#[tokio::test]
async fn many_copies_both_ways_between_full_sites_all_end() {
    let (mut rig, data) = rig(200_000);
    rig.site.limits.sessions_max = 1;
    rig.server.put("here.bin", &data);
    let transfers = rig.transfers();
    let here = Arc::new(rig.site.clone());
    let mut there = Site::clone(&from("x").site);
    there.limits.sessions_max = 1;
    let there = Arc::new(there);
    let copies = (0..12).map(|n| {
        let (mut errand, _) = Job::split(rig.job(&format!("copy-{n}"), "unused", options(), &Unwatched));
        errand.log = Arc::<crate::transfer::MemoryLog>::default();
        let (site, target, path) =
            if n % 2 == 0 { (&there, &here, "in/a.bin") } else { (&here, &there, "here.bin") };
        errand.site = target.clone();
        transfers.copy(errand, SiteFile { site: site.clone(), path: RemotePath::parse(path).unwrap() })
    });
    let all = tokio::time::timeout(Duration::from_secs(60), futures::future::join_all(copies));
    for receipt in all.await.expect("they wait for each other") {
        assert_eq!(receipt.unwrap().attempts, 1, "waiting for a session is no failure");
    }
}

#[tokio::test]
async fn a_spill_gives_back_what_it_took_in_order_and_leaves_nothing() {
    use super::ring::{Ring, SPILL_AFTER};
    use crate::transfer::upload::Item;

    let folder = tempfile::tempdir().unwrap();
    let spill = SpillOptions { folder: folder.path().join("spill"), bytes_max: ByteCount(4 << 20) };
    let mut ring = Ring::new(Some(&spill), Duration::ZERO);
    let data = noise(12 << 20);
    let mut pieces = data.chunks(256 << 10);
    let mut held = 0;
    while ring.has_room(Duration::ZERO) {
        ring.push(Item::of_bytes(pieces.next().unwrap().to_vec().into(), Vec::new())).await;
        held += 256 << 10;
    }
    assert_eq!(held, 6 << 20, "only memory is used while the target moves");
    assert!(ring.waits_to_spill());
    while ring.has_room(SPILL_AFTER) {
        ring.push(Item::of_bytes(pieces.next().unwrap().to_vec().into(), Vec::new())).await;
        held += 256 << 10;
    }
    assert_eq!(held, 10 << 20, "and so much on disk when it doesn't");
    let mut back = Vec::new();
    while let Some(item) = ring.pop(SPILL_AFTER).await.unwrap() {
        back.extend_from_slice(item.bytes());
    }
    assert!(back == data[..held], "what came back differs");
    assert_eq!(std::fs::read_dir(&spill.folder).unwrap().count(), 0);
    // A folder that can't be written is no failure: then memory is all there is.
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let spill = SpillOptions { folder: folder.path().join("file"), ..spill };
    let mut ring = Ring::new(Some(&spill), Duration::ZERO);
    for piece in data.chunks(256 << 10).take(25) {
        ring.push(Item::of_bytes(piece.to_vec().into(), Vec::new())).await;
    }
    assert!(!ring.has_room(SPILL_AFTER));
    let mut back = 0;
    while let Some(item) = ring.pop(SPILL_AFTER).await.unwrap() {
        assert!(*item.bytes() == data[back..back + item.bytes().len()]);
        back += item.bytes().len();
    }
    assert_eq!(back, 25 * (256 << 10));
}
