//! The entrance: one function starts a saga, one moves it. Everything else in this folder serves
//! these two.

use saga_protocol::{Json, SagaId};

use super::{
    At, Event, Rejection, Saga, Transition,
    journal::Happened,
    model::{Course, State, Step},
    work::Work,
};
use crate::definition::Definition;

/// What a saga is born with.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its id.
    pub id: SagaId,
    /// Its business key.
    pub key: Option<String>,
    /// Its input; already checked against the definition's schema.
    pub input: Json,
}

impl Saga {
    /// The first transition, to version 1: whatever can begin at once is sent.
    #[must_use]
    pub fn start(definition: &Definition, birth: Birth, at: At) -> Transition {
        let Birth { id, key, input } = birth;
        let pending = Step { state: State::Pending, late: None };
        let saga = Self {
            id,
            definition: definition.name.clone(),
            hash: definition.hash.clone(),
            key,
            created_at: at.now,
            input,
            version: 0,
            paused_at: None,
            set_aside: false,
            deadline: definition.deadline.map(|deadline| at.now.after(deadline)),
            overdue: false,
            course: Course::Forward,
            steps: vec![pending; definition.steps.len()],
        };
        Work::new(definition, saga, at).finish(Happened::Start)
    }
}

/// Decides what an event means for a saga. The same arguments always give the same answer.
///
/// # Errors
/// [`Rejection`] where the event changes nothing: an ordinary answer, to be counted and
/// acknowledged.
pub fn advance(
    definition: &Definition,
    saga: &Saga,
    event: &Event,
    at: At,
) -> Result<Transition, Rejection> {
    let mut work = Work::new(definition, saga.clone(), at);
    match event {
        Event::Reply(answer) => work.reply(answer)?,
        Event::Due => work.due()?,
        Event::Operator(order) => work.operate(order)?,
    }
    Ok(work.finish(Happened::Event(event)))
}
