//! Data connections, and the transfers over them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustls::{HandshakeKind, ServerConnection, StreamOwned};

use super::effects::Effect;
use super::files::Writer;
use super::line::reset;
use super::plan::{Ending, Twist};
use super::session::Session;

/// How long the server waits for a client to connect, or to be connected to.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
const CHUNK_BYTES: usize = 16 * 1024;

/// How one transfer strays: its twists, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Bent {
    opening: Option<String>,
    refuse: Option<String>,
    end_after: Option<(u64, Ending)>,
    stall_after: Option<(u64, Duration)>,
    trickle: Option<(usize, Duration)>,
    flip: Option<u64>,
    extra: u64,
    hang_up_at: Option<u64>,
    final_reply: Option<String>,
    final_first: bool,
    final_after: Duration,
    end: Option<Ending>,
    write_later: Option<Duration>,
    full_after: Option<(u64, String)>,
    stranger: Option<Vec<u8>>,
    replace_after: Option<(u64, Vec<u8>)>,
    grow_after: Option<(u64, Vec<u8>)>,
}

impl Bent {
    pub(super) fn of(twists: &[Twist]) -> Self {
        let mut bent = Self::default();
        for twist in twists.iter().cloned() {
            match twist {
                Twist::Opening(text) => bent.opening = Some(text),
                Twist::Refuse(text) => bent.refuse = Some(text),
                Twist::EndAfter(bytes, ending) => bent.end_after = Some((bytes, ending)),
                Twist::StallAfter(bytes, time) => bent.stall_after = Some((bytes, time)),
                Twist::Trickle(bytes, time) => bent.trickle = Some((bytes, time)),
                Twist::Flip(at) => bent.flip = Some(at),
                Twist::Extra(bytes) => bent.extra = bytes,
                Twist::HangUpAt(bytes) => bent.hang_up_at = Some(bytes),
                Twist::Final(text) => bent.final_reply = Some(text),
                Twist::FinalFirst => bent.final_first = true,
                Twist::FinalAfter(time) => bent.final_after = time,
                Twist::End(ending) => bent.end = Some(ending),
                Twist::WriteLater(time) => bent.write_later = Some(time),
                Twist::FullAfter(bytes, text) => bent.full_after = Some((bytes, text)),
                Twist::Stranger(data) => bent.stranger = Some(data),
                Twist::ReplaceAfter(bytes, data) => bent.replace_after = Some((bytes, data)),
                Twist::GrowAfter(bytes, data) => bent.grow_after = Some((bytes, data)),
            }
        }
        bent
    }

    /// How many bytes may pass in one go after `passed`, so that nothing that is to happen at an
    /// offset is passed over.
    fn stretch(&self, passed: u64) -> usize {
        let offsets = [
            self.end_after.as_ref().map(|twist| twist.0),
            self.stall_after.as_ref().map(|twist| twist.0),
            self.hang_up_at,
            self.full_after.as_ref().map(|twist| twist.0),
            self.replace_after.as_ref().map(|twist| twist.0),
            self.grow_after.as_ref().map(|twist| twist.0),
        ];
        let next = offsets.into_iter().flatten().filter(|offset| *offset > passed).min();
        let room = next.map_or(CHUNK_BYTES, |next| usize::try_from(next - passed).unwrap_or(CHUNK_BYTES));
        room.min(CHUNK_BYTES).min(self.trickle.map_or(CHUNK_BYTES, |(bytes, _)| bytes))
    }
}

/// What a transfer sends.
#[derive(Debug)]
pub(super) enum Source {
    /// A file as it is at each moment, from an offset on.
    File { path: String, from: u64 },
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes over and over.
    Endless(Vec<u8>),
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.write_all(bytes),
            Self::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    fn end(self, ending: Ending) {
        match self {
            Self::Plain(tcp) if ending == Ending::Reset => reset(&tcp),
            Self::Tls(tls) if ending == Ending::Reset => reset(&tls.sock),
            Self::Plain(tcp) => drop(tcp.shutdown(Shutdown::Both)),
            Self::Tls(mut tls) => {
                if ending == Ending::Clean {
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                }
                let _ = tls.sock.shutdown(Shutdown::Write);
                // What the client still says is read, so that the socket isn't closed over it: that
                // would be a reset.
                let _ = tls.sock.set_read_timeout(Some(Duration::from_millis(200)));
                while matches!(tls.sock.read(&mut [0; 1024]), Ok(count) if count > 0) {}
            }
        }
    }
}

