//! Who uses a bus: decides who declares what.

use std::time::Duration;

use saga_protocol::ParticipantName;

/// How long a participant leaves it to the orchestrator to declare its queue. The orchestrator must
/// be the one who finds out that a queue was lost, because it owes that queue its outstanding
/// commands.
pub(crate) const ORCHESTRATOR_FIRST: Duration = Duration::from_secs(3);

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
