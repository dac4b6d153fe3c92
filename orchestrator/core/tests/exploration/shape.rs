//! What of a saga's state decides how it goes on. Two sagas of one shape have one future, so only
//! one of them is followed.

use saga_core::{
    Definition, Saga,
    saga::{Status, StepStatus},
};
use saga_protocol::{Outcome, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Where a saga is heading.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Course {
    Forward,
    Backward,
    Completed,
    Compensated,
    PartlyCompensated,
    Abandoned,
}

/// A saga without its history: no versions, no words for people, and times only where they are
/// still to come, as distances.
#[derive(Debug, Hash, Deserialize)]
pub(crate) struct Shape {
    pub(crate) status: Status,
    pub(crate) course: Course,
    #[serde(default)]
    overdue: bool,
    #[serde(default)]
    deadline: Option<Timestamp>,
    pub(crate) steps: Vec<StepShape>,
    #[serde(skip)]
    pub(crate) is_paused: bool,
}

#[derive(Debug, Hash, Deserialize)]
pub(crate) struct StepShape {
    pub(crate) status: StepStatus,
    pub(crate) attempts: u32,
    #[serde(default)]
    base: u32,
    #[serde(default, deserialize_with = "text")]
    body: Option<String>,
    #[serde(default, deserialize_with = "text")]
    output: Option<String>,
    #[serde(default)]
    pub(crate) due: Option<Timestamp>,
    #[serde(default)]
    pub(crate) retry_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) resolved: bool,
    #[serde(default)]
    known: Option<String>,
    #[serde(default)]
    undo: Option<UndoShape>,
    #[serde(default)]
    settled: Option<String>,
    #[serde(default)]
    late: Option<Outcome>,
}

#[derive(Debug, Hash, Deserialize)]
struct UndoShape {
    attempts: u32,
    #[serde(default)]
    base: u32,
    #[serde(default, deserialize_with = "text")]
    body: Option<String>,
}

impl Shape {
    /// The shape of a saga at `now`.
    pub(crate) fn of(definition: &Definition, saga: &Saga, now: Timestamp) -> Self {
        let state = saga.state_json(definition);
        let mut shape: Self = serde_json::from_str(state.get()).expect("a state has a shape");
        shape.is_paused = saga.paused_at.is_some();
        let is_ended = saga.is_ended();
        let distance = |time: &mut Option<Timestamp>, acts: bool| {
            *time = time.filter(|_| acts).map(|time| distance(time, now));
        };
        let acts = shape.course == Course::Forward && !shape.overdue;
        distance(&mut shape.deadline, acts);
        for step in &mut shape.steps {
            distance(&mut step.due, !is_ended);
            distance(&mut step.retry_at, !is_ended);
        }
        shape
    }
}

/// In whole seconds: waits, which are a thousandth of it, count as none.
fn distance(time: Timestamp, now: Timestamp) -> Timestamp {
    let millis = (time.as_micros() - now.as_micros()) / 1_000;
    Timestamp::from_micros((millis + 500).div_euclid(1_000))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    Ok(Some(raw.get().to_owned()))
}
