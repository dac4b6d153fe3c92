//! What the CLI reads of the API's documents, and how it words what they have in common. What it
//! does not show it does not read, so that an orchestrator may say more than this program knows.

use std::{fmt, time::Duration};

use anstyle::{AnsiColor, Style};
use saga_protocol::Timestamp;
use serde::Deserialize;

/// Text that somebody else wrote, safe to print: what would steer a terminal is spelt out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Text(String);

/// A saga.
#[derive(Debug, Deserialize)]
pub(crate) struct Saga {
    pub(crate) id: Text,
    pub(crate) definition: Text,
    pub(crate) version: Text,
    pub(crate) key: Option<Text>,
    pub(crate) status: Text,
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    pub(crate) cause: Option<Cause>,
    pub(crate) value: Option<Worth>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) next_wake_at: Option<Timestamp>,
}

/// A step of a saga.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: Text,
    pub(crate) participant: Text,
    pub(crate) action: Text,
    pub(crate) kind: Text,
    #[serde(default)]
    pub(crate) needs: Vec<Text>,
    pub(crate) status: Text,
    pub(crate) attempts: u32,
    pub(crate) error: Option<Fault>,
    pub(crate) started_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) resolved: bool,
    pub(crate) compensation: Option<Compensation>,
}

/// The compensation of a step, once it is decided.
#[derive(Debug, Deserialize)]
pub(crate) struct Compensation {
    pub(crate) action: Text,
    pub(crate) attempts: u32,
    pub(crate) started_at: Timestamp,
}

/// Why a saga is as it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Cause {
    pub(crate) step: Option<Text>,
    #[serde(flatten)]
    pub(crate) fault: Fault,
}

/// What went wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    pub(crate) code: Text,
    #[serde(default)]
    pub(crate) message: Text,
}

/// Value at risk.
#[derive(Debug, Deserialize)]
pub(crate) struct Worth {
    pub(crate) amount: i64,
    pub(crate) currency: Text,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        if !text.contains(char::is_control) {
            return Self(text);
        }
        let spelt = text.chars().flat_map(|letter| {
            let steers = letter.is_control();
            let escaped = steers.then(|| letter.escape_default()).into_iter().flatten();
            escaped.chain((!steers).then_some(letter))
        });
        Self(spelt.collect())
    }
}

impl Text {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => write!(f, "{}", self.code),
            message => write!(f, "{}: {message}", self.code),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "{step}: {}", self.fault),
            None => write!(f, "{}", self.fault),
        }
    }
}

impl Saga {
    /// Its status in words.
    pub(crate) fn status(&self) -> String {
        let paused = if self.paused { ", paused" } else { "" };
        format!("{}{paused}", self.status)
    }

    /// The steps where it is now.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Step> {
        let ended = self.finished_at.is_some();
        self.steps.iter().filter(move |step| !ended && step.is_current())
    }
}

impl Step {
    fn is_current(&self) -> bool {
        let current =
            ["running", "waiting", "compensating", "unknown", "failed", "compensation_failed"];
        current.contains(&self.status.as_str())
    }
}

/// The colour that goes with a status of saga or step; the word always stands there too.
pub(crate) fn colour(status: &str) -> Option<AnsiColor> {
    match status {
        "completed" => Some(AnsiColor::Green),
        "running" | "waiting" => Some(AnsiColor::Cyan),
        "compensating" | "compensated" | "unknown" => Some(AnsiColor::Yellow),
        "rejected" | "partly_compensated" | "abandoned" => Some(AnsiColor::Magenta),
        "stuck" | "failed" | "compensation_failed" => Some(AnsiColor::Red),
        _ => None,
    }
}

/// The style that goes with a status.
pub(crate) fn style(status: &str) -> Style {
    colour(status).map_or_else(Style::new, |colour| colour.on_default().bold())
}

/// A point in time for people, in UTC as everything else.
pub(crate) fn time(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
}

/// A length of time for people, in the two largest units.
pub(crate) fn span(length: Duration) -> String {
    let (seconds, millis) = (length.as_secs(), length.as_millis());
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d {}h", hours % 24),
        () if hours > 0 => format!("{hours}h {}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m {}s", seconds % 60),
        () if seconds > 0 => format!("{:.1} s", length.as_secs_f64()),
        () => format!("{millis} ms"),
    }
}

/// A number of things: `1 attempt`, `2 attempts`.
pub(crate) fn count(number: u32, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        let text = Text::from("no\u{1b}[2J\nstock ü".to_owned());
        assert_eq!(text.as_str(), "no\\u{1b}[2J\\nstock ü");
    }
}
