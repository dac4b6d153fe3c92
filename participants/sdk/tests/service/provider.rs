//! A payment provider of the test's own, which knows a repeat by its idempotency key, and counts.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use lab::wait;
use saga_participant::{Context, Doubt, Error, Refusal};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Far longer than anything here takes on a machine that is busy compiling.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers.
    Well,
    /// Decides no.
    Refuses,
    /// Does it, and the answer is lost.
    LosesAnswers,
    /// Does it, and answers once its mood has changed.
    Waits,
}

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The money was taken.
    Taken,
    /// And given back.
    Refunded,
    /// It was cancelled before it came, and never will be taken.
    Cancelled,
}

pub(crate) struct Provider {
    mood: watch::Sender<Mood>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    charges: BTreeMap<String, Charge>,
    calls: BTreeMap<String, u32>,
}

impl Default for Provider {
    fn default() -> Self {
        Self { mood: watch::Sender::new(Mood::Well), books: Mutex::default() }
    }
}

impl Provider {
    pub(crate) fn set_mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Takes the money, once per key.
    pub(crate) async fn charge(&self, key: String) -> Result<Value, Error> {
        let mood = *self.mood.borrow();
        let charge = {
            let mut books = self.books.lock().unwrap();
            *books.calls.entry(key.clone()).or_default() += 1;
            if mood == Mood::Refuses {
                return Err(Refusal::new("card_declined", "the card is declined").into());
            }
            *books.charges.entry(key.clone()).or_insert(Charge::Taken)
        };
        match mood {
            Mood::LosesAnswers => {
                return Err(Doubt::new("provider_silent", "connection reset").into());
            }
            Mood::Waits => {
                let mut mood = self.mood.subscribe();
                mood.wait_for(|mood| *mood != Mood::Waits).await.map_err(anyhow::Error::from)?;
            }
            Mood::Well | Mood::Refuses => {}
        }
        match charge {
            Charge::Cancelled => Err(Refusal::new("cancelled", "this key was cancelled").into()),
            Charge::Taken | Charge::Refunded => Ok(json!({ "charge_id": key })),
        }
    }

    /// Gives the money back, or sees to it that it is never taken.
    pub(crate) fn refund(&self, context: &Context) -> Result<Value, Error> {
        let mut books = self.books.lock().unwrap();
        *books.calls.entry(context.idempotency_key()).or_default() += 1;
        let charge = books.charges.entry(context.action_key()).or_insert(Charge::Cancelled);
        if *charge == Charge::Taken {
            *charge = Charge::Refunded;
        }
        Ok(json!({}))
    }

    /// How often this key was used.
    pub(crate) fn calls(&self, key: &str) -> u32 {
        self.books.lock().unwrap().calls.get(key).copied().unwrap_or_default()
    }

    /// How many charges stand so.
    pub(crate) fn count(&self, wanted: Charge) -> usize {
        let books = self.books.lock().unwrap();
        books.charges.values().filter(|charge| **charge == wanted).count()
    }

    /// Waits until so many charges were taken.
    pub(crate) async fn taken(&self, count: usize) {
        let found = wait::until("the charges", PATIENCE, async || {
            (self.count(Charge::Taken) == count).then_some(())
        });
        found.await.unwrap();
    }
}
