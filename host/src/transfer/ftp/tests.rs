//! What servers do (quirks.md), and what a session makes of it. The number of each quirk stands with
//! its test.

use std::time::Duration;

use super::scripted::{Answer, Scripted, path};
use crate::model::{DataMode, Fault, FaultCode, FileKind, HashAlgorithm, Offset, Timestamp, TlsMode};
use crate::transfer::{Finish, ListItem, Remote, StoreFrom};

async fn read_all(session: &mut Box<dyn Remote>, name: &str, from: u64) -> Result<(Vec<u8>, Finish), Fault> {
    session.begin_retrieve(&path(name), Offset(from)).await?;
    let mut all = Vec::new();
    while let Some(bytes) = session.read().await? {
        all.extend_from_slice(&bytes);
    }
    Ok((all, session.finish().await?))
}

async fn store(session: &mut Box<dyn Remote>, name: &str, bytes: &[u8]) -> Result<Finish, Fault> {
    session.begin_store(&path(name), StoreFrom::Start).await?;
    for piece in bytes.chunks(64 * 1024) {
        if session.write(piece).await.is_err() {
            break;
        }
    }
    session.finish().await
}

async fn list(session: &mut Box<dyn Remote>, name: &str) -> Result<Vec<ListItem>, Fault> {
    let mut items = Vec::new();
    session.list(&path(name), &mut |item| items.push(item)).await?;
    Ok(items)
}

async fn greeted_by(greeting: Answer) -> Result<Box<dyn Remote>, Fault> {
    let server = Scripted::start_with(greeting, None, |_| None).await;
    server.connect(&server.site()).await
}

fn code<T>(outcome: Result<T, Fault>) -> FaultCode {
    outcome.map(drop).unwrap_err().code
}

#[tokio::test]
async fn greetings_are_waited_for_but_not_for_ever() {
    let silent = Scripted::start_with(Answer::Silence, None, |_| None).await;
    assert_eq!(code(silent.connect(&silent.hasty_site()).await), FaultCode::FtpTimeout, "F01");
    assert!(greeted_by(Answer::Text("120 wait\r\n220 ready\r\n")).await.is_ok(), "F02");
    let refused = greeted_by(Answer::Text("421 Too many connections\r\n")).await;
    assert_eq!(code(refused), FaultCode::FtpTooMany, "F02");
    assert_eq!(code(greeted_by(Answer::Flood("220-", b'x')).await), FaultCode::FtpProtocol, "F03");
    assert!(greeted_by(Answer::Slowly("220-a\n220 b\n")).await.is_ok(), "F04");
    assert!(greeted_by(Answer::Text("220-hi\r\n100 files\r\n 220 no\r\n220 ready\r\n")).await.is_ok(), "F05");
    assert_eq!(code(greeted_by(Answer::Close).await), FaultCode::FtpConnectionLost);
    assert_eq!(code(greeted_by(Answer::Text("<html>\r\n")).await), FaultCode::FtpProtocol);
}

#[tokio::test]
async fn an_unasked_reply_is_not_the_next_answer() {
    let server = Scripted::start(|line| match line {
        "DELE /a" => Some(Answer::Text("250 gone\r\n250 once more\r\n")),
        "DELE /b" => Some(Answer::Text("550 no such file\r\n")),
        _ => None,
    })
    .await;
    let mut session = server.session().await;
    session.remove(&path("a")).await.unwrap();
    let fault = session.remove(&path("b")).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpProtocol, "F06: {fault}");
    assert!(session.is_poisoned());
    assert_eq!(server.count("DELE /b"), 0, "nothing is sent to a server out of step");
}

#[tokio::test]
async fn a_goodbye_between_commands_is_transient() {
    let server = Scripted::start(|line| {
        (line == "NOOP").then_some(Answer::Text("200 ok\r\n421 idle for too long\r\n"))
    })
    .await;
    let mut session = server.session().await;
    assert!(session.probe().await);
    let fault = session.stat(&path("a")).await.unwrap_err();
    assert!(fault.is_transient() && fault.reply == Some(421), "F07: {fault:?}");
    assert!(session.is_poisoned());
}

#[tokio::test]
async fn a_late_answer_poisons() {
    let server = Scripted::start(|line| line.starts_with("DELE").then_some(Answer::Silence)).await;
    let mut session = server.connect(&server.hasty_site()).await.unwrap();
    assert_eq!(code(session.remove(&path("a")).await), FaultCode::FtpTimeout);
    assert!(session.is_poisoned());
    assert_eq!(code(session.remove(&path("a")).await), FaultCode::FtpConnectionLost);
}

