//! Transfers through proxies that others wrote, to servers that others wrote: plain and under TLS, both
//! ways, with refusals, and with proxies that die. These need what `cargo xtask servers` fetches, and
//! root, so plain `cargo test` leaves them out.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::proxies::{LOGIN, Program, Proxy};
use testkit::servers::{Kind, Tls};

use super::fake::{noise, sha256};
use super::real::Ground;
use super::{Job, MemoryLog, Unwatched, Watch};
use crate::model::{
    ByteCount, Fault, FaultClass, FaultCode, Proxy as Through, ProxyKind, RetryPolicy, SecretRef, Site,
};

/// The site of a job, through a proxy.
fn through(job: &mut Job<'_>, program: Program, port: u16, login: Option<(&str, &str)>) {
    let kind = match program {
        Program::Microsocks => ProxyKind::Socks5,
        Program::Tinyproxy => ProxyKind::Http,
    };
    let user = login.map(|(user, _)| user.to_owned());
    let password = login.map(|(_, password)| SecretRef::Command(format!("printf %s '{password}'")));
    let proxy = Through { kind, host: "127.0.0.1".to_owned(), port, user, password };
    let site = Site { proxy: Some(proxy), ..Site::clone(&job.site) };
    job.site = Arc::new(site);
}

async fn moves_both_ways(program: Program, tls: Tls) {
    for login in [false, true] {
        let proxy = Proxy::start(program, login).unwrap();
        let ground = Ground::new(Kind::Vsftpd, tls, None);
        let data = noise(3_000_000);
        ground.server.put("in.bin", &data).unwrap();
        let transfers = ground.transfers();
        let words = login.then_some(LOGIN);
        let log = || Arc::new(MemoryLog::default());
        let mut down = ground.job("in.bin", "a.bin", 1, &log());
        through(&mut down, program, proxy.address().port(), words);
        let receipt = transfers.download(down).await.unwrap_or_else(|fault| {
            panic!("{program} {tls:?}: {fault:?}\n{}\n{}", proxy.logs(), ground.server.logs())
        });
        assert_eq!(receipt.digests[0].hex, sha256(&data));
        let mut up = ground.job("out/b.bin", "a.bin", 2, &log());
        through(&mut up, program, proxy.address().port(), words);
        transfers.upload(up).await.unwrap();
        assert_eq!(std::fs::read(ground.server.root().join("out/b.bin")).unwrap(), data);
        transfers.close().await;
        // One session, or two where TLS wants another; and a data connection for each file.
        assert!(proxy.asked() >= 3, "{program} {tls:?}: {}", proxy.logs());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn microsocks_lets_files_through_in_clear_and_under_tls() {
    moves_both_ways(Program::Microsocks, Tls::None).await;
    moves_both_ways(Program::Microsocks, Tls::Explicit).await;
    moves_both_ways(Program::Microsocks, Tls::Implicit).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn tinyproxy_lets_files_through_in_clear_and_under_tls() {
    moves_both_ways(Program::Tinyproxy, Tls::None).await;
    moves_both_ways(Program::Tinyproxy, Tls::Explicit).await;
    moves_both_ways(Program::Tinyproxy, Tls::Implicit).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn real_proxies_refuse_and_say_how() {
    for program in Program::ALL {
        let ground = Ground::new(Kind::Vsftpd, Tls::None, None);
        let fails = async |port: u16, login: Option<(&str, &str)>, server: Option<u16>| -> Fault {
            let mut job = ground.job("in.bin", "a.bin", 1, &Arc::new(MemoryLog::default()));
            through(&mut job, program, port, login);
            let once = RetryPolicy { max_attempts: Some(1), ..RetryPolicy::default() };
            let mut site = Site { retry: once, ..Site::clone(&job.site) };
            site.port = server.unwrap_or(site.port);
            job.site = Arc::new(site);
            let fault = ground.transfers().download(job).await.unwrap_err();
            let all = format!("{fault:?}");
            assert!(!all.contains(LOGIN.0) && !all.contains(LOGIN.1) && !all.contains("wrong"), "{all}");
            fault
        };
        let guarded = Proxy::start(program, true).unwrap();
        let port = guarded.address().port();
        let fault = fails(port, Some((LOGIN.0, "wrong-password")), None).await;
        assert_eq!((&fault.code, fault.class), (&FaultCode::FtpProxy, FaultClass::Permanent), "{fault:?}");
        assert!(fault.message.contains("refuses the user or password"), "{program}: {fault}");
        let fault = fails(port, None, None).await;
        assert_eq!((&fault.code, fault.class), (&FaultCode::FtpProxy, FaultClass::Permanent), "{fault:?}");
        assert!(fault.message.contains("wants a user"), "{program}: {fault}");

        let open = Proxy::start(program, false).unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let fault = fails(open.address().port(), None, Some(nobody)).await;
        assert_eq!(
            (&fault.code, fault.class),
            (&FaultCode::FtpUnreachable, FaultClass::Transient),
            "{program}: {fault:?}"
        );
        assert!(fault.message.contains("can't reach port"), "{program}: {fault}");
    }
}

/// Kills a proxy once a transfer is under way.
struct Killer(Mutex<Option<Proxy>>);

impl Watch for Killer {
    fn started(&self, _: Option<ByteCount>, _: ByteCount) {}
    fn retry(&self, _: u32, _: &Fault, _: Duration) {}
    fn progress(&self, done: ByteCount, _: Option<ByteCount>) {
        if done.0 > 500_000
            && let Some(mut proxy) = self.0.lock().unwrap().take()
        {
            proxy.kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the servers of `cargo xtask servers`, and root"]
async fn a_transfer_goes_on_when_its_proxy_died() {
    for program in Program::ALL {
        for up in [false, true] {
            // Slow enough for the proxy to die in the middle.
            let ground = Ground::new(Kind::Vsftpd, Tls::None, Some(2 << 20));
            let data = noise(4_000_000);
            ground.server.put("in.bin", &data).unwrap();
            std::fs::write(ground.folder.path().join("out.bin"), &data).unwrap();
            let log = Arc::new(MemoryLog::default());
            let job = |step| match up {
                false => ground.job("in.bin", "a.bin", step, &log),
                true => ground.job("b.bin", "out.bin", step, &log),
            };
            let proxy = Proxy::start(program, false).unwrap();
            let port = proxy.address().port();
            let killer = Killer(Mutex::new(Some(proxy)));
            let once = RetryPolicy { max_attempts: Some(1), ..RetryPolicy::default() };
            let on_exhausted = Some(crate::model::Exhausted::Pause);
            let mut first = Job { watch: &killer, ..job(1) };
            through(&mut first, program, port, None);
            first.site = Arc::new(Site { retry: once, ..Site::clone(&first.site) });
            first.options.on_exhausted = on_exhausted;
            // Else all of it would lie in buffers before anybody looks.
            first.options.rate_limit = Some(2 << 20);
            let transfers = ground.transfers();
            let outcome = match up {
                false => transfers.download(first).await,
                true => transfers.upload(first).await,
            };
            let fault = outcome.unwrap_err();
            assert!(fault.is_transient(), "{program} up {up}: {fault:?}");
            assert!(killer.0.lock().unwrap().is_none(), "{program} up {up}: it failed before: {fault:?}");

            let proxy = Proxy::start(program, false).unwrap();
            let mut again = Job { watch: &Unwatched, ..job(1) };
            through(&mut again, program, proxy.address().port(), None);
            let went_on = async {
                match up {
                    false => transfers.download(again).await,
                    true => transfers.upload(again).await,
                }
            };
            let receipt = tokio::time::timeout(Duration::from_secs(120), went_on).await.unwrap().unwrap();
            assert!(receipt.resumed_from.0 > 0, "{program} up {up}: {receipt:?}");
            assert_eq!(receipt.digests[0].hex, sha256(&data), "{program} up {up}");
        }
    }
}
