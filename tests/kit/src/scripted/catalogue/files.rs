//! What the server says of its files: F36, F37, F42–F48, F52, F60.

use super::{End, Quirk, Task, always, every, list, once, pull, push, rule};
use crate::scripted::plan::{Act, Plan, Rule, Size, Time, Twist};

const MISSING: &[&str] = &["ftp.not-found"];

pub(super) const ALL: &[Quirk] = &[
    pull("F36 binary", |plan| without_facts(plan, |plan| plan.quirks.size = Size::OnlyInBinary)),
    pull("F36 missing", |plan| without_facts(plan, |plan| plan.quirks.size = Size::Missing)),
    pull("F36 refused", |plan| without_facts(plan, |plan| plan.quirks.size = Size::Refused)),
    pull("F36 wraps", |plan| without_facts(plan, |plan| plan.quirks.size = Size::Wraps)),
    push("F36 push", |plan| without_facts(plan, |plan| plan.quirks.size = Size::OnlyInBinary)),
    pull("F37 local", |plan| plan.quirks.time = Time::Local(2)),
    pull("F37 fractions", |plan| without_facts(plan, |plan| plan.quirks.time = Time::Fractions)),
    pull("F37 year", |plan| without_facts(plan, |plan| plan.quirks.time = Time::Year19)),
    pull("F37 missing", |plan| without_facts(plan, |plan| plan.quirks.time = Time::Missing)),
    pull("F42 missing", |plan| {
        plan.quirks.mlst = false;
        always(plan, "SIZE", "450 /in/none: No such file or directory");
        always(plan, "MDTM", "450 /in/none: No such file or directory");
    })
    .task(Task::PullMissing)
    .fails(MISSING),
    list("F43", End::Fails(MISSING), |plan| plan.quirks.mlst = false).task(Task::ListMissing),
    list("F43 facts", End::Fails(MISSING), |_| ()).task(Task::ListMissing),
    list("F43 cut", End::Fails(&["ftp.connection-lost", "ftp.truncated", "ftp.busy"]), |plan| {
        every(plan, "MLSD", [Twist::EndAfter(20, crate::scripted::Ending::Reset)]);
    }),
    list("F44", End::Lists(&["a;b = c.txt", "no facts", "odd.bin", "slink"], 1), |plan| {
        lines(
            plan,
            &[
                b"Type=CDIR;Modify=20260101000000; .",
                b"TYPE=pdir; ..",
                b" no facts",
                b"type=file;size=-1;modify=yesterday; odd.bin",
                b"type=OS.unix=slink:/x;size=3; slink",
                b"Type=File;Size=7;Modify=20260101000000.123; a;b = c.txt",
                b"type=file;size=1;without-a-name",
            ],
        );
    }),
    list("F45", End::Lists(&["a file", "dir", "dos.txt", "plus"], 1), |plan| {
        plan.quirks.mlst = false;
        lines(
            plan,
            &[
                b"total 12",
                b"-rw-r--r--   1 an owner  a group     12 Jan  5  2024 a file",
                b"drwxr-xr-x+  2 ftp      ftp       4096 Feb 29  2024 dir",
                b"-rw-r--r--.  1 1000     1000         0 Dec 31 23:59 plus",
                b"01-05-2024  03:04PM                 17 dos.txt",
                b"who knows",
            ],
        );
    }),
    list("F46", End::Lists(&["good"], 6), |plan| {
        lines(
            plan,
            &[
                b"type=file;size=1; ../x",
                b"type=file;size=1; /etc/passwd",
                b"type=file;size=1; a\\..\\b\0c",
                b"type=file;size=1; tab\tand\x1b[31m",
                b"type=file;size=1; \xff\xfe",
                b"type=dir;size=1; a/b",
                b"type=file;size=1; good",
            ],
        );
    }),
    list("F47 line", End::Fails(&["ftp.protocol"]), |plan| {
        plan.quirks.endless_listing = Some(b"type=file;size=1; x".to_vec());
    }),
    list("F47 lines", End::Fails(&["ftp.protocol", "file.too-large"]), |plan| {
        plan.quirks.endless_listing = Some(b"type=file;size=1; x\r\n".to_vec());
    }),
    list("F48", End::Fails(&["ftp.protocol", "file.too-large"]), |plan| {
        lines(plan, &[b"type=dir;size=0; loop"]);
    })
    .task(Task::ListDeep),
    push("F52 lost", |plan| rule(plan, Rule::once("RNTO", [Act::ObeyMutely, Act::HangUp]))),
    push("F52 not done", |plan| rule(plan, Rule::once("RNTO", [Act::HangUp]))),
    push("F52 exists", |plan| plan.quirks.rename_refuses = true),
    pull("F60", |plan| {
        plan.quirks.mlst = false;
        plan.quirks.time_zone_hours = -5;
    }),
    push("F42 busy", |plan| once(plan, "RNTO", "450 busy")),
];

/// Without MLST and MLSD, so that SIZE, MDTM and LIST are asked.
fn without_facts(plan: &mut Plan, and: fn(&mut Plan)) {
    plan.quirks.mlst = false;
    and(plan);
}

fn lines(plan: &mut Plan, lines: &[&[u8]]) {
    plan.quirks.listing = Some(lines.iter().flat_map(|line| [line, &b"\r\n"[..]].concat()).collect());
}