#[tokio::test]
async fn a_command_that_was_given_up_poisons() {
    let server = Scripted::start(|line| line.starts_with("DELE").then_some(Answer::Silence)).await;
    let mut session = server.session().await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), session.remove(&path("a"))).await;
    assert!(given_up.is_err());
    assert!(session.is_poisoned());
}

#[tokio::test]
async fn final_replies_are_kept_for_their_moment() {
    for (first, last) in [("150 here\r\n226 done\r\n", ""), ("125 open\r\n", "250 done\r\n")] {
        let server = Scripted::start(move |line| {
            line.starts_with("RETR").then(|| Answer::Send(first, vec![7; 300_000], last))
        })
        .await;
        let mut session = server.session().await;
        let (bytes, finish) = read_all(&mut session, "a", 0).await.unwrap();
        assert_eq!((bytes.len(), finish), (300_000, Finish::Confirmed), "F10, F29: {first:?}");
        assert!(session.probe().await, "in step afterwards");
    }
}

#[tokio::test]
async fn a_transfer_that_is_done_at_once_is_empty() {
    let server =
        Scripted::start(|line| line.starts_with("RETR").then_some(Answer::Text("226 empty\r\n"))).await;
    let mut session = server.session().await;
    assert_eq!(read_all(&mut session, "a", 0).await.unwrap(), (Vec::new(), Finish::Confirmed), "F29");
    assert!(session.probe().await);
}

#[tokio::test]
async fn an_abort_by_the_server_is_unconfirmed() {
    let server = Scripted::start(|line| {
        line.starts_with("RETR").then(|| Answer::Send("150 here\r\n", b"hel".to_vec(), "426 broken\r\n"))
    })
    .await;
    let mut session = server.session().await;
    let (bytes, finish) = read_all(&mut session, "a", 0).await.unwrap();
    assert_eq!(bytes, b"hel");
    assert!(matches!(finish, Finish::Unconfirmed(fault) if fault.is_transient() && fault.reply == Some(426)));
    assert!(!session.is_poisoned());
}

#[tokio::test]
async fn a_missing_final_reply_poisons() {
    let server = Scripted::start(|line| {
        line.starts_with("RETR").then(|| Answer::Send("150 here\r\n", b"hello".to_vec(), ""))
    })
    .await;
    let mut session = server.connect(&server.hasty_site()).await.unwrap();
    let (bytes, finish) = read_all(&mut session, "a", 0).await.unwrap();
    assert_eq!(bytes, b"hello");
    assert!(matches!(finish, Finish::Unconfirmed(fault) if fault.code == FaultCode::FtpTimeout), "F09");
    assert!(session.is_poisoned());
}

#[tokio::test]
async fn the_servers_word_comes_before_a_broken_pipe() {
    let server = Scripted::start(|line| {
        line.starts_with("STOR").then_some(Answer::Take("150 send\r\n", 1000, "552 disk quota exceeded\r\n"))
    })
    .await;
    let mut session = server.session().await;
    let finish = store(&mut session, "a", &vec![1; 16 << 20]).await.unwrap();
    let Finish::Unconfirmed(fault) = finish else { panic!("confirmed") };
    assert_eq!((fault.code, fault.reply), (FaultCode::FtpNoSpace, Some(552)), "F41");
}

#[tokio::test]
async fn auth_fails_closed() {
    for answer in ["500 what\r\n", "530 log in first\r\n", "234 go on\r\n230 you are in\r\n"] {
        let server = Scripted::start(move |line| (line == "AUTH TLS").then_some(Answer::Text(answer))).await;
        let mut site = server.site();
        site.tls.mode = TlsMode::Explicit;
        let fault = server.connect(&site).await.map(drop).unwrap_err();
        assert!(!fault.is_transient() && fault.code == FaultCode::FtpTls, "F20: {answer:?} {fault:?}");
        assert_eq!(server.count("USER") + server.count("PASS"), 0, "F20: nothing goes out in clear");
    }
    let server = Scripted::start_with(Answer::Text("230 in already\r\n"), None, |_| None).await;
    let mut site = server.site();
    site.tls.mode = TlsMode::Explicit;
    assert!(server.connect(&site).await.is_err(), "F21");
    assert!(server.seen().is_empty(), "F21");
}

#[tokio::test]
async fn a_refused_epsv_is_remembered_and_pasv_stays_with_the_peer() {
    let server = Scripted::start(|line| (line == "EPSV").then_some(Answer::Text("502 no\r\n"))).await;
    let mut session = server.session().await;
    for _ in 0..2 {
        let (bytes, _) = read_all(&mut session, "a", 0).await.unwrap();
        assert_eq!(bytes, b"hello", "F23: 10.9.8.7 isn't where the data is");
    }
    assert_eq!((server.count("EPSV"), server.count("PASV")), (1, 2), "F25");
}

