//! The network is cut: at every byte of a control connection, and at two hundred places in the data.
//!
//! Whatever is cut off, the file arrives whole and once, by the server's log of effects, and no part is
//! left on either side.

use std::sync::atomic::{AtomicU64, Ordering};

use testkit::chance::Chance;
use testkit::scripted::catalogue::noise;
use testkit::scripted::{Act, Effect, Ending, Plan, RestOfStor, Rule, Scripted, TlsPlan, Twist};

use super::client_of;

const FILE_BYTES: u64 = 100_000;
const OFFSETS: u64 = 200;
/// Where the STOR ends that an APPE goes on from.
const APPENDS_AT: u64 = 30_000;
/// Under TLS a handshake alone has thousands of bytes: of so many, one is tried, another each time.
/// [`STRIDE`] says otherwise.
const STRIDE_TLS: u64 = 17;
/// Of how many control bytes under TLS one is tried; 1 takes each, and half an hour.
const STRIDE: &str = "TESTKIT_STRIDE";
const THREADS: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Retr,
    Stor,
    Appe,
}

impl Verb {
    fn plan(self, tls: bool) -> Plan {
        let mut plan = Plan { tls: tls.then(TlsPlan::default), ..Plan::default() };
        if self == Self::Appe {
            plan.quirks.rest_stor = RestOfStor::Refused;
            let cut = vec![Twist::EndAfter(APPENDS_AT, Ending::Reset)];
            plan.rules.push(Rule::once("STOR", [Act::Transfer(cut)]));
        }
        plan
    }

    /// The session in which it is used first.
    fn session(self) -> u32 {
        if self == Self::Appe { 2 } else { 1 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Retr => "RETR",
            Self::Stor => "STOR",
            Self::Appe => "APPE",
        }
    }
}

/// Moves the file once. Gives how many sessions that took.
fn move_once(verb: Verb, tls: bool, plan: Plan, what: &str) -> usize {
    let server = Scripted::start(plan).unwrap();
    let client = client_of(&server, tls, 4);
    let data = noise(FILE_BYTES as usize, 7);
    server.files().put("/in/a.bin", &data);
    server.files().put("/out/old.bin", b"old");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let course = |why: String| -> ! {
        let all: Vec<_> = server.log().all().iter().map(|effect| format!("    {effect:?}")).collect();
        panic!("{verb:?}, TLS {tls}, {what}: {why}\n{}", all.join("\n"))
    };
    if verb == Verb::Retr {
        if let Err(fault) = runtime.block_on(client.pull("in/a.bin", "a.bin")) {
            course(fault.to_string());
        }
        if client.read("a.bin").as_ref() != Some(&data) || client.names() != ["a.bin"] {
            course(format!("the folder has {:?}", client.names()));
        }
    } else {
        client.write("a.bin", &data);
        if let Err(fault) = runtime.block_on(client.push("a.bin", "out/a.bin")) {
            course(fault.to_string());
        }
        if server.log().arrivals("/out/a.bin") != 1
            || server.files().get("/out/a.bin").as_ref() != Some(&data)
        {
            course(format!("it arrived {} times", server.log().arrivals("/out/a.bin")));
        }
        if server.files().names() != ["/in/a.bin", "/out/a.bin", "/out/old.bin"] {
            course(format!("the server has {:?}", server.files().names()));
        }
    }
    if tls && server.log().has_clear_password() {
        course("the password went in clear".to_owned());
    }
    server.log().count(|effect| matches!(effect, Effect::Connected(_)))
}

#[allow(clippy::print_stdout, reason = "how many cuts there were is asked of the output of a run")]
/// Cuts the control connection after each byte, or each of a stride under TLS, until it is over before
/// the cut.
fn at_every_control_byte(verb: Verb, tls: bool) {
    let asked = || std::env::var(STRIDE).ok().and_then(|stride| stride.parse().ok());
    let stride = if tls { asked().unwrap_or(STRIDE_TLS).max(1) } else { 1 };
    let first = Chance::new("where cuts begin").below(stride);
    let uncut = move_once(verb, tls, verb.plan(tls), "uncut");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let bytes = first + stride * next.fetch_add(1, Ordering::SeqCst);
                    let plan = Plan { cut_control: Some((verb.session(), bytes)), ..verb.plan(tls) };
                    if move_once(verb, tls, plan, &format!("cut after control byte {bytes}")) == uncut {
                        return;
                    }
                }
            });
        }
    });
    let cuts = next.load(Ordering::SeqCst);
    println!("{verb:?}, TLS {tls}: {cuts} cuts of the control connection");
    // A login alone is longer.
    assert!(cuts * stride > 150, "only {cuts} cuts");
}

fn at_many_offsets(verb: Verb, tls: bool) {
    let length = if verb == Verb::Appe { FILE_BYTES - APPENDS_AT } else { FILE_BYTES };
    for number in 0..OFFSETS {
        let offset = length * number / (OFFSETS - 1);
        let mut plan = verb.plan(tls);
        let cut = vec![Twist::HangUpAt(offset), Twist::EndAfter(offset, Ending::Reset)];
        plan.rules.push(Rule::once(verb.name(), [Act::Transfer(cut)]).after(0));
        move_once(verb, tls, plan, &format!("cut at {offset} of the data"));
    }
}

macro_rules! cuts {
    ($($control:ident $data:ident $verb:ident $tls:literal;)*) => {
        $(#[test]
        fn $control() {
            at_every_control_byte(Verb::$verb, $tls);
        }

        #[test]
        fn $data() {
            at_many_offsets(Verb::$verb, $tls);
        })*
    };
}

cuts! {
    retr_plain_at_every_control_byte retr_plain_at_many_offsets Retr false;
    retr_tls_at_control_bytes retr_tls_at_many_offsets Retr true;
    stor_plain_at_every_control_byte stor_plain_at_many_offsets Stor false;
    stor_tls_at_control_bytes stor_tls_at_many_offsets Stor true;
    appe_plain_at_every_control_byte appe_plain_at_many_offsets Appe false;
    appe_tls_at_control_bytes appe_tls_at_many_offsets Appe true;
}
