//! How a saga's state is written down: one flat JSON object per step, so that it can be read in SQL
//! too.

use saga_protocol::{
    DefinitionName, Fault, Json, Knowledge, Outcome, ParticipantName, SagaId, StepName, Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    Cause, Saga, Status, StepStatus,
    model::{Call, Course, End, Known, Progress, Settled, State, Step},
};
use crate::definition::{self, Definition};

/// A saga as a store keeps it.
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    /// Its id.
    pub id: SagaId,
    /// Its definition's name.
    pub definition: DefinitionName,
    /// Its definition's version.
    pub hash: String,
    /// Its business key.
    pub key: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// Its input.
    pub input: Json,
    /// Its version.
    pub version: i64,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// Whether it was set aside.
    pub set_aside: bool,
    /// What [`Saga::state_json`] gave.
    pub state: &'a Json,
}

/// A stored state that cannot be understood: written by a newer program, or damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored state cannot be understood: {0}")]
pub struct Undecodable(String);

#[derive(Serialize, Deserialize)]
struct StateWire {
    status: Status,
    course: CourseWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_false")]
    overdue: bool,
    steps: Vec<StepWire>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CourseWord {
    Forward,
    Backward,
    Completed,
    Compensated,
    PartlyCompensated,
    Abandoned,
}

/// The keys up to `error` are read by the view `saga.step`.
#[derive(Serialize, Deserialize)]
struct StepWire {
    name: StepName,
    participant: ParticipantName,
    status: StepStatus,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    #[serde(default, skip_serializing_if = "is_zero")]
    base: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    body: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_false")]
    resolved: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known: Option<Knowledge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undo: Option<CallWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<Settled>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late: Option<Outcome>,
}

/// The compensation's call.
#[derive(Serialize, Deserialize)]
struct CallWire {
    attempts: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    base: u32,
    started_at: Timestamp,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    body: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

/// Reads a field that is there, so that `null` stays a value and is told from an absent field.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Saga {
    /// What a store keeps as the saga's state.
    ///
    /// # Panics
    /// Never: text keys and JSON values always serialize.
    #[must_use]
    pub fn state_json(&self, definition: &Definition) -> Json {
        let (course, ended_at, cause, output) = match self.course.clone() {
            Course::Forward => (CourseWord::Forward, None, None, None),
            Course::Backward { cause } => (CourseWord::Backward, None, Some(cause), None),
            Course::Ended { end, at, cause, output } => (end.word(), Some(at), cause, output),
        };
        let steps = definition.steps.iter().zip(&self.steps);
        let wire = StateWire {
            status: self.status(),
            course,
            ended_at,
            cause,
            output,
            deadline: self.deadline,
            overdue: self.overdue,
            steps: steps.map(|(plan, step)| StepWire::write(plan, step)).collect(),
        };
        serde_json::value::to_raw_value(&wire).expect("text keys and JSON values always serialize")
    }

    /// A saga from what a store kept.
    ///
    /// # Errors
    /// [`Undecodable`] where the state does not fit the definition or this program.
    pub fn load(definition: &Definition, stored: Stored<'_>) -> Result<Self, Undecodable> {
        let wire: StateWire = serde_json::from_str(stored.state.get())
            .map_err(|error| Undecodable(error.to_string()))?;
        if wire.steps.len() != definition.steps.len() {
            return Err(Undecodable("its steps are not those of its definition".to_owned()));
        }
        let course = wire.course.read(wire.ended_at, wire.cause, wire.output)?;
        let steps = definition.steps.iter().zip(wire.steps);
        Ok(Self {
            id: stored.id,
            definition: stored.definition,
            hash: stored.hash,
            key: stored.key,
            created_at: stored.created_at,
            input: stored.input,
            version: stored.version,
            paused_at: stored.paused_at,
            set_aside: stored.set_aside,
            deadline: wire.deadline,
            overdue: wire.overdue,
            course,
            steps: steps.map(|(plan, step)| step.read(plan)).collect::<Result<_, _>>()?,
        })
    }
}

impl End {
    const fn word(self) -> CourseWord {
        match self {
            Self::Completed => CourseWord::Completed,
            Self::Compensated => CourseWord::Compensated,
            Self::PartlyCompensated => CourseWord::PartlyCompensated,
            Self::Abandoned => CourseWord::Abandoned,
        }
    }
}

impl CourseWord {
    fn read(
        self,
        at: Option<Timestamp>,
        cause: Option<Cause>,
        output: Option<Json>,
    ) -> Result<Course, Undecodable> {
        let end = match self {
            Self::Forward => return Ok(Course::Forward),
            Self::Backward => {
                return Ok(Course::Backward { cause: cause.ok_or_else(|| missing("cause"))? });
            }
            Self::Completed => End::Completed,
            Self::Compensated => End::Compensated,
            Self::PartlyCompensated => End::PartlyCompensated,
            Self::Abandoned => End::Abandoned,
        };
        Ok(Course::Ended { end, at: at.ok_or_else(|| missing("ended_at"))?, cause, output })
    }
}

fn missing(field: &str) -> Undecodable {
    Undecodable(format!("`{field}` is missing"))
}

impl StepWire {
    fn write(plan: &definition::Step, step: &Step) -> Self {
        let state = &step.state;
        let (action, undo) = state.calls();
        let (since, due, retry_at) = match state.progress() {
            Some(Progress::Sent { since, due }) => (Some(since), Some(due), None),
            Some(Progress::Waiting { retry_at }) => (None, None, Some(retry_at)),
            Some(Progress::Exhausted | Progress::Stuck) | None => (None, None, None),
        };
        let settled = match state {
            State::Compensated { settled, .. } => Some(*settled),
            State::Pending
            | State::Skipped { .. }
            | State::Forward { .. }
            | State::Completed { .. }
            | State::Rejected { .. }
            | State::Backward { .. } => None,
        };
        Self {
            name: plan.name.clone(),
            participant: plan.participant.clone(),
            status: state.status(),
            attempts: action.map_or(0, |call| call.attempts),
            started_at: action.map(|call| call.started_at),
            finished_at: state.finished_at(),
            output: state.output().cloned(),
            error: action.and_then(|call| call.error.clone()),
            base: action.map_or(0, |call| call.base),
            body: action.and_then(|call| call.body.clone()),
            since,
            due,
            retry_at,
            resolved: state.is_resolved(),
            known: state.known().map(|known| match known {
                Known::Completed { .. } => Knowledge::Completed,
                Known::Unknown => Knowledge::Unknown,
            }),
            undo: undo.cloned().map(|call| {
                let Call { body, attempts, base, started_at, error } = call;
                CallWire { attempts, base, started_at, body, error }
            }),
            settled,
            late: step.late,
        }
    }

