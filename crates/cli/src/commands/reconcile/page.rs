//! The statement as a page, for a terminal and as HTML: what differs, who has explained it, what it was made
//! from and what it cannot say.

use register::reconcile::{Reconciliation, Row};

use super::statement::{Statement, layout};
use crate::{
    commands::summary::page::{Page, Section, Tone},
    output::{Cell, Layout},
    time,
    words::{count, hex},
};

/// Lines of one class on the page; the JSON and CSV have all.
const ROWS_MAX: usize = 500;

pub(super) fn page(statement: &Statement) -> Page {
    let question = &statement.found.question;
    let mut sections = vec![glance(&statement.found)];
    sections.extend(CLASSES.into_iter().filter_map(|class| of_class(statement, class)));
    sections.extend(refused(statement));
    sections.extend(unused(statement));
    sections.push(limits(statement));
    sections.push(made_from(statement));
    sections.push(terms(statement));
    Page {
        title: format!(
            "Reconciliation of {}'s list with the register, as of {}",
            question.authority,
            time::utc(question.at_s)
        ),
        lead: lead(statement),
        sections,
        completeness: format!(
            "Register {} at size {}, root {}.",
            statement.held.origin,
            statement.held.size,
            or_none(&statement.held.root)
        ),
        origin: "from the authority's file and the register that this page names; nothing on this page is \
                 signed. Who has both files can make it again: remit reconcile.",
    }
}

fn lead(statement: &Statement) -> Vec<String> {
    let Statement { given, found, .. } = statement;
    let figures = &found.figures;
    let alike = settled(found);
    let compared = match found.is_of_totals() {
        true => count(figures.entries, "number", "numbers"),
        false => count(figures.entries, "entry", "entries"),
    };
    let mut lead = Vec::new();
    if !given.refused.is_empty() {
        let mut said = format!(
            "This comparison is incomplete: {} of {} of the authority's list could not be read.",
            given.refused.len(),
            count(given.rows, "row", "rows")
        );
        let unread = number_of(found, |row| row.unread > 0);
        if unread > 0 {
            said.push_str(&format!(
                " {} of the register may be among them: whether the list names them is not known.",
                count(unread, "entry", "entries")
            ));
        }
        lead.push(said);
    }
    let withheld = number_of(found, |row| row.withheld > 0);
    if withheld > 0 {
        lead.push(format!(
            "Of {} of the authority's list it is not known whether the register has it: requests are withheld.",
            count(withheld, "entry", "entries")
        ));
    }
    let mut counted = format!(
        "{compared} compared: {}, {}, {} of them unexplained by either side",
        count(alike, "matches", "match"),
        count(figures.entries - alike - figures.unread, "differs", "differ"),
        figures.unexplained
    );
    if figures.unread > 0 {
        counted.push_str(&format!("; of {} it is not known", figures.unread));
    }
    let read = if given.refused.is_empty() { "That" } else { "As far as it was read, that" };
    let is = if figures.material { "is material" } else { "is not material" };
    lead.extend([
        format!("{counted}."),
        format!("{read} {is}: the threshold is {}.", found.threshold()),
        "A difference is a question to both sides, and no finding of wrongdoing.".to_owned(),
    ]);
    lead
}

fn number_of(found: &Reconciliation, is: impl Fn(&&Row) -> bool) -> u64 {
    found.rows.iter().filter(is).count() as u64
}

/// What matches, and numbers that are equal.
fn settled(found: &Reconciliation) -> u64 {
    found.figures.matched + found.figures.counts_equal
}

