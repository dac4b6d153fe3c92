//! Promises of dead letters.

use std::sync::Arc;

use saga_store::{
    Claim, Closed, ClosedAs, Closure, DeadLetter, DeadLetterRow, Letters, PAGE_BYTES_MAX, Page,
    Store, Verdict,
};
use uuid::Uuid;

use crate::{
    reading::HOSTILE,
    support::{all, json},
};

const FIRST: Page<(saga_protocol::Timestamp, Uuid)> = Page { after: None, limit: 9 };

fn letter(body: &'static [u8]) -> DeadLetter {
    DeadLetter {
        id: Uuid::now_v7(),
        source: "saga.replies\0".to_owned(),
        reason: "malformed: a \0 in it".to_owned(),
        headers: json(HOSTILE),
        body: bytes::Bytes::from_static(body),
        sha256: [7; 32],
    }
}

fn closure(how: ClosedAs) -> Closure {
    let (by, why) = ("anna\0".to_owned(), "seen".to_owned());
    Closure { how, by, why }
}

pub(crate) async fn a_letter_is_kept_once_whatever_is_in_it(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let (before, letter) = (store.now().await.unwrap(), letter(&[0, 255, b'x']));
    store.park(&[letter.clone(), letter.clone()]).await.unwrap();
    let mut decide = |_| Verdict { letters: vec![letter.clone()], ..Verdict::default() };
    other.transact(Claim::Sagas(Vec::new()), &mut decide).await.unwrap();
    let letters = other.letters(Letters::All, &FIRST).await.unwrap();
    assert_eq!((letters.items.len(), letters.more), (1, false));
    let kept = store.letter(letter.id).await.unwrap().unwrap();
    assert!((before..=store.now().await.unwrap()).contains(&kept.at));
    for kept in [&kept, &letters.items[0]] {
        let DeadLetterRow { id, at: _, source, reason, headers, body, sha256, closed } = kept;
        assert_eq!((*id, sha256), (letter.id, &letter.sha256));
        assert_eq!(source, "saga.replies\u{fffd}");
        assert_eq!(reason, "malformed: a \u{fffd} in it");
        assert_eq!((headers.get(), &body[..]), (HOSTILE, &letter.body[..]));
        assert!(closed.is_none());
    }
    assert!(store.letter(Uuid::now_v7()).await.unwrap().is_none());
}

pub(crate) async fn letters_page_newest_first_until_they_are_closed(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let mut expected = Vec::new();
    for _ in 0..3 {
        // Some at once, so that their times may be the same.
        let batch = [letter(b"a"), letter(b"b")];
        store.park(&batch).await.unwrap();
        let mut rows = Vec::new();
        for letter in batch {
            rows.push(other.letter(letter.id).await.unwrap().unwrap());
        }
        rows.sort_by_key(|row| (row.at, row.id));
        expected.extend(rows.iter().map(|row| (row.at, row.id)));
    }
    expected.reverse();
    let read = async |which| {
        let cursor = |row: &DeadLetterRow| (row.at, row.id);
        all(2, cursor, async |page| store.letters(which, &page).await).await
    };
    assert_eq!(read(Letters::Open).await, expected);
    let closed = expected[3].1;
    assert!(other.close_letter(closed, &closure(ClosedAs::Dropped)).await.unwrap());
    assert_eq!(read(Letters::All).await, expected);
    expected.remove(3);
    assert_eq!(read(Letters::Open).await, expected);
}

pub(crate) async fn a_letter_is_closed_once(store: Arc<dyn Store>, other: Arc<dyn Store>) {
    let (letter, before) = (letter(b"x"), store.now().await.unwrap());
    assert!(!store.close_letter(letter.id, &closure(ClosedAs::Dropped)).await.unwrap());
    store.park(std::slice::from_ref(&letter)).await.unwrap();
    assert!(store.close_letter(letter.id, &closure(ClosedAs::Requeued)).await.unwrap());
    assert!(!other.close_letter(letter.id, &closure(ClosedAs::Dropped)).await.unwrap());
    // It stays known: the same message parked again is not opened again.
    store.park(std::slice::from_ref(&letter)).await.unwrap();
    assert!(store.letters(Letters::Open, &FIRST).await.unwrap().items.is_empty());
    let kept = other.letter(letter.id).await.unwrap().unwrap();
    let Closed { at, how, by, why } = kept.closed.unwrap();
    assert_eq!((how, by.as_str(), why.as_str()), (ClosedAs::Requeued, "anna\u{fffd}", "seen"));
    assert!((before..=store.now().await.unwrap()).contains(&at));
    assert_eq!(&kept.body[..], b"x");
}

/// Of letters of which five fill a page.
pub(crate) async fn pages_of_letters_are_limited_in_bytes(
    store: Arc<dyn Store>,
    _: Arc<dyn Store>,
) {
    let body = bytes::Bytes::from(vec![0; PAGE_BYTES_MAX / 5 - 1000]);
    let letters: Vec<_> =
        (0..7).map(|_| DeadLetter { body: body.clone(), ..letter(b"") }).collect();
    store.park(&letters).await.unwrap();
    for (limit, expected, more) in [(4, 4, true), (5, 5, true), (200, 5, true)] {
        let page = Page { after: None, limit };
        let paged = store.letters(Letters::Open, &page).await.unwrap();
        assert_eq!((paged.items.len(), paged.more), (expected, more), "{limit}");
    }
    let cursor = |row: &DeadLetterRow| (row.at, row.id);
    let found = all(200, cursor, async |page| store.letters(Letters::Open, &page).await).await;
    assert_eq!(found.len(), letters.len());
}
