//! What ends a connection, what an operator can do about it, and the deadline on every request to
//! the broker.

use std::time::Duration;

use lapin::ErrorKind;
use saga_protocol::topology;

use super::{limits::STEP_MAX, uri::Address};
use crate::Role;

/// The reply code for what the user may not do.
const ACCESS_REFUSED: u16 = 403;
/// The reply code for a queue or exchange that does not exist.
const NOT_FOUND: u16 = 404;
/// The reply code for a queue or exchange that is there with other arguments.
const PRECONDITION_FAILED: u16 = 406;
/// The reply code for what the broker's policy is against.
const NOT_ALLOWED: u16 = 530;
/// What it says where it has enough of us.
const LIMIT: &str = "limit";
/// The reply code for what the broker cannot do itself.
const INTERNAL_ERROR: u16 = 541;
/// What is asked when a queue is consumed from.
pub(super) const CONSUME: &str = "consume";

/// Why a connection cannot go on. There is one remedy: drop it and begin again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The broker, or the way to it, said so.
    #[error("{what}: {error}")]
    Broker { what: &'static str, error: lapin::Error },
    /// It said nothing in time.
    #[error("{what}: no answer within {limit:?}")]
    Late { what: &'static str, limit: Duration },
    /// We concluded it.
    #[error("{0}")]
    Seen(String),
}

impl Trouble {
    pub(super) fn is_not_found(&self) -> bool {
        self.code() == Some(NOT_FOUND)
    }

    /// Whether a queue does not let whoever wants to consume from it, and says no reason.
    pub(super) fn is_mute_queue(&self) -> bool {
        let (Self::Broker { what, .. } | Self::Late { what, .. }) = self else { return false };
        let is_late = matches!(self, Self::Late { .. });
        *what == CONSUME && (is_late || self.code() == Some(INTERNAL_ERROR))
    }

    /// What happened, with the way out where an operator must take one.
    pub(super) fn explain(&self, address: &Address, role: &Role) -> String {
        let vhost = address.vhost();
        match self.code() {
            Some(ACCESS_REFUSED) => {
                let (configure, write, read) = permissions(role);
                let user = address.user();
                format!(
                    "{self}; give the user its permissions: `rabbitmqctl set_permissions \
                     -p {vhost} {user} '{configure}' '{write}' '{read}'`"
                )
            }
            Some(PRECONDITION_FAILED) => format!(
                "{self}; somebody made it otherwise than we do: delete it, for a queue with \
                 `rabbitmqctl delete_queue -p {vhost} NAME`, and it is made anew at once; commands \
                 that were in it are sent again"
            ),
            Some(NOT_ALLOWED) if self.to_string().contains(LIMIT) => {
                let user = address.user();
                format!(
                    "{self}; lift the limit: `rabbitmqctl clear_user_limits {user} all`, or \
                     `rabbitmqctl clear_vhost_limits -p {vhost}`; each of our processes holds two \
                     connections"
                )
            }
            _ => self.to_string(),
        }
    }

    /// The broker's reply code.
    fn code(&self) -> Option<u16> {
        let Self::Broker { error, .. } = self else { return None };
        match error.kind() {
            ErrorKind::ProtocolError(error) => Some(error.get_id()),
            _ => None,
        }
    }
}

/// The least that a role can work with: what it may configure, write and read.
fn permissions(role: &Role) -> (&'static str, String, String) {
    match role {
        Role::Server => (r"^saga\.", r"^saga\.".to_owned(), r"^saga\.".to_owned()),
        Role::Participant(own) => {
            let exact = |name: &str| format!("^{}$", name.replace('.', r"\."));
            ("^$", exact(topology::REPLIES), exact(&topology::command_queue(own)))
        }
    }
}

/// The way out where a queue does not answer, again and again.
pub(super) fn mute_queue(address: &Address, queue: &str) -> String {
    let vhost = address.vhost();
    format!(
        "the broker may know the queue by name only, as after a crash right after it was made: \
         then delete it with `rabbitmqctl delete_queue -p {vhost} {queue}`, and it is made anew at \
         once; commands that were in it are sent again"
    )
}

/// Waits for a request to the broker, for so long as one may take.
pub(super) async fn step<T>(
    what: &'static str,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Trouble> {
    within(STEP_MAX, what, request).await
}

/// The same with a deadline of its own.
pub(super) async fn within<T>(
    limit: Duration,
    what: &'static str,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Trouble::Broker { what, error }),
        Err(_) => Err(Trouble::Late { what, limit }),
    }
}
