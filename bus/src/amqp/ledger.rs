//! Which deliveries of a channel are still out, so that acknowledgements are sent many at a time
//! and never one too many. Pure; what it orders is sent by the consumer.

use std::collections::BTreeSet;

use crate::Settlement;

/// The deliveries of one channel. Both sets are at most as large as the prefetch.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Delivered, not settled.
    out: BTreeSet<u64>,
    /// To be acknowledged; the broker does not know yet.
    held: BTreeSet<u64>,
}

/// What to tell the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// This one and, with `multiple`, all before it.
    Acknowledge { tag: u64, multiple: bool },
    /// This one again.
    Requeue { tag: u64 },
    /// This one to the dead letters.
    Reject { tag: u64 },
}

impl Ledger {
    /// Notes a delivery. Tags grow by the protocol.
    pub(super) fn deliver(&mut self, tag: u64) {
        self.out.insert(tag);
    }

    /// Settles one. What is no acknowledgement is ordered at once, and singly.
    pub(super) fn settle(&mut self, tag: u64, settlement: Settlement) -> Option<Order> {
        if !self.out.remove(&tag) {
            return None;
        }
        match settlement {
            Settlement::Acknowledge => {
                self.held.insert(tag);
                None
            }
            Settlement::Requeue => Some(Order::Requeue { tag }),
            Settlement::Reject => Some(Order::Reject { tag }),
        }
    }

    /// Acknowledges, in one, everything before the first delivery that is still out.
    pub(super) fn contiguous(&mut self) -> Option<Order> {
        let later = match self.out.first() {
            Some(first_out) => self.held.split_off(first_out),
            None => BTreeSet::new(),
        };
        let done = std::mem::replace(&mut self.held, later);
        done.last().map(|&tag| Order::Acknowledge { tag, multiple: true })
    }

    /// Acknowledges singly what waits for an earlier delivery.
    pub(super) fn rest(&mut self) -> Vec<Order> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|tag| Order::Acknowledge { tag, multiple: false }).collect()
    }

    /// How many acknowledgements wait.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker's view of one channel: what is unacknowledged, and what is an error of protocol.
    fn apply(unacknowledged: &mut BTreeSet<u64>, order: Order) {
        match order {
            Order::Acknowledge { tag, multiple: true } => {
                assert!(unacknowledged.contains(&tag), "unknown delivery tag {tag}");
                unacknowledged.retain(|&t| t > tag);
            }
            Order::Acknowledge { tag, multiple: false }
            | Order::Requeue { tag }
            | Order::Reject { tag } => {
                assert!(unacknowledged.remove(&tag), "unknown delivery tag {tag}");
            }
        }
    }

    #[test]
    fn acknowledges_up_to_the_first_that_is_out() {
        let mut ledger = Ledger::default();
        (1..=5).for_each(|tag| ledger.deliver(tag));
        for tag in [2, 1, 4] {
            assert_eq!(ledger.settle(tag, Settlement::Acknowledge), None);
        }
        assert_eq!(ledger.contiguous(), Some(Order::Acknowledge { tag: 2, multiple: true }));
        assert_eq!((ledger.contiguous(), ledger.held()), (None, 1));
        assert_eq!(ledger.rest(), [Order::Acknowledge { tag: 4, multiple: false }]);
        assert_eq!(ledger.settle(3, Settlement::Reject), Some(Order::Reject { tag: 3 }));
        assert_eq!(ledger.settle(3, Settlement::Acknowledge), None, "settled twice");
        ledger.settle(5, Settlement::Acknowledge);
        assert_eq!(ledger.contiguous(), Some(Order::Acknowledge { tag: 5, multiple: true }));
    }

    /// Every order of settling four deliveries, every way of settling each, flushing after every
    /// subset of steps.
    #[test]
    fn the_broker_always_agrees() {
        const WAYS: [Settlement; 3] =
            [Settlement::Acknowledge, Settlement::Requeue, Settlement::Reject];
        for order in permutations(&[1, 2, 3, 4]) {
            for case in 0..81 * 16_usize {
                let (ways, flushes) = (case / 16, case % 16);
                let mut ledger = Ledger::default();
                let mut broker: BTreeSet<u64> = (1..=4).collect();
                (1..=4).for_each(|tag| ledger.deliver(tag));
                for (n, &tag) in order.iter().enumerate() {
                    let way = WAYS[ways / 3_usize.pow(u32::try_from(n).unwrap()) % 3];
                    ledger.settle(tag, way).into_iter().for_each(|o| apply(&mut broker, o));
                    ledger.contiguous().into_iter().for_each(|o| apply(&mut broker, o));
                    if flushes >> n & 1 == 1 {
                        ledger.rest().into_iter().for_each(|o| apply(&mut broker, o));
                        let still_out: BTreeSet<u64> = order[n + 1..].iter().copied().collect();
                        assert_eq!(broker, still_out, "{order:?} {ways} {flushes}");
                    }
                    assert!(order[n + 1..].iter().all(|later| broker.contains(later)));
                }
                assert!(broker.is_empty(), "{order:?} {ways} {flushes}");
            }
        }
    }

    fn permutations(items: &[u64]) -> Vec<Vec<u64>> {
        if items.is_empty() {
            return vec![Vec::new()];
        }
        let with_first = |&first: &u64| {
            let rest: Vec<_> = items.iter().copied().filter(|&item| item != first).collect();
            permutations(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
        };
        items.iter().flat_map(with_first).collect()
    }
}
