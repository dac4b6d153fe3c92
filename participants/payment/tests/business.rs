//! What payment charges, refuses and gives back, on real databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../sdk/tests/ground/mod.rs"]
mod ground;

use payment::participant;
use saga_participant::{
    Knowledge, Outcome,
    testing::{self, action, brief, compensation, serve},
};
use serde_json::{Value, json};

use Outcome::{Completed, Rejected};
use ground::on_both;

on_both! {
    charges_what_is_covered_and_gives_it_back,
    refuses_what_is_no_charge,
}

fn charge(amount: i64) -> Value {
    json!({ "customer_id": "c-1", "amount": amount, "currency": "EUR" })
}

async fn charges_what_is_covered_and_gives_it_back(url: &str) {
    let payment = participant().connect(url).await.unwrap();
    let balance = async || {
        let sql = "select balance from account where customer_id = 'c-1'";
        testing::run(&payment, sql, &[]).await.first().map(|row| row.get::<i64>("balance").unwrap())
    };
    let too_much = action("payment", "charge", &charge(1_000_001));
    let reply = serve(&payment, &too_much).await;
    assert_eq!(brief(&reply), (Rejected, "insufficient_funds"));
    assert_eq!(balance().await, None, "a refused customer leaves no account");

    let covered = action("payment", "charge", &charge(400_000));
    let reply = serve(&payment, &covered).await;
    assert_eq!(brief(&reply), (Completed, ""));
    let expected = format!(r#"{{"charge_id":"ch_{}_step"}}"#, covered.saga_id);
    assert_eq!(reply.output.as_deref().map(|output| output.get()), Some(expected.as_str()));
    assert_eq!(balance().await, Some(600_000));
    let rest = serve(&payment, &action("payment", "charge", &charge(600_001))).await;
    assert_eq!(brief(&rest), (Rejected, "insufficient_funds"));

    let refund = compensation(&covered, "refund", Knowledge::Completed, reply.output);
    for _ in 0..2 {
        assert_eq!(brief(&serve(&payment, &refund).await), (Completed, ""));
        assert_eq!(balance().await, Some(1_000_000));
    }
    let sql = "select amount from charge where status = 'refunded' and amount = 400000
        and saga_id = $1 and customer_id = 'c-1' and currency = 'EUR'";
    assert_eq!(testing::run(&payment, sql, &[&covered.saga_id]).await.len(), 1);
}

async fn refuses_what_is_no_charge(url: &str) {
    let payment = participant().connect(url).await.unwrap();
    let with = |name: &str, value: Value| {
        let mut input = charge(1);
        input[name] = value;
        action("payment", "charge", &input)
    };
    for (command, code) in [
        (with("amount", json!(0)), "invalid_amount"),
        (with("amount", json!(-1)), "invalid_amount"),
        (with("amount", json!(1_i64 << 53)), "invalid_amount"),
        (with("currency", json!("eur")), "invalid_currency"),
        (with("currency", json!("EURO")), "invalid_currency"),
        (with("customer_id", json!("")), "invalid_customer"),
    ] {
        assert_eq!(brief(&serve(&payment, &command).await), (Rejected, code));
    }
    let float = serve(&payment, &with("amount", json!(1.5))).await;
    assert_eq!(brief(&float), (Outcome::Failed, "bad_input"));
}
