//! `saga dev` as people run it: one process on files of its own, nothing else on the machine.

mod flight;
mod rabbitmq;
mod refused;
mod support;
mod watch;
mod works;
