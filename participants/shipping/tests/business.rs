//! What shipping books, refuses and cancels, on real databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../sdk/tests/ground/mod.rs"]
mod ground;

use saga_participant::{
    Command, Knowledge, Outcome,
    testing::{self, action, brief, compensation, serve},
};
use serde_json::json;
use shipping::participant;

use Outcome::{Completed, Failed, Rejected};
use ground::on_both;

on_both! {
    books_where_parcels_go_and_cancels,
}

fn schedule(country: &str) -> Command {
    let address = json!({ "name": "Ada", "street": "Hauptstr. 1", "country": country });
    action("shipping", "schedule", &json!({ "address": address, "charge_id": "ch_1" }))
}

async fn books_where_parcels_go_and_cancels(url: &str) {
    let shipping = participant().connect(url).await.unwrap();
    let status = async |command: &Command| {
        let sql = "select status from shipment where saga_id = $1";
        let rows = testing::run(&shipping, sql, &[&command.saga_id]).await;
        rows.first().map(|row| row.get::<String>("status").unwrap())
    };
    for country in ["AQ", "aq"] {
        let refused = schedule(country);
        let reply = serve(&shipping, &refused).await;
        assert_eq!(brief(&reply), (Rejected, "address_not_served"));
        assert_eq!(status(&refused).await, None);
    }
    let booked = schedule("DE");
    let reply = serve(&shipping, &booked).await;
    assert_eq!(brief(&reply), (Completed, ""));
    assert_eq!(status(&booked).await.as_deref(), Some("scheduled"));
    let cancel = compensation(&booked, "cancel", Knowledge::Completed, reply.output);
    for _ in 0..2 {
        assert_eq!(brief(&serve(&shipping, &cancel).await), (Completed, ""));
        assert_eq!(status(&booked).await.as_deref(), Some("cancelled"));
    }
    let nowhere = action("shipping", "schedule", &json!({ "address": {} }));
    assert_eq!(brief(&serve(&shipping, &nowhere).await), (Failed, "bad_input"));
}