/// Why a transfer ended.
enum Outcome {
    Whole,
    /// Ended by a twist, as it says.
    Ended(Ending),
    /// With this reply, and a reset.
    Full(String),
    /// By the client or the network.
    Failed,
}

/// Connects to a client's port from another address, and sends something.
fn strange(address: std::net::SocketAddr, data: &[u8]) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &std::net::SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 3), 0))?;
    connect(&socket, &address)?;
    let mut tcp = TcpStream::from(socket);
    // The client may have sent it away by now.
    let _ = tcp.write_all(data);
    std::thread::spawn(move || {
        std::thread::sleep(CONNECT_WAIT);
        drop(tcp);
    });
    Ok(())
}

impl Session {
    /// A stranger's door under the port that a reply to PASV names with another address (F23).
    pub(super) fn watch_elsewhere(&self, port: u16) {
        let Ok(listener) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)) else { return };
        let log = self.shared.log.clone();
        std::thread::spawn(move || {
            if listener.accept().is_ok() {
                log.add(Effect::Strayed);
            }
        });
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        if let Some(address) = self.active.take() {
            if let Some(data) = &self.bent.stranger {
                strange(address, data)?;
            }
            return TcpStream::connect_timeout(&address, CONNECT_WAIT);
        }
        let Some(listener) = self.passive.take() else { return Err(io::ErrorKind::NotConnected.into()) };
        listener.set_nonblocking(true)?;
        let begun = Instant::now();
        loop {
            match listener.accept() {
                Ok((tcp, _)) => {
                    tcp.set_nonblocking(false)?;
                    return Ok(tcp);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < CONNECT_WAIT => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Says that a transfer begins, and opens its data connection. `None` when there is none, and the
    /// client has been told.
    fn open(&mut self) -> io::Result<Option<Stream>> {
        if self.passive.is_none() && self.active.is_none() {
            self.reply("425 Use EPSV or PASV first.")?;
            return Ok(None);
        }
        let opening = self.bent.opening.clone().unwrap_or_else(|| "150 here it comes".to_owned());
        self.reply(&opening)?;
        let Ok(tcp) = self.connect() else {
            self.reply("425 Can't open data connection.")?;
            return Ok(None);
        };
        let _ = tcp.set_nodelay(true);
        if let Some(reply) = self.bent.refuse.clone() {
            drop(tcp);
            self.reply(&reply)?;
            return Ok(None);
        }
        let (Some(configs), true) = (&self.configs, self.protected) else {
            return Ok(Some(Stream::Plain(tcp)));
        };
        let connection = ServerConnection::new(configs.data.clone()).map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(connection, tcp);
        while tls.conn.is_handshaking() {
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                self.reply("425 TLS failed on the data connection.")?;
                return Ok(None);
            }
        }
        let resumed = tls.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        let wanted = self.shared.plan.tls.as_ref().and_then(|tls| tls.resumption.clone());
        if let Some(reply) = wanted.filter(|_| !resumed) {
            // As vsftpd does: a clean end with nothing in it, and the reply afterwards (F15).
            Stream::Tls(Box::new(tls)).end(Ending::Clean);
            self.reply(&reply)?;
            return Ok(None);
        }
        Ok(Some(Stream::Tls(Box::new(tls))))
    }

    /// What happens at an offset of a transfer; `Some` ends it.
    fn at(&mut self, passed: u64, path: Option<&str>) -> Option<Outcome> {
        if self.bent.hang_up_at.is_some_and(|at| at <= passed) {
            self.bent.hang_up_at = None;
            self.line.hang_up();
            self.over = true;
        }
        if let (Some((at, data)), Some(path)) = (&self.bent.replace_after, path)
            && *at <= passed
        {
            self.shared.files.put(path, data);
            self.bent.replace_after = None;
        }
        if let (Some((at, data)), Some(path)) = (&self.bent.grow_after, path)
            && *at <= passed
        {
            self.shared.files.grow(path, data);
            self.bent.grow_after = None;
        }
        if let Some((at, time)) = self.bent.stall_after
            && at <= passed
        {
            std::thread::sleep(time);
            return Some(Outcome::Failed);
        }
        if let Some((at, reply)) = &self.bent.full_after
            && *at <= passed
        {
            return Some(Outcome::Full(reply.clone()));
        }
        let (at, ending) = self.bent.end_after?;
        (at <= passed).then_some(Outcome::Ended(ending))
    }

    /// Sends a file or a listing.
    pub(super) fn send(&mut self, source: Source) -> io::Result<()> {
        let Some(mut stream) = self.open()? else { return Ok(()) };
        if self.bent.final_first {
            self.reply("226 done")?;
        }
        let (path, from) = match &source {
            Source::File { path, from } => (Some(path.clone()), *from),
            Source::Bytes(_) | Source::Endless(_) => (None, 0),
        };
        let mut sent = 0;
        let outcome = loop {
            if let Some(outcome) = self.at(sent, path.as_deref()) {
                break outcome;
            }
            let stretch = self.bent.stretch(sent);
            let mut bytes = match &source {
                Source::File { path, from } => self.shared.files.read(path, from + sent, stretch),
                Source::Bytes(all) => {
                    let from = usize::try_from(sent).unwrap_or(usize::MAX).min(all.len());
                    all[from..all.len().min(from + stretch)].to_vec()
                }
                Source::Endless(again) => {
                    again.iter().copied().cycle().take(again.len().max(CHUNK_BYTES)).collect()
                }
            };
            if bytes.is_empty() {
                break Outcome::Whole;
            }
            if let Some(flip) = self.bent.flip
                && let Some(byte) =
                    flip.checked_sub(from + sent).and_then(|at| bytes.get_mut(usize::try_from(at).ok()?))
            {
                *byte ^= 1;
            }
            if stream.write_all(&bytes).is_err() {
                break Outcome::Failed;
            }
            sent += bytes.len() as u64;
            if let Some((_, time)) = self.bent.trickle {
                std::thread::sleep(time);
            }
        };
        if self.bent.extra > 0 && matches!(outcome, Outcome::Whole) {
            let _ = stream.write_all(&vec![b'+'; usize::try_from(self.bent.extra).unwrap_or(0)]);
        }
        if let Some(path) = path {
            self.shared.log.add(Effect::Sent { path, at: from, length: sent });
        }
        self.conclude(stream, outcome)
    }

    /// Takes an upload. It goes on to its end whatever becomes of the control connection.
    pub(super) fn take(&mut self, path: &str, mut writer: Writer) -> io::Result<()> {
        let Some(mut stream) = self.open()? else { return Ok(()) };
        let (later, files) = (self.bent.write_later, self.shared.files.clone());
        // A server whose writes lag behind goes on with them when the session is long gone (F39).
        let (orders, inbox) = mpsc::channel::<Vec<u8>>();
        let thread = std::thread::spawn(move || {
            for bytes in inbox {
                later.into_iter().for_each(std::thread::sleep);
                files.write(&mut writer, &bytes);
            }
        });
        let mut taken = 0;
        let mut space = vec![0; CHUNK_BYTES];
        let outcome = loop {
            if let Some(outcome) = self.at(taken, Some(path)) {
                break outcome;
            }
            let stretch = self.bent.stretch(taken);
            match stream.read(&mut space[..stretch]) {
                Ok(0) => break Outcome::Whole,
                Ok(count) => {
                    let _ = orders.send(space[..count].to_vec());
                    taken += count as u64;
                }
                Err(_) => break Outcome::Failed,
            }
            if let Some((_, time)) = self.bent.trickle {
                std::thread::sleep(time);
            }
        };
        drop(orders);
        if !self.over {
            let _ = thread.join();
        }
        self.conclude(stream, outcome)
    }

    /// Ends the data connection, and says how the transfer went.
    fn conclude(&mut self, stream: Stream, outcome: Outcome) -> io::Result<()> {
        let (ending, reply) = match outcome {
            Outcome::Whole => (self.bent.end.unwrap_or(Ending::Clean), "226 done".to_owned()),
            // A server that thinks that this was all, or one that noticed.
            Outcome::Ended(Ending::Reset) => {
                (Ending::Reset, "426 Failure on the data connection.".to_owned())
            }
            Outcome::Ended(ending) => (ending, "226 done".to_owned()),
            Outcome::Full(reply) => (Ending::Reset, reply),
            Outcome::Failed => (Ending::Reset, "426 Failure on the data connection.".to_owned()),
        };
        stream.end(ending);
        if self.over || self.bent.final_first {
            return Ok(());
        }
        std::thread::sleep(self.bent.final_after);
        let reply = self.bent.final_reply.clone().unwrap_or(reply);
        self.reply(&reply)
    }
}
