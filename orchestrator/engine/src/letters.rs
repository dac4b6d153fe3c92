//! What operators do with dead letters: look at them, send them on their way again, give them up.

use saga_bus::{Publication, Unpublished};
use saga_protocol::{HeaderValue, Message, Timestamp, limits, topology};
use saga_store::{ClosedAs, Closure, DeadLetterRow, Letters, Page, Paged};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Engine, Unavailable};

/// Headers with which RabbitMQ notes where a message has been: beginnings of their names. They tell
/// of the life that is over.
const NOTED_BY_BROKER: [&str; 5] =
    ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"];

/// Why nothing was done with a letter. It is as it was, unless the database did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// There is no such letter.
    #[error("there is no dead letter `{0}`")]
    NotFound(Uuid),
    /// Something else was done with it, and that is for good.
    #[error("the dead letter was {} already", .0.as_str())]
    Closed(ClosedAs),
    /// Only the beginning of its body was kept.
    #[error("only the first {0} bytes of its body were kept, so that it cannot be sent again")]
    Cut(usize),
    /// It is not known to have come from a queue of commands or replies.
    #[error("it came from `{0}`, which is no queue of commands or replies")]
    SourceUnknown(String),
    /// The queue that it came from is not there.
    #[error("there is no queue `{0}` any more")]
    QueueMissing(String),
    /// The broker did not confirm it.
    #[error("the broker did not take it: {0}")]
    Unpublished(Unpublished),
    /// The database cannot be reached; it may have been done.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<saga_store::Error> for LetterError {
    fn from(error: saga_store::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<Unpublished> for LetterError {
    fn from(error: Unpublished) -> Self {
        match error {
            Unpublished::Returned(queue) => Self::QueueMissing(queue),
            error @ (Unpublished::Refused | Unpublished::Unconfirmed | Unpublished::Down(_)) => {
                Self::Unpublished(error)
            }
        }
    }
}

impl Engine {
    /// One page of dead letters, newest first, at most [`limits::PAGE_MAX`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn dead_letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Unavailable> {
        let page = Page { after: page.after, limit: page.limit.min(limits::PAGE_MAX) };
        Ok(self.0.store.letters(which, &page).await?)
    }

    /// The dead letter with this id.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Unavailable> {
        Ok(self.0.store.letter(id).await?)
    }

    /// Sends a letter to the queue that it came from, and closes it once the broker has confirmed.
    /// `Ok` is the letter after it; one that was requeued before is not sent again.
    ///
    /// Whoever crashes between the two leaves the letter open, and requeueing it again sends a
    /// second copy. That is harmless, as every copy of a command or reply is: the barrier answers
    /// the one, and the saga has taken the other already.
    ///
    /// # Errors
    /// [`LetterError`].
    pub async fn requeue(
        &self,
        id: Uuid,
        by: String,
        why: String,
    ) -> Result<DeadLetterRow, LetterError> {
        let Some(letter) = self.open_letter(id, ClosedAs::Requeued).await? else {
            return self.closed_letter(id, ClosedAs::Requeued).await;
        };
        let publication = publication(&letter)?;
        for published in self.0.bus.publish(vec![publication]).await {
            published?;
        }
        self.close_letter(id, Closure { how: ClosedAs::Requeued, by, why }).await
    }

    /// Gives a letter up; it is kept as a record. `Ok` is the letter after it.
    ///
    /// # Errors
    /// [`LetterError`].
    pub async fn drop_letter(
        &self,
        id: Uuid,
        by: String,
        why: String,
    ) -> Result<DeadLetterRow, LetterError> {
        match self.open_letter(id, ClosedAs::Dropped).await? {
            Some(_) => self.close_letter(id, Closure { how: ClosedAs::Dropped, by, why }).await,
            None => self.closed_letter(id, ClosedAs::Dropped).await,
        }
    }

    /// The letter if it is open; `None` where `how` was done with it already.
    async fn open_letter(
        &self,
        id: Uuid,
        how: ClosedAs,
    ) -> Result<Option<DeadLetterRow>, LetterError> {
        let letter = self.dead_letter(id).await?.ok_or(LetterError::NotFound(id))?;
        match &letter.closed {
            None => Ok(Some(letter)),
            Some(closed) if closed.how == how => Ok(None),
            Some(closed) => Err(LetterError::Closed(closed.how)),
        }
    }

    async fn close_letter(&self, id: Uuid, closure: Closure) -> Result<DeadLetterRow, LetterError> {
        let is_ours = self.0.store.close_letter(id, &closure).await?;
        let how = closure.how.as_str();
        if is_ours {
            tracing::info!(letter.id = %id, how, by = closure.by, "a dead letter was closed");
        }
        self.closed_letter(id, closure.how).await
    }

    /// The letter after it was closed, by us or by somebody who was faster.
    async fn closed_letter(&self, id: Uuid, how: ClosedAs) -> Result<DeadLetterRow, LetterError> {
        let letter = self.dead_letter(id).await?.ok_or(LetterError::NotFound(id))?;
        match letter.closed.as_ref().map(|closed| closed.how) {
            Some(other) if other != how => Err(LetterError::Closed(other)),
            Some(_) | None => Ok(letter),
        }
    }
}

