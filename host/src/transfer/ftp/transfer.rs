//! Data connections: opening one, moving bytes over it, and the reply that ends it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use suppaftp::tokio::{AsyncDataStream, TransferStream};
use suppaftp::{FtpError, Mode, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::NoData;
use super::replies::{self, Meaning, Reply};
use super::session::{Session, State, control_fault, reply_of};
use super::tls::tls_fault;
use super::wire::{Late, Wire};
use crate::crash;
use crate::model::{DataMode, Fault, FaultCode, Offset};
use crate::transfer::Finish;

/// What one read gives at most.
pub(super) const READ_BYTES_MAX: usize = 256 * 1024;

/// How long the server may take to close a TLS data connection after we did.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Retrieve,
    Store,
}

/// A transfer under way.
pub(super) struct Moving {
    way: Way,
    /// `None` when the server answered with the final reply at once.
    stream: Option<TransferStream<Wire>>,
    /// The final reply, where it came in place of the first.
    reply: Option<Reply>,
    buffer: BytesMut,
    /// An error that came behind bytes.
    kept: Option<io::Error>,
    /// What we were doing, for messages.
    doing: String,
    moved: bool,
    ended: bool,
    /// The data connection ended without TLS's own goodbye: it may have been cut (F13, F14).
    cut: bool,
    /// What broke the data connection.
    broken: Option<String>,
}

impl Session {
    /// Opens a data connection for `command`, at `rest`. Where EPSV fails, PASV is tried, and
    /// remembered for the site.
    pub(super) async fn open(
        &mut self,
        way: Way,
        command: &str,
        rest: Offset,
        doing: &str,
    ) -> Result<(), Fault> {
        if self.is_spent() {
            self.learned.tls12.set();
            self.poison();
            let words = format!("{doing}: no TLS 1.3 ticket is left for a data connection");
            return Err(Fault::new(FaultCode::FtpNoDataConnection, words)
                .with_hint("the next session uses TLS 1.2, which needs none"));
        }
        loop {
            let mode = match self.mode {
                DataMode::Active => Mode::Active,
                DataMode::Passive if self.learned.no_epsv.is_set() => Mode::Passive,
                DataMode::Passive => Mode::ExtendedPassive,
            };
            match self.open_by(mode, way, command, rest, doing).await {
                Ok(()) => return Ok(()),
                Err(Refusal::AnotherWay) if mode == Mode::ExtendedPassive => self.learned.no_epsv.set(),
                Err(Refusal::AnotherWay) => {
                    let words = format!("{doing}: the server offers no data connection");
                    return Err(Fault::new(FaultCode::FtpNoDataConnection, words));
                }
                Err(Refusal::Fault(fault)) => return Err(*fault),
            }
        }
    }

    async fn open_by(
        &mut self,
        mode: Mode,
        way: Way,
        command: &str,
        rest: Offset,
        doing: &str,
    ) -> Result<(), Refusal> {
        self.take_turn(doing)?;
        self.signals.set_wait(self.limits.reply);
        let Some(control) = &mut self.control else {
            return Err(
                Fault::new(FaultCode::FtpConnectionLost, format!("{doing}: the session is closed")).into()
            );
        };
        control.set_mode(mode);
        if rest > Offset::ZERO {
            let offset = usize::try_from(rest.0).map_err(|_| {
                Fault::new(FaultCode::FtpUnsupported, format!("{doing}: offset {rest} is too large here"))
            })?;
            // suppaftp only notes the offset here; REST goes out right before the command (F33).
            control
                .resume_transfer(offset)
                .await
                .map_err(|error| control_fault(&error, doing, &self.place))?;
        }
        crash::point("ftp.command");
        let opened = control.custom_data_command(command, &[Status::AlreadyOpen, Status::AboutToSend]).await;
        crash::point("ftp.reply");
        let mut moving = Moving {
            way,
            stream: None,
            reply: None,
            buffer: BytesMut::new(),
            kept: None,
            doing: doing.to_owned(),
            moved: false,
            ended: false,
            cut: false,
            broken: None,
        };
        match opened {
            Ok((_, stream)) => {
                moving.stream = Some(stream);
                self.state = State::Moving(Box::new(moving));
                Ok(())
            }
            Err(error) => match self.refusal(error, way, rest, doing).await? {
                // Done already, with nothing to send: an empty file or folder (F29).
                Some(reply) => {
                    moving.reply = Some(reply);
                    moving.ended = true;
                    self.state = State::Moving(Box::new(moving));
                    Ok(())
                }
                None => Err(Refusal::AnotherWay),
            },
        }
    }

