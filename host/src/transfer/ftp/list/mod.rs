//! The lines of LIST, which no standard describes: one parser for each dialect, the first that
//! understands a line wins. A line that none understands is told, never left out.
//!
//! | file | dialect |
//! |---|---|
//! | read | which one it is; headings, and names on lines of their own |
//! | unix | `ls -l` and its likenesses: GNU, BSD, busybox, Netware, IIS in its Unix mode |
//! | dos | `DIR`, as IIS writes it |
//! | eplf | D. J. Bernstein's easily parsed format |
//! | vms | OpenVMS, with names on lines of their own |
//! | ibm | data sets and members of z/OS, AS/400 |
//! | when | dates, months in many languages, zones |

mod read;

mod dos;
mod eplf;
mod ibm;
mod unix;
mod vms;
mod when;

#[cfg(test)]
mod tests;

pub(super) use read::{Entry, Line, Lines};
pub(super) use when::{When, Zone};
