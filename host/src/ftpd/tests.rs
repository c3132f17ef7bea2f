//! The server as a client sees it: commands, spoken line by line over a socket.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::effects::{self, Effect};
use super::{Error, Options, Server};

fn options(root: &Path) -> Options {
    Options {
        root: root.into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        user: "mirror".into(),
        password: SecretString::from("open sesame"),
        tls: None,
        passive_ports: None,
        effect_log: None,
    }
}

/// One control connection, spoken to line by line.
struct Client {
    control: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let control = BufReader::new(TcpStream::connect(address).await.unwrap());
        let mut client = Self { control, address };
        assert!(client.reply().await.starts_with("220"));
        client
    }

    async fn login(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        assert!(client.ask("USER mirror").await.starts_with("331"));
        assert!(client.ask("PASS open sesame").await.starts_with("230"));
        assert!(client.ask("TYPE I").await.starts_with("200"));
        client
    }

    /// The last line of the next reply (RFC 959, 4.2).
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.control.read_line(&mut line).await.unwrap(), 0, "the server hung up");
            let bytes = line.as_bytes();
            if bytes.len() > 3 && bytes[..3].iter().all(u8::is_ascii_digit) && bytes[3] == b' ' {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn ask(&mut self, command: &str) -> String {
        self.control.get_mut().write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    async fn passive(&mut self) -> TcpStream {
        let reply = self.ask("EPSV").await;
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        TcpStream::connect((self.address.ip(), port)).await.unwrap()
    }

    /// Runs a command that reads from the data connection; gives the bytes and the final reply.
    async fn read(&mut self, command: &str) -> (Vec<u8>, String) {
        let mut data = self.passive().await;
        let first = self.ask(command).await;
        assert!(first.starts_with('1'), "{command}: {first}");
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).await.unwrap();
        (bytes, self.reply().await)
    }

    /// Runs a command that writes to the data connection; gives the final reply.
    async fn write(&mut self, command: &str, bytes: &[u8]) -> String {
        let mut data = self.passive().await;
        let first = self.ask(command).await;
        assert!(first.starts_with('1'), "{command}: {first}");
        data.write_all(bytes).await.unwrap();
        data.shutdown().await.unwrap();
        drop(data);
        self.reply().await
    }
}

#[tokio::test]
async fn retr_begins_where_rest_says() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a"), b"0123456789").unwrap();
    let server = Server::start(options(root.path())).await.unwrap();
    let mut client = Client::login(server.address()).await;

    assert_eq!(client.read("RETR a").await.0, b"0123456789");
    assert!(client.ask("REST 4").await.starts_with("350"));
    let (bytes, reply) = client.read("RETR a").await;
    assert_eq!((bytes.as_slice(), &reply[..3]), (&b"456789"[..], "226"));
    assert_eq!(client.read("RETR a").await.0, b"0123456789", "REST holds for one transfer only");
    server.stop().await;
}

#[tokio::test]
async fn stor_goes_on_at_an_offset_and_never_past_the_end() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(options(root.path())).await.unwrap();
    let mut client = Client::login(server.address()).await;
    let stored = || std::fs::read(root.path().join("a")).unwrap();

    assert!(client.write("STOR a", b"0123456789").await.starts_with("226"));
    client.ask("REST 4").await;
    assert!(client.write("STOR a", b"abc").await.starts_with("226"));
    assert_eq!(stored(), b"0123abc", "what stood behind the new bytes is gone");
    assert!(client.write("APPE a", b"def").await.starts_with("226"));
    assert_eq!(stored(), b"0123abcdef");

    client.ask("REST 99").await;
    assert!(client.write("STOR a", b"x").await.starts_with("550"));
    assert_eq!(stored(), b"0123abcdef", "no hole was made");
    server.stop().await;
}