    /// What a data command's failure means: another way may work (`None`), all is done already, or a
    /// fault.
    async fn refusal(
        &mut self,
        error: FtpError,
        way: Way,
        rest: Offset,
        doing: &str,
    ) -> Result<Option<Reply>, Fault> {
        let verb = self.signals.verb();
        let asked_for_port = matches!(&verb, b"EPSV" | b"PASV" | b"EPRT" | b"PORT");
        if let FtpError::SecureError(_) = &error {
            return Err(self.tls_refused(doing).await);
        }
        if let FtpError::ConnectionError(io) = &error {
            if io.get_ref().is_some_and(|inner| inner.is::<NoData>()) {
                self.state = State::Idle;
                if &verb == b"EPSV" {
                    return Ok(None);
                }
                let words = format!("{doing}: data connection: {io}");
                return Err(Fault::new(FaultCode::FtpNoDataConnection, words));
            }
            if self.mode == DataMode::Active
                && !asked_for_port
                && io.kind() == io::ErrorKind::TimedOut
                && !io.get_ref().is_some_and(|inner| inner.is::<Late>())
            {
                self.poison();
                let words = format!("{doing}: the server opened no data connection to us");
                return Err(Fault::new(FaultCode::FtpNoDataConnection, words)
                    .with_hint(format!("`mode = \"passive\"` under [site.{}]", self.place.site)));
            }
        }
        match reply_of(Err(error)) {
            Ok(reply) => {
                let meaning = replies::meaning(&reply);
                if matches!(reply.code, 226 | 250)
                    && way == Way::Retrieve
                    && !asked_for_port
                    && &verb != b"REST"
                {
                    return Ok(Some(reply));
                }
                if meaning.ends_session() {
                    self.poison();
                } else {
                    self.state = State::Idle;
                }
                if asked_for_port && !meaning.ends_session() && &verb == b"EPSV" {
                    return Ok(None);
                }
                if &verb == b"REST" || (rest > Offset::ZERO && meaning == Meaning::BadOffset) {
                    let words = format!(
                        "{doing}: the server refuses to begin at byte {rest}: \"{}\"",
                        reply.for_people()
                    );
                    return Err(Fault::new(FaultCode::FtpUnsupported, words).with_reply(reply.code));
                }
                let fault = replies::fault(&reply, doing, false);
                Err(if asked_for_port {
                    Fault { code: FaultCode::FtpNoDataConnection, ..fault }
                } else {
                    fault
                })
            }
            Err(error) => {
                self.poison();
                Err(control_fault(&error, doing, &self.place))
            }
        }
    }

    /// TLS didn't come to stand on a data connection. The server's reply says more than our error.
    async fn tls_refused(&mut self, doing: &str) -> Fault {
        let failure = self.tls.as_ref().and_then(|tls| tls.take_failure());
        self.signals.set_wait(CLOSE_WAIT);
        let reply = match &mut self.control {
            Some(control) => reply_of(control.read_response_in(&[]).await.map(|_| ())).ok(),
            None => None,
        };
        self.poison();
        let ours = failure.map(|error| tls_fault(&error, doing, &self.place));
        match (reply, ours) {
            (Some(reply), Some(ours)) => {
                let words = format!("{}; the server says \"{}\"", ours.message, reply.for_people());
                Fault {
                    code: FaultCode::FtpNoDataConnection,
                    ..Fault::new(FaultCode::FtpNoDataConnection, words)
                }
                .with_reply(reply.code)
            }
            (Some(reply), None) => replies::fault(&reply, doing, false),
            (None, Some(ours)) => ours,
            (None, None) => Fault::new(FaultCode::FtpNoDataConnection, format!("{doing}: TLS failed")),
        }
    }

