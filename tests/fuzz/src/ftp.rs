//! What reads the bytes of servers, and nothing that talks to them.

pub(crate) use checks::TARGETS;

#[path = "checks.rs"]
mod checks;

#[path = "../../../host/src/transfer/ftp/encoding.rs"]
mod encoding;
#[path = "../../../host/src/transfer/ftp/facts.rs"]
mod facts;
#[path = "../../../host/src/transfer/ftp/features.rs"]
mod features;
#[path = "../../../host/src/transfer/ftp/framing.rs"]
mod framing;
#[path = "../../../host/src/transfer/ftp/lines.rs"]
mod lines;
#[path = "../../../host/src/transfer/ftp/list/mod.rs"]
mod list;
#[path = "../../../host/src/transfer/ftp/names.rs"]
mod names;
#[path = "../../../host/src/transfer/ftp/replies.rs"]
mod replies;
#[path = "../../../host/src/transfer/ftp/time.rs"]
mod time;
