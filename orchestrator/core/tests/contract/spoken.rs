//! What the core really sends and accepts, held against the contract.

use saga_core::{
    Birth, Definition, Saga, advance,
    contract::Contract,
    saga::{Answer, At, Effect, Event, Order, Rejection, Status, Verb},
};
use saga_protocol::{Command, Json, Outcome, Phase, ReplyBody, SagaId, Timestamp};
use serde_json::{Value, json, value::to_raw_value};

use crate::{CHECKOUT, ORDER, TRIP, VOYAGE, accepts, define};

const AT: At = At { now: Timestamp::from_micros(1_700_000_000_000_000), draw: 0 };

/// What each definition is started with, and what every one of its actions answers.
fn runs() -> [(&'static str, Value, Value); 5] {
    let order = json!({
        "order_id": "o-1", "customer_id": "c-1", "items": [{ "sku": "sku-1", "quantity": 2 }],
        "total": 4200, "currency": "EUR", "address": { "country": "DE" },
    });
    let charged = json!({ "charge_id": "ch-1", "shipment_id": "sh-1" });
    let trip = json!({
        "trip_id": "t-1", "customer_id": "c-1", "seat": "sku-1", "room": "sku-2", "price": 9,
        "premium": 2, "currency": "EUR", "address": { "country": "DE" },
    });
    let person = json!({ "name": "Ada", "with": [{ "name": "Bo", "with": [] }] });
    let voyage = json!({
        "id": "v-1", "party": person, "legs": [{ "to": "A" }, { "to": "B" }], "total": 3,
        "discount": null,
    });
    let mut alone = voyage.clone();
    alone["total"] = json!(1);
    let receipt = json!({ "code": "XY", "id": "r-1" });
    [
        (ORDER, order.clone(), charged.clone()),
        (CHECKOUT, order, charged.clone()),
        (TRIP, trip, charged),
        (VOYAGE, voyage, receipt.clone()),
        (VOYAGE, alone, receipt),
    ]
}

fn json(value: &Value) -> Json {
    to_raw_value(value).unwrap()
}

fn start(definition: &Definition, input: &Value) -> (Saga, Vec<Command>) {
    let input = json(input);
    definition.check_input(&input).unwrap();
    let (id, key) = (SagaId(uuid::Uuid::nil()), definition.key(&input).unwrap());
    let first = Saga::start(definition, Birth { id, key, input }, AT);
    (first.saga, sent(first.effects))
}

fn sent(effects: Vec<Effect>) -> Vec<Command> {
    effects.into_iter().map(|Effect::Send(command)| command).collect()
}

fn answer(command: &Command, body: ReplyBody) -> Event {
    Event::Reply(Answer {
        step: command.step.clone(),
        phase: command.phase,
        attempt: command.attempt,
        command_hash: None,
        participant: Some(command.participant.clone()),
        body,
    })
}

/// Completes everything that is asked, and cancels a copy at each point; gives all commands, with
/// their answers.
fn play(definition: &Definition, input: &Value, output: &Value) -> Vec<(Command, ReplyBody)> {
    let (mut saga, mut waiting) = start(definition, input);
    let mut all = Vec::new();
    let cancel =
        Event::Operator(Order { verb: Verb::Cancel, actor: "a".into(), reason: "b".into() });
    loop {
        if let Ok(turned) = advance(definition, &saga, &cancel, AT) {
            let mut back = turned.saga;
            let mut undone = sent(turned.effects);
            while let Some(command) = undone.pop() {
                let reply = ReplyBody::completed(None);
                let next =
                    advance(definition, &back, &answer(&command, reply.clone()), AT).unwrap();
                back = next.saga;
                undone.extend(sent(next.effects));
                all.push((command, reply));
            }
            assert_eq!(back.status(), Status::Compensated);
        }
        let Some(command) = waiting.pop() else { break };
        let reply = ReplyBody::completed(Some(json(output)));
        let next = advance(definition, &saga, &answer(&command, reply.clone()), AT).unwrap();
        saga = next.saga;
        waiting.extend(sent(next.effects));
        all.push((command, reply));
    }
    assert_eq!(saga.status(), Status::Completed);
    all
}

fn pointer(command: &Command, what: &str) -> String {
    let phase = match command.phase {
        Phase::Action => "actions",
        Phase::Compensation => "compensations",
        Phase::Query => "queries",
    };
    format!("/{}/{phase}/{}/{what}", command.participant, command.action)
}

#[test]
fn every_message_is_as_the_contract_says() {
    for (text, input, output) in runs() {
        let definition = define(text);
        let document = Contract::of([&definition]).to_json_schema();
        let messages = play(&definition, &input, &output);
        assert!(messages.iter().any(|(command, _)| command.phase == Phase::Compensation));
        for (command, reply) in messages {
            let body: Value = serde_json::from_slice(&command.body).unwrap();
            let schema = pointer(&command, "command");
            assert!(accepts(&document, &schema, &body), "{body:#} is not {schema}");
            // Where several steps say different things, less of one may be all of another.
            let is_one = document.pointer(&schema).unwrap().get("anyOf").is_none();
            for wrong in worse(&body).into_iter().filter(|_| is_one) {
                assert!(!accepts(&document, &schema, &wrong), "{wrong:#} is {schema}");
            }
            let reply: Value = serde_json::from_slice(&reply.to_bytes()).unwrap();
            assert!(accepts(&document, &pointer(&command, "reply"), &reply), "{reply:#}");
        }
    }
}

/// The same body less one field, and no body at all.
fn worse(body: &Value) -> Vec<Value> {
    let fields = body.as_object().unwrap();
    let without = fields.keys().map(|name| {
        let mut fields = fields.clone();
        fields.remove(name);
        Value::Object(fields)
    });
    without.chain([Value::Null, json!("text")]).collect()
}

#[test]
fn headers_are_as_the_contract_says() {
    let definition = define(ORDER);
    let document = Contract::of([&definition]).to_json_schema();
    let (_, input, _) = &runs()[0];
    let (_, commands) = start(&definition, input);
    let message = commands[0].to_message(uuid::Uuid::nil(), AT.now);
    let headers: serde_json::Map<_, _> = message
        .headers
        .iter()
        .map(|(name, value)| {
            let value = match value {
                saga_protocol::HeaderValue::Text(text) => json!(text),
                saga_protocol::HeaderValue::Number(number) => json!(number),
            };
            (name.clone(), value)
        })
        .collect();
    let takes = |headers: &Value| accepts(&document, "/payment/commands/headers", headers);
    assert!(takes(&headers.clone().into()), "{headers:#?}");
    for name in headers.keys() {
        let mut fewer = headers.clone();
        fewer.remove(name);
        assert!(!takes(&fewer.into()), "without {name}");
    }
}

/// The contract accepts an output exactly where the core does.
#[test]
fn outputs_are_held_to_the_same_schema_as_the_core_holds_them() {
    let definition = define(ORDER);
    let document = Contract::of([&definition]).to_json_schema();
    let (_, input, _) = &runs()[0];
    let (saga, commands) = start(&definition, input);
    let [charge] = commands.as_slice() else { panic!("an order begins with the charge") };
    let outputs = [
        Some(json!({ "charge_id": "c" })),
        Some(json!({ "charge_id": "c", "more": 1 })),
        Some(json!({ "charge_id": 7 })),
        Some(json!({})),
        Some(json!(null)),
        None,
    ];
    for output in outputs {
        let body = ReplyBody::completed(output.as_ref().map(json));
        let said: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
        let next = advance(&definition, &saga, &answer(charge, body), AT).unwrap();
        let is_taken = next.saga.status() == Status::Running;
        let is_right = accepts(&document, "/payment/actions/charge/reply", &said);
        assert_eq!(is_taken, is_right, "{said}");
    }
}

/// Whoever writes a participant by the contract is understood.
#[test]
fn every_outcome_that_the_contract_has_is_understood() {
    let definition = define(ORDER);
    let document = Contract::of([&definition]).to_json_schema();
    let (_, input, _) = &runs()[0];
    let (saga, commands) = start(&definition, input);
    let schema = pointer(&commands[0], "reply");
    for outcome in [Outcome::Rejected, Outcome::Failed, Outcome::Unknown] {
        for error in
            [json!({ "code": "no", "message": "why" }), json!({ "code": "no" }), json!(null)]
        {
            let said = json!({ "outcome": outcome, "error": error });
            assert!(accepts(&document, &schema, &said), "{said}");
            let body: ReplyBody = serde_json::from_value(said).unwrap();
            let next = advance(&definition, &saga, &answer(&commands[0], body), AT);
            assert!(!matches!(next, Err(Rejection::NotOutstanding)), "{outcome}");
        }
    }
    for wrong in
        [json!({}), json!({ "outcome": "done" }), json!({ "outcome": "failed", "error": 1 })]
    {
        assert!(!accepts(&document, &schema, &wrong), "{wrong}");
        assert!(serde_json::from_value::<ReplyBody>(wrong).is_err());
    }
}
