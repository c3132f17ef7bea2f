//! Proxies that let us through, and all the ways in which they don't. Proxies that others wrote are
//! met in `transfer::proxied`.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::scripted::{Answer, Scripted, path};
use crate::model::{
    DataMode, Fault, FaultClass, FaultCode, Offset, Proxy, ProxyKind, SecretRef, Site, TlsMode,
};
use crate::transfer::Finish;

const USER: &str = "canary-user";
const PASSWORD: &str = "canary-proxy-pw";

/// What a proxy does with one connection, after it has read what came.
#[derive(Clone)]
enum Stage {
    /// Waits for so many bytes, then says this.
    Say(usize, Vec<u8>),
    /// Waits for the end of an HTTP request, then says this.
    Head(String),
    /// Says no more, and keeps the connection open.
    Hang,
}

/// A proxy that goes through its stages, then closes; it leads nowhere.
async fn dead_end(stages: Vec<Stage>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let stages = stages.clone();
            tokio::spawn(async move { play(tcp, &stages).await });
        }
    });
    port
}

async fn play(mut tcp: TcpStream, stages: &[Stage]) -> io::Result<()> {
    for stage in stages {
        match stage {
            Stage::Say(count, answer) => {
                tcp.read_exact(&mut vec![0; *count]).await?;
                tcp.write_all(answer).await?;
            }
            Stage::Head(answer) => {
                read_head(&mut tcp).await?;
                tcp.write_all(answer.as_bytes()).await?;
            }
            Stage::Hang => std::future::pending().await,
        }
    }
    Ok(())
}

async fn read_head(tcp: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A proxy of one kind that lets those through who know the password, and writes down where to. Every
/// name is this machine to it.
async fn open_door(kind: ProxyKind) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, asked) = (listener.local_addr().unwrap().port(), Arc::default());
    let list = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let list = Arc::clone(&list);
            tokio::spawn(async move { relay(tcp, kind, &list).await });
        }
    });
    (port, asked)
}

async fn relay(mut tcp: TcpStream, kind: ProxyKind, list: &Mutex<Vec<String>>) -> io::Result<()> {
    let (target, granted): (String, &[u8]) = match kind {
        ProxyKind::Socks5 => {
            let mut methods = [0; 4];
            tcp.read_exact(&mut methods).await?;
            assert_eq!(methods, [5, 2, 0, 2]);
            tcp.write_all(&[5, 2]).await?;
            let mut login = vec![0; 3 + USER.len() + PASSWORD.len()];
            tcp.read_exact(&mut login).await?;
            assert!(login.ends_with(PASSWORD.as_bytes()));
            tcp.write_all(&[1, 0]).await?;
            let mut request = [0; 5];
            tcp.read_exact(&mut request).await?;
            assert_eq!(request[..4], [5, 1, 0, 3], "a name, for the proxy to look up");
            let mut name = vec![0; usize::from(request[4])];
            tcp.read_exact(&mut name).await?;
            let port = tcp.read_u16().await?;
            // Its own address, as a name: of no use, but the greeting stands behind it.
            (format!("{}:{port}", String::from_utf8_lossy(&name)), b"\x05\x00\x00\x03\x04gate\x12\x34")
        }
        ProxyKind::Http => {
            let head = read_head(&mut tcp).await?;
            // canary-user:canary-proxy-pw
            assert!(head.contains("Proxy-Authorization: Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXByb3h5LXB3\r\n"));
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            assert!(head.contains(&format!("\r\nHost: {target}\r\n")), "{head}");
            (target, b"HTTP/1.0 200 OK\r\nProxy-Agent: test\r\n\r\n")
        }
    };
    let port: u16 = target.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    list.lock().unwrap().push(target);
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    // The answer and the greeting in one go: whoever reads too far loses the greeting.
    let mut first = [0; 512];
    let wait = Duration::from_millis(50);
    let greeting = tokio::time::timeout(wait, server.read(&mut first)).await.unwrap_or(Ok(0))?;
    tcp.write_all(&[granted, &first[..greeting]].concat()).await?;
    tokio::io::copy_bidirectional(&mut tcp, &mut server).await?;
    Ok(())
}

