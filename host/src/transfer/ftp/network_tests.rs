//! The way to a server that is far, slow, of the other family, or to be spared.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::FtpConnector;
use super::scripted::{Answer, Scripted, path};
use crate::clock::{Clock, SystemClock};
use crate::model::{
    DataMode, FaultCode, ItemId, Offset, Proxy, ProxyKind, RateLimit, RunId, SecretRef, Site, StepSeq,
    Timestamp, TransferOptions,
};
use crate::transfer::{
    Connect, Finish, Job, LocalRoot, MemoryLog, Options, PartName, Remote, Stop, StoreFrom, Transfers,
    Unwatched,
};

async fn read_all(session: &mut Box<dyn Remote>) -> Vec<u8> {
    session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
    let mut all = Vec::new();
    while let Some(bytes) = session.read().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    assert_eq!(session.finish().await.unwrap(), Finish::Confirmed);
    all
}

/// A server on IPv6's own loopback.
async fn on_v6(script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Scripted {
    Scripted::start_on(IpAddr::V6(Ipv6Addr::LOCALHOST), Answer::Text("220 ready\r\n"), None, script).await
}

#[tokio::test]
async fn a_server_is_reached_over_ipv6() {
    let server = on_v6(|_| None).await;
    let mut session = server.session().await;
    assert_eq!(read_all(&mut session).await, b"hello");
    assert_eq!((server.count("EPSV"), server.count("PASV")), (1, 0));

    // PASV has room for no address of IPv6; of what it says only the port counts.
    let server = on_v6(|line| line.starts_with("EPSV").then_some(Answer::Text("500 what\r\n"))).await;
    let mut session = server.session().await;
    assert_eq!(read_all(&mut session).await, b"hello", "F25");

    let server = on_v6(|_| None).await;
    let site = Site { mode: DataMode::Active, ..server.site() };
    let mut session = server.connect(&site).await.unwrap();
    assert_eq!(read_all(&mut session).await, b"hello");
    let seen = server.seen();
    assert!(seen.iter().any(|line| line.starts_with("EPRT |2|::1|")), "RFC 2428, 2: {seen:?}");
}

#[tokio::test]
async fn a_name_of_both_families_is_reached_where_the_server_is() {
    for ip in ["127.0.0.1", "::1"] {
        let greeting = Answer::Text("220 ready\r\n");
        let server = Scripted::start_on(ip.parse().unwrap(), greeting, None, |_| None).await;
        let site = Site { host: "localhost".to_owned(), ..server.site() };
        let Ok(addresses) = tokio::net::lookup_host(("localhost", server.port)).await else { return };
        if addresses.into_iter().any(|address| address.ip() == server.ip) {
            let mut session = server.connect(&site).await.unwrap();
            assert_eq!(read_all(&mut session).await, b"hello", "{ip}: data goes where control went");
        }
    }
}

#[tokio::test]
async fn connecting_and_greeting_have_deadlines_of_their_own() {
    let silent = Scripted::start_with(Answer::Silence, None, |_| None).await;
    let mut site = silent.site();
    site.limits.greeting = Duration::from_millis(300);
    let fault = silent.connect(&site).await.map(drop).unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpTimeout, "F01");
    assert!(fault.message.contains("no greeting within 0.3 s") && fault.is_transient(), "{fault}");

    // A millisecond for each byte: longer than connecting may take.
    let greeting = Answer::Slowly(
        "220-we look up your name, and that of the network that you are in, and of all who live there\r\n\
         220-we look up your name, and that of the network that you are in, and of all who live there\r\n\
         220-we look up your name, and that of the network that you are in, and of all who live there\r\n\
         220 ready\r\n",
    );
    let slow = Scripted::start_with(greeting, None, |_| None).await;
    let mut site = slow.site();
    site.limits.connect = Duration::from_millis(250);
    assert!(slow.connect(&site).await.is_ok());
}

