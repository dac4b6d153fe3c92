//! Publishes: each publisher owns one channel, sends a window, waits until all of it is settled,
//! sends the next.
//!
//! Two tasks on one channel would swap confirms, and a returned message can surface on another
//! publish's confirm. So the returned ids of a whole window are collected before anybody is told
//! anything.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::{join_all, try_join_all};
use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use saga_runtime::failpoint::{self, Point};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use super::{
    Shared, codec, declare,
    limits::{CONFIRM_MAX, REFUSED_MAX, WINDOW},
    link::{self, Live, Lives},
    trouble::{Trouble, step, within},
};
use crate::{Publication, Unpublished};

/// What became of one publication.
pub(super) type Answer = Result<(), Unpublished>;

/// Publications of one caller; at most a window.
pub(super) struct Job {
    pub(super) batch: Vec<Publication>,
    /// When the caller stops waiting.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Vec<Answer>>,
}

impl Job {
    fn refuse(self, reason: &str) {
        let answers = self.batch.iter().map(|_| Err(Unpublished::Down(reason.to_owned())));
        // A caller that has gone needs no answer.
        let _ = self.answer.send(answers.collect());
    }

    fn is_wanted(&self) -> bool {
        !self.answer.is_closed() && Instant::now() < self.deadline
    }
}

/// Runs until nobody can send jobs any more and all are answered.
pub(super) async fn run(mut jobs: mpsc::Receiver<Job>, mut lives: Lives, shared: Arc<Shared>) {
    let mut last = None;
    loop {
        let live = tokio::select! {
            live = link::next(&mut lives, last.as_ref()) => live,
            job = jobs.recv() => {
                let Some(job) = job else { return };
                job.refuse(&shared.status.refusal().unwrap_or_else(|| "reconnecting".to_owned()));
                continue;
            }
        };
        let Some(live) = live else { return drain(&mut jobs).await };
        match serve(&mut jobs, &live, &mut lives, &shared).await {
            Ok(Ended::Finished) => return,
            Ok(Ended::Disconnected) => {}
            Err(trouble) => live.give_up(lost(&trouble, &shared)),
        }
        last = Some(live);
    }
}

/// What happened, with the way out. An exchange that is gone is the server's to declare.
fn lost(trouble: &Trouble, shared: &Shared) -> String {
    if trouble.is_not_found() {
        shared.lost.notify_one();
    }
    shared.explain(trouble)
}

enum Ended {
    /// There will be no more jobs.
    Finished,
    /// There is another connection, or none.
    Disconnected,
}

async fn drain(jobs: &mut mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        job.refuse("closed");
    }
}

/// Publishes on one connection.
async fn serve(
    jobs: &mut mpsc::Receiver<Job>,
    live: &Live,
    lives: &mut Lives,
    shared: &Shared,
) -> Result<Ended, Trouble> {
    let (mut channel, mut opened) = (confirming(live).await?, Instant::now());
    loop {
        let first = tokio::select! {
            job = jobs.recv() => job,
            _ = lives.changed() => return Ok(Ended::Disconnected),
        };
        let Some(first) = first else { return Ok(Ended::Finished) };
        let window = fill(first, jobs);
        let window: Vec<Job> = window.into_iter().filter(Job::is_wanted).collect();
        let was_refused = publish(&channel, window, shared).await?;
        // The broker remembers for each channel that a queue is full, and forgets it only when the
        // queue empties: where an operator takes the limit back, the old one is refused for ever.
        if was_refused && opened.elapsed() >= REFUSED_MAX {
            (channel, opened) = (confirming(live).await?, Instant::now());
        }
    }
}

async fn confirming(live: &Live) -> Result<Channel, Trouble> {
    let channel = declare::open(&live.connection).await?;
    let options = ConfirmSelectOptions { nowait: false };
    step("ask for confirms", channel.confirm_select(options)).await?;
    Ok(channel)
}

