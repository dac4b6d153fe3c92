//! What a reply means: a final answer settles a step, whichever attempt it answers; the others
//! count only for the attempt that is under way.

use saga_protocol::{BodyHash, Fault, Json, Outcome, Phase, Timestamp, json, limits};

use super::{
    Answer, Cause, Note, Rejection, command,
    model::{Call, Course, Known, Progress, Settled, State},
    walk::{state_too_large, too_large},
    work::Work,
};
use crate::definition::{Kind, Retry};

/// The code of a participant that has no trace of an effect the orchestrator knows of.
const EFFECT_MISSING: &str = "effect_missing";

impl Work<'_> {
    /// Takes a reply.
    pub(super) fn reply(&mut self, answer: &Answer) -> Result<(), Rejection> {
        let step = self
            .definition
            .step(&answer.step)
            .ok_or_else(|| Rejection::UnknownStep(answer.step.clone()))?;
        self.check_sender(step, answer)?;
        if let Course::Ended { .. } = self.saga.course {
            return self.too_late(step, answer);
        }
        let sent = self.sent_at(step, answer);
        match answer.phase {
            // A query can only complete a step.
            Phase::Query if answer.body.outcome != Outcome::Completed => Err(Rejection::Stale),
            Phase::Action | Phase::Query => self.action_reply(step, answer),
            Phase::Compensation => self.compensation_reply(step, answer),
        }?;
        if let Some(sent) = sent {
            self.notes.push(Note::Answered {
                participant: self.plan(step).participant.clone(),
                phase: answer.phase,
                outcome: answer.body.outcome,
                took: self.at.now.since(sent),
            });
        }
        Ok(())
    }

    /// When the attempt that is answered was sent, where it is the one that is under way.
    fn sent_at(&self, step: usize, answer: &Answer) -> Option<Timestamp> {
        let call = match (self.state(step), answer.phase) {
            (State::Forward { action, .. }, Phase::Action) => action,
            (State::Backward { undo, .. }, Phase::Compensation) => undo,
            _ => return None,
        };
        match self.state(step).progress()? {
            Progress::Sent { since, .. } if answer.attempt == call.attempts => Some(since),
            Progress::Sent { .. }
            | Progress::Waiting { .. }
            | Progress::Exhausted
            | Progress::Stuck => None,
        }
    }

    /// Refuses what another participant says, what answers another body, and what answers attempts
    /// never made.
    fn check_sender(&self, step: usize, answer: &Answer) -> Result<(), Rejection> {
        let asked = &self.plan(step).participant;
        if let Some(answering) = answer.participant.as_ref().filter(|name| *name != asked) {
            let (asked, answering) = (asked.clone(), answering.clone());
            return Err(Rejection::ForeignParticipant { asked, answering });
        }
        let (action, undo) = self.state(step).calls();
        let call = match answer.phase {
            Phase::Action | Phase::Query => action,
            Phase::Compensation => undo,
        };
        let sent = call.map_or(0, |call| call.attempts);
        if answer.attempt == 0 || answer.attempt > sent {
            return Err(Rejection::NotOutstanding);
        }
        let body = command::body(self.state(step), answer.phase);
        match (answer.command_hash, body) {
            (Some(hash), Some(body)) if hash != BodyHash::of(&body) => Err(Rejection::BodyMismatch),
            _ => Ok(()),
        }
    }

    fn action_reply(&mut self, step: usize, answer: &Answer) -> Result<(), Rejection> {
        let outcome = answer.body.outcome;
        match self.state(step).clone() {
            State::Forward { action, progress } => match outcome {
                Outcome::Completed => self.complete_step(step, action, progress, answer),
                Outcome::Rejected => self.reject_step(step, action, progress, answer),
                Outcome::Failed | Outcome::Unknown => {
                    if !is_current(&action, progress, answer) {
                        return Err(Rejection::Stale);
                    }
                    self.attempt_over(step, fault_of(answer), outcome == Outcome::Unknown);
                    Ok(())
                }
            },
            State::Completed { .. }
            | State::Rejected { .. }
            | State::Skipped { .. }
            | State::Backward { .. }
            | State::Compensated { .. } => self.too_late(step, answer),
            State::Pending => Err(Rejection::NotOutstanding),
        }
    }

    /// An action took effect, or says so in a way that cannot be used; then it says so once.
    fn complete_step(
        &mut self,
        step: usize,
        mut action: Call,
        progress: Progress,
        answer: &Answer,
    ) -> Result<(), Rejection> {
        let output = answer.body.output.clone();
        match (self.check_output(step, output.as_ref()), progress) {
            (Ok(()), _) => {
                let at = self.at.now;
                self.set(step, State::Completed { action, output, at, resolved: false });
            }
            (Err(_), _) if answer.phase == Phase::Query => return Err(Rejection::Stale),
            (Err(fault), Progress::Sent { .. } | Progress::Waiting { .. }) => {
                self.give_up(step, action, &fault);
            }
            (Err(fault), Progress::Exhausted | Progress::Stuck) => {
                if action.error.as_ref().is_some_and(|known| known.code == fault.code) {
                    return Err(Rejection::Duplicate);
                }
                action.error = Some(fault);
                self.set(step, State::Forward { action, progress });
            }
        }
        Ok(())
    }

    /// Whether an output may be kept: within the limits, and as the definition says.
    pub(super) fn check_output(&self, step: usize, output: Option<&Json>) -> Result<(), Fault> {
        let bytes = output.map_or(0, |output| output.get().len());
        if bytes > limits::OUTPUT_BYTES_MAX {
            return Err(too_large("the output", bytes, limits::OUTPUT_BYTES_MAX));
        }
        let sound = output.map_or(Ok(()), |output| json::check(output.get().as_bytes()));
        if let Err(error) = sound {
            let message = format!("the output is JSON that not every reader reads alike: {error}");
            return Err(Fault::new("output_invalid", message).bounded());
        }
        let state = self.payload_bytes() + bytes;
        if state > limits::STATE_BYTES_MAX {
            return Err(state_too_large(state));
        }
        let Some(schema) = &self.plan(step).output else {
            return Ok(());
        };
        let null = Json::from(serde_json::value::RawValue::NULL.to_owned());
        schema.validate(output.unwrap_or(&null)).map_err(|violations| {
            let violations: Vec<_> = violations.iter().map(ToString::to_string).collect();
            Fault::new("output_invalid", violations.join("; ")).bounded()
        })
    }

    fn reject_step(
        &mut self,
        step: usize,
        mut action: Call,
        progress: Progress,
        answer: &Answer,
    ) -> Result<(), Rejection> {
        let fault = fault_of(answer);
        let plan = self.plan(step);
        if let Kind::Retriable = plan.kind {
            // Not final: it asks for a human, who may have asked for a new attempt already.
            if !is_current(&action, progress, answer) {
                return Err(Rejection::Stale);
            }
            self.give_up(step, action, &fault);
            return Ok(());
        }
        let cause = Cause::of_step(&plan.name, &fault);
        action.error = Some(fault);
        self.set(step, State::Rejected { action, at: self.at.now, resolved: false });
        self.turn_back(cause);
        Ok(())
    }

    /// An attempt of the current call came to nothing: another one later, or no more.
    pub(super) fn attempt_over(&mut self, step: usize, fault: Fault, is_unknown: bool) {
        // The time of a paused saga stands still, so that resuming shifts all alike.
        let now = self.saga.paused_at.unwrap_or(self.at.now);
        let retry = self.retry_policy(step);
        let draw = self.draw(step);
        let mut state = self.state(step).clone();
        let Some((call, progress)) = state.current_mut() else {
            return;
        };
        let made = call.attempts.saturating_sub(call.base);
        if made >= retry.attempts {
            let call = call.clone();
            return self.give_up(step, call, &fault);
        }
        call.error = Some(fault);
        *progress = Progress::Waiting { retry_at: now.after(retry.delay(made, draw)) };
        let is_action = matches!(state, State::Forward { .. });
        self.set(step, state);
        if is_unknown && is_action {
            self.ask(step);
        }
    }

    /// No further attempt: what can be undone is, and for the rest a human is called.
    pub(super) fn give_up(&mut self, step: usize, mut call: Call, fault: &Fault) {
        let plan = self.plan(step);
        call.error = Some(fault.clone());
        match (self.state(step).clone(), &plan.kind) {
            (State::Forward { .. }, Kind::Compensatable(_)) => {
                self.set(step, State::Forward { action: call, progress: Progress::Exhausted });
                self.turn_back(Cause::of_step(&plan.name, fault));
            }
            (State::Forward { .. }, Kind::Pivot | Kind::Retriable) => {
                self.set(step, State::Forward { action: call, progress: Progress::Stuck });
                self.ask(step);
            }
            (State::Backward { action, known, .. }, _) => {
                let progress = Progress::Stuck;
                self.set(step, State::Backward { action, known, undo: call, progress });
            }
            (
                State::Pending
                | State::Skipped { .. }
                | State::Completed { .. }
                | State::Rejected { .. }
                | State::Compensated { .. },
                _,
            ) => {}
        }
    }

    fn retry_policy(&self, step: usize) -> Retry {
        let plan = self.plan(step);
        match (self.state(step), &plan.kind) {
            (State::Backward { .. }, Kind::Compensatable(Some(undo))) => undo.retry.clone(),
            _ => plan.retry.clone(),
        }
    }

    /// The draw of this step: steps that fail together do not come back together.
    fn draw(&self, step: usize) -> u32 {
        self.at.draw.wrapping_add(salt(step))
    }

    fn compensation_reply(&mut self, step: usize, answer: &Answer) -> Result<(), Rejection> {
        let state = self.state(step).clone();
        let State::Backward { action, known, undo, progress } = state else {
            return Err(match answer.body.outcome {
                Outcome::Completed => Rejection::Duplicate,
                Outcome::Rejected | Outcome::Failed | Outcome::Unknown => Rejection::Stale,
            });
        };
        let was_completed = matches!(known, Known::Completed { .. });
        let settled = settled_by(answer);
        // A participant that lost its memory is never believed.
        let is_lost = was_completed && settled == Settled::NothingToUndo;
        if answer.body.outcome == Outcome::Completed && !is_lost {
            let late = self.saga.steps[step].late;
            if settled == Settled::NothingToUndo && late == Some(Outcome::Completed) {
                self.contradict(step, "nothing to undo, after the action was answered `completed`");
            }
            let (undo, at) = (Some(undo), self.at.now);
            self.set(step, State::Compensated { action, known, undo, at, settled });
            return Ok(());
        }
        if !is_current(&undo, progress, answer) {
            return Err(Rejection::Stale);
        }
        let fault = fault_of(answer);
        match answer.body.outcome {
            Outcome::Completed => {
                let message = "the action was completed, and there is nothing to undo";
                self.contradict(step, message);
                self.give_up(step, undo, &Fault::new(EFFECT_MISSING, message));
            }
            Outcome::Rejected => self.give_up(step, undo, &fault),
            Outcome::Failed | Outcome::Unknown if was_completed && fault.code == EFFECT_MISSING => {
                self.give_up(step, undo, &fault);
            }
            Outcome::Failed | Outcome::Unknown => self.attempt_over(step, fault, false),
        }
        Ok(())
    }

    /// A final answer that can no longer move its step is journaled once; `completed` even after a
    /// late `rejected`, since it may contradict what was settled meanwhile.
    fn too_late(&mut self, step: usize, answer: &Answer) -> Result<(), Rejection> {
        if !self.is_final(step, answer) {
            return Err(Rejection::Stale);
        }
        let outcome = answer.body.outcome;
        let late = self.saga.steps[step].late;
        let is_known = late.is_some_and(|late| late == outcome || late == Outcome::Completed);
        if is_known || !self.tells_something(step, answer) {
            return Err(Rejection::Duplicate);
        }
        self.saga.steps[step].late = Some(outcome);
        self.notes.push(Note::Late { step: answer.step.clone() });
        let is_nothing = |settled: &Settled| *settled == Settled::NothingToUndo;
        match (self.state(step), outcome) {
            (State::Compensated { settled, .. }, Outcome::Completed) if is_nothing(settled) => {
                self.contradict(step, "the action was completed after there was nothing to undo");
            }
            (State::Completed { .. }, Outcome::Rejected) => {
                self.contradict(step, "the action was rejected after it was completed");
            }
            (State::Rejected { .. }, Outcome::Completed) => {
                self.contradict(step, "the action was completed after it was rejected");
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether an answer settles its step for good. A refusal does so only of an action that may
    /// refuse: from a compensation or a retriable step it asks for a human, from a query nothing.
    fn is_final(&self, step: usize, answer: &Answer) -> bool {
        match answer.body.outcome {
            Outcome::Completed => true,
            Outcome::Rejected => {
                answer.phase == Phase::Action && !matches!(self.plan(step).kind, Kind::Retriable)
            }
            Outcome::Failed | Outcome::Unknown => false,
        }
    }

    /// Whether a late answer says something the saga does not know already.
    fn tells_something(&self, step: usize, answer: &Answer) -> bool {
        let is_undo = answer.phase == Phase::Compensation;
        let outcome = answer.body.outcome;
        match self.state(step) {
            State::Pending => false,
            State::Completed { .. } => outcome != Outcome::Completed,
            State::Rejected { .. } => outcome != Outcome::Rejected,
            State::Compensated { .. } if is_undo => false,
            State::Backward { known: Known::Completed { .. }, .. }
            | State::Compensated { known: Known::Completed { .. }, .. } => {
                is_undo || outcome != Outcome::Completed
            }
            State::Skipped { .. }
            | State::Forward { .. }
            | State::Backward { .. }
            | State::Compensated { .. } => true,
        }
    }

    fn contradict(&mut self, step: usize, message: &str) {
        let step = self.plan(step).name.clone();
        self.notes.push(Note::Contradiction { step, message: message.to_owned() });
    }
}

/// What tells the draws of steps apart.
pub(crate) fn salt(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX).wrapping_mul(0x9e37_79b9)
}

/// Whether an answer belongs to the attempt that is under way.
fn is_current(call: &Call, progress: Progress, answer: &Answer) -> bool {
    answer.attempt == call.attempts && matches!(progress, Progress::Sent { .. })
}

/// The fault of a reply; a reply without one gets its outcome as the code.
fn fault_of(answer: &Answer) -> Fault {
    let body = &answer.body;
    body.error.clone().unwrap_or_else(|| Fault::new(body.outcome.as_str(), "")).bounded()
}

/// Whether the participant undid something or says that there was nothing.
fn settled_by(answer: &Answer) -> Settled {
    #[derive(serde::Deserialize)]
    struct Output {
        #[serde(default)]
        nothing_to_undo: bool,
    }
    let output = answer.body.output.as_ref().map(|json| serde_json::from_str::<Output>(json.get()));
    match output {
        Some(Ok(Output { nothing_to_undo: true })) => Settled::NothingToUndo,
        _ => Settled::Participant,
    }
}
