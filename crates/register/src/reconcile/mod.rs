//! The authority's own list against the register, entry by entry: the reconciliation of DOMAIN.md 3d, in the
//! way in which the EITI compares what companies say they paid with what governments say they
//! received (EITI Standard 2023, requirement 4.9; DOMAIN.md [EITI-13]).
//!
//! In: what either side names ([`Item`], from a file by [`listed`], from a register by [`registered`]), or the
//! authority's totals alone; the named parameters of a [`Question`]; [`Explanation`]s of either side. Out:
//! a [`Reconciliation`]: each entry in one [`Class`], each difference explained or unexplained by side, what
//! the comparison cannot say. No clock, no file: the same inputs give the same statement.
//!
//! | Class | The two sides |
//! |---|---|
//! | `MATCHED` | name the same thing, by the same reference and with the same bounds where both give them |
//! | `DIFFERS(field)` | name the same thing and not the same of it: `kind`, `reference`, `exception`, `from`, `until`, `state` |
//! | `TIMING` | differ only in when, and by no more than the question allows |
//! | `ONLY_AUTHORITY` | are one: the register has nothing of this authority for it |
//! | `ONLY_OPERATOR` | are one: the register has it in force for this authority, and the list does not name it |
//! | `COUNT_ONLY` | are counts: the authority says how many and not which |
//!
//! What is the same is decided by canonical targets (`target`): a name and its subtree are one thing of two
//! kinds, a page and its host are two things. Each entry of a side stands in one row; an entry that a side
//! names twice under one reference counts once.
//!
//! Closed parts may hide whose a request is, or its reference: [`Veiled`] counts those, for whoever makes the
//! statement to say.
//!
//! Not done here: whether anything is blocked, whether a request is lawful, who wrote a list or an explanation,
//! writing pages.

mod explain;
mod pair;
mod sides;

use std::fmt;

use sha2::{Digest, Sha256};

pub use self::{
    explain::{Explanation, InvalidExplanations, Side, explanations},
    sides::{Names, Totals, Veiled, listed, of_entry, of_list, of_request, registered},
};
use crate::target::{Target, kind_word};

/// One thing that a side names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub target: Target,
    /// It must stay open.
    pub exception: bool,
    /// The authority's own number; empty: not stated.
    pub reference: String,
    /// Of the request; empty: the file gives none.
    pub id: String,
    pub from_s: Option<i64>,
    pub until_s: Option<i64>,
    /// In force at the instant of the question.
    pub in_force: bool,
    /// Where it stands, in a word.
    pub state: String,
    /// Where to look it up: a line of the file, or a version of a list.
    pub place: String,
}

/// What is compared, and by which rules. All of it stands in the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// As [`Names::is_of`] compares it.
    pub authority: String,
    /// The instant of which the authority's list speaks.
    pub at_s: i64,
    /// Differences in time up to this are TIMING.
    pub timing_s: i64,
    pub materiality: Materiality,
}

/// Above it the unexplained differences are material.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materiality {
    /// Of all entries that either side names.
    Permille(u32),
    Count(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    Matched,
    Differs(Vec<Field>),
    OnlyAuthority,
    OnlyOperator,
    Timing,
    CountOnly,
}

/// What two sides say differently of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// "example.org" and "example.org and what is below it".
    Kind,
    /// One blocks it, for the other it must stay open.
    Exception,
    Reference,
    From,
    Until,
    /// One has it in force, the other had it or will.
    State,
}

/// One row of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// 16 hex digits, the same whenever the same two sides are compared; by it people explain. Rows of one class
    /// about one target under one reference share it.
    pub id: String,
    pub class: Class,
    pub authority: Option<Item>,
    pub operator: Option<Item>,
    pub counts: Option<Counts>,
    pub explanations: Vec<Explanation>,
}

/// Of a COUNT_ONLY row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// "requests" or "targets".
    pub what: &'static str,
    pub authority: u64,
    pub operator: u64,
}

/// The statement, but for who made it and from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    pub question: Question,
    /// Differences first, then what matches; each in canonical order.
    pub rows: Vec<Row>,
    pub figures: Figures,
    /// Explanations that fit no row; they are not lost in silence.
    pub unused: Vec<Explanation>,
    /// What the comparison cannot say, in sentences.
    pub limits: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries that the authority's side names as in force, and the operator's.
    pub authority: u64,
    pub operator: u64,
    /// Rows of either side; the denominator of the materiality.
    pub entries: u64,
    pub matched: u64,
    pub differs: u64,
    pub only_authority: u64,
    pub only_operator: u64,
    pub timing: u64,
    pub count_only: u64,
    /// Differences, by who has explained them. TIMING is one; a COUNT_ONLY with equal numbers is none.
    pub explained_by_authority: u64,
    pub explained_by_operator: u64,
    pub unexplained: u64,
    pub material: bool,
}

/// The two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    Items(Vec<Item>),
    Totals(Totals),
}

