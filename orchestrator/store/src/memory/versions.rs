//! Versions of definitions.

use std::{cmp::Reverse, collections::BTreeMap};

use super::tables::Tables;
use crate::{InFlight, Version, Versions};

impl Tables {
    pub(super) fn versions(&self, which: &Versions) -> Vec<Version> {
        let is_wanted = |version: &Version| match which {
            Versions::These(hashes) => hashes.contains(&version.hash),
            Versions::Newest { definition, .. } => version.definition == *definition,
        };
        let all = self.definitions.values().map(|kept| Version {
            hash: kept.row.hash.clone(),
            definition: kept.row.name.clone(),
            first_seen: kept.first_seen,
        });
        let mut versions: Vec<_> = all.filter(is_wanted).collect();
        // By their hashes within one time: they are read so, and the sort is stable.
        versions.sort_by_key(|version| Reverse(version.first_seen));
        if let Versions::Newest { limit, .. } = which {
            versions.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
        }
        versions
    }

    pub(super) fn in_flight(&self) -> Vec<InFlight> {
        let mut counts: BTreeMap<_, InFlight> = BTreeMap::new();
        for row in self.unended.iter().filter_map(|id| self.row(*id)) {
            let version = (row.definition.clone(), row.definition_hash.clone());
            let count = counts.entry(version).or_insert_with_key(|(definition, hash)| {
                let (definition, hash) = (definition.clone(), hash.clone());
                InFlight { definition, hash, running: 0, compensating: 0, stuck: 0 }
            });
            match row.status.as_str() {
                "running" => count.running += 1,
                "compensating" => count.compensating += 1,
                _ => count.stuck += 1,
            }
        }
        counts.into_values().collect()
    }
}
