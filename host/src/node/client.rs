//! The side of the socket that asks.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

use super::server::REPLIES_MAX;
use super::wire::{Hello, Say};
use super::{Error, PROTOCOL, Reply, Request, address, frame};

/// How long the holder may take to say hello: a stopped process never does.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// What became of a look for the process that holds the state.
pub(super) enum Found {
    /// It listens.
    Client(Client),
    /// Nobody listens, or whoever does is about to end.
    Nobody,
    /// It took the connection and said nothing.
    Mute,
}

/// A connection to the process that holds the state; for one request.
pub(super) struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    pid: u32,
}

impl Client {
    /// Looks who listens on the state's socket.
    ///
    /// # Errors
    /// [`Error::OtherVersion`].
    pub(super) async fn find(state: &Path) -> Result<Found, Error> {
        let Ok(stream) = address::connect(state).await else { return Ok(Found::Nobody) };
        let (read, write) = stream.into_split();
        let mut read = BufReader::new(read);
        let hello: Hello = match tokio::time::timeout(HELLO_WITHIN, frame::read(&mut read)).await {
            Err(_) => return Ok(Found::Mute),
            Ok(Err(_) | Ok(None)) => return Ok(Found::Nobody),
            Ok(Ok(Some(hello))) => hello,
        };
        if hello.protocol != PROTOCOL {
            return Err(Error::OtherVersion {
                state: state.to_owned(),
                pid: hello.pid,
                theirs: hello.version,
                ours: env!("CARGO_PKG_VERSION").to_owned(),
            });
        }
        if hello.closing {
            return Ok(Found::Nobody);
        }
        Ok(Found::Client(Self { read, write, pid: hello.pid }))
    }

    /// The process that listens.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks, and gives the replies as they come. The last one is [`Error::Lost`] where the process
    /// ends before it has answered.
    pub(super) fn ask(
        mut self,
        request: Request,
        mut interrupted: watch::Receiver<bool>,
    ) -> mpsc::Receiver<Reply> {
        let (replies, incoming) = mpsc::channel(REPLIES_MAX);
        tokio::spawn(async move {
            let lost = || Reply::Error { error: Error::Lost { pid: self.pid } };
            if frame::write(&mut self.write, &Say::Request { request }).await.is_err() {
                let _ = replies.send(lost()).await;
                return;
            }
            let mut told = false;
            loop {
                // The read isn't dropped half way: a line that has begun to come is read to its end.
                let next = frame::read::<Reply>(&mut self.read);
                tokio::pin!(next);
                let reply: io::Result<Option<Reply>> = loop {
                    tokio::select! {
                        reply = &mut next => break reply,
                        Ok(()) = interrupted.changed(), if !told => {
                            told = true;
                            let _ = frame::write(&mut self.write, &Say::Interrupt).await;
                        }
                    }
                };
                let reply = reply.ok().flatten().unwrap_or_else(lost);
                let last = reply.is_last();
                if replies.send(reply).await.is_err() || last {
                    return;
                }
            }
        });
        incoming
    }
}
