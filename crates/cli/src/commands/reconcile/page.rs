//! The statement as a page, for a terminal and as HTML: what differs, who has explained it, what it was made
//! from and what it cannot say.

use register::reconcile::{Figures, Reconciliation, Row};

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
    let Reconciliation { question, figures, .. } = &statement.found;
    let mut sections = vec![glance(figures)];
    sections.extend(CLASSES.into_iter().filter_map(|class| of_class(statement, class)));
    sections.extend(refused(statement));
    sections.extend(unused(statement));
    sections.push(limits(statement));
    sections.push(made_from(statement));
    sections.push(terms());
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
    let Reconciliation { question, figures, .. } = &statement.found;
    let differences = figures.entries - settled(statement);
    let verdict = if figures.material { "That is material" } else { "That is not material" };
    vec![
        format!(
            "{} compared: {} match, {} differ, {} of them unexplained by either side.",
            count(figures.entries, "entry", "entries"),
            settled(statement),
            differences,
            figures.unexplained
        ),
        format!("{verdict}: the threshold is {}.", question.materiality),
        "A difference is a question to both sides, and no finding of wrongdoing.".to_owned(),
    ]
}

fn settled(statement: &Statement) -> u64 {
    statement.found.rows.iter().filter(|row| !row.is_difference()).count() as u64
}

/// A line of the first table.
struct Figure(&'static str, u64);

fn glance(figures: &Figures) -> Section {
    type Of = Cell<Figure>;
    let layout = Layout {
        noun: "figures",
        fields: Vec::new(),
        cells: vec![
            Of::new("WHAT", |figure| figure.0.to_owned()),
            Of::new("ENTRIES", |figure| figure.1.to_string()),
        ],
        below: |_| Vec::new(),
    };
    let rows = [
        Figure("in the authority's list", figures.authority),
        Figure("in force in the register for it", figures.operator),
        Figure("MATCHED", figures.matched),
        Figure("DIFFERS", figures.differs),
        Figure("ONLY_AUTHORITY", figures.only_authority),
        Figure("ONLY_OPERATOR", figures.only_operator),
        Figure("TIMING", figures.timing),
        Figure("COUNT_ONLY", figures.count_only),
        Figure("explained by the authority", figures.explained_by_authority),
        Figure("explained by the operator", figures.explained_by_operator),
        Figure("unexplained", figures.unexplained),
    ];
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
        "Both name the same thing and say something else of it: its kind, its reference, its bounds, or whether it is in force.",
    ),
    (
        "timing",
        "TIMING",
        "A matter of time",
        "The two differ only in when, and by no more than was allowed.",
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
    let open = of.iter().filter(|row| row.is_difference() && row.explanations.is_empty()).count();
    let tone = match (word, open) {
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
    let unexplained =
        if word == "MATCHED" { String::new() } else { format!(", {open} unexplained") };
    Some(Section {
        tone,
        lead: vec![meaning.to_owned()],
        table: Some(layout().table(of.into_iter().take(ROWS_MAX))),
        after,
        ..plain(id, &format!("{heading} ({word}): {}{unexplained}", number(statement, word)))
    })
}

fn number(statement: &Statement, word: &str) -> usize {
    statement.found.rows.iter().filter(|row| row.class.word() == word).count()
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
        term("Materiality", question.materiality.to_string()),
        term("Made", time::utc(*made_at_s)),
    ];
    if let Some(digest) = &given.mapping_digest {
        terms.insert(2, term("SHA-256 of the mapping", hex(digest)));
    }
    Section { terms, ..plain("made-from", "What it was made from") }
}

fn terms() -> Section {
    let terms = CLASSES.map(|(_, word, _, meaning)| (word.to_owned(), meaning.to_owned())).into();
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
