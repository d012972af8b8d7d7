//! The page as one HTML file: no script, nothing loaded from elsewhere, printable on A4, readable on
//! a telephone.
//!
//! Names on the page come from the network: whoever is blocked chooses them. What is text gets into
//! the file only through [`Html::text`] and [`Html::attribute`], which escape it; everything else is a
//! constant of this program (`&'static str`). Should that fail one day, the page's own content policy
//! forbids scripts, frames, forms and every request.

use super::page::{Page, Section, Tone};
use crate::output::{Table, escape};

const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub(in crate::commands) fn html(page: &Page) -> String {
    let mut out = Html::default();
    head(&mut out, page);
    out.markup("<body>\n<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n<header>\n");
    out.element("h1", &page.title);
    for sentence in &page.lead {
        out.element("p", sentence);
    }
    out.element("p", &page.completeness);
    out.markup("</header>\n<nav aria-label=\"Parts of this page\">\n<ul>\n");
    for section in &page.sections {
        out.markup("<li><a href=\"#");
        out.markup(section.id);
        out.markup("\">");
        out.text(&section.heading);
        out.markup("</a></li>\n");
    }
    out.markup("</ul>\n</nav>\n<main id=\"main\">\n");
    for each in &page.sections {
        section(&mut out, each);
    }
    out.markup("</main>\n<footer>\n");
    out.element("p", &format!("Made by remit {}, {}", env!("CARGO_PKG_VERSION"), page.origin));
    out.markup("</footer>\n</body>\n</html>\n");
    out.0
}

fn head(out: &mut Html, page: &Page) {
    out.markup(
        "<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"",
    );
    out.markup(POLICY);
    out.markup(
        "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n",
    );
    out.element("title", &page.title);
    out.markup("<style>\n");
    out.markup(STYLE);
    out.markup("</style>\n</head>\n");
}

fn section(out: &mut Html, section: &Section) {
    out.markup("<section class=\"");
    out.markup(class(section.tone));
    out.markup("\" aria-labelledby=\"");
    out.markup(section.id);
    out.markup("\">\n<h2 id=\"");
    out.markup(section.id);
    out.markup("\">");
    out.text(&section.heading);
    out.markup("</h2>\n");
    for sentence in &section.lead {
        out.element("p", sentence);
    }
    if let Some(rows) = &section.table {
        table(out, rows, &section.heading);
    }
    for sentence in &section.after {
        out.markup("<p class=\"after\">");
        out.text(sentence);
        out.markup("</p>\n");
    }
    if !section.terms.is_empty() {
        out.markup("<dl>\n");
        for (word, meaning) in &section.terms {
            out.markup("<div>");
            out.element("dt", word);
            out.element("dd", meaning);
            out.markup("</div>\n");
        }
        out.markup("</dl>\n");
    }
    out.markup("</section>\n");
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Asked => "asked",
        Tone::Open => "open",
        Tone::Settled => "settled",
        Tone::Figures => "figures",
        Tone::Plain => "plain",
    }
}

/// Roles are stated because the style sheet shows rows as blocks on narrow screens, by which browsers
/// forget that they are a table. A row and what is said below it are one group, which is printed on
/// one sheet.
fn table(out: &mut Html, table: &Table, caption: &str) {
    let headings: Vec<String> = table.headings().map(sentence_case).collect();
    out.markup("<table role=\"table\">\n");
    out.element("caption", caption);
    out.markup("<thead role=\"rowgroup\"><tr role=\"row\">");
    for heading in &headings {
        out.markup("<th scope=\"col\" role=\"columnheader\">");
        out.text(heading);
        out.markup("</th>");
    }
    out.markup("</tr></thead>\n");
    for (cells, below) in table.rows() {
        out.markup("<tbody role=\"rowgroup\">\n<tr role=\"row\">");
        for (at, (cell, heading)) in cells.iter().zip(&headings).enumerate() {
            let (open, close) = match at {
                0 => ("<th scope=\"row\" role=\"rowheader\"", "</th>"),
                _ => ("<td role=\"cell\"", "</td>"),
            };
            out.markup(open);
            out.attribute("data-label", heading);
            out.markup(">");
            out.text(cell);
            out.markup(close);
        }
        out.markup("</tr>\n");
        if !below.is_empty() {
            out.markup("<tr role=\"row\" class=\"why\"><td role=\"cell\"");
            out.attribute("colspan", &headings.len().to_string());
            out.markup(">");
            for sentence in below {
                out.element("p", sentence);
            }
            out.markup("</td></tr>\n");
        }
        out.markup("</tbody>\n");
    }
    out.markup("</table>\n");
}