/// A line of the first table.
struct Figure(&'static str, u64);

fn glance(found: &Reconciliation) -> Section {
    type Of = Cell<Figure>;
    let figures = &found.figures;
    let layout = Layout {
        noun: "figures",
        fields: Vec::new(),
        cells: vec![
            Of::new("WHAT", |figure| figure.0.to_owned()),
            Of::new("ENTRIES", |figure| figure.1.to_string()),
        ],
        below: |_| Vec::new(),
    };
    let mut rows = match found.is_of_totals() {
        true => vec![
            Figure("COUNT_ONLY", figures.count_only),
            Figure("of these, equal on both sides", figures.counts_equal),
        ],
        false => vec![
            Figure("in the authority's list, in force", figures.authority),
            Figure("of the list, not in force and in no row", figures.authority_left_out),
            Figure("in the register for it, in force", figures.operator),
            Figure("of the register, not in force and in no row", figures.operator_left_out),
            Figure("MATCHED", figures.matched),
            Figure("DIFFERS", figures.differs),
            Figure("ONLY_AUTHORITY", figures.only_authority),
            Figure("ONLY_OPERATOR", figures.only_operator),
            Figure("TIMING", figures.timing),
        ],
    };
    rows.extend([
        Figure("explained by the authority", figures.explained_by_authority),
        Figure("explained by the operator", figures.explained_by_operator),
        Figure("unexplained", figures.unexplained),
    ]);
    if figures.unread > 0 {
        rows.push(Figure(
            "not known: rows were not read, or requests are withheld",
            figures.unread,
        ));
    }
    Section {
        table: Some(layout.table(&rows)),
        tone: Tone::Figures,
        ..plain("figures", "At a glance")
    }
}

/// Each with its place on the page, its heading, and what it means.
const CLASSES: [(&str, &str, &str, &str); 6] = [
    (
        "count-only",
        "COUNT_ONLY",
        "Numbers alone",
        "The authority says how many, and not which. Equal numbers do not say that the same is meant.",
    ),
    (
        "only-operator",
        "ONLY_OPERATOR",
        "Only in the register",
        "The register has it in force for this authority, and the authority's list does not name it.",
    ),
    (
        "only-authority",
        "ONLY_AUTHORITY",
        "Only in the authority's list",
        "The authority names it, and the register has nothing of this authority for it.",
    ),
    (
        "differs",
        "DIFFERS",
        "Named by both, and not alike",
        "Both name the same thing and say something else of it: its kind, its reference, its bounds, or whether it is in force. What one side has under one number more stands here, too.",
    ),
    (
        "timing",
        "TIMING",
        "A matter of time",
        "The two differ only in when, and by no more than was allowed; or the register took it in so shortly before the time of the list.",
    ),
    (
        "matched",
        "MATCHED",
        "Alike",
        "Both name the same thing, by the same reference and with the same bounds where both give them.",
    ),
];

fn of_class(
    statement: &Statement,
    (id, word, heading, meaning): (&'static str, &str, &str, &str),
) -> Option<Section> {
    let of: Vec<&Row> = statement.found.rows.iter().filter(|r| r.class.word() == word).collect();
    if of.is_empty() {
        return None;
    }
    let open = of.iter().filter(|row| row.is_open()).count();
    let unread = of.iter().filter(|row| row.is_unknown()).count();
    let tone = match (word, open) {
        (_, 0) if unread > 0 => Tone::Open,
        ("MATCHED", _) | (_, 0) => Tone::Settled,
        ("TIMING", _) => Tone::Open,
        _ => Tone::Asked,
    };
    let more = of.len().saturating_sub(ROWS_MAX);
    let after = if more == 0 {
        Vec::new()
    } else {
        vec![format!("{} more; the JSON and the CSV have all.", count(more as u64, "row", "rows"))]
    };
    let mut said = format!("{heading} ({word}): {}", of.len());
    if word != "MATCHED" {
        said.push_str(&format!(", {open} unexplained"));
    }
    if unread > 0 {
        said.push_str(&format!(", {unread} not known"));
    }
    Some(Section {
        tone,
        lead: vec![meant(statement, word, meaning)],
        table: Some(layout().table(of.into_iter().take(ROWS_MAX))),
        after,
        ..plain(id, &said)
    })
}

/// What a class means in this statement.
fn meant(statement: &Statement, word: &str, meaning: &str) -> String {
    match (word, statement.given.refused.len() as u64) {
        ("ONLY_OPERATOR", rows @ 1..) => format!(
            "The register has it in force for this authority, and it is not among the rows of the authority's list \
             that were read. {} refused, and may name it.",
            count(rows, "row was", "rows were")
        ),
        ("ONLY_AUTHORITY", _) if statement.found.rows.iter().any(|row| row.withheld > 0) => {
            "The authority names it, and the register shows nothing of this authority for it. Requests are withheld, and \
             it may stand for one of them."
                .to_owned()
        }
        _ => meaning.to_owned(),
    }
}

fn refused(statement: &Statement) -> Option<Section> {
    let refused = &statement.given.refused;
    if refused.is_empty() {
        return None;
    }
    let more = refused.len().saturating_sub(ROWS_MAX);
    let mut after: Vec<String> = refused.iter().take(ROWS_MAX).cloned().collect();
    if more > 0 {
        after.push(format!("{} more; the JSON has all.", count(more as u64, "row", "rows")));
    }
    let heading =
        format!("{} of the authority's list refused", count(refused.len() as u64, "row", "rows"));
    Some(Section {
        tone: Tone::Open,
        lead: vec!["What they name could not be read, and is not compared.".to_owned()],
        after,
        ..plain("refused", &heading)
    })
}

fn unused(statement: &Statement) -> Option<Section> {
    let unused = &statement.found.unused;
    if unused.is_empty() {
        return None;
    }
    let after = unused
        .iter()
        .map(|e| {
            let which: Vec<&str> = [&e.difference, &e.class, &e.target, &e.reference]
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(String::as_str)
                .collect();
            format!("{}: the {} says: {}", which.join(" "), e.side.word(), e.text)
        })
        .collect();
    Some(Section {
        lead: vec![
            "They fit no difference of this statement; it may have been resolved.".to_owned(),
        ],
        after,
        ..plain("unused", "Explanations that fit nothing")
    })
}

fn limits(statement: &Statement) -> Section {
    Section {
        lead: statement.found.limits.clone(),
        ..plain("limits", "What this statement cannot say")
    }
}

fn made_from(statement: &Statement) -> Section {
    let Statement { made_at_s, given, held, found } = statement;
    let question = &found.question;
    let term = |word: &str, text: String| (word.to_owned(), text);
    let mut terms = vec![
        term(
            "Authority's list",
            format!(
                "{}, read as {}: {}, {} repaired, {} refused",
                given.file,
                given.form,
                count(given.rows, "row", "rows"),
                given.repaired,
                given.refused.len()
            ),
        ),
        term("SHA-256 of the list", hex(&given.digest)),
        term("Register", format!("{} at size {}, from {}", held.origin, held.size, held.source)),
        term("Root of the register", or_none(&held.root).to_owned()),
        term("As of", time::utc(question.at_s)),
        term("Timing", format!("differences up to {} s are TIMING", question.timing_s)),
        term("Materiality", found.threshold()),
        term("Made", time::utc(*made_at_s)),
    ];
    if let Some(digest) = &given.mapping_digest {
        terms.insert(2, term("SHA-256 of the mapping", hex(digest)));
    }
    Section { terms, ..plain("made-from", "What it was made from") }
}

fn terms(statement: &Statement) -> Section {
    let term = |(_, word, _, meaning): (_, &str, _, &str)| {
        (word.to_owned(), meant(statement, word, meaning))
    };
    let terms = CLASSES.into_iter().map(term).collect();
    Section { terms, ..plain("terms", "What the words mean") }
}

fn plain(id: &'static str, heading: &str) -> Section {
    Section {
        id,
        heading: heading.to_owned(),
        tone: Tone::Plain,
        lead: Vec::new(),
        table: None,
        after: Vec::new(),
        terms: Vec::new(),
    }
}

fn or_none(root: &str) -> &str {
    if root.is_empty() { "of which nothing is published yet" } else { root }
}