#[tokio::test]
async fn an_epsv_port_that_cannot_be_reached_is_given_up_for_pasv() {
    let server =
        Scripted::start(|line| (line == "EPSV").then_some(Answer::Text("229 ok (|||80|)\r\n"))).await;
    let mut session = server.session().await;
    assert_eq!(read_all(&mut session, "a", 0).await.unwrap().0, b"hello", "F25");
}

#[tokio::test]
async fn ports_of_other_services_are_refused() {
    let server = Scripted::start(|line| match line {
        "EPSV" => Some(Answer::Text("500 no\r\n")),
        "PASV" => Some(Answer::Text("227 ok (127,0,0,1,0,22)\r\n")),
        _ => None,
    })
    .await;
    let mut session = server.session().await;
    let fault = read_all(&mut session, "a", 0).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNoDataConnection, "F24: {fault}");
    assert_eq!(server.count("RETR"), 0);
    assert!(session.probe().await, "the control connection is as before");
}

#[tokio::test]
async fn restarts_go_out_last_and_refusals_are_told() {
    let server = Scripted::start(|_| None).await;
    let mut session = server.session().await;
    read_all(&mut session, "a", 5).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[seen.len() - 3..], ["EPSV", "REST 5", "RETR /a"], "F33");

    let server = Scripted::start(|line| line.starts_with("REST").then_some(Answer::Text("502 no\r\n"))).await;
    let mut session = server.session().await;
    assert_eq!(code(read_all(&mut session, "a", 5).await), FaultCode::FtpUnsupported, "F32");
    assert_eq!(read_all(&mut session, "a", 0).await.unwrap().0, b"hello");
}

#[tokio::test]
async fn appends_never_follow_a_restart() {
    let server = Scripted::start(|_| None).await;
    let mut session = server.session().await;
    session.begin_store(&path("a"), StoreFrom::Append).await.unwrap();
    assert_eq!(session.finish().await.unwrap(), Finish::Confirmed);
    assert_eq!((server.count("APPE /a"), server.count("REST")), (1, 0), "F35");
}

#[tokio::test]
async fn a_missing_file_is_none_in_any_language() {
    for text in ["550 Datei oder Verzeichnis fehlt\r\n", "550 \u{6587}\u{4ef6}\r\n", "550 Failed.\r\n"] {
        let server = Scripted::start(move |line| {
            ["SIZE", "MDTM", "CWD"].iter().any(|verb| line.starts_with(verb)).then_some(Answer::Text(text))
        })
        .await;
        let mut session = server.session().await;
        assert_eq!(session.stat(&path("a")).await.unwrap(), None, "{text}");
        assert_eq!(session.size(&path("a")).await.unwrap(), None, "{text}");
        assert_eq!(code(list(&mut session, "a").await), FaultCode::FtpNotFound, "F43: {text}");
    }
    let server =
        Scripted::start(|line| line.starts_with("SIZE").then_some(Answer::Text("550 Permission denied\r\n")))
            .await;
    assert_eq!(code(server.session().await.stat(&path("a")).await), FaultCode::FtpDenied);
}

#[tokio::test]
async fn a_file_without_a_size_is_still_there() {
    let server = Scripted::start(|line| match line {
        "SIZE /a" | "CWD /a" => Some(Answer::Text("550 no\r\n")),
        "MDTM /a" => Some(Answer::Text("213 20260102030405\r\n")),
        _ => None,
    })
    .await;
    let info = server.session().await.stat(&path("a")).await.unwrap().unwrap();
    assert_eq!((info.kind, info.size), (FileKind::File, None), "F36");
}

fn listing(lines: &'static str) -> impl Fn(&str) -> Option<Answer> {
    move |line| {
        line.starts_with("LIST")
            .then(|| Answer::Send("150 here\r\n", lines.as_bytes().to_vec(), "226 done\r\n"))
    }
}

#[tokio::test]
async fn hostile_lines_are_told_not_followed() {
    let server = Scripted::start(listing(
        "total 3\r\n\
         drwxr-xr-x 2 u g 0 Jan  1 2026 .\r\n\
         -rw-r--r-- 1 u g 3 Jan  1 2026 good\r\n\
         -rw-r--r-- 1 u g 3 Jan  1 2026 ../../etc/passwd\r\n\
         what is this\r\n",
    ))
    .await;
    let items = list(&mut server.session().await, "in").await.unwrap();
    assert!(matches!(&items[0], ListItem::Entry(info) if info.path == "in/good"));
    assert!(matches!(&items[1], ListItem::Unparsed(line) if line.contains("passwd")), "F46");
    assert!(matches!(&items[2], ListItem::Unparsed(line) if line == "what is this"), "F45");
    assert_eq!(items.len(), 3);
}

