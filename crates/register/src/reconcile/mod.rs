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
//! | `TIMING` | differ only in when, and by no more than the question allows; or the register took it in so shortly before |
//! | `ONLY_AUTHORITY` | are one: the register has nothing of this authority for it |
//! | `ONLY_OPERATOR` | are one: the register has it in force for this authority, and the list does not name it |
//! | `COUNT_ONLY` | are counts: the authority says how many and not which |
//!
//! What is the same is decided by canonical targets (`target`): a name and its subtree are one thing of two
//! kinds, a page and its host are two things. Each entry of a side stands in one row; an entry that a side
//! names twice under one reference counts once. What a side names once more than the other, under another number, is
//! not absent there: it stands beside the other's entry, which stands in its own row as well ([`Row::surplus`]).
//!
//! What is only in the register may stand in a row of the list that was not read ([`List::refused`]): then the
//! statement does not say that the list does not name it, and does not count it to the materiality ([`Row::unread`]).
//! So it is with what is only in the list where requests of the register are not shown ([`Withheld`],
//! [`Row::withheld`]), and with two entries of two kinds where either side may have one that fits better.
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
    explain::{Explanation, InvalidExplanations, Side, checked, explanations},
    sides::{
        Names, Recorded, Totals, Veiled, Withheld, listed, of_entry, of_list, of_request,
        registered,
    },
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
    /// Of the register: when it took it in, as far as that is known.
    pub recorded_s: Option<i64>,
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
    /// Of all entries that either side names; of totals, of what the authority counts.
    Permille(u32),
    Count(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    Matched,
    Differs(Vec<Field>),
    OnlyAuthority,
    OnlyOperator,
    /// In nothing, if only the register has it, and took it in shortly before.
    Timing(Vec<Field>),
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
    /// The side that names it once more: the other side's entry of this row stands in another one, too.
    pub surplus: Option<Side>,
    /// Rows of the list that were not read, where one of them may name what only the register has here.
    pub unread: u64,
    /// Requests of the register that are not shown, where one of them may name what only the list has here.
    pub withheld: u64,
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
    /// Entries that are not in force and in no row, of either side.
    pub authority_left_out: u64,
    pub operator_left_out: u64,
    /// Rows of either side.
    pub entries: u64,
    pub matched: u64,
    pub differs: u64,
    pub only_authority: u64,
    pub only_operator: u64,
    pub timing: u64,
    pub count_only: u64,
    /// Of these, those whose numbers are equal.
    pub counts_equal: u64,
    /// Differences, by who has explained them. TIMING is one; a COUNT_ONLY with equal numbers is none.
    pub explained_by_authority: u64,
    pub explained_by_operator: u64,
    pub unexplained: u64,
    /// Rows of which rows that were not read, or requests that are not shown, may speak. They are not unexplained, and in
    /// no share.
    pub unread: u64,
    pub material: bool,
}

/// The authority's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    List(List),
    Totals(Totals),
}

/// What was read of the authority's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub items: Vec<Item>,
    pub says: Says,
    /// Rows that could not be read.
    pub refused: u64,
}

/// Which bounds a list states: of its entries as a whole, so that one without an end can be one that does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says {
    pub from: bool,
    pub until: bool,
}

impl List {
    /// Read to its end; it states the bounds that one of its entries has.
    pub fn of(items: Vec<Item>) -> Self {
        let says = Says {
            from: items.iter().any(|item| item.from_s.is_some()),
            until: items.iter().any(|item| item.until_s.is_some()),
        };
        Self { items, says, refused: 0 }
    }
}

impl From<Vec<Item>> for Authority {
    fn from(items: Vec<Item>) -> Self {
        Self::List(List::of(items))
    }
}

/// The operator's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    pub items: Vec<Item>,
    pub withheld: Withheld,
}

impl From<Vec<Item>> for Operator {
    /// All that it has is shown.
    fn from(items: Vec<Item>) -> Self {
        Self { items, withheld: Withheld::default() }
    }
}

