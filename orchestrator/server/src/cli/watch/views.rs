//! Watching on a terminal, which is redrawn when something changes.

use saga_protocol::SagaId;
use tokio::time::sleep;

use super::{
    LOOK_EVERY,
    contact::{Contact, Heard},
    frame, look, outcome,
    screen::Screen,
};
use crate::cli::{Failure, Status, client::Client, output::Reader, show};

/// What was seen last, and that it is old where nobody answers.
#[derive(Default)]
struct View {
    contact: Contact,
    text: String,
    notice: Option<String>,
}

/// Shows the newest sagas until nobody looks.
pub(super) async fn all(client: &Client, mut screen: Screen) -> Result<Status, Failure> {
    let mut view = View::default();
    loop {
        let size = screen.size();
        let room = u32::try_from(size.sagas()).unwrap_or(u32::MAX);
        let looked = look::newest(client, room).await;
        if let Some((sagas, more)) = view.heard(looked)? {
            view.text = frame::all(&sagas, more, size);
        }
        if view.draw(&mut screen)? == Reader::Gone {
            return Ok(Status::Done);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Shows one saga until it has ended.
pub(super) async fn one(
    client: &Client,
    id: SagaId,
    mut screen: Screen,
) -> Result<Status, Failure> {
    let id = id.to_string();
    let mut view = View::default();
    loop {
        let looked = look::one(client, &id).await;
        if let Some(found) = view.heard(looked)? {
            view.text = show::render(&found.saga);
            if found.saga.finished_at.is_some() {
                screen.leave(&view.text)?;
                return Ok(outcome(found.saga.status.as_str()));
            }
        }
        if view.draw(&mut screen)? == Reader::Gone {
            return Ok(Status::Done);
        }
        sleep(LOOK_EVERY).await;
    }
}

impl View {
    /// The answer, where there is one.
    fn heard<T>(&mut self, answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match self.contact.heard(answer)? {
            Heard::Answer(answer) | Heard::Again(answer) => {
                self.notice = None;
                Ok(Some(answer))
            }
            Heard::Lost(why) => {
                self.notice = Some(why);
                Ok(None)
            }
            Heard::Silence => Ok(None),
        }
    }

    fn draw(&self, screen: &mut Screen) -> Result<Reader, Failure> {
        screen.draw(&self.text, self.notice.as_deref())
    }
}
