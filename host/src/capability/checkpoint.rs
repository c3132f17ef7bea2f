//! `orchestrator:workflow/checkpoint`: state that a run saves under names of its own.

use super::bindings::checkpoint::{Failure, Host};
use super::convert::failure;
use super::ctx::{Ctx, trap};
use crate::model::{Fault, FaultCode};

/// The most bytes of a value.
const VALUE_BYTES_MAX: usize = 65_536;

/// The most bytes of a key.
const KEY_BYTES_MAX: usize = 100;

/// The most keys of a run.
const KEYS_MAX: usize = 1_000;

impl Host for Ctx {
    async fn save(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Failure>> {
        if let Err(fault) = self.check(&key, &value) {
            self.call()?;
            return Ok(Err(failure(fault)));
        }
        self.stepping().await?;
        self.steps.save_checkpoint(&key, value.into()).await.map_err(trap)?;
        self.arrived();
        self.checkpoints.insert(key);
        Ok(Ok(()))
    }

    /// No step: what was saved so far follows from the journal.
    async fn load(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.call()?;
        let value = self.steps.checkpoint(&key).await.map_err(|error| trap(error.into()))?;
        Ok(value.map(Vec::from))
    }
}

impl Ctx {
    /// What can be refused without asking anybody is the same in every replay, so it is no step.
    fn check(&self, key: &str, value: &[u8]) -> Result<(), Fault> {
        let refuse = |why: String| Err(Fault::new(FaultCode::CallInvalid, why));
        if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) {
            return refuse(format!(
                "a checkpoint's key has 1 to {KEY_BYTES_MAX} bytes and no control characters"
            ));
        }
        if value.len() > VALUE_BYTES_MAX {
            return refuse(format!(
                "the checkpoint {key} has {} bytes; {VALUE_BYTES_MAX} are allowed",
                value.len()
            ));
        }
        if self.checkpoints.len() >= KEYS_MAX && !self.checkpoints.contains(key) {
            return refuse(format!("the run has {KEYS_MAX} checkpoints and saves another"));
        }
        Ok(())
    }
}
