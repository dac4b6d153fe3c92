//! What a terminal shows. Pure: sagas and a size come in, lines that fit go out.

use console::truncate_str;

use crate::cli::{
    list::{ACTIVE, ENDED, row},
    table::{CUT, Cell, unwrapped},
    view::{Saga, style},
};

/// What is above the sagas: counts, an empty line, the header.
const ABOVE: usize = 3;
/// A key has this part of a line at most: one may be as long as three lines.
const KEY_PART: usize = 4;

/// The room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// At least 1.
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Size {
    /// Sagas for which there is room.
    pub(super) fn sagas(self) -> usize {
        self.rows.saturating_sub(ABOVE).max(1)
    }
}

/// Counts, and a table of the sagas; `more` are in flight than these.
pub(super) fn all(sagas: &[Saga], more: bool, size: Size) -> String {
    let counts: Vec<_> = ACTIVE
        .into_iter()
        .chain(ENDED)
        .filter_map(|status| {
            let number = sagas.iter().filter(|saga| saga.status.as_str() == status).count();
            let painted = style(status);
            (number > 0).then(|| format!("{number} {painted}{status}{painted:#}"))
        })
        .collect();
    match counts.is_empty() {
        true => "no sagas yet; start one and it is shown".to_owned(),
        false => {
            let more = if more { "; more are in flight" } else { "" };
            format!("shown: {}{more}\n\n{}", counts.join(", "), table(sagas, size))
        }
    }
}

/// As `saga list`, with what changes first: a narrow terminal cuts what does not.
fn table(sagas: &[Saga], size: Size) -> String {
    let rows = sagas.iter().map(|saga| {
        let [status, id, definition, key, created, step, cause]: [Cell; 7] = row(saga);
        vec![status, definition, key.cut(size.columns / KEY_PART), step, cause, id, created]
    });
    unwrapped(["STATUS", "DEFINITION", "KEY", "STEP", "CAUSE", "ID", "CREATED"], rows)
}

/// The lines of a text that fit, none longer than the terminal is wide; with a notice the last is
/// that.
pub(super) fn cut(text: &str, notice: Option<&str>, size: Size) -> Vec<String> {
    let room = size.rows.saturating_sub(usize::from(notice.is_some()));
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    if lines.len() > room {
        let kept = room.saturating_sub(1);
        let rest = lines.len() - kept;
        lines.truncate(kept);
        if room > 0 {
            lines.push(format!("{CUT} {rest} more lines"));
        }
    }
    lines.extend(notice.map(str::to_owned));
    lines.iter().map(|line| truncate_str(line, size.columns, CUT).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use console::strip_ansi_codes;
    use serde_json::json;

    use super::*;

    fn size(rows: usize, columns: usize) -> Size {
        Size { rows, columns }
    }

    fn saga(key: &str, status: &str) -> Saga {
        serde_json::from_value(json!({ "id": "0199c0de",
            "definition": "order", "version": "3fa1b2c3d4e5", "key": key, "status": status,
            "paused": status == "running", "created_at": "2026-11-25T05:41:35.100000Z",
            "updated_at": "2026-11-25T05:41:35.100000Z" }))
        .unwrap()
    }

    #[test]
    fn sagas_are_counted_by_status_above_their_table() {
        let sagas =
            [saga("o-20000", "running"), saga("o-3", "completed"), saga("o-1", "completed")];
        let shown = all(&sagas, true, size(10, 24));
        insta::assert_snapshot!(strip_ansi_codes(&shown), @"
        shown: 1 running, 2 completed; more are in flight

        STATUS           DEFINITION  KEY     STEP  CAUSE  ID        CREATED
        running, paused  order       o-200…  -     -      0199c0de  2026-11-25 05:41:35.100 UTC
        completed        order       o-3     -     -      0199c0de  2026-11-25 05:41:35.100 UTC
        completed        order       o-1     -     -      0199c0de  2026-11-25 05:41:35.100 UTC
        ");
        assert_eq!(all(&[], false, size(10, 24)), "no sagas yet; start one and it is shown");
    }

    #[test]
    fn as_many_sagas_are_asked_for_as_there_is_room() {
        let sagas: Vec<_> = (0..size(10, 200).sagas()).map(|_| saga("o-1", "running")).collect();
        let shown = all(&sagas, true, size(10, 200));
        assert_eq!(shown.lines().count(), 10);
        assert_eq!(cut(&shown, None, size(10, 200)).len(), 10);
        assert_eq!(size(1, 80).sagas(), 1);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_is_wide_and_colours_end_where_they_did() {
        let painted = "a\u{1b}[31mbcdef\u{1b}[0m";
        assert_eq!(cut(painted, None, size(5, 6)), [painted]);
        assert_eq!(cut(painted, None, size(5, 4)), ["a\u{1b}[31mbc…\u{1b}[0m"]);
        assert_eq!(cut("日本語", None, size(5, 4)), ["日…"], "wide letters take two columns");
    }

    #[test]
    fn no_more_lines_than_the_terminal_has_rows_and_the_notice_always() {
        let text = "1\n2\n3\n4";
        assert_eq!(cut(text, None, size(4, 80)), ["1", "2", "3", "4"]);
        assert_eq!(cut(text, None, size(3, 80)), ["1", "2", "… 2 more lines"]);
        assert_eq!(cut(text, Some("lost"), size(3, 80)), ["1", "… 3 more lines", "lost"]);
        assert_eq!(cut(text, Some("lost"), size(1, 3)), ["lo…"]);
    }
}
