//! Tables for people: aligned columns, a sentence below a row where there is one. No colour.
//!
//! A table is made to fit a width. Columns that do not fit are told below their row, in the order in
//! which they were said to be dispensable; what still does not fit is cut, with a mark (…), and stands whole below its
//! row.

use register::hidden::is_hidden;

/// One column: its heading, and whether it may be told below the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) text: &'static str,
    /// Columns with the lowest number go first; `None` stays.
    pub(crate) dispensable: Option<u8>,
}

/// Cells of one row, and what is said below it.
struct Row {
    cells: Vec<String>,
    below: Vec<String>,
}

pub(crate) struct Table {
    headings: Vec<Heading>,
    rows: Vec<Row>,
    /// What there is none of, in an empty table.
    noun: &'static str,
}

/// A wider cell would push all others off the screen.
const CELL_WIDTH_MAX: usize = 60;
/// Columns are not cut to less than this; a terminal that is narrower wraps.
const CELL_WIDTH_MIN: usize = 8;
const BETWEEN: &str = "  ";
const INDENT: &str = "    ";
const NO_BREAK: &str = "\u{a0}";

impl Table {
    pub(crate) fn new(headings: Vec<Heading>, noun: &'static str) -> Self {
        Self { headings, rows: Vec::new(), noun }
    }

    /// One cell for each heading.
    pub(crate) fn row(&mut self, cells: &[String], below: &[String]) {
        let escaped = |texts: &[String]| texts.iter().map(|text| escape(text)).collect();
        self.rows.push(Row { cells: escaped(cells), below: escaped(below) });
    }

    pub(crate) fn headings(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.headings.iter().map(|heading| heading.text)
    }

    /// Cells of each row, and what is said below it; escaped as for a terminal.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = (&[String], &[String])> {
        self.rows.iter().map(|row| (row.cells.as_slice(), row.below.as_slice()))
    }

    pub(crate) fn render(&self, width: usize) -> String {
        if self.rows.is_empty() {
            return format!("no {}\n", self.noun);
        }
        let columns = self.fit(width);
        let mut text = String::new();
        line(&mut text, columns.iter().map(|c| (c.width, c.heading.text)));
        for row in &self.rows {
            let cell = |at: usize| row.cells.get(at).map_or("", String::as_str);
            line(&mut text, columns.iter().map(|c| (c.width, cell(c.at))));
            let elsewhere: Vec<String> = (0..)
                .zip(&self.headings)
                .filter(|(at, _)| {
                    let held = columns.iter().find(|column| column.at == *at);
                    held.is_none_or(|column| column.width < cell(*at).chars().count())
                })
                .filter(|(at, _)| cell(*at) != "-")
                .map(|(at, heading)| format!("{} {}", heading.text, cell(at)))
                .collect();
            // A heading and its value stay on one line.
            let together: Vec<String> =
                elsewhere.iter().map(|pair| pair.replace(' ', NO_BREAK)).collect();
            if !together.is_empty() {
                push_wrapped(&mut text, &together.join(BETWEEN), width);
            }
            for below in &row.below {
                push_wrapped(&mut text, below, width);
            }
        }
        text
    }

    /// The columns that stand in the row, each with its width.
    fn fit(&self, width: usize) -> Vec<Column> {
        let column = |(at, heading): (usize, &Heading)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(at));
            let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            let width = longest.min(CELL_WIDTH_MAX).max(heading.text.chars().count());
            Column { at, heading: *heading, width }
        };
        let mut columns: Vec<Column> = self.headings.iter().enumerate().map(column).collect();
        while total(&columns) > width {
            let dispensable = columns
                .iter()
                .enumerate()
                .filter_map(|(place, column)| Some((column.heading.dispensable?, place)))
                .min();
            let Some((_, place)) = dispensable else { break };
            columns.remove(place);
        }
        let mut over = total(&columns).saturating_sub(width);
        while over > 0 {
            let Some(widest) = columns.iter_mut().max_by_key(|column| column.width) else { break };
            if widest.width <= CELL_WIDTH_MIN {
                break;
            }
            widest.width -= 1;
            over -= 1;
        }
        columns
    }
}

struct Column {
    /// Its place among the headings.
    at: usize,
    heading: Heading,
    width: usize,
}

fn total(columns: &[Column]) -> usize {
    let between = BETWEEN.len() * columns.len().saturating_sub(1);
    columns.iter().map(|column| column.width).sum::<usize>() + between
}