    /// The next bytes of a retrieve; `None` at the end.
    pub(super) async fn read_data(&mut self) -> Result<Option<Bytes>, Fault> {
        let State::Moving(moving) = &mut self.state else {
            return Err(Fault::new(FaultCode::HostBug, "read without a transfer under way"));
        };
        let Some(stream) = moving.stream.as_mut().filter(|_| !moving.ended) else {
            return Ok(None);
        };
        let read = tokio::time::timeout(
            self.limits.idle,
            read_some(stream.get_mut(), &mut moving.buffer, &mut moving.kept),
        )
        .await;
        match read {
            Ok(Ok(false)) => {
                moving.ended = true;
                Ok(None)
            }
            Ok(Ok(true)) => {
                moving.moved = true;
                Ok(Some(moving.buffer.split().freeze()))
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                moving.ended = true;
                moving.cut = true;
                Ok(None)
            }
            Ok(Err(error)) => {
                let fault = Fault::new(
                    FaultCode::FtpConnectionLost,
                    format!("{}: data connection: {error}", moving.doing),
                );
                self.poison();
                Err(fault)
            }
            Err(_) => {
                let idle = self.limits.idle.as_secs_f32();
                let fault =
                    Fault::new(FaultCode::FtpTimeout, format!("{}: no data for {idle} s", moving.doing));
                self.poison();
                Err(fault)
            }
        }
    }

    /// Sends bytes of a store.
    pub(super) async fn write_data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let State::Moving(moving) = &mut self.state else {
            return Err(Fault::new(FaultCode::HostBug, "write without a transfer under way"));
        };
        if let Some(broken) = &moving.broken {
            return Err(Fault::new(FaultCode::FtpConnectionLost, broken.clone()));
        }
        let Some(stream) = moving.stream.as_mut() else {
            return Err(Fault::new(
                FaultCode::FtpConnectionLost,
                format!("{}: no data connection", moving.doing),
            ));
        };
        // A caller who gives up in the middle leaves an unknown part of the bytes sent.
        moving.broken = Some(format!("{}: an earlier write was cut off", moving.doing));
        let mut rest = bytes;
        while !rest.is_empty() {
            match tokio::time::timeout(self.limits.idle, stream.write(rest)).await {
                Ok(Ok(count)) if count > 0 => {
                    moving.moved = true;
                    rest = &rest[count..];
                }
                Ok(outcome) => {
                    let why = outcome.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                    let words = format!("{}: data connection: {why}", moving.doing);
                    moving.broken = Some(words.clone());
                    return Err(Fault::new(FaultCode::FtpConnectionLost, words));
                }
                Err(_) => {
                    let words = format!(
                        "{}: the server took no data for {} s",
                        moving.doing,
                        self.limits.idle.as_secs_f32()
                    );
                    moving.broken = Some(words.clone());
                    return Err(Fault::new(FaultCode::FtpTimeout, words));
                }
            }
        }
        moving.broken = None;
        Ok(())
    }

    /// Ends the data connection and reads the final reply.
    pub(super) async fn finish_data(&mut self) -> Result<Finish, Fault> {
        let mut moving = match std::mem::replace(&mut self.state, State::Poisoned) {
            State::Moving(moving) => moving,
            other => {
                self.state = other;
                return Err(Fault::new(FaultCode::HostBug, "finish without a transfer under way"));
            }
        };
        crash::point("ftp.command");
        let answer = match moving.reply.take() {
            Some(reply) => Ok(reply),
            None => self.last_reply(&mut moving).await,
        };
        crash::point("ftp.reply");
        let finish = self.judge(answer, &moving);
        if self.is_spent() {
            // The next data connection couldn't resume, and servers that require it refuse it only
            // after they have truncated the file: the next session uses TLS 1.2 (F17).
            self.learned.tls12.set();
        }
        Ok(finish)
    }

    /// Closes the data connection in good order and reads what the server says to it.
    async fn last_reply(&mut self, moving: &mut Moving) -> Result<Reply, FtpError> {
        let Some(mut stream) = moving.stream.take() else {
            return Err(FtpError::BadResponse);
        };
        if moving.way == Way::Store {
            // After a broken write there is nothing to close in order, but the server may have said
            // why: its 552 must not become our "broken pipe" (F41).
            if moving.broken.is_none() {
                match tokio::time::timeout(self.limits.idle, stream.shutdown()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        moving.broken = Some(format!("{}: data connection: {error}", moving.doing))
                    }
                    Err(_) => {
                        moving.broken = Some(format!("{}: data connection: not closed in time", moving.doing))
                    }
                }
            }
            if moving.broken.is_none() && is_tls(stream.get_ref()) {
                // The server's tickets are still to be read, and a socket closed over unread bytes is
                // reset, which can overtake the last of our data (F18).
                let _ = tokio::time::timeout(CLOSE_WAIT, drain(&mut stream)).await;
            }
        }
        self.signals.set_wait(self.limits.final_reply);
        // suppaftp shuts the stream down (again), closes it and reads the reply; only the first of
        // these has no deadline of its own.
        let longest = self.limits.final_reply + self.limits.idle;
        match tokio::time::timeout(longest, stream.finish()).await {
            Ok(Ok(())) => Ok(Reply { code: 226, text: "226 done".to_owned() }),
            Ok(Err(error)) => reply_of(Err(error)),
            Err(_) => Err(FtpError::ConnectionError(io::Error::new(io::ErrorKind::TimedOut, "no answer"))),
        }
    }

    /// What the final reply means for the transfer and for the session.
    fn judge(&mut self, answer: Result<Reply, FtpError>, moving: &Moving) -> Finish {
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) => {
                self.poison();
                let fault = control_fault(&error, &moving.doing, &self.place);
                return Finish::Unconfirmed(match &moving.broken {
                    Some(broken) => Fault { message: broken.clone(), ..fault },
                    None => fault,
                });
            }
        };
        let meaning = replies::meaning(&reply);
        if matches!(reply.code, 226 | 250) {
            self.state = State::Idle;
            if moving.cut {
                let words =
                    format!("{}: the data connection was cut off without TLS's goodbye", moving.doing);
                return Finish::Unconfirmed(
                    Fault::new(FaultCode::FtpTruncated, words).with_reply(reply.code),
                );
            }
            return match &moving.broken {
                Some(broken) => Finish::Unconfirmed(Fault::new(FaultCode::FtpConnectionLost, broken.clone())),
                None => Finish::Confirmed,
            };
        }
        if meaning.ends_session() {
            self.poison();
        } else {
            self.state = State::Idle;
        }
        let fault = replies::fault(&reply, &moving.doing, moving.moved);
        Finish::Unconfirmed(match meaning {
            Meaning::Protection => Fault { code: FaultCode::FtpNoDataConnection, ..fault }
                .with_class(crate::model::FaultClass::Transient),
            _ => fault,
        })
    }
}

