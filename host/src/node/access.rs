//! Getting at a state: by holding it, or by talking to the process that does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::client::{Client, Found};
use super::server::{REPLIES_MAX, Serve, Server};
use super::{Error, Reply, Request};
use crate::model::Fault;

/// How long a state may be held by a process that can't be talked to: one that is just starting, or
/// is ending in good order (which takes up to 25 s).
const HELD_MAX: Duration = Duration::from_secs(30);

/// How long a process that has to hold the state itself waits for another one to let it go.
const LET_GO_WITHIN: Duration = Duration::from_secs(3);

/// The pause between two looks, at first and at most.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// What holds a state open.
#[async_trait]
pub trait Hold: Serve {
    /// Ends every run so that it can be resumed. Returns when they have ended.
    async fn stop(&self);
}

/// A way to a state: this process holds it, or another one does.
pub enum Access {
    /// This one.
    Own(Own),
    /// Another one, which listens.
    Other(Other),
}

/// A state that this process holds, and its socket.
pub struct Own {
    // Dropped in this order: whoever comes once the socket has gone waits for the store.
    server: Option<Server>,
    hold: Arc<dyn Hold>,
}

/// A state that another process holds.
pub struct Other {
    state: std::path::PathBuf,
    first: Option<Client>,
}

impl Access {
    /// Talks to the process that holds `state`, or opens it by `open`, whichever is possible first.
    ///
    /// # Errors
    /// [`Error::InUse`] when a process holds it for long and can't be talked to;
    /// [`Error::OtherVersion`]; whatever `open` gives.
    pub async fn open<F>(state: &Path, open: F) -> Result<Self, Error>
    where
        F: AsyncFn() -> Result<Arc<dyn Hold>, Error>,
    {
        let talk = |client| Ok(Self::Other(Other { state: state.to_owned(), first: Some(client) }));
        Self::reach(state, open, talk).await
    }

    /// Opens `state` by `open`, for a process that is left running and has to hold it itself. A command that
    /// holds it for a moment, because it looks at a run, is waited for.
    ///
    /// # Errors
    /// [`Error::Held`] by another process, still after three seconds; else as [`Access::open`].
    pub async fn hold<F>(state: &Path, open: F) -> Result<Self, Error>
    where
        F: AsyncFn() -> Result<Arc<dyn Hold>, Error>,
    {
        let refuse = |client: Client| Err(Error::Held { state: state.to_owned(), pid: client.pid() });
        let start = Instant::now();
        loop {
            match Self::reach(state, &open, refuse).await {
                Err(Error::Held { .. }) if start.elapsed() < LET_GO_WITHIN => {
                    tokio::time::sleep(LOOK_EVERY.1).await;
                }
                reached => return reached,
            }
        }
    }

    /// Opens the state; `found` says what follows where another process holds it and answers.
    async fn reach<F>(
        state: &Path,
        open: F,
        found: impl Fn(Client) -> Result<Self, Error>,
    ) -> Result<Self, Error>
    where
        F: AsyncFn() -> Result<Arc<dyn Hold>, Error>,
    {
        let start = Instant::now();
        let (mut pause, mut mute) = (LOOK_EVERY.0, false);
        loop {
            match Client::find(state).await? {
                Found::Client(client) => return found(client),
                Found::Nobody => {}
                Found::Mute => mute = true,
            }
            match open().await {
                Ok(hold) => return Ok(Self::Own(Own::listen(state, hold).await?)),
                Err(in_use @ Error::InUse { .. }) => {
                    if mute || start.elapsed() > HELD_MAX {
                        return Err(in_use);
                    }
                }
                Err(other) => return Err(other),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY.1);
        }
    }

    /// What holds no state that others could ask for.
    #[must_use]
    pub fn private(hold: Arc<dyn Hold>) -> Self {
        Self::Own(Own { server: None, hold })
    }

    /// Talks to the process that holds `state`; `None` where nobody does, and nothing is opened.
    ///
    /// # Errors
    /// [`Error::OtherVersion`].
    pub async fn of_holder(state: &Path) -> Result<Option<Self>, Error> {
        Ok(match Client::find(state).await? {
            Found::Client(client) => {
                Some(Self::Other(Other { state: state.to_owned(), first: Some(client) }))
            }
            Found::Nobody | Found::Mute => None,
        })
    }

    /// Asks for something; replies come as they happen.
    ///
    /// # Errors
    /// The process that held the state has ended meanwhile.
    pub async fn ask(&mut self, request: Request) -> Result<Call, Error> {
        let (interrupt, interrupted) = watch::channel(false);
        let replies = match self {
            Self::Own(own) => {
                let (replies, incoming) = mpsc::channel(REPLIES_MAX);
                let hold = own.hold.clone();
                tokio::spawn(async move { hold.serve(request, replies, interrupted).await });
                incoming
            }
            Self::Other(other) => other.client().await?.ask(request, interrupted),
        };
        Ok(Call { replies, interrupt: Arc::new(interrupt) })
    }

    /// Ends every run of this process so that it can be resumed, if it holds the state.
    pub async fn stop(&self) {
        if let Self::Own(own) = self {
            own.hold.stop().await;
        }
    }

    /// Waits until other commands on this state have what they asked for, if this process holds it.
    pub async fn finish(&self) {
        if let Self::Own(Own { server: Some(server), .. }) = self {
            server.close().await;
        }
    }
}

impl Own {
    async fn listen(state: &Path, hold: Arc<dyn Hold>) -> Result<Self, Error> {
        let serve: Arc<dyn Serve> = hold.clone();
        match Server::start(state, serve) {
            Ok(server) => Ok(Self { server: Some(server), hold }),
            Err(error) => {
                Err(Fault::local(format_args!("listen on {}/socket", state.display()), &error).into())
            }
        }
    }
}

impl Other {
    async fn client(&mut self) -> Result<Client, Error> {
        if let Some(client) = self.first.take() {
            return Ok(client);
        }
        match Client::find(&self.state).await? {
            Found::Client(client) => Ok(client),
            Found::Nobody | Found::Mute => Err(Error::InUse { state: self.state.clone(), pid: None }),
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Call {
    replies: mpsc::Receiver<Reply>,
    interrupt: Arc<watch::Sender<bool>>,
}

/// Ends what a [`Call`] asked for.
#[derive(Clone, Debug)]
pub struct Interrupter(Arc<watch::Sender<bool>>);

impl Interrupter {
    /// Ends what is under way so that it can be resumed: all of it where this process holds the
    /// state, else only what the call asked for. Returns when it has ended, or when the process that
    /// holds the state has been told.
    pub async fn interrupt(&self, access: &Access) {
        self.0.send_replace(true);
        access.stop().await;
    }
}

impl Call {
    /// The next reply; `None` after the last one.
    pub async fn next(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }

    /// What ends it early, while its replies are still read.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.interrupt.clone())
    }

    /// The last reply, leaving out what comes before it.
    ///
    /// # Errors
    /// What the request failed with.
    pub async fn last(mut self) -> Result<Reply, Error> {
        loop {
            match self.next().await {
                Some(Reply::Error { error }) => return Err(error),
                Some(reply) if reply.is_last() => return Ok(reply),
                Some(_) => {}
                None => return Err(Error::unanswered()),
            }
        }
    }
}
