//! The sessions of one login: those that lie unused, how many are out, who waits for one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::Member;
use super::lease::Grant;
use super::queue::Queue;
use crate::model::{DataMode, NameEncoding, Proxy, SecretRef, Site, SiteLimits, TlsPolicy};
use crate::transfer::remote::Remote;

/// How long a cap that the server taught us holds before one more session is tried.
pub(super) const CAP_RECOVERY: Duration = Duration::from_secs(60);

/// What sessions must have in common to stand in for one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: String,
    port: u16,
    user: String,
    password: Option<SecretRef>,
    root: String,
    tls: TlsPolicy,
    mode: DataMode,
    encoding: NameEncoding,
    list_time_zone: Option<String>,
    proxy: Option<Proxy>,
    /// Sessions of a site with several servers don't tell what only their own server knows.
    one_of_several: bool,
}

impl Key {
    /// The key of a site's own host and port.
    pub(super) fn of(site: &Site, one_of_several: bool) -> Self {
        Self {
            host: site.host.clone(),
            port: site.port,
            user: site.user.clone(),
            password: site.password.clone(),
            root: site.root.clone(),
            tls: site.tls.clone(),
            mode: site.mode,
            encoding: site.encoding,
            list_time_zone: site.list_time_zone.clone(),
            proxy: site.proxy.clone(),
            one_of_several,
        }
    }
}

/// A session that lies unused.
pub(super) struct Idle {
    pub(super) session: Box<dyn Remote>,
    /// When it logged in.
    pub(super) born: Duration,
    /// When it was last of use.
    pub(super) since: Duration,
    /// When it last answered.
    pub(super) checked: Duration,
}

/// What was counted since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) logins: u64,
    pub(super) reuses: u64,
    pub(super) failures: u64,
}

/// The sessions of one login.
pub(super) struct Shelf {
    pub(super) limits: SiteLimits,
    /// Whose sessions they are, of a site with several servers.
    pub(super) member: Option<Member>,
    /// The one that was used last is at the end.
    pub(super) idle: Vec<Idle>,
    /// Sessions that are leased, being made, or being asked.
    pub(super) out: usize,
    /// The most sessions at once, as the server taught us, and when it did.
    pub(super) cap: Option<(usize, Duration)>,
    pub(super) queue: Queue<oneshot::Sender<Grant>>,
    pub(super) counts: Counts,
    /// Rung when the cap was lowered: those who wait have to look when it rises again.
    pub(super) lowered: Arc<Notify>,
}

impl Shelf {
    pub(super) fn new(limits: SiteLimits) -> Self {
        Self {
            limits,
            member: None,
            idle: Vec::new(),
            out: 0,
            cap: None,
            queue: Queue::default(),
            counts: Counts::default(),
            lowered: Arc::default(),
        }
    }

    /// The most sessions now; a cap that was learned rises by one with each [`CAP_RECOVERY`].
    pub(super) fn most(&mut self, now: Duration) -> usize {
        let most = usize::from(self.limits.sessions_max.max(1));
        if let Some((learned, at)) = self.cap
            && now.saturating_sub(at) >= CAP_RECOVERY
        {
            self.cap = (learned + 1 < most).then_some((learned + 1, now));
            self.lowered.notify_waiters();
        }
        most.min(self.cap.map_or(most, |(learned, _)| learned))
    }

    /// The server takes no more sessions than we have now. False when we have none at all, so that
    /// waiting for one of ours to become free would be waiting for ever.
    pub(super) fn lower_cap(&mut self, now: Duration) -> bool {
        let ours = self.out + self.idle.len();
        self.cap = Some((ours.max(1), now));
        self.lowered.notify_waiters();
        ours > 0
    }

    /// Whether a session may still be used at this time.
    fn keeps(limits: &SiteLimits, idle: &Idle, now: Duration) -> bool {
        now.saturating_sub(idle.since) <= limits.session_idle && is_young(limits, idle.born, now)
    }

    /// Takes out what lay unused for too long, and what is too old.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Idle> {
        let limits = &self.limits;
        self.idle.extract_if(.., |idle| !Self::keeps(limits, idle, now)).collect()
    }

    /// Takes a session back. Gives it, or the one that has lain longest, where there are too many.
    pub(super) fn put(&mut self, idle: Idle, now: Duration) -> Option<Idle> {
        let most = self.limits.idle_max.map_or(usize::MAX, usize::from);
        if !is_young(&self.limits, idle.born, now) {
            return Some(idle);
        }
        // One that was only asked how it is goes back to where it was.
        let at = self.idle.partition_point(|other| other.since <= idle.since);
        self.idle.insert(at, idle);
        // Whoever waits takes one at once, so that it doesn't count as unused.
        (self.idle.len() > most && self.queue.is_empty()).then(|| self.idle.remove(0))
    }

    /// Takes out those that are due to be asked how they are.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Idle> {
        let Some(every) = self.limits.heartbeat else { return Vec::new() };
        let due: Vec<_> =
            self.idle.extract_if(.., |idle| now.saturating_sub(idle.checked) >= every).collect();
        self.out += due.len();
        due
    }

    /// How long until the next one is due to be asked or put away; `None` with nothing to look after.
    pub(super) fn next_due(&self, now: Duration) -> Option<Duration> {
        let every = self.limits.heartbeat?;
        let due = |idle: &Idle| (idle.checked + every).min(idle.since + self.limits.session_idle);
        self.idle.iter().map(|idle| due(idle).saturating_sub(now)).min()
    }
}

fn is_young(limits: &SiteLimits, born: Duration, now: Duration) -> bool {
    limits.session_age.is_none_or(|age| now.saturating_sub(born) < age)
}
