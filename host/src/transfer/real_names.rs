//! Names in other encodings on the disks of real servers, and the clocks of their listings. As
//! [`super::real`], these need the servers of `cargo xtask servers`, and root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use testkit::servers::{Kind, Options, Tls};

use super::real::Ground;
use super::{Evidence, ListItem, MemoryLog};
use crate::model::{FaultCode, FileInfo, NameEncoding, RemotePath, Select, Site, Timestamp};

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

async fn list(ground: &Ground, folder: &str) -> (Vec<FileInfo>, Vec<String>) {
    let (mut entries, mut odd) = (Vec::new(), Vec::new());
    let mut sink = |item| match item {
        ListItem::Entry(info) => entries.push(info),
        ListItem::Unparsed(line) => odd.push(line),
    };
    ground.transfers().list(&ground.site, &path(folder), &Select::of(None, true), &mut sink).await.unwrap();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    (entries, odd)
}

/// Lists, fetches, pushes, renames and removes; what is on the server's disk is always the bytes.
async fn comes_and_goes(kind: Kind, encoding: NameEncoding, name: &str, raw: &[u8]) {
    let mut ground = Ground::new(kind, Tls::None, None);
    ground.site = Arc::new(Site { encoding, ..Site::clone(&ground.site) });
    let what = format!("{kind} {encoding:?} {name:?}");
    let on_disk =
        |parts: &[&[u8]]| -> PathBuf { ground.server.root().join(OsStr::from_bytes(&parts.concat())) };
    std::fs::create_dir(on_disk(&[b"d", raw])).unwrap();
    std::fs::write(on_disk(&[b"d", raw, b"/", raw]), b"hello").unwrap();
    ground.server.own(&ground.server.root()).unwrap();

    if kind == Kind::PureFtpd && raw.contains(&b'\\') {
        return is_refused(&ground, name).await;
    }
    let (entries, odd) = list(&ground, "").await;
    let paths: Vec<_> = entries.iter().map(|info| info.path.as_str()).collect();
    assert_eq!((paths, odd.len()), (vec![&*format!("d{name}"), &*format!("d{name}/{name}")], 0), "{what}");

    let transfers = ground.transfers();
    let log = Arc::new(MemoryLog::default());
    transfers.download(ground.job(&format!("d{name}/{name}"), "a", 1, &log)).await.unwrap();
    assert_eq!(std::fs::read(ground.folder.path().join("a")).unwrap(), b"hello", "{what}");

    let log = Arc::new(MemoryLog::default());
    transfers.upload(ground.job(&format!("up{name}"), "a", 2, &log)).await.unwrap();
    assert_eq!(std::fs::read(on_disk(&[b"up", raw])).unwrap(), b"hello", "{what}");

    let (from, to) = (path(&format!("up{name}")), path(&format!("new{name}")));
    let evidence = transfers.plan_rename(&ground.site, &from, &to, None).await.unwrap();
    let evidence = Evidence::from_bytes(&evidence.to_bytes().unwrap()).unwrap();
    transfers.rename(&ground.site, &from, &to, &evidence, false).await.unwrap();
    assert!(!on_disk(&[b"up", raw]).exists() && on_disk(&[b"new", raw]).exists(), "{what}");

    let evidence = transfers.plan_remove(&ground.site, &to, None).await.unwrap();
    transfers.remove(&ground.site, &to, &evidence, false).await.unwrap();
    assert!(!on_disk(&[b"new", raw]).exists(), "{what}");
    transfers.close().await;
}

