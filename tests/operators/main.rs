//! What operators can do, as they do it: every row of the table of verbs, and dead letters. An
//! order that does not fit is refused, and leaves the saga as it was.

mod letters;
mod support;
mod timers;
mod verbs;