pub fn reconcile(
    question: Question,
    authority: Authority,
    operator: impl Into<Operator>,
    explanations: Vec<Explanation>,
) -> Reconciliation {
    let Operator { items: operator, withheld } = operator.into();
    let mut limits = limits(&question);
    let mut figures = Figures::default();
    let in_force = |items: &[Item]| items.iter().filter(|item| item.in_force).count() as u64;
    let (held, _) = pair::distinct(operator.clone());
    figures.operator = in_force(&held);
    let mut rows = match authority {
        Authority::List(List { items, says, refused }) => {
            let (items, twice) = pair::distinct(items);
            if twice > 0 {
                limits.push(match twice {
                    1 => "1 entry stands more than once in the authority's list and counts once.".to_owned(),
                    _ => format!(
                        "{twice} entries stand more than once in the authority's list and count once."
                    ),
                });
            }
            if !items.is_empty() {
                limits.extend(not_stated(&items, says));
            }
            figures.authority = in_force(&items);
            let list = List { items, says, refused };
            let paired = pair::pair(&question, list, held, &withheld);
            figures.authority_left_out = paired.authority_left_out;
            figures.operator_left_out = paired.operator_left_out;
            limits.extend(undated(&question, &paired.rows));
            paired.rows
        }
        Authority::Totals(totals) => {
            limits.push(
                "The authority gives totals alone: equal numbers do not say that the same is meant."
                    .to_owned(),
            );
            figures.authority = totals.targets.unwrap_or_default();
            totals.rows(&operator)
        }
    };
    let unused = explain::attach(&mut rows, explanations);
    for row in &rows {
        figures.count(row);
    }
    figures.material = is_material(question.materiality, &figures, &rows);
    Reconciliation { question, rows, figures, unused, limits }
}

/// Of totals, how far the numbers are apart is asked for: a share of the two rows that they make says nothing.
fn is_material(materiality: Materiality, figures: &Figures, rows: &[Row]) -> bool {
    let above = |number: u64, of: u64| match materiality {
        Materiality::Count(max) => number > max,
        Materiality::Permille(max) => u128::from(number) * 1000 > u128::from(max) * u128::from(of),
    };
    let open = rows.iter().filter(|row| row.is_difference() && row.explanations.is_empty());
    let mut apart = open.filter_map(|row| row.counts.as_ref());
    let is_of_totals = figures.count_only > 0;
    (!is_of_totals && above(figures.unexplained, figures.entries - figures.unread))
        || apart.any(|counts| above(counts.authority.abs_diff(counts.operator), counts.authority))
}

/// What the list does not say, and is not compared.
fn not_stated(items: &[Item], says: Says) -> Option<String> {
    let mut missing = Vec::new();
    if items.iter().all(|item| item.reference.is_empty()) {
        missing.push("reference numbers");
    }
    match says {
        Says { from: true, until: true } => {}
        Says { from: true, until: false } => missing.push("ends"),
        Says { from: false, until: true } => missing.push("beginnings"),
        Says { from: false, until: false } => missing.push("dates"),
    }
    (!missing.is_empty()).then(|| {
        format!("The authority's list has no {}; they are not compared.", missing.join(" and no "))
    })
}

