//! The product's other definitions on real parts: a pivot with what only goes forward after it,
//! and branches side by side with one that is not always there.

use anyhow::{Context, Result};
use saga_tests::{World, check, order, step_of, undone};
use serde_json::{Value, json};

/// Steps with what became of them, in the order of the definition.
fn steps(saga: &Value) -> String {
    let steps = saga["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told = |step: &Value| {
        let words = [&step["name"], &step["status"]].map(|word| word.as_str().unwrap_or("?"));
        words.join(" ")
    };
    steps.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// An order with gifts, to this country.
fn checkout(key: &str, country: &str, gift: Option<&str>) -> Value {
    let mut order = order(key);
    order["address"]["country"] = json!(country);
    if let Some(sku) = gift {
        order["gifts"] = json!([{ "sku": sku, "quantity": 1 }]);
    }
    order
}

#[tokio::test]
async fn a_checkout_goes_only_forward_once_it_is_paid() -> Result<()> {
    let world = World::start().await?;
    let plain = world.place("/checkouts", &checkout("c-1", "DE", None)).await?;
    assert_eq!(
        steps(&plain),
        "goods completed, payment completed, parcel completed, gifts skipped"
    );
    assert!(plain["output"]["charge_id"].is_string(), "{plain:#}");
    assert!(plain["output"]["shipment_id"].is_string(), "{plain:#}");
    let gifted = world.place("/checkouts", &checkout("c-2", "DE", Some("sku-3"))).await?;
    assert_eq!(
        steps(&gifted),
        "goods completed, payment completed, parcel completed, gifts completed"
    );

    // Before the pivot a refusal undoes everything.
    let mut poor = checkout("c-3", "DE", None);
    poor["total"] = json!(2_000_000);
    let poor = world.place("/checkouts", &poor).await?;
    assert_eq!(
        (&poor["status"], steps(&poor)),
        (
            &json!("compensated"),
            "goods compensated, payment rejected, parcel pending, gifts pending".to_owned()
        )
    );

    // After it a refusal asks for somebody: nothing is undone, and the other branch goes on.
    let id = world.begin("/checkouts", &checkout("c-4", "AQ", Some("sku-4"))).await?;
    let stuck = world.until_status(&id, "stuck").await?;
    assert_eq!(step_of(&stuck, "payment")["status"], "completed");
    assert_eq!(step_of(&stuck, "parcel")["error"]["code"], "address_not_served");
    world.until_step(&id, "gifts", "completed").await?;
    let cancelled = world.cancel(&id, &json!({ "reason": "too late" })).await?;
    assert_eq!((cancelled.status.as_u16(), &cancelled.body["code"]), (409, &json!("pivot_sent")));
    let skip = ["skip", &id, "--step", "parcel", "--reason", "it is fetched", "--actor", "ada"];
    let skipped = world.cli(&skip)?;
    assert_eq!(skipped.code, Some(0), "{skipped:?}");
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(saga["output"]["shipment_id"], "", "there is no parcel: {saga:#}");
    check(&world.db).await?;
    Ok(())
}

fn trip(key: &str, room: &str, country: &str, premium: Option<u32>) -> Value {
    let mut trip = json!({
        "trip_id": key,
        "customer_id": format!("customer-of-{key}"),
        "seat": "sku-10",
        "room": room,
        "price": 4200,
        "currency": "EUR",
        "address": { "country": country },
    });
    if let Some(premium) = premium {
        trip["premium"] = json!(premium);
    }
    trip
}

#[tokio::test]
async fn a_trip_is_booked_in_branches_and_undone_in_them() -> Result<()> {
    let world = World::start().await?;
    let insured = world.place("/trips", &trip("t-1", "sku-11", "DE", Some(99))).await?;
    assert_eq!(
        steps(&insured),
        "seat completed, room completed, insurance completed, payment completed, tickets completed"
    );
    assert!(insured["output"]["charges"]["insurance"].is_string(), "{insured:#}");
    let plain = world.place("/trips", &trip("t-2", "sku-11", "DE", None)).await?;
    assert_eq!(
        steps(&plain),
        "seat completed, room completed, insurance skipped, payment completed, tickets completed"
    );
    assert_eq!(plain["output"]["charges"]["insurance"], Value::Null);

    // The last step's refusal undoes all branches; what was skipped is passed over.
    let refused = world.place("/trips", &trip("t-3", "sku-11", "AQ", None)).await?;
    assert_eq!(
        (&refused["status"], steps(&refused)),
        (
            &json!("compensated"),
            "seat compensated, room compensated, insurance skipped, payment compensated, \
             tickets rejected"
                .to_owned()
        )
    );
    let journal = world.journal(refused["id"].as_str().context("an id")?).await?;
    let undone = undone(&journal);
    assert_eq!((undone.len(), undone[0]), (3, "payment"), "{undone:?}");

    // One branch is refused while the other is done.
    let full = world.place("/trips", &trip("t-4", "sku-unheard-of", "DE", Some(99))).await?;
    assert_eq!(full["cause"]["code"], "unknown_sku");
    assert_eq!(
        steps(&full),
        "seat compensated, room rejected, insurance pending, payment pending, tickets pending"
    );
    check(&world.db).await?;
    Ok(())
}
