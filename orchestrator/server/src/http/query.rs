//! The queries of lists: which sagas, and which page.

use std::{fmt, str::FromStr, time::Duration};

use saga_core::saga::Status;
use saga_protocol::{SagaId, Timestamp, limits};
use saga_store::{Filter, Letters, Page};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::error::{Code, Problem};

/// Items of a page where the query does not say: two screens.
const LIMIT: u32 = 50;
/// The units of `older_than`, in seconds.
const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

/// The query of `GET /v1/sagas`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<String>,
    definition: Option<String>,
    step: Option<String>,
    key: Option<String>,
    older_than: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// The query of a journal.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalQuery {
    limit: Option<String>,
    after: Option<String>,
}

/// The query of `GET /v1/timers`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimersQuery {
    saga: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// The query of `GET /v1/dead-letters`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LettersQuery {
    closed: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// A place in a list that is in the order of times: `{microseconds}.{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The time.
    pub(super) at: Timestamp,
    /// Among those of one time.
    pub(super) id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_micros(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('.').ok_or(())?;
        let at = Timestamp::from_micros(at.parse().map_err(drop)?);
        Ok(Self { at, id: id.parse().map_err(drop)? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TimersQuery {
    /// The one saga that it asks for.
    pub(super) fn saga(&self) -> Result<Option<SagaId>, Problem> {
        let id = self.saga.as_deref().map(|id| {
            id.parse().map_err(|_| invalid("`saga` takes the id of a saga, which is a UUID"))
        });
        id.transpose()
    }

    /// The page that it asks for.
    pub(super) fn read(self) -> Result<Page<(Timestamp, SagaId)>, Problem> {
        let page = by_time(self.limit, self.after)?;
        let after = page.after.map(|Cursor { at, id }| (at, SagaId(id)));
        Ok(Page { after, limit: page.limit })
    }
}

impl LettersQuery {
    /// Which letters, and the page.
    pub(super) fn read(self) -> Result<(Letters, Page<(Timestamp, Uuid)>), Problem> {
        let which = match self.closed.as_deref() {
            None | Some("false") => Letters::Open,
            Some("true") => Letters::All,
            Some(_) => return Err(invalid("`closed` takes `true` or `false`")),
        };
        let page = by_time(self.limit, self.after)?;
        let after = page.after.map(|Cursor { at, id }| (at, id));
        Ok((which, Page { after, limit: page.limit }))
    }
}

fn by_time(limit: Option<String>, after: Option<String>) -> Result<Page<Cursor>, Problem> {
    page(limit, LIMIT, after, "what `next` of an earlier page says")
}

impl ListQuery {
    /// What it asks for. Ages are taken by this machine's clock: nothing is decided by them.
    pub(super) fn read(self) -> Result<(Filter, Page<SagaId>), Problem> {
        let statuses = self.status.as_deref().map(statuses).transpose()?.unwrap_or_default();
        let age = self.older_than.as_deref().map(age).transpose()?;
        let filter = Filter {
            statuses,
            definition: self.definition.map(|name| plain("definition", name)).transpose()?,
            step: self.step.map(|name| plain("step", name)).transpose()?,
            key: self.key.map(|key| plain("key", key)).transpose()?,
            created_before: age.map(|age| before(Timestamp::wall_clock(), age)),
        };
        let page = page(self.limit, LIMIT, self.after, "what `next` of an earlier page says")?;
        Ok((filter, page))
    }
}

impl JournalQuery {
    /// The page that it asks for; as much as a page can hold where it does not say.
    pub(super) fn read(self) -> Result<Page<i64>, Problem> {
        page(self.limit, limits::PAGE_MAX, self.after, "the version of a record")
    }
}

fn page<T: FromStr>(
    limit: Option<String>,
    default: u32,
    after: Option<String>,
    kind: &str,
) -> Result<Page<T>, Problem> {
    let max = limits::PAGE_MAX;
    let limit = limit.map_or(Ok(default), |text| {
        let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
        limit.ok_or_else(|| invalid(&format!("`limit` takes a whole number from 1 to {max}")))
    });
    let after =
        after.map(|text| text.parse().map_err(|_| invalid(&format!("`after` takes {kind}"))));
    Ok(Page { after: after.transpose()?, limit: limit? })
}

fn statuses(text: &str) -> Result<Vec<String>, Problem> {
    let known = |word: &str| {
        let found = Status::ALL.iter().find(|status| status.as_str() == word);
        found.map(|status| status.as_str().to_owned()).ok_or_else(|| {
            let all: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
            invalid(&format!("`status` has no `{word}`: it takes `{}`", all.join("`, `")))
        })
    };
    text.split(',').map(str::trim).map(known).collect()
}

/// Text that a database column can hold.
fn plain(name: &str, text: String) -> Result<String, Problem> {
    if text.contains('\0') || text.len() > limits::KEY_BYTES_MAX {
        let max = limits::KEY_BYTES_MAX;
        return Err(invalid(&format!("`{name}` takes at most {max} bytes, none of them zero")));
    }
    Ok(text)
}

fn age(text: &str) -> Result<Duration, Problem> {
    let unit = text.chars().last().and_then(|last| UNITS.iter().find(|(unit, _)| *unit == last));
    let seconds = unit.and_then(|(unit, seconds)| {
        let number = text.strip_suffix(*unit)?;
        let number = number.bytes().all(|digit| digit.is_ascii_digit()).then_some(number)?;
        number.parse::<u64>().ok()?.checked_mul(*seconds)
    });
    seconds.map(Duration::from_secs).ok_or_else(|| {
        invalid("`older_than` takes a whole number and a unit: `90s`, `10m`, `2h`, `7d`")
    })
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    // Nothing is older than that, and the database's times end somewhere.
    Timestamp::from_micros(now.as_micros().saturating_sub(micros).max(0))
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidQuery, detail)
}

#[cfg(test)]
mod tests {
    use axum::{extract::Query, http::Uri};

    use super::*;

    fn list(query: &str) -> Result<(Filter, Page<SagaId>), Problem> {
        let uri: Uri = format!("/v1/sagas?{query}").parse().unwrap();
        let Query(query) = Query::<ListQuery>::try_from_uri(&uri).unwrap();
        query.read()
    }

    #[test]
    fn a_list_takes_filters_and_a_page() {
        let id = "018f0000-0000-7000-8000-000000000000";
        let query = format!(
            "status=stuck,running&definition=order&step=payment&key=a%20b&limit=200&after={id}"
        );
        let (filter, page) = list(&query).unwrap();
        assert_eq!(filter.statuses, ["stuck", "running"]);
        assert_eq!(filter.definition.as_deref(), Some("order"));
        assert_eq!(filter.step.as_deref(), Some("payment"));
        assert_eq!(filter.key.as_deref(), Some("a b"));
        assert_eq!((page.limit, page.after), (200, id.parse().ok()));

        let (filter, page) = list("").unwrap();
        assert!(filter.statuses.is_empty() && filter.created_before.is_none());
        assert_eq!((page.limit, page.after), (LIMIT, None));
    }

    #[test]
    fn lists_by_time_go_on_where_they_said() {
        let id = "018f0000-0000-7000-8000-000000000000";
        let next = Cursor { at: Timestamp::from_micros(-7), id: id.parse().unwrap() };
        let (saga, after) = (Some(id.to_owned()), Some(next.to_string()));
        let query = TimersQuery { saga, limit: Some("3".to_owned()), after: after.clone() };
        assert_eq!(query.saga().unwrap(), id.parse().ok());
        let page = query.read().unwrap();
        assert_eq!(page.limit, 3);
        assert_eq!(page.after, Some((next.at, SagaId(next.id))));

        let closed = |closed: Option<&str>| {
            let closed = closed.map(str::to_owned);
            LettersQuery { closed, limit: None, after: after.clone() }.read()
        };
        let (which, page) = closed(Some("true")).unwrap();
        assert_eq!(
            (which, page.limit, page.after),
            (Letters::All, LIMIT, Some((next.at, next.id)))
        );
        assert_eq!(closed(None).unwrap().0, Letters::Open);
        assert!(closed(Some("yes")).is_err());
        for wrong in ["", "7", "7.", ".", "soon.018f0000-0000-7000-8000-000000000000", id] {
            let query = TimersQuery { after: Some(wrong.to_owned()), ..TimersQuery::default() };
            assert!(query.read().is_err(), "`{wrong}`");
        }
        let elsewhere = TimersQuery { saga: Some("x".to_owned()), ..TimersQuery::default() };
        assert!(elsewhere.saga().is_err());
    }

    #[test]
    fn ages_are_whole_numbers_with_a_unit() {
        let ages = ["90s", "10m", "2h", "7d"].map(|text| age(text).unwrap().as_secs());
        assert_eq!(ages, [90, 600, 7_200, 604_800]);
        let now = Timestamp::from_micros(5_000_000);
        assert_eq!(before(now, Duration::from_secs(2)).as_micros(), 3_000_000);
        assert_eq!(before(now, Duration::MAX).as_micros(), 0);
        for wrong in
            ["", "10", "m", "-1m", "+1m", "1.5h", "10 m", "10ms", "99999999999999999999d", "1ü"]
        {
            assert!(age(wrong).is_err(), "`{wrong}`");
        }
    }

    #[test]
    fn what_a_list_does_not_understand_it_refuses() {
        for query in [
            "status=failed",
            "status=",
            "limit=0",
            "limit=201",
            "limit=ten",
            "after=elsewhere",
            "older_than=soon",
            "key=%00",
        ] {
            assert!(list(query).is_err(), "`{query}`");
        }
        assert!(JournalQuery { after: Some("1.5".to_owned()), limit: None }.read().is_err());
    }
}
