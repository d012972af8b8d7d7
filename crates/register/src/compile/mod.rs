//! A version of a list as a file that a filter engine loads, with the version as its claim.
//!
//! In: the entries of one version with the requests under which they stand, and from which head of the
//! register they were read. Out: the text of the file, and every entry that its format cannot express,
//! with the reason. The same input gives the same bytes.
//!
//! Promised: no entry is widened to fit a format. What a list says must stay open is let through before
//! anything is blocked. A name and everything below it are two records where the format needs two. The
//! header holds the digest of all that follows it.
//!
//! | Module | Format | Carrier of the claim |
//! |---|---|---|
//! | [`rpz`] | response policy zone (BIND, Unbound, Knot, PowerDNS) | a comment on each record's line |
//! | [`nft`] | a table of sets and rules | the log prefix; an element's comment where it has a request of its own |
//! | [`local`] | Unbound's local zones | none: lines for the node's basis map stand as comments |
//!
//! Not done here: reading entries, writing files, reloading what is running.

mod local;
mod names;
mod nft;
mod rpz;

use evidence::{Claim, RequestId};
use sha2::{Digest, Sha256};

use crate::{
    list::ListEntry,
    target::{Relation, Target, kind_word, relation},
    words,
};

/// What is compiled.
#[derive(Debug, Clone)]
pub struct Input {
    pub list: RequestId,
    pub version: RequestId,
    /// Since when the version is in force.
    pub from_s: i64,
    /// SHA-256 of the file in which the version was received.
    pub file_digest: Vec<u8>,
    pub entries: Vec<ListEntry>,
    pub register: Head,
}

/// The head of the register from which the entries were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub origin: String,
    pub size: u64,
    /// `None`: the log shows none yet.
    pub root: Option<tlog::Hash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Rpz,
    /// Blocked packets are logged to this NFLOG group.
    Nft {
        group: u16,
    },
    UnboundLocal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    pub text: String,
    /// Entries that the file blocks, and that it keeps open.
    pub blocked: u64,
    pub open: u64,
    /// In canonical order; what would shut something that must stay open comes last.
    pub left_out: Vec<LeftOut>,
}

/// An entry that the format cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub target: Target,
    pub exception: bool,
    pub reason: &'static str,
}

pub fn compile(input: &Input, format: Format) -> Compiled {
    let mut entries: Vec<&ListEntry> = input.entries.iter().collect();
    entries.sort();
    let mut fitting = Vec::new();
    let mut left_out = Vec::new();
    for entry in entries {
        let unfit = match format {
            Format::Rpz => rpz::unfit(&entry.target),
            Format::Nft { group: _ } => nft::unfit(&entry.target),
            Format::UnboundLocal => local::unfit(entry),
        };
        match unfit {
            None => fitting.push(entry),
            Some(reason) => {
                let (target, exception) = (entry.target.clone(), entry.exception);
                left_out.push(LeftOut { target, exception, reason });
            }
        }
    }
    // What cannot be kept open must not be blocked.
    let kept: Vec<Target> =
        left_out.iter().filter(|left| left.exception).map(|left| left.target.clone()).collect();
    let shuts = |entry: &ListEntry| {
        let touches = |open| relation(&entry.target, open) != Relation::Disjoint;
        !entry.exception && kept.iter().any(touches)
    };
    let (shutting, fitting): (Vec<&ListEntry>, Vec<&ListEntry>) =
        fitting.into_iter().partition(|entry| shuts(entry));
    let reason = "something in it must stay open, which this format cannot say";
    left_out.extend(shutting.into_iter().map(|entry| LeftOut {
        target: entry.target.clone(),
        exception: false,
        reason,
    }));
    let body = match format {
        Format::Rpz => rpz::body(input, &fitting),
        Format::Nft { group } => nft::body(input, &fitting, group),
        Format::UnboundLocal => local::body(input, &fitting),
    };
    let open = fitting.iter().filter(|entry| entry.exception).count();
    let (open, fitting) = (open as u64, fitting.len() as u64);
    let blocked = fitting.saturating_sub(open);
    let (comment, above, how) = match format {
        Format::Rpz => (";", "", rpz::RELOAD),
        Format::Nft { group: _ } => ("#", "#!/usr/sbin/nft -f\n", nft::RELOAD),
        Format::UnboundLocal => ("#", "", local::RELOAD),
    };
    let mut text = above.to_owned();
    for line in header(input, blocked, open, &left_out, how, &body) {
        text.push_str(format!("{comment} {line}").trim_end());
        text.push('\n');
    }
    text.push_str(&body);
    Compiled { text, blocked, open, left_out }
}

fn header(
    input: &Input,
    blocked: u64,
    open: u64,
    left_out: &[LeftOut],
    how: &str,
    body: &str,
) -> Vec<String> {
    let Input { list, version, from_s, file_digest, entries, register } = input;
    let Head { origin, size, root } = register;
    let root = root.map_or_else(|| "not under the log yet".to_owned(), |root| root.to_string());
    let mut lines = vec![
        format!("remit=list:{list}@{version}"),
        format!("{} entries, in force from {}", entries.len(), words::time(*from_s)),
        "made by remit lists compile; what is changed by hand is not the list's".to_owned(),
        format!("file received: sha256 {}", hex(file_digest)),
        format!("register: {origin} at size {size}, root {root}"),
        format!("blocked here: {blocked}; kept open: {open}; left out: {}", left_out.len()),
    ];
    let mut reasons: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for LeftOut { reason, .. } in left_out {
        *reasons.entry(reason).or_default() += 1;
    }
    lines.extend(reasons.iter().map(|(reason, count)| format!("left out: {count}: {reason}")));
    lines.extend(how.lines().map(str::to_owned));
    lines.push(format!("below this line: sha256 {}", hex(&Sha256::digest(body.as_bytes()))));
    lines
}

/// "remit=list:rkn@3", with the entry's own request behind it.
fn carrier(input: &Input, entry: Option<&ListEntry>) -> String {
    let claims: Vec<String> = claims(input, entry).iter().map(ToString::to_string).collect();
    format!("remit={}", claims.join(","))
}

/// The list in its version, and the request of the entry's own.
fn claims(input: &Input, entry: Option<&ListEntry>) -> Vec<Claim> {
    let list = Claim::List { id: input.list.clone(), version: input.version.clone() };
    let request = entry.and_then(|entry| entry.request.clone()).map(Claim::Request);
    std::iter::once(list).chain(request).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, exception, reason } = self;
        let open = if *exception { "!" } else { "" };
        write!(f, "{open}{}:{target}: {reason}", kind_word(target.kind()))
    }
}
