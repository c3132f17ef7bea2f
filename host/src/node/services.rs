//! What a process that is left running does besides answering: services, begun in order, and ended in
//! the opposite one.
//!
//! A service is started once the state is held, so that it may use all of the node; it is stopped before
//! runs are interrupted, so that nothing new begins meanwhile.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::model::{Fault, FaultCode};

/// How long a service may take to end before the next one is told. The whole process has 25 s, and its
/// runs need most of that.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Something that a process does as long as it is left running.
#[async_trait]
pub trait Service: Send + 'static {
    /// Its name in logs.
    fn name(&self) -> &'static str;

    /// Works until `stop` turns true, and then ends in good order within a few seconds. It may end by
    /// itself when it has nothing more to do.
    ///
    /// # Errors
    /// Why it can't go on: the process ends then.
    async fn run(self: Box<Self>, stop: watch::Receiver<bool>) -> Result<(), Fault>;
}

/// The services of a process.
#[derive(Debug)]
pub struct Services {
    running: Vec<Running>,
    report: mpsc::UnboundedSender<Fault>,
    reports: mpsc::UnboundedReceiver<Fault>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Services {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let (report, reports) = mpsc::unbounded_channel();
        Self { running: Vec::new(), report, reports }
    }

    /// Starts one more.
    pub fn start(&mut self, service: Box<dyn Service>) {
        let name = service.name();
        let (stop, stopped) = watch::channel(false);
        let report = self.report.clone();
        let task = tokio::spawn(async move {
            // A task of its own, so that a panic is told as well.
            let failed = match tokio::spawn(service.run(stopped)).await {
                Ok(Ok(())) => return,
                Ok(Err(fault)) => fault.while_doing(format_args!("run the service `{name}`")),
                Err(error) => Fault::new(FaultCode::HostBug, format!("the service `{name}` ended: {error}")),
            };
            // Nobody listens once the process is ending.
            let _ = report.send(failed);
        });
        self.running.push(Running { name, stop, task });
    }

    /// Waits until one of them can't go on, and says why.
    pub async fn failed(&mut self) -> Fault {
        match self.reports.recv().await {
            Some(fault) => fault,
            // This value holds a sender itself, so the channel is never closed.
            None => std::future::pending().await,
        }
    }

    /// Stops them, the last one first. Each has a few seconds; one that takes longer is dropped.
    pub async fn stop(self) {
        for Running { name, stop, mut task } in self.running.into_iter().rev() {
            stop.send_replace(true);
            if tokio::time::timeout(END_WITHIN, &mut task).await.is_err() {
                tracing::warn!(service = name, "the service doesn't end, and is left");
                task.abort();
            }
        }
    }
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Writes down when it is stopped.
    struct Noted {
        name: &'static str,
        ended: Arc<Mutex<Vec<&'static str>>>,
        fails: bool,
    }

    #[async_trait]
    impl Service for Noted {
        fn name(&self) -> &'static str {
            self.name
        }

        async fn run(self: Box<Self>, mut stop: watch::Receiver<bool>) -> Result<(), Fault> {
            if self.fails {
                return Err(Fault::new(FaultCode::FileIo, "no such port"));
            }
            let _ = stop.wait_for(|now| *now).await;
            self.ended.lock().unwrap().push(self.name);
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_last_one_ends_first() {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let mut services = Services::new();
        for name in ["a", "b", "c"] {
            services.start(Box::new(Noted { name, ended: ended.clone(), fails: false }));
        }
        services.stop().await;
        assert_eq!(*ended.lock().unwrap(), ["c", "b", "a"]);
    }

    #[tokio::test]
    async fn one_that_fails_is_named() {
        let ended = Arc::default();
        let mut services = Services::new();
        services.start(Box::new(Noted { name: "http", ended, fails: true }));
        let fault = services.failed().await;
        assert!(fault.message.contains("http") && fault.message.contains("no such port"), "{fault}");
    }
}
