//! The arguments. Flag before environment (`REMIT_…`) before `config.toml`.

mod reconcile;

use std::path::PathBuf;

pub(crate) use self::reconcile::{Reconcile, ReconcileForm, TrustArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{Document, Erase, GiveApproval, RequestsApprove};

/// What is blocked on an operator's network, by whose authority, and whether that covers it.
#[derive(Debug, Parser)]
#[command(name = "remit", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, proven; 1 contradicted; 2 could not check (usage, \
    input or output, malformed); 3 incomplete (part or quorum missing, or rows of an import refused); \
    4 not authorised. If several \
    apply: the first of 1, 2, 4, 3. Verdicts and findings change none.";

/// Else they would stand between a command's own options.
const EVERYWHERE: &str = "Options of every command";

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Form of the answer on stdout: table, json, jsonl or csv
    #[arg(
        long,
        global = true,
        env = "REMIT_OUTPUT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) output: Format,
    /// Directory with your keys and config.toml [default: ~/.config/remit]
    #[arg(
        long,
        global = true,
        env = "REMIT_DIR",
        value_name = "DIR",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) dir: Option<PathBuf>,
    /// Address of the collector, such as https://collector.example.net:8443
    #[arg(
        long,
        global = true,
        env = "REMIT_COLLECTOR",
        value_name = "URL",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) collector: Option<String>,
    /// Certificate of the collector's authority
    #[arg(
        long,
        global = true,
        env = "REMIT_CA",
        value_name = "FILE",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// One object: the rows, and the answer's completeness
    Json,
    /// One object per row and line
    Jsonl,
    /// Safe to open in a spreadsheet
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make your keys here and have them enrolled with a one-time token
    Enrol(Enrol),
    /// Fetch your next certificate; other commands do so by themselves when it is time
    Renew(Renew),
    /// The register of authorised requests
    #[command(subcommand)]
    Requests(Requests),
    /// Lists that a request covers: their feeds, their versions, and files made from them
    #[command(subcommand)]
    Lists(Lists),
    /// Say of rules that stood already what they rest on: in bulk, later, and signed
    #[command(subcommand)]
    Adopt(Adopt),
    /// Enforcement points: the inventory of what could block
    #[command(subcommand)]
    Points(Points),
    /// Nodes that report
    #[command(subcommand)]
    Nodes(NodesCommand),
    /// Blocking rules, installed now
    #[command(subcommand)]
    Rules(RulesCommand),
    /// What rules did, each with its verdict
    #[command(subcommand)]
    Events(EventsCommand),
    /// One name, address, prefix or URL: where blocked, since when, under what
    Target(TargetArgs),
    /// What was seen from outside
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// One per rule, or request, and cause
    #[command(subcommand)]
    Findings(FindingsCommand),
    /// One page: what is installed by cause, on whose authority, and what nobody saw
    Summary(SummaryArgs),
    /// An authority's own list against the register, entry by entry, as a statement
    #[command(after_help = reconcile::HELP)]
    Reconcile(Reconcile),
    /// Save the newest checkpoint, to hold the operator to it later
    Checkpoint(Checkpoint),
    /// Take the evidence home as one file
    Export(Export),
    /// Check a bundle offline, without trusting the collector
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Enrol {
    /// One-time token from the operator
    #[arg(long, env = "REMIT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: String,
}