/// Whether the whole body of a letter was kept.
pub fn is_whole(letter: &DeadLetterRow) -> bool {
    Sha256::digest(&letter.body)[..] == letter.sha256
}

/// The letter as a message to the queue that it came from.
fn publication(letter: &DeadLetterRow) -> Result<Publication, LetterError> {
    if !is_whole(letter) {
        return Err(LetterError::Cut(letter.body.len()));
    }
    // Whoever publishes can forge where a message died: only our own queues are believed.
    let commands = letter.source.strip_prefix(topology::COMMANDS);
    let is_commands = commands.is_some_and(|rest| rest.starts_with('.'));
    if !is_commands && letter.source != topology::REPLIES {
        return Err(LetterError::SourceUnknown(letter.source.clone()));
    }
    let message = message(letter);
    Ok(Publication { exchange: "", routing_key: letter.source.clone(), message })
}

/// The message as it was, but for what no longer holds. Its id is the letter's: another than
/// before, as each publish has its own, so that a message that dies again is a new letter; and the
/// same for every copy, so that copies that die are one letter. The user that published it was
/// vouched for by the broker, which would refuse it from us.
fn message(letter: &DeadLetterRow) -> Message {
    // What this program wrote it can read; what it cannot is left out.
    let kept: Value = serde_json::from_str(letter.headers.get()).unwrap_or_default();
    let text = |name: &str| kept[name].as_str().map(str::to_owned);
    let mut message = Message::with_id(letter.id, letter.body.clone());
    message.correlation_id = text("correlation_id");
    message.kind = text("type");
    message.reply_to = text("reply_to");
    message.timestamp = kept["timestamp"].as_str().and_then(|at| at.parse().ok());
    let is_noted = |name: &str| NOTED_BY_BROKER.iter().any(|noted| name.starts_with(noted));
    let headers = kept["headers"].as_object().into_iter().flatten();
    message.headers = headers
        .filter(|(name, _)| !is_noted(name))
        .filter_map(|(name, value)| {
            let text = value.as_str().map(|text| HeaderValue::Text(text.to_owned()));
            let value = text.or_else(|| value.as_i64().map(HeaderValue::Number))?;
            Some((name.clone(), value))
        })
        .collect();
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::letter;

    fn row(message: &Message, source: &str) -> DeadLetterRow {
        let letter = letter(message, source, "rejected");
        DeadLetterRow {
            id: letter.id,
            at: Timestamp::from_micros(0),
            source: letter.source,
            reason: letter.reason,
            headers: letter.headers,
            body: letter.body,
            sha256: letter.sha256,
            closed: None,
        }
    }

    fn command() -> Message {
        let mut message = Message::new("{ \"a\": 1 }".into());
        message.correlation_id = Some("018f0000-0000-7000-8000-000000000000".to_owned());
        message.kind = Some("shipping.schedule".to_owned());
        message.reply_to = Some(topology::REPLIES.to_owned());
        message.timestamp = Some(Timestamp::from_micros(1_700_000_000_000_000));
        message.set("saga-step", "shipping");
        message.set_number("saga-attempt", 2);
        message
    }

    #[test]
    fn a_letter_goes_out_as_it_came_without_what_the_broker_noted() {
        let mut died = command();
        died.user_id = Some("somebody".to_owned());
        died.set("x-first-death-queue", "saga.commands.shipping");
        died.set("x-last-death-reason", "rejected");
        died.set_number("x-delivery-count", 3);
        let row = row(&died, "saga.commands.shipping");
        let Publication { exchange, routing_key, message } = publication(&row).unwrap();
        assert_eq!((exchange, routing_key.as_str()), ("", "saga.commands.shipping"));
        assert_ne!(message.message_id, died.message_id, "it is another publish");
        assert_eq!(message, Message { message_id: row.id, ..command() });
        let again = letter(&message, "saga.commands.shipping", "rejected");
        assert_ne!(again.id, row.id, "if it dies again, that is a new letter");
    }

    #[test]
    fn what_cannot_be_sent_as_it_was_is_not_sent() {
        let huge = Message::new(vec![b' '; limits::BODY_BYTES_MAX + 1].into());
        let cut = publication(&row(&huge, topology::REPLIES));
        assert!(matches!(cut, Err(LetterError::Cut(4096))), "{cut:?}");
        for source in [topology::DEAD, "", "saga.commands", "saga.commandsx", "somebody.else"] {
            let unknown = publication(&row(&command(), source));
            assert!(matches!(unknown, Err(LetterError::SourceUnknown(_))), "{source}: {unknown:?}");
        }
        assert!(publication(&row(&command(), topology::REPLIES)).is_ok());
    }
}
