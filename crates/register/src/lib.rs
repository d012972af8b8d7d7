//! What was allowed, and comparing the two.
//!
//! In: the statements of the register log in order, the facts of one event (a leaf with its
//! openings and the facts of its node), the size of the register to judge by, named parameters.
//! Out: requests as they stood at that size, one [`Verdict`] per event, the duties that were not
//! done, and imported requests with a report per row. DOMAIN.md sections 1 and 3 say what it means.
//!
//! Promised: a verdict is a pure function of its arguments (no file, clock, socket or random
//! number); nothing that arrives from outside panics; nothing is guessed or silently repaired;
//! "no", "unknown" and "not stated" stay three different things.
//!
//! | Module | Idea |
//! |---|---|
//! | [`target`] | one canonical value per blocked thing; how two of them lie to each other |
//! | [`request`], [`entry`] | a request with every field valid; its versions |
//! | [`state`] | where a request stood at an instant |
//! | [`register`] | statements in, views of any size out |
//! | [`list`] | lists that requests cover, and their versions |
//! | [`compile`](mod@compile) | a version of a list as zone or ruleset |
//! | [`index`] | which of many targets may have to do with one, without looking at all |
//! | `proceedings`, `relations` | what requests depend on, and what they say of each other |
//! | [`adoption`] | what people said of rules that stood already |
//! | [`deed`] | deeds that no packet shows, recorded by persons |
//! | [`judge`](mod@judge) | one event against every request |
//! | [`change`] | what a change of the register can reach |
//! | [`assessment`] | leaves in log order → verdicts as known then and now |
//! | [`verdict`], [`explain`](mod@explain) | the answer, its screen word, its sentence |
//! | [`points`] | whether anybody looks at a declared enforcement point |
//! | [`silence`] | when a node said nothing: one rule for answers and reports |
//! | [`unseen`] | times of which a node says that it did not look |
//! | [`duties`](mod@duties) | the other direction: what requests demand and was not done |
//! | [`defects`](mod@defects) | what is wrong with entries of the register themselves |
//! | [`integrity`] | what of a node's word cannot be believed |
//! | [`cases`] | what people did about findings, and where each stands |
//! | [`severity`](mod@severity) | how grave, for how many, how hard to make good |
//! | [`ooni`] | what a probe of OONI measured, of one published line |
//! | [`outside`] | what probes reached although it is to be blocked |
//! | [`import`] | files of people and authorities → requests, with a report per row |
//! | [`reconcile`] | an authority's own list against the register, entry by entry |
//! | [`hidden`] | characters that no text may hold, or no terminal may get |
//! | [`alike`](mod@alike) | names that are written like a mistyped one |
//! | [`words`] | the words of files and screens for the values of the wire |
//!
//! Not done here: checking signatures and proofs (`UNVERIFIABLE` is the caller's word), secrecy.

pub mod adoption;
pub mod alike;
pub mod area;
pub mod assessment;
pub mod canary;
pub mod cases;
pub mod change;
pub mod compile;
pub mod contact;
pub mod deed;
pub mod defects;
pub mod duties;
pub mod entry;
pub mod explain;
pub mod import;
pub mod index;
pub mod integrity;
pub mod judge;
pub mod list;
pub mod ooni;
pub mod outside;
pub mod points;
mod proceedings;
pub mod reconcile;
pub mod register;
mod relations;
pub mod request;
pub mod severity;
pub mod silence;
pub mod state;
pub mod target;
pub mod territory;
pub mod unseen;
pub mod verdict;
pub mod words;

pub use ::hidden;
pub use adoption::{Adopted, Attributed, Claimed};
pub use cases::{Cases, finding_id};
pub use change::{Selected, Selector};
pub use deed::{Confirmed, is_deed};
pub use defects::{Defect, Gone, defects, gone};
pub use duties::{Duty, DutyFinding, Installed, UnobservedPoint, duties};
pub use entry::{Entry, Version};
pub use evidence::{Claim, NodeId, RequestId};
pub use explain::{attributed_later, explain};
pub use index::TargetIndex;
pub use judge::{
    AsKnown, Event, KnownSizes, MATCHER_NUMBER, MATCHER_VERSION, Parameters, Span, judge,
};
pub use outside::{Ineffective, Seen, Stands, ineffective};
pub use proceedings::ProceedingEnd;
pub use register::{
    InvalidStatement, ItemReader, Items, Ledger, Register, Touch, View, version_digest,
};
pub use request::{InvalidRequest, ListVersion, Request, checklist};
pub use severity::{severity, widest};
pub use state::Standing;
pub use target::{Known, Relation, Repair, Target, TargetError, relation};
pub use unseen::{Unseen, Why};
pub use verdict::{Clause, ScreenWord, Verdict, screen_word};
