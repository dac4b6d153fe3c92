//! What will fire when: the timers of sagas, as their states tell them.

use axum::extract::State;
use saga_core::saga::Timer;
use saga_engine::{Snapshot, Understood};
use saga_protocol::{Phase, SagaId, StepName, Timestamp};
use serde::Serialize;

use super::{
    App,
    error::Problem,
    extract::Parameters,
    query::{Cursor, TimersQuery},
    sagas::{detached, not_found},
    view::{Document, Page},
};

/// The word for a look that decides nothing: what is unanswered is sent again.
const LOOK: &str = "look";

/// One thing that will happen to a saga, unless an answer or an operator comes first.
#[derive(Serialize)]
struct TimerView<'a> {
    saga: SagaId,
    definition: &'a str,
    key: Option<&'a str>,
    status: &'a str,
    /// Whether it waits for `resume`; `at` is then as it stood when the saga was paused.
    paused: bool,
    what: &'static str,
    step: Option<&'a StepName>,
    phase: Option<Phase>,
    attempt: Option<u32>,
    at: Timestamp,
}

/// `GET /v1/timers`: those of all sagas, or of one. A page counts sagas, in the order of when
/// somebody looks at them; each has all its timers beside each other. What is paused is asked for
/// by its saga: nothing of it will fire.
pub(super) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<TimersQuery>,
) -> Result<Document, Problem> {
    let (saga, page) = (query.saga()?, query.read()?);
    if let Some(id) = saga {
        let snapshot = detached(async move { app.engine.get(id).await }).await??;
        let snapshot = snapshot.ok_or_else(|| not_found(id))?;
        return Ok(Document::of(&Page::to(timers(&snapshot), None::<Cursor>)));
    }
    let sagas = detached(async move { app.engine.waking(&page).await }).await??;
    let next = sagas.items.last().filter(|_| sagas.more).and_then(cursor);
    let views = sagas.items.iter().flat_map(timers).collect();
    Ok(Document::of(&Page::to(views, next)))
}

fn cursor(snapshot: &Snapshot) -> Option<Cursor> {
    Some(Cursor { at: snapshot.row.wake_at?, id: snapshot.row.id.0 })
}

/// The timers of a saga, the earliest first.
fn timers(snapshot: &Snapshot) -> Vec<TimerView<'_>> {
    let row = &snapshot.row;
    let paused = row.paused_at.is_some();
    let view = |what, at| TimerView {
        saga: row.id,
        definition: &row.definition,
        key: row.key.as_deref(),
        status: &row.status,
        paused,
        what,
        step: None,
        phase: None,
        attempt: None,
        at,
    };
    let decided = match &snapshot.understood {
        // Nobody looks at a saga that nobody could make sense of.
        Ok(Understood { definition, saga }) if paused || row.wake_at.is_some() => {
            saga.timers(definition)
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    let first = decided.first().map(|timer| timer.at);
    let look = row.wake_at.filter(|at| first.is_none_or(|first| *at < first));
    let look = look.map(|at| view(LOOK, at));
    let decided = decided.into_iter().map(|Timer { what, at }| {
        let attempt = what.attempt();
        TimerView {
            step: attempt.map(|attempt| attempt.step),
            phase: attempt.map(|attempt| attempt.phase),
            attempt: attempt.map(|attempt| attempt.number),
            ..view(what.as_str(), at)
        }
    });
    look.into_iter().chain(decided).collect()
}
