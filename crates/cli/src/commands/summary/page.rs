//! What stands on the page, and in which order: the one source of the text and of the HTML.

use std::collections::BTreeSet;

use remit_proto::v1::{UndeterminedReason, VerdictCode};

use super::{
    Summary,
    cause::{Cause, Part},
    defect::States,
    grace_s,
    layouts::{self, Total},
    meaning,
};
use crate::{
    commands::adopt,
    output::{Layout, Table, completeness_line},
    time,
    words::{self, count},
};

pub(in crate::commands) struct Page {
    pub(in crate::commands) title: String,
    pub(in crate::commands) lead: Vec<String>,
    pub(in crate::commands) sections: Vec<Section>,
    pub(in crate::commands) completeness: String,
    /// From what it was made, and how to check that.
    pub(in crate::commands) origin: &'static str,
}

pub(in crate::commands) struct Section {
    /// Unique on the page.
    pub(in crate::commands) id: &'static str,
    pub(in crate::commands) heading: String,
    pub(in crate::commands) tone: Tone,
    pub(in crate::commands) lead: Vec<String>,
    pub(in crate::commands) table: Option<Table>,
    /// What the table leaves out, and where to look further.
    pub(in crate::commands) after: Vec<String>,
    pub(in crate::commands) terms: Vec<(String, String)>,
}

/// How a section looks. Its heading says the same in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Tone {
    /// Somebody has to explain it.
    Asked,
    /// Not known.
    Open,
    Settled,
    /// A table that is small enough for any screen.
    Figures,
    Plain,
}

/// Lines of one table: one page is read, a hundred are not. Totals and machine formats have all.
const ROWS_MAX: usize = 20;

pub(super) fn page(summary: &Summary) -> Page {
    let totals = summary.totals();
    let mut sections = vec![glance(&totals)];
    sections.extend(proved(summary));
    sections.extend(totals.iter().filter(|t| t.rules > 0).map(|total| part(summary, total)));
    sections.push(duties(summary));
    sections.extend(reached(summary));
    sections.extend(not_done(summary));
    sections.extend(defects(summary));
    sections.push(states(summary));
    if !summary.deeds.is_empty() {
        sections.push(deeds(summary));
    }
    sections.push(limits(summary));
    sections.push(terms(summary));
    Page {
        title: format!("What is blocked at {}, and on whose authority", summary.operator),
        lead: lead(summary, &totals),
        sections,
        completeness: completeness_line(&summary.completeness),
        origin: "from what the collector answered; nothing on this page is signed. To check it without \
                 trusting the operator: remit export, then remit verify.",
    }
}

fn lead(summary: &Summary, totals: &[Total]) -> Vec<String> {
    let rules = |wanted: Part| totals.iter().filter(|t| t.part == wanted).map(|t| t.rules).sum();
    let (covered, own): (u64, u64) = (rules(Part::Covered), rules(Part::OwnMeasure));
    let open: u64 = rules(Part::Undetermined) + rules(Part::NotYetAssessed);
    let all: u64 = totals.iter().map(|total| total.rules).sum();
    let nodes: BTreeSet<&String> =
        summary.causes.iter().flat_map(|cause| cause.nodes.keys()).collect();
    let mut lead = vec![format!(
        "{} installed now on {}: {} not covered by an accepted request, {open} undetermined or not yet \
         assessed, {covered} covered, {own} of the operator's own. {} in force, and installed nowhere \
         that is observed.",
        count(all, "rule is", "rules are"),
        count(nodes.len() as u64, "node", "nodes"),
        all - covered - own - open,
        count(summary.duties.len() as u64, "request is", "requests are"),
    )];
    let late: u64 = registered_after(summary);
    if late > 0 {
        lead.push(format!(
            "Of the covered, {} registered only after the block.",
            count(late, "rule has a request that was", "rules have requests that were")
        ));
    }
    lead.push(format!(
        "Asked at {} UTC of the collector {}; register of {}, log of {}.",
        time::utc_cell(summary.asked_at_s),
        summary.collector,
        count(summary.completeness.register_size, "statement", "statements"),
        count(summary.completeness.log_size, "entry", "entries"),
    ));
    lead.push(late_register(summary));
    lead.extend(summary.moved.clone());
    lead
}

/// The verdicts rest on it: a reference that is not in the register yet is no fault before this time is over.
fn late_register(summary: &Summary) -> String {
    let grace = summary.late_register.as_ref().map(|row| (row, grace_s(row)));
    match grace.filter(|(_, grace_s)| *grace_s > 0) {
        None => "A request that a block names must be in the register at once: no time to enter it later is \
                 stated."
            .to_owned(),
        Some((row, grace_s)) => format!(
            "A request that a block names may come into the register {grace_s} s later, for blocks since {} \
             UTC: statement {}, signed by {}.",
            time::utc_cell(row.since_s),
            row.statement,
            adopt::by(row)
        ),
    }
}