fn through(site: Site, kind: ProxyKind, port: u16, login: bool) -> Site {
    let (user, password) = match login {
        true => (Some(USER.to_owned()), Some(SecretRef::Command(format!("printf {PASSWORD}")))),
        false => (None, None),
    };
    Site { proxy: Some(Proxy { kind, host: "127.0.0.1".to_owned(), port, user, password }), ..site }
}

/// Why no session comes to stand; nothing of the login is in it.
async fn refusal(site: &Site, server: &Scripted) -> Fault {
    let fault = server.connect(site).await.map(drop).unwrap_err();
    let all = format!("{fault:?}");
    assert!(!all.contains(USER) && !all.contains(PASSWORD), "{all}");
    fault
}

#[tokio::test]
async fn control_and_data_go_through_the_proxy_to_the_same_name() {
    for kind in [ProxyKind::Socks5, ProxyKind::Http] {
        for passive in ["EPSV", "PASV"] {
            let server = Scripted::start(move |line| {
                (line.starts_with("EPSV") && passive == "PASV").then_some(Answer::Text("500 what\r\n"))
            })
            .await;
            let (port, asked) = open_door(kind).await;
            // No name service knows it, and the address in the PASV reply is nowhere (F23).
            let site = Site { host: "ftp.inside.invalid".to_owned(), ..server.site() };
            let mut session = server.connect(&through(site, kind, port, true)).await.unwrap();
            session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap();
            assert_eq!(session.read().await.unwrap().as_deref(), Some(&b"hello"[..]));
            assert_eq!(session.read().await.unwrap(), None);
            assert_eq!(session.finish().await.unwrap(), Finish::Confirmed);
            let asked = asked.lock().unwrap().clone();
            assert_eq!(asked.len(), 2, "{kind:?} {passive}: {asked:?}");
            assert_eq!(asked[0], format!("ftp.inside.invalid:{}", server.port));
            assert!(asked[1].starts_with("ftp.inside.invalid:") && asked[1] != asked[0], "{asked:?}");
        }
    }
}

#[tokio::test]
async fn each_refusal_of_a_socks_proxy_is_told_by_its_code_and_class() {
    use FaultClass::{Permanent, Transient};
    use FaultCode::{FtpProxy, FtpUnreachable};
    let server = Scripted::start(|_| None).await;
    let reply = |code: u8| vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    for (code, expected, class, words) in [
        (1, FtpUnreachable, Transient, "general failure"),
        (2, FtpProxy, Permanent, "allows no port"),
        (3, FtpUnreachable, Transient, "network is unreachable"),
        (4, FtpUnreachable, Transient, "host is unreachable"),
        (5, FtpUnreachable, Transient, "refused"),
        (6, FtpUnreachable, Transient, "time to live"),
        (7, FtpProxy, Permanent, "CONNECT"),
        (8, FtpProxy, Permanent, "kind of address"),
        (99, FtpProxy, Transient, "refuses"),
    ] {
        let port = dead_end(vec![Stage::Say(3, vec![5, 0]), Stage::Say(10, reply(code))]).await;
        let fault = refusal(&through(server.site(), ProxyKind::Socks5, port, false), &server).await;
        assert_eq!((&fault.code, fault.class), (&expected, class), "{fault}");
        let named = fault.message.contains(words) && fault.message.contains(&format!("SOCKS5 reply {code}"));
        assert!(named && fault.message.contains(&format!("the proxy socks5://127.0.0.1:{port}")), "{fault}");
    }
    let login = 3 + USER.len() + PASSWORD.len();
    for (login, stages, class, words) in [
        (true, vec![Stage::Say(4, vec![5, 2]), Stage::Say(login, vec![1, 1])], Permanent, "user or password"),
        (false, vec![Stage::Say(3, vec![5, 255])], Permanent, "wants a user and password"),
        (true, vec![Stage::Say(4, vec![5, 255])], Permanent, "lets nobody in"),
        (false, vec![Stage::Say(3, b"HT".to_vec())], Permanent, "doesn't speak SOCKS5"),
        (false, vec![Stage::Say(3, vec![5])], Transient, "closed the connection"),
        (false, vec![Stage::Say(3, vec![5, 0]), Stage::Say(10, vec![5, 0, 0, 9])], Transient, "unknown kind"),
    ] {
        let port = dead_end(stages).await;
        let fault = refusal(&through(server.site(), ProxyKind::Socks5, port, login), &server).await;
        assert_eq!((&fault.code, fault.class), (&FtpProxy, class), "{fault}");
        assert!(fault.message.contains(words), "{fault}");
        assert!(fault.hint.as_deref().unwrap_or_default().contains("`proxy_password`"), "{fault:?}");
    }
    assert_eq!(server.seen().len(), 0, "the server was never reached");
}