/// Takes what already waits, until the window is full. The last may overfill it, at most twice.
fn fill(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut count = first.batch.len();
    let mut window = vec![first];
    while count < WINDOW {
        let Ok(job) = jobs.try_recv() else { break };
        count += job.batch.len();
        window.push(job);
    }
    window
}

/// Sends a window and answers its jobs. After an error the channel must not be used again: what is
/// still to be confirmed on it would be kept for ever, and could surface in the next window.
/// Answers whether a queue refused something.
async fn publish(channel: &Channel, window: Vec<Job>, shared: &Shared) -> Result<bool, Trouble> {
    let user = shared.address.user();
    let frames: Vec<_> =
        window.iter().flat_map(|job| &job.batch).map(|p| codec::encode(p, user)).collect();
    let settled = confirm(channel, frames.iter().filter_map(|f| f.as_ref().ok())).await;
    let mut confirmations = settled.as_ref().map(|s| s.confirmations.iter());
    let mut frames = frames.iter();
    for job in window {
        let mut answers = Vec::with_capacity(job.batch.len());
        for (publication, frame) in job.batch.iter().zip(frames.by_ref()) {
            answers.push(match (frame, &mut confirmations) {
                (Err(unpublished), _) => Err(unpublished.clone()),
                (Ok(_), Err(_)) => Err(Unpublished::Unconfirmed),
                (Ok(_), Ok(confirmations)) => {
                    let taken = confirmations.next().copied().unwrap_or(Taken::Unknown);
                    let returned = settled
                        .as_ref()
                        .is_ok_and(|s| s.returned.contains(&publication.message.message_id));
                    answer(publication, taken, returned)
                }
            });
        }
        // A caller that has gone needs no answer.
        let _ = job.answer.send(answers);
    }
    let settled = settled?;
    if !settled.returned.is_empty() {
        // A queue or a binding is gone.
        shared.lost.notify_one();
    }
    Ok(settled.confirmations.iter().any(|taken| matches!(taken, Taken::No)))
}

fn answer(publication: &Publication, taken: Taken, returned: bool) -> Answer {
    match taken {
        _ if returned => Err(Unpublished::Returned(publication.routing_key.clone())),
        Taken::Yes => Ok(()),
        Taken::No => Err(Unpublished::Refused),
        Taken::Unknown => Err(Unpublished::Unconfirmed),
    }
}

/// A window of which every publish is confirmed.
struct Settled {
    /// In the order in which they were sent.
    confirmations: Vec<Taken>,
    /// The ids of those that no queue took.
    returned: HashSet<Uuid>,
}

/// What the broker said of one publish.
#[derive(Clone, Copy)]
enum Taken {
    Yes,
    No,
    Unknown,
}

async fn confirm(
    channel: &Channel,
    frames: impl Iterator<Item = &codec::Frame>,
) -> Result<Settled, Trouble> {
    let options = BasicPublishOptions {
        // What no queue takes comes back instead of being confirmed and gone.
        mandatory: true,
        // Not supported by RabbitMQ.
        immediate: false,
    };
    let sends = frames.map(|frame| {
        channel.basic_publish(
            frame.exchange.clone(),
            frame.routing_key.clone(),
            options,
            &frame.body,
            frame.properties.clone(),
        )
    });
    let all = async {
        let sent = try_join_all(sends).await?;
        failpoint::pass(Point::PublishBeforeConfirm);
        join_all(sent).await.into_iter().collect()
    };
    let answers: Vec<Confirmation> = within(CONFIRM_MAX, "publish", all).await?;
    let mut settled =
        Settled { confirmations: Vec::with_capacity(answers.len()), returned: HashSet::new() };
    for answer in answers {
        let (taken, returned) = match answer {
            Confirmation::Ack(returned) => (Taken::Yes, returned),
            Confirmation::Nack(returned) => (Taken::No, returned),
            Confirmation::NotRequested => {
                return Err(Trouble::Seen("the channel does not confirm".to_owned()));
            }
        };
        settled.confirmations.push(taken);
        settled.returned.extend(returned.and_then(|r| codec::read_id(&r.delivery.properties)));
    }
    Ok(settled)
}
