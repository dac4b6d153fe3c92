//! Guesses what somebody meant who wrote a name that does not exist.

/// The most characters by which a name may be off and still be taken for a slip.
const SLIPS_MAX: usize = 2;
/// The longest name, in bytes, that is compared: what is longer is no slip of any name, and
/// comparing takes time with the product of both lengths.
const NAME_BYTES_MAX: usize = 100;

/// A hint naming the candidate nearest to `name`, where one is near.
pub(super) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let near = candidates.into_iter().map(|candidate| (distance(name, candidate), candidate));
    let (slips, nearest) = near.min_by_key(|(slips, _)| *slips)?;
    let is_near = slips <= SLIPS_MAX && slips < name.chars().count();
    is_near.then(|| format!("did you mean `{nearest}`?"))
}

/// The insertions, deletions and replacements between two texts (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
