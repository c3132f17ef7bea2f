//! Moving bytes over a data connection, and the reply that ends it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use suppaftp::FtpError;
use suppaftp::tokio::{AsyncDataStream, TransferStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::pace::Pace;
use super::replies::{self, Meaning, Reply};
use super::session::{Session, State, control_fault, reply_of};
use super::wire::Wire;
use crate::crash;
use crate::model::{Fault, FaultClass, FaultCode};
use crate::transfer::Finish;

/// What one read gives at most.
pub(super) const READ_BYTES_MAX: usize = 256 * 1024;

/// How long the server may take to close a TLS data connection after we did.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);

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
    /// What one read gives at most.
    read_max: usize,
    /// Whether the bytes come, or go, fast enough.
    pace: Pace,
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

impl Moving {
    /// A transfer that begins: with its data connection, or with the final reply that came at once.
    pub(super) fn begun(
        way: Way,
        doing: &str,
        pace: Pace,
        opened: Result<TransferStream<Wire>, Reply>,
    ) -> Self {
        let (stream, reply) = match opened {
            Ok(stream) => (Some(stream), None),
            Err(reply) => (None, Some(reply)),
        };
        Self {
            way,
            ended: stream.is_none(),
            stream,
            reply,
            buffer: BytesMut::new(),
            read_max: READ_BYTES_MAX,
            pace,
            kept: None,
            doing: doing.to_owned(),
            moved: false,
            cut: false,
            broken: None,
        }
    }
}

impl Session {
    /// From now on a read gives at most so many bytes.
    pub(super) fn read_data_at_most(&mut self, bytes: usize) {
        if let State::Moving(moving) = &mut self.state {
            moving.read_max = bytes.clamp(1, READ_BYTES_MAX);
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
        let (most, wait) = (moving.read_max, moving.pace.patience(self.limits.idle));
        let begun = self.clock.monotonic();
        let read = tokio::time::timeout(
            wait,
            read_some(stream.get_mut(), &mut moving.buffer, most, &mut moving.kept),
        )
        .await;
        let waited = self.clock.monotonic().saturating_sub(begun);
        match read {
            Ok(Ok(false)) => {
                moving.ended = true;
                Ok(None)
            }
            Ok(Ok(true)) if moving.pace.keeps_up(waited, moving.buffer.len()) => {
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
            Err(_) if wait >= self.limits.idle => {
                let idle = self.limits.idle.as_secs_f32();
                let fault =
                    Fault::new(FaultCode::FtpTimeout, format!("{}: no data for {idle} s", moving.doing));
                self.poison();
                Err(fault)
            }
            Ok(Ok(true)) | Err(_) => {
                let fault = moving.pace.fault(&moving.doing, &self.place);
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
            let wait = moving.pace.patience(self.limits.idle);
            let begun = self.clock.monotonic();
            let written = tokio::time::timeout(wait, stream.write(rest)).await;
            let waited = self.clock.monotonic().saturating_sub(begun);
            match written {
                Ok(Ok(count)) if count > 0 && moving.pace.keeps_up(waited, count) => {
                    moving.moved = true;
                    rest = &rest[count..];
                }
                Ok(Ok(count)) if count > 0 => {
                    let fault = moving.pace.fault(&moving.doing, &self.place);
                    moving.broken = Some(fault.message.clone());
                    return Err(fault);
                }
                Ok(outcome) => {
                    let why = outcome.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                    let words = format!("{}: data connection: {why}", moving.doing);
                    moving.broken = Some(words.clone());
                    return Err(Fault::new(FaultCode::FtpConnectionLost, words));
                }
                Err(_) if wait < self.limits.idle => {
                    let fault = moving.pace.fault(&moving.doing, &self.place);
                    moving.broken = Some(fault.message.clone());
                    return Err(fault);
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
        if self.has_no_ticket() {
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
        self.blame_tls13(&reply);
        let fault = replies::fault(&reply, &moving.doing, moving.moved);
        Finish::Unconfirmed(match meaning {
            Meaning::Protection => {
                Fault { code: FaultCode::FtpNoDataConnection, ..fault }.with_class(FaultClass::Transient)
            }
            _ => fault,
        })
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

/// Reads into `buffer` until it has `most` bytes or nothing more is there at once; false at the end. TLS gives
/// one record at a time, and a caller that hashes and writes is better off with many. An error that
/// comes behind some bytes is kept for the next call in `kept`: a socket tells of it only once.
async fn read_some(
    stream: &mut AsyncDataStream<Wire>,
    buffer: &mut BytesMut,
    most: usize,
    kept: &mut Option<io::Error>,
) -> io::Result<bool> {
    if let Some(error) = kept.take() {
        return Err(error);
    }
    buffer.reserve(most);
    poll_fn(|cx| {
        while buffer.len() < most {
            let room = most - buffer.len();
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
