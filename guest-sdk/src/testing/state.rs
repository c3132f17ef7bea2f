//! What the mock host knows, and how the workflow's calls find it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::memory::Memory;
use super::signals::Signal;
use super::tree::{Node, Side, Tree};
use crate::clock::Timestamp;
use crate::retry::RetryPolicy;
use crate::{Error, ErrorClass, Result};

/// When every mock begins: 2026-01-01T00:00:00Z.
pub(super) const START: Timestamp = Timestamp(1_767_225_600_000);

pub(super) struct State {
    pub(super) sites: BTreeMap<String, Tree>,
    pub(super) folders: BTreeMap<String, Tree>,
    pub(super) policies: BTreeMap<String, RetryPolicy>,
    pub(super) now: Timestamp,
    pub(super) random: u64,
    pub(super) calls: Vec<String>,
    pub(super) log: Vec<String>,
    pub(super) statuses: BTreeMap<String, String>,
    pub(super) checkpoints: BTreeMap<String, Vec<u8>>,
    pub(super) memory: Memory,
    /// Kind, path (empty for any) and error of calls that are to fail, each once.
    pub(super) failures: Vec<(String, String, Error)>,
    /// After how many calls the run is cancelled.
    pub(super) cancel_after: Option<usize>,
    pub(super) cancelled: bool,
    /// How many waits with a timeout find no outcome.
    pub(super) stalls: usize,
    /// Signals that have come and weren't received, and those that come later.
    pub(super) signals: Vec<Signal>,
    /// Files that come later, from outside the workflow.
    pub(super) arrivals: Vec<Arrival>,
}

/// A file that somebody puts on a site or in a folder at a certain time.
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) side: Side,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            sites: BTreeMap::new(),
            folders: BTreeMap::new(),
            policies: BTreeMap::new(),
            now: START,
            random: 0,
            calls: Vec::new(),
            log: Vec::new(),
            statuses: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            memory: Memory::default(),
            failures: Vec::new(),
            cancel_after: None,
            cancelled: false,
            stalls: 0,
            signals: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// Lets time pass: files arrive that are due by then.
    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        let now = self.now;
        let (mut due, later): (Vec<_>, Vec<_>) = self.arrivals.drain(..).partition(|file| file.at <= now);
        self.arrivals = later;
        due.sort_by_key(|file| file.at);
        for file in due {
            let tree = self.trees(file.side).get_mut(&file.name);
            if let Some(tree) = tree {
                tree.put(&file.path, Node::File { bytes: file.bytes, modified: file.at });
            }
        }
    }

    /// The sites, or the folders.
    pub(super) fn trees(&mut self, side: Side) -> &mut BTreeMap<String, Tree> {
        match side {
            Side::Site => &mut self.sites,
            Side::Folder => &mut self.folders,
        }
    }

    /// Makes it ready for the next run: what belongs to a run is forgotten.
    pub(super) fn begin_run(&mut self) {
        self.calls.clear();
        self.log.clear();
        self.statuses.clear();
        self.checkpoints.clear();
        self.cancelled = false;
    }

    /// Notes a call, lets a millisecond pass, and gives the failure that was scripted for it.
    pub(super) fn step(&mut self, kind: &str, paths: &[&str]) -> Result<()> {
        self.pass(Duration::from_millis(1));
        let words: Vec<_> = [kind].into_iter().chain(paths.iter().copied()).collect();
        self.calls.push(words.join(" "));
        if self.cancel_after.is_some_and(|count| self.calls.len() > count) {
            self.cancel_after = None;
            self.cancelled = true;
            return Err(Error::new("run.cancelled", "the run is cancelled").with_class(ErrorClass::Cancelled));
        }
        let first = paths.first().copied().unwrap_or("");
        let scripted = self
            .failures
            .iter()
            .position(|(of_kind, at, _)| of_kind == kind && (at.is_empty() || at.as_str() == first));
        match scripted {
            Some(index) => Err(self.failures.remove(index).2),
            None => Ok(()),
        }
    }

    /// Lets `timeout` pass in vain, if a stall was scripted.
    pub(super) fn stall(&mut self, timeout: Duration) -> bool {
        let stalled = self.stalls > 0;
        if stalled {
            self.stalls -= 1;
            self.pass(timeout);
        }
        stalled
    }

    pub(super) fn site(&mut self, name: &str) -> Result<&mut Tree> {
        self.sites.get_mut(name).ok_or_else(|| {
            Error::new("grant.refused", format!("the run wasn't given the site `{name}`"))
                .with_hint(format!("orchestrator run --site {name} ..."))
        })
    }

    /// The tree that a local path is in, and the path inside it.
    pub(super) fn folder<'a>(&mut self, local: &'a str) -> Result<(&mut Tree, &'a str)> {
        if local.is_empty() || local.starts_with('/') {
            return Err(Side::Folder.error(
                "bad-name",
                format!("the local path `{local}` doesn't begin with the name of a granted folder"),
            ));
        }
        let local = plain(local, Side::Folder)?;
        let (name, inside) = local.split_once('/').unwrap_or((local, ""));
        let tree = self.folders.get_mut(name).ok_or_else(|| {
            Error::new("grant.refused", format!("the run wasn't given the folder `{name}`"))
                .with_hint(format!("orchestrator run --dir {name}=PATH ..."))
        })?;
        Ok((tree, inside))
    }
}

/// The path without slashes at its ends.
pub(super) fn plain(path: &str, side: Side) -> Result<&str> {
    if path.split('/').any(|part| part == "..") || path.chars().any(char::is_control) {
        return Err(side.error("bad-name", format!("the path {path:?} has a `..` or a control character")));
    }
    Ok(path.trim_matches('/'))
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// Lets calls of this thread reach `state` until the guard is dropped.
pub(super) struct Installed(Option<Rc<RefCell<State>>>);

impl Installed {
    pub(super) fn new(state: &Rc<RefCell<State>>) -> Self {
        Self(CURRENT.replace(Some(Rc::clone(state))))
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Calls `act` with the state of the host that is running the workflow on this thread.
///
/// # Panics
/// When there is none: the workflow was called directly, not by `MockHost::run`.
pub(super) fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
    let state = CURRENT.with_borrow(Clone::clone);
    let state = state.expect("a workflow's calls need a host: run it by `testing::MockHost::run`");
    act(&mut state.borrow_mut())
}
