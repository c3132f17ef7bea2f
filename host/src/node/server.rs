//! The side of the socket that holds the state.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::debug;

use super::wire::{Hello, Say};
use super::{PROTOCOL, Reply, Request, address, frame};

/// How long a client may take to say what it wants: it was written to say so at once.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take to read its last replies before the process ends without it.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// Clients at a time; one more waits in the listener's queue.
const CLIENTS_MAX: usize = 256;

/// Replies that wait for a slow reader: enough for a burst of events.
pub(super) const REPLIES_MAX: usize = 256;

/// Does what is asked for.
#[async_trait]
pub trait Serve: Send + Sync + 'static {
    /// Does one request. The last reply is one for which [`Reply::is_last`] holds; a reader who has
    /// gone is no reason to stop. `interrupted` turns true when the run asked for is to end so that
    /// it can be resumed.
    async fn serve(&self, request: Request, replies: mpsc::Sender<Reply>, interrupted: watch::Receiver<bool>);
}

/// How many requests are under way, and whether more are taken.
#[derive(Debug, Default)]
struct Desk {
    open: usize,
    closing: bool,
}

/// The socket of a state that this process holds.
#[derive(Debug)]
pub(super) struct Server {
    state: PathBuf,
    desk: Arc<watch::Sender<Desk>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on the state's socket until it is closed.
    ///
    /// # Errors
    /// The socket can't be made.
    pub(super) fn start(state: &Path, serve: Arc<dyn Serve>) -> std::io::Result<Self> {
        let listener = address::listen(state)?;
        let desk = Arc::new(watch::Sender::new(Desk::default()));
        let clerk = desk.clone();
        let accepting = tokio::spawn(async move {
            let places = Arc::new(tokio::sync::Semaphore::new(CLIENTS_MAX));
            loop {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let (serve, desk) = (serve.clone(), clerk.clone());
                        tokio::spawn(async move {
                            let _place = place;
                            if let Err(error) = attend(stream, serve, desk).await {
                                debug!(%error, "a client of the socket went away");
                            }
                        });
                    }
                    // Out of descriptors: those who wait may find some free a little later.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Ok(Self { state: state.to_owned(), desk, accepting })
    }

    /// Ends when no request is under way; from then on clients are told to come back later.
    pub(super) async fn close(&self) {
        let mut watching = self.desk.subscribe();
        loop {
            let closed = self.desk.send_if_modified(|desk| {
                desk.closing |= desk.open == 0;
                desk.closing
            });
            if closed || watching.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Server {
    /// The socket goes before the store does, so that nobody talks to a process that has let go.
    fn drop(&mut self) {
        self.accepting.abort();
        address::remove(&self.state);
    }
}

/// Counts a client from its hello to its last reply.
struct Seat(Arc<watch::Sender<Desk>>);

impl Seat {
    fn take(desk: &Arc<watch::Sender<Desk>>) -> Option<Self> {
        let taken = desk.send_if_modified(|desk| {
            if !desk.closing {
                desk.open += 1;
            }
            !desk.closing
        });
        taken.then(|| Self(desk.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.send_modify(|desk| desk.open -= 1);
    }
}

async fn attend(
    stream: UnixStream,
    serve: Arc<dyn Serve>,
    desk: Arc<watch::Sender<Desk>>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let seat = Seat::take(&desk);
    let hello = Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        closing: seat.is_none(),
    };
    frame::write(&mut write, &hello).await?;
    if seat.is_none() {
        return Ok(());
    }
    let asked = tokio::time::timeout(REQUEST_WITHIN, frame::read(&mut read)).await;
    let Ok(Some(Say::Request { request })) = asked.map_err(std::io::Error::from)? else {
        return Ok(());
    };
    let (replies, mut outgoing) = mpsc::channel(REPLIES_MAX);
    let (interrupt, interrupted) = watch::channel(false);
    let listening = tokio::spawn(async move {
        // An end without an interrupt is a client that was killed: its run goes on here.
        while let Ok(Some(say)) = frame::read::<Say>(&mut read).await {
            if say == Say::Interrupt {
                interrupt.send_replace(true);
            }
        }
        std::future::pending::<()>().await;
        drop(interrupt);
    });
    let mut serving = tokio::spawn(async move { serve.serve(request, replies, interrupted).await });
    let sent = {
        let sending = async {
            while let Some(reply) = outgoing.recv().await {
                frame::write(&mut write, &reply).await?;
            }
            Ok(())
        };
        // The process mustn't end before the last reply is on its way, nor wait for one who doesn't read.
        let served = async {
            let _ = (&mut serving).await;
            tokio::time::sleep(LAST_WITHIN).await;
        };
        tokio::select! {
            sent = sending => sent,
            () = served => Err(std::io::ErrorKind::TimedOut.into()),
        }
    };
    // Once the reader has gone, replies have nowhere to go, but the work is done all the same.
    drop(outgoing);
    if !serving.is_finished() {
        let _ = serving.await;
    }
    listening.abort();
    drop(seat);
    sent
}
