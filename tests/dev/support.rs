//! A `saga dev` in a folder of its own.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::{Binary, End, Folder, Member, free_port, wait};
use saga_tests::Said;
use serde_json::Value;

/// For whatever a test waits for. Reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One process with everything in it.
pub(crate) struct Dev {
    pub(crate) folder: Folder,
    pub(crate) member: Member,
    pub(crate) url: String,
    port: u16,
    http: reqwest::Client,
}

impl Dev {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(more: &[&str]) -> Result<Self> {
        let folder = Folder::create()?;
        definitions(&folder)?;
        let port = free_port()?;
        let member = Member::start_at(binary(&folder, port, more), port)?;
        member.ready().await?;
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { url: member.url(), folder, member, port, http })
    }

    /// Starts it again, told otherwise, after killing what still runs.
    pub(crate) async fn restart(&mut self, more: &[&str]) -> Result<()> {
        self.member.kill9();
        self.launch(more)?;
        self.member.ready().await
    }

    /// Starts it again, and waits for nothing.
    pub(crate) fn launch(&mut self, more: &[&str]) -> Result<()> {
        self.member = Member::start_at(binary(&self.folder, self.port, more), self.port)?;
        Ok(())
    }

    /// Where it keeps its files.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Asks it to end in order.
    pub(crate) async fn end(&self) -> Result<()> {
        self.member.term()?;
        let end = self.member.end(PATIENCE).await?;
        ensure!(end == End::ORDER, "it ended as {end:?}: {}", self.log()?);
        Ok(())
    }

    /// Everything that it said.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.member.process().log())?)
    }

    /// Places an order, and waits for its end for so many seconds.
    pub(crate) async fn place(&self, order: &Value, wait: u32) -> Result<Value> {
        let request = self.http.post(format!("{}/orders", self.url)).json(order);
        let answer = request.header("prefer", format!("wait={wait}")).send().await?;
        ensure!(answer.status().is_success(), "not accepted: {}", answer.text().await?);
        Ok(answer.json().await?)
    }

    /// A resource.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await?;
        answer.json().await.context("it answers with JSON")
    }

    /// The saga once it has this status.
    pub(crate) async fn until_status(&self, id: &str, status: &str) -> Result<Value> {
        let what = format!("saga {id} to be {status}");
        let seen = wait::until(&what, PATIENCE, async || {
            let saga = self.get(&format!("/v1/sagas/{id}")).await.ok()?;
            (saga["status"] == status).then_some(saga)
        });
        seen.await.with_context(|| self.member.process().log_tail())
    }

    /// Runs the command line tool against it.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Result<Said> {
        Said::of(&Binary::new("saga").args(arguments).env("SAGA_URL", &self.url))
    }
}

/// Copies the product's definitions into the folder.
pub(crate) fn definitions(folder: &Folder) -> Result<()> {
    let defs = folder.path().join("defs");
    fs::create_dir_all(&defs)?;
    for entry in fs::read_dir(lab::workspace().join("saga-defs"))? {
        let path = entry?.path();
        fs::copy(&path, defs.join(path.file_name().context("a file has a name")?))?;
    }
    Ok(())
}

/// `saga dev` on the files of this folder.
pub(crate) fn binary(folder: &Folder, port: u16, more: &[&str]) -> Binary {
    Binary::new("saga")
        .arg("dev")
        .env("SAGA_DATA", folder.path().join("data"))
        .env("SAGA_DEFS", folder.path().join("defs"))
        .env("SAGA_LISTEN", format!("127.0.0.1:{port}"))
        .args(more)
}
