//! One run: the real state machine on one side, participants on the other, and time in between,
//! which passes only while nothing else happens. Messages take no time; waits take the longest that
//! their jitter allows.

use std::{collections::VecDeque, time::Duration};

use saga_protocol::{Command, Json, Outcome, Phase, ReplyBody, SagaId, StepName, Timestamp, Undo};

use super::{
    cases::Case,
    mishap::{Mishap, What},
    party::{Party, Record},
    promises,
    run::{Run, Stuck, Undone},
};
use crate::{
    definition::{Definition, Kind},
    saga::{
        self, Answer, At, Birth, Cause, Effect, Event, Look, Note, Order, Rejection, Saga,
        StepStatus, TimerKind, Transition, Verb, advance,
    },
};

/// When every saga begins. No decision hangs on the date.
const BEGIN: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// The id of every saga.
const ID: &str = "00000000-0000-7000-8000-000000000000";
/// Things that may happen in one run: far above what the attempts of any sensible definition and
/// the looks at each can make. A saga that moves still then never ends.
const TURNS_MAX: usize = 1_000_000;

/// What is on its way.
enum Item {
    Command(Command),
    Reply(Answer),
    Cancel,
    /// The deadline, before anything else happens.
    Deadline,
}

/// A run under way.
pub(super) struct Play<'a> {
    definition: &'a Definition,
    case: &'a Case,
    mishaps: &'a [Mishap],
    /// Of each mishap, whether it has happened.
    met: Vec<bool>,
    saga: Saga,
    now: Timestamp,
    /// When somebody looks at the saga.
    wake_at: Option<Timestamp>,
    queue: VecDeque<Item>,
    /// Answers that arrive once no more attempts are made of what they answer.
    held: Vec<Answer>,
    parties: Vec<Party>,
    undone: Vec<Undone>,
    /// Since when the saga has its status.
    since: Timestamp,
    messages: u32,
    refused: Option<Cause>,
    broken: Vec<String>,
}

/// Plays a saga to where nothing moves any more. `None` where a mishap could not happen, because
/// something before it kept the saga from getting there.
pub(super) fn play(definition: &Definition, case: &Case, mishaps: &[Mishap]) -> Option<Run> {
    let id: SagaId = ID.parse().expect("this is an id");
    let birth = Birth { id, key: case.key.clone(), input: case.input.clone() };
    let first = Saga::start(definition, birth, At { now: BEGIN, draw: 0 });
    let mut play = Play {
        definition,
        case,
        mishaps,
        met: vec![false; mishaps.len()],
        saga: first.saga.clone(),
        now: BEGIN,
        wake_at: None,
        queue: VecDeque::new(),
        held: Vec::new(),
        parties: vec![Party::default(); definition.steps.len()],
        undone: Vec::new(),
        since: BEGIN,
        messages: 0,
        refused: None,
        broken: Vec::new(),
    };
    play.take(first);
    let rests = (0..TURNS_MAX).any(|_| !play.turn());
    if !rests {
        play.broken.push(format!("the saga still moves after {TURNS_MAX} turns"));
    }
    play.met.iter().all(|met| *met).then(|| play.told())
}

