//! Listings over a whole session, against a server that plays what real ones do: their zone, their
//! bounds, loops of folders, and names in other encodings.

use std::sync::Arc;

use super::FtpConnector;
use super::scripted::{Answer, Scripted, path};
use crate::clock::SystemClock;
use crate::model::{Fault, FaultCode, FileInfo, NameEncoding, Offset, RemotePath, Select, Site, Timestamp};
use crate::transfer::ftp::time;
use crate::transfer::{ListItem, Options, Remote, StoreFrom, Transfers};

async fn list(session: &mut Box<dyn Remote>, name: &str) -> Result<Vec<ListItem>, Fault> {
    let mut items = Vec::new();
    session.list(&path(name), &mut |item| items.push(item)).await?;
    Ok(items)
}

/// What was listed; every line must have been understood.
fn entries(items: Vec<ListItem>) -> Vec<FileInfo> {
    let entry = |item| match item {
        ListItem::Entry(info) => info,
        ListItem::Unparsed(line) => panic!("not understood: {line}"),
    };
    items.into_iter().map(entry).collect()
}

/// A server that answers LIST with these lines, and MDTM as `modified` says.
async fn dated(lines: &'static str, modified: &'static str) -> Scripted {
    Scripted::start(move |line| match line.split(' ').next() {
        Some("LIST") => Some(Answer::Send("150 here\r\n", lines.as_bytes().to_vec(), "226 done\r\n")),
        Some("MDTM") => Some(Answer::Text(modified)),
        _ => None,
    })
    .await
}

const FILES: &str = "drwxr-xr-x 2 u g 0 2026-03-09 10:00 folder\r\n\
    -rw-r--r-- 1 u g 3 2025-07-01 12:00 summer\r\n\
    -rw-r--r-- 1 u g 3 2026-03-01 12:00 winter\r\n\
    what is this\r\n";

fn times(items: &[ListItem]) -> Vec<Option<Timestamp>> {
    let time = |item: &ListItem| match item {
        ListItem::Entry(info) => Some(info.modified),
        ListItem::Unparsed(_) => None,
    };
    items.iter().filter_map(time).collect()
}

fn utc(texts: [&str; 3]) -> Vec<Option<Timestamp>> {
    texts.iter().map(|text| Some(time::parse(text).unwrap())).collect()
}

#[tokio::test]
async fn the_zone_of_listings_is_learnt_from_the_newest_file_and_once() {
    let server = dated(FILES, "213 20260301110042\r\n").await;
    let connector = FtpConnector::new(Arc::new(SystemClock::new()));
    for _ in 0..2 {
        let mut session = crate::transfer::Connect::connect(&connector, &server.site()).await.unwrap();
        for _ in 0..2 {
            let items = list(&mut session, "in").await.unwrap();
            assert_eq!(items.len(), 4);
            assert!(matches!(&items[3], ListItem::Unparsed(_)), "in the order of the server");
            assert_eq!(times(&items), utc(["20260309090000", "20250701110000", "20260301110000"]), "F60");
        }
    }
    assert_eq!((server.count("MDTM"), server.count("MDTM /in/winter")), (1, 1));
}

#[tokio::test]
async fn a_zone_that_the_site_names_knows_summer_time_and_asks_nothing() {
    let server = dated(FILES, "213 20260301110042\r\n").await;
    let site = Site { list_time_zone: Some("Europe/Berlin".to_owned()), ..server.site() };
    let mut session = server.connect(&site).await.unwrap();
    let items = list(&mut session, "in").await.unwrap();
    assert_eq!(times(&items), utc(["20260309090000", "20250701100000", "20260301110000"]), "F60");
    assert_eq!(server.count("MDTM"), 0);
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_zone_is_taken_for_utc_and_not_asked_again() {
    for modified in ["550 no\r\n", "500 what\r\n", "213 20260301112000\r\n", "213 never\r\n"] {
        let server = dated(FILES, modified).await;
        let mut session = server.session().await;
        for _ in 0..2 {
            let items = list(&mut session, "in").await.unwrap();
            assert_eq!(
                times(&items),
                utc(["20260309100000", "20250701120000", "20260301120000"]),
                "{modified}"
            );
        }
        assert_eq!(server.count("MDTM"), 2, "each of the two files once: {modified}");
    }
}

#[tokio::test]
async fn an_instant_is_no_matter_of_zones() {
    let server = dated("+r,s3,m1767323045,\ta\r\n", "213 20260102020405\r\n").await;
    let items = list(&mut server.session().await, "in").await.unwrap();
    assert_eq!(times(&items), [Some(Timestamp(1_767_323_045_000))]);
    assert_eq!(server.count("MDTM"), 0);
}

#[tokio::test]
async fn a_listing_of_too_many_lines_is_given_up() {
    let server = Scripted::start(|line| {
        let many = || Answer::Send("150 here\r\n", vec![b'\n'; 1_000_001], "226 done\r\n");
        line.starts_with("LIST").then(many)
    })
    .await;
    let mut session = server.session().await;
    let fault = list(&mut session, "").await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpProtocol, "F47: {fault}");
    assert!(fault.message.contains("1,000,000 lines") && session.is_poisoned());
}

