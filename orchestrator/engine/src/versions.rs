//! What there is of definitions: which version new sagas follow here, and which ones sagas in
//! flight still follow, whoever started them.

use std::collections::BTreeMap;

use saga_protocol::{Timestamp, limits};
use saga_store::{InFlight, Versions};

use crate::{Engine, Unavailable, definitions::Source};

/// A definition by its name.
#[derive(Clone, Debug)]
pub struct Known {
    /// The name.
    pub name: String,
    /// What new sagas follow that are started here; nothing where none can be.
    pub current: Option<Source>,
    /// Its versions, newest first.
    pub versions: Vec<KnownVersion>,
}

/// One version of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownVersion {
    /// Its hash.
    pub hash: String,
    /// When it was first kept; nothing where it is not kept yet.
    pub first_seen: Option<Timestamp>,
    /// Sagas in flight that go forward.
    pub running: u64,
    /// Sagas in flight that go back.
    pub compensating: u64,
    /// Sagas in flight that need an operator.
    pub stuck: u64,
}

impl KnownVersion {
    /// Whether no saga in flight follows it.
    pub fn is_drained(&self) -> bool {
        self.running + self.compensating + self.stuck == 0
    }
}

impl Engine {
    /// Every definition that is served here or has sagas in flight, by name; of each the current
    /// version and those that have sagas in flight.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn known(&self) -> Result<Vec<Known>, Unavailable> {
        let mut known = BTreeMap::new();
        for source in self.0.definitions.served().sources() {
            let one = Known::served(source);
            known.insert(one.name.clone(), one);
        }
        for count in self.0.store.in_flight().await? {
            let name = count.definition.clone();
            known.entry(name).or_insert_with_key(|name| Known::unserved(name)).add(count);
        }
        let mut known: Vec<_> = known.into_values().collect();
        let versions = known.iter().flat_map(|one| &one.versions);
        let hashes = versions.map(|version| version.hash.clone()).collect();
        self.date(&mut known, &Versions::These(hashes)).await?;
        Ok(known)
    }

    /// The definition of this name with the newest of its versions, drained ones too, and all that
    /// have sagas in flight; nothing where nobody has ever heard of it.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn known_as(&self, name: &str) -> Result<Option<Known>, Unavailable> {
        let served = self.0.definitions.served();
        let mut known = served.get(name).map_or_else(|| Known::unserved(name), Known::served);
        let in_flight = self.0.store.in_flight().await?;
        for count in in_flight.into_iter().filter(|count| count.definition == name) {
            known.add(count);
        }
        let mut known = [known];
        let definition = name.to_owned();
        let newest = Versions::Newest { definition, limit: limits::PAGE_MAX };
        self.date(&mut known, &newest).await?;
        let hashes = known[0].versions.iter().filter(|version| version.first_seen.is_none());
        let older: Vec<_> = hashes.map(|version| version.hash.clone()).collect();
        if !older.is_empty() {
            self.date(&mut known, &Versions::These(older)).await?;
        }
        let [known] = known;
        Ok((!known.versions.is_empty()).then_some(known))
    }

    /// Says of versions when they were first kept, and puts them in that order.
    async fn date(&self, known: &mut [Known], which: &Versions) -> Result<(), Unavailable> {
        for version in self.0.store.versions(which).await? {
            if let Some(one) = known.iter_mut().find(|one| one.name == version.definition) {
                one.version(&version.hash).first_seen = Some(version.first_seen);
            }
        }
        for one in known {
            // What is not kept yet is newer than what is.
            let age = |v: &KnownVersion| (v.first_seen.is_none(), v.first_seen);
            one.versions.sort_by(|a, b| age(b).cmp(&age(a)).then_with(|| a.hash.cmp(&b.hash)));
        }
        Ok(())
    }
}

impl Known {
    fn served(source: &Source) -> Self {
        let mut known = Self::unserved(source.definition.name.as_str());
        known.version(&source.definition.hash);
        Self { current: Some(source.clone()), ..known }
    }

    fn unserved(name: &str) -> Self {
        Self { name: name.to_owned(), current: None, versions: Vec::new() }
    }

    fn add(&mut self, count: InFlight) {
        let InFlight { hash, running, compensating, stuck, .. } = count;
        let version = self.version(&hash);
        (version.running, version.compensating, version.stuck) = (running, compensating, stuck);
    }

    /// The version with this hash, added where it is not there.
    fn version(&mut self, hash: &str) -> &mut KnownVersion {
        let place = self.versions.iter().position(|version| version.hash == hash);
        let place = place.unwrap_or_else(|| {
            self.versions.push(KnownVersion { hash: hash.to_owned(), ..KnownVersion::default() });
            self.versions.len() - 1
        });
        &mut self.versions[place]
    }
}
