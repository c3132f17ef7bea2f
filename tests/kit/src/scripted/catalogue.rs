//! The behaviours of servers that we know, by number; each as a plan, with what a client must make of it.
//!
//! Some have variants: `F01 always` is what comes of it when it never ends. Names that no number has
//! yet get the next one.

mod control;
mod files;
mod transfers;

use std::time::Duration;

use super::plan::{Act, Plan, Rule, Twist};
use crate::chance::Chance;

/// What the client is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Fetch `/in/a.bin`.
    Pull,
    /// The same with the server opening the data connection.
    PullActive,
    /// The same at a host name that has several addresses.
    PullByName,
    /// Fetch three files at a time.
    PullMany,
    /// Fetch `/in/none`, which isn't there.
    PullMissing,
    /// Fetch `/in/empty`.
    PullEmpty,
    /// Fetch `/in/a.bin`, and cancel it in the middle.
    PullCancelled,
    /// Send a file to `/out/a.bin`, where another is.
    Push,
    /// Send six files, one after another.
    PushMany,
    /// List `/in`.
    List,
    /// List `/in` and all below it.
    ListDeep,
    /// List `/none`, which isn't there.
    ListMissing,
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The file stands at its target, whole, as it is at the source in the end.
    Done,
    /// The call fails with one of these codes; the target is as it was, and nothing else is left.
    Fails(&'static [&'static str]),
    /// The listing has these names, and so many lines that are told of as not understood.
    Lists(&'static [&'static str], usize),
}

/// Security of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// None.
    Plain,
    /// AUTH TLS, certificates checked.
    Tls,
}

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Quirk {
    /// `F01`, with a variant behind a blank.
    pub name: &'static str,
    /// What the client is asked to do.
    pub task: Task,
    /// What must come of it.
    pub end: End,
    /// Whether the site has TLS.
    pub security: Security,
    /// How often a deadline of the client's has to pass.
    pub deadlines: u32,
    strays: fn(&mut Plan),
}

/// The length of `/in/a.bin` and of what is sent.
pub const FILE_BYTES: usize = 300_000;

/// Longer than every deadline of a client under test.
const TOO_LONG: Duration = Duration::from_secs(6);

impl Quirk {
    /// Adds it to a plan.
    pub fn add_to(&self, plan: &mut Plan) {
        if self.security == Security::Tls && plan.tls.is_none() {
            plan.tls = Some(super::TlsPlan::default());
        }
        (self.strays)(plan);
    }

    /// The plan of a server that has this one alone.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        self.add_to(&mut plan);
        plan
    }

    /// Whether a client gets over it, so that it can be combined with others. Those that are found by
    /// one sign only aren't: others take it away. A flipped bit shows only where the server can hash,
    /// and a file of the same size only by its time.
    pub fn passes(&self) -> bool {
        let simple = matches!(self.task, Task::Pull | Task::Push) && self.deadlines <= 1;
        simple && self.end == End::Done && !["F58", "F38 replaced"].contains(&self.name)
    }
}

/// All of them.
pub fn all() -> Vec<Quirk> {
    [control::ALL, transfers::ALL, files::ALL].concat()
}

/// One that a client gets over in fetching a file.
const fn pull(name: &'static str, strays: fn(&mut Plan)) -> Quirk {
    Quirk { name, task: Task::Pull, end: End::Done, security: Security::Plain, deadlines: 0, strays }
}

/// One that a client gets over in sending a file.
const fn push(name: &'static str, strays: fn(&mut Plan)) -> Quirk {
    Quirk { task: Task::Push, ..pull(name, strays) }
}

/// One of a listing.
const fn list(name: &'static str, end: End, strays: fn(&mut Plan)) -> Quirk {
    Quirk { task: Task::List, end, ..pull(name, strays) }
}

impl Quirk {
    const fn fails(self, codes: &'static [&'static str]) -> Self {
        Self { end: End::Fails(codes), ..self }
    }

    const fn tls(self) -> Self {
        Self { security: Security::Tls, ..self }
    }

    const fn task(self, task: Task) -> Self {
        Self { task, ..self }
    }

    /// So many deadlines of the client's pass.
    const fn waits(self, deadlines: u32) -> Self {
        Self { deadlines, ..self }
    }
}

/// Bytes that repeat nowhere.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut data = vec![0; length];
    Chance::from_seed(seed).fill(&mut data);
    data
}

fn rule(plan: &mut Plan, rule: Rule) {
    plan.rules.push(rule);
}

/// This reply to the first command that begins so.
fn once(plan: &mut Plan, verb: &str, reply: &str) {
    rule(plan, Rule::once(verb, [Act::reply(reply)]));
}

/// This reply to all of them.
fn always(plan: &mut Plan, verb: &str, reply: &str) {
    rule(plan, Rule::on(verb, [Act::reply(reply)]));
}

/// The first transfer of a kind strays.
fn first(plan: &mut Plan, verb: &str, twists: impl Into<Vec<Twist>>) {
    rule(plan, Rule::once(verb, [Act::Transfer(twists.into())]));
}

/// Every transfer of a kind strays.
fn every(plan: &mut Plan, verb: &str, twists: impl Into<Vec<Twist>>) {
    rule(plan, Rule::on(verb, [Act::Transfer(twists.into())]));
}