    fn read(mut self, plan: &definition::Step) -> Result<Step, Undecodable> {
        if self.name != plan.name {
            return Err(Undecodable(format!("it has `{}` in place of `{}`", self.name, plan.name)));
        }
        let late = self.late;
        let state = match self.status {
            StepStatus::Pending => State::Pending,
            StepStatus::Skipped => State::Skipped { at: self.finished()?, action: self.action() },
            StepStatus::Running
            | StepStatus::Waiting
            | StepStatus::Unknown
            | StepStatus::Failed => {
                State::Forward { progress: self.progress()?, action: self.acted()? }
            }
            StepStatus::Completed => State::Completed {
                at: self.finished()?,
                action: self.acted()?,
                output: self.output,
                resolved: self.resolved,
            },
            StepStatus::Rejected => State::Rejected {
                at: self.finished()?,
                action: self.acted()?,
                resolved: self.resolved,
            },
            StepStatus::Compensating | StepStatus::CompensationFailed => State::Backward {
                action: self.acted()?,
                progress: self.progress()?,
                undo: self.undo().ok_or_else(|| missing("undo"))?,
                known: self.known()?,
            },
            StepStatus::Compensated => State::Compensated {
                at: self.finished()?,
                action: self.acted()?,
                undo: self.undo(),
                settled: self.settled.ok_or_else(|| missing("settled"))?,
                known: self.known()?,
            },
        };
        Ok(Step { state, late })
    }

    fn finished(&self) -> Result<Timestamp, Undecodable> {
        self.finished_at.ok_or_else(|| missing("finished_at"))
    }

    fn acted(&mut self) -> Result<Call, Undecodable> {
        self.action().ok_or_else(|| missing("started_at"))
    }

    fn action(&mut self) -> Option<Call> {
        Some(Call {
            body: self.body.take(),
            attempts: self.attempts,
            base: self.base,
            started_at: self.started_at?,
            error: self.error.take(),
        })
    }

    fn undo(&mut self) -> Option<Call> {
        self.undo.take().map(|call| {
            let CallWire { attempts, base, started_at, body, error } = call;
            Call { body, attempts, base, started_at, error }
        })
    }

    fn known(self) -> Result<Known, Undecodable> {
        match self.known {
            Some(Knowledge::Completed) => Ok(Known::Completed { output: self.output }),
            Some(Knowledge::Unknown) => Ok(Known::Unknown),
            None => Err(missing("known")),
        }
    }

    fn progress(&self) -> Result<Progress, Undecodable> {
        Ok(match (self.status, self.since, self.due, self.retry_at) {
            (StepStatus::Failed | StepStatus::CompensationFailed, ..) => Progress::Stuck,
            (StepStatus::Unknown, ..) => Progress::Exhausted,
            (_, Some(since), Some(due), _) => Progress::Sent { since, due },
            (_, _, _, Some(retry_at)) => Progress::Waiting { retry_at },
            _ => return Err(missing("due")),
        })
    }
}
