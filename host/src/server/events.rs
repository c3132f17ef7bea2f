//! The events of a run as a stream (server-sent events).
//!
//! What is durable has an id: each entry of the journal is an event `entry` whose id is its number, so
//! that a client that comes back with `Last-Event-ID` misses none and sees none twice. What a run only
//! tells while it goes on (bytes that pass) has none, and may be missed. The last event is `end`.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc;

use super::app::App;
use super::journal::{self, Read};
use super::problem::Problem;
use super::wire::{Entry, Talk};
use crate::model::RunId;
use crate::node::{Reply, Request, RunRef};

/// Entries that are read at a time.
const PAGE: usize = 100;

/// Events that wait for a slow reader; then the journal waits with it.
const WAITING_MAX: usize = 64;

/// How often a stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often a run that nobody drives is looked at again: somebody may resume it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The entries of a run's journal as they come, and what it tells of its transfers meanwhile.
#[utoipa::path(get, path = "/v1/runs/{run}/events", tag = "runs",
    params(("run" = String, Path, description = "the run's id, or its first letters"),
        ("Last-Event-ID" = Option<u64>, Header, description = "the last entry that was seen; the stream begins after it")),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "events `entry` (its data is an Entry, its id the entry's number), those of Talk, and `end`"),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn events(
    State(app): State<App>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = match headers.get("last-event-id") {
        None => 0,
        Some(id) => id
            .to_str()
            .ok()
            .and_then(|id| id.trim().parse::<u64>().ok())
            .ok_or_else(|| Problem::invalid("`Last-Event-ID` isn't the number of an entry"))?,
    };
    let place = app.streams().clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::busy("too many streams of events are open"))?;
    // Read before the stream begins, so that a run that isn't there is an answer and not an empty stream.
    let first = journal::read(&app, RunRef::Prefix(run), last.saturating_add(1), PAGE).await?;
    let (out, incoming) = mpsc::channel(WAITING_MAX);
    let mut stop = app.stopping();
    let mut teller = Teller { app, run: first.run.clone(), next: last.saturating_add(1), out };
    tokio::spawn(async move {
        let _place = place;
        let gone = teller.out.clone();
        tokio::select! {
            _ = teller.tell(first) => {}
            () = gone.closed() => {}
            _ = stop.wait_for(|now| *now) => {}
        }
    });
    let stream = futures::stream::unfold(incoming, async |mut incoming| {
        incoming.recv().await.map(|event| (Ok(event), incoming))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The reader has gone, or the run can't be read any more.
struct Over;

struct Teller {
    app: App,
    run: RunId,
    /// The next entry to be told.
    next: u64,
    out: mpsc::Sender<Event>,
}

impl Teller {
    async fn tell(&mut self, first: Read) -> Result<(), Over> {
        let mut ended = self.page(first).await?;
        while !ended {
            let mut replies = self.app.ask(Request::Watch { run: RunRef::Prefix(self.run.to_string()) });
            let mut live = false;
            // What was written before the watch began.
            ended = self.entries().await?;
            while let Some(reply) = replies.recv().await {
                match reply {
                    Reply::Accepted { .. } => live = true,
                    Reply::Event { event } => match Talk::of(&event) {
                        Some(talk) => self.send(Event::default().event(talk.name()), &talk).await?,
                        None => ended |= self.entries().await?,
                    },
                    _ => break,
                }
            }
            ended |= self.entries().await?;
            if !ended && !live {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        self.out.send(Event::default().event("end").data("{}")).await.map_err(|_| Over)
    }

    /// Tells all entries that are there; true when the run has ended.
    async fn entries(&mut self) -> Result<bool, Over> {
        let run = RunRef::Prefix(self.run.to_string());
        let read = journal::read(&self.app, run, self.next, PAGE).await.map_err(|_| Over)?;
        self.page(read).await
    }

    async fn page(&mut self, mut read: Read) -> Result<bool, Over> {
        loop {
            let mut ended = false;
            for entry in &read.entries {
                let entry = Entry::from(entry);
                ended = entry.kind == "ended";
                self.next = entry.seq + 1;
                let event = Event::default().event("entry").id(entry.seq.to_string());
                self.send(event, &entry).await?;
            }
            let Some(next) = read.next else { return Ok(ended) };
            let run = RunRef::Prefix(self.run.to_string());
            read = journal::read(&self.app, run, next, PAGE).await.map_err(|_| Over)?;
        }
    }

    async fn send(&self, event: Event, data: &impl Serialize) -> Result<(), Over> {
        let event = event.json_data(data).map_err(|_| Over)?;
        self.out.send(event).await.map_err(|_| Over)
    }
}
