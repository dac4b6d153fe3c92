//! Everything that can go wrong, each with a name for reports.

/// Declares the faults, each with its name and how often it happens where it is on: of all
/// occasions, or relative to the other faults of the nemesis.
macro_rules! faults {
    ($($(#[$doc:meta])+ $fault:ident = $name:literal, $rate:literal;)+) => {
        /// Something that can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])+ $fault,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }

            /// How often it happens where it is on.
            pub(crate) const fn rate(self) -> f64 {
                match self {
                    $(Self::$fault => $rate,)+
                }
            }
        }
    };
}

faults! {
    /// The store fails before anything happened.
    StoreTransient = "store.transient", 0.05;
    /// The store fails after deciding, before the commit.
    StoreAborts = "store.aborts", 0.03;
    /// Nobody knows whether it was committed: it was not.
    StoreUnknownUndone = "store.unknown_undone", 0.03;
    /// Nobody knows whether it was committed: it was.
    StoreUnknownDone = "store.unknown_done", 0.03;
    /// A fence did not hold.
    StoreConflict = "store.conflict", 0.03;
    /// The transaction is rolled back and decided anew.
    StoreDecidesTwice = "store.decides_twice", 0.03;
    /// A call takes up to some seconds.
    StoreSlow = "store.slow", 0.03;
    /// The store takes no change of one saga.
    StorePoison = "store.poison", 0.2;
    /// The store is away for a while.
    StoreAway = "store.away", 0.5;
    /// A message is lost, and its publisher told.
    Lost = "bus.lost", 0.05;
    /// A message is confirmed and lost.
    LostConfirmed = "bus.lost_confirmed", 0.05;
    /// A message arrives, and its confirm does not.
    ConfirmLost = "bus.confirm_lost", 0.05;
    /// A message is returned.
    Returned = "bus.returned", 0.02;
    /// A message arrives twice.
    Duplicated = "bus.duplicated", 0.1;
    /// A message arrives late, after others.
    Delayed = "bus.delayed", 0.1;
    /// Deliveries are handed out in another order.
    Reordered = "bus.reordered", 0.2;
    /// A publish is slow to be confirmed.
    BusSlow = "bus.slow", 0.05;
    /// A depth cannot be told.
    DepthUnknown = "bus.depth_unknown", 0.2;
    /// The broker takes no messages for a while.
    Blocked = "broker.blocked", 1.0;
    /// The broker restarts.
    Restarted = "broker.restarted", 1.0;
    /// The broker is away for a while.
    BrokerAway = "broker.away", 0.5;
    /// A queue is deleted with all that is in it.
    QueueDeleted = "broker.queue_deleted", 0.7;
    /// A queue is emptied.
    QueuePurged = "broker.queue_purged", 0.7;
    /// A queue is full for a while.
    QueueFull = "broker.queue_full", 0.5;
    /// One connection is cut.
    Cut = "broker.cut", 1.0;
    /// One process cannot reach the broker for a while.
    Unplugged = "broker.unplugged", 0.5;
    /// An orchestrator is killed at a call of a port.
    KilledCalling = "orchestrator.killed_calling", 0.02;
    /// An orchestrator is killed whatever it is doing.
    Killed = "orchestrator.killed", 1.0;
    /// An orchestrator is stopped and goes on later.
    Stopped = "orchestrator.stopped", 0.5;
    /// An orchestrator ends in order and is started again.
    Drained = "orchestrator.drained", 0.5;
    /// An orchestrator starts with another version of its definitions.
    OtherVersion = "orchestrator.other_version", 0.5;
    /// A participant is killed at one of its steps.
    ParticipantKilledServing = "participant.killed_serving", 0.08;
    /// A participant is killed whatever it is doing.
    ParticipantKilled = "participant.killed", 1.0;
    /// A participant is stopped and goes on later.
    ParticipantStopped = "participant.stopped", 0.5;
    /// Work takes long.
    Slow = "participant.slow", 0.15;
    /// An action is refused.
    Rejects = "participant.rejects", 0.25;
    /// An attempt fails.
    Fails = "participant.fails", 0.25;
    /// A participant says that it does not know.
    Unknown = "participant.unknown", 0.15;
    /// An output is not what it must be.
    BadOutput = "participant.bad_output", 0.1;
    /// A compensation is refused.
    RefusesUndo = "participant.refuses_undo", 0.3;
    /// A compensation fails.
    FailsUndo = "participant.fails_undo", 0.5;
    /// A reply is sent up to twenty times.
    RepliesOften = "participant.replies_often", 0.05;
    /// A reply is sent again long after.
    RepliesLate = "participant.replies_late", 0.05;
    /// A reply that nobody who may sent, or that says nothing.
    Forged = "forged_reply", 1.0;
    /// An operator orders something.
    Ordered = "operator.ordered", 1.5;
    /// A client sends its start twice at once.
    StartedTwice = "client.started_twice", 0.3;
}
