//! The names of the AMQP headers that commands and replies carry.

/// The definition's name.
pub const DEFINITION: &str = "saga-definition";
/// The step's name.
pub const STEP: &str = "saga-step";
/// `action`, `compensation` or `query`.
pub const PHASE: &str = "saga-phase";
/// `compensatable`, `pivot` or `retriable`.
pub const KIND: &str = "saga-kind";
/// The attempt, from 1, counted per step and phase.
pub const ATTEMPT: &str = "saga-attempt";
/// When the saga began, RFC 3339.
pub const STARTED: &str = "saga-started";
/// SHA-256 of the body, lower-case hex.
pub const BODY_SHA256: &str = "saga-body-sha256";
/// Do not start the work later than this, RFC 3339.
pub const DEADLINE: &str = "saga-deadline";
/// W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