#[derive(Debug, Args)]
pub(crate) struct Renew {
    /// Once your certificate is over: a token that the operator makes with
    /// `remit-collector enrol person ID --role ROLE --renew`
    #[arg(long, env = "REMIT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Requests {
    /// Enter the requests of a file: TOML, JSON, CSV, an RPZ zone, or the register of Roskomnadzor
    #[command(after_help = REQUESTS_FILE)]
    Import(Import),
    /// All requests
    List(ListRequests),
    /// One request: its versions, its rules, what is not done
    Show {
        /// As `remit requests list` shows it
        id: String,
    },
    /// Write requests out as a file that enters them: to be changed, and read by import or amend --file
    Export(ExportRequests),
    /// Files that were read into the register, of lists too, and which of their rows were refused
    Files(RequestFiles),
    /// Enter a provisional request from a call: few questions, under a minute; it lapses unless confirmed
    Quick(Quick),
    /// Enter the next version of a request
    Amend(Box<Amend>),
    /// It is being looked at
    Review(Step),
    /// The operator accepts it, all of it or in part
    Accept(Decide),
    /// The operator asks the authority
    Clarify(Decide),
    /// The operator objects
    Challenge(Decide),
    /// The operator refuses it
    Refuse(Decide),
    /// A provisional request was confirmed
    Confirm {
        #[command(flatten)]
        step: Step,
        /// The text says that it covers the time since the call, though it came after confirm_by
        #[arg(long)]
        back_covers: bool,
    },
    /// A stay: not in force until it is resumed
    Suspend(Step),
    /// A stay has ended
    Resume(Step),
    /// The authority takes it back
    Withdraw(Step),
    /// It was revoked, from a date
    Revoke(Step),
    /// It was annulled from the start, as if it had never been
    Annul(Step),
    /// Another request takes its place
    Supersede {
        #[command(flatten)]
        step: Step,
        /// Which one
        #[arg(long, value_name = "ID")]
        by: String,
    },
    /// Its target is gone
    Moot(Step),
    /// Nothing more is to come of it
    Close(Step),
    /// A second person lets a request, its next version, or what was stated of it count
    Approve(RequestsApprove),
    /// Documents of a request, and signatures of authorities under them
    #[command(subcommand)]
    Document(Document),
    /// Erase what was committed of it: a name, free text; that it was there stays provable
    Erase(Erase),
    /// A court case has ended: requests that depend on it lapse
    ProceedingEnded(Proceeding),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Step {
    /// Which request
    pub(crate) id: String,
    /// When it takes effect [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) effective_at: Option<String>,
    /// Why, in a few words, without names of persons
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// It has no effect until a second person has approved it; what the collector wants so waits anyway
    #[arg(long)]
    pub(crate) awaits_approval: bool,
    /// Show what it would change of today's verdicts, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Decide {
    #[command(flatten)]
    pub(crate) step: Step,
    /// Why, as ETSI TS 104 144 has it, such as manifest_errors; a plain acceptance needs none
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// In words
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// To whom it was taken
    #[arg(long, value_name = "TEXT")]
    pub(crate) escalation: Option<String>,
    /// With accept: not this target of it, such as url:https://example.org/page
    #[arg(long = "not", value_name = "KIND:VALUE")]
    pub(crate) not_accepted: Vec<String>,
    /// With accept: only in these territories
    #[arg(long, value_delimiter = ',', value_name = "CODE")]
    pub(crate) only_in: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Proceeding {
    /// As requests name it: depends_on_proceeding
    pub(crate) id: String,
    /// When it ended [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) ended_at: Option<String>,
    /// How it ended, in words
    #[arg(long, value_name = "TEXT")]
    pub(crate) outcome: Option<String>,
    /// Show what it would change of today's verdicts, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Quick {
    /// Who asks; without this flag, and those below, you are asked
    #[arg(long, value_name = "NAME")]
    pub(crate) authority: Option<String>,
    /// How it came: telephone, oral, email, letter, ...
    #[arg(long)]
    pub(crate) form: Option<String>,
    /// When: 10m (ago), or 2026-01-31T02:10:00+01:00
    #[arg(long, value_name = "TIME")]
    pub(crate) received: Option<String>,
    /// Where it holds, such as DE or DE-BE; * is everywhere
    #[arg(long = "in", value_name = "CODES")]
    pub(crate) territories: Option<String>,
    /// What is to be blocked; may be repeated, or one per line on standard input
    #[arg(long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Its id [default: quick/<date>-<time>]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// What kind of act it is [default: informal_government_request]
    #[arg(long)]
    pub(crate) instrument: Option<String>,
    /// It lapses so long after receipt [default: 48h]
    #[arg(long, value_name = "DURATION")]
    pub(crate) confirm_within: Option<String>,
    /// How it may be blocked [default: the plain means for each target]
    #[arg(long = "technique", value_delimiter = ',')]
    pub(crate) techniques: Vec<String>,
    /// The authority's own number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) external_ref: Option<String>,
    /// Show what it would change of today's verdicts, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Amend {
    /// Which request
    pub(crate) id: String,
    /// A requests file that holds it as it is to be, such as `remit requests export` writes; instead of what follows
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "until", "add_target", "remove_target", "territories", "techniques", "implement_by", "review_due",
            "number", "reasons", "language", "redress", "report_to", "report_sent", "received", "authority",
            "legal_basis", "competence", "validity",
        ]
    )]
    pub(crate) file: Option<PathBuf>,
    /// Its new end; "never" is open-ended
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Also block this; may be repeated
    #[arg(long, value_name = "TARGET")]
    pub(crate) add_target: Vec<String>,
    /// No longer block this; may be repeated
    #[arg(long, value_name = "TARGET")]
    pub(crate) remove_target: Vec<String>,
    /// Where it holds from now on
    #[arg(long = "in", value_delimiter = ',', value_name = "CODES")]
    pub(crate) territories: Vec<String>,
    /// How it may be blocked from now on
    #[arg(long = "technique", value_delimiter = ',')]
    pub(crate) techniques: Vec<String>,
    /// By when it must be carried out
    #[arg(long, value_name = "TIME")]
    pub(crate) implement_by: Option<String>,
    /// When it is to be looked at again
    #[arg(long, value_name = "TIME")]
    pub(crate) review_due: Option<String>,
    /// The authority's own number of it
    #[arg(long, value_name = "TEXT")]
    pub(crate) number: Option<String>,
    /// Why it was made, as the authority states it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reasons: Option<String>,
    /// In which it is written, such as "de"
    #[arg(long, value_name = "CODE")]
    pub(crate) language: Option<String>,
    /// A way to have it looked at again; may be repeated, and replaces those before
    #[arg(long, value_name = "TEXT")]
    pub(crate) redress: Vec<String>,
    /// Which authority is to be told what was done
    #[arg(long, value_name = "TEXT")]
    pub(crate) report_to: Option<String>,
    /// When it was told
    #[arg(long, value_name = "TIME")]
    pub(crate) report_sent: Option<String>,
    /// Who issued it, as id=..., name=..., branch=..., level=..., country=...; the others stay. May be repeated
    #[arg(long, value_name = "KEY=TEXT")]
    pub(crate) authority: Vec<String>,
    /// The law that it rests on; may be repeated, and replaces those before
    #[arg(long, value_name = "TEXT")]
    pub(crate) legal_basis: Vec<String>,
    /// Whether the issuer may ask for this: competent, not_competent or unclear; by whose look: ...,by=<person id>
    #[arg(long, value_name = "RESULT")]
    pub(crate) competence: Option<String>,
    /// What was found of an element of DSA Art. 9(2), such as redress=absent or redress=present,by=<person id>; may be
    /// repeated
    #[arg(long, value_name = "ELEMENT=STATE")]
    pub(crate) validity: Vec<String>,
    /// When the amendment was received; the old text is judged until then [default: --effective-at]
    #[arg(long, value_name = "TIME")]
    pub(crate) received: Option<String>,
    /// When it takes effect [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) effective_at: Option<String>,
    /// Why, in a few words, without names of persons
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Show what it would change of today's verdicts, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// See below
    pub(crate) file: PathBuf,
    /// Form of the file [default: what its name ends in, if that is toml, json or csv]
    #[arg(long, value_enum)]
    pub(crate) format: Option<RequestsForm>,
    /// What the columns of a CSV file mean; with rpz and rkn-…, what the form itself does not say
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// Read and report, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// That these requests exist is itself restricted or secret: an export may leave all of them out
    #[arg(long, value_name = "TIER")]
    pub(crate) existence: Option<String>,
    /// They count only once a second person has approved them; what the collector wants so waits anyway
    #[arg(long)]
    pub(crate) awaits_approval: bool,
    /// From then on it is public that they exist
    #[arg(long, value_name = "TIME", requires = "existence")]
    pub(crate) existence_until: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequestsForm {
    /// A requests file
    Toml,
    /// The same keys, for programs
    Json,
    /// A table with a header, by --mapping
    Csv,
    /// A response policy zone as one request
    Rpz,
    /// zapret-info's dump.csv
    RknCsv,
    /// The XML that operators fetch
    RknXml,
}

