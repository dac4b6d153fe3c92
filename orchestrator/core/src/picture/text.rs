//! Text of a definition within a picture: cut to a length that can be drawn, on one line.

/// The longest text in a picture, in characters; more would make boxes that no page is wide enough
/// for. An expression may have two thousand.
pub(super) const LINE_MAX: usize = 36;

/// On one line, cut where it is too long.
pub(super) fn line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(LINE_MAX - 1) {
        Some((end, _)) if text.chars().count() > LINE_MAX => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// With everything replaced that means something to whoever reads it.
pub(super) fn escape(text: &str, means: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match means(c) {
            Some(instead) => out.push_str(instead),
            // XML has no way to write most of these, and nobody sees any of them.
            None if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            None => out.push(c),
        }
    }
    out
}
