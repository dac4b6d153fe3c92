//! What the API shows, as documents of its own: the core's types are not the wire's. Payloads pass
//! through byte for byte.

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use saga_core::saga::{Cause, CompensationReport, StepReport, StepStatus};
use saga_protocol::{Fault, Json, ParticipantName, SagaId, StepKind, StepName, Timestamp};
use saga_store::JournalRow;
use serde::Serialize;

use saga_engine::{Snapshot, Understood};

/// A document, serialized.
pub(super) struct Document(Bytes);

/// One page of a list. It has a `next` where there may be more behind it.
#[derive(Serialize)]
pub(super) struct Page<T, C> {
    items: Vec<T>,
    /// The `after` of the next page.
    next: Option<C>,
}

/// A saga.
#[derive(Serialize)]
pub(super) struct SagaView<'a> {
    id: SagaId,
    definition: &'a str,
    /// The version of the definition.
    version: &'a str,
    key: Option<&'a str>,
    status: &'a str,
    paused: bool,
    input: &'a Json,
    output: Option<&'a Json>,
    steps: Vec<StepView<'a>>,
    cause: Option<Cause>,
    value: Option<ValueView<'a>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    next_wake_at: Option<Timestamp>,
}

/// Value at risk.
#[derive(Serialize)]
struct ValueView<'a> {
    amount: i64,
    currency: &'a str,
}

/// A step of a saga.
#[derive(Serialize)]
struct StepView<'a> {
    name: &'a StepName,
    participant: &'a ParticipantName,
    action: &'a str,
    kind: StepKind,
    needs: Vec<&'a StepName>,
    status: StepStatus,
    attempts: u32,
    output: Option<&'a Json>,
    error: Option<&'a Fault>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    resolved: bool,
    compensation: Option<CompensationView<'a>>,
}

/// The compensation of a step, once it is decided.
#[derive(Serialize)]
struct CompensationView<'a> {
    action: &'a str,
    attempts: u32,
    started_at: Timestamp,
    error: Option<&'a Fault>,
}

/// One record of a journal.
#[derive(Serialize)]
pub(super) struct RecordView<'a> {
    version: i64,
    at: Timestamp,
    entry: &'a Json,
}

impl Document {
    /// Serializes what can be serialized always: the views of this file, and nothing that fails.
    pub(super) fn of(view: &impl Serialize) -> Self {
        let body = serde_json::to_vec(view).expect("text keys and JSON values always serialize");
        Self(body.into())
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl<T, C> Page<T, C> {
    /// A page of `items`; `cursor` is what the last of them is continued behind, where there is
    /// more.
    pub(super) fn new(items: Vec<T>, more: bool, cursor: impl Fn(&T) -> C) -> Self {
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }

    /// A page that goes on at `next`.
    pub(super) fn to(items: Vec<T>, next: Option<C>) -> Self {
        Self { items, next }
    }
}

impl<'a> SagaView<'a> {
    /// A saga as it was at one moment. The row's status stands above what its state says: a saga
    /// that could not be looked at is stuck, whatever it was before.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let Snapshot { row, understood } = snapshot;
        let understood = understood.as_ref();
        let steps = understood.map_or_else(
            |_| Vec::new(),
            |Understood { definition, saga }| {
                saga.steps(definition).into_iter().map(StepView::of).collect()
            },
        );
        Self {
            id: row.id,
            definition: &row.definition,
            version: &row.definition_hash,
            key: row.key.as_deref(),
            status: &row.status,
            paused: row.paused_at.is_some(),
            input: &row.input,
            output: understood.ok().and_then(|understood| understood.saga.output()),
            steps,
            cause: cause(snapshot),
            value: row
                .value
                .as_ref()
                .map(|(amount, currency)| ValueView { amount: *amount, currency }),
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            next_wake_at: row.wake_at,
        }
    }

    /// Where the list goes on behind it.
    pub(super) fn id(&self) -> SagaId {
        self.id
    }
}

/// Why a saga is as it is: what keeps it from being looked at comes first.
fn cause(snapshot: &Snapshot) -> Option<Cause> {
    let of_saga =
        |code: &str, message: String| Cause { code: code.to_owned(), message, step: None };
    match (&snapshot.row.trouble, &snapshot.understood) {
        (Some(trouble), _) => {
            let message = trouble.strip_prefix("internal_error: ").unwrap_or(trouble);
            Some(of_saga("internal_error", message.to_owned()))
        }
        (None, Ok(Understood { definition, saga })) => saga.cause(definition),
        (None, Err(reason)) => Some(of_saga("not_understood", reason.clone())),
    }
}

impl<'a> StepView<'a> {
    fn of(report: StepReport<'a>) -> Self {
        Self {
            name: report.name,
            participant: report.participant,
            action: report.action,
            kind: report.kind,
            needs: report.needs,
            status: report.status,
            attempts: report.attempts,
            output: report.output,
            error: report.error,
            started_at: report.started_at,
            finished_at: report.finished_at,
            resolved: report.resolved,
            compensation: report.compensation.as_ref().map(CompensationView::of),
        }
    }
}

impl<'a> CompensationView<'a> {
    fn of(report: &CompensationReport<'a>) -> Self {
        let CompensationReport { action, attempts, started_at, error } = *report;
        Self { action, attempts, started_at, error }
    }
}

impl<'a> RecordView<'a> {
    /// One row of a journal.
    pub(super) fn of(row: &'a JournalRow) -> Self {
        Self { version: row.version, at: row.at, entry: &row.entry }
    }

