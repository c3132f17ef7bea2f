//! A copy from its first attempt to its end: an upload from another site.

use super::source::SiteFile;
use crate::model::{Fault, FaultCode, Receipt};
use crate::transfer::transfers::{Errand, Transfers};
use crate::transfer::upload::Origin;

impl Transfers {
    /// Copies a file from one site to another, or to another place of the same one: to a part beside its
    /// target, verified as far as both servers allow, and renamed once. Goes on where an earlier process,
    /// or an earlier attempt, left off: at what the target's server has, once the source's content before
    /// that is proven by the chunks in the log. Needs two sessions at a time; waits for both without
    /// keeping one from others. How failures are repeated, the target's site says.
    ///
    /// # Errors
    /// Those of [`Transfers::upload`], with `ftp.remote-changed` and `ftp.truncated` for the source; each
    /// message of a server's failure begins with the site that it happened at. `call.invalid` for a file
    /// onto itself, and within a site that may have one session only.
    pub async fn copy(&self, job: Errand<'_>, from: SiteFile) -> Result<Receipt, Fault> {
        let within = from.site.name == job.site.name;
        if within && from.path == job.remote {
            return Err(Fault::new(FaultCode::CallInvalid, format!("{from} would be copied onto itself")));
        }
        if within && job.site.limits.sessions_max < 2 {
            let name = &job.site.name;
            let why = format!("a copy within site {name} needs two sessions, and it may have one");
            let hint = format!("raise `sessions` of [site.{name}]");
            return Err(Fault::new(FaultCode::CallInvalid, why).with_hint(hint));
        }
        self.send(job, Origin::Site(from)).await
    }
}