/// Of how many entries it cannot be told whether the list was made before the register had them.
fn undated(question: &Question, rows: &[Row]) -> Option<String> {
    let is_undated = |row: &&Row| {
        let is_alone = row.authority.is_none() || row.surplus == Some(Side::Operator);
        let item = row.operator.as_ref().filter(|_| is_alone && row.is_difference());
        item.is_some_and(|item| item.recorded_s.is_none())
    };
    let number = rows.iter().filter(is_undated).count();
    (number > 0 && question.timing_s > 0).then(|| {
        let whose = if number == 1 { "1 entry" } else { &format!("{number} entries") };
        format!(
            "When the register took in {whose} that only it has is not known here: whether that was shortly before \
             the list was made is not asked of it."
        )
    })
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

impl Reconciliation {
    /// The authority gave numbers alone.
    pub fn is_of_totals(&self) -> bool {
        self.rows.iter().any(|row| row.counts.is_some())
    }

    /// Above which it is material, in words.
    pub fn threshold(&self) -> String {
        let materiality = self.question.materiality;
        match materiality {
            Materiality::Count(max) if self.is_of_totals() => format!("a difference of {max}"),
            Materiality::Permille(max) if self.is_of_totals() => {
                format!("{} of the authority's number", percent(max))
            }
            Materiality::Count(_) | Materiality::Permille(_) => materiality.to_string(),
        }
    }
}

impl Figures {
    fn count(&mut self, row: &Row) {
        self.entries += 1;
        match &row.class {
            Class::Matched => self.matched += 1,
            Class::Differs(_) => self.differs += 1,
            Class::OnlyAuthority => self.only_authority += 1,
            Class::OnlyOperator => self.only_operator += 1,
            Class::Timing(_) => self.timing += 1,
            Class::CountOnly => {
                self.count_only += 1;
                self.counts_equal += u64::from(!row.is_difference());
            }
        }
        if !row.is_difference() {
            return;
        }
        let by = |side| u64::from(row.explained_by(side));
        self.explained_by_authority += by(Side::Authority);
        self.explained_by_operator += by(Side::Operator);
        self.unread += u64::from(row.is_unknown());
        self.unexplained += u64::from(row.is_open());
    }
}

impl Row {
    fn new(
        class: Class,
        authority: Option<Item>,
        operator: Option<Item>,
        surplus: Option<Side>,
    ) -> Self {
        let (id, counts, explanations) = Default::default();
        let (unread, withheld) = (0, 0);
        let mut row = Self {
            id,
            class,
            authority,
            operator,
            counts,
            surplus,
            unread,
            withheld,
            explanations,
        };
        let key = row.named().map(|item| format!("{}\n{}\n", item.says(), item.reference));
        row.id = id_of(&row.class, &key.unwrap_or_default());
        row
    }

    /// The entry that the row is about.
    fn named(&self) -> Option<&Item> {
        match self.surplus {
            Some(Side::Operator) => self.operator.as_ref(),
            Some(Side::Authority) | None => self.authority.as_ref().or(self.operator.as_ref()),
        }
    }

    fn of_counts(counts: Counts) -> Self {
        let id = id_of(&Class::CountOnly, &format!("{}\n", counts.what));
        Self {
            id,
            class: Class::CountOnly,
            authority: None,
            operator: None,
            counts: Some(counts),
            surplus: None,
            unread: 0,
            withheld: 0,
            explanations: Vec::new(),
        }
    }

    /// Something that a side has to explain.
    pub fn is_difference(&self) -> bool {
        match &self.class {
            Class::Matched => false,
            Class::Differs(_) | Class::OnlyAuthority | Class::OnlyOperator | Class::Timing(_) => {
                true
            }
            Class::CountOnly => {
                self.counts.as_ref().is_some_and(|counts| counts.authority != counts.operator)
            }
        }
    }

    /// What was not read, or is not shown, may speak of it.
    pub fn is_unknown(&self) -> bool {
        self.unread > 0 || self.withheld > 0
    }

    /// A difference that neither side explains; of what is not known it is not known whether it is one.
    pub fn is_open(&self) -> bool {
        self.is_difference() && !self.is_unknown() && self.explanations.is_empty()
    }

    pub fn explained_by(&self, side: Side) -> bool {
        self.explanations.iter().any(|explanation| explanation.side == side)
    }

    /// "domain_exact:example.org"; of counts, what is counted.
    pub fn target(&self) -> String {
        match (self.named(), &self.counts) {
            (Some(item), _) => item.says(),
            (None, Some(counts)) => counts.what.to_owned(),
            (None, None) => String::new(),
        }
    }

    pub fn reference(&self) -> &str {
        let named =
            self.named().filter(|item| !item.reference.is_empty() || self.surplus.is_some());
        named.or(self.operator.as_ref()).map_or("", |item| item.reference.as_str())
    }
}

/// 8 bytes of SHA-256("remit/reconcile/v2\n" ‖ class ‖ "\n" ‖ what it is about), as 16 hex digits; of DIFFERS with its
/// fields: what explains one difference explains no other.
fn id_of(class: &Class, about: &str) -> String {
    let class = match class {
        Class::Differs(_) => class.to_string(),
        _ => class.word().to_owned(),
    };
    let digest = Sha256::digest(format!("remit/reconcile/v2\n{class}\n{about}"));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Item {
    pub fn says(&self) -> String {
        let open = if self.exception { "!" } else { "" };
        format!("{open}{}:{}", kind_word(self.target.kind()), self.target)
    }
}

impl Class {
    /// In what the two sides differ.
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::Differs(fields) | Self::Timing(fields) => fields,
            Self::Matched | Self::OnlyAuthority | Self::OnlyOperator | Self::CountOnly => &[],
        }
    }

    /// Without its fields.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Matched => "MATCHED",
            Self::Differs(_) => "DIFFERS",
            Self::OnlyAuthority => "ONLY_AUTHORITY",
            Self::OnlyOperator => "ONLY_OPERATOR",
            Self::Timing(_) => "TIMING",
            Self::CountOnly => "COUNT_ONLY",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::CountOnly => 0,
            Self::OnlyOperator => 1,
            Self::OnlyAuthority => 2,
            Self::Differs(_) => 3,
            Self::Timing(_) => 4,
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
            Self::Permille(max) => write!(f, "{} of all entries", percent(*max)),
        }
    }
}

fn percent(permille: u32) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}
