//! Data connections and what passes over them: F10–F14, F23–F35, F38–F41, F49–F51, F58, F59.

use std::time::Duration;

use super::{FILE_BYTES, Quirk, TOO_LONG, Task, always, every, first, once, pull, push, rule};
use crate::scripted::plan::{Act, Ending, Plan, RestOfRetr, RestOfStor, Rule, Twist};

const CUT: Twist = Twist::EndAfter(200_000, Ending::Reset);
const CHANGED: &[&str] = &["ftp.remote-changed"];
const FULL: &[&str] = &["ftp.no-space"];

pub(super) const ALL: &[Quirk] = &[
    pull("F10", |plan| {
        every(plan, "RETR", [Twist::FinalFirst, Twist::Trickle(50_000, Duration::from_millis(20))]);
    }),
    pull("F11", |plan| first(plan, "RETR", [Twist::EndAfter(100_000, Ending::Clean)])),
    pull("F12", |plan| first(plan, "RETR", [Twist::EndAfter(100_000, Ending::Clean)])).tls(),
    pull("F13", |plan| every(plan, "RETR", [Twist::End(Ending::NoGoodbye)])).tls(),
    pull("F14", |plan| first(plan, "RETR", [Twist::EndAfter(100_000, Ending::NoGoodbye)])).tls(),
    pull("F23", |plan| {
        always(plan, "EPSV", "502 no");
        plan.quirks.pasv_address = Some([127, 0, 0, 2]);
    }),
    pull("F24 brackets", |plan| {
        always(plan, "EPSV", "502 no");
        plan.quirks.pasv_form = b"227 Entering Passive Mode {}".to_vec();
    }),
    pull("F24 GBK", |plan| {
        always(plan, "EPSV", "502 no");
        plan.quirks.pasv_form = b"227 \xbd\xf8\xc8\xeb\xb1\xbb\xb6\xaf\xc4\xa3\xca\xbd ={}.".to_vec();
    }),
    pull("F24 nonsense", |plan| {
        always(plan, "EPSV", "502 no");
        once(plan, "PASV", "227 passive (127,0,0,1,999,1)");
        once(plan, "PASV", "227 passive (127,0,0,1,0,0)");
    }),
    pull("F25", |plan| always(plan, "EPSV", "502 no")),
    // A port that is never given out.
    pull("F25 filtered", |plan| always(plan, "EPSV", "229 extended (|||1023|)")),
    pull("F26 reset", |plan| first(plan, "RETR", [Twist::EndAfter(0, Ending::Reset)])),
    pull("F26 mute", |plan| first(plan, "RETR", [Twist::StallAfter(0, TOO_LONG)])).waits(1),
    pull("F27", |plan| every(plan, "RETR", [Twist::Stranger(vec![b'!'; FILE_BYTES])])).task(Task::PullActive),
    pull("F28", |plan| {
        let twist = Twist::FinalAfter(Duration::from_millis(1500));
        let wait = Act::Wait(Duration::from_millis(400));
        rule(plan, Rule::on("RETR", [wait, Act::Transfer(vec![twist])]));
    }),
    pull("F29", |plan| every(plan, "RETR", [Twist::Opening("125 open already".to_owned())])),
    pull("F29 empty", |plan| always(plan, "RETR", "226 nothing to send")).task(Task::PullEmpty),
    pull("F30", |plan| every(plan, "RETR", [Twist::Final("250 done".to_owned())])),
    pull("F30 text", |plan| every(plan, "RETR", [Twist::Final("150 Connecting to port".to_owned())])),
    push("F30 push", |plan| every(plan, "STOR", [Twist::Final("250 done".to_owned())])),
    pull("F31", |plan| {
        plan.quirks.rest_retr = RestOfRetr::Ignored;
        first(plan, "RETR", [CUT]);
    }),
    pull("F32 502", |plan| refuse_rest(plan, "502 no REST")),
    pull("F32 501", |plan| refuse_rest(plan, "501 no number")),
    pull("F32 554", |plan| refuse_rest(plan, "554 no restart")),
    push("F32 push", |plan| {
        plan.quirks.rest_retr = RestOfRetr::Refused("502 no REST".to_owned());
        first(plan, "STOR", [CUT]);
    }),
    pull("F33", |plan| {
        plan.quirks.rest_retr = RestOfRetr::ForgottenByPasv;
        first(plan, "RETR", [CUT]);
    }),
    push("F34 tail", |plan| cut_push(plan, RestOfStor::KeepsTail)),
    push("F34 truncates", |plan| cut_push(plan, RestOfStor::Truncates)),
    push("F34 hole", |plan| cut_push(plan, RestOfStor::LeavesHole)),
    push("F34 ignored", |plan| cut_push(plan, RestOfStor::Ignored)),
    push("F34 refused", |plan| cut_push(plan, RestOfStor::Refused)),
    push("F35", |plan| {
        plan.quirks.rest_leaks_into_append = true;
        first(plan, "STOR", [CUT]);
    }),
    pull("F38 replaced", |plan| {
        let other = super::noise(FILE_BYTES, 38);
        first(plan, "RETR", [Twist::ReplaceAfter(100_000, other)]);
    }),
    pull("F38 grown", |plan| first(plan, "RETR", [Twist::GrowAfter(100_000, vec![b'g'; 1000])]))
        .fails(CHANGED),
    push("F39", |plan| {
        let late = Twist::WriteLater(Duration::from_millis(10));
        first(plan, "STOR", [Twist::HangUpAt(100_000), late]);
    }),
    push("F39 again", |plan| {
        let late = Twist::WriteLater(Duration::from_millis(10));
        rule(plan, Rule::on("STOR", [Act::Transfer(vec![Twist::HangUpAt(50_000), late, CUT])]).times(2));
    }),
    push("F40", |plan| first(plan, "STOR", [Twist::Refuse("425 Can't open data connection.".to_owned())])),
    push("F40 always", |plan| every(plan, "STOR", [Twist::Refuse("552 Quota exceeded.".to_owned())]))
        .fails(FULL),
    push("F41 552", |plan| every(plan, "STOR", [Twist::FullAfter(100_000, "552 Disk full.".to_owned())]))
        .fails(FULL),
    push("F41 452", |plan| {
        every(plan, "STOR", [Twist::FullAfter(100_000, "452 Insufficient storage space.".to_owned())]);
    })
    .fails(FULL),
    push("F41 451", |plan| {
        every(plan, "STOR", [Twist::FullAfter(100_000, "451 Failure writing to local file.".to_owned())]);
    })
    .fails(FULL),
    pull("F42 550", |plan| once(plan, "RETR", "550 The process cannot access the file: it is being used")),
    pull("F42 450", |plan| {
        once(plan, "RETR", "450 /in/a.bin: file busy");
    }),
    pull("F49", |plan| every(plan, "RETR", [Twist::Trickle(1000, Duration::from_millis(5))]))
        .task(Task::PullCancelled)
        .fails(&["run.cancelled"]),
    pull("F50 stall", |plan| first(plan, "RETR", [Twist::StallAfter(100_000, TOO_LONG)])).waits(1),
    push("F50 push", |plan| first(plan, "STOR", [Twist::StallAfter(50_000, TOO_LONG)])).waits(2),
    pull("F51", |plan| every(plan, "RETR", [Twist::Extra(1000)])).fails(CHANGED),
    pull("F58", |plan| {
        plan.quirks.hash = true;
        first(plan, "RETR", [Twist::Flip(150_000)]);
    }),
    pull("F58 always", |plan| {
        plan.quirks.hash = true;
        every(plan, "RETR", [Twist::Flip(150_000)]);
    })
    .fails(&["verify.digest"]),
    pull("F59 gone", |plan| {
        let gone = Act::Remove("/in/a.bin".to_owned());
        rule(plan, Rule::once("RETR", [Act::Transfer(vec![CUT]), gone]));
    })
    .fails(&["ftp.not-found"]),
    pull("F59 shorter", |plan| {
        let shorter = Act::Replace("/in/a.bin".to_owned(), vec![b's'; 100_000]);
        rule(plan, Rule::once("RETR", [Act::Transfer(vec![CUT]), shorter]));
    }),
];

fn refuse_rest(plan: &mut Plan, reply: &str) {
    plan.quirks.rest_retr = RestOfRetr::Refused(reply.to_owned());
    first(plan, "RETR", [CUT]);
}

fn cut_push(plan: &mut Plan, rest: RestOfStor) {
    plan.quirks.rest_stor = rest;
    first(plan, "STOR", [CUT]);
}
