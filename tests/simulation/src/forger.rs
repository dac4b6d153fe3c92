//! Forged replies: from nobody who may, or saying nothing that can be understood.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use saga_bus::Publication;
use saga_protocol::{Message, headers, topology};

use crate::{definitions, held, world::World};

/// Sends a reply that must change nothing.
pub(crate) fn forge(world: &Arc<World>) {
    let dice = &world.dice;
    let ids: Vec<_> = held(&world.log).accepted.iter().map(|accepted| accepted.id).collect();
    let saga = dice.pick(&ids).map_or_else(|| dice.id().to_string(), ToString::to_string);
    let completed =
        Bytes::from_static(b"{\"outcome\":\"completed\",\"output\":{\"id\":\"forged\"}}");
    let mut message = Message::with_id(dice.id(), completed);
    message.correlation_id = Some(saga);
    let step = dice.pick(definitions::all()).and_then(|(_, plan)| dice.pick(&plan.steps));
    let (step, participant) = match step {
        Some(step) => (step.name.to_string(), step.participant.to_string()),
        None => return,
    };
    message.kind = Some(format!("{participant}.do"));
    message.set(headers::STEP, step);
    message.set(headers::PHASE, if dice.happens(0.7) { "action" } else { "compensation" });
    message.set_number(headers::ATTEMPT, 1);
    let garbage = disturb(world, &mut message);
    if let Some(what) = garbage {
        held(&world.log).garbage.insert(message.message_id, what);
    }
    let routing_key = participant;
    let publication = Publication { exchange: topology::REPLIES, routing_key, message };
    world.publish_later(publication, Duration::from_millis(1));
}

/// Makes a reply one that must change nothing; what it is where it must be parked.
fn disturb(world: &World, message: &mut Message) -> Option<&'static str> {
    match world.dice.below(8) {
        0 => {
            message.body = Bytes::from(format!("no JSON {}", message.message_id));
            Some("a body that is no JSON")
        }
        1 => {
            message.headers.remove(headers::STEP);
            message.body = Bytes::from(format!(
                "{{\"outcome\":\"completed\",\"of\":\"{}\"}}",
                message.message_id
            ));
            Some("no step")
        }
        2 => {
            message.set(headers::PHASE, "sideways");
            message.body = Bytes::from(format!("{{\"of\":\"{}\"}}", message.message_id));
            Some("no phase that there is")
        }
        3 => {
            message.correlation_id = Some(world.dice.id().to_string());
            None
        }
        4 => {
            message.set_number(headers::ATTEMPT, 99);
            None
        }
        5 => {
            message.kind = Some("stranger.do".to_owned());
            None
        }
        6 => {
            message.set(headers::STEP, "nowhere");
            None
        }
        _ => {
            message.set(headers::BODY_SHA256, saga_protocol::BodyHash::of(b"another body"));
            None
        }
    }
}