/// "SINCE (UTC)" on a terminal is "Since (UTC)" here.
fn sentence_case(heading: &str) -> String {
    let (words, rest) = heading.find('(').map_or((heading, ""), |at| heading.split_at(at));
    let first = words.chars().take(1);
    let others = words.chars().skip(1).flat_map(char::to_lowercase);
    first.chain(others).chain(rest.chars()).collect()
}

/// A file that is written. Nothing leaves it but what these methods put in.
#[derive(Default)]
struct Html(String);

impl Html {
    /// Constants of this program.
    fn markup(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Whatever anybody wrote: the five characters that mean something in HTML, those that a
    /// terminal must not see, and those that turn the direction of text.
    fn text(&mut self, text: &str) {
        for c in escape(text).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    fn attribute(&mut self, name: &'static str, value: &str) {
        self.markup(" ");
        self.markup(name);
        self.markup("=\"");
        self.text(value);
        self.markup("\"");
    }

    fn element(&mut self, tag: &'static str, text: &str) {
        self.markup("<");
        self.markup(tag);
        self.markup(">");
        self.text(text);
        self.markup("</");
        self.markup(tag);
        self.markup(">\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::summary::{page::page, tests::hostile};

    #[test]
    fn no_value_becomes_markup() {
        let mut out = Html::default();
        out.text("<img src=x onerror=alert(1)> & \"a\" 'b'");
        assert_eq!(out.0, "&lt;img src=x onerror=alert(1)&gt; &amp; &quot;a&quot; &#39;b&#39;");
        let mut out = Html::default();
        out.attribute("data-label", "x\" onmouseover=\"alert(1)");
        assert_eq!(out.0, " data-label=\"x&quot; onmouseover=&quot;alert(1)\"");
        let mut out = Html::default();
        out.text("a\u{202e}b\u{0}c");
        assert_eq!(out.0, "a\\u{202e}b\\u{0}c");
    }

    /// Every field of every answer that the page shows holds this.
    const ATTACK: &str = "</td><script>alert(1)</script><b title='\"&";

    #[test]
    fn a_hostile_answer_is_text_in_every_field() {
        let summary = hostile(ATTACK);
        let text = html(&page(&summary));
        assert!(text.matches("&lt;script&gt;").count() > 10, "the attack is shown, as text");
        for markup in ["<script", "</script", "<b title", "title='"] {
            assert!(!text.contains(markup), "{markup}");
        }
    }

    #[test]
    fn the_file_stands_alone_and_is_well_formed() {
        let text = html(&page(&hostile("example.org")));
        for elsewhere in ["http:", "https:", "src=", "url(", "@import", "<link", "<script"] {
            assert!(!text.contains(elsewhere), "{elsewhere}");
        }
        for tag in ["html", "head", "body", "main", "section", "table", "tbody", "tr", "td", "dl"] {
            let opened = text.matches(&format!("<{tag}>")).count()
                + text.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert_eq!(text.matches("<h1>").count(), 1);
        assert_eq!(text.matches("<table").count(), text.matches("<caption>").count());
        for link in text.split("href=\"#").skip(1) {
            let id = link.split('"').next().unwrap();
            assert_eq!(text.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
    }

    #[test]
    fn headings_are_not_shouted() {
        assert_eq!(sentence_case("LAST HIT (UTC)"), "Last hit (UTC)");
        assert_eq!(sentence_case("RULES"), "Rules");
    }
}