#[tokio::test]
async fn a_line_without_end_is_given_up() {
    let server = Scripted::start(|line| {
        line.starts_with("LIST").then(|| Answer::Send("150 here\r\n", vec![b'x'; 1 << 20], "226 done\r\n"))
    })
    .await;
    let mut session = server.session().await;
    assert_eq!(code(list(&mut session, "").await), FaultCode::FtpProtocol, "F47");
    assert!(session.is_poisoned());
}

#[tokio::test]
async fn a_part_of_a_listing_is_not_the_whole() {
    let server = Scripted::start(|line| {
        line.starts_with("LIST").then(|| {
            let line = b"-rw-r--r-- 1 u g 3 Jan  1 2026 a\r\n".to_vec();
            Answer::Send("150 here\r\n", line, "226 Output truncated to 10000 matches\r\n")
        })
    })
    .await;
    let fault = list(&mut server.session().await, "").await.unwrap_err();
    assert!(fault.message.contains("only a part"), "F43: {fault}");
}

#[tokio::test]
async fn an_announced_mlsd_that_is_refused_is_not_asked_again() {
    let server = Scripted::start(|line| match line {
        "FEAT" => Some(Answer::Text("211-f\r\n MLST type*;\r\n211 end\r\n")),
        _ if line.starts_with("LIST") => {
            Some(Answer::Send("150 here\r\n", b"+r,s3,\ta\r\n".to_vec(), "226 done\r\n"))
        }
        _ => None,
    })
    .await;
    let mut session = server.session().await;
    for _ in 0..2 {
        assert_eq!(list(&mut session, "").await.unwrap().len(), 1);
    }
    assert_eq!((server.count("MLSD"), server.count("LIST -a")), (1, 2), "F54");
}

#[tokio::test]
async fn any_2xx_does_for_a_simple_command() {
    let server = Scripted::start(|line| match line.get(..4) {
        Some("TYPE") => Some(Answer::Text("226 I\r\n")),
        Some("MKD " | "DELE") => Some(Answer::Text("200 ok\r\n")),
        _ => None,
    })
    .await;
    let mut session = server.session().await;
    session.make_dir(&path("d")).await.unwrap();
    session.remove(&path("a")).await.unwrap();
}

#[tokio::test]
async fn data_that_stops_is_given_up() {
    let server =
        Scripted::start(|line| line.starts_with("RETR").then_some(Answer::Text("150 here\r\n"))).await;
    let mut session = server.connect(&server.hasty_site()).await.unwrap();
    assert_eq!(code(read_all(&mut session, "a", 0).await), FaultCode::FtpTimeout, "F50");
    assert!(session.is_poisoned());
}

#[tokio::test]
async fn the_root_is_where_the_url_says() {
    for (root, base) in [("", "/home/u"), ("sub/x", "/home/u/sub/x"), ("/abs", "/abs"), ("fall", "/fall")] {
        let at = std::sync::Mutex::new("/home/u".to_owned());
        let server = Scripted::start(move |line| {
            let mut at = at.lock().unwrap();
            match line {
                "CWD sub/x" => *at = "/home/u/sub/x".to_owned(),
                "CWD /abs" => *at = "/abs".to_owned(),
                "CWD /fall" => *at = "/fall".to_owned(),
                "CWD fall" => return Some(Answer::Text("550 no\r\n")),
                "PWD" => {
                    let told: &'static str = format!("257 \"{at}\"\r\n").leak();
                    return Some(Answer::Text(told));
                }
                _ => return None,
            }
            None
        })
        .await;
        let mut site = server.site();
        site.root = root.to_owned();
        let mut session = server.connect(&site).await.unwrap();
        read_all(&mut session, "f", 0).await.unwrap();
        assert_eq!(server.count(&format!("RETR {base}/f")), 1, "{root}");
    }
}

#[tokio::test]
async fn a_login_is_refused_for_good_and_a_limit_is_not() {
    for (answer, expected) in [
        ("530 Login incorrect.\r\n", FaultCode::FtpLogin),
        ("530 Sorry, too many users\r\n", FaultCode::FtpTooMany),
        ("421 Service not available\r\n", FaultCode::FtpConnectionLost),
    ] {
        let server =
            Scripted::start(move |line| line.starts_with("PASS").then_some(Answer::Text(answer))).await;
        let fault = server.connect(&server.site()).await.map(drop).unwrap_err();
        assert_eq!(fault.code, expected, "F53");
        assert!(!fault.message.contains("canary-pw"), "{fault}");
        assert_eq!(server.count("PASS canary-pw"), 1);
    }
}

