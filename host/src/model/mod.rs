//! The words of the domain as types: plain data that every other module shares. No I/O, no clock.
//!
//! Ids and quantities are newtypes, since an offset that was really a length is how a resume
//! damages a file. What is stored or sent has its own types elsewhere; these may change freely.

mod access;
mod digest;
mod event;
mod fault;
mod file;
mod id;
mod path;
mod proxy;
mod quantity;
mod rate;
mod retry;
mod run;
mod select;
mod servers;
mod site;
mod transfer;

pub use access::{Role, Token};
pub use digest::{Digest, HashAlgorithm};
pub use event::{Direction, Listener, LogLevel, RunEvent, TransferId};
pub use fault::{Fault, FaultClass, FaultCode};
pub use file::{FileInfo, FileKind};
pub use id::{ItemId, RunId, StepSeq, WorkflowDigest};
pub use path::{LocalPath, RemotePath};
pub use proxy::{Proxy, ProxyKind};
pub use quantity::{ByteCount, Offset, Timestamp};
pub use rate::{RateLimit, RateWindow, Timetable};
pub use retry::{Exhausted, Jitter, RetryPolicy};
pub use run::{FolderGrant, Grants, PauseReason, RunOutcome, RunStatus};
pub use select::Select;
pub use servers::{Balance, Endpoint, Servers};
pub use site::{DataMode, NameEncoding, SecretRef, Site, SiteLimits, TlsMode, TlsPolicy, TlsVerify};
pub use transfer::{Commit, IfExists, IfSourceGrows, Proof, Receipt, TransferOptions};
