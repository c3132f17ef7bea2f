//! Crash points: named places at which a test can end the process as SIGKILL would.
//!
//! Every place where a crash leaves another state behind calls [`point`]. One run counts them (and
//! can write their names down); later runs are killed at the 1st, the 2nd … of them. They are
//! compiled into debug builds and, with the feature `crash-points`, into any other; elsewhere
//! [`point`] is nothing.

/// What the crash points of this process do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The process is killed when it passes this point, counted from 1.
    pub kill_at: Option<u64>,
    /// The name of each point that is passed is appended to this file.
    pub trace: Option<std::path::PathBuf>,
}

#[cfg(any(debug_assertions, feature = "crash-points"))]
mod armed {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PLAN: OnceLock<(super::Plan, Option<std::fs::File>)> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// Sets what the points of this process do; the first call counts.
    pub fn arm(plan: super::Plan) {
        let trace = plan
            .trace
            .as_ref()
            .and_then(|path| std::fs::File::options().create(true).append(true).open(path).ok());
        let _ = PLAN.set((plan, trace));
    }

    /// A crash here leaves another state behind than a crash before.
    pub fn point(name: &'static str) {
        let Some((plan, trace)) = PLAN.get() else {
            return;
        };
        let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(mut trace) = trace.as_ref() {
            let _ = writeln!(trace, "{name}");
        }
        if plan.kill_at == Some(passed) {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // SIGKILL takes effect on the way out of the system call; no other thread may go on meanwhile.
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(not(any(debug_assertions, feature = "crash-points")))]
mod armed {
    /// Crash points aren't part of this build.
    pub fn arm(_: super::Plan) {}

    /// Nothing in this build.
    #[inline(always)]
    pub fn point(_: &'static str) {}
}

pub use armed::{arm, point};