/// Why a data connection wasn't opened.
enum Refusal {
    /// This way of opening it is not for this server; the session is as before.
    AnotherWay,
    Fault(Box<Fault>),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

fn is_tls(stream: &AsyncDataStream<Wire>) -> bool {
    match stream {
        AsyncDataStream::Tcp(_) => false,
        AsyncDataStream::Ssl(wire) => wire.is_tls(),
    }
}

async fn drain(stream: &mut TransferStream<Wire>) {
    let mut space = [0_u8; 1024];
    while matches!(stream.read(&mut space).await, Ok(count) if count > 0) {}
}

/// Reads into `buffer` until it is full or nothing more is there at once; false at the end. TLS gives
/// one record at a time, and a caller that hashes and writes is better off with many. An error that
/// comes behind some bytes is kept for the next call in `kept`: a socket tells of it only once.
async fn read_some(
    stream: &mut AsyncDataStream<Wire>,
    buffer: &mut BytesMut,
    kept: &mut Option<io::Error>,
) -> io::Result<bool> {
    if let Some(error) = kept.take() {
        return Err(error);
    }
    buffer.reserve(READ_BYTES_MAX);
    poll_fn(|cx| {
        while buffer.len() < READ_BYTES_MAX {
            let room = READ_BYTES_MAX - buffer.len();
            let mut space = (&mut *buffer).limit(room);
            match pin!(stream.read_buf(&mut space)).poll(cx) {
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) if buffer.is_empty() => return Poll::Ready(Err(error)),
                Poll::Ready(Err(error)) => {
                    *kept = Some(error);
                    break;
                }
                Poll::Pending if buffer.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(!buffer.is_empty()))
    })
    .await
}