fn registered_after(summary: &Summary) -> u64 {
    let covered = summary.causes.iter().filter(|cause| cause.key.part == Part::Covered);
    covered.map(|cause| cause.all_registered().after).sum()
}

fn glance(totals: &[Total]) -> Section {
    Section {
        id: "glance",
        heading: "At a glance".to_owned(),
        tone: Tone::Figures,
        lead: Vec::new(),
        table: Some(layouts::totals().table(totals)),
        after: Vec::new(),
        terms: Vec::new(),
    }
}

/// Only where anything is covered, or the operator's own.
fn proved(summary: &Summary) -> Option<Section> {
    let rows = summary.proved();
    (!rows.is_empty()).then(|| Section {
        id: "proved",
        heading: "How well that is proved".to_owned(),
        tone: Tone::Figures,
        lead: vec![
            "Rules that are covered, or the operator's own, by what proves their request and by when the \
             register had it. What rests on the operator's word alone the operator may have written for \
             these rules. \"Before\" is the operator's word too: no independent witness has confirmed it."
                .to_owned(),
        ],
        table: Some(layouts::proved().table(&rows)),
        after: Vec::new(),
        terms: Vec::new(),
    })
}

fn part(summary: &Summary, total: &Total) -> Section {
    let (id, tone) = match total.part {
        Part::NoCoveringRequest => ("no-covering-request", Tone::Asked),
        Part::BeyondItsRequest => ("beyond-its-request", Tone::Asked),
        Part::OutOfTime => ("out-of-time", Tone::Asked),
        Part::Undetermined => ("undetermined", Tone::Open),
        Part::NotYetAssessed => ("not-yet-assessed", Tone::Open),
        Part::Covered => ("covered", Tone::Settled),
        Part::OwnMeasure => ("own-measure", Tone::Settled),
    };
    let rows: Vec<&Cause> =
        summary.causes.iter().filter(|cause| cause.key.part == total.part).collect();
    let (table, mut after) = cut(&layouts::causes(), &rows, "causes");
    if total.part.screen_word().is_some() {
        after.push(format!("The rules: remit rules list --verdict \"{}\"", total.part.word()));
    }
    Section {
        id,
        heading: format!(
            "Installed now, {}: {}",
            total.part.word(),
            count(total.rules, "rule", "rules")
        ),
        tone,
        lead: vec![meaning::part(total.part, summary.completeness.register_size)],
        table: Some(table),
        after,
        terms: Vec::new(),
    }
}

fn duties(summary: &Summary) -> Section {
    let rows: Vec<_> = summary.duties.iter().collect();
    let (table, after) = cut(&layouts::duties(), &rows, "requests");
    Section {
        id: "installed-nowhere",
        heading: format!("In force, and installed nowhere that is observed: {}", rows.len()),
        tone: if rows.is_empty() { Tone::Settled } else { Tone::Open },
        lead: vec![
            "Requests that no observed rule carries out. A question of compliance, apart from what is \
             blocked without cover; a narrow block is no fault."
                .to_owned(),
        ],
        table: (!rows.is_empty()).then_some(table),
        after,
        terms: Vec::new(),
    }
}

/// Only where somebody looked from outside, and saw it.
fn reached(summary: &Summary) -> Option<Section> {
    let rows: Vec<_> = summary.reached.iter().collect();
    let (table, after) = cut(&layouts::reached(), &rows, "requests");
    (!rows.is_empty()).then(|| Section {
        id: "reached-all-the-same",
        heading: format!("Installed, and reached by a probe all the same: {}", rows.len()),
        tone: Tone::Open,
        lead: vec![
            "Requests in force whose target somebody's probe reached in a network where a rule for it \
             stood, by the probe's own judgement."
                .to_owned(),
        ],
        table: Some(table),
        after,
        terms: Vec::new(),
    })
}

/// Only where something was not done in part, or in time.
fn not_done(summary: &Summary) -> Option<Section> {
    let rows: Vec<_> = summary.not_done.iter().collect();
    let (table, mut after) = cut(&layouts::not_done(), &rows, "findings");
    after.push("Each of them: remit findings list --kind duty".to_owned());
    (!rows.is_empty()).then(|| Section {
        id: "not-as-demanded",
        heading: format!("Carried out in part, late, or not removed in time: {}", rows.len()),
        tone: Tone::Open,
        lead: vec![
            "What requests demand and was not done so. What should have been removed and stood on is a \
             matter of rights, the rest one of compliance; neither is counted with what is blocked without \
             cover."
                .to_owned(),
        ],
        table: Some(table),
        after,
        terms: Vec::new(),
    })
}

