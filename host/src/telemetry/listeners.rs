//! Several listeners as one.

use std::sync::Arc;

use crate::model::{Listener, RunEvent, RunId};

/// Several listeners; each hears everything, in this order.
#[derive(Clone, Debug, Default)]
pub struct Listeners(pub Vec<Arc<dyn Listener>>);

impl Listener for Listeners {
    fn hear(&self, run: &RunId, workflow: &str, event: &RunEvent) {
        for listener in &self.0 {
            listener.hear(run, workflow, event);
        }
    }
}
