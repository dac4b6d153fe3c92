//! Definitions that change while sagas are in flight: old sagas finish as they began, new ones
//! follow the new file, and a wrong one changes nothing.

mod files;
mod flight;
mod folders;
mod support;
