//! Where the bytes of an upload come from: read and hashed on a thread of their own, or, from another
//! site, by a task of their own.

use std::sync::Arc;
use std::sync::mpsc::{self as spare, Sender as SpareSender};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::model::{Fault, HashAlgorithm};
use crate::transfer::copy::{Extent, Judged, Reading};
use crate::transfer::hash::{HashState, Hasher, hash_chunks};
use crate::transfer::local::{BUFFER_BYTES, Identity, Source, ended_early};
use crate::transfer::record::CHUNK_BYTES;
use crate::transfer::stop::Stop;
use crate::transfer::transfers::Transfers;

/// How many buffers may be read ahead: 1 MiB. Thirty transfers at once must not fill the memory.
const QUEUE_BUFFERS: usize = 4;

/// The next bytes of the source.
pub(in crate::transfer) struct Item {
    content: Content,
    /// The states at the ends of the chunks that these bytes complete.
    pub(in crate::transfer) chunks: Vec<HashState>,
}

enum Content {
    /// The beginning of a buffer that is filled again.
    Buffer(Vec<u8>, usize),
    /// What a session gave.
    Bytes(Bytes),
}

/// What the source was after the last byte.
pub(super) enum After {
    Folder(Identity),
    Site(Judged),
}

impl Item {
    /// Bytes that nobody wants back.
    pub(in crate::transfer) fn of_bytes(bytes: Bytes, chunks: Vec<HashState>) -> Self {
        Self { content: Content::Bytes(bytes), chunks }
    }

    pub(in crate::transfer) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Buffer(buffer, length) => &buffer[..*length],
            Content::Bytes(bytes) => bytes,
        }
    }

    /// The same bytes, to be kept.
    pub(in crate::transfer) fn to_bytes(&self) -> Bytes {
        match &self.content {
            Content::Buffer(..) => Bytes::copy_from_slice(self.bytes()),
            Content::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// The near end of the thread or task, which doesn't outlive it.
pub(super) struct Feed {
    items: mpsc::Receiver<Item>,
    spare: SpareSender<Vec<u8>>,
    thread: JoinHandle<Result<(Hasher, After), Fault>>,
}

impl Feed {
    /// Reads `source` from where `hasher` stands, up to `limit` or to its end.
    pub(super) fn of_file(source: Arc<Source>, hasher: Hasher, limit: Option<u64>) -> Self {
        let (outbox, items) = mpsc::channel(QUEUE_BUFFERS);
        let (spare, spares) = spare::channel();
        let thread = tokio::task::spawn_blocking(move || {
            let (hasher, after) = read(&source, hasher, limit, &outbox, &spares)?;
            Ok((hasher, After::Folder(after)))
        });
        Self { items, spare, thread }
    }

    /// Reads a file of another site. What is read ahead is in the ring, so one item at a time will do here.
    pub(super) fn of_site(reading: Reading, transfers: &Transfers, stop: &Stop, extent: Extent) -> Self {
        let (outbox, items) = mpsc::channel(1);
        let (spare, _) = spare::channel();
        let (transfers, stop) = (transfers.clone(), stop.clone());
        let thread = tokio::spawn(async move {
            let (hasher, judged) = reading.pump(transfers, stop, extent, outbox).await?;
            Ok((hasher, After::Site(judged)))
        });
        Self { items, spare, thread }
    }

    /// The next bytes; `None` at the end, and when the reader failed: [`Feed::close`] tells.
    pub(super) async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }

    /// Gives the buffer of an item back to be filled again.
    pub(super) fn give_back(&self, item: Item) {
        if let Content::Buffer(buffer, _) = item.content {
            // The thread may have read everything already.
            let _ = self.spare.send(buffer);
        }
    }

    /// Waits for the reader's end. Gives the hasher of all bytes that were read, and what the source was
    /// after the last of them.
    pub(super) async fn close(mut self) -> Result<(Hasher, After), Fault> {
        self.items.close();
        match (&mut self.thread).await {
            Ok(result) => result,
            Err(error) => Err(ended_early("the reader", &error)),
        }
    }
}

impl Drop for Feed {
    /// A thread ends by itself once nobody takes anything; a task may wait for its server.
    fn drop(&mut self) {
        self.thread.abort();
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
        if outbox.blocking_send(Item { content: Content::Buffer(buffer, length), chunks }).is_err() {
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
