//! The page for a terminal.

use super::page::{Page, Section};
use crate::output::{escape, wrap};

const HANG: &str = "    ";

pub(in crate::commands) fn text(page: &Page, width: usize) -> String {
    let mut text = String::new();
    paragraph(&mut text, &page.title, "", width);
    for sentence in &page.lead {
        paragraph(&mut text, sentence, "", width);
    }
    for each in &page.sections {
        section(&mut text, each, width);
    }
    text.push('\n');
    paragraph(&mut text, &page.completeness, "", width);
    text
}

fn section(text: &mut String, section: &Section, width: usize) {
    text.push('\n');
    paragraph(text, &section.heading, "", width);
    text.push_str(&"=".repeat(section.heading.chars().count().min(width)));
    text.push('\n');
    for sentence in &section.lead {
        paragraph(text, sentence, "", width);
    }
    if let Some(table) = &section.table {
        text.push_str(&table.render(width));
    }
    for sentence in &section.after {
        paragraph(text, sentence, "", width);
    }
    for (word, meaning) in &section.terms {
        paragraph(text, &format!("{word}: {meaning}"), HANG, width);
    }
}

/// Lines after the first begin with `hang`.
fn paragraph(text: &mut String, sentence: &str, hang: &str, width: usize) {
    let lines = wrap(&escape(sentence), width.saturating_sub(hang.len()));
    text.push_str(&lines.join(&format!("\n{hang}")));
    text.push('\n');
}