#[derive(Debug, Args)]
pub(crate) struct ExportRequests {
    /// Which requests, each in its newest version
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Form of the file
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: RequestsText,
    /// Where to write it; must not exist. Without it, on stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum RequestsText {
    /// For people
    #[default]
    Toml,
    /// The same keys, for programs
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct RequestFiles {
    /// Only the file that this statement entered
    #[arg(long, value_name = "NUMBER")]
    pub(crate) statement: Option<u64>,
    /// At most so many rows
    #[arg(long)]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct ListRequests {
    /// Only requests in force at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) in_force_at: Option<String>,
    /// Only requests that name or cover this target
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Only of this authority
    #[arg(long)]
    pub(crate) authority: Option<String>,
    /// At most so many rows
    #[arg(long)]
    pub(crate) limit: Option<usize>,
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum Adopt {
    /// Write a plan: what claims nothing that the register knows, in groups, with proposals
    Plan(AdoptPlan),
    /// Attribute what the edited plan says, as one signed statement
    Apply(AdoptApply),
    /// Give rules that stood before their nodes were enrolled until a time to be explained
    Baseline(AdoptBaseline),
    /// State that a basis map may stand at nodes
    BasisMap(AdoptBasisMap),
}

#[derive(Debug, Args)]
pub(crate) struct AdoptPlan {
    /// The plan, a TOML file to edit; must not exist
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Only rules of these nodes
    #[arg(long, value_delimiter = ',')]
    pub(crate) nodes: Vec<String>,
    /// Also what was attributed already, to correct it or take it back
    #[arg(long)]
    pub(crate) again: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptApply {
    /// The plan that `remit adopt plan` wrote and a person edited
    pub(crate) file: PathBuf,
    /// Show what each group would change, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptBaseline {
    /// Which nodes, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) nodes: Vec<String>,
    /// Before this time their old rules are BASELINE_UNATTRIBUTED, from then on NO_BASIS
    #[arg(long, value_name = "TIME")]
    pub(crate) until: String,
    /// Show what it would change, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptBasisMap {
    /// The file, as it stands on the nodes
    pub(crate) file: PathBuf,
    /// Which nodes, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) nodes: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Points {
    /// Declare nodes and their enforcement points from a TOML file
    #[command(after_help = INVENTORY)]
    Declare {
        /// Sections [[node]], each with its [[node.point]]; see below
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// All declared points, observed or not
    List(Page),
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// All nodes: who reports, how recently, and what was lost
    List(Page),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Blocking rules that are installed now, since when in this form, and what they did since
    List(Filtered),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Hits, newest first, each with its verdict now and then
    List(Filtered),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProbeCommand {
    /// Take over OONI measurements, as a node of its own
    #[command(after_help = PROBES)]
    Import {
        /// Measurements as OONI publishes them, one JSON object per line
        file: PathBuf,
    },
}

const PROBES: &str = "An import of probes is a node of its own, with a directory of its own:
  remit-collector enrol node probe-1                      # the operator: prints a token
  remit --dir probe-1 enrol --ca ca.pem --token TOKEN
  remit --dir probe-1 probe import measurements.jsonl

Of each web_connectivity measurement are kept: when, reached or blocked (and how it looks), the network
(AS number and country), the URL without its query, and the SHA-256 of the line as published. The same
command again records nothing twice. Lines that are refused are named; the exit code is then 3.";

#[derive(Debug, Subcommand)]
pub(crate) enum FindingsCommand {
    /// What is not covered, and what a request demands and is not done
    List(Box<ListFindings>),
    /// One finding, with what people said of it
    Show {
        /// As `remit findings list` shows it
        id: String,
    },
    /// Say that it is seen and looked into (operator, officer)
    Acknowledge(FindingAct),
    /// Say why it is so (operator)
    Explain(FindingAct),
    /// Say what was done about it (operator)
    Remedy(FindingAct),
    /// Say that what was said of it is not accepted (officer, assessor)
    Dispute(FindingAct),
    /// Say that what was said of it counts no more (assessor)
    Reopen(FindingAct),
}

#[derive(Debug, Args)]
pub(crate) struct ListFindings {
    #[command(flatten)]
    pub(crate) filtered: Filtered,
    /// Only findings with which people stand so: open, acknowledged, explained, remedied, disputed;
    /// several are separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// Only findings about this: rule (what is blocked, and by what right), duty (what a request demands),
    /// entry (what is wrong with the request itself), integrity (what a node can be believed); several are
    /// separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) kind: Vec<String>,
    /// Only findings of which one grade (scale, scope, irremediability) is at least this: low, medium, high
    #[arg(long, value_name = "GRADE")]
    pub(crate) severity: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FindingAct {
    /// As `remit findings list` shows it
    pub(crate) id: String,
    /// Why, in a word that can be counted; a wrong one is answered with those that fit
    #[arg(long, value_name = "WORD")]
    pub(crate) reason: String,
    /// Why, in a sentence: at most 2,000 bytes, names nobody; it can be erased later
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most so many rows; without it, all
    #[arg(long)]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Filtered {
    /// From this time on: RFC 3339, a date (UTC), or 30m, 24h, 7d ago
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only these nodes, as `remit nodes list` shows them; several are separated by commas, here and
    /// below
    #[arg(long, value_delimiter = ',')]
    pub(crate) node: Vec<String>,
    /// What equals, contains or lies inside this name, address, prefix or URL
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Such as dns_nxdomain or ip_acl_drop
    #[arg(long, value_delimiter = ',')]
    pub(crate) technique: Vec<String>,
    /// Claimed, or the one that the verdict speaks of
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub(crate) request: Vec<String>,
    /// Whose request it is
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub(crate) authority: Vec<String>,
    /// As tables show it: a code such as EXPIRED, UNDETERMINED(boundary) or NOT_ENFORCED, or a word
    /// such as "out of time"
    #[arg(long, value_delimiter = ',', value_name = "CODE")]
    pub(crate) verdict: Vec<String>,
    /// What the collector knew at this time, by its own clock
    #[arg(long, value_name = "TIME")]
    pub(crate) as_known_at: Option<String>,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// Such as example.org, '*.example.org', 192.0.2.1, 192.0.2.0/24 or https://example.org/page
    pub(crate) name: String,
    /// What the collector knew at this time, by its own clock: RFC 3339, a date (UTC), or 30m, 24h, 7d ago
    #[arg(long, value_name = "TIME")]
    pub(crate) as_known_at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SummaryArgs {
    /// Also write it as one HTML file, to read, print or send; must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// Where to save it; without it, on stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The bundle, a tar archive; must not exist
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Only these nodes
    #[arg(long, value_delimiter = ',')]
    pub(crate) node: Vec<String>,
    /// Leave targets and native texts closed
    #[arg(long)]
    pub(crate) withhold_openings: bool,
    /// Take closed parts of requests along up to this tier: restricted or secret; without it, none
    #[arg(long, value_name = "TIER")]
    pub(crate) clearance: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file that `remit export` wrote
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

const INVENTORY: &str = r#"The file, with what each key may be:
  [[node]]
  node = "edge-1"                  # as the agent is enrolled
  role = "router"                  # resolver router proxy dpi cpe mobile_core mail
  country = "DE"
  region = "DE-BE"                 # may be left out, as may groups, asn and audiences
  network_type = "fixed"           # fixed mobile wholesale enterprise roaming
  lines_served = 1000
  [[node.point]]
  id = "filter"
  technology = "nftables"          # the agent's source, or the maker's name
  observation = "observed"         # observed relayed unobserved"#;

const LIST_FILE: &str = "One entry on a line; what follows a # is a comment:
  example.org                    exactly this name
  *.example.net                  what is below it
  domain_subtree:example.com     it and what is below it
  198.51.100.10 court/2026-001   under a request of its own, which covers the list too
  192.0.2.0/24
  !www.example.com               must stay open

With --format rpz, a zone: its names and addresses, and rpz-passthru as what must stay open. Records that
name a server or a client are refused.

Lines that are refused are named with their remedy; the others are entered, and the exit code is 3. It is
3, too, if the version waits for a second person: then it is no basis for anything yet.";

const REQUESTS_FILE: &str = r#"A .toml file holds requests:
  time_zone = "Europe/Berlin"      # of times without one
  end_date = "last_day"            # of an "until" that is a date: or removal_day
  [[request]]
  id = "court/2026-001"
  instrument = "court_order_final"
  form = "letter"
  authority = { id = "court", name = "Regional Court", branch = "judicial", country = "DE" }
  from = 2026-01-01
  territories = ["DE"]
  techniques = ["ip_acl_drop"]
  targets = ["ip:198.51.100.10"]   # or, or also: covers_lists = ["national"], see `remit lists`

A .csv file needs a --mapping, which says where the same keys come from:
  delimiter = ";"
  encoding = "windows-1251"        # left out: utf-8
  date_format = "%d.%m.%Y"
  time_zone = "Europe/Berlin"
  end_date = "removal_day"
  [columns]                        # key = the column's name
  id = { column = "No", prefix = "agency/", replace = { " " = "-" } }   # what an id may not hold
  from = "Blocked from"
  status = { column = "State", values = { "in force" = "accepted", "pending" = "under_review" } }
  [[targets]]
  column = "Resource"
  separator = "|"                  # between several in one cell
  kind_column = "Kind"             # or kind = "domain_exact" for all
  kinds = { "Domain" = "domain_exact", "Page" = "url", "Address" = "ip" }
  [constants]                      # what no column holds
  instrument = "regulator_order"
  form = "portal_list"
  territories = ["DE"]

A .json file has the same keys: { "time_zone": ..., "end_date": ..., "requests": [ { "id": ... } ] }

With --format rpz (a zone, one request), rkn-csv (zapret-info's dump.csv) and rkn-xml (the register of
Roskomnadzor as operators fetch it), --mapping says what the form does not:
  [constants]                      # rpz: also id, form, from and territories
  instrument = "administrative_order"
  [instruments]                    # rkn-…: by the body that decided; else the constant
  "Мосгорсуд" = "court_order_interim"

Keys that say more, all of them optional:
  court docket ecli decided issued served received acknowledged addressee addressee_role shared_by
  legal_provisions statement_of_reasons category keywords parties competence confidentiality language
  signature_status outcome_only coarsest derived_targets notice throttle_to_bits_per_s exceptions nodes
  except_nodes network_types asns audiences except_audiences until until_event windows recurrence max_duration
  confirm_by implement_by remove_within remove_by review_due redress report_effect_to status
  basis_proof decision validity impact relations documents lists closed time_assumption
  recurrence = { days = ["sat"], from = "15:00", until = "17:30" }   # needs until, and time_zone
  relations = ["depends_on_proceeding:VG 12 K 345/26"]
  competence = { result = "competent", verified_by = "person-7" }    # a person's id, never a name
  validity = { redress = { state = "absent", by = "person-7", at = 2026-02-01 }, language = "present" }
  closed = [{ part = "targets", tier = "secret", until = 2027-01-01, ground = "TKG section 5" }]
                                   # targets scope measure reasons reference authority officer parties
                                   # documents; tier: restricted or secret

Rows that are refused are named with line, field and remedy; the others are entered, and the exit code
is 3. The same list may be imported again: what is unchanged is not entered again, what differs becomes
the next version of its request, and what is no longer in the file is named and left as it is."#;