#[tokio::test]
async fn a_part_of_a_listing_of_facts_is_not_the_whole() {
    let server = Scripted::start(|line| match line {
        "FEAT" => Some(Answer::Text("211-f\r\n MLST type*;\r\n211 end\r\n")),
        "MLSD" => Some(Answer::Send(
            "150 here\r\n",
            b"type=file;size=3; a\r\n".to_vec(),
            "226-Options: -a -l\r\n226 Output truncated to 1 matches\r\n",
        )),
        _ => None,
    })
    .await;
    let fault = list(&mut server.session().await, "").await.unwrap_err();
    assert!(fault.message.contains("only a part"), "F43: {fault}");
    assert!(!fault.is_transient());
}

/// Every folder of this server holds two folders.
async fn endless(facts: &'static str) -> (Scripted, Result<Vec<FileInfo>, Fault>) {
    let server = Scripted::start(move |line| match line {
        "FEAT" => Some(Answer::Text("211-f\r\n MLST type*;\r\n211 end\r\n")),
        "MLSD" => Some(Answer::Send("150 here\r\n", facts.as_bytes().to_vec(), "226 done\r\n")),
        _ => None,
    })
    .await;
    let clock = Arc::new(SystemClock::new());
    let connector = Arc::new(FtpConnector::new(clock.clone()));
    let transfers = Transfers::new(connector, clock, Options::default());
    let mut items = Vec::new();
    let listed = transfers
        .list(&server.site(), &RemotePath::default(), &Select::of(None, true), &mut |item| items.push(item))
        .await;
    transfers.close().await;
    (server, listed.map(|()| entries(items)))
}

#[tokio::test]
async fn a_folder_that_comes_again_under_another_name_is_entered_once() {
    let (server, listed) =
        endless("type=dir;unique=1; a\r\ntype=dir;unique=1; b\r\ntype=file;unique=2; c\r\n").await;
    let paths: Vec<_> = listed.unwrap().into_iter().map(|info| info.path).collect();
    assert_eq!(paths.len(), 6, "F48: {paths:?}");
    assert_eq!(server.count("MLSD"), 2, "F48");
}

#[tokio::test]
async fn folders_without_end_are_given_up() {
    let (server, listed) = endless("type=dir; a\r\ntype=dir; b\r\n").await;
    let fault = listed.unwrap_err();
    assert_eq!(fault.code, FaultCode::FileTooLarge, "F48: {fault}");
    assert!(server.count("MLSD") < 70, "depth first, so that the bound is met soon");
}

#[tokio::test]
async fn a_folder_that_is_there_and_cannot_be_entered_is_not_taken_for_gone() {
    for (still_there, refusal) in [(true, "550 Zugriff verweigert\r\n"), (false, "550 gibt es nicht\r\n")] {
        let looks = std::sync::atomic::AtomicU32::new(0);
        let server = Scripted::start(move |line| match line {
            "CWD /shut" => Some(Answer::Text(refusal)),
            "LIST -a" => {
                let before = looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let shut = if before == 0 || still_there { "+/,\tshut\r\n" } else { "" };
                Some(Answer::Send("150 ok\r\n", format!("{shut}+r,\tfile\r\n").into_bytes(), "226 ok\r\n"))
            }
            _ => None,
        })
        .await;
        let clock = Arc::new(SystemClock::new());
        let transfers = Transfers::new(Arc::new(FtpConnector::new(clock.clone())), clock, Options::default());
        let listed = transfers
            .list(&server.site(), &RemotePath::default(), &Select::of(None, true), &mut |_| {})
            .await;
        match listed {
            Ok(()) => assert!(!still_there),
            Err(fault) => assert!(still_there && fault.code == FaultCode::FtpDenied, "F43: {fault}"),
        }
        transfers.close().await;
    }
}

fn speaking(server: &Scripted, encoding: NameEncoding) -> Site {
    Site { encoding, ..server.site() }
}

