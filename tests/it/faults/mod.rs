//! Servers that go wrong: each behaviour of the catalogue alone, and many at random together.
//!
//! The client is the transfer layer, which knows neither workflows nor the journal. Whatever a server
//! does, it ends as the catalogue says, in time and within bounds, and nothing is left of it that
//! nobody asked for.

mod cut;

mod judge;

use std::time::Duration;

use orchestrator_host::model::{SiteLimits, TlsMode};
use testkit::chance::Chance;
use testkit::scripted::{Plan, Scripted, USER};

use crate::client::{Client, Place};
use testkit::scripted::catalogue::{self, Quirk, Security, Task};

/// For a connection, a greeting, a reply, and the next byte of data.
const DEADLINE: Duration = Duration::from_secs(1);
/// For a final reply.
const FINAL_DEADLINE: Duration = Duration::from_secs(3);

/// A client of a scripted server with deadlines that a test can wait for.
fn client_of(server: &Scripted, tls: bool, attempts: u32) -> Client {
    let authority = server.authority().unwrap_or_default().as_bytes().to_vec();
    let mode = if tls { TlsMode::Explicit } else { TlsMode::None };
    let place = Place { address: server.address(), user: USER, root: "", tls: mode, authority };
    Client::new(&place).with_site(|site| {
        site.limits = SiteLimits {
            reply: DEADLINE,
            connect: DEADLINE,
            greeting: DEADLINE,
            idle: DEADLINE,
            final_reply: FINAL_DEADLINE,
            settle: Duration::from_millis(50),
            ..SiteLimits::default()
        };
        site.retry.max_attempts = Some(attempts);
    })
}

/// Everything with a number in this range, one after another.
fn all_of(numbers: std::ops::RangeInclusive<u32>) {
    let mut wrong = Vec::new();
    for quirk in catalogue::all().into_iter().filter(|quirk| numbers.contains(&number(quirk))) {
        if let Err(why) = judge::judge(quirk.name, quirk.plan(), &[quirk]) {
            wrong.push(format!("{}: {why}", quirk.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn number(quirk: &Quirk) -> u32 {
    quirk.name[1..3].parse().unwrap()
}

#[test]
fn every_number_is_played() {
    let numbers: Vec<u32> = catalogue::all().iter().map(number).collect();
    let missing: Vec<_> = (1..=60).filter(|number| !numbers.contains(number)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn replies_that_are_late_odd_or_never_come() {
    all_of(1..=9);
}

#[test]
fn data_that_ends_early_and_tls_that_has_doubts() {
    all_of(10..=22);
}

#[test]
fn data_connections_that_are_hard_to_get() {
    all_of(23..=30);
}

#[test]
fn restarts_and_sizes_that_mean_something_else() {
    all_of(31..=37);
}

#[test]
fn files_that_change_and_disks_that_are_full() {
    all_of(38..=42);
}

#[test]
fn listings_that_lie() {
    all_of(43..=48);
}

#[test]
fn stalls_lost_replies_and_features_that_are_not_there() {
    all_of(49..=60);
}

/// Two or three at a time that a client gets over, of one task, by seed.
fn at_random(purpose: &str, rounds: usize) {
    let mut chance = Chance::new(purpose);
    let all: Vec<Quirk> = catalogue::all().into_iter().filter(Quirk::passes).collect();
    for round in 0..rounds {
        let task = if chance.below(2) == 0 { Task::Pull } else { Task::Push };
        let fitting: Vec<&Quirk> = all.iter().filter(|quirk| quirk.task == task).collect();
        let mut chosen: Vec<Quirk> = Vec::new();
        let wanted = 2 + usize::try_from(chance.below(2)).unwrap();
        while chosen.len() < wanted {
            let quirk = fitting[usize::try_from(chance.below(fitting.len() as u64)).unwrap()];
            if chosen.iter().all(|other| number(other) != number(quirk)) {
                chosen.push(*quirk);
            }
        }
        // A plan for TLS that one of them brings must not be replaced by that of another.
        chosen.sort_by_key(|quirk| quirk.security == Security::Plain);
        let mut plan = Plan::default();
        chosen.iter().for_each(|quirk| quirk.add_to(&mut plan));
        let names: Vec<_> = chosen.iter().map(|quirk| quirk.name).collect();
        if let Err(why) = judge::judge(&names.join(" + "), plan, &chosen) {
            panic!("round {round}, {names:?}: {why}");
        }
    }
}

#[test]
fn many_at_once_first_fifty() {
    at_random("faults first fifty", 50);
}

#[test]
fn many_at_once_second_fifty() {
    at_random("faults second fifty", 50);
}

#[test]
fn many_at_once_third_fifty() {
    at_random("faults third fifty", 50);
}

#[test]
fn many_at_once_last_fifty() {
    at_random("faults last fifty", 50);
}