fn line<'a>(text: &mut String, cells: impl Iterator<Item = (usize, &'a str)>) {
    let padded: Vec<String> =
        cells.map(|(width, cell)| format!("{:<width$}", shorten(cell, width))).collect();
    text.push_str(padded.join(BETWEEN).trim_end());
    text.push('\n');
}

fn push_wrapped(text: &mut String, sentence: &str, width: usize) {
    for line in wrap(sentence, width.saturating_sub(INDENT.len())) {
        text.push_str(INDENT);
        text.push_str(&line.replace(NO_BREAK, " "));
        text.push('\n');
    }
}

/// Lines of at most `width` characters, broken between words; a longer word is broken inside.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(CELL_WIDTH_MIN);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let count = word.chars().count();
        if used > 0 && used + 1 + count > width {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += 1;
        }
    }
    lines.push(line);
    lines
}

/// Control characters, and those that nobody sees or that change the direction of text, are shown by number: a blocked
/// name may be chosen to hide or to fake a row on the reader's terminal.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn shorten(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut short: String = cell.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: usize = 200;

    fn headings(texts: &[(&'static str, Option<u8>)]) -> Vec<Heading> {
        texts
            .iter()
            .map(|(text, dispensable)| Heading { text, dispensable: *dispensable })
            .collect()
    }

    fn table(columns: &[(&'static str, Option<u8>)], rows: &[&[&str]]) -> Table {
        let mut table = Table::new(headings(columns), "rules");
        for cells in rows {
            let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            table.row(&cells, &[]);
        }
        table
    }

    #[test]
    fn columns_are_aligned_and_sentences_stand_below() {
        let mut table = Table::new(headings(&[("NODE", None), ("HITS", None)]), "rules");
        table.row(&["a".into(), "12".into()], &["because".into()]);
        table.row(&["longer".into(), "3".into()], &[]);
        assert_eq!(table.render(WIDE), "NODE    HITS\na       12\n    because\nlonger  3\n");
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(table(&[("NODE", None)], &[]).render(WIDE), "no rules\n");
    }

    #[test]
    fn what_does_not_fit_is_told_below_its_row_in_full() {
        let columns = [("NODE", None), ("RULE", Some(1)), ("CLAIM", Some(2)), ("VERDICT", None)];
        let table = table(&columns, &[&["edge-1", "0123456789", "court/2026-001", "EXPIRED"]]);
        let all = "NODE    RULE        CLAIM           VERDICT\n\
                   edge-1  0123456789  court/2026-001  EXPIRED\n";
        assert_eq!(table.render(43), all);
        let one = "NODE    CLAIM           VERDICT\n\
                   edge-1  court/2026-001  EXPIRED\n    RULE 0123456789\n";
        assert_eq!(table.render(42), one);
        let two =
            "NODE    VERDICT\nedge-1  EXPIRED\n    RULE 0123456789\n    CLAIM court/2026-001\n";
        assert_eq!(table.render(24), two);
    }

    #[test]
    fn what_still_does_not_fit_is_cut_with_a_mark() {
        let table = table(&[("A", None), ("B", None)], &[&["short", "a-name-that-is-rather-long"]]);
        for line in table.render(20).lines() {
            assert!(line.chars().count() <= 20, "{line}");
        }
        let text = table.render(20);
        assert!(text.contains("a-name-that-…"), "{text}");
        assert!(text.contains("B a-name-that-is"), "whole below its row: {text}");
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        let mut table = Table::new(headings(&[("NODE", None), ("TARGET", None)]), "");
        let sentence = "many words ".repeat(20) + &"x".repeat(150);
        table.row(&["edge-1".into(), "x".repeat(500)], std::slice::from_ref(&sentence));
        for width in [40, 80, 100] {
            let text = table.render(width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let words: String = text.lines().skip(2).flat_map(str::split_whitespace).collect();
            let sentence: String = sentence.split_whitespace().collect();
            let whole = format!("TARGET{}{sentence}", "x".repeat(500));
            assert_eq!(words, whole, "nothing is lost");
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_as_a_control_character() {
        let mut table = Table::new(headings(&[("TARGET", None)]), "");
        table.row(
            &["\u{1b}[2Jexample.org\r\nfake  row\u{202e}gro".into()],
            &["\u{7}\u{9b}31m".into()],
        );
        let text = table.render(WIDE);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("\\u{1b}[2Jexample.org\\u{d}\\u{a}fake  row\\u{202e}gro"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