/// pure-ftpd shows names with a backslash, or with a byte that looks like one, and lets nobody touch
/// them. Each refusal is told, also that of a folder in the middle of a tree.
async fn is_refused(ground: &Ground, name: &str) {
    let transfers = ground.transfers();
    let mut seen = Vec::new();
    let mut sink = |item| seen.push(item);
    transfers.list(&ground.site, &path(""), &Select::of(None, false), &mut sink).await.unwrap();
    assert!(matches!(&seen[..], [ListItem::Entry(info)] if info.path == format!("d{name}")), "{seen:?}");
    let fault =
        transfers.list(&ground.site, &path(""), &Select::of(None, true), &mut |_| {}).await.unwrap_err();
    assert_eq!((fault.code, fault.reply), (FaultCode::FtpDenied, Some(553)));
    let log = Arc::new(MemoryLog::default());
    std::fs::write(ground.folder.path().join("a"), b"hello").unwrap();
    let fault = transfers.upload(ground.job(&format!("up{name}"), "a", 2, &log)).await.unwrap_err();
    assert_eq!(fault.reply, Some(553), "{fault}");
    transfers.close().await;
}

async fn all_names(kind: Kind) {
    comes_and_goes(
        kind,
        NameEncoding::Utf8,
        "caf\u{e9} \u{6587}\u{4ef6}",
        "caf\u{e9} \u{6587}\u{4ef6}".as_bytes(),
    )
    .await;
    comes_and_goes(kind, NameEncoding::Latin1, "caf\u{e9}", b"caf\xe9").await;
    comes_and_goes(kind, NameEncoding::Latin1, "\u{ff}a\u{ff}b \u{ff}", b"\xffa\xffb \xff").await;
    comes_and_goes(kind, NameEncoding::Gbk, "\u{6587}\u{4ef6}.txt", b"\xce\xc4\xbc\xfe.txt").await;
    comes_and_goes(kind, NameEncoding::Gbk, "\u{8aa0}x", b"\xd5\x5cx").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn names_on_vsftpd() {
    all_names(Kind::Vsftpd).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn names_on_proftpd() {
    all_names(Kind::Proftpd).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn names_on_pure_ftpd() {
    all_names(Kind::PureFtpd).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn names_of_another_encoding_are_told_and_not_touched() {
    for kind in Kind::COMMON {
        let ground = Ground::new(kind, Tls::None, None);
        std::fs::write(ground.server.root().join(OsStr::from_bytes(b"caf\xe9")), b"x").unwrap();
        ground.server.put("good", b"x").unwrap();
        let (entries, odd) = list(&ground, "").await;
        assert_eq!(entries.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(), ["good"], "{kind}");
        assert!(odd.len() == 1 && odd[0].ends_with("caf\\xe9"), "{kind}: {odd:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn the_clock_of_a_servers_listing_is_learnt() {
    // Without MLSD, LIST in the time of India, and MDTM in UTC.
    let settings = &["TimesGMT off", "FactsAdvertise off"];
    let options = Options { settings, time_zone: Some("Asia/Kolkata"), ..Options::default() };
    let ground = Ground::with(Kind::Proftpd, options);
    ground.server.put("new", b"x").unwrap();
    let changed = std::fs::metadata(ground.server.root().join("new")).unwrap().modified().unwrap();
    let changed = changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (entries, _) = list(&ground, "").await;
    // To the minute, as LIST tells it.
    assert_eq!(entries[0].modified, Some(Timestamp(changed / 60 * 60_000)), "F60");
    let mut named = ground;
    named.site =
        Arc::new(Site { list_time_zone: Some("Asia/Kolkata".to_owned()), ..Site::clone(&named.site) });
    assert_eq!(list(&named, "").await.0[0].modified, Some(Timestamp(changed / 60 * 60_000)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn a_listing_that_a_server_cuts_short_is_a_fault() {
    let options = Options { settings: &["--limitrecursion", "5:2"], ..Options::default() };
    let ground = Ground::with(Kind::PureFtpd, options);
    for number in 0..20 {
        ground.server.put(&format!("f{number}"), b"x").unwrap();
    }
    let transfers = ground.transfers();
    let fault =
        transfers.list(&ground.site, &path(""), &Select::of(None, false), &mut |_| {}).await.unwrap_err();
    assert!(fault.message.contains("only a part") && !fault.is_transient(), "F43: {fault}");
    transfers.close().await;
}
