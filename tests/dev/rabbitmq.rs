//! On a RabbitMQ, so that a participant of one's own joins.

use anyhow::Result;
use lab::{Binary, Lab, Member};
use saga_tests::order;

use crate::support::Dev;

#[tokio::test]
async fn a_participant_of_ones_own_joins_on_a_rabbitmq() -> Result<()> {
    let vhost = Lab::from_env()?.vhost().await?;
    let dev = Dev::start(&["--amqp", &vhost.url, "--without", "payment"]).await?;
    let log = dev.log()?;
    assert!(log.contains("nobody here is `payment`: until it joins"), "{log}");
    let waiting = dev.place(&order("o-1"), 0).await?;
    let file = dev.folder.path().join("own.db");
    let own = Binary::new("payment")
        .env("AMQP_URL", &vhost.url)
        .env("DATABASE_URL", format!("sqlite:{}", file.display()));
    let own = Member::start(own)?;
    let id = waiting["id"].as_str().unwrap_or_default();
    dev.until_status(id, "completed").await?;
    assert!(own.is_alive() && file.exists(), "{}", own.process().log_tail());
    assert!(!dev.data().join("payment.db").exists());
    dev.end().await
}
