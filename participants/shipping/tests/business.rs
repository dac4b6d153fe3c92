//! What shipping books, refuses and cancels, on a real Postgres.

use lab::Lab;
use saga_participant::{
    Command, Knowledge, Outcome,
    testing::{action, brief, compensation, serve},
};
use serde_json::json;
use shipping::participant;
use sqlx::PgPool;

use Outcome::{Completed, Failed, Rejected};

fn schedule(country: &str) -> Command {
    let address = json!({ "name": "Ada", "street": "Hauptstr. 1", "country": country });
    action("shipping", "schedule", &json!({ "address": address, "charge_id": "ch_1" }))
}

#[tokio::test]
async fn books_where_parcels_go_and_cancels() {
    let database = Lab::from_env().unwrap().database().await.unwrap();
    let shipping = participant().connect(&database.url).await.unwrap();
    let pool = PgPool::connect(&database.url).await.unwrap();
    let status = async |command: &Command| {
        let sql = "select status from shipping.shipment where saga_id = $1";
        let id = command.saga_id.0;
        sqlx::query_scalar::<_, String>(sql).bind(id).fetch_optional(&pool).await.unwrap()
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
