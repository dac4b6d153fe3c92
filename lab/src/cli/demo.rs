//! `lab demo`: the product on private servers, one order that completes and one that is undone.

use std::{net::TcpListener, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};
use lab::{Binary, Given, Servers, System, SystemSettings};
use serde_json::{Value, json};

use super::{cargo, output, told_to_end, unless_told_to_end};

/// What `lab demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ends after the two orders have been shown
    #[arg(long)]
    once: bool,
}

/// Where `saga` looks for the API unless told otherwise. Another port is taken where this one is
/// not free.
const USUAL_PORT: u16 = 8080;

/// Runs the demonstration.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    output::progress("building");
    if unless_told_to_end(cargo::build_binaries()).await?.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let given = Given::from_env();
    let started = unless_told_to_end(Servers::start(&given, &output::progress)).await?;
    let Some(servers) = started else {
        return Ok(ExitCode::SUCCESS);
    };
    let shown = unless_told_to_end(show(arguments, &servers, &given)).await;
    output::progress("ending what was started");
    servers.finish().await?;
    shown?;
    Ok(ExitCode::SUCCESS)
}

async fn show(arguments: &Arguments, servers: &Servers, given: &Given) -> Result<()> {
    let system = start(servers, given).await?;
    output::progress(&format!("the product runs at {}", system.url));
    let folder = servers.lab().logs();
    let completed = place(&system, &folder, "DE", "completed")?;
    let undone = place(&system, &folder, "AQ", "compensated")?;
    for id in [&completed, &undone] {
        output::data(&saga(&system, &["show", id])?);
        output::data("\n");
    }
    if arguments.once {
        system.stop();
        return Ok(());
    }
    output::data(&invitation(&system, servers, &undone));
    told_to_end().await?;
    system.stop();
    Ok(())
}

async fn start(servers: &Servers, given: &Given) -> Result<System> {
    let lab = servers.lab();
    let database_url = match (&given.database_url, servers.database()) {
        (None, Some(server)) => {
            server.admin("create database saga").await?;
            server.url("saga")
        }
        _ => lab.database_url().to_owned(),
    };
    output::progress("starting orchestrator and participants");
    let mut settings = SystemSettings::new(lab.amqp_url(), &database_url, &lab.logs());
    let usual_is_free = TcpListener::bind(("127.0.0.1", USUAL_PORT)).is_ok();
    settings.port = usual_is_free.then_some(USUAL_PORT);
    System::start(settings).await
}

/// Places an order to this country, waits for its end and answers its saga's id.
fn place(system: &System, folder: &Path, country: &str, expected: &str) -> Result<String> {
    let file = folder.join(format!("order-{country}.json"));
    std::fs::write(&file, order(country).to_string()).context("cannot write an order")?;
    output::progress(&format!("placing an order to {country}"));
    let path = file.display().to_string();
    let said = saga(system, &["start", "order", "--input", &path, "--wait", "--json"])?;
    let started: Value = serde_json::from_str(&said).context("`saga start` did not print JSON")?;
    let status = started["status"].as_str().unwrap_or("unknown");
    ensure!(
        status == expected,
        "the order to {country} ended `{status}`, not `{expected}`:\n{said}"
    );
    started["id"].as_str().map(str::to_owned).context("`saga start` did not print an id")
}

/// An order as shops send them. Keys are new each time, so that given servers can be used again.
fn order(country: &str) -> Value {
    let id = rand::random::<u32>();
    json!({
        "order_id": format!("o-{id:08x}"),
        "customer_id": format!("c-{id:08x}"),
        "items": [{ "sku": "sku-1", "quantity": 2 }],
        "total": 4200,
        "currency": "EUR",
        "address": {
            "name": "Ada Lovelace", "street": "Hauptstr. 1", "city": "Berlin",
            "postal_code": "10115", "country": country,
        },
    })
}

/// Runs `saga` against the system. Its exit status 1 means that the answer is no, such as an order
/// that was undone.
fn saga(system: &System, arguments: &[&str]) -> Result<String> {
    let output = Binary::new("saga").args(arguments).env("SAGA_URL", &system.url).output()?;
    match output.status.code() {
        Some(0 | 1) if !output.stdout.is_empty() => {
            String::from_utf8(output.stdout).context("`saga` did not print text")
        }
        _ => bail!(
            "`saga {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        ),
    }
}

/// Where everything is and what to try.
fn invitation(system: &System, servers: &Servers, id: &str) -> String {
    let lab = servers.lab();
    let url = &system.url;
    let export = match url.ends_with(&format!(":{USUAL_PORT}")) {
        true => String::new(),
        false => format!("  export SAGA_URL={url}\n"),
    };
    format!(
        "API       {url}\n\
         RabbitMQ  {}\n\
         Postgres  {}\n\
         Logs      {}\n\
         \n\
         Try, in another terminal:\n\
         {export}\
         \x20 cargo run -q -- list\n\
         \x20 cargo run -q -- journal {id}\n\
         \x20 curl {url}/v1/sagas/{id}\n\
         \n\
         Ctrl-C ends everything and removes it.\n",
        lab.amqp_url(),
        system.settings.database_url,
        lab.logs().display(),
    )
}
