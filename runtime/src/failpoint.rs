//! Points at which a test makes a process fail: just before and just after everything that another
//! process, or a later life of this one, can see.
//!
//! Only debug builds have them, and only where they are armed; in a release build they are nothing.

use std::{
    fmt,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::{Signal, getpid, kill_process};

/// Declares the points, each with its name and what has happened when it is reached.
macro_rules! points {
    ($($(#[$doc:meta])+ $point:ident = $name:literal,)+) => {
        /// A point.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])+ $point,)+
        }

        impl Point {
            /// All of them, so that a test can go through them.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// The name that [`Plan`] knows it by.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// A start is checked; nothing is stored.
    StartBeforeCommit = "start.before_commit",
    /// A start is stored; its commands are not sent, nobody is answered. An error here is a commit
    /// whose outcome is not known.
    StartAfterCommit = "start.after_commit",
    /// A start is stored, and its client is about to be answered.
    StartBeforeRespond = "start.before_respond",
    /// Replies have arrived; nothing of them is stored.
    ReplyBeforeCommit = "reply.before_commit",
    /// Replies are decided within their transaction, which holds its sagas.
    ReplyDeciding = "reply.deciding",
    /// What replies led to is stored. An error here is a commit whose outcome is not known.
    ReplyAfterCommit = "reply.after_commit",
    /// What replies led to is stored; they are not acknowledged.
    ReplyBeforeAck = "reply.before_ack",
    /// Commands are about to be published.
    PublishBefore = "publish.before",
    /// Commands are handed to the broker and not confirmed.
    PublishBeforeConfirm = "publish.before_confirm",
    /// Commands are confirmed, and nobody has noted it.
    PublishAfterConfirm = "publish.after_confirm",
    /// What is due is claimed and decided within its transaction.
    DueDeciding = "due.deciding",
    /// What was due is stored; its commands are not sent. An error here is a commit whose outcome
    /// is not known.
    DueAfterCommit = "due.after_commit",
    /// An operator's order is read; nothing is stored.
    OrderBeforeCommit = "order.before_commit",
    /// An operator's order is stored; its commands are not sent, nobody is answered. An error here
    /// is a commit whose outcome is not known.
    OrderAfterCommit = "order.after_commit",
    /// Looks of sagas that wait are about to be moved.
    PostponeBefore = "postpone.before",
    /// Commands of a queue that was lost are about to be sent again.
    RestoreBefore = "restore.before",
    /// Dead letters have arrived and are not kept.
    LetterBeforePark = "letter.before_park",
    /// Dead letters are kept and not acknowledged.
    LetterBeforeAck = "letter.before_ack",
    /// The schema is up to date; definitions are not kept, queues not declared.
    BootMigrated = "boot.migrated",
    /// Queues are declared; no loop runs.
    BootDeclared = "boot.declared",
    /// A participant has done a command's work and not committed it.
    ParticipantBeforeCommit = "participant.before_commit",
    /// A participant has committed a command's work and not answered. An error here is a commit
    /// whose outcome is not known.
    ParticipantAfterCommit = "participant.after_commit",
    /// A participant's reply is about to be published.
    ParticipantBeforeReply = "participant.before_reply",
    /// A participant's reply is confirmed, and its command is not acknowledged.
    ParticipantBeforeAck = "participant.before_ack",
    /// A participant has committed that it will do something elsewhere, and has not begun.
    IntentAfterCommit = "intent.after_commit",
    /// A participant has done something elsewhere and not noted the result.
    IntentAfterCall = "intent.after_call",
    /// A participant has noted the result of something elsewhere and not answered.
    IntentAfterResult = "intent.after_result",
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process is killed, as by SIGKILL.
    Kill,
    /// The process is stopped, as by SIGSTOP, until somebody lets it go on.
    Stop,
    /// What was about to happen fails; after a commit, what has happened is not known.
    Error,
    /// The task panics.
    Panic,
}

/// What happens at which point, the how manieth time it is reached: `point:action:nth`, such as
/// `reply.after_commit:kill:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    point: Point,
    action: Action,
    nth: u32,
}

/// A failure that was ordered.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the failpoint `{}` was told to fail", .0.name())]
pub struct Injected(pub Point);

/// What is armed, and how often its point may still be passed.
static ARMED: OnceLock<(Plan, AtomicU32)> = OnceLock::new();

/// Arms a plan for the life of this process. The first wins.
pub fn arm(plan: Plan) {
    let left = AtomicU32::new(plan.nth);
    let _ = ARMED.set((plan, left));
}

/// Reaches a point: goes on, does not return, or fails.
///
/// # Errors
/// [`Injected`] where an error was ordered.
///
/// # Panics
/// Where a panic was ordered.
#[inline]
pub fn reach(point: Point) -> Result<(), Injected> {
    if cfg!(debug_assertions) { fail(point) } else { Ok(()) }
}

/// Reaches a point at which nothing can fail: an error that was ordered here is a panic.
///
/// # Panics
/// Where a panic or an error was ordered.
#[inline]
pub fn pass(point: Point) {
    if let Err(injected) = reach(point) {
        panic!("{injected}");
    }
}

fn fail(point: Point) -> Result<(), Injected> {
    let Some((plan, left)) = ARMED.get() else { return Ok(()) };
    if plan.point != point {
        return Ok(());
    }
    let one_less = |left: u32| left.checked_sub(1);
    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) != Ok(1) {
        return Ok(());
    }
    tracing::warn!(failpoint = point.name(), action = ?plan.action, "failing as told");
    match plan.action {
        Action::Kill => signal(Signal::KILL),
        Action::Stop => signal(Signal::STOP),
        Action::Error => return Err(Injected(point)),
        Action::Panic => panic!("{}", Injected(point)),
    }
    Ok(())
}

fn signal(signal: Signal) {
    if let Err(error) = kill_process(getpid(), signal) {
        tracing::error!(error = %error, "a process may always signal itself");
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is not `point:action:nth`");
        let [point, action, nth] =
            text.split(':').collect::<Vec<_>>().try_into().map_err(|_| shape())?;
        let found = Point::ALL.iter().find(|known| known.name() == point);
        let action = match action {
            "kill" => Action::Kill,
            "stop" => Action::Stop,
            "error" => Action::Error,
            "panic" => Action::Panic,
            other => return Err(format!("`{other}` is not kill, stop, error or panic")),
        };
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(shape)?;
        Ok(Self { point: *found.ok_or_else(|| format!("no failpoint `{point}`"))?, action, nth })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Kill => "kill",
            Action::Stop => "stop",
            Action::Error => "error",
            Action::Panic => "panic",
        };
        write!(f, "{}:{action}:{}", self.point.name(), self.nth)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        for point in Point::ALL {
            let plan: Plan = format!("{}:panic:3", point.name()).parse().expect("it is one");
            assert_eq!(plan, Plan { point: *point, action: Action::Panic, nth: 3 });
            assert_eq!(plan.to_string().parse(), Ok(plan));
        }
        let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len(), "each has a name of its own");
        for wrong in ["", "start.before_commit", "x:kill:1", "start.before_commit:x:1"] {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
        assert!("start.before_commit:kill:0".parse::<Plan>().is_err());
    }

    #[test]
    fn a_point_fails_the_time_it_was_told_to_and_no_other() {
        arm("boot.migrated:error:2".parse().expect("it is a plan"));
        let fails = || reach(Point::BootMigrated).is_err();
        assert_eq!([fails(), fails(), fails(), fails()], [false, true, false, false]);
        assert!(reach(Point::BootDeclared).is_ok());
    }
}
