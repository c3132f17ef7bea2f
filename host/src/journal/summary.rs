//! What listings show of a run, kept beside its journal so that `list` reads no journals.

use serde::{Deserialize, Serialize};

use super::entry::Ending;
use super::error::Error;
use super::state::RunState;
use super::store::BlobId;
use crate::model::{FaultCode, PauseReason, RunStatus, StepSeq, Timestamp};

/// The format of summaries, in their first byte.
///
/// Changelog
/// - 1: the first.
const SUMMARY_FORMAT: u8 = 1;

/// Longest message of a fault that a summary keeps, in bytes: a listing shows one line.
const MESSAGE_BYTES_MAX: usize = 512;

/// How often at most a summary is written only because steps have passed, in milliseconds: it is as
/// long as a small entry, so writing it with each step would halve the steps per second.
pub(crate) const REFRESH_MS: u64 = 2_000;

/// A run in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The workflow's name, for people.
    pub workflow: String,
    /// Its component.
    pub component: BlobId,
    /// When the run began.
    pub began_at: Timestamp,
    /// When this summary was written: a while after the last step at most.
    pub updated_at: Timestamp,
    /// How the run stands.
    pub status: RunStatus,
    /// The last step that had ended by then.
    pub last_step: StepSeq,
    /// Why it is paused, while it is.
    pub why: Option<PauseReason>,
    /// What made it fail or pause: code and message, cut to a line.
    pub fault: Option<(FaultCode, String)>,
}

#[derive(Serialize, Deserialize)]
struct Shape<'a> {
    workflow: &'a str,
    component: [u8; 32],
    began_at: u64,
    updated_at: u64,
    status: u8,
    last_step: u64,
    why: Option<u8>,
    fault: Option<(&'a str, &'a str)>,
}

impl Summary {
    /// The summary of a run that stands so.
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let fault = match (&state.pause, &state.ending) {
            (Some((_, fault)), _) | (None, Some(Ending::Failed { fault })) => Some(fault),
            (None, Some(Ending::Done { .. } | Ending::Cancelled) | None) => None,
        };
        Self {
            workflow: state.created.workflow.clone(),
            component: state.created.component,
            began_at: state.created.began_at,
            updated_at: state.last_at,
            status: state.status,
            last_step: state.last_step,
            why: state.pause.as_ref().map(|(why, _)| *why),
            fault: fault.map(|fault| {
                let end = fault.message.floor_char_boundary(MESSAGE_BYTES_MAX);
                (fault.code.clone(), fault.message[..end].to_owned())
            }),
        }
    }

    /// Encodes it.
    pub(crate) fn encode(&self) -> Result<bytes::Bytes, Error> {
        let shape = Shape {
            workflow: &self.workflow,
            component: self.component.0,
            began_at: self.began_at.0,
            updated_at: self.updated_at.0,
            status: status_to_disk(self.status),
            last_step: self.last_step.0,
            why: self.why.map(super::disk::why_to_disk),
            fault: self.fault.as_ref().map(|(code, message)| (code.as_str(), message.as_str())),
        };
        postcard::to_extend(&shape, vec![SUMMARY_FORMAT])
            .map(bytes::Bytes::from)
            .map_err(|error| Error::bug(format!("a summary can't be encoded: {error}")))
    }

    /// Decodes what [`super::RunHead::summary`] holds.
    ///
    /// # Errors
    /// [`Error::Version`] for a later format, [`Error::Damaged`] for bytes that are no summary.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (&format, rest) =
            bytes.split_first().ok_or_else(|| Error::damaged("a run's summary is empty"))?;
        if format != SUMMARY_FORMAT {
            return Err(Error::Version {
                what: "a run's summary",
                found: u32::from(format),
                supported: u32::from(SUMMARY_FORMAT),
            });
        }
        let shape: Shape<'_> = postcard::from_bytes(rest)
            .map_err(|error| Error::damaged(format!("a run's summary can't be decoded: {error}")))?;
        Ok(Self {
            workflow: shape.workflow.to_owned(),
            component: BlobId(shape.component),
            began_at: Timestamp(shape.began_at),
            updated_at: Timestamp(shape.updated_at),
            status: status_from_disk(shape.status)?,
            last_step: StepSeq(shape.last_step),
            why: shape.why.map(super::disk::why_from_disk).transpose()?,
            fault: shape.fault.map(|(code, text)| (FaultCode::from(code.to_owned()), text.to_owned())),
        })
    }
}

fn status_to_disk(status: RunStatus) -> u8 {
    match status {
        RunStatus::Running => 0,
        RunStatus::Paused => 1,
        RunStatus::Cancelling => 2,
        RunStatus::Done => 3,
        RunStatus::Failed => 4,
        RunStatus::Cancelled => 5,
    }
}

fn status_from_disk(number: u8) -> Result<RunStatus, Error> {
    Ok(match number {
        0 => RunStatus::Running,
        1 => RunStatus::Paused,
        2 => RunStatus::Cancelling,
        3 => RunStatus::Done,
        4 => RunStatus::Failed,
        5 => RunStatus::Cancelled,
        other => return Err(Error::damaged(format!("a run's summary has the status {other}"))),
    })
}
