//! Sagas in flight outlive the process.

use anyhow::{Context, Result};
use lab::wait;
use saga_tests::{Load, check_files, order, order_with};
use serde_json::json;

use crate::support::{Dev, PATIENCE};

/// Sagas that are in flight when the process is killed.
const IN_FLIGHT: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_a_hundred_in_flight_all_end_once_it_is_back() -> Result<()> {
    // Nobody is there to schedule a parcel, so none can end.
    let mut dev = Dev::start(&["--without", "shipping"]).await?;
    let log = dev.log()?;
    assert!(log.contains("nobody here is `shipping`"), "{log}");
    let mut ids = Vec::new();
    for n in 0..IN_FLIGHT {
        let order = match n % 5 {
            0 => order_with(&format!("o-{n}"), "/address/country", json!("AQ")),
            _ => order(&format!("o-{n}")),
        };
        let saga = dev.place(&order, 0).await?;
        let end = if n % 5 == 0 { "compensated" } else { "completed" };
        ids.push((saga["id"].as_str().context("a saga has an id")?.to_owned(), end));
    }
    dev.restart(&[]).await?;
    for (id, end) in &ids {
        dev.until_status(id, end).await?;
    }
    dev.end().await?;
    let ends = check_files(&dev.data(), &[]).await?;
    assert_eq!(ends, [("completed".to_owned(), 80), ("compensated".to_owned(), 20)].into());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_again_and_again_nothing_is_lost_or_done_twice() -> Result<()> {
    const ORDERS: usize = 400;
    const KILLS: usize = 4;
    let mut dev = Dev::start(&[]).await?;
    let load = Load::new(&dev.url, ORDERS);
    let killing = async {
        for kill in 1..=KILLS {
            let some = ORDERS * kill / (KILLS + 1);
            let ended = async || (load.ended() >= some).then_some(());
            wait::until("some orders to end", PATIENCE, ended).await?;
            dev.restart(&[]).await?;
        }
        Ok(())
    };
    let (placed, ()) = tokio::try_join!(load.run(), killing)?;
    assert_eq!(placed.len(), ORDERS);
    for placed in placed {
        assert_eq!(placed.saga["status"], placed.expected, "{:#}", placed.saga);
    }
    dev.end().await?;
    let ends = check_files(&dev.data(), &load.promised()).await?;
    assert_eq!(ends, [("completed".to_owned(), 320), ("compensated".to_owned(), 80)].into());
    Ok(())
}
