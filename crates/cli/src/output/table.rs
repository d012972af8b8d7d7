//! Tables for people: aligned columns, a sentence below a row where there is one. No colour.

/// Cells of one row, and what is said below it.
struct Row {
    cells: Vec<String>,
    below: Vec<String>,
}

pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Row>,
    /// Said instead of an empty table.
    nothing: &'static str,
}

/// A wider cell would push all others off the screen; machine formats have it whole.
const CELL_WIDTH_MAX: usize = 60;

impl Table {
    pub(crate) fn new(header: &[&'static str], nothing: &'static str) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), nothing }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.row_with(cells, Vec::new());
    }

    pub(crate) fn row_with(&mut self, cells: Vec<String>, below: Vec<String>) {
        let cells = cells.iter().map(|cell| shorten(&escape(cell))).collect();
        let below = below.iter().map(|line| escape(line)).collect();
        self.rows.push(Row { cells, below });
    }

    pub(crate) fn render(&self) -> String {
        if self.rows.is_empty() {
            return format!("{}\n", self.nothing);
        }
        let mut widths: Vec<usize> = self.header.iter().map(|h| h.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        line(&mut text, &widths, self.header.iter().copied());
        for row in &self.rows {
            line(&mut text, &widths, row.cells.iter().map(String::as_str));
            for below in &row.below {
                text.push_str("    ");
                text.push_str(below);
                text.push('\n');
            }
        }
        text
    }
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let padded: Vec<String> =
        cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    text.push_str(padded.join("  ").trim_end());
    text.push('\n');
}

/// Control characters, and those that change the direction of text, are shown by number: a blocked
/// name may be chosen to hide or to fake a row on the reader's terminal.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if hidden {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn shorten(cell: &str) -> String {
    if cell.chars().count() <= CELL_WIDTH_MAX {
        return cell.to_owned();
    }
    let mut short: String = cell.chars().take(CELL_WIDTH_MAX - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_sentences_stand_below() {
        let mut table = Table::new(&["NODE", "HITS"], "nothing");
        table.row_with(vec!["a".into(), "12".into()], vec!["because".into()]);
        table.row(vec!["longer".into(), "3".into()]);
        assert_eq!(table.render(), "NODE    HITS\na       12\n    because\nlonger  3\n");
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(Table::new(&["NODE"], "no events").render(), "no events\n");
    }

    #[test]
    fn nothing_reaches_the_terminal_as_a_control_character() {
        let mut table = Table::new(&["TARGET"], "");
        table.row_with(
            vec!["\u{1b}[2Jexample.org\r\nfake  row\u{202e}gro".into()],
            vec!["\u{7}\u{9b}31m".into()],
        );
        let text = table.render();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("\\u{1b}[2Jexample.org\\u{d}\\u{a}fake  row\\u{202e}gro"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn long_cells_are_shortened() {
        let mut table = Table::new(&["T"], "");
        table.row(vec!["x".repeat(500)]);
        assert!(table.render().lines().all(|l| l.chars().count() <= CELL_WIDTH_MAX));
    }
}
