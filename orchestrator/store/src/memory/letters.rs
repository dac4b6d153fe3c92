//! Dead letters: kept, listed, closed.

use std::ops::Bound::{Excluded, Unbounded};

use saga_protocol::Timestamp;
use uuid::Uuid;

use super::{read::paged, tables::Tables};
use crate::{Closed, Closure, DeadLetter, DeadLetterRow, Letters, Page, Paged, letter::storable};

impl Tables {
    /// Keeps letters; one that is there already is left as it is.
    pub(super) fn park(&mut self, now: Timestamp, letters: &[DeadLetter]) {
        for letter in letters {
            if self.letters.contains_key(&letter.id) {
                continue;
            }
            self.letters_by_time.insert((now, letter.id));
            self.letters.insert(letter.id, kept(now, letter));
        }
    }

    pub(super) fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Paged<DeadLetterRow> {
        let before = page.after.map_or(Unbounded, Excluded);
        let ids = self.letters_by_time.range((Unbounded, before)).rev();
        let letters = ids.filter_map(|(_, id)| self.letters.get(id));
        let shown = letters.filter(|row| which == Letters::All || row.closed.is_none());
        paged(shown, page.limit, bytes)
    }

    pub(super) fn letter(&self, id: Uuid) -> Option<DeadLetterRow> {
        self.letters.get(&id).cloned()
    }

    pub(super) fn close_letter(&mut self, now: Timestamp, id: Uuid, closure: &Closure) -> bool {
        match self.letters.get_mut(&id) {
            Some(letter) if letter.closed.is_none() => {
                let Closure { how, by, why } = closure;
                let (by, why) = (storable(by), storable(why));
                letter.closed = Some(Closed { at: now, how: *how, by, why });
                true
            }
            Some(_) | None => false,
        }
    }
}

fn kept(at: Timestamp, letter: &DeadLetter) -> DeadLetterRow {
    DeadLetterRow {
        id: letter.id,
        at,
        source: storable(&letter.source),
        reason: storable(&letter.reason),
        headers: letter.headers.clone(),
        body: letter.body.clone(),
        sha256: letter.sha256,
        closed: None,
    }
}

/// What a letter counts for on a page.
fn bytes(letter: &DeadLetterRow) -> usize {
    letter.headers.get().len() + letter.body.len() + letter.reason.len()
}
