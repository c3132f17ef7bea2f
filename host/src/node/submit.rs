//! Beginning a run without waiting for its end, once for each key.
//!
//! A key is written down with the id that its run will have before the run begins. So whoever asks again,
//! after an answer that was lost or after a crash in between, gets the run of that id: begun already, or
//! begun now.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::node::{bug, of_engine, of_journal, read_component};
use super::{Error, Node, Reply};
use crate::engine::{self, RunSpec};
use crate::journal;
use crate::model::{Fault, FaultCode, Grants, RunId, Timestamp};

/// Keys of the store that begin so are those of submissions.
const PREFIX: &str = "submitted/";

/// How long a key is remembered: longer than anybody repeats a request whose answer was lost.
const KEPT_MS: u64 = 7 * 24 * 3600 * 1000;

/// Keys that are looked at in one go when old ones are forgotten.
const SWEEP: usize = 1000;

/// What is written down of a key.
#[derive(Debug, Serialize, Deserialize)]
struct Submitted {
    /// The run that it stands for.
    run: RunId,
    /// What was asked for, as a digest: the same key for something else is a mistake.
    asked: String,
    /// When.
    at: Timestamp,
    /// Whether the run began. One that began and isn't there any more was purged, and isn't begun anew.
    begun: bool,
}

impl Node {
    /// Begins a run, or finds the one that the key stands for.
    pub(super) async fn submit(
        &self,
        workflow: &Path,
        input: Value,
        grants: Grants,
        rate_limit: Option<u64>,
        key: Option<String>,
    ) -> Result<Reply, Error> {
        let Some(key) = key else {
            let handle = self.begin(workflow, input, grants, rate_limit).await?;
            return Ok(Reply::Begun { run: handle.id().clone(), again: false });
        };
        let asked = digest(&(workflow, &input, &grants, rate_limit));
        let name = format!("{PREFIX}{}", digest(&key));
        let (submitted, version) = self.reserve(&name, &asked).await?;
        let run = submitted.run.clone();
        let there = self.store.head(&run).await.map_err(of_journal)?.is_some();
        if submitted.begun || there {
            return Ok(Reply::Begun { run, again: true });
        }
        let component = read_component(workflow, self.component_bytes_max).await?;
        let name_of_workflow = workflow.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let spec =
            RunSpec { run: Some(run.clone()), component, name: name_of_workflow, input, grants, rate_limit };
        match self.engine.submit(spec).await {
            Ok(_) => {
                let begun = Submitted { begun: true, ..submitted };
                // If it can't be written now, the run itself tells that it began.
                let _ = self.store.put_if(&name, Some(version), Some(encode(&begun)?)).await;
                Ok(Reply::Begun { run, again: false })
            }
            // The same request came twice at once, and the other one was first.
            Err(engine::Error::State(journal::Error::Exists { .. })) => Ok(Reply::Begun { run, again: true }),
            Err(error) => {
                // Nothing began, so that the key may be used for what is asked for next.
                let _ = self.store.put_if(&name, Some(version), None).await;
                Err(of_engine(error, Some(workflow)))
            }
        }
    }

    /// What the key stands for, and the version of its record.
    async fn reserve(&self, name: &str, asked: &str) -> Result<(Submitted, u64), Error> {
        loop {
            if let Some(found) = self.store.value(name).await.map_err(of_journal)? {
                let submitted: Submitted = serde_json::from_slice(&found.value)
                    .map_err(|error| bug(format!("read what a key stands for: {error}")))?;
                if submitted.asked != asked {
                    let why = format!("the key was used before, for something else: run {}", submitted.run);
                    return Err(Fault::new(FaultCode::Other("http.key-reused".to_owned()), why)
                        .with_hint("take a new `Idempotency-Key` for each run that is wanted")
                        .into());
                }
                return Ok((submitted, found.version));
            }
            self.forget_old().await?;
            let run = self.engine.new_run_id().map_err(|error| of_engine(error, None))?;
            let submitted = Submitted { run, asked: asked.to_owned(), at: self.clock.now(), begun: false };
            if self.store.put_if(name, None, Some(encode(&submitted)?)).await.map_err(of_journal)? {
                return Ok((submitted, 1));
            }
            // Somebody was faster: what they wrote counts.
        }
    }

    /// Forgets keys that nobody will use again.
    async fn forget_old(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let page = self.store.values(Some(PREFIX), SWEEP).await.map_err(of_journal)?;
        for (name, found) in page.into_iter().take_while(|(name, _)| name.starts_with(PREFIX)) {
            let submitted = serde_json::from_slice::<Submitted>(&found.value);
            if submitted.is_ok_and(|submitted| now.0.saturating_sub(submitted.at.0) > KEPT_MS) {
                self.store.put_if(&name, Some(found.version), None).await.map_err(of_journal)?;
            }
        }
        Ok(())
    }
}

fn encode(submitted: &Submitted) -> Result<bytes::Bytes, Error> {
    let encoded = serde_json::to_vec(submitted);
    encoded.map(Into::into).map_err(|error| bug(format!("write down a key: {error}")))
}

fn digest(what: &impl Serialize) -> String {
    let text = serde_json::to_vec(what).unwrap_or_default();
    blake3::hash(&text).to_hex()[..32].to_owned()
}
