//! Buses that are broken, as an orchestrator sees them.

use saga_bus::{Delivery, Settlement};
use saga_simulation::Parts;

use crate::{around, found};

fn bus(what: &str, receive: fn(Vec<Delivery>) -> Vec<Delivery>) {
    found(what, Parts { bus: around::bus(receive), ..Parts::default() });
}

/// Acknowledges a delivery now, whatever is said of it later.
fn acknowledged(delivery: Delivery) -> Delivery {
    (delivery.settle)(Settlement::Acknowledge);
    Delivery { settle: Box::new(|_| {}), ..delivery }
}

#[test]
fn a_bus_that_acknowledges_on_receipt_is_found() {
    bus("a bus that acknowledges on receipt", |deliveries| {
        deliveries.into_iter().map(acknowledged).collect()
    });
}

#[test]
fn a_batch_that_goes_with_its_first_message_is_found() {
    bus("a batch that is acknowledged with its first message", |deliveries| {
        deliveries.into_iter().map(acknowledged).take(1).collect()
    });
}
