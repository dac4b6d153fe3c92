//! Everything that can happen to a saga in a given state.

use std::time::Duration;

use saga_core::{
    Definition,
    saga::{Answer, Event, Order, Resolution, Verb},
};
use saga_protocol::{Fault, Outcome, Phase, ReplyBody, StepName, Timestamp};

use crate::{explore::Node, laws, participants::Party, plans, truth};

/// How long a pause lasts: longer than every timeout.
const PAUSE: Duration = Duration::from_secs(60);

const PHASES: [Phase; 3] = [Phase::Action, Phase::Compensation, Phase::Query];

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Participants that keep their word.
    Honest,
    /// Anybody, with anything.
    Hostile,
}

/// One thing that can happen.
#[derive(Debug)]
pub(crate) struct Move {
    /// What a participant becomes by it.
    pub(crate) party: Option<(usize, Party)>,
    /// What the saga hears of.
    pub(crate) event: Option<Event>,
    pub(crate) now: Timestamp,
}

impl Move {
    fn event(event: Event, now: Timestamp) -> Self {
        Self { party: None, event: Some(event), now }
    }

    /// How much of an operator's patience it takes: a pause includes its end.
    pub(crate) fn costs(&self) -> u32 {
        match &self.event {
            Some(Event::Operator(Order { verb: Verb::Resume, .. })) => 0,
            Some(Event::Operator(_)) => 1,
            Some(Event::Reply(_) | Event::Due) | None => 0,
        }
    }
}

/// Everything that can happen: answers, time, and operators while they have patience.
pub(crate) fn all(
    definition: &Definition,
    node: &Node,
    manners: Manners,
) -> Result<Vec<Move>, String> {
    let now = node.now;
    let mut moves = match manners {
        Manners::Honest => honest(definition, node)?,
        Manners::Hostile => hostile(definition, node),
    };
    let due = node.saga.next_due().unwrap_or(now).max(now);
    moves.push(Move::event(Event::Due, due));
    moves.extend((due > now).then(|| Move::event(Event::Due, now)));
    if node.patience > 0 {
        let verbs = verbs(definition).into_iter();
        moves.extend(verbs.map(|verb| Move::event(order(verb), now)));
    }
    // A pause always ends, whatever patience is left.
    if node.shape.is_paused {
        moves.push(Move::event(order(Verb::Resume), now.after(PAUSE)));
    }
    Ok(moves)
}

/// Each copy of each command that was ever sent may arrive.
fn honest(definition: &Definition, node: &Node) -> Result<Vec<Move>, String> {
    let mut moves = vec![];
    for (step, party) in node.world.parties.iter().enumerate() {
        for phase in PHASES {
            let (sent, _) = party.sent(phase);
            if sent == 0 {
                continue;
            }
            for (after, body) in party.arrivals(&definition.steps[step].kind, phase)? {
                truth::check_order(definition, &node.world, step, &after)?;
                let changed = (after != *party).then_some((step, after));
                let Some(body) = body else {
                    moves.push(Move { party: changed, event: None, now: node.now });
                    continue;
                };
                moves.extend((1..=sent).map(|attempt| {
                    let event = reply(definition, party, (step, phase, attempt), body.clone());
                    Move { party: changed.clone(), event: Some(event), now: node.now }
                }));
            }
        }
    }
    Ok(moves)
}

/// Anything may be answered for anything, also for what was never asked.
fn hostile(definition: &Definition, node: &Node) -> Vec<Move> {
    let completed = |output: &str| ReplyBody::completed(Some(plans::json(output)));
    let fault = |outcome, code| ReplyBody::not_completed(outcome, Fault::new(code, ""));
    let bodies = [
        ReplyBody::completed(Some(plans::output())),
        ReplyBody::completed(None),
        completed(r#"{"nothing_to_undo":true}"#),
        fault(Outcome::Rejected, "no"),
        fault(Outcome::Failed, "down"),
        fault(Outcome::Failed, "effect_missing"),
        fault(Outcome::Unknown, "lost"),
    ];
    let mut moves = vec![];
    for (step, party) in node.world.parties.iter().enumerate() {
        for phase in PHASES {
            let asked = if phase == Phase::Query { Phase::Action } else { phase };
            let (sent, _) = party.sent(asked);
            let never_sent = [0, sent + 1].map(|attempt| (attempt, &bodies[0]));
            let sent =
                (1..=sent).flat_map(|attempt| bodies.iter().map(move |body| (attempt, body)));
            moves.extend(sent.chain(never_sent).map(|(attempt, body)| {
                let event = reply(definition, party, (step, phase, attempt), body.clone());
                Move::event(event, node.now)
            }));
        }
    }
    moves
}

fn reply(
    definition: &Definition,
    party: &Party,
    (step, phase, attempt): (usize, Phase, u32),
    body: ReplyBody,
) -> Event {
    let plan = &definition.steps[step];
    Event::Reply(Answer {
        step: plan.name.clone(),
        phase,
        attempt,
        command_hash: party.sent(phase).1,
        participant: Some(plan.participant.clone()),
        body,
    })
}

/// Every verb, on every step.
fn verbs(definition: &Definition) -> Vec<Verb> {
    let mut verbs = vec![Verb::Cancel, Verb::Abandon, Verb::Pause, Verb::Retry { step: None }];
    for step in definition.steps.iter().map(|step| &step.name) {
        verbs.push(Verb::Retry { step: Some(step.clone()) });
        verbs.push(Verb::Skip { step: step.clone() });
        verbs.push(resolve(step, Resolution::Completed { output: Some(plans::output()) }));
        verbs.push(resolve(step, Resolution::Completed { output: None }));
        verbs.push(resolve(step, Resolution::Rejected));
    }
    verbs
}

fn resolve(step: &StepName, resolution: Resolution) -> Verb {
    Verb::Resolve { step: step.clone(), resolution }
}

fn order(verb: Verb) -> Event {
    let (actor, reason) = ("ops".to_owned(), "a test".to_owned());
    Event::Operator(Order { verb, actor, reason })
}

/// Whether an event must change nothing: an answer to what was never sent, time that has not come,
/// and an operator after the end.
pub(crate) fn must_be_refused(definition: &Definition, node: &Node, chosen: &Move) -> bool {
    match &chosen.event {
        Some(Event::Reply(answer)) => {
            let step = definition.step(&answer.step).expect("moves name steps that there are");
            let asked = match answer.phase {
                Phase::Query => Phase::Action,
                phase @ (Phase::Action | Phase::Compensation) => phase,
            };
            let (sent, _) = node.world.parties[step].sent(asked);
            answer.attempt == 0 || answer.attempt > sent
        }
        Some(Event::Due) => node.saga.next_due().is_none_or(|due| due > chosen.now),
        Some(Event::Operator(_)) => laws::is_end(node.shape.status),
        None => false,
    }
}
