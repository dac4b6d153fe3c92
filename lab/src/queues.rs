//! What an operator, or a mistake, does to the queues of one virtual host.

use anyhow::{Context, Result};
use serde_json::json;

use crate::broker::Ctl;

/// Who is noted in the broker's log to have done it.
const US: &str = "<<\"saga-lab\">>";
/// The name of the one policy that is set here.
const POLICY: &str = "saga-lab";

/// The queues of one virtual host. Each call costs most of a second of a core: `rabbitmqctl` is
/// slow to start.
#[derive(Clone, Debug)]
pub struct Queues {
    ctl: Ctl,
    vhost: String,
}

impl Queues {
    pub(crate) fn new(ctl: Ctl, vhost: &str) -> Self {
        Self { ctl, vhost: vhost.to_owned() }
    }

    /// Their names.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn names(&self) -> Result<Vec<String>> {
        let said = self.run(&["-q", "list_queues", "--no-table-headers", "name"]).await?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// How many consume from each, by name.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn consumers(&self) -> Result<Vec<(String, usize)>> {
        let all = ["-q", "list_queues", "--no-table-headers", "consumers", "name"];
        let said = self.run(&all).await?;
        let parsed = said.lines().map(|line| {
            let (count, name) = line.split_once('\t').context("a queue has two columns")?;
            Ok((name.to_owned(), count.parse().context("a queue has so many consumers")?))
        });
        let mut consumers: Vec<_> = parsed.collect::<Result<_>>()?;
        consumers.sort();
        Ok(consumers)
    }

    /// Deletes a queue with all that is in it.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn delete(&self, queue: &str) -> Result<()> {
        self.run(&["delete_queue", queue]).await.map(|_| ())
    }

    /// Deletes all of them, with all that is in them.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn delete_all(&self) -> Result<()> {
        let vhost = &self.vhost;
        let all = format!(
            "[rabbit_amqqueue:delete(Q, false, false, {US}) \
             || Q <- rabbit_amqqueue:list(<<\"{vhost}\">>)], ok."
        );
        self.ctl.run(&["eval", &all]).await.map(|_| ())
    }

    /// Throws away what waits in a queue. What is delivered and not acknowledged stays.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn purge(&self, queue: &str) -> Result<()> {
        self.run(&["purge_queue", queue]).await.map(|_| ())
    }

    /// Lets no more than so many messages wait in each queue whose name matches, until
    /// [`Self::unlimit`].
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn limit(&self, pattern: &str, messages_max: u32) -> Result<()> {
        let policy = json!({ "max-length": messages_max }).to_string();
        self.run(&["set_policy", "--apply-to", "queues", POLICY, pattern, &policy])
            .await
            .map(|_| ())
    }

    /// Takes the limit back.
    ///
    /// # Errors
    /// When there is none.
    pub async fn unlimit(&self) -> Result<()> {
        self.run(&["clear_policy", POLICY]).await.map(|_| ())
    }

    /// Closes all connections to the virtual host, in order and with a word.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn close_connections(&self) -> Result<()> {
        self.run(&["close_all_connections", "closed by a test"]).await.map(|_| ())
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        self.ctl.run(&[&["-p", &self.vhost], arguments].concat()).await
    }
}

/// Makes virtual hosts inside the broker, in one call, with every permission for the user.
pub(crate) fn making_vhosts(names: &[String], user: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("<<\"{name}\">>")).collect();
    let all = "<<\".*\">>";
    format!(
        "[begin rabbit_vhost:add(V, {US}), rabbit_auth_backend_internal:set_permissions(\
         <<\"{user}\">>, V, {all}, {all}, {all}, {US}) end || V <- [{}]], ok.",
        names.join(", ")
    )
}
