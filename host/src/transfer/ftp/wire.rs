//! The byte stream under suppaftp, for the control connection and for data: TCP, or TLS over TCP.
//!
//! suppaftp has no deadlines, and its reader takes whatever stands next on the control connection
//! for the answer to the command just sent. Both are put right below it. [`Watch`] stands on the
//! control connection: it hands on exactly one reply at a time, gives up when it is late, and
//! refuses to send a command while bytes that nobody asked for are waiting (F06).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use suppaftp::tokio::TokioTlsStream;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::client::TlsStream;

use super::encoding;
use super::framing::{normalise, reply_length};
use crate::model::NameEncoding;

/// What lies under TLS. rustls reads 4 KiB at a time; the buffer makes that one system call for each
/// 128 KiB.
pub(super) type UnderTls = BufReader<TcpStream>;

/// TCP, or TLS over TCP.
#[derive(Debug)]
pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<UnderTls>>),
}

impl Io {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0.get_ref(),
        }
    }
}

/// What a session and the stream of its control connection tell one another.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// How long a reply may take, in milliseconds.
    wait_ms: AtomicU64,
    /// The first four letters of the last command, as they went out.
    verb: AtomicU32,
    /// The last reply that was handed on.
    last_reply: Mutex<Vec<u8>>,
    /// How the server writes its replies.
    encoding: NameEncoding,
}

impl Signals {
    /// Those of a connection to a server that writes so.
    pub(super) fn new(encoding: NameEncoding) -> Self {
        Self { encoding, ..Self::default() }
    }

    /// How the server writes names and replies.
    pub(super) fn encoding(&self) -> NameEncoding {
        self.encoding
    }

    /// From now on a reply may take this long.
    pub(super) fn set_wait(&self, wait: Duration) {
        self.wait_ms.store(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The last reply, for where suppaftp keeps it to itself.
    pub(super) fn last_reply(&self) -> String {
        encoding::show(self.encoding, &self.last_reply_bytes()).into_owned()
    }

    /// The same, as it came.
    pub(super) fn last_reply_bytes(&self) -> Vec<u8> {
        self.last_reply.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms.load(Ordering::Relaxed))
    }

    /// The first four letters of the last command: suppaftp sends several for one call, and the
    /// reply alone doesn't say which of them it refuses.
    pub(super) fn verb(&self) -> [u8; 4] {
        self.verb.load(Ordering::Relaxed).to_be_bytes()
    }
}

/// Bytes came on the control connection that no command had asked for.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a reply that nothing had asked for: {0}")]
pub(super) struct Unasked(pub(super) String);

/// A reply, or the room to send a command, didn't come in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs_f32())]
pub(super) struct Late(pub(super) Duration);

/// A reply broke a rule of the protocol.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// One stream. `watch` is there on control connections.
#[derive(Debug)]
pub(super) struct Wire {
    io: Io,
    watch: Option<Watch>,
}

impl Wire {
    /// A data connection.
    pub(super) fn data(io: Io) -> Self {
        Self { io, watch: None }
    }

    /// A control connection.
    pub(super) fn control(io: Io, signals: Arc<Signals>) -> Self {
        Self { io, watch: Some(Watch::new(signals)) }
    }

    /// Whether it is under TLS.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.io, Io::Tls(_))
    }
}

/// Holds what came on a control connection until it is one whole reply.
#[derive(Debug)]
struct Watch {
    signals: Arc<Signals>,
    /// What came and wasn't handed on.
    held: Vec<u8>,
    /// What is being handed on: one reply, and how much of it went.
    reply: Vec<u8>,
    given: usize,
    /// The command line that is being sent, as it goes out, and how much of it went.
    sending: Option<(Vec<u8>, usize)>,
    /// When the reply that is waited for is late.
    late: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    fn new(signals: Arc<Signals>) -> Self {
        Self { signals, held: Vec::new(), reply: Vec::new(), given: 0, sending: None, late: None }
    }

    /// Ready once the deadline of the reply has passed.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let wait = self.signals.wait();
        let late = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        ready!(late.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, Late(wait)))
    }

    /// Reads until one whole reply is there.
    fn poll_reply(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let length = reply_length(&self.held)
                .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, Malformed(why)))?;
            if let Some(length) = length {
                let reply: Vec<u8> = self.held.drain(..length).collect();
                // "Service ready in n minutes" announces the greeting, it doesn't replace it (F02).
                if reply.starts_with(b"120") {
                    continue;
                }
                // What stands above reads UTF-8.
                self.reply = normalise(encoding::show(self.signals.encoding, &reply).as_bytes());
                self.signals.last_reply.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&reply);
                self.given = 0;
                self.late = None;
                return Poll::Ready(Ok(()));
            }
            let mut space = [0_u8; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut *io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => self.held.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Ready(Err(ready!(self.poll_late(cx)))),
            }
        }
    }

    /// Fails when anything waits to be read: the next answer wouldn't be the next command's.
    fn check_quiet(&mut self, io: &mut Io, cx: &mut Context<'_>) -> io::Result<()> {
        let mut space = [0_u8; 1024];
        let mut buffer = ReadBuf::new(&mut space);
        if self.held.is_empty() && self.given == self.reply.len() {
            match Pin::new(io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    let message = "the server has closed the control connection";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
                }
                Poll::Ready(Ok(())) => self.held.extend_from_slice(buffer.filled()),
            }
        }
        let text = String::from_utf8_lossy(&self.held).trim_end().to_owned();
        Err(io::Error::new(io::ErrorKind::InvalidData, Unasked(text)))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(watch) = &mut this.watch else {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        };
        if watch.given == watch.reply.len() {
            ready!(watch.poll_reply(&mut this.io, cx))?;
        }
        let rest = &watch.reply[watch.given..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        watch.given += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(watch) = &mut this.watch else {
            return Pin::new(&mut this.io).poll_write(cx, bytes);
        };
        watch.check_quiet(&mut this.io, cx)?;
        if let Some(verb) = bytes.first_chunk::<4>() {
            watch.signals.verb.store(u32::from_be_bytes(*verb), Ordering::Relaxed);
        }
        // suppaftp gives a whole line at a time, and the same again until it is taken.
        let (line, mut sent) = watch.sending.take().unwrap_or_else(|| (encoding::undoubled(bytes), 0));
        while sent < line.len() {
            match Pin::new(&mut this.io).poll_write(cx, &line[sent..]) {
                Poll::Pending => {
                    watch.sending = Some((line, sent));
                    return Poll::Ready(Err(ready!(watch.poll_late(cx))));
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => sent += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        watch.late = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl TokioTlsStream for Wire {
    type InnerStream = Io;

    /// The TCP stream alone, for `AUTH TLS`. What came in clear after the 234 could be made up by
    /// anybody in between: it is refused, not carried over into TLS (F20).
    fn tcp_stream(self) -> suppaftp::FtpResult<TcpStream> {
        if self.watch.is_some_and(|watch| !watch.held.is_empty() || watch.given < watch.reply.len()) {
            let message = "the server sent more in clear behind its answer to AUTH TLS";
            return Err(suppaftp::FtpError::SecureError(message.to_owned()));
        }
        match self.io {
            Io::Plain(tcp) => Ok(tcp),
            Io::Tls(tls) => Ok(tls.into_inner().0.into_inner()),
        }
    }

    fn get_ref(&self) -> &TcpStream {
        self.io.tcp()
    }

    fn mut_ref(&mut self) -> &mut Io {
        &mut self.io
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
