//! What workflows remember, for those who look at it from outside.

use std::sync::Arc;

use super::node::of_journal;
use super::wire::{MemoryRow, MemoryTally};
use super::{Error, Reply};
use crate::journal::{self, Remembered, Store};

/// All workflows that remember anything, by name.
pub(super) async fn memories(store: &Arc<dyn Store>) -> Result<Reply, Error> {
    let tallies = journal::memories(store).await.map_err(of_journal)?;
    let wire =
        |tally: journal::Tally| MemoryTally { workflow: tally.scope, keys: tally.keys, files: tally.seen };
    let mut memories: Vec<_> = tallies.into_iter().map(wire).collect();
    memories.sort_by(|a, b| a.workflow.cmp(&b.workflow));
    Ok(Reply::Memories { memories })
}

/// A page of what one remembers.
pub(super) async fn recall(
    store: &Arc<dyn Store>,
    workflow: &str,
    after: Option<&str>,
    max: usize,
) -> Result<Reply, Error> {
    let (rows, next) = journal::recall(store, workflow, after, max).await.map_err(of_journal)?;
    let row = |row| match row {
        Remembered::Value { key, version, value } => MemoryRow::Value { key, version, value: text(&value) },
        Remembered::Seen { site, path, identity } => MemoryRow::File { site, path, identity },
    };
    Ok(Reply::Recalled { rows: rows.into_iter().map(row).collect(), next })
}

/// The value of one key, if there is one.
pub(super) async fn value(store: &Arc<dyn Store>, workflow: &str, key: &str) -> Result<Reply, Error> {
    let found = journal::value_of(store, workflow, key).await.map_err(of_journal)?;
    let row = |found: journal::Versioned| {
        let (version, value) = (found.version, text(&found.value));
        MemoryRow::Value { key: key.to_owned(), version, value }
    };
    Ok(Reply::Recalled { rows: found.map(row).into_iter().collect(), next: None })
}

/// Forgets a key, or all.
pub(super) async fn forget(
    store: &Arc<dyn Store>,
    workflow: &str,
    key: Option<&str>,
) -> Result<Reply, Error> {
    let count = journal::forget(store, workflow, key).await.map_err(of_journal)?;
    Ok(Reply::Forgotten { count })
}

/// A value for people: the SDK writes JSON, other languages what they like.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.escape_ascii().to_string(),
    }
}
