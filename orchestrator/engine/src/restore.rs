//! Rebuilding what a broker lost: a command queue that had to be created holds none of the commands
//! that were confirmed for it, so they are sent again, from Postgres.

use std::{collections::BTreeSet, time::Duration};

use saga_protocol::{Command, ParticipantName, SagaId, limits};
use saga_runtime::failpoint::{self, Point};
use saga_store::Page;
use tokio_util::sync::CancellationToken;

use crate::{Engine, Understood};

/// Between two looks whether a queue had to be created.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Before a page that could not be read is read again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Per command sent: at most a thousand a second, so that what is new still gets through.
const PACE: Duration = Duration::from_millis(1);

impl Engine {
    /// Sends the outstanding commands of participants whose queue was created, until `stop`.
    pub(crate) async fn run_restoring(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let created: BTreeSet<_> = self.0.bus.take_created().into_iter().collect();
            if created.is_empty() {
                continue;
            }
            failpoint::pass(Point::RestoreBefore);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.restore(&created) => {}
            }
        }
    }

    async fn restore(&self, participants: &BTreeSet<ParticipantName>) {
        let (mut after, mut sent) = (None, 0);
        loop {
            let commands = match self.page(participants, &mut after).await {
                Ok(Some(commands)) => commands,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(error, "what the broker lost waits for the database");
                    tokio::time::sleep(TRY_AGAIN).await;
                    continue;
                }
            };
            let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
            sent += count;
            if count > 0 {
                self.0.metrics.restored(&commands);
                self.0.publisher.send(commands).await;
                tokio::time::sleep(PACE * count).await;
            }
        }
        if sent > 0 {
            tracing::info!(sent, "outstanding commands were sent to queues that had to be created");
        }
    }

    /// The outstanding commands of the next page of sagas; `None` after the last.
    async fn page(
        &self,
        participants: &BTreeSet<ParticipantName>,
        after: &mut Option<SagaId>,
    ) -> Result<Option<Vec<Command>>, String> {
        let page = Page { after: *after, limit: limits::PAGE_MAX };
        let unended = self.0.store.unended(&page).await.map_err(|e| e.to_string())?;
        let Some(last) = unended.items.last().map(|row| row.id) else {
            return Ok(None);
        };
        let snapshots = self.snapshots(unended.items).await.map_err(|e| e.to_string())?;
        *after = Some(last);
        let understood = snapshots.into_iter().filter_map(|snapshot| snapshot.understood.ok());
        let outstanding =
            understood.flat_map(|Understood { definition, saga }| saga.commands(&definition));
        let commands = outstanding.map(|outstanding| outstanding.command);
        let wanted = commands.filter(|command| participants.contains(&command.participant));
        Ok(Some(wanted.collect()))
    }
}
