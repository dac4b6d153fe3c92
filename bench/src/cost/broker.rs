//! Messages, as the broker counts them.

use lab::Lab;

/// Messages that the broker has received so far, from everybody; `None` where it cannot be asked.
pub(crate) async fn messages(lab: &Lab) -> Option<u64> {
    const COUNTED: &str = "maps:get(messages_received_total, \
        maps:get([{protocol,amqp091}], rabbit_global_counters:overview())).";
    lab.rabbitmqctl(&["eval", COUNTED]).await.ok()?.trim().parse().ok()
}
