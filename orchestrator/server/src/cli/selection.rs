//! Which sagas a verb is for: those named, or all that filters match, page by page.

use clap::builder::PossibleValuesParser;
use saga_protocol::{SagaId, limits};

use super::{
    Failure,
    client::Client,
    list::{ACTIVE, Page, age},
};

/// Sagas by id, or by filters as `saga list` has them. At least one of either: nothing is done to
/// all there are by leaving something out.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Selection {
    /// The sagas
    #[arg(value_name = "ID",
        conflicts_with_all = ["status", "definition", "step_at", "key", "older_than"])]
    pub(super) ids: Vec<SagaId>,
    /// All sagas with one of these statuses
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(ACTIVE))]
    status: Vec<String>,
    /// All sagas of this definition that have not ended
    #[arg(long, value_name = "NAME")]
    definition: Option<String>,
    /// All sagas that are at this step now
    #[arg(long, value_name = "NAME")]
    step_at: Option<String>,
    /// All sagas with this business key that have not ended
    #[arg(long)]
    key: Option<String>,
    /// All sagas that have not ended and were created at least so long ago, such as `90s`, `10m`,
    /// `2h` or `7d`
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<String>,
}

impl Selection {
    /// Whether they are selected by filters.
    pub(super) fn is_bulk(&self) -> bool {
        self.ids.is_empty()
    }

    /// One page of what the filters match, newest first. What moves out of them meanwhile does not
    /// disturb: pages go on by id.
    pub(super) async fn page(
        &self,
        client: &Client,
        after: Option<&String>,
    ) -> Result<Page, Failure> {
        let statuses = match self.status.is_empty() {
            true => ACTIVE.join(","),
            false => self.status.join(","),
        };
        let mut query = vec![("status", statuses), ("limit", limits::PAGE_MAX.to_string())];
        let given = [
            ("definition", self.definition.as_ref()),
            ("step", self.step_at.as_ref()),
            ("key", self.key.as_ref()),
            ("older_than", self.older_than.as_ref()),
            ("after", after),
        ];
        query.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))));
        client.get(&["v1", "sagas"], &query).await?.read()
    }
}
