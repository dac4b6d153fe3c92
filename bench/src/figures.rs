//! Arithmetic of figures.

use std::time::Duration;

/// The length that so many of a hundred do not exceed, by nearest rank; of sorted lengths.
pub(crate) fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    millis(sorted.get(rank - 1).copied().unwrap_or_default())
}

/// The length in the middle.
pub(crate) fn median_ms(mut lengths: Vec<Duration>) -> f64 {
    lengths.sort_unstable();
    percentile_ms(&lengths, 50)
}

/// A length in milliseconds.
pub(crate) fn millis(length: Duration) -> f64 {
    length.as_secs_f64() * 1_000.0
}

/// So many of each; nothing where there is none to share them.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
pub(crate) fn per(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

/// So many a second.
pub(crate) fn rate(count: u64, elapsed: Duration) -> f64 {
    per(count, 1) / elapsed.as_secs_f64()
}

/// Which part of the broker's limit sagas take up, if each takes the fewest messages.
pub(crate) fn ratio_to_limit(sagas_per_s: f64, messages_min: u32, raw_messages_per_s: f64) -> f64 {
    sagas_per_s * f64::from(messages_min) / raw_messages_per_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let of = |count: u64| -> Vec<_> { (1..=count).map(Duration::from_millis).collect() };
        let seen = [50, 90, 99, 100].map(|percent| percentile_ms(&of(199), percent));
        assert_eq!(seen, [100.0, 180.0, 198.0, 199.0]);
        assert_eq!([1, 50, 99].map(|percent| percentile_ms(&of(1), percent)), [1.0; 3]);
        assert_eq!(percentile_ms(&[], 50), 0.0);
    }

    #[test]
    fn the_middle_is_found_in_any_order() {
        let lengths = [9, 1, 5].map(Duration::from_millis).to_vec();
        assert_eq!(median_ms(lengths), 5.0);
    }

    #[test]
    fn shares_and_ratios() {
        assert_eq!([per(6, 4), per(6, 0)], [1.5, 0.0]);
        assert_eq!(rate(300, Duration::from_millis(1_500)), 200.0);
        assert_eq!(ratio_to_limit(100.0, 6, 6_000.0), 0.1);
    }
}
