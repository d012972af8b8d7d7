//! `remit lists …`: its arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Page, Sent};
use crate::commands::GiveApproval;

#[derive(Debug, Subcommand)]
pub(crate) enum Lists {
    /// State under which request a list stands, and what of it enters without a person
    Feed(ListsFeed),
    /// Enter a file as the next version of its list
    #[command(after_help = LIST_FILE)]
    Import(ListsImport),
    /// Let a feed, or a version above its thresholds, take effect: as a second person
    Approve(ListsApprove),
    /// All lists, with the version in force
    List(Page),
    /// One list with its versions; or, as <list>@<version>, what a version holds
    Show {
        /// Such as national, or national@2026-11-03
        list: String,
    },
    /// What a version added and removed
    Diff(ListsDiff),
    /// Make a zone or a ruleset of a version, with the version as its claim
    Compile(ListsCompile),
}

#[derive(Debug, Args)]
pub(crate) struct ListsFeed {
    /// The list, as claims name it: list:<this>@<version>
    pub(crate) list: String,
    /// The request that covers it (its covers_lists)
    #[arg(long, value_name = "ID")]
    pub(crate) request: String,
    /// How often it is published: 15m, 1h, 1d
    #[arg(long, value_name = "SPAN")]
    pub(crate) every: String,
    /// How long it takes until the nodes have it. Both together are the grace after a new version
    #[arg(long, value_name = "SPAN")]
    pub(crate) fetch: String,
    /// A version that adds and removes together more entries waits for a second person
    #[arg(long, value_name = "N")]
    pub(crate) max_changes: u64,
    /// And so does one that changes a larger share of the version before: 5%, 0.5%
    #[arg(long, value_name = "PERCENT")]
    pub(crate) max_share: String,
    /// Say whether it would be taken, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListsImport {
    /// Such as national@2026-11-03
    #[arg(value_name = "LIST@VERSION")]
    pub(crate) list: String,
    /// One entry on a line; see below
    pub(crate) file: PathBuf,
    /// Form of the file
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ListForm,
    #[command(flatten)]
    pub(crate) sent: Sent,
    /// From when it is in force [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) effective_at: Option<String>,
    /// Read, compare and report, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ListForm {
    /// One entry on a line
    #[default]
    Lines,
    /// A response policy zone
    Rpz,
}

#[derive(Debug, Args)]
pub(crate) struct ListsApprove {
    /// A list, for its feed; or <list>@<version>
    #[arg(value_name = "LIST[@VERSION]")]
    pub(crate) list: String,
    #[command(flatten)]
    pub(crate) approval: GiveApproval,
}

#[derive(Debug, Args)]
pub(crate) struct ListsDiff {
    /// Such as national@2026-11-03
    #[arg(value_name = "LIST@VERSION")]
    pub(crate) new: String,
    /// Against this one [default: the version before]
    #[arg(value_name = "LIST@VERSION")]
    pub(crate) old: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListsCompile {
    /// Such as national@2026-11-03 [default: the version in force]
    #[arg(value_name = "LIST[@VERSION]")]
    pub(crate) list: String,
    /// For which filter engine
    #[arg(long, value_enum)]
    pub(crate) format: CompileFormat,
    /// Where to write it; must not exist. Without it, on stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// With nft: the NFLOG group that the agent reads
    #[arg(long, default_value_t = 42)]
    pub(crate) group: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompileFormat {
    /// A response policy zone
    Rpz,
    /// A table of nftables
    Nft,
    /// Local zones of Unbound
    UnboundLocal,
}

const LIST_FILE: &str = "One entry on a line; what follows a # is a comment:
  example.org                    exactly this name
  *.example.net                  what is below it
  domain_subtree:example.com     it and what is below it
  198.51.100.10 court/2026-001   under a request of its own, which covers the list too
  192.0.2.0/24
  !www.example.com               must stay open

With --format rpz, a zone: its names and addresses, and rpz-passthru as what must stay open. Records that
name a server or a client are refused.

A file that ends inside a line is refused, unless --sha256 states its digest: it may be cut off. A cut between
two lines is seen by --rows and --sha256 alone: state what whoever made the file says of it.
Lines that are refused are named with their remedy; the others are entered, and the exit code is 3. It is
3, too, if the version waits for a second person: then it is no basis for anything yet.";
