//! The servers of one site: whose turn it is, who is down, and what was left behind on them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::balance::{Balancer, Candidate};
use super::health::{Health, Standing};
use super::want::Want;
use crate::clock::Clock;
use crate::model::{Balance, Endpoint, Fault, FaultCode, RemotePath, Servers, Site};

/// Most parts of one server that are remembered while it is down.
const LEFT_MAX: usize = 1000;

/// How soon to come back while somebody else tries the only server that may be tried.
const TRIAL_UNDER_WAY: Duration = Duration::from_secs(1);

/// The servers of one site.
pub(super) struct Fleet {
    site: String,
    balance: Balance,
    endpoints: Vec<Endpoint>,
    names: Vec<Arc<str>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    balancer: Balancer,
    health: Vec<Health>,
    /// Parts that couldn't be removed, by server.
    left: Vec<Vec<RemotePath>>,
    /// The state of a splitmix64 generator.
    dice: u64,
}

/// One of the servers.
#[derive(Clone)]
pub(in crate::transfer) struct Member {
    fleet: Arc<Fleet>,
    index: usize,
}

/// A server that is about to be asked. Dropped without a word, it gives up what may be its trial.
pub(super) struct Turn {
    member: Member,
    trial: bool,
    ended: bool,
}

/// How busy a server is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Sessions that are out, and those who wait for one.
    pub(super) count: usize,
    /// The next one would have to wait.
    pub(super) full: bool,
}

/// Whether a fault tells that the server is gone, rather than what it thinks of a command.
pub(super) fn tells_of_loss(fault: &Fault) -> bool {
    use FaultCode as C;
    let codes = [C::FtpUnreachable, C::FtpUnknownHost, C::FtpTimeout, C::FtpConnectionLost, C::FtpProtocol];
    fault.reply.is_none() && codes.contains(&fault.code)
}

