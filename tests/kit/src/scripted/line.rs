//! A control connection, plain or under TLS, that can be cut after any byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The longest line that is taken.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Closes a connection with a reset, whatever is under way on it.
pub(super) fn reset(tcp: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(std::time::Duration::ZERO));
    let _ = tcp.shutdown(Shutdown::Both);
}

/// A TCP connection of which a certain number of bytes pass, both ways together.
#[derive(Debug)]
pub(super) struct Cuttable {
    tcp: TcpStream,
    left: Option<Arc<AtomicU64>>,
}

impl Cuttable {
    pub(super) fn new(tcp: TcpStream, left: Option<Arc<AtomicU64>>) -> Self {
        Self { tcp, left }
    }

    /// How many of `wanted` bytes still pass.
    fn room(&self, wanted: usize) -> io::Result<usize> {
        let Some(left) = &self.left else { return Ok(wanted) };
        let left = left.load(Ordering::SeqCst);
        if left == 0 {
            reset(&self.tcp);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(wanted.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    fn passed(&self, bytes: usize) {
        let Some(left) = &self.left else { return };
        if left.fetch_sub(bytes as u64, Ordering::SeqCst) == bytes as u64 {
            reset(&self.tcp);
        }
    }
}

impl Read for Cuttable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room(buffer.len())?;
        let count = self.tcp.read(&mut buffer[..room])?;
        self.passed(count);
        Ok(count)
    }
}

impl Write for Cuttable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len())?;
        let count = self.tcp.write(&bytes[..room])?;
        self.passed(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

#[derive(Debug)]
enum Layer {
    Plain(Cuttable),
    Tls(Box<StreamOwned<ServerConnection, Cuttable>>),
    /// In the middle of a handshake, or after one that failed.
    Gone,
}

/// A control connection and the bytes that came and weren't asked for yet.
#[derive(Debug)]
pub(super) struct Line {
    layer: Layer,
    waiting: Vec<u8>,
}

impl Line {
    pub(super) fn new(tcp: Cuttable) -> Self {
        Self { layer: Layer::Plain(tcp), waiting: Vec::new() }
    }

    /// Goes on under TLS; what has come in clear and wasn't read yet is forgotten.
    pub(super) fn secure(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let Layer::Plain(mut tcp) = std::mem::replace(&mut self.layer, Layer::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        self.waiting.clear();
        self.layer = Layer::Tls(Box::new(StreamOwned::new(connection, tcp)));
        Ok(())
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self.layer, Layer::Tls(_))
    }

    /// The next line, without its end; `None` when the client is gone.
    pub(super) fn read(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.waiting.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()));
            }
            let mut space = [0; 4096];
            let count = match &mut self.layer {
                Layer::Plain(tcp) => tcp.read(&mut space)?,
                Layer::Tls(tls) => tls.read(&mut space)?,
                Layer::Gone => 0,
            };
            if count == 0 || self.waiting.len() > LINE_BYTES_MAX {
                return Ok(None);
            }
            self.waiting.extend_from_slice(&space[..count]);
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.write_all(bytes),
            Layer::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()
            }
            Layer::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends bytes in clear, under TLS or not.
    pub(super) fn write_below(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.write_all(bytes),
            Layer::Tls(tls) => tls.sock.write_all(bytes),
            Layer::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Closes the connection as a process does that ends: without a word, TLS's goodbye included.
    pub(super) fn hang_up(&mut self) {
        match std::mem::replace(&mut self.layer, Layer::Gone) {
            Layer::Plain(tcp) => drop(tcp.tcp.shutdown(Shutdown::Both)),
            Layer::Tls(tls) => drop(tls.sock.tcp.shutdown(Shutdown::Both)),
            Layer::Gone => {}
        }
    }
}
