//! Who uses a bus: decides who declares what.

use std::time::Duration;

use saga_protocol::ParticipantName;

/// How often an orchestrator declares its topology anew, beside the moments when it hears that
/// something is gone. What an operator deleted by mistake is back before a step gives up; it costs
/// a few dozen small requests.
pub(crate) const REDECLARE_EVERY: Duration = Duration::from_secs(5);
/// How long a participant leaves it to the orchestrator to declare its queue. The orchestrator must
/// be the one who finds out that a queue was lost, because it owes that queue its outstanding
/// commands: so this is longer than it takes to look.
pub(crate) const ORCHESTRATOR_FIRST: Duration = Duration::from_secs(8);
const _: () = assert!(ORCHESTRATOR_FIRST.as_secs() > REDECLARE_EVERY.as_secs());

/// Who uses the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An orchestrator: declares exchanges, the queues of replies and of dead letters, and the
    /// command queues it is told of.
    Server,
    /// A participant: waits a little for an orchestrator to declare its command queue, then
    /// declares it itself.
    Participant(ParticipantName),
}
