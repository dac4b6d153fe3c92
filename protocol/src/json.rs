//! JSON that may be kept and passed on: checked whole, left as it is byte for byte.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::Json;

/// A document that every reader will read, and read alike: UTF-8, nested at most 128 deep, strings
/// without lone surrogates, numbers within the range of a double, and no key of an object twice.
///
/// # Errors
/// What is wrong, with line and column.
pub fn read(bytes: &[u8]) -> serde_json::Result<Json> {
    check(bytes)?;
    serde_json::from_slice(bytes)
}

/// Whether it is such a document.
///
/// # Errors
/// As [`read`].
pub fn check(bytes: &[u8]) -> serde_json::Result<()> {
    let Sound = serde_json::from_slice(bytes)?;
    Ok(())
}

/// Any sound value, not kept.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while let Some(Self) = items.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("`{key}` is there twice")));
            }
            keys.insert(key);
            let Self = entries.next_value()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_could_read_differently_is_refused() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "line 1 column 0"),
            (b"{\n \"a\": ,\n}", "line 2 column 7"),
            (b"{} {}", "line 1 column 4"),
            (b"\"\xff\"", "line 1"),
            (br#""\ud800""#, "line 1"),
            (b"1e400000", "line 1"),
            (b"NaN", "line 1"),
            (br#"{"total": 1, "total": 100}"#, "`total` is there twice at line 1"),
            (&[b'['; 1_000], "line 1 column 128"),
        ];
        for (document, says) in cases {
            let error = read(document).expect_err(&String::from_utf8_lossy(document)).to_string();
            assert!(error.contains(says), "{error} does not say `{says}`");
        }
    }

    #[test]
    fn what_is_sound_stays_as_it_is() {
        let document = " {\"b\" : 1.10, \"a\":[1e2,\"\\u0000\", 12345678901234567890123] }\n";
        assert_eq!(read(document.as_bytes()).unwrap().get(), document.trim());
    }
}
