//! Whether the orchestrator still answers. Nobody at the start is an error; later it may be one
//! that is started again, which is waited for, and said once.

use crate::cli::{Failure, Status};

/// How it was at the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Contact {
    /// There was none yet.
    #[default]
    Sought,
    /// Somebody answered.
    Held,
    /// Somebody had answered, and nobody does.
    Lost,
}

/// What came of a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// An answer.
    Answer(T),
    /// An answer, the first after none.
    Again(T),
    /// None, for the first time, and why.
    Lost(String),
    /// None again.
    Silence,
}

impl Contact {
    /// What came of this look.
    ///
    /// # Errors
    /// When there is no use in looking again: the answer is no, or there never was one.
    pub(super) fn heard<T>(&mut self, answer: Result<T, Failure>) -> Result<Heard<T>, Failure> {
        match (answer, &self) {
            (Ok(answer), Self::Lost) => {
                *self = Self::Held;
                Ok(Heard::Again(answer))
            }
            (Ok(answer), Self::Sought | Self::Held) => {
                *self = Self::Held;
                Ok(Heard::Answer(answer))
            }
            (Err(failure), Self::Sought) => Err(failure),
            (Err(failure), _) if failure.status == Status::No => Err(failure),
            (Err(failure), Self::Held) => {
                *self = Self::Lost;
                Ok(Heard::Lost(words(&failure)))
            }
            (Err(_), Self::Lost) => Ok(Heard::Silence),
        }
    }
}

fn words(failure: &Failure) -> String {
    let details = failure.details.iter().map(String::as_str);
    let why: Vec<_> = [failure.message.as_str()].into_iter().chain(details).collect();
    format!("{}; it is asked again until it answers", why.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Result<u8, Failure> {
        Err(Failure::cannot("cannot reach it").details(vec!["refused".to_owned()]))
    }

    #[test]
    fn nobody_at_the_start_is_an_error_and_later_is_waited_for_and_said_once() {
        let mut contact = Contact::default();
        assert_eq!(contact.heard(nobody()).unwrap_err().status, Status::Cannot);
        let heard: Vec<_> = [Ok(1), Ok(2), nobody(), nobody(), Ok(3), Ok(4)]
            .into_iter()
            .map(|answer| contact.heard(answer).unwrap())
            .collect();
        let why = "cannot reach it: refused; it is asked again until it answers".to_owned();
        let expected = [
            Heard::Answer(1),
            Heard::Answer(2),
            Heard::Lost(why),
            Heard::Silence,
            Heard::Again(3),
            Heard::Answer(4),
        ];
        assert_eq!(heard, expected);
    }

    #[test]
    fn a_no_is_final() {
        let mut contact = Contact::default();
        contact.heard(Ok(1)).unwrap();
        let no = contact.heard::<u8>(Err(Failure::no("there is no such saga")));
        assert_eq!(no.unwrap_err().status, Status::No);
    }
}
