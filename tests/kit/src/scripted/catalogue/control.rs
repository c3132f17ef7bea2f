//! The control connection, login and TLS: F01–F09, F15–F22, F53–F57.

use std::time::Duration;

use super::{Quirk, TOO_LONG, Task, always, every, first, once, pull, push, rule};
use crate::scripted::plan::{Act, GREETING, Rule, Twist};
use crate::scripted::tls::{Doubt, TlsPlan};

const TIMES_OUT: &[&str] = &["ftp.timeout"];
const REFUSED_TLS: &[&str] = &["ftp.tls", "ftp.protocol"];
const DISTRUSTED: &[&str] = &["ftp.certificate"];
const RESUME: &str = "522 SSL connection failed: session reuse required";
const UNABLE: &str = "425 Unable to build data connection: Operation not permitted";

pub(super) const ALL: &[Quirk] = &[
    pull("F01", |plan| rule(plan, Rule::once(GREETING, [Act::Wait(TOO_LONG)]))).waits(1),
    pull("F01 always", |plan| rule(plan, Rule::on(GREETING, [Act::Wait(TOO_LONG)])))
        .fails(TIMES_OUT)
        .waits(4),
    pull("F02", |plan| {
        let wait = Duration::from_millis(200);
        rule(plan, Rule::on(GREETING, [Act::reply("120 in a moment"), Act::Wait(wait), Act::Obey]));
    }),
    pull("F02 full", |plan| {
        rule(plan, Rule::on(GREETING, [Act::reply("421 Too many connections"), Act::HangUp]).times(2));
    }),
    pull("F03 greeting", |plan| {
        rule(plan, Rule::once(GREETING, [Act::SayForEver(b"220-and so on\r\n".repeat(100))]));
    }),
    pull("F03 reply", |plan| {
        rule(plan, Rule::once("PASS", [Act::SayForEver(b"2".repeat(1000))]));
    }),
    pull("F04", |plan| {
        rule(plan, Rule::on(GREETING, [Act::SaySlowly(b"220-good\n220 day\n".to_vec())]));
        rule(plan, Rule::on("PASS", [Act::ObeyMutely, Act::SaySlowly(b"230 in\n".to_vec())]));
        rule(plan, Rule::on("TYPE", [Act::ObeyMutely, Act::SaySlowly(b"200 so be it\n".to_vec())]));
    }),
    pull("F05", |plan| {
        let greeting = "230-welcome\r\n100 files\r\n 230 not yet\r\n250 neither\r\n230 in";
        rule(plan, Rule::on("PASS", [Act::ObeyMutely, Act::reply(greeting)]));
    }),
    pull("F06", |plan| rule(plan, Rule::once("MLST", [Act::Obey, Act::reply("250 by the way")]))),
    pull("F07", |plan| rule(plan, Rule::once("MLST", [Act::reply("421 Timeout."), Act::HangUp]))),
    pull("F08", |plan| first(plan, "RETR", [Twist::HangUpAt(100_000)])),
    push("F08 push", |plan| first(plan, "STOR", [Twist::HangUpAt(100_000)])),
    pull("F09", |plan| first(plan, "RETR", [Twist::HangUpAt(300_000)])),
    push("F09 push", |plan| first(plan, "STOR", [Twist::HangUpAt(300_000)])),
    // The session is refused whichever way it is asked for, until TLS 1.2.
    pull("F15", |plan| {
        plan.tls =
            Some(TlsPlan { tickets: (0, 0), resumption: Some(RESUME.to_owned()), ..TlsPlan::default() });
    })
    .tls(),
    push("F15 push", |plan| {
        plan.tls =
            Some(TlsPlan { tickets: (0, 0), resumption: Some(UNABLE.to_owned()), ..TlsPlan::default() });
    })
    .tls(),
    // Each control connection has tickets of its own: those of another resume nothing.
    pull("F16", |plan| {
        plan.tls = Some(TlsPlan { resumption: Some(UNABLE.to_owned()), ..TlsPlan::default() });
    })
    .tls()
    .task(Task::PullMany),
    push("F17", |plan| {
        plan.tls =
            Some(TlsPlan { tickets: (2, 0), resumption: Some(UNABLE.to_owned()), ..TlsPlan::default() });
    })
    .tls()
    .task(Task::PushMany),
    push("F18", |plan| every(plan, "STOR", [Twist::Final("426 Failure reading network stream.".to_owned())]))
        .tls(),
    pull("F19", |plan| {
        rule(plan, Rule::once("MLST", [Act::SayBelowTls(b"500 OOPS: child died\r\n".to_vec()), Act::HangUp]));
    })
    .tls(),
    pull("F20", |plan| always(plan, "AUTH", "502 no TLS")).tls().fails(REFUSED_TLS),
    pull("F20 pipelined", |plan| {
        rule(
            plan,
            Rule::on("AUTH", [Act::Say(b"234 begin\r\n331 and the password?\r\n".to_vec()), Act::ObeyMutely]),
        );
    })
    .tls()
    .fails(REFUSED_TLS),
    pull("F21", |plan| always(plan, GREETING, "230 you are in already")).tls().fails(REFUSED_TLS),
    pull("F22 expired", |plan| doubt(plan, Doubt::Expired)).tls().fails(DISTRUSTED),
    pull("F22 name", |plan| doubt(plan, Doubt::OtherName)).tls().fails(DISTRUSTED),
    pull("F22 issuer", |plan| doubt(plan, Doubt::OtherIssuer)).tls().fails(DISTRUSTED),
    pull("F22 client", |plan| plan.tls = Some(TlsPlan { wants_client: true, ..TlsPlan::default() }))
        .tls()
        .fails(DISTRUSTED),
    pull("F53", |plan| {
        plan.quirks.sessions_max = Some((1, "421 Too many connections (1) from this address.".to_owned()));
    })
    .task(Task::PullMany),
    pull("F53 login", |plan| {
        rule(plan, Rule::on("PASS", [Act::reply("530 Too many users, try again later.")]).times(2));
    }),
    pull("F54 garbage", |plan| {
        plan.quirks.feat =
            Some("211-\r\n MLST\r\n\u{1}\u{2} \r\n REST\r\n SIZE MAYBE\r\n;;;\r\n211 end".to_owned());
    }),
    pull("F54 lies", |plan| {
        plan.quirks.feat =
            Some("211-all\r\n MLST type*;size*;modify*;\r\n MFMT\r\n HASH SHA-256*;MD5\r\n XCRC\r\n REST STREAM\r\n211 end".to_owned());
        plan.quirks.mlst = false;
        always(plan, "MFMT", "500 what?");
    }),
    pull("F54 none", |plan| always(plan, "FEAT", "500 what?")),
    pull("F55", |plan| {
        always(plan, "OPTS", "501 no");
        always(plan, "CLNT", "500 what?");
        always(plan, "SYST", "502 no");
    }),
    pull("F55 account", |plan| always(plan, "PASS", "332 Need account for login.")).fails(&["ftp.login"]),
    push("F56", |plan| {
        rule(plan, Rule::on("TYPE", [Act::ObeyMutely, Act::reply("226 type")]));
        rule(plan, Rule::on("CWD", [Act::ObeyMutely, Act::reply("200 there")]));
        rule(plan, Rule::on("MKD", [Act::ObeyMutely, Act::reply("250 made")]));
        rule(plan, Rule::on("DELE", [Act::ObeyMutely, Act::reply("200 gone")]));
    }),
    pull("F57", |_| ()).task(Task::PullByName),
    pull("F42 login", |plan| once(plan, "PASS", "530 Login temporarily unavailable")),
];

fn doubt(plan: &mut crate::scripted::Plan, doubt: Doubt) {
    plan.tls = Some(TlsPlan { doubt, ..TlsPlan::default() });
}
