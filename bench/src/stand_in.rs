//! What plays a participant where the engine alone is measured: it speaks the product's protocol
//! over the product's bus, answers at once and remembers nothing. It keeps no promise of a
//! participant, so it is of no use but to measure.

use std::sync::Arc;

use anyhow::{Context, Result};
use saga_bus::{Amqp, Bus, Delivery, Options, Publication, Role, Settlement};
use saga_protocol::{
    Command, Fault, Outcome, ParticipantName, Phase, Reply, ReplyBody, Timestamp, limits, topology,
};
use serde_json::{Value, json};

use crate::order::NOT_SERVED;

/// Answers commands until it is killed.
///
/// # Errors
/// When the URL is not one.
pub(crate) async fn serve(amqp_url: &str, participant: &ParticipantName) -> Result<()> {
    let options = Options {
        url: amqp_url.to_owned(),
        role: Role::Participant(participant.clone()),
        name: format!("bench {participant}"),
    };
    let bus = Arc::new(Amqp::start(options).context("this is no URL of a broker")?);
    let queue = topology::command_queue(participant);
    let mut consumer = bus.consume(&queue, limits::PREFETCH).await;
    while let Some(deliveries) = consumer.receive(limits::BATCH_MAX).await {
        // As many at once as the prefetch allows.
        tokio::spawn(answer_all(Arc::clone(&bus), deliveries));
    }
    Ok(())
}

/// Answers, and acknowledges what the broker has confirmed; the rest is delivered again.
async fn answer_all(bus: Arc<Amqp>, deliveries: Vec<Delivery>) {
    let mut replies = Vec::new();
    let mut settles = Vec::new();
    for delivery in deliveries {
        match Command::from_message(&delivery.message) {
            Ok(command) => {
                replies.push(publication(&command));
                settles.push(delivery.settle);
            }
            Err(_) => (delivery.settle)(Settlement::Reject),
        }
    }
    let published = bus.publish(replies).await;
    for (settle, published) in settles.into_iter().zip(published) {
        settle(published.map_or(Settlement::Requeue, |()| Settlement::Acknowledge));
    }
}

fn publication(command: &Command) -> Publication {
    let body = answer(command).to_bytes();
    Publication {
        exchange: topology::REPLIES,
        routing_key: command.participant.to_string(),
        message: Reply::message(command, body, Timestamp::wall_clock()),
    }
}

/// What the product's own participants answer, as far as the definition looks at it.
pub(crate) fn answer(command: &Command) -> ReplyBody {
    let asked: Value = serde_json::from_slice(&command.body).unwrap_or_default();
    let (saga, step) = (command.saga_id, &command.step);
    let output = match (command.phase, command.action.as_str()) {
        (Phase::Action, "charge") => json!({ "charge_id": format!("ch_{saga}_{step}") }),
        (Phase::Action, "reserve") => {
            let items = asked["items"].as_array().into_iter().flatten();
            let reserved: u64 = items.filter_map(|item| item["quantity"].as_u64()).sum();
            json!({ "reserved": reserved })
        }
        (Phase::Action, "schedule") if asked["address"]["country"] == NOT_SERVED => {
            let fault =
                Fault::new("address_not_served", format!("no parcel goes to `{NOT_SERVED}`"));
            return ReplyBody::not_completed(Outcome::Rejected, fault);
        }
        (Phase::Action, "schedule") => json!({ "shipment_id": format!("sh_{saga}_{step}") }),
        _ => json!({}),
    };
    // A value always serializes.
    ReplyBody::completed(serde_json::value::to_raw_value(&output).ok())
}
