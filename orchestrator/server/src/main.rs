//! The one binary, `saga`: the orchestrator and the commands to operate it. Reading order: `cli`
//! says what there is, `serve` puts the orchestrator together and `dev` the whole system, on what
//! `adapters` chooses; `http` is its face; what drives sagas is the crate `saga-engine`.

mod adapters;
mod cli;
mod data;
mod dev;
mod http;
mod logs;
mod reload;
mod serve;
mod settings;

use std::process::ExitCode;

fn main() -> ExitCode {
    // TLS takes one provider for the process, and this comes before anybody needs it; only then can
    // it fail.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::main()
}