pub fn reconcile(
    question: Question,
    authority: Authority,
    operator: Vec<Item>,
    explanations: Vec<Explanation>,
) -> Reconciliation {
    let mut limits = limits(&question);
    let (mut rows, named) = match authority {
        Authority::Items(items) => {
            let (items, twice) = pair::distinct(items);
            if twice > 0 {
                limits.push(format!(
                    "{twice} entries stand more than once in the authority's list and count once."
                ));
            }
            for (missing, what) in [
                (items.iter().all(|i| i.reference.is_empty()), "no reference numbers"),
                (items.iter().all(|i| i.from_s.is_none()), "no dates"),
            ] {
                if missing && !items.is_empty() {
                    limits.push(format!("The authority's list has {what}; they are not compared."));
                }
            }
            let named = items.iter().filter(|item| item.in_force).count() as u64;
            (pair::rows(&question, items, pair::distinct(operator.clone()).0), named)
        }
        Authority::Totals(totals) => {
            limits.push(
                "The authority gives totals alone: equal numbers do not say that the same is meant."
                    .to_owned(),
            );
            (totals.rows(&operator), totals.targets.unwrap_or_default())
        }
    };
    let unused = explain::attach(&mut rows, explanations);
    let mut figures = Figures { authority: named, ..Figures::default() };
    figures.operator =
        pair::distinct(operator).0.iter().filter(|item| item.in_force).count() as u64;
    for row in &rows {
        figures.count(row);
    }
    figures.material = match question.materiality {
        Materiality::Count(max) => figures.unexplained > max,
        Materiality::Permille(max) => {
            u128::from(figures.unexplained) * 1000 > u128::from(max) * u128::from(figures.entries)
        }
    };
    Reconciliation { question, rows, figures, unused, limits }
}

fn limits(question: &Question) -> Vec<String> {
    let Question { authority, .. } = question;
    vec![
        "Two sides are compared in what they wrote down. Whether anything is blocked, and whether a request \
         is lawful or proportionate, this does not say."
            .to_owned(),
        format!(
            "The operator's side is its register: the requests whose authority has the id or the name \
             {authority:?}, or that came through a relay of that name. What it entered under another name \
             stands on the authority's side alone."
        ),
        "A name and its subtree are one thing of two kinds; a page and its host, or an address and the \
         prefix around it, are two things."
            .to_owned(),
    ]
}

impl Figures {
    fn count(&mut self, row: &Row) {
        self.entries += 1;
        match &row.class {
            Class::Matched => self.matched += 1,
            Class::Differs(_) => self.differs += 1,
            Class::OnlyAuthority => self.only_authority += 1,
            Class::OnlyOperator => self.only_operator += 1,
            Class::Timing => self.timing += 1,
            Class::CountOnly => self.count_only += 1,
        }
        if !row.is_difference() {
            return;
        }
        let by = |side| u64::from(row.explained_by(side));
        self.explained_by_authority += by(Side::Authority);
        self.explained_by_operator += by(Side::Operator);
        self.unexplained += u64::from(row.explanations.is_empty());
    }
}

impl Row {
    fn new(class: Class, authority: Option<Item>, operator: Option<Item>) -> Self {
        let named = authority.as_ref().or(operator.as_ref());
        let key = named.map(|item| format!("{}\n{}\n", item.says(), item.reference));
        let id = id_of(&class, &key.unwrap_or_default());
        Self { id, class, authority, operator, counts: None, explanations: Vec::new() }
    }

    fn of_counts(counts: Counts) -> Self {
        let id = id_of(&Class::CountOnly, &format!("{}\n", counts.what));
        Self {
            id,
            class: Class::CountOnly,
            authority: None,
            operator: None,
            counts: Some(counts),
            explanations: Vec::new(),
        }
    }

    /// Something that a side has to explain.
    pub fn is_difference(&self) -> bool {
        match &self.class {
            Class::Matched => false,
            Class::Differs(_) | Class::OnlyAuthority | Class::OnlyOperator | Class::Timing => true,
            Class::CountOnly => {
                self.counts.as_ref().is_some_and(|counts| counts.authority != counts.operator)
            }
        }
    }

    pub fn explained_by(&self, side: Side) -> bool {
        self.explanations.iter().any(|explanation| explanation.side == side)
    }

    /// "domain_exact:example.org"; of counts, what is counted.
    pub fn target(&self) -> String {
        match (self.authority.as_ref().or(self.operator.as_ref()), &self.counts) {
            (Some(item), _) => item.says(),
            (None, Some(counts)) => counts.what.to_owned(),
            (None, None) => String::new(),
        }
    }

    pub fn reference(&self) -> &str {
        let item = self.authority.as_ref().filter(|item| !item.reference.is_empty());
        item.or(self.operator.as_ref()).map_or("", |item| item.reference.as_str())
    }
}

/// 8 bytes of SHA-256("remit/reconcile/v1\n" ‖ class ‖ "\n" ‖ what it is about), as 16 hex digits.
fn id_of(class: &Class, about: &str) -> String {
    let digest = Sha256::digest(format!("remit/reconcile/v1\n{}\n{about}", class.word()));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Item {
    pub fn says(&self) -> String {
        let open = if self.exception { "!" } else { "" };
        format!("{open}{}:{}", kind_word(self.target.kind()), self.target)
    }
}

impl Class {
    /// Without its fields.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Matched => "MATCHED",
            Self::Differs(_) => "DIFFERS",
            Self::OnlyAuthority => "ONLY_AUTHORITY",
            Self::OnlyOperator => "ONLY_OPERATOR",
            Self::Timing => "TIMING",
            Self::CountOnly => "COUNT_ONLY",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::CountOnly => 0,
            Self::OnlyOperator => 1,
            Self::OnlyAuthority => 2,
            Self::Differs(_) => 3,
            Self::Timing => 4,
            Self::Matched => 5,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        let Self::Differs(fields) = self else { return Ok(()) };
        let words: Vec<&str> = fields.iter().map(|field| field.word()).collect();
        write!(f, "({})", words.join(", "))
    }
}

impl Field {
    pub fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Exception => "exception",
            Self::Reference => "reference",
            Self::From => "from",
            Self::Until => "until",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Materiality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(1) => f.write_str("1 entry"),
            Self::Count(max) => write!(f, "{max} entries"),
            Self::Permille(max) if max % 10 == 0 => write!(f, "{}% of all entries", max / 10),
            Self::Permille(max) => write!(f, "{}.{}% of all entries", max / 10, max % 10),
        }
    }
}
