//! What a proxy does to the bytes that go through it.

use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connected.
    ToServer,
    /// From the server.
    ToClient,
    /// Either way.
    Both,
}

impl Direction {
    /// Whether it means this one way.
    pub(super) fn covers(self, way: Self) -> bool {
        self == Self::Both || self == way
    }
}

/// What holds now.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) delay: Duration,
    pub(super) bytes_per_second: Option<u32>,
    pub(super) held: Option<Direction>,
    pub(super) trap: Option<Trap>,
}

/// Bytes at which a connection is cut.
#[derive(Clone, Debug)]
pub(super) struct Trap {
    pub(super) direction: Direction,
    bytes: Vec<u8>,
    place: Place,
}

/// Where at the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// They are not passed on.
    Before,
    /// They are passed on.
    After,
}

impl Trap {
    pub(super) fn new(direction: Direction, bytes: &[u8], place: Place) -> Self {
        assert!(!bytes.is_empty(), "there must be bytes to look for");
        Self { direction, bytes: bytes.to_owned(), place }
    }

    /// How much of a chunk may pass if the bytes end in it. `tail` is the end of what went before,
    /// and becomes that of the chunk.
    pub(super) fn springs_at(&self, tail: &mut Vec<u8>, chunk: &[u8]) -> Option<usize> {
        let before = tail.len();
        tail.extend_from_slice(chunk);
        if let Some(begin) = tail.windows(self.bytes.len()).position(|seen| seen == self.bytes) {
            let at = match self.place {
                Place::Before => begin,
                Place::After => begin + self.bytes.len(),
            };
            return Some(at.saturating_sub(before));
        }
        let kept = tail.len().min(self.bytes.len() - 1);
        tail.drain(..tail.len() - kept);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_are_torn() {
        let text = b"begin; COMMIT; more";
        for place in [Place::Before, Place::After] {
            let passed = match place {
                Place::Before => 7,
                Place::After => 13,
            };
            for size in 1..=text.len() {
                let trap = Trap::new(Direction::Both, b"COMMIT", place);
                let (mut tail, mut before) = (Vec::new(), 0);
                let sprung = text.chunks(size).find_map(|chunk| {
                    let at = trap.springs_at(&mut tail, chunk);
                    let total = at.map(|at| before + at);
                    before += chunk.len();
                    total
                });
                // What went before cannot be called back.
                let last = before.min(text.len());
                let begun = (last - 1) / size * size;
                assert_eq!(sprung, Some(passed.max(begun.min(13))), "{place:?}, {size}");
            }
        }
    }
}