    /// Where the journal goes on behind it.
    pub(super) fn version(&self) -> i64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use saga_core::{
        Birth, Definition, Saga, advance,
        saga::{Answer, At, Event, Transition},
    };
    use saga_protocol::{Outcome, Phase, ReplyBody};
    use saga_store::Row;

    use super::*;
    use saga_engine::definitions;

    fn json(text: &str) -> Json {
        serde_json::value::RawValue::from_string(text.to_owned()).unwrap()
    }

    fn at(second: i64) -> At {
        At { now: Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000), draw: 0 }
    }

    fn order() -> Definition {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../saga-defs/order.yaml");
        definitions::read(&path).unwrap().unwrap()
    }

    fn begun(definition: &Definition) -> Saga {
        let input = json(
            r#"{"order_id":"o-1","customer_id":"c-1","items":[ ],"total":42,"currency":"EUR"}"#,
        );
        let id = "018f0000-0000-7000-8000-000000000000".parse().unwrap();
        let birth = Birth { id, key: Some("o-1".to_owned()), input };
        Saga::start(definition, birth, at(0)).saga
    }

    fn answered(
        definition: &Definition,
        saga: &Saga,
        step: &str,
        second: i64,
        body: ReplyBody,
    ) -> Saga {
        let answer = Answer {
            step: StepName::new(step).unwrap(),
            phase: Phase::Action,
            attempt: 1,
            command_hash: None,
            participant: None,
            body,
        };
        let transition = advance(definition, saga, &Event::Reply(answer), at(second));
        let Transition { saga, .. } = transition.unwrap();
        saga
    }

    fn row(definition: &Definition, saga: &Saga) -> Row {
        Row {
            id: saga.id,
            definition: saga.definition.to_string(),
            definition_hash: "0123456789ab".to_owned(),
            key: saga.key.clone(),
            status: saga.status().to_string(),
            paused_at: None,
            version: saga.version,
            input: saga.input.clone(),
            state: saga.state_json(definition),
            value: Some((42, "EUR".to_owned())),
            wake_at: Some(at(9).now),
            created_at: at(0).now,
            updated_at: at(2).now,
            finished_at: None,
            trouble: None,
        }
    }

    fn shown(snapshot: &Snapshot) -> serde_json::Value {
        serde_json::to_value(SagaView::of(snapshot)).unwrap()
    }

