//! Watching without a terminal: one line a change, at once, for tools and logs.

use futures_util::{StreamExt, stream};
use saga_protocol::SagaId;
use tokio::time::sleep;

use super::{
    LOOK_EVERY,
    changes::Known,
    contact::{Contact, Heard},
    look::{self, Found, Look, SAGAS_MAX},
    outcome,
};
use crate::cli::{
    Failure, Status,
    client::Client,
    journal::{self, Record},
    list,
    output::{self, Reader},
    view::{Saga, time},
};

/// Sagas that are asked for one by one after a look. The rest is asked for after the next: nothing
/// is lost by that.
const READS_MAX: usize = 200;
/// Of those at once: a fraction of what one orchestrator takes.
const READS_AT_ONCE: usize = 8;

/// Tells of the sagas in flight, then of every change of any saga, until nobody reads it.
pub(super) async fn all(client: &Client, json: bool) -> Result<Status, Failure> {
    let mut contact = Contact::default();
    let mut known = Known::default();
    let mut gaps = Gaps::default();
    loop {
        let looked = look::since(client, known.since()).await;
        if let Some(look) = told(contact.heard(looked)?) {
            gaps.tell(&look);
            tell(&known.take(look), json)?;
            tell(&missing(client, &mut known, &mut contact).await?, json)?;
        }
        if output::reader() == Reader::Gone {
            return Ok(Status::Done);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Tells every record of one saga's journal, until it has ended.
pub(super) async fn one(client: &Client, id: SagaId, json: bool) -> Result<Status, Failure> {
    let mut contact = Contact::default();
    let mut after = None;
    let mut end = None;
    loop {
        let looked = journal::page(client, id, after).await;
        let mut more = false;
        if let Some(page) = told(contact.heard(looked)?) {
            more = page.next.is_some();
            for document in &page.items {
                let record = Record::read(document)?;
                output::data(&if json { one_line(document.get()) } else { record.line() })?;
                after = Some(record.version);
                let status = record.status();
                end = list::ENDED.contains(&status).then(|| outcome(status)).or(end);
            }
        }
        match end {
            _ if more => {}
            Some(outcome) => return Ok(outcome),
            None if output::reader() == Reader::Gone => return Ok(Status::Done),
            None => sleep(LOOK_EVERY).await,
        }
    }
}

/// The answer, where there is one; what there is to say of contact is said.
fn told<T>(heard: Heard<T>) -> Option<T> {
    match heard {
        Heard::Answer(answer) => Some(answer),
        Heard::Again(answer) => {
            output::say("the orchestrator answers again");
            Some(answer)
        }
        Heard::Lost(why) => {
            output::warn(&why);
            None
        }
        Heard::Silence => None,
    }
}

/// What became of those that were in flight and that the look did not find.
async fn missing(
    client: &Client,
    known: &mut Known,
    contact: &mut Contact,
) -> Result<Vec<Found>, Failure> {
    let mut news = Vec::new();
    let mut looks = stream::iter(known.missing(READS_MAX))
        .map(async |id| (look::one(client, &id).await, id))
        .buffered(READS_AT_ONCE);
    while let Some((looked, id)) = looks.next().await {
        match looked {
            Err(failure) if failure.status == Status::No => {
                output::warn(&format!("saga `{id}` was in flight and is not there any more"));
                known.forget(&id);
            }
            looked => {
                let Some(found) = told(contact.heard(looked)?) else { break };
                news.extend(known.take_one(&found.saga).then_some(found));
            }
        }
    }
    Ok(news)
}

fn tell(news: &[Found], json: bool) -> Result<(), Failure> {
    for Found { saga, document } in news {
        output::data(&if json { one_line(document.get()) } else { line(saga) })?;
    }
    Ok(())
}

/// A saga in one line.
fn line(saga: &Saga) -> String {
    let steps: Vec<_> = saga.current().map(|step| step.name.as_str()).collect();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        time(saga.updated_at),
        format!("{:<12}", saga.status()),
        saga.id.to_string(),
        saga.definition.to_string(),
        or_none(saga.key.as_ref().map(ToString::to_string)),
        or_none((!steps.is_empty()).then(|| steps.join(", "))),
        or_none(saga.cause.as_ref().map(ToString::to_string)),
    ]
    .join("  ")
}

/// A document in one line: JSON has line breaks only where any space may be.
fn one_line(document: &str) -> String {
    document.replace(['\n', '\r'], " ")
}

/// What looks do not cover: said when it begins, and when it is over.
#[derive(Default)]
struct Gaps {
    active: bool,
    ended: bool,
}

impl Gaps {
    fn tell(&mut self, look: &Look) {
        match (self.active, look.more_active) {
            (false, true) => output::warn(&format!(
                "more than {SAGAS_MAX} sagas are in flight: older ones are not watched"
            )),
            (true, false) => output::say("all sagas in flight are watched again"),
            (true, true) | (false, false) => {}
        }
        match (self.ended, look.more_ended) {
            (false, true) => output::warn(&format!(
                "more than {SAGAS_MAX} sagas began and ended since the last look: the older of \
                 them are not shown"
            )),
            (true, false) => output::say("all sagas that end are shown again"),
            (true, true) | (false, false) => {}
        }
        *self = Self { active: look.more_active, ended: look.more_ended };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_saga_is_told_in_one_line() {
        let steps = ["payment", "stock"].map(|name| {
            json!({ "name": name, "participant": name, "action": "act", "kind": "compensatable",
                "status": "compensating", "attempts": 1 })
        });
        let document = json!({ "id": "0199c0de", "definition": "order",
            "version": "3fa1b2c3d4e5", "status": "compensating", "steps": steps,
            "cause": { "step": "ship\nping", "code": "address_not_served" },
            "created_at": "2026-11-25T05:41:35.100000Z",
            "updated_at": "2026-11-25T05:41:36.200000Z" });
        let told = line(&serde_json::from_value(document).unwrap());
        let (before, after) = told.split_once("  0199c0de  ").unwrap();
        assert_eq!(before, "2026-11-25 05:41:36.200 UTC  compensating");
        assert_eq!(after, "order  -  payment, stock  ship\\nping: address_not_served");
    }

    #[test]
    fn a_document_that_was_written_over_lines_is_one_line() {
        let document = "{\n  \"input\": {\r\n\"note\": \"a\\nb\" } }";
        let one = one_line(document);
        assert_eq!(one.lines().count(), 1);
        let [was, is] = [document, &one].map(|text| serde_json::from_str(text).ok());
        assert_eq!(was, is.filter(|_: &serde_json::Value| true));
    }
}
