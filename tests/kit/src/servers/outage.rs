//! What comes over a server: it is stalled, killed, stopped, and started again.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::Server;

impl Server {
    /// Freezes the server and all its sessions: connections stand, and nobody answers.
    ///
    /// # Errors
    /// When the signal can't be sent.
    pub fn stall(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a stalled server go on where it was.
    ///
    /// # Errors
    /// When the signal can't be sent.
    pub fn unstall(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends the server and all its sessions at once; what they had open is closed by the kernel.
    ///
    /// # Errors
    /// When the signal can't be sent.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().context("wait for the server")?;
        Ok(())
    }

    /// Asks the server and its sessions to end, and sees to it that they do.
    ///
    /// # Errors
    /// When a signal can't be sent.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        std::thread::sleep(std::time::Duration::from_millis(100));
        self.kill()
    }

    /// Starts the server again after [`Server::kill`] or [`Server::stop`]: the same address, the same
    /// files. It lives no longer than the thread that calls this.
    ///
    /// # Errors
    /// When it doesn't come up in fifteen seconds.
    pub fn restart(&mut self) -> Result<()> {
        self.launch_again()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let group = Pid::from_raw(self.child.id() as i32).context("the server has no process")?;
        // Some sessions leave the group of the process that made them.
        let sessions = descendants(self.child.id());
        kill_process_group(group, signal).with_context(|| format!("send {signal:?}"))?;
        for session in sessions {
            if let Some(pid) = Pid::from_raw(session as i32) {
                // It may have ended in this moment.
                let _ = kill_process(pid, signal);
            }
        }
        Ok(())
    }
}

/// All processes that `of` has made, and those that they have.
fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in brackets may hold blanks; after it come the state and the parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent: u32| (pid, parent)));
    }
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}