/// A site whose data connections have to move a MiB a second.
fn demanding(server: &Scripted) -> Site {
    let mut site = server.site();
    site.limits.min_speed = 1 << 20;
    site.limits.min_speed_time = Duration::from_millis(400);
    site
}

#[tokio::test]
async fn a_trickle_is_given_up_in_both_directions() {
    let server = Scripted::start(|line| match line.split(' ').next() {
        Some("RETR") => Some(Answer::Drip("150 here\r\n")),
        Some("STOR") => Some(Answer::Sip("150 send\r\n")),
        _ => None,
    })
    .await;
    let mut session = server.connect(&demanding(&server)).await.unwrap();
    session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
    let fault = loop {
        match session.read().await {
            Ok(bytes) => assert!(bytes.is_some()),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code, FaultCode::FtpTimeout, "F50");
    assert!(fault.is_transient() && fault.message.contains("fewer than 1.0 MiB per second"), "{fault}");
    assert!(session.is_poisoned());

    let mut session = server.connect(&demanding(&server)).await.unwrap();
    session.begin_store(&path("a"), StoreFrom::Start).await.unwrap();
    let piece = vec![0; 256 * 1024];
    // As much as buffers on the way may hold goes out at once.
    let fault = loop {
        if let Err(fault) = session.write(&piece).await {
            break fault;
        }
    };
    assert!(fault.message.contains("fewer than 1.0 MiB per second"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_ours_is_no_slowness_of_theirs() {
    const BYTES: usize = 48 * 1024;
    let server = Scripted::start(|line| match line.split(' ').next() {
        Some("RETR") => Some(Answer::Send("150 here\r\n", vec![7; BYTES], "226 done\r\n")),
        Some("SIZE") if line.ends_with("/in") => Some(Answer::Text("213 49152\r\n")),
        Some("SIZE" | "MDTM") => Some(Answer::Text("550 no such file\r\n")),
        Some("CWD") if !line.ends_with('/') => Some(Answer::Text("550 no such folder\r\n")),
        _ => None,
    })
    .await;
    let mut site = server.site();
    // Whoever waits for more than two seconds for these few bytes is too slow, and the limit alone
    // takes longer than that.
    site.limits.min_speed = 1 << 30;
    site.limits.min_speed_time = Duration::from_secs(2);
    site.retry.max_attempts = Some(1);
    let site = Arc::new(site);
    let folder = tempfile::tempdir().unwrap();
    let root = LocalRoot::open("dir", folder.path()).unwrap();
    std::fs::write(folder.path().join("out"), vec![7; BYTES]).unwrap();
    let clock = Arc::new(SystemClock::new());
    let transfers =
        Transfers::new(Arc::new(FtpConnector::new(clock.clone())), clock.clone(), Options::default());
    let job = |name: &str, step| Job {
        site: site.clone(),
        remote: path(name),
        local: root.file(name).unwrap(),
        options: TransferOptions { rate_limit: Some(16 * 1024), ..TransferOptions::default() },
        part: PartName { run: RunId::new(Timestamp(0), [0; 10]), step: StepSeq(step), item: ItemId(0) },
        log: Arc::new(MemoryLog::default()),
        watch: &Unwatched,
        stop: Stop::new(),
    };
    let begun = clock.monotonic();
    let (down, up) = tokio::join!(transfers.download(job("in", 1)), transfers.upload(job("out", 2)));
    assert_eq!(down.unwrap().bytes.0, BYTES as u64);
    assert!(clock.monotonic() - begun > Duration::from_secs(2), "there was a limit");
    // The server forgets what it takes; that all was sent is enough here.
    let sent = up.map_or_else(|fault| fault, |_| unreachable!("nothing can have been found there"));
    assert!(!sent.message.contains("fewer than"), "{sent}");
    assert_eq!(server.count("STOR"), 1);
}

/// Time that goes on by as much as anybody sleeps, and takes none.
#[derive(Debug, Default)]
struct Dial {
    millis: AtomicU64,
}

#[async_trait]
impl Clock for Dial {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000 + self.millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::task::yield_now().await;
        let millis = duration.as_micros().div_ceil(1000);
        self.millis.fetch_add(u64::try_from(millis).unwrap(), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn commands_keep_to_the_sites_rate_on_all_sessions_together() {
    let server = Scripted::start(|_| None).await;
    let mut site = server.site();
    for (limit, least_ms) in [(None, 0), (Some(5), 200)] {
        site.limits.commands_per_second = limit;
        let clock = Arc::new(Dial::default());
        let connector = FtpConnector::new(clock.clone());
        let before = server.seen().len();
        let mut first = connector.connect(&site).await.unwrap();
        let mut second = connector.connect(&site).await.unwrap();
        assert_eq!(read_all(&mut first).await, b"hello");
        assert!(second.probe().await);
        let commands = u64::try_from(server.seen().len() - before).unwrap();
        let took = clock.millis.load(Ordering::SeqCst);
        // The first needs no turn, nobody waits for the last, and a quarter of a second is saved up.
        assert!(took >= (commands - 3) * least_ms, "{commands} commands in {took} ms");
        assert!(took <= commands * least_ms, "{commands} commands in {took} ms");
    }
}

#[tokio::test]
async fn what_limits_all_limits_each_way() {
    for up in [false, true] {
        let mut rig = crate::transfer::fake::Rig::new();
        let data = crate::transfer::fake::noise(300_000);
        rig.server.put("a", &data);
        std::fs::write(rig.folder.path().join("b"), &data).unwrap();
        rig.options.rate = Some(RateLimit::Fixed(1000));
        rig.site.limits.rate = Some(RateLimit::Fixed(100));
        let own = TransferOptions { rate_limit: Some(2000), ..TransferOptions::default() };
        let outcome = match up {
            false => rig.download("a", "a", own).await,
            true => rig.upload("b", "b", own).await,
        };
        assert_eq!(outcome.unwrap().unwrap().bytes.0, 300_000);
        let took: Duration = rig.slept().iter().sum();
        // The lowest is the site's; the last turn needn't be paid for.
        assert!(took >= Duration::from_secs(2900), "up {up}: 300,000 bytes in {took:?}");
    }
}

#[tokio::test]
async fn what_limits_a_handle_limits_all_that_goes_through_it() {
    let mut rig = crate::transfer::fake::Rig::new();
    rig.site.limits.sessions_max = 2;
    let data = crate::transfer::fake::noise(100_000);
    for name in ["a", "b"] {
        rig.server.put(name, &data);
    }
    let limited = rig.transfers().limited_to(100);
    for (step, name) in [(1, "a"), (2, "b")] {
        let job = rig.job(name, name, TransferOptions::default(), &Unwatched);
        let part = PartName { step: StepSeq(step), ..job.part.clone() };
        let job = Job { part, log: Arc::new(MemoryLog::default()), ..job };
        assert_eq!(limited.clone().download(job).await.unwrap().bytes.0, 100_000);
    }
    let took: Duration = rig.slept().iter().sum();
    assert!(took >= Duration::from_secs(1900), "200,000 bytes in {took:?}");
}

#[tokio::test]
async fn a_session_that_came_one_way_never_serves_another() {
    let mut rig = crate::transfer::fake::Rig::new();
    rig.server.put("a", b"content");
    let transfers = rig.transfers();
    let proxy = |port, user: Option<&str>| Proxy {
        kind: ProxyKind::Socks5,
        host: "gate".to_owned(),
        port,
        user: user.map(str::to_owned),
        password: user.map(|user| SecretRef::Env(user.to_uppercase())),
    };
    let ways = [None, Some(proxy(1, None)), Some(proxy(2, None)), Some(proxy(2, Some("u")))];
    for _ in 0..2 {
        for way in &ways {
            rig.site.proxy.clone_from(way);
            transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
        }
    }
    assert_eq!(rig.server.state().logins, 4, "one for each way, and each used again");
}
