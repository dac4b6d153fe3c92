//! `saga retry`, `skip`, `resolve`, `cancel`, `abandon`, `pause` and `resume`: what operators
//! order, for sagas by id or in bulk. One that refuses does not spare the others.

use std::{
    fs::File,
    io::{self, Read},
};

use saga_protocol::{SagaId, StepName, limits};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Failure, Status,
    client::Client,
    output,
    selection::Selection,
    view::{Saga, count, style},
};
use crate::settings;

/// Sagas that one call takes up in bulk; it says how to go on behind them. With `--json` their
/// documents, some kilobytes each, are held until the end.
const BULK_MAX: u32 = 10_000;
/// The verb that undoes nothing.
const ABANDON: &str = "abandon";
/// What nobody should overlook before it is done.
const LOUD: &str = "`abandon` undoes nothing: what the steps did stays as it is, and nobody will \
                    look at these sagas again; `cancel` undoes it";

/// What every verb takes.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    selection: Selection,
    /// Why, for the journal
    #[arg(long, value_parser = reason)]
    reason: String,
    /// Shows what it would be done to, and does nothing
    #[arg(long)]
    dry_run: bool,
    /// Goes on behind this saga, as an earlier call in bulk said
    #[arg(long, value_name = "ID", conflicts_with = "ids")]
    after: Option<String>,
    #[command(flatten)]
    actor: settings::Actor,
    #[command(flatten)]
    client: settings::Client,
}

/// What verbs take that are about a saga as a whole.
#[derive(clap::Args)]
pub(crate) struct Plain {
    #[command(flatten)]
    common: Common,
}

/// What `saga retry` takes.
#[derive(clap::Args)]
pub(crate) struct Retry {
    /// Only this step; all that wait or are stuck where it is not given
    #[arg(long, value_name = "NAME")]
    step: Option<StepName>,
    #[command(flatten)]
    common: Common,
}

/// What `saga skip` takes.
#[derive(clap::Args)]
pub(crate) struct Skip {
    /// The stuck step
    #[arg(long, value_name = "NAME")]
    step: StepName,
    #[command(flatten)]
    common: Common,
}

/// What `saga resolve` takes.
#[derive(clap::Args)]
pub(crate) struct Resolve {
    /// The stuck step
    #[arg(long, value_name = "NAME")]
    step: StepName,
    /// What became of it: it took effect or, of a compensation, was undone by hand; or a pivot had
    /// no effect
    #[arg(long, default_value = "completed", value_parser = ["completed", "rejected"])]
    outcome: String,
    /// What the step answers: JSON, or the file of it behind an `@`; `@-` is the standard input
    #[arg(long, value_name = "JSON|@FILE", value_parser = json)]
    output: Option<Box<RawValue>>,
    #[command(flatten)]
    common: Common,
}

/// The body of an order.
#[derive(Default, Serialize)]
struct Body<'a> {
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a StepName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
}

impl Plain {
    /// Carries it out.
    pub(crate) async fn run(&self, verb: &'static str) -> Result<Status, Failure> {
        self.common.run(verb, &Body::default()).await
    }
}

impl Retry {
    /// Carries it out.
    pub(crate) async fn run(&self) -> Result<Status, Failure> {
        let body = Body { step: self.step.as_ref(), ..Body::default() };
        self.common.run("retry", &body).await
    }
}

impl Skip {
    /// Carries it out.
    pub(crate) async fn run(&self) -> Result<Status, Failure> {
        let body = Body { step: Some(&self.step), ..Body::default() };
        self.common.run("skip", &body).await
    }
}

impl Resolve {
    /// Carries it out.
    pub(crate) async fn run(&self) -> Result<Status, Failure> {
        let output = self.output.as_deref();
        if output.is_some() && self.outcome == "rejected" {
            let failure = Failure::cannot("what was rejected has no `--output`");
            return Err(failure.hint("leave out `--output`, or say `--outcome completed`"));
        }
        let (step, outcome) = (Some(&self.step), Some(self.outcome.as_str()));
        self.common.run("resolve", &Body { step, outcome, output, ..Body::default() }).await
    }
}

impl Common {
    async fn run(&self, verb: &'static str, body: &Body<'_>) -> Result<Status, Failure> {
        let body = Body { reason: &self.reason, ..*body };
        let body = serde_json::to_vec(&body)
            .map_err(|error| Failure::cannot(format!("cannot write the order: {error}")))?;
        let actor = self.actor.name();
        let mut work = Work {
            client: Client::new(&self.client)?,
            verb,
            headers: actor.map(|actor| ("saga-actor", actor)).into_iter().collect(),
            body,
            is_dry: self.dry_run,
            is_json: self.client.json,
            items: Vec::new(),
            done: 0,
            refused: 0,
        };
        if verb == ABANDON && !self.dry_run {
            output::warn(LOUD);
        }
        let mut next = self.after.clone();
        let worked = match self.selection.is_bulk() {
            true => work.bulk(&self.selection, &mut next).await,
            false => work.each(&self.selection.ids).await,
        };
        // What was done is told, whatever came after it.
        if self.client.json {
            output::items(&work.items, next)?;
        }
        worked?;
        Ok(if work.refused > 0 { Status::No } else { Status::Done })
    }
}

/// A verb that is carried out for one saga after another.
struct Work {
    client: Client,
    verb: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    is_dry: bool,
    is_json: bool,
    items: Vec<Box<RawValue>>,
    done: u32,
    refused: u32,
}