/// Only where requests themselves are wanting.
fn defects(summary: &Summary) -> Option<Section> {
    let rows: Vec<_> = summary.defects.iter().collect();
    let (table, mut after) = cut(&layouts::defects(), &rows, "defects");
    after.push("Each of them, with its remedy: remit findings list --kind entry".to_owned());
    let requests: BTreeSet<&String> = rows.iter().flat_map(|row| &row.requests).collect();
    let count = count(requests.len() as u64, "request", "requests");
    (!rows.is_empty()).then(|| Section {
        id: "defective-requests",
        heading: format!("Wanting in themselves: {count}"),
        tone: Tone::Open,
        lead: vec![
            "What is missing from requests, overdue, contradictory or too wide on its face, whatever is \
             blocked by them. A request without such a defect may be unlawful, and one with it may hold."
                .to_owned(),
        ],
        table: Some(table),
        after,
        terms: Vec::new(),
    })
}

/// What people said of findings; the findings stand or fall without it.
fn states(summary: &Summary) -> Section {
    let rows: Vec<_> = summary.states.iter().collect();
    let (table, _) = cut(&layouts::states(), &rows, "kinds");
    let all: u64 = summary.states.iter().map(States::all).sum();
    Section {
        id: "findings",
        heading: format!("Where people stand with findings: {all}"),
        tone: Tone::Figures,
        lead: vec![
            "Open: nobody has said anything, or what was said counts no more. What a person calls explained \
             or remedied is that person's word; whether it was seen again is counted beside it."
                .to_owned(),
        ],
        table: (!rows.is_empty()).then_some(table),
        after: vec!["What was said of one: remit findings show ID".to_owned()],
        terms: Vec::new(),
    }
}

fn deeds(summary: &Summary) -> Section {
    let rows: Vec<_> = summary.deeds.iter().collect();
    let (table, mut after) = cut(&layouts::deeds(), &rows, "findings");
    after.push("Each of them: remit findings list".to_owned());
    Section {
        id: "also-recorded",
        heading: "Also recorded".to_owned(),
        tone: Tone::Asked,
        lead: vec![
            "What rules did that are removed, or that are judged otherwise now; and what is added to a \
             verdict. These hits are not among those above where the rule has begun anew."
                .to_owned(),
        ],
        table: Some(table),
        after,
        terms: Vec::new(),
    }
}

fn limits(summary: &Summary) -> Section {
    Section {
        id: "not-seen",
        heading: "What nobody saw".to_owned(),
        tone: Tone::Plain,
        lead: vec!["No figure on this page speaks of what is listed here.".to_owned()],
        table: Some(layouts::limits().table(&summary.limits)),
        after: vec!["All points: remit points list. All nodes: remit nodes list".to_owned()],
        terms: Vec::new(),
    }
}

/// The verdicts that this page shows, and the words that every page shows.
fn terms(summary: &Summary) -> Section {
    let verdicts = summary.causes.iter().filter_map(|cause| cause.verdict.as_ref());
    let verdicts = verdicts.chain(summary.deeds.iter().filter_map(|deed| deed.verdict.as_ref()));
    let mut shown: BTreeSet<(String, &str)> = verdicts
        .map(|verdict| {
            let meaning = match (verdict.code(), verdict.undetermined()) {
                (code, UndeterminedReason::Unspecified) => meaning::verdict(code),
                (VerdictCode::Undetermined, reason) => meaning::undetermined(reason),
                (code, _) => meaning::verdict(code),
            };
            (words::verdict_code(verdict), meaning)
        })
        .collect();
    let added = summary.deeds.iter().filter_map(|deed| Some((&deed.key.code, deed.added?)));
    shown.extend(added.map(|(code, added)| (code.clone(), meaning::added(added))));
    let always = meaning::ALWAYS.iter().map(|(word, text)| ((*word).to_owned(), *text));
    Section {
        id: "words",
        heading: "What the words mean".to_owned(),
        tone: Tone::Plain,
        lead: vec![
            "A verdict compares a rule with the register. It is no judgement on whether a request, or a \
             block, is lawful or proportionate; people draw that conclusion."
                .to_owned(),
        ],
        table: None,
        after: Vec::new(),
        terms: shown.into_iter().chain(always).map(|(word, text)| (word, text.to_owned())).collect(),
    }
}

/// The first rows, and a sentence about the others.
fn cut<R>(layout: &Layout<R>, rows: &[&R], noun: &str) -> (Table, Vec<String>) {
    let table = layout.table(rows.iter().take(ROWS_MAX).copied());
    let more = rows.len().saturating_sub(ROWS_MAX);
    let after = match more {
        0 => Vec::new(),
        _ => vec![format!("And {more} more {noun}: remit --output json summary has all.")],
    };
    (table, after)
}
