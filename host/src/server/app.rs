//! What handlers share: the way to the node.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};

use super::pace::Pace;
use super::problem::Problem;
use crate::clock::Clock;
use crate::config::Config;
use crate::node::{Error, Reply, Request, Serve};

/// Requests under way at a time: each may hold a body of 1 MiB and a page of entries.
const REQUESTS_MAX: usize = 64;

/// Streams of events at a time: each costs a connection and a task for as long as somebody looks.
const STREAMS_MAX: usize = 128;

/// Replies that wait for a slow reader: as many as on the socket of commands.
const REPLIES_MAX: usize = 256;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(super) struct App {
    inner: Arc<Inner>,
}

struct Inner {
    node: Arc<dyn Serve>,
    config: watch::Receiver<Arc<Config>>,
    clock: Arc<dyn Clock>,
    address: SocketAddr,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    pace: Pace,
    stopping: watch::Sender<bool>,
}

impl App {
    pub(super) fn new(
        node: Arc<dyn Serve>,
        config: watch::Receiver<Arc<Config>>,
        clock: Arc<dyn Clock>,
        address: SocketAddr,
    ) -> Self {
        let inner = Inner {
            node,
            config,
            clock,
            address,
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            pace: Pace::default(),
            stopping: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.inner.config.borrow().clone()
    }

    /// The address that was bound.
    pub(super) fn address(&self) -> SocketAddr {
        self.inner.address
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.inner.pace
    }

    pub(super) fn requests(&self) -> &Arc<Semaphore> {
        &self.inner.requests
    }

    pub(super) fn streams(&self) -> &Arc<Semaphore> {
        &self.inner.streams
    }

    /// Turns true when the server is ending: who streams ends then.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.inner.stopping.subscribe()
    }

    /// The server is ending.
    pub(super) fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// Asks the node; the replies come as they happen. What is under way goes on when nobody reads them.
    pub(super) fn ask(&self, request: Request) -> mpsc::Receiver<Reply> {
        let (replies, incoming) = mpsc::channel(REPLIES_MAX);
        let node = self.inner.node.clone();
        // Nobody interrupts a run through a request that began or watches it: that is what cancel is for.
        let (_, interrupted) = watch::channel(false);
        tokio::spawn(async move { node.serve(request, replies, interrupted).await });
        incoming
    }

    /// The first reply: of a request that drives a run, that it has begun.
    pub(super) async fn first(&self, request: Request) -> Result<Reply, Problem> {
        match self.ask(request).recv().await {
            Some(Reply::Error { error }) => Err(error.into()),
            Some(reply) => Ok(reply),
            None => Err(Error::unanswered().into()),
        }
    }
}
