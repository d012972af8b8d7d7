//! `remit requests …`: its arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Sent;
use crate::commands::{Document, Erase, RequestsApprove};

#[derive(Debug, Subcommand)]
pub(crate) enum Requests {
    /// Enter the requests of a file: TOML, JSON, CSV, an RPZ zone, or the register of Roskomnadzor
    #[command(after_help = REQUESTS_FILE)]
    Import(Import),
    /// All requests
    List(ListRequests),
    /// One request: its versions, what became of it, the rules that stand for it, its findings
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
    /// State that the operator looks at it
    Review(Step),
    /// State that the operator accepts it, all of it or in part
    Accept(Decide),
    /// State that the operator asks the authority about it
    Clarify(Decide),
    /// State that the operator objects to it
    Challenge(Decide),
    /// State that the operator refuses it
    Refuse(Decide),
    /// State that the authority confirmed a provisional request
    Confirm {
        #[command(flatten)]
        step: Step,
        /// The text says that it covers the time since the call, though it came after confirm_by
        #[arg(long)]
        back_covers: bool,
    },
    /// State that there is a stay: not in force until it is resumed
    Suspend(Step),
    /// State that a stay has ended
    Resume(Step),
    /// State that the authority takes it back
    Withdraw(Step),
    /// State that it was revoked, from a date
    Revoke(Step),
    /// State that it was annulled from the start, as if it had never been
    Annul(Step),
    /// State that another request takes its place
    Supersede {
        #[command(flatten)]
        step: Step,
        /// Which one
        #[arg(long, value_name = "ID")]
        by: String,
    },
    /// State that its target is gone
    Moot(Step),
    /// State that nothing more is to come of it
    Close(Step),
    /// Approve as a second person: let a request, its next version, or what was stated of it count
    Approve(RequestsApprove),
    /// Documents of a request, and signatures of authorities under them
    #[command(subcommand)]
    Document(Document),
    /// Erase what was committed of it: a name, free text; that it was there stays provable
    Erase(Erase),
    /// State that a court case has ended: requests that depend on it lapse, and are named
    ProceedingEnded(Proceeding),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Step {
    /// Which request
    pub(crate) id: String,
    /// When it takes effect [default: now]: RFC 3339, a date (00:00 UTC), or 30m, 24h, 7d ago
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
    /// It has no effect before a second person approves it, of any request that depends on it
    #[arg(long)]
    pub(crate) awaits_approval: bool,
    /// Show what it would change of today's verdicts, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Quick {
    /// Who asks. At a terminal you are asked for what is not given of this and the next four
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
    /// It lapses so long after receipt, such as 90min, 48h or 3d [default: 48h]
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
    /// With --file: it has so many rows, or nothing of it is entered
    #[arg(long, value_name = "N", requires = "file")]
    pub(crate) rows: Option<u64>,
    /// With --file: this is its digest, or nothing of it is entered; a file that is proven whole by it needs no line end
    #[arg(long, value_name = "HEX", requires = "file")]
    pub(crate) sha256: Option<String>,
    /// Its new end: RFC 3339, or a date in the time zone of the request, with --end-date; "never" is open-ended
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// What a date of --until is: last_day (it still holds on that day) or removal_day
    #[arg(long, value_name = "MEANING", value_parser = ["last_day", "removal_day"], requires = "until")]
    pub(crate) end_date: Option<String>,
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
    /// By when it must be carried out: RFC 3339, or a date, which begins in the time zone of the request
    #[arg(long, value_name = "TIME")]
    pub(crate) implement_by: Option<String>,
    /// When it is to be looked at again: the same
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
    #[command(flatten)]
    pub(crate) secrecy: Secrecy,
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
    /// This is the mapping's digest, or nothing is entered
    #[arg(long, value_name = "HEX", requires = "mapping")]
    pub(crate) mapping_sha256: Option<String>,
    #[command(flatten)]
    pub(crate) sent: Sent,
    /// Read and report, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) secrecy: Secrecy,
    /// They count only once a second person has approved them; what the collector wants so waits anyway
    #[arg(long)]
    pub(crate) awaits_approval: bool,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Secrecy {
    /// That what is entered exists is itself restricted or secret: an export may leave it out. public: no more
    #[arg(long, value_name = "TIER")]
    pub(crate) existence: Option<String>,
    /// From then on it is public that it exists
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
    /// Form of the file [default: toml, or what --output says]
    #[arg(long, value_enum)]
    pub(crate) format: Option<RequestsText>,
    /// Where to write it; must not exist. Without it, on stdout
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequestsText {
    /// For people
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
    /// Only requests in force at this time: RFC 3339, a date (00:00 UTC), or 30m, 24h, 7d ago
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
  outcome_only = true              # the operator chooses how; or techniques = [ ... ]

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
  except_nodes cells network_types asns audiences except_audiences until until_event windows recurrence max_duration
  confirm_by implement_by remove_within remove_by review_due redress report_effect_to status
  basis_proof decision validity impact relations documents lists closed time_assumption
  recurrence = { days = ["sat"], from = "15:00", until = "17:30" }   # needs until, and time_zone
  relations = ["depends_on_proceeding:VG 12 K 345/26"]
  competence = { result = "competent", verified_by = "person-7" }    # a person's id, never a name
  validity = { redress = { state = "absent", by = "person-7", at = 2026-02-01 }, language = "present" }
  closed = [{ part = "targets", tier = "secret", until = 2027-01-01, ground = "TKG section 5" }]
                                   # targets scope measure reasons reference authority officer parties
                                   # documents; tier: restricted or secret

A file that ends inside a line is refused, of a CSV file its last row: it may be cut off. JSON and rkn-xml show
by themselves whether they are whole, and a file is whole whose digest --sha256 states. A cut between two lines
is seen by --rows and --sha256 alone: state what whoever made the file says of it.
Rows that are refused are named with line, field and remedy; the others are entered, and the exit code
is 3. The same list may be imported again: what is unchanged is not entered again, what differs becomes
the next version of its request; a request that the file no longer has is named and not changed."#;

pub(super) const WHO: &str = "\
Officers and assessors read: list, show, files, export, document check. All else is the operator's: a statement that
is signed and added to the register; erase alone takes something away. What is stated of a request is what happened
to it: no command here asks anything of an authority, or changes a rule in the network. --dry-run shows what a
statement would change of verdicts, and enters nothing.";
