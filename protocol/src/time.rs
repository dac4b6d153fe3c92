//! Points in time, with the microsecond resolution that Postgres keeps, so that what is stored is
//! what was decided.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in UTC, whole microseconds since 1970, in JSON as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, as AMQP's `timestamp` property has it; times before 1970 are 0.
    #[must_use]
    pub fn as_unix_seconds(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or(0)
    }

    /// The machine's wall clock. Decisions never use it: they take the database's clock as a
    /// parameter.
    #[must_use]
    pub fn wall_clock() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// This time moved later by `by`, staying at the end of the range where it would overflow.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// How long after `earlier` this is; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        let clamped = self
            .0
            .clamp(jiff::Timestamp::MIN.as_microsecond(), jiff::Timestamp::MAX.as_microsecond());
        jiff::Timestamp::from_microsecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.to_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_utc_and_each_is_one_moment() {
        let read = |text: &str| text.parse::<Timestamp>().map(|time| time.to_string());
        // The same hour twice, on the night on which clocks in New York go back.
        let (first, again) = ("2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00");
        assert_eq!(read(first).unwrap(), "2026-11-01T05:30:00.000000Z");
        assert_eq!(read(again).unwrap(), "2026-11-01T06:30:00.000000Z");
        // A leap second is the last one that Unix time and Postgres have.
        assert_eq!(read("2016-12-31T23:59:60Z").unwrap(), "2016-12-31T23:59:59.000000Z");
        for none in ["infinity", "-infinity", "now", "2026-11-01T01:30:00", "2026-02-30T00:00:00Z"]
        {
            assert!(read(none).is_err(), "`{none}`");
        }
    }

    #[test]
    fn no_time_is_beyond_the_ends() {
        let (never, always) = (Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN));
        assert_eq!(never.after(Duration::MAX), never);
        assert_eq!(never.since(always), Duration::from_micros(i64::MAX as u64));
        for time in [never, always] {
            assert!(time.to_string().parse::<Timestamp>().is_ok(), "{time}");
        }
    }
}