#[tokio::test]
async fn each_refusal_of_an_http_proxy_is_told_by_its_status_and_class() {
    use FaultClass::{Permanent, Transient};
    use FaultCode::{FtpProxy, FtpUnreachable};
    let server = Scripted::start(|_| None).await;
    for (login, answer, expected, class, words) in [
        (true, "HTTP/1.1 407 canary-proxy-pw\r\n\r\n", FtpProxy, Permanent, "refuses the user or password"),
        (false, "HTTP/1.1 407 Who\r\n\r\n", FtpProxy, Permanent, "wants a user and password"),
        (false, "HTTP/1.1 401 Who\r\n\r\n", FtpProxy, Permanent, "wants a user and password"),
        (false, "HTTP/1.1 403 No\r\nX: y\r\n\r\n", FtpProxy, Permanent, "allows no port"),
        (false, "HTTP/1.1 405 No\r\n\r\n", FtpProxy, Permanent, "HTTP status 405"),
        (false, "HTTP/1.1 301 There\r\n\r\n", FtpProxy, Permanent, "HTTP status 301"),
        (false, "HTTP/1.1 429\r\n\r\n", FtpProxy, Transient, "HTTP status 429"),
        (false, "HTTP/1.0 502 Bad\r\n\r\n", FtpUnreachable, Transient, "can't reach port"),
        (false, "HTTP/1.1 504 Late\r\n\r\n", FtpUnreachable, Transient, "HTTP status 504"),
        (false, "HTTP/1.1 2000 Many\r\n\r\n", FtpProxy, Permanent, "doesn't speak HTTP"),
        (false, "220 ready\r\n\r\n", FtpProxy, Permanent, "doesn't speak HTTP"),
        (false, "HTTP/1.1 200 OK\r\nX: ", FtpProxy, Transient, "closed the connection"),
    ] {
        let port = dead_end(vec![Stage::Head(answer.to_owned())]).await;
        let fault = refusal(&through(server.site(), ProxyKind::Http, port, login), &server).await;
        assert_eq!((&fault.code, fault.class), (&expected, class), "{answer:?}: {fault}");
        assert!(fault.message.contains(words), "{answer:?}: {fault}");
        assert!(fault.message.contains(&format!("the proxy http://127.0.0.1:{port}")), "{fault}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(20_000));
    let port = dead_end(vec![Stage::Head(endless)]).await;
    let fault = refusal(&through(server.site(), ProxyKind::Http, port, false), &server).await;
    assert!(fault.message.contains("answers without end"), "{fault}");
}

#[tokio::test]
async fn a_proxy_that_is_silent_or_gone_is_given_up_in_time() {
    let server = Scripted::start(|_| None).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for kind in [ProxyKind::Socks5, ProxyKind::Http] {
        let silent = dead_end(vec![Stage::Hang]).await;
        let mut site = through(server.site(), kind, silent, false);
        site.limits.connect = Duration::from_millis(300);
        let fault = refusal(&site, &server).await;
        assert!(fault.code == FaultCode::FtpProxy && fault.is_transient(), "{fault}");
        assert!(fault.message.contains("doesn't answer within 0.3 s"), "{fault}");

        let fault = refusal(&through(server.site(), kind, gone, false), &server).await;
        assert!(fault.code == FaultCode::FtpProxy && fault.is_transient(), "{fault}");
        assert!(fault.message.contains("can't be reached"), "{fault}");
    }
    let mut site = through(server.site(), ProxyKind::Http, gone, false);
    site.proxy.as_mut().unwrap().host = "no.such.host.invalid".to_owned();
    let fault = refusal(&site, &server).await;
    assert!(fault.code == FaultCode::FtpProxy && fault.message.contains("is unknown"), "{fault}");
}

/// A SOCKS5 proxy that lets the first connection through, and answers all others with a code.
async fn only_control(code: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut tcp, _)) = listener.accept().await {
            let code = if std::mem::take(&mut first) { 0 } else { code };
            tokio::spawn(async move {
                tcp.read_exact(&mut [0; 3]).await?;
                tcp.write_all(&[5, 0]).await?;
                let mut request = [0; 10];
                tcp.read_exact(&mut request).await?;
                tcp.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
                if code == 0 {
                    let port = u16::from_be_bytes([request[8], request[9]]);
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                    tokio::io::copy_bidirectional(&mut tcp, &mut server).await?;
                }
                Ok::<_, io::Error>(())
            });
        }
    });
    port
}