impl Play<'_> {
    /// Lets the next thing happen; whether there was one.
    fn turn(&mut self) -> bool {
        match self.queue.pop_front() {
            Some(Item::Command(command)) => self.arrive(&command),
            Some(Item::Reply(answer)) => {
                let draw = self.worst(&answer.step);
                self.happen(&Event::Reply(answer), draw);
            }
            Some(Item::Cancel) => {
                let reason = "rehearsed".to_owned();
                let order = Order { verb: Verb::Cancel, actor: reason.clone(), reason };
                self.happen(&Event::Operator(order), 0);
            }
            Some(Item::Deadline) => {
                let timers = self.saga.timers(self.definition);
                let deadline = timers.iter().find(|timer| timer.what == TimerKind::Deadline);
                self.now = deadline.map_or(self.now, |timer| timer.at.max(self.now));
                self.due();
            }
            None => match self.wake_at {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.look();
                }
                None => return false,
            },
        }
        true
    }

    fn look(&mut self) {
        match self.saga.look(self.definition, self.now) {
            Look::Due => self.due(),
            Look::Resend { commands, again_at } => {
                self.wake_at = Some(again_at);
                commands.into_iter().for_each(|outstanding| self.publish(outstanding.command));
            }
            Look::Wait { until } => self.wake_at = Some(until),
            Look::Rest => self.wake_at = None,
        }
    }

    /// Decides what is due. Of steps that are due at the very same time only the first waits the
    /// longest that its jitter allows.
    fn due(&mut self) {
        let timers = self.saga.timers(self.definition);
        let due = timers.iter().filter(|timer| timer.at <= self.now);
        let step = due.filter_map(|timer| timer.what.attempt()).map(|attempt| attempt.step).next();
        let draw = step.map_or(0, |step| self.worst(step));
        self.happen(&Event::Due, draw);
    }

    /// The draw by which this step's jitter gives the longest wait.
    fn worst(&self, step: &StepName) -> u32 {
        let step = self.definition.step(step).unwrap_or(0);
        u32::MAX.wrapping_sub(saga::salt(step))
    }

    fn happen(&mut self, event: &Event, draw: u32) {
        match advance(self.definition, &self.saga, event, At { now: self.now, draw }) {
            Ok(transition) => self.take(transition),
            Err(Rejection::Refused { code, message, .. }) => {
                self.refused = Some(Cause { code: code.to_owned(), message, step: None });
            }
            Err(
                rejection @ (Rejection::UnknownStep(_)
                | Rejection::ForeignParticipant { .. }
                | Rejection::BodyMismatch
                | Rejection::NotOutstanding),
            ) => self.broken.push(rejection.to_string()),
            Err(
                Rejection::Duplicate
                | Rejection::Stale
                | Rejection::NotDue
                | Rejection::Unchanged(_),
            ) => {}
        }
    }

    /// Keeps what was decided, and sends what follows from it, unless the orchestrator ends before.
    fn take(&mut self, transition: Transition) {
        let Transition { saga, effects, notes, .. } = transition;
        if self.saga.status() != saga.status() {
            self.since = self.now;
        }
        self.saga = saga;
        for note in notes {
            if let Note::Contradiction { step, message } = note {
                self.broken.push(format!("`{step}`: {message}"));
            }
        }
        let owed = self.wake_at.filter(|at| *at > self.now);
        self.wake_at = self.saga.wake_at(self.now).map(|at| owed.map_or(at, |owed| owed.min(at)));
        let commands = effects.into_iter().map(|Effect::Send(command)| command);
        let commands: Vec<_> = commands.collect();
        let ends = commands.iter().filter(|command| command.attempt == 1);
        let ends: Vec<_> = ends.filter(|command| self.meet(command, What::Restart)).collect();
        if ends.is_empty() {
            for command in commands {
                self.interrupt(&command);
                self.publish(command);
            }
        }
        self.release();
    }

    /// What comes before the first attempt of an action can arrive.
    fn interrupt(&mut self, command: &Command) {
        if command.attempt == 1 && self.meet(command, What::Cancel) {
            self.queue.push_front(Item::Cancel);
        }
        if command.attempt == 1 && self.meet(command, What::Deadline) {
            self.queue.push_front(Item::Deadline);
        }
    }

    fn publish(&mut self, command: Command) {
        self.messages = self.messages.saturating_add(1);
        let never = self.what(&command) == Some(What::TimedOut);
        let is_lost = if never {
            self.meet_again(&command, What::TimedOut)
        } else {
            self.meet(&command, What::LostCommand)
        };
        if !is_lost {
            self.queue.push_back(Item::Command(command));
        }
    }

    fn arrive(&mut self, command: &Command) {
        let Some(step) = self.definition.step(&command.step) else {
            return;
        };
        let what = self.what(command);
        let body = match command.phase {
            Phase::Action => self.act(step, what),
            Phase::Query => self.parties[step].tell(self.output(step)),
            Phase::Compensation => match serde_json::from_slice::<Undo>(&command.body) {
                Ok(undo) => self.undo(step, what, &undo),
                Err(error) => {
                    return self.broken.push(format!("a compensation has no body: {error}"));
                }
            },
        };
        let happened = [What::Refused, What::Failed, What::Unknown, What::OutputInvalid];
        happened.into_iter().filter(|other| what == Some(*other)).for_each(|what| {
            self.meet_again(command, what);
        });
        self.answer(command, body);
    }

    fn act(&mut self, step: usize, what: Option<What>) -> ReplyBody {
        let is_final = !matches!(self.definition.steps[step].kind, Kind::Retriable);
        let output = self.output(step).cloned();
        let had_effect = self.parties[step].has_effect();
        let body = self.parties[step].act(what, output.as_ref(), is_final);
        if self.parties[step].has_effect() && !had_effect {
            let broken = promises::acted(self.definition, &self.saga, &self.parties, step);
            self.broken.extend(broken);
        }
        body
    }

    /// What a step's action answers, whenever it does.
    fn output(&self, step: usize) -> Option<&Json> {
        let is_invalid = self
            .mishaps
            .iter()
            .any(|mishap| (mishap.step, mishap.what) == (step, What::OutputInvalid));
        let outputs = if is_invalid { &self.case.invalid } else { &self.case.outputs };
        outputs[step].as_ref()
    }

    fn undo(&mut self, step: usize, what: Option<What>, undo: &Undo) -> ReplyBody {
        let before = self.parties[step].record;
        let body = self.parties[step].undo(what, undo.action);
        let after = self.parties[step].record;
        if before != after {
            let broken = promises::undone(self.definition, &self.parties, step);
            self.broken.extend(broken);
        }
        let is_first = self.undone.iter().all(|undone| undone.step != step);
        let there_was = match (after, body.outcome) {
            (Some(Record::Undone), _) => Some(true),
            (_, Outcome::Completed) => Some(false),
            _ => None,
        };
        let undone = there_was.filter(|_| is_first);
        self.undone.extend(undone.map(|there_was| Undone { step, there_was }));
        body
    }

    /// Sends an answer, as far as it arrives.
    fn answer(&mut self, command: &Command, body: ReplyBody) {
        self.messages = self.messages.saturating_add(1);
        let answer = Answer {
            step: command.step.clone(),
            phase: command.phase,
            attempt: command.attempt,
            command_hash: None,
            participant: Some(command.participant.clone()),
            body,
        };
        match self.what(command) {
            Some(What::TimedOutDone) => {
                self.meet_again(command, What::TimedOutDone);
            }
            Some(What::LostReply) if self.meet(command, What::LostReply) => {}
            Some(What::Late) if self.is_tried(&answer) => {
                if self.meet(command, What::Late) {
                    self.held.push(answer);
                }
            }
            Some(What::Duplicate) if self.meet(command, What::Duplicate) => {
                self.messages = self.messages.saturating_add(1);
                self.queue.extend([Item::Reply(answer.clone()), Item::Reply(answer)]);
            }
            _ => self.queue.push_back(Item::Reply(answer)),
        }
    }

    /// Lets answers arrive that come too late by now.
    fn release(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let (held, late) = held.into_iter().partition(|answer| self.is_tried(answer));
        self.held = held;
        let late: Vec<Answer> = late;
        self.queue.extend(late.into_iter().map(Item::Reply));
    }

    /// Whether attempts are still made of the command that this answers.
    fn is_tried(&self, answer: &Answer) -> bool {
        let steps = self.saga.steps(self.definition);
        let status = steps.iter().find(|step| *step.name == answer.step).map(|step| step.status);
        match answer.phase {
            Phase::Action | Phase::Query => {
                matches!(status, Some(StepStatus::Running | StepStatus::Waiting))
            }
            Phase::Compensation => status == Some(StepStatus::Compensating),
        }
    }

    /// What goes wrong with a command.
    fn what(&self, command: &Command) -> Option<What> {
        let found = self.mishaps.iter().find(|mishap| self.is_about(mishap, command));
        found.map(|mishap| mishap.what)
    }

    fn is_about(&self, mishap: &Mishap, command: &Command) -> bool {
        mishap.phase == command.phase && self.definition.steps[mishap.step].name == command.step
    }

    /// Whether this goes wrong with a command, and has not before; now it has.
    fn meet(&mut self, command: &Command, what: What) -> bool {
        let mut mishaps = self.mishaps.iter();
        let found = mishaps
            .position(|mishap| mishap.what == what && self.is_about(mishap, command))
            .filter(|found| !self.met[*found]);
        found.map(|found| self.met[found] = true).is_some()
    }

    /// Whether this goes wrong with a command, each time.
    fn meet_again(&mut self, command: &Command, what: What) -> bool {
        self.meet(command, what);
        self.what(command) == Some(what)
    }

    fn told(mut self) -> Run {
        let (definition, saga) = (self.definition, &self.saga);
        self.broken.extend(promises::at_rest(definition, saga, &self.parties));
        let overdue = || Cause {
            code: "overdue".to_owned(),
            message: "the deadline passed after the pivot was sent".to_owned(),
            step: None,
        };
        let because = saga.cause(definition).or(self.refused);
        let ran = saga.steps(definition).into_iter().map(|report| {
            let is_reached = report.status != StepStatus::Pending;
            is_reached.then_some(report.status != StepStatus::Skipped)
        });
        let stuck = saga.steps(definition).into_iter().enumerate().filter_map(|(step, report)| {
            let is_stuck = [StepStatus::Failed, StepStatus::CompensationFailed];
            let code = report.error.map_or_else(String::new, |fault| fault.code.clone());
            let phase = match report.compensation {
                Some(_) => Phase::Compensation,
                None => Phase::Action,
            };
            is_stuck.contains(&report.status).then_some(Stuck { step, phase, code })
        });
        Run {
            case: self.case.number,
            mishaps: Vec::new(),
            ways: Vec::new(),
            ends: saga.status(),
            because: because.or_else(|| saga.is_overdue().then(overdue)),
            stuck: stuck.collect(),
            undone: self.undone,
            at_worst: whole_millis(self.since.since(BEGIN)),
            messages: self.messages,
            ran: ran.collect(),
            broken: self.broken,
        }
    }
}

/// Rounded up: the longest wait that jitter allows is a hair short of its ceiling.
fn whole_millis(length: Duration) -> Duration {
    let millis = length.as_micros().div_ceil(1_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
