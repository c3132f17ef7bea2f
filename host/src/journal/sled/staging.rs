//! Changes that are about to be committed, seen together with what the tree holds: later requests of a
//! group see what earlier ones do.

use std::collections::BTreeMap;

use super::long;
use crate::journal::error::Error;

/// What happens to each key.
#[derive(Debug)]
pub(super) struct Staging {
    tree: ::sled::Tree,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A failed read of the tree: sled has checksums over all that it reads.
pub(super) fn unreadable(error: ::sled::Error) -> Error {
    match error {
        ::sled::Error::Corruption { .. } => Error::damaged(in_words(&error)),
        // It reads past the end of a log that was cut off.
        ::sled::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::damaged(format!("the store's log ends early: {error}"))
        }
        other => Error::Unreadable { doing: "reading the store".to_owned(), reason: other.to_string() },
    }
}

/// What sled says, without the backtrace that it never has.
pub(super) fn in_words(error: &::sled::Error) -> String {
    error.to_string().replace(" backtrace ()", "")
}

impl Staging {
    pub(super) fn new(tree: ::sled::Tree) -> Self {
        Self { tree, changes: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes so far, which are staged no more.
    pub(super) fn take(&mut self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => Ok(self.tree.get(key).map_err(unreadable)?.map(|value| value.to_vec())),
        }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// Sets a value that may be long, whatever stood there before.
    pub(super) fn put_long(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), Error> {
        self.remove_long(&key)?;
        self.put_long_new(key, value)
    }

    /// Sets a value that may be long where nothing stood before.
    pub(super) fn put_long_new(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), Error> {
        for (key, part) in long::split(key, value)? {
            self.put(key, part);
        }
        Ok(())
    }

    pub(super) fn get_long(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.get(key)? {
            Some(head) => long::join(key, &head, |part| self.get(part)).map(|value| Some(value.into_owned())),
            None => Ok(None),
        }
    }

    /// Removes a value that may be long; it need not be there.
    pub(super) fn remove_long(&mut self, key: &[u8]) -> Result<(), Error> {
        if let Some(head) = self.get(key)? {
            for part in long::part_keys(key, &head)? {
                self.remove(part);
            }
            self.remove(key.to_vec());
        }
        Ok(())
    }

    /// All keys that begin so, in order.
    pub(super) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut found: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
        for key in self.tree.scan_prefix(prefix).keys() {
            found.insert(key.map_err(unreadable)?.to_vec(), true);
        }
        for (key, change) in self.changes.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            found.insert(key.clone(), change.is_some());
        }
        Ok(found.into_iter().filter_map(|(key, stands)| stands.then_some(key)).collect())
    }

    /// Removes every value, long or not, whose key begins so.
    pub(super) fn remove_all(&mut self, prefix: &[u8]) -> Result<(), Error> {
        for key in self.keys(prefix)? {
            self.remove_long(&key)?;
        }
        Ok(())
    }
}