#[tokio::test]
async fn data_ports_that_a_proxy_does_not_allow_are_told_as_such() {
    // The rules forbid it: another port would do no better, and PASV isn't tried.
    let server = Scripted::start(|_| None).await;
    let site = through(server.site(), ProxyKind::Socks5, only_control(2).await, false);
    let mut session = server.connect(&site).await.unwrap();
    let fault = session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap_err();
    assert_eq!((&fault.code, fault.class), (&FaultCode::FtpProxy, FaultClass::Permanent), "{fault}");
    assert!(fault.message.contains("data connection: the proxy") && fault.message.contains("allows no port"));
    assert_eq!((server.count("EPSV"), server.count("PASV")), (1, 0));

    // The proxy can't reach it: then PASV may name one that it can (F25).
    let site = through(server.site(), ProxyKind::Socks5, only_control(5).await, false);
    let mut session = server.connect(&site).await.unwrap();
    let fault = session.begin_retrieve(&path("a"), Offset::ZERO).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNoDataConnection, "{fault}");
    assert!(fault.is_transient() && fault.message.contains("SOCKS5 reply 5"), "{fault}");
    assert_eq!(server.count("PASV"), 1);
    assert!(session.probe().await, "the control connection is as before");
}

#[tokio::test]
async fn what_cannot_go_through_a_proxy_is_a_matter_of_the_configuration() {
    let server = Scripted::start(|_| None).await;
    let (port, _) = open_door(ProxyKind::Socks5).await;
    let site = Site { mode: DataMode::Active, ..through(server.site(), ProxyKind::Socks5, port, true) };
    let fault = refusal(&site, &server).await;
    assert_eq!(fault.code, FaultCode::ConfigInvalid, "{fault}");

    let mut site = through(server.site(), ProxyKind::Socks5, port, true);
    site.proxy.as_mut().unwrap().password = Some(SecretRef::Command("printf '%0300d' 0".to_owned()));
    let fault = refusal(&site, &server).await;
    assert!(fault.code == FaultCode::ConfigInvalid && fault.message.contains("255 bytes"), "{fault}");

    site.proxy.as_mut().unwrap().password = Some(SecretRef::Env("NO_SUCH_VARIABLE_HERE".to_owned()));
    let fault = refusal(&site, &server).await;
    assert!(fault.code == FaultCode::ConfigInvalid && fault.message.contains("proxy_password"), "{fault}");
    assert_eq!(super::unreadable(&site)[0].0, "proxy_password");
}

#[tokio::test]
async fn tls_from_the_first_byte_begins_behind_the_proxy() {
    // The server says in clear that it has no TLS, and it is the server that says so.
    let server = Scripted::start(|_| None).await;
    let (port, asked) = open_door(ProxyKind::Http).await;
    let mut site = through(server.site(), ProxyKind::Http, port, true);
    site.tls.mode = TlsMode::Implicit;
    let fault = refusal(&site, &server).await;
    assert_eq!(fault.code, FaultCode::FtpTls, "{fault}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}
