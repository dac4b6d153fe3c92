//! Measures the product as users run it: real processes on a private RabbitMQ and Postgres, orders
//! over HTTP. It prints figures and judges none: no test depends on them. Reading order: `cli` says
//! what there is, `run` puts it together, `load` places orders, `cost` counts what they took, and
//! `raw` finds what the broker could carry at most. `dev` measures `saga dev` alone.

mod cli;
mod cost;
mod dev;
mod load;
mod order;
mod product;
mod raw;
mod report;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
