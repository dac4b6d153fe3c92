//! An order as the product's own state machine plays it: the commands that are really sent for
//! it, and what is answered.

use std::{collections::VecDeque, fs};

use anyhow::{Context, Result, anyhow};
use saga_core::{
    Birth, Definition, Saga, advance,
    saga::{At, Effect, Event, Status},
};
use saga_protocol::{Command, Message, Reply, SagaId, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::stand_in;

/// An order from its start to its end.
pub(crate) struct Played {
    /// Each command with the message that answers it, in order.
    pub(crate) exchanges: Vec<(Command, Message)>,
    /// How the saga ended.
    pub(crate) status: Status,
}

/// Plays an order with stand-ins for the participants.
///
/// # Errors
/// When the definition that the product ships does not take it.
pub(crate) fn play(order: &Value) -> Result<Played> {
    let definition = definition()?;
    let at = At { now: Timestamp::wall_clock(), draw: 0 };
    let input = serde_json::value::to_raw_value(order)?;
    let birth = Birth { id: SagaId(Uuid::now_v7()), key: None, input };
    let mut last = Saga::start(&definition, birth, at);
    let mut sent: VecDeque<Effect> = last.effects.into();
    let mut exchanges = Vec::new();
    while let Some(Effect::Send(command)) = sent.pop_front() {
        let body = stand_in::answer(&command).to_bytes();
        let reply = Reply::message(&command, body, at.now);
        let event = Event::Reply(Reply::from_message(&reply)?.into());
        last = advance(&definition, &last.saga, &event, at)
            .context("the saga does not take an answer")?;
        sent.extend(std::mem::take(&mut last.effects));
        exchanges.push((command, reply));
    }
    Ok(Played { exchanges, status: last.saga.status() })
}

fn definition() -> Result<Definition> {
    let path = lab::workspace().join("saga-defs/order.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("no `{}`", path.display()))?;
    let wrong = |diagnostics| anyhow!("`{}` is wrong: {diagnostics:?}", path.display());
    Definition::parse("order.yaml", &text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{MESSAGES_MIN, order};

    #[test]
    fn an_order_takes_the_fewest_messages_and_a_refused_one_is_undone() {
        let ends = [false, true].map(|is_refused| {
            let played = play(&order(1, is_refused)).expect("the definition takes it");
            (2 * played.exchanges.len(), played.status)
        });
        let fewest = MESSAGES_MIN as usize;
        // Inventory and payment are undone.
        assert_eq!(ends, [(fewest, Status::Completed), (fewest + 4, Status::Compensated)]);
    }
}