impl Fleet {
    pub(super) fn new(name: &str, servers: &Servers, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let count = servers.endpoints.len();
        Self {
            site: name.to_owned(),
            balance: servers.balance,
            endpoints: servers.endpoints.clone(),
            names: servers.endpoints.iter().map(|endpoint| endpoint.to_string().into()).collect(),
            clock,
            state: Mutex::new(State {
                balancer: Balancer::new(servers.balance, &servers.endpoints),
                health: vec![Health::default(); count],
                left: vec![Vec::new(); count],
                dice: seed,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn member(self: &Arc<Self>, index: usize) -> Member {
        Member { fleet: self.clone(), index }
    }

    /// The server of this name.
    pub(super) fn named(self: &Arc<Self>, name: &str) -> Option<Member> {
        let index = self.names.iter().position(|known| **known == *name)?;
        Some(self.member(index))
    }

    /// The server to ask next, of those that weren't `tried`; `loads` has one entry for each server.
    ///
    /// # Errors
    /// `ftp.unreachable` when all are down, with the time after which one may be asked;
    /// `config.invalid` when the one that it has to be is no server of the site any more.
    pub(super) fn choose(
        self: &Arc<Self>,
        want: &Want<'_>,
        tried: &[usize],
        loads: &[Load],
    ) -> Result<Turn, Fault> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let wanted = want.server.map(|name| (name, self.names.iter().position(|known| **known == *name)));
        let index = match wanted {
            Some((name, None)) if want.only => return Err(self.no_such(name)),
            Some((_, Some(index))) if !tried.contains(&index) && state.health[index].may_be_asked(now) => {
                Some(index)
            }
            Some((_, Some(index))) if want.only => return Err(self.down(&state, now, &[index])),
            _ => {
                let candidate = |index: usize| Candidate {
                    eligible: !tried.contains(&index) && state.health[index].may_be_asked(now),
                    load: loads.get(index).map_or(0, |load| load.count),
                };
                let mut candidates: Vec<_> = (0..self.names.len()).map(candidate).collect();
                let full = |index: usize| loads.get(index).is_some_and(|load| load.full);
                let free = |(index, candidate): (usize, &Candidate)| candidate.eligible && !full(index);
                // A path keeps its server also when it has to wait there.
                if self.balance != Balance::ConsistentHash && candidates.iter().enumerate().any(free) {
                    for (index, candidate) in candidates.iter_mut().enumerate() {
                        candidate.eligible &= !full(index);
                    }
                }
                state.balancer.pick(want.path.map_or("", RemotePath::as_str), &candidates)
            }
        };
        match index {
            Some(index) => {
                let trial = state.health[index].ask(now);
                Ok(Turn { member: self.member(index), trial, ended: false })
            }
            None => Err(self.down(&state, now, &(0..self.names.len()).collect::<Vec<_>>())),
        }
    }

    fn no_such(&self, name: &str) -> Fault {
        let why = format!("site {} has no server {name} any more, and what is to be done there", self.site);
        Fault::new(FaultCode::ConfigInvalid, format!("{why} can't be done elsewhere"))
            .with_hint(format!("put it back into `endpoints` of [site.{}]", self.site))
    }

    /// Nobody may ask any of these servers now.
    fn down(&self, state: &State, now: Duration, which: &[usize]) -> Fault {
        let wait = which.iter().map(|index| state.health[*index].left_alone(now)).min();
        let wait = wait.filter(|wait| !wait.is_zero()).unwrap_or(TRIAL_UNDER_WAY);
        let names: Vec<&str> = which.iter().map(|index| &*self.names[*index]).collect();
        let why = format!("site {}: no answer lately from {}", self.site, names.join(", "));
        let mut fault = Fault::new(FaultCode::FtpUnreachable, why)
            .with_hint(format!("`orchestrator site test {}` tries each server", self.site));
        fault.retry_after_ms = u64::try_from(wait.as_millis()).ok();
        fault
    }
}

impl State {
    fn roll(&mut self) -> u32 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)
    }

    fn failed(&mut self, index: usize, now: Duration, trial: bool) {
        let roll = self.roll();
        self.health[index].failed(now, trial, roll);
        self.balancer.failed(index);
    }
}

impl Member {
    /// `host:port`.
    pub(in crate::transfer) fn name(&self) -> &Arc<str> {
        &self.fleet.names[self.index]
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// The site as if this were its only server.
    pub(super) fn site(&self, site: &Site) -> Site {
        site.at(&self.fleet.endpoints[self.index])
    }

    /// It answered.
    pub(super) fn answered(&self) {
        self.fleet.state().health[self.index].answered();
    }

    /// A session of it was lost in the middle of something, if the fault tells of that.
    pub(in crate::transfer) fn lost(&self, fault: &Fault) {
        if tells_of_loss(fault) {
            self.fleet.state().failed(self.index, self.fleet.clock.monotonic(), false);
        }
    }

    /// It didn't answer when it was asked how it is.
    pub(super) fn missed(&self) {
        self.fleet.state().failed(self.index, self.fleet.clock.monotonic(), false);
    }

    /// Remembers a part that couldn't be removed from it; false when there are too many.
    pub(in crate::transfer) fn leave(&self, part: RemotePath) -> bool {
        let left = &mut self.fleet.state().left[self.index];
        let room = left.len() < LEFT_MAX;
        if room && !left.contains(&part) {
            left.push(part);
        }
        room
    }

    /// What was left on it; forgotten from now on.
    pub(super) fn take_left(&self) -> Vec<RemotePath> {
        std::mem::take(&mut self.fleet.state().left[self.index])
    }

    /// How many parts are left on it.
    pub(super) fn left(&self) -> usize {
        self.fleet.state().left[self.index].len()
    }

    /// How it stands, and its share now in percent of what it should be.
    pub(super) fn standing(&self) -> (Standing, u32) {
        let state = self.fleet.state();
        (state.health[self.index].standing(), state.balancer.percent(self.index))
    }
}

impl Turn {
    pub(super) fn member(&self) -> &Member {
        &self.member
    }

    /// It answered.
    pub(super) fn answered(mut self) {
        self.ended = true;
        self.member.answered();
    }

    /// It didn't.
    pub(super) fn failed(mut self) {
        self.ended = true;
        let fleet = &self.member.fleet;
        fleet.state().failed(self.member.index, fleet.clock.monotonic(), self.trial);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.trial && !self.ended {
            let fleet = &self.member.fleet;
            fleet.state().health[self.member.index].given_up(fleet.clock.monotonic());
        }
    }
}
