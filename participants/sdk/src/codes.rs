//! The codes in replies that come from the SDK. Handlers choose their own for refusals.

/// A command of this identity came before with another body. Never an effect.
pub(crate) const BODY_MISMATCH: &str = "body_mismatch";
/// The action was compensated before it arrived.
pub(crate) const COMPENSATED_ALREADY: &str = "compensated_already";
/// The orchestrator knows of an effect, or may, that the barrier does not.
pub(crate) const EFFECT_MISSING: &str = "effect_missing";
/// The command's deadline has passed.
pub(crate) const EXPIRED: &str = "expired";
/// The action is being done, outside the database, or was begun and its end is not known.
pub(crate) const IN_PROGRESS: &str = "in_progress";
/// A query finds no trace of the action.
pub(crate) const NOT_FOUND: &str = "not_found";
/// No handler has this name.
pub(crate) const UNKNOWN_ACTION: &str = "unknown_action";
/// The body is not what the handler takes.
pub(crate) const BAD_INPUT: &str = "bad_input";
/// The handler's output is over the limit, or is no JSON.
pub(crate) const BAD_OUTPUT: &str = "bad_output";
/// The handler returned an error.
pub(crate) const HANDLER_FAILED: &str = "handler_failed";
/// The handler panicked.
pub(crate) const HANDLER_PANICKED: &str = "handler_panicked";
/// The handler took too long.
pub(crate) const HANDLER_TIMEOUT: &str = "handler_timeout";
/// Other transactions were in the way each time.
pub(crate) const CONFLICT: &str = "conflict";
/// The participant's database does not answer.
pub(crate) const DATABASE_UNAVAILABLE: &str = "database_unavailable";
/// The barrier itself failed.
pub(crate) const BARRIER_FAILED: &str = "barrier_failed";
