//! One delivery of a batch: recorded, or made and recorded.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::log::StepLog;
use super::once::{decode, encode};
use super::replay::seen_delivery;
use crate::crash;
use crate::journal::deliveries::{self, Row};
use crate::journal::effect::Delivery;
use crate::journal::error::Error;
use crate::journal::halt::Halt;
use crate::journal::store::Write;
use crate::journal::writer::{Along, blob_of};
use crate::model::StepSeq;

impl StepLog {
    /// Gives the recorded next delivery of a batch, or makes one: what `produce` gives is durable
    /// before this returns.
    ///
    /// # Errors
    /// As [`StepLog::once`].
    pub async fn deliver<T: Serialize + DeserializeOwned>(
        &mut self,
        batch: StepSeq,
        produce: impl AsyncFnOnce(&mut Delivery) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        self.check_rehearsal()?;
        if !self.is_live() {
            let row = self.recorded_delivery(batch).await?;
            self.now = self.now.max(row.at);
            let value = decode(&self.load(row.what).await?, "a delivery")?;
            self.settle().await?;
            return Ok(value);
        }
        if self.rehearsal.is_some() {
            return Err(Halt::Rehearsed);
        }
        let mut delivery = Delivery::default();
        let value = produce(&mut delivery).await?;
        let mut writer = self.writer.lock().await;
        let what = writer.keep(encode(&value, "a delivery")?).await?;
        let blobs = blob_of(&what).into_iter().collect();
        let row = Row { batch, after: self.step, at: writer.time(), what };
        let mut writes = delivery.forget;
        writes.push(Write::Put(deliveries::key(self.deliveries.taken()), row.encode()?));
        crash::point("journal.delivery.before");
        writer.commit(Vec::new(), Along { writes, blobs, progress: true, ..Along::default() }).await?;
        crash::point("journal.delivery.after");
        drop(writer);
        self.deliveries.wrote();
        self.now = self.now.max(row.at);
        Ok(value)
    }

    /// The row that a batch's next delivery has in the log.
    pub(super) async fn recorded_delivery(&mut self, batch: StepSeq) -> Result<Row, Halt> {
        let step = self.step;
        if self.deliveries.peek().await?.is_none_or(|row| row.batch != batch || row.after != step) {
            return Err(self.diverged(Some(seen_delivery(batch))).await?);
        }
        match self.deliveries.next().await? {
            Some(row) => Ok(row),
            None => Err(Error::bug("a delivery was there and is gone").into()),
        }
    }
}
