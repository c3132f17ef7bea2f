//! Where the bytes of an upload come from: read and hashed on a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{self as spare, Sender as SpareSender};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::model::{Fault, HashAlgorithm};
use crate::transfer::hash::{HashState, Hasher, hash_chunks};
use crate::transfer::local::{BUFFER_BYTES, Identity, Source, ended_early};
use crate::transfer::record::CHUNK_BYTES;

/// How many buffers may be read ahead: 1 MiB. Thirty transfers at once must not fill the memory.
const QUEUE_BUFFERS: usize = 4;

/// The next bytes of the source.
pub(super) struct Item {
    buffer: Vec<u8>,
    length: usize,
    /// The states at the ends of the chunks that these bytes complete.
    pub(super) chunks: Vec<HashState>,
}

impl Item {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

/// The near end of the thread.
pub(super) struct Feed {
    items: mpsc::Receiver<Item>,
    spare: SpareSender<Vec<u8>>,
    thread: JoinHandle<Result<(Hasher, Identity), Fault>>,
}

impl Feed {
    /// Reads `source` from where `hasher` stands, up to `limit` or to its end.
    pub(super) fn new(source: Arc<Source>, hasher: Hasher, limit: Option<u64>) -> Self {
        let (outbox, items) = mpsc::channel(QUEUE_BUFFERS);
        let (spare, spares) = spare::channel();
        let thread = tokio::task::spawn_blocking(move || read(&source, hasher, limit, &outbox, &spares));
        Self { items, spare, thread }
    }

    /// The next bytes; `None` at the end, and when the thread failed: [`Feed::close`] tells.
    pub(super) async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }

    /// Gives the buffer of an item back to be filled again.
    pub(super) fn give_back(&self, item: Item) {
        // The thread may have read everything already.
        let _ = self.spare.send(item.buffer);
    }

    /// Ends the thread. Gives the hasher of all bytes that were read, and what the source was after
    /// the last of them.
    pub(super) async fn close(self) -> Result<(Hasher, Identity), Fault> {
        drop(self.items);
        match self.thread.await {
            Ok(result) => result,
            Err(error) => Err(ended_early("the reader", &error)),
        }
    }
}

fn read(
    source: &Source,
    mut hasher: Hasher,
    limit: Option<u64>,
    outbox: &mpsc::Sender<Item>,
    spares: &spare::Receiver<Vec<u8>>,
) -> Result<(Hasher, Identity), Fault> {
    loop {
        let mut buffer = spares.try_recv().unwrap_or_else(|_| vec![0; BUFFER_BYTES]);
        let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(hasher.length()));
        let most = usize::try_from(left).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
        let length = if most == 0 { 0 } else { source.read_at(&mut buffer[..most], hasher.length())? };
        if length == 0 {
            return Ok((hasher, source.identity()?));
        }
        let mut chunks = Vec::new();
        hash_chunks(&mut hasher, &buffer[..length], |state| chunks.push(state));
        if outbox.blocking_send(Item { buffer, length, chunks }).is_err() {
            return Ok((hasher, source.identity()?));
        }
    }
}

/// A hasher that has seen the first `at` bytes of the source. It begins at the last chunk that the log
/// has, once that chunk is hashed again; `None` when it isn't what it was.
pub(super) fn hasher_at(
    source: &Source,
    at: u64,
    chunks: &[HashState],
    algorithms: &[HashAlgorithm],
) -> Result<Option<Hasher>, Fault> {
    let Some(last) = chunks.iter().rev().find(|state| state.length <= at) else {
        let mut hasher = Hasher::new(algorithms);
        return Ok(hash_to(source, &mut hasher, at)?.then_some(hasher));
    };
    let before = last.length - CHUNK_BYTES;
    let mut hasher = match chunks.iter().find(|state| state.length == before) {
        Some(before) => before.restore()?,
        None => last.fresh(),
    };
    let proven = hash_to(source, &mut hasher, last.length)? && hasher.state() == *last;
    Ok((proven && hash_to(source, &mut hasher, at)?).then_some(hasher))
}

/// Hashes the source up to `end`; false when it is shorter.
fn hash_to(source: &Source, hasher: &mut Hasher, end: u64) -> Result<bool, Fault> {
    let mut block = vec![0; BUFFER_BYTES];
    while hasher.length() < end {
        let most = usize::try_from(end - hasher.length()).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
        match source.read_at(&mut block[..most], hasher.length())? {
            0 => return Ok(false),
            length => hasher.update(&block[..length]),
        }
    }
    Ok(true)
}