    #[test]
    fn a_saga_on_its_way_back() {
        let definition = Arc::new(order());
        let charged = ReplyBody {
            outcome: Outcome::Completed,
            output: Some(json(r#"{"charge_id": "ch-1"}"#)),
            error: None,
        };
        let saga = answered(&definition, &begun(&definition), "payment", 1, charged);
        let error = Some(Fault::new("out_of_stock", "no `sku-rare` left"));
        let refused = ReplyBody { outcome: Outcome::Rejected, output: None, error };
        let saga = answered(&definition, &saga, "inventory", 2, refused);
        let row = row(&definition, &saga);
        let understood = Ok(Understood { definition, saga });
        let document = Document::of(&SagaView::of(&Snapshot { row, understood }));
        let text = String::from_utf8(document.0.to_vec()).unwrap();
        assert!(text.contains(r#""items":[ ]"#), "the input is not written anew");
        let pretty: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_snapshot!(format!("{pretty:#}"), @r#"
        {
          "cause": {
            "code": "out_of_stock",
            "message": "no `sku-rare` left",
            "step": "inventory"
          },
          "created_at": "2023-11-14T22:13:20.000000Z",
          "definition": "order",
          "finished_at": null,
          "id": "018f0000-0000-7000-8000-000000000000",
          "input": {
            "currency": "EUR",
            "customer_id": "c-1",
            "items": [],
            "order_id": "o-1",
            "total": 42
          },
          "key": "o-1",
          "next_wake_at": "2023-11-14T22:13:29.000000Z",
          "output": null,
          "paused": false,
          "status": "compensating",
          "steps": [
            {
              "action": "charge",
              "attempts": 1,
              "compensation": {
                "action": "refund",
                "attempts": 1,
                "error": null,
                "started_at": "2023-11-14T22:13:22.000000Z"
              },
              "error": null,
              "finished_at": null,
              "kind": "compensatable",
              "name": "payment",
              "needs": [],
              "output": {
                "charge_id": "ch-1"
              },
              "participant": "payment",
              "resolved": false,
              "started_at": "2023-11-14T22:13:20.000000Z",
              "status": "compensating"
            },
            {
              "action": "reserve",
              "attempts": 1,
              "compensation": null,
              "error": {
                "code": "out_of_stock",
                "message": "no `sku-rare` left"
              },
              "finished_at": "2023-11-14T22:13:22.000000Z",
              "kind": "compensatable",
              "name": "inventory",
              "needs": [
                "payment"
              ],
              "output": null,
              "participant": "inventory",
              "resolved": false,
              "started_at": "2023-11-14T22:13:21.000000Z",
              "status": "rejected"
            },
            {
              "action": "schedule",
              "attempts": 0,
              "compensation": null,
              "error": null,
              "finished_at": null,
              "kind": "compensatable",
              "name": "shipping",
              "needs": [
                "inventory"
              ],
              "output": null,
              "participant": "shipping",
              "resolved": false,
              "started_at": null,
              "status": "pending"
            }
          ],
          "updated_at": "2023-11-14T22:13:22.000000Z",
          "value": {
            "amount": 42,
            "currency": "EUR"
          },
          "version": "0123456789ab"
        }
        "#);
    }

    #[test]
    fn a_saga_that_is_not_understood_or_in_trouble_is_shown_all_the_same() {
        let definition = Arc::new(order());
        let saga = begun(&definition);
        let row = row(&definition, &saga);
        let why = "definition version `0123456789ab` is not known";
        let strange = Snapshot { row: row.clone(), understood: Err(why.to_owned()) };
        let strange = shown(&strange);
        assert_eq!(strange["cause"]["code"], "not_understood");
        assert_eq!((&strange["key"], &strange["status"]), (&"o-1".into(), &"running".into()));

        let trouble = Some("internal_error: a panic".to_owned());
        let row = Row { status: "stuck".to_owned(), trouble, ..row };
        let stuck = shown(&Snapshot { row, understood: Ok(Understood { definition, saga }) });
        assert_eq!(stuck["status"], "stuck");
        assert_eq!(stuck["cause"]["code"], "internal_error");
        assert_eq!(stuck["cause"]["message"], "a panic");
        assert_eq!(stuck["steps"][0]["status"], "running");
    }

    #[test]
    fn a_page_goes_on_behind_its_last_where_there_is_more() {
        let page = |items: Vec<u8>, more| Page::new(items, more, |item| *item).next;
        assert_eq!((page(vec![1, 2], true), page(vec![1], false)), (Some(2), None));
    }
}
