//! The wait that an ack needs on VictoriaMetrics: it answers 204 when points are in its memory, and writes them to its
//! disk some seconds later.
//!
//! What always holds: lines count as kept only when the process that took them ran on for the whole `settle`. When it was
//! another process by then, everything of the call is sent again. What survives a crash of the machine is up to how
//! VictoriaMetrics syncs; this guarantee is about its process.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::line::{Lines, Refusal};
use super::victoria::{Process, Victoria};
use super::writer::Writer;

/// Readings that are dropped so soon are not worth writing.
const MARGIN_MS: i64 = 60_000;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Settling {
    pub(crate) victoria: Victoria,
    pub(crate) settle: Duration,
}

impl Settling {
    /// The times that it keeps at `now`. What is older it drops and answers 204 all the same.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn times(&self, writer: &Writer, now: i64) -> Result<RangeInclusive<i64>, String> {
        let process = self.process(writer).await?;
        let oldest =
            process.retention_ms.map_or(0, |kept| now.saturating_sub(kept).saturating_add(MARGIN_MS));
        // Two days ahead is what it takes; validation lets less through.
        Ok(oldest.max(0)..=now.saturating_add(172_800_000))
    }

    /// [`Writer::write`], and returns only when what was taken is kept.
    ///
    /// # Errors
    /// As [`Writer::write`]; also when ingest stops meanwhile. Everything is to be sent again.
    pub(crate) async fn write(
        &self,
        writer: &Writer,
        lines: &Lines,
        now: i64,
    ) -> Result<Vec<Refusal>, String> {
        if lines.len() == 0 {
            return Ok(Vec::new());
        }
        loop {
            let before = self.process(writer).await?;
            let refused = writer.write(lines, now).await?;
            tokio::select! {
                () = tokio::time::sleep(self.settle) => {}
                () = writer.stop.cancelled() => {
                    return Err("ingest stops before the readings have settled".to_owned());
                }
            }
            if self.process(writer).await?.started == before.started {
                return Ok(refused);
            }
            tracing::warn!(
                lines = lines.len(),
                "the database was restarted; what had not settled is sent again"
            );
        }
    }

    /// What the process says of itself; waits for it as long as the writer would.
    async fn process(&self, writer: &Writer) -> Result<Process, String> {
        let asked = async {
            let mut pause = writer.bounds.backoff;
            loop {
                match self.victoria.process().await {
                    Ok(process) => return process,
                    Err(fault) => writer.alarm.raise(&fault.to_string()),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        };
        tokio::select! {
            process = asked => Ok(process),
            () = writer.patience() => Err(writer.gives_up()),
        }
    }
}
