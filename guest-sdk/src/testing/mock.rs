//! The mock host as tests see it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::signals::Signal;
use super::state::{Arrival, Installed, START, State};
use super::tree::{Node, Side, Tree};
use crate::clock::Timestamp;
use crate::retry::RetryPolicy;
use crate::{Error, Result, input};

/// A host in memory. Sites and folders keep their content from one run to the next.
pub struct MockHost {
    state: Rc<RefCell<State>>,
}

impl Default for MockHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MockHost {
    /// A host that grants nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Rc::new(RefCell::new(State::new())) }
    }

    /// Grants an empty site.
    #[must_use]
    pub fn with_site(self, name: &str) -> Self {
        self.state.borrow_mut().sites.insert(name.to_owned(), Tree::new(Side::Site, ""));
        self
    }

    /// Grants an empty folder.
    #[must_use]
    pub fn with_folder(self, name: &str) -> Self {
        self.state.borrow_mut().folders.insert(name.to_owned(), Tree::new(Side::Folder, name));
        self
    }

    /// Has the configuration name a retry policy.
    #[must_use]
    pub fn with_retry(self, name: &str, policy: RetryPolicy) -> Self {
        self.state.borrow_mut().policies.insert(name.to_owned(), policy);
        self
    }

    /// The content of a granted site.
    #[must_use]
    pub fn site(&self, name: &str) -> MockTree {
        MockTree { state: Rc::clone(&self.state), side: Side::Site, name: name.to_owned() }
    }

    /// The content of a granted folder.
    #[must_use]
    pub fn folder(&self, name: &str) -> MockTree {
        MockTree { state: Rc::clone(&self.state), side: Side::Folder, name: name.to_owned() }
    }

    /// Makes the next call of `kind` at `path` fail once. Kinds are as in [`MockHost::calls`]; `path` is
    /// the call's first one, and the empty path stands for any.
    pub fn fail(&self, kind: &str, path: &str, error: Error) {
        self.state.borrow_mut().failures.push((kind.to_owned(), path.to_owned(), error));
    }

    /// Cancels the next run after `count` calls: the call after them fails with `run.cancelled`.
    pub fn cancel_after(&self, count: usize) {
        self.state.borrow_mut().cancel_after = Some(count);
    }

    /// Lets the next `count` waits for a batch's outcomes that have a timeout run into it.
    pub fn stall(&self, count: usize) {
        self.state.borrow_mut().stalls = count;
    }

    /// Sends a signal to the run that is next, or first asks for it.
    pub fn signal(&self, name: &str, payload: Value) {
        self.signal_after(Duration::ZERO, name, payload);
    }

    /// Sends a signal once `span` of simulated time has passed from now on.
    pub fn signal_after(&self, span: Duration, name: &str, payload: Value) {
        let mut state = self.state.borrow_mut();
        let at = state.now + span;
        state.signals.push(Signal { at, name: name.to_owned(), payload: payload.to_string() });
    }

    /// Runs a workflow with `input`, through the same reading of the input as in WebAssembly.
    ///
    /// # Errors
    /// `input.invalid`, and what the workflow returns.
    pub fn run<I, O>(&self, workflow: impl FnOnce(I) -> Result<O>, input: Value) -> Result<O>
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        self.state.borrow_mut().begin_run();
        let _installed = Installed::new(&self.state);
        workflow(input::parse(&input.to_string())?)
    }

    /// The calls of the last run, in order: `ftp.rename in/a done/a`. Names are those of the interface; a
    /// batch shows its transfers as `ftp.download` and `ftp.upload`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state.borrow().calls.clone()
    }

    /// How many calls of `kind` the last run made.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        let of_kind = |call: &&String| call.split(' ').next() == Some(kind);
        self.state.borrow().calls.iter().filter(of_kind).count()
    }

    /// The log lines of the last run: `info the message name=value`.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.state.borrow().log.clone()
    }

    /// A status value that the last run set.
    #[must_use]
    pub fn status(&self, key: &str) -> Option<String> {
        self.state.borrow().statuses.get(key).cloned()
    }

    /// What the last run saved under `key`.
    #[must_use]
    pub fn checkpoint(&self, key: &str) -> Option<Value> {
        self.state.borrow().checkpoints.get(key).and_then(|bytes| serde_json::from_slice(bytes).ok())
    }

    /// What the workflow remembers under `key`, from any run so far.
    #[must_use]
    pub fn remembered(&self, key: &str) -> Option<Value> {
        let state = self.state.borrow();
        state.memory.values.get(key).and_then(|(_, bytes)| serde_json::from_slice(bytes).ok())
    }

    /// The simulated time: it begins at 2026-01-01T00:00:00Z, and passes by waits and calls only.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state.borrow().now
    }
}

/// The content of a granted site or folder. Paths are relative to its root, without a leading slash.
pub struct MockTree {
    state: Rc<RefCell<State>>,
    side: Side,
    name: String,
}

impl MockTree {
    /// Puts a file there, with the folders above it; its time is an hour before the host began.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        self.write_at(path, content, Timestamp(START.0 - 3_599_000));
    }

    /// Puts a file of this modification time there, with the folders above it.
    pub fn write_at(&self, path: &str, content: impl AsRef<[u8]>, modified: Timestamp) {
        let bytes = content.as_ref().to_vec();
        self.with(|tree| tree.put(path, Node::File { bytes, modified }));
    }

    /// Puts a file there once `span` of simulated time has passed from now on, as somebody else would.
    pub fn write_after(&self, span: Duration, path: &str, content: impl AsRef<[u8]>) {
        let mut state = self.state.borrow_mut();
        let (at, bytes) = (state.now + span, content.as_ref().to_vec());
        let (name, path) = (self.name.clone(), path.to_owned());
        state.arrivals.push(Arrival { at, side: self.side, name, path, bytes });
    }

    /// Puts a folder there, with those above it.
    pub fn make_dir(&self, path: &str) {
        self.with(|tree| tree.put(path, Node::Dir));
    }

    /// Puts a symbolic link there.
    pub fn link(&self, path: &str) {
        self.with(|tree| tree.put(path, Node::Link));
    }

    /// Adds a line that every listing gives as unparsed.
    pub fn garble(&self, line: &str) {
        self.with(|tree| tree.unparsed.push(line.to_owned()));
    }

    /// The content of a file; `None` when there is none.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.with(|tree| tree.file(path).ok().map(|(bytes, _)| bytes.to_vec()))
    }

    /// The modification time of a file.
    #[must_use]
    pub fn modified(&self, path: &str) -> Option<Timestamp> {
        self.with(|tree| tree.file(path).ok().map(|(_, modified)| modified))
    }

    /// All files and folders, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.with(|tree| tree.paths())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tree) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let tree = state.trees(self.side).get_mut(&self.name);
        act(tree.unwrap_or_else(|| panic!("the mock host grants no `{}`", self.name)))
    }
}
