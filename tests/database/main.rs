//! The database fails in every way a database has, and processes stand still: clients are told so
//! soon, nobody spins, and when it is over everything goes on by itself, with nothing lost and
//! nothing done twice.

mod away;
mod clock;
mod doubt;
mod full;
mod races;
mod slow;
mod standby;
mod stopped;
mod support;
mod terminated;
