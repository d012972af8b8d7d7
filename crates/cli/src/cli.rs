//! The arguments. Flag before environment (`REMIT_…`) before `config.toml`.

mod lists;
mod reconcile;
mod requests;

use std::path::PathBuf;

pub(crate) use self::{
    lists::{
        CompileFormat, ListForm, Lists, ListsApprove, ListsCompile, ListsDiff, ListsFeed,
        ListsImport,
    },
    reconcile::{Reconcile, ReconcileForm, TrustArgs},
    requests::{
        Amend, Decide, ExportRequests, Import, ListRequests, Proceeding, Quick, RequestFiles,
        Requests, RequestsForm, RequestsText, Secrecy, Step,
    },
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use remit_proto::v1::DecisionAct;

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
    #[command(subcommand, after_help = requests::WHO)]
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
    /// What was found: one for each rule, request or node, and cause; and what people say of it
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
pub(crate) enum Adopt {
    /// Write a plan: what claims nothing that the register knows, in groups, with proposals
    Plan(AdoptPlan),
    /// Attribute what the edited plan says, as one signed statement
    Apply(AdoptApply),
    /// Give rules that stood before their nodes were enrolled until a time to be explained
    Baseline(AdoptBaseline),
    /// State that a basis map may stand at nodes
    BasisMap(AdoptBasisMap),
    /// State for how long a request may come into the register later than its block
    LateRegister(AdoptLateRegister),
    /// What was stated: times to wait for late registers, baselines, basis maps
    Show(Page),
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
pub(crate) struct AdoptLateRegister {
    /// So long after a block a reference that the register does not hold is UNDETERMINED(late_register), and UNKNOWN_BASIS
    /// from then on; at most 604800, 0: nothing is waited for
    #[arg(value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=604_800))]
    pub(crate) grace_s: u32,
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
  remit --dir probe-1 --collector https://collector.example.net:8443 --ca ca.pem enrol --token TOKEN
  remit --dir probe-1 probe import measurements.jsonl

Of each web_connectivity measurement are kept: when, reached or blocked (and how it looks), the network
(AS number and country), the URL without its query, and the SHA-256 of the line as published. The same
command again records nothing twice. Lines that are refused are named; the exit code is then 3.";

#[derive(Debug, Subcommand)]
pub(crate) enum FindingsCommand {
    /// What is not covered, what a request demands and is not done, what is wrong with requests and nodes
    List(Box<ListFindings>),
    /// One finding, with what people said of it
    Show {
        /// As `remit findings list` shows it
        id: String,
    },
    /// Say that it is seen and looked into (operator, officer)
    #[command(after_help = reasons(DecisionAct::Acknowledge))]
    Acknowledge(FindingAct),
    /// Say why it is so (operator)
    #[command(after_help = reasons(DecisionAct::Explain))]
    Explain(FindingAct),
    /// Say what was done about it (operator)
    #[command(after_help = reasons(DecisionAct::Remedy))]
    Remedy(FindingAct),
    /// Say that what was said of it is not accepted (officer, assessor)
    #[command(after_help = reasons(DecisionAct::Dispute))]
    Dispute(FindingAct),
    /// Say that what was said of it counts no more (assessor)
    #[command(after_help = reasons(DecisionAct::Reopen))]
    Reopen(FindingAct),
}

/// The words that go with an act.
fn reasons(act: DecisionAct) -> String {
    let words = register::cases::reasons(act).iter().map(|reason| register::words::reason(*reason));
    format!("Words for --reason: {}.", words.collect::<Vec<_>>().join(", "))
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
    /// Why, in a word that can be counted; the words are below
    #[arg(long, value_name = "WORD")]
    pub(crate) reason: String,
    /// Why, in a sentence: at most 2,000 bytes. Name nobody: the entry only commits to it, but no command erases it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most so many rows; without it, all
    #[arg(long)]
    pub(crate) limit: Option<usize>,
}

/// What whoever made a file says of it, beside it.
#[derive(Debug, Default, Args)]
pub(crate) struct Sent {
    /// The file has so many rows, or nothing of it is entered
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,
    /// This is the file's digest, or nothing of it is entered
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
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
    /// such as "out of time". Of what fails in several ways each of its codes is found
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
  region = "DE-BE"                 # may be left out, as may groups, asn, audiences, cells
  network_type = "fixed"           # fixed mobile wholesale enterprise roaming
  cells = ["mitte"]                # radio cells, or areas of them, that it serves
  lines_served = 1000
  [[node.point]]
  id = "filter"
  technology = "nftables"          # the agent's source, or the maker's name
  observation = "observed"         # observed relayed unobserved"#;