#[tokio::test]
async fn a_file_can_be_looked_at_renamed_and_removed() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("sub")).unwrap();
    std::fs::write(root.path().join("sub/a b"), b"12345").unwrap();
    let server = Server::start(options(root.path())).await.unwrap();
    let mut client = Client::login(server.address()).await;

    assert_eq!(client.ask("SIZE /sub/a b").await, "213 5");
    let modified = client.ask("MDTM /sub/a b").await;
    assert!(modified.starts_with("213 20") && modified.len() == "213 20260101000000".len(), "{modified}");
    let (listing, _) = client.read("MLSD /sub").await;
    let listing = String::from_utf8(listing).unwrap();
    assert!(listing.contains("type=file;size=5;modify=") && listing.ends_with(" a b\r\n"), "{listing}");

    assert!(client.ask("RNFR /sub/a b").await.starts_with("350"));
    assert!(client.ask("RNTO /sub/c").await.starts_with("250"));
    assert!(client.ask("SIZE /sub/a b").await.starts_with("550"));
    assert!(client.ask("DELE /sub/c").await.starts_with("250"));
    assert!(client.ask("RMD /sub").await.starts_with("250"));
    assert!(client.ask("MLST /sub").await.starts_with("550"));
    server.stop().await;
}

#[tokio::test]
async fn effects_are_logged_with_their_offsets() {
    let root = tempfile::tempdir().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut options = options(root.path());
    options.effect_log = Some(log.path().into());
    let server = Server::start(options).await.unwrap();
    let mut client = Client::login(server.address()).await;
    client.write("STOR a.part", b"0123456789").await;
    client.ask("RNFR a.part").await;
    client.ask("RNTO a").await;
    client.ask("REST 3").await;
    client.read("RETR a").await;
    client.ask("DELE a").await;
    client.ask("DELE a").await;
    server.stop().await;

    let (part, a) = (String::from("/a.part"), String::from("/a"));
    assert_eq!(
        effects::read(log.path()).unwrap(),
        [
            Effect::Store { path: part.clone(), from: 0, bytes: 10, ok: true },
            Effect::Rename { path: part, to: a.clone(), ok: true },
            Effect::Retrieve { path: a.clone(), from: 3, bytes: 7, ok: true },
            Effect::Delete { path: a.clone(), ok: true },
            Effect::Delete { path: a, ok: false },
        ]
    );
}

#[tokio::test]
async fn nobody_else_gets_in_and_nothing_outside_is_reached() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("way-out")).unwrap();
    let server = Server::start(options(root.path())).await.unwrap();

    let mut stranger = Client::connect(server.address()).await;
    stranger.ask("USER mirror").await;
    assert!(stranger.ask("PASS wrong").await.starts_with("530"));
    assert!(stranger.ask("SIZE a").await.starts_with("530"));

    let mut client = Client::login(server.address()).await;
    let up = format!("/../..{}/secret", outside.path().display());
    for path in ["/way-out/secret", up.as_str()] {
        assert!(client.ask(&format!("DELE {path}")).await.starts_with('5'), "{path}");
    }
    assert!(outside.path().join("secret").exists());
    server.stop().await;
}

#[tokio::test]
async fn under_tls_nothing_goes_in_clear() {
    let root = tempfile::tempdir().unwrap();
    let certificate = tempfile::NamedTempFile::new().unwrap();
    let mut options = options(root.path());
    options.tls = Some(super::Tls::SelfSigned {
        names: vec!["localhost".into(), "127.0.0.1".into()],
        certificate_file: certificate.path().into(),
    });
    let server = Server::start(options).await.unwrap();
    let pem = std::fs::read_to_string(certificate.path()).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("PRIVATE"));

    let mut client = Client::connect(server.address()).await;
    let reply = client.ask("USER mirror").await;
    assert!(reply.starts_with('5'), "a login in clear was answered {reply}");
    let mut client = Client::connect(server.address()).await;
    assert!(client.ask("AUTH TLS").await.starts_with("234"));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_served_is_said_at_once() {
    let root = tempfile::tempdir().unwrap();
    let missing = Server::start(options(&root.path().join("missing"))).await.unwrap_err();
    assert!(matches!(missing, Error::File { what: "serve the folder", .. }));

    let first = Server::start(options(root.path())).await.unwrap();
    let mut second = options(root.path());
    second.listen = first.address();
    assert!(matches!(Server::start(second).await.unwrap_err(), Error::Listen { .. }));
}
