//! Measures the product as users run it: real processes on a private RabbitMQ and Postgres, orders
//! over HTTP. It prints figures and judges none: no test depends on them. Reading order: `cli` says
//! what there is, `run` puts it together, `level` runs the product, `load` places orders, `cost`
//! counts what they took, `raw` finds what the broker could carry at most and `floor` what one saga
//! takes at least. `growth` fills the database first; `dev` measures `saga dev` alone.

mod cli;
mod cost;
mod dev;
mod figures;
mod floor;
mod growth;
mod level;
mod load;
mod order;
mod played;
mod product;
mod raw;
mod report;
mod run;
mod stand_in;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