#[tokio::test]
async fn names_come_and_go_in_the_encoding_of_the_site() {
    // `\u{e9}` in Latin-1, and a letter of GBK that ends in the byte of a backslash.
    for (encoding, raw, name, seen) in [
        (NameEncoding::Latin1, &b"caf\xe9 \xff"[..], "caf\u{e9} \u{ff}", "caf\u{e9} \u{ff}"),
        (NameEncoding::Gbk, b"\xd5\x5c.txt", "\u{8aa0}.txt", "\u{d5}\\.txt"),
        (NameEncoding::Utf8, b"caf\xc3\xa9", "caf\u{e9}", "caf\u{e9}"),
    ] {
        let server = Scripted::start(move |line| match line.split(' ').next() {
            Some("FEAT") => Some(Answer::Text("211-f\r\n UTF8\r\n SIZE\r\n211 end\r\n")),
            Some("OPTS") => Some(Answer::Text("200 ok\r\n")),
            Some("LIST") => {
                let line = [b"-rw-r--r-- 1 u g 3 Jan  1 2026 ", raw, b"\r\n"].concat();
                Some(Answer::Send("150 here\r\n", line, "226 done\r\n"))
            }
            Some("DELE") => Some(Answer::Text("250 gone\r\n")),
            _ => None,
        })
        .await;
        let mut session = server.connect(&speaking(&server, encoding)).await.unwrap();
        let found = entries(list(&mut session, "").await.unwrap());
        assert_eq!(found[0].path, name, "{encoding:?}");
        session.remove(&path(name)).await.unwrap();
        session.begin_retrieve(&path(name), Offset::ZERO).await.unwrap();
        while session.read().await.unwrap().is_some() {}
        session.finish().await.unwrap();
        session.begin_store(&path(name), StoreFrom::Start).await.unwrap();
        session.finish().await.unwrap();
        for verb in ["DELE", "RETR", "STOR"] {
            assert!(server.seen().contains(&format!("{verb} /{seen}")), "{:?}", server.seen());
        }
        let switch = if encoding == NameEncoding::Utf8 { "OPTS UTF8 ON" } else { "OPTS UTF8 OFF" };
        assert_eq!((server.count("OPTS"), server.count(switch)), (1, 1));
    }
}

#[tokio::test]
async fn a_name_without_bytes_in_the_encoding_is_refused_before_anything_is_sent() {
    let server = Scripted::start(|_| None).await;
    let mut session = server.connect(&speaking(&server, NameEncoding::Latin1)).await.unwrap();
    let before = server.seen().len();
    for name in ["\u{6587}", "\u{ff}\u{ff}"] {
        let refused = [
            session.remove(&path(name)).await.unwrap_err(),
            session.begin_retrieve(&path(name), Offset::ZERO).await.unwrap_err(),
            session.rename(&path("a"), &path(name)).await.unwrap_err(),
        ];
        for fault in refused {
            assert_eq!(fault.code, FaultCode::FtpBadName, "{fault}");
            assert!(fault.hint.as_deref().is_some_and(|hint| hint.contains("`encoding`")), "{fault:?}");
        }
    }
    assert!(!session.is_poisoned());
    assert_eq!(&server.seen()[before..], ["RNFR /a", "RNFR /a"]);
}

#[tokio::test]
async fn bytes_without_a_meaning_are_told_and_not_guessed() {
    let server = Scripted::start(|line| {
        let lines = b"-rw-r--r-- 1 u g 3 Jan  1 2026 caf\xe9\r\n-rw-r--r-- 1 u g 3 Jan  1 2026 good\r\n";
        line.starts_with("LIST").then(|| Answer::Send("150 here\r\n", lines.to_vec(), "226 done\r\n"))
    })
    .await;
    let items = list(&mut server.session().await, "").await.unwrap();
    assert!(matches!(&items[0], ListItem::Unparsed(line) if line.ends_with("caf\\xe9")), "{items:?}");
    assert!(matches!(&items[1], ListItem::Entry(info) if info.path == "good"));
}

#[tokio::test]
async fn a_root_in_another_encoding_is_named() {
    let server = Scripted::start(|line| match line {
        "PWD" => Some(Answer::Raw(b"257 \"/donn\xe9es\" est le r\xe9pertoire\r\n")),
        _ => None,
    })
    .await;
    let Err(fault) = server.connect(&server.site()).await else { panic!("a guess") };
    assert_eq!(fault.code, FaultCode::FtpBadName, "{fault}");
    assert!(fault.hint.unwrap().contains("`encoding` under [site.acme]"));
    let mut session = server.connect(&speaking(&server, NameEncoding::Latin1)).await.unwrap();
    session.remove(&path("x")).await.unwrap_err();
    assert!(server.seen().contains(&"DELE /donn\u{e9}es/x".to_owned()), "{:?}", server.seen());
    // Words in another encoding are no obstacle.
    let server = Scripted::start(|line| match line {
        "PWD" => Some(Answer::Raw(b"257 \"/in\" est le r\xe9pertoire\r\n")),
        _ => None,
    })
    .await;
    server.connect(&server.site()).await.unwrap();
}
