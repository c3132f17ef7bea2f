//! A server for tests that behaves as quirks.md says that servers do: by default a plain small FTP
//! server without files, with any command answered otherwise where a test says so.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::FtpConnector;
use crate::clock::SystemClock;
use crate::model::{Fault, RemotePath, SecretRef, Site, SiteLimits, TlsMode, TlsPolicy, TlsVerify};
use crate::transfer::{Connect, Remote};

/// What the server does for one command.
pub(super) enum Answer {
    /// Sends this text as it is.
    Text(&'static str),
    /// Sends these bytes as they are.
    Raw(&'static [u8]),
    /// Sends this text byte by byte.
    Slowly(&'static str),
    /// Sends nothing, and waits for the next command.
    Silence,
    /// Closes the control connection.
    Close,
    /// Sends bytes on the data connection, with the replies before and after.
    Send(&'static str, Vec<u8>, &'static str),
    /// The same, where the data connection ends without TLS's goodbye.
    Cut(&'static str, &'static [u8], &'static str),
    /// Reads so many bytes from the data connection, then closes it.
    Take(&'static str, usize, &'static str),
    /// Sends a byte now and then on the data connection, for ever.
    Drip(&'static str),
    /// Takes a byte now and then from the data connection, for ever.
    Sip(&'static str),
    /// Sends one byte after another for ever.
    Flood(&'static str, u8),
    /// Listens for a data connection, and says where (RFC 2428).
    Epsv,
    /// The same, with an address that isn't the server's (F23).
    Pasv,
    /// Will connect to the port that the command names.
    Port,
}

type Script = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// TLS of the server: for control connections, and for data connections.
#[derive(Clone)]
pub(super) struct ServerTls {
    pub(super) control: Arc<rustls::ServerConfig>,
    pub(super) data: Arc<rustls::ServerConfig>,
    /// Data connections must resume.
    pub(super) strict: bool,
}

/// A running server.
pub(super) struct Scripted {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Any stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Scripted {
    /// A server that greets with 220 and answers as `script` says, or by default.
    pub(super) async fn start(script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self::start_with(Answer::Text("220 ready\r\n"), None, script).await
    }

    pub(super) async fn start_with(
        greeting: Answer,
        tls: Option<ServerTls>,
        script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(IpAddr::V4(Ipv4Addr::LOCALHOST), greeting, tls, script).await
    }

    /// The same on another address of this machine.
    pub(super) async fn start_on(
        ip: IpAddr,
        greeting: Answer,
        tls: Option<ServerTls>,
        script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let served = Served {
            ip,
            script: Arc::new(script),
            greeting: Arc::new(greeting),
            seen: Arc::clone(&seen),
            tls,
        };
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move { served.serve(tcp).await });
            }
        });
        Self { ip, port, seen }
    }

    /// All commands so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many commands began so.
    pub(super) fn count(&self, verb: &str) -> usize {
        self.seen().iter().filter(|line| line.starts_with(verb)).count()
    }

    /// A plain site at this server, with deadlines that a busy machine can keep.
    pub(super) fn site(&self) -> Site {
        self.site_within(Duration::from_secs(20))
    }

    /// The same with deadlines that a test can wait for.
    pub(super) fn hasty_site(&self) -> Site {
        self.site_within(Duration::from_millis(500))
    }

    fn site_within(&self, wait: Duration) -> Site {
        Site {
            user: "u".to_owned(),
            password: Some(SecretRef::Command("printf canary-pw".to_owned())),
            tls: TlsPolicy { verify: TlsVerify::None, ..TlsPolicy::new(TlsMode::None) },
            limits: SiteLimits {
                reply: wait,
                connect: wait,
                greeting: wait,
                idle: wait,
                final_reply: wait,
                ..SiteLimits::default()
            },
            ..Site::new("acme", self.ip.to_string(), self.port)
        }
    }

    /// A session at this server.
    pub(super) async fn session(&self) -> Box<dyn Remote> {
        self.connect(&self.site()).await.unwrap()
    }

    pub(super) async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault> {
        FtpConnector::new(Arc::new(SystemClock::new())).connect(site).await
    }
}

/// A path of the site.
pub(super) fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

#[derive(Clone)]
struct Served {
    ip: IpAddr,
    script: Arc<Script>,
    greeting: Arc<Answer>,
    seen: Arc<Mutex<Vec<String>>>,
    tls: Option<ServerTls>,
}

impl Served {
    async fn serve(&self, tcp: TcpStream) -> io::Result<()> {
        let mut control: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(tcp));
        if !say(control.get_mut(), &self.greeting).await? {
            return Ok(());
        }
        let mut passive: Option<Offered> = None;
        loop {
            let mut raw = Vec::new();
            if control.read_until(b'\n', &mut raw).await? == 0 {
                return Ok(());
            }
            // What isn't UTF-8 is shown as Latin-1.
            let text = String::from_utf8(raw)
                .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
            let line = text.trim_end_matches(['\r', '\n']).to_owned();
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
            let answer = (self.script)(&line);
            if answer.is_none()
                && line == "AUTH TLS"
                && let Some(tls) = &self.tls
            {
                control.get_mut().write_all(b"234 go on\r\n").await?;
                let plain = control.into_inner();
                let secured = TlsAcceptor::from(Arc::clone(&tls.control)).accept(plain).await?;
                control = BufReader::new(Box::new(secured));
                continue;
            }
            match answer.unwrap_or_else(|| by_default(&line)) {
                Answer::Send(first, payload, last) => {
                    control.get_mut().write_all(first.as_bytes()).await?;
                    match self.data(&mut passive).await? {
                        Some(mut data) => {
                            // A client may close before it has read all.
                            let _ = data.write_all(&payload).await;
                            let _ = data.shutdown().await;
                            control.get_mut().write_all(last.as_bytes()).await?;
                        }
                        None => control.get_mut().write_all(b"522 session reuse required\r\n").await?,
                    }
                }
                Answer::Cut(first, payload, last) => {
                    control.get_mut().write_all(first.as_bytes()).await?;
                    if let Some(mut data) = self.data(&mut passive).await? {
                        data.write_all(payload).await?;
                        data.flush().await?;
                    }
                    control.get_mut().write_all(last.as_bytes()).await?;
                }
                Answer::Take(first, count, last) => {
                    control.get_mut().write_all(first.as_bytes()).await?;
                    match self.data(&mut passive).await? {
                        Some(data) => {
                            tokio::io::copy(&mut data.take(count as u64), &mut tokio::io::sink()).await?;
                            control.get_mut().write_all(last.as_bytes()).await?;
                        }
                        None => control.get_mut().write_all(b"522 session reuse required\r\n").await?,
                    }
                }
                Answer::Drip(first) => {
                    control.get_mut().write_all(first.as_bytes()).await?;
                    if let Some(mut data) = self.data(&mut passive).await? {
                        while data.write_all(b"x").await.is_ok() {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                Answer::Sip(first) => {
                    control.get_mut().write_all(first.as_bytes()).await?;
                    if let Some(mut data) = self.data(&mut passive).await? {
                        while data.read_u8().await.is_ok() {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                Answer::Epsv => {
                    let listener = TcpListener::bind((self.ip, 0)).await?;
                    let reply = format!("229 ok (|||{}|)\r\n", listener.local_addr()?.port());
                    passive = Some(Offered::Ours(listener));
                    control.get_mut().write_all(reply.as_bytes()).await?;
                }
                Answer::Port => {
                    passive = Some(Offered::Theirs(port_of(&line)));
                    control.get_mut().write_all(b"200 ok\r\n").await?;
                }
                Answer::Pasv => {
                    // Another address, as servers behind NAT name their own.
                    let listener = TcpListener::bind((self.ip, 0)).await?;
                    let port = listener.local_addr()?.port();
                    let reply = format!("227 entering 10,9,8,7,{},{}\r\n", port / 256, port % 256);
                    passive = Some(Offered::Ours(listener));
                    control.get_mut().write_all(reply.as_bytes()).await?;
                }
                other => {
                    if !say(control.get_mut(), &other).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The data connection, under TLS where the control connection may be.
    async fn data(&self, offered: &mut Option<Offered>) -> io::Result<Option<Box<dyn Stream>>> {
        let tcp = match offered.take().ok_or(io::ErrorKind::NotConnected)? {
            Offered::Ours(listener) => listener.accept().await?.0,
            Offered::Theirs(port) if self.ip.is_ipv6() => TcpStream::connect((self.ip, port)).await?,
            Offered::Theirs(port) => {
                // A stranger is faster (F27).
                let stranger = TcpSocket::new_v4()?;
                stranger.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into())?;
                let mut stranger = stranger.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
                // It may be thrown out before it has said a word.
                let _ = stranger.write_all(b"evil").await;
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?
            }
        };
        let Some(tls) = &self.tls else {
            return Ok(Some(Box::new(tcp)));
        };
        let mut secured = TlsAcceptor::from(Arc::clone(&tls.data)).accept(tcp).await?;
        if tls.strict && secured.get_ref().1.handshake_kind() != Some(rustls::HandshakeKind::Resumed) {
            secured.shutdown().await?;
            return Ok(None);
        }
        Ok(Some(Box::new(secured)))
    }
}

/// How the next data connection comes to stand.
enum Offered {
    Ours(TcpListener),
    Theirs(u16),
}

/// The port in `PORT h,h,h,h,p,p`, or in `EPRT |2|h|p|`.
fn port_of(line: &str) -> u16 {
    if let Some(extended) = line.strip_prefix("EPRT |2|") {
        return extended.split('|').nth(1).unwrap().parse().unwrap();
    }
    let numbers: Vec<u16> = line[5..].split(',').map(|number| number.parse().unwrap()).collect();
    numbers[4] * 256 + numbers[5]
}

/// Sends a control answer; false when the connection is to be closed.
async fn say(control: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<bool> {
    match answer {
        Answer::Text(text) => control.write_all(text.as_bytes()).await?,
        Answer::Raw(bytes) => control.write_all(bytes).await?,
        Answer::Slowly(text) => {
            for byte in text.as_bytes() {
                control.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Answer::Flood(start, byte) => {
            control.write_all(start.as_bytes()).await?;
            loop {
                control.write_all(&[*byte; 4096]).await?;
            }
        }
        Answer::Silence => {}
        Answer::Close | Answer::Epsv | Answer::Pasv | Answer::Port => return Ok(false),
        Answer::Send(..) | Answer::Cut(..) | Answer::Take(..) | Answer::Drip(_) | Answer::Sip(_) => {
            return Ok(false);
        }
    }
    Ok(true)
}

fn by_default(line: &str) -> Answer {
    match line.split(' ').next().unwrap_or("") {
        "USER" => Answer::Text("331 password\r\n"),
        "PASS" => Answer::Text("230 in\r\n"),
        "FEAT" => Answer::Text("211-features\r\n SIZE\r\n MDTM\r\n REST STREAM\r\n211 end\r\n"),
        "PWD" => Answer::Text("257 \"/\"\r\n"),
        "CWD" => Answer::Text("250 there\r\n"),
        "TYPE" | "NOOP" | "PBSZ" | "PROT" => Answer::Text("200 ok\r\n"),
        "REST" | "RNFR" => Answer::Text("350 go on\r\n"),
        "EPSV" => Answer::Epsv,
        "PASV" => Answer::Pasv,
        "PORT" | "EPRT" => Answer::Port,
        "RETR" => Answer::Send("150 here\r\n", b"hello".to_vec(), "226 done\r\n"),
        "STOR" | "APPE" => Answer::Take("150 send\r\n", usize::MAX >> 1, "226 done\r\n"),
        "QUIT" => Answer::Text("221 bye\r\n"),
        _ => Answer::Text("500 what\r\n"),
    }
}
