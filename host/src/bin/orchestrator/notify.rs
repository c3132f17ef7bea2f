//! Telling the service manager how this process stands: `sd_notify(3)`, one datagram a message.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use orchestrator_host::config::{Environment, environment};

/// A way to the service manager; without one, nothing is told.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The way that the environment names.
    pub(crate) fn new(environment: &Environment) -> Self {
        let address = environment.path(environment::NOTIFY_SOCKET).and_then(|path| address(&path));
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let ours = environment
            .text(environment::WATCHDOG_PID)
            .is_none_or(|pid| pid == std::process::id().to_string());
        let every = environment.text(environment::WATCHDOG_USEC).and_then(|usec| usec.parse().ok());
        let watchdog = every.filter(|usec| ours && *usec > 0).map(|usec| Duration::from_micros(usec) / 2);
        Self { socket, watchdog }
    }

    /// The process does what it is there for.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The process is ending in good order.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=ending in good order");
    }

    /// The process is still at work.
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// When [`Notify::alive`] is to be said: twice as often as the manager asks for.
    pub(crate) fn ticks(&self) -> Option<tokio::time::Interval> {
        self.watchdog.map(tokio::time::interval)
    }

    fn say(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that has gone can't be told.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

/// A path, or with `@` in front a name outside of the file system.
fn address(path: &Path) -> Option<SocketAddr> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        _ => SocketAddr::from_pathname(path).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_the_manager() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let variables = [("NOTIFY_SOCKET".into(), path.into()), ("WATCHDOG_USEC".into(), "3000000".into())];
        let notify = Notify::new(&Environment::new(variables));
        assert_eq!(notify.watchdog, Some(Duration::from_millis(1500)));
        notify.ready("here");
        let mut buffer = [0; 100];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=here");
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        let notify = Notify::new(&Environment::default());
        notify.alive();
        assert!(notify.watchdog.is_none() && notify.socket.is_none());
    }
}
