//! The arguments of `remit reconcile`, and what an assessor brings to any bundle.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What an assessor brings to a bundle.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The log's key: name+id+base64, or a file that holds it
    #[arg(long, env = "REMIT_LOG_KEY", value_name = "VKEY|FILE")]
    pub(crate) log_key: Option<String>,
    /// The register's key
    #[arg(long, env = "REMIT_REGISTER_KEY", value_name = "VKEY|FILE")]
    pub(crate) register_key: Option<String>,
    /// A checkpoint that you saved earlier; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) old_checkpoint: Vec<PathBuf>,
    /// Key of a witness that you trust; may be repeated
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) witness_key: Vec<String>,
    /// Certificates under which signatures of authorities are checked, PEM or DER; may be repeated
    #[arg(long = "anchor", env = "REMIT_ANCHORS", value_name = "FILE", value_delimiter = ',')]
    pub(crate) anchors: Vec<PathBuf>,
    /// How many of the witnesses must have cosigned [default: all], or "none" to demand none
    #[arg(long, value_name = "N|none")]
    pub(crate) quorum: Option<String>,
    /// The bundle's files together may not be larger, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = verify::BUNDLE_SIZE_MAX)]
    pub(crate) max_size: u64,
}

impl TrustArgs {
    /// The first of them that somebody typed; what the environment says is not.
    pub(crate) fn typed(&self) -> Option<&'static str> {
        let Self { log_key, register_key, old_checkpoint, witness_key, anchors, quorum, max_size } =
            self;
        let anchors: Vec<_> = anchors.iter().map(|path| path.to_string_lossy()).collect();
        let anchors = (!anchors.is_empty()).then(|| anchors.join(","));
        let is_typed = |given: &Option<String>, name: &str| {
            given.is_some() && std::env::var(name).ok() != *given
        };
        [
            ("--log-key", is_typed(log_key, "REMIT_LOG_KEY")),
            ("--register-key", is_typed(register_key, "REMIT_REGISTER_KEY")),
            ("--old-checkpoint", !old_checkpoint.is_empty()),
            ("--witness-key", !witness_key.is_empty()),
            ("--anchor", is_typed(&anchors, "REMIT_ANCHORS")),
            ("--quorum", quorum.is_some()),
            ("--max-size", *max_size != verify::BUNDLE_SIZE_MAX),
        ]
        .into_iter()
        .find_map(|(flag, is_given)| is_given.then_some(flag))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Whose requests: the authority's id or name, or the relay's (shared_by), as the register has it
    #[arg(long, value_name = "ID")]
    pub(crate) authority: String,
    /// Compare although the register holds no request of this authority: then everything on its list is missing there
    #[arg(long)]
    pub(crate) nothing_held: bool,
    /// The authority's own list
    #[arg(long, value_name = "FILE")]
    pub(crate) list: PathBuf,
    /// Form of the list [default: what its name ends in, if that is toml, json or csv]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReconcileForm>,
    /// As `remit requests import --mapping`
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// This is the list's digest, or it is not compared; a list that is proven whole by it needs no line end
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// Of which time the list speaks [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Differences in time up to this are TIMING: 90s, 30m, 24h, 7d
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    pub(crate) timing: String,
    /// Unexplained differences are material above this: a share of all entries (of totals: of the authority's number), or
    /// a number
    #[arg(long, value_name = "PERCENT|N", default_value = "0")]
    pub(crate) materiality: String,
    /// What the sides say about differences; see below
    #[arg(long, value_name = "FILE")]
    pub(crate) explanations: Option<PathBuf>,
    /// An earlier statement (JSON), whose explanations are carried on
    #[arg(long, value_name = "FILE")]
    pub(crate) previous: Option<PathBuf>,
    /// Without a connection: the register of this bundle, checked as `remit verify` does; from --log-key to --max-size
    /// what follows is for it alone
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Also write the statement as JSON; must not exist, here and below
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write its rows as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Also write it as one HTML file, to read, print or send
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReconcileForm {
    /// A requests file
    Toml,
    /// The same keys
    Json,
    /// A table with a header, by --mapping
    Csv,
    /// A response policy zone
    Rpz,
    /// zapret-info's dump.csv
    RknCsv,
    /// The XML that operators fetch
    RknXml,
    /// One entry on a line, as `remit lists import`
    Lines,
    /// Only numbers: {"requests": 94, "targets": 3725}
    Totals,
}

pub(super) const HELP: &str = r#"Each entry is MATCHED, DIFFERS(field), ONLY_AUTHORITY, ONLY_OPERATOR, TIMING or COUNT_ONLY, and each
difference explained or unexplained by side. A file of explanations, of which one may fit many rows:
  [[explanation]]
  difference = "3f0c2a1b9d8e7f60"  # as the statement shows it; or class, target, reference
  side = "operator"                # who explains: operator or authority
  text = "the letter came after the list was made"
  by = "person-1"                  # a person's id, never a name; may be left out, as may at
  at = "2026-11-03"

The exit code is 3 if rows of the list were refused or parts of the register are not known: they are not
compared, and of what only the register has it is not said that the list does not name it. A list of which no
row can be read is compared with nothing (2). Differences change no exit code."#;