impl Work {
    /// Takes one after another.
    async fn each(&mut self, ids: &[SagaId]) -> Result<(), Failure> {
        for id in ids {
            self.take_id(&id.to_string()).await?;
        }
        Ok(())
    }

    /// Takes what the filters match behind a place, page by page, and moves the place on: to where
    /// to go on where that is too much for one call or something stood in the way, else to nothing.
    async fn bulk(
        &mut self,
        selection: &Selection,
        after: &mut Option<String>,
    ) -> Result<(), Failure> {
        loop {
            let page = selection.page(&self.client, after.as_ref()).await?;
            for item in page.items {
                let saga: Saga = serde_json::from_str(item.get())
                    .map_err(|error| Failure::cannot(format!("no saga is this: {error}")))?;
                let id = saga.id.to_string();
                let taken = match self.is_dry {
                    true => self.show(item, &saga),
                    false => self.order(&id).await,
                };
                if let Err(failure) = taken {
                    output::say(&self.summary());
                    return Err(match &*after {
                        Some(last) => failure.hint(format!("go on with `--after {last}`")),
                        None => failure,
                    });
                }
                *after = Some(id);
            }
            *after = page.next;
            let is_all = after.is_none();
            match (is_all, self.is_dry) {
                (false, _) => output::say(&format!("{} so far", self.summary())),
                (true, false) => output::say(&self.summary()),
                (true, true) => {
                    output::say(&format!("{}; without `--dry-run` it is done", self.summary()));
                }
            }
            if is_all || self.done + self.refused >= BULK_MAX {
                break;
            }
        }
        if let Some(next) = after {
            output::say(&format!("there is more: go on with `--after {next}`"));
        }
        Ok(())
    }

    async fn take_id(&mut self, id: &str) -> Result<(), Failure> {
        if !self.is_dry {
            return self.order(id).await;
        }
        match self.client.get(&["v1", "sagas", id], &[]).await {
            Ok(answer) => self.show(answer.read()?, &answer.read()?),
            Err(failure) => self.refuse(id, failure),
        }
    }

    async fn order(&mut self, id: &str) -> Result<(), Failure> {
        let path = ["v1", "sagas", id, self.verb];
        match self.client.post(&path, &self.headers, self.body.clone()).await {
            Ok(answer) => self.show(answer.read()?, &answer.read()?),
            Err(failure) => self.refuse(id, failure),
        }
    }

    /// Shows a saga: as it is after the verb or, in a dry run, before it.
    fn show(&mut self, item: Box<RawValue>, saga: &Saga) -> Result<(), Failure> {
        self.done += 1;
        if self.is_json {
            self.items.push(item);
            return Ok(());
        }
        let mut line = render(saga);
        if self.is_dry {
            let key = saga.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
            line = format!("{line}  would {}: {}{key}", self.verb, saga.definition);
        }
        if self.verb == ABANDON {
            line.push_str(&left(saga));
        }
        output::data(&line)
    }

    /// Says that the answer is no, and goes on; whatever else is wrong ends it.
    fn refuse(&mut self, id: &str, failure: Failure) -> Result<(), Failure> {
        if failure.status != Status::No {
            return Err(failure);
        }
        self.refused += 1;
        output::failure(&failure.about(&format!("saga `{id}`")));
        Ok(())
    }

    fn summary(&self) -> String {
        let sagas = count(self.done, "saga");
        match (self.is_dry, self.refused) {
            (true, _) => format!("would {} {sagas}", self.verb),
            (false, 0) => format!("{}: {sagas} done", self.verb),
            (false, refused) => format!("{}: {sagas} done, {refused} refused", self.verb),
        }
    }
}

fn render(saga: &Saga) -> String {
    let painted = style(saga.status.as_str());
    format!("{}  {painted}{}{painted:#}", saga.id, saga.status())
}

/// The steps whose effects stand or may stand, with what is known of each.
fn left(saga: &Saga) -> String {
    const WITHOUT_EFFECT: [&str; 4] = ["pending", "rejected", "skipped", "compensated"];
    let stands = saga.steps.iter().filter(|s| !WITHOUT_EFFECT.contains(&s.status.as_str()));
    let stands: Vec<_> = stands.map(|step| format!("{} ({})", step.name, step.status)).collect();
    match stands.is_empty() {
        true => String::new(),
        false => format!("  not undone: {}", stands.join(", ")),
    }
}

/// A reason that says something; nobody sees a control character.
pub(super) fn reason(text: &str) -> Result<String, &'static str> {
    match text.trim_matches(|c: char| c.is_whitespace() || c.is_control()) {
        "" => Err("it is kept in the journal for whoever asks why, so it cannot be blank"),
        reason => Ok(reason.to_owned()),
    }
}

/// JSON that stands there, or in a file.
fn json(text: &str) -> Result<Box<RawValue>, String> {
    let text = match text.strip_prefix('@') {
        Some(path) => read(path).map_err(|error| format!("cannot read `{path}`: {error}"))?,
        None => text.to_owned(),
    };
    RawValue::from_string(text.trim().to_owned())
        .map_err(|error| format!("it takes JSON, or `@` and a file of it: {error}"))
}

fn read(path: &str) -> io::Result<String> {
    let source: Box<dyn Read> = match path {
        "-" => Box::new(io::stdin()),
        path => Box::new(File::open(path)?),
    };
    let mut text = String::new();
    source.take(limits::BODY_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    match text.len() > limits::BODY_BYTES_MAX {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than a body may be")),
        false => Ok(text),
    }
}