#[tokio::test]
async fn a_stranger_on_our_port_is_not_the_server() {
    let server = Scripted::start(|_| None).await;
    let mut site = server.site();
    site.mode = DataMode::Active;
    let mut session = server.connect(&site).await.unwrap();
    let (bytes, finish) = read_all(&mut session, "a", 0).await.unwrap();
    assert_eq!((bytes.as_slice(), finish), (&b"hello"[..], Finish::Confirmed), "F27");
    assert_eq!((server.count("PORT"), server.count("EPSV")), (1, 0));
}

#[tokio::test]
async fn a_server_that_opens_no_data_connection_is_given_up() {
    let server =
        Scripted::start(|line| line.starts_with("RETR").then_some(Answer::Text("150 here\r\n"))).await;
    let mut site = server.hasty_site();
    site.mode = DataMode::Active;
    let mut session = server.connect(&site).await.unwrap();
    let fault = read_all(&mut session, "a", 0).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNoDataConnection, "{fault}");
    assert!(session.is_poisoned());
}

#[tokio::test]
async fn a_transfer_that_is_abandoned_closes_the_session() {
    let server = Scripted::start(|_| None).await;
    let mut session = server.session().await;
    session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
    session.abandon().await;
    assert!(session.is_poisoned());
    assert!(session.finish().await.is_err());
    assert_eq!(server.count("ABOR"), 0, "F49");
}

#[tokio::test]
async fn names_alone_are_looked_at_one_by_one() {
    let server = Scripted::start(|line| match line {
        "NLST" => Some(Answer::Send("150 here\r\n", b"/in/a\r\n.\r\nsub\r\n".to_vec(), "226 done\r\n")),
        "SIZE /in/a" => Some(Answer::Text("213 5\r\n")),
        _ => None,
    })
    .await;
    let items = list(&mut server.session().await, "in").await.unwrap();
    let [ListItem::Entry(file), ListItem::Entry(folder)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((file.path.as_str(), file.kind), ("in/a", FileKind::File));
    assert_eq!((folder.path.as_str(), folder.kind), ("in/sub", FileKind::Dir));
}

#[tokio::test]
async fn times_are_set_by_whatever_way_works() {
    let server = Scripted::start(|line| match line {
        _ if line.starts_with("MDTM 2026") => Some(Answer::Text("550 20260102030405 /a: no such file\r\n")),
        _ if line.starts_with("SITE UTIME") => Some(Answer::Text("200 ok\r\n")),
        _ => None,
    })
    .await;
    let mut session = server.session().await;
    for _ in 0..2 {
        assert!(session.set_modified(&path("a"), Timestamp(1_767_323_045_000)).await.unwrap());
    }
    assert_eq!((server.count("MDTM 2026"), server.count("SITE UTIME 20260102030405 /a")), (1, 2));

    let server =
        Scripted::start(|line| line.starts_with("MDTM 2026").then_some(Answer::Text("550 no\r\n"))).await;
    assert!(!server.session().await.set_modified(&path("a"), Timestamp(1_767_323_045_000)).await.unwrap());
}

#[tokio::test]
async fn a_servers_digest_is_read_in_either_form() {
    const HEX: &str = "d41d8cd98f00b204e9800998ecf8427e";
    let server = Scripted::start(|line| match line {
        "FEAT" => Some(Answer::Text("211-f\r\n HASH MD5;CRC32\r\n XCRC\r\n211 end\r\n")),
        "OPTS HASH MD5" => Some(Answer::Text("200 MD5\r\n")),
        "HASH /a b" => {
            Some(Answer::Text("213-wait\r\n213 MD5 0-0 D41D8CD98F00B204E9800998ECF8427E /a b\r\n"))
        }
        "XCRC \"/a b\"" => Some(Answer::Text("250 1A2B\r\n")),
        _ => None,
    })
    .await;
    let mut session = server.session().await;
    let digest = session.digest(&path("a b"), HashAlgorithm::Md5).await.unwrap();
    assert_eq!(digest.unwrap().hex, HEX);
    let digest = session.digest(&path("a b"), HashAlgorithm::Crc32).await.unwrap();
    assert_eq!(digest.unwrap().hex, "1a2b");
    assert_eq!(session.digest(&path("a b"), HashAlgorithm::Sha256).await.unwrap(), None);
}
