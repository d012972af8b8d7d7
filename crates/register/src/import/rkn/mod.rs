//! The register of Roskomnadzor, in the two forms in which it is known: the XML that operators fetch
//! ([`from_rkn_xml`]), and the CSV that others publish from it ([`from_rkn_csv`]).
//!
//! Sources: the XML as the parsers of operators read it (github.com/usher2/u2ckdump, `xml_types.go`:
//! `content` with `decision`, `url`, `domain`, `ip`, `ipv6`, `ipSubnet`, `ipv6Subnet`, format 2.4); the CSV as
//! its readers describe it (docs.rs/zicsv; github.com/zapret-info/z-i). The operator's memo of the
//! authority itself is not public any more.
//!
//! What of an entry is asked for follows from `blockType`: `default` the URLs, or, if there is none, the
//! names, or else the addresses; `https` the same, where the host may be blocked for a page that TLS hides;
//! `domain` the names; `domain-mask` the names with their `*.`; `ip` the addresses and subnets.
//! Addresses beside names say where a name led when the entry was made; they are no targets.
//!
//! The forms do not say what kind of act a decision is. `instrument` is said by a person ([`Settings`]),
//! for all or by the body that decided; there is no default. `includeTime` has no offset, while `updateTime`
//! is written with that of Moscow: times are read in Europe/Moscow, and each request says so.
//!
//! | File | What |
//! |---|---|
//! | `xml` | `content` → row |
//! | `csv` | lines of one decision → row |
//! | `mend` | the damage that these registers are known for |
//! | here | what both say: a row of a requests file |

mod csv;
mod mend;
mod xml;

pub use self::{csv::from_rkn_csv, xml::from_rkn_xml};

use self::mend::{Mended, mended};
use super::{RowError, settings::Settings};

/// Where the authority's clock stands (DOMAIN.md 3f "Time zones").
const ZONE: &str = "Europe/Moscow";

/// Whose decision it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Decision {
    org: String,
    number: String,
    date: String,
}

impl Decision {
    /// The keys that say it, over the constants of the settings.
    fn write(&self, table: &mut ::toml::Table, settings: &Settings) {
        let Self { org, number, date } = self;
        if !number.is_empty() {
            table.insert("external_ref".to_owned(), number.clone().into());
        }
        if !date.is_empty() {
            table.insert("decided".to_owned(), date.clone().into());
        }
        if !org.is_empty() {
            let authority = table.entry("authority").or_insert_with(|| ::toml::Table::new().into());
            if let Some(authority) = authority.as_table_mut() {
                authority.insert("name".to_owned(), org.clone().into());
            }
        }
        if let Some(instrument) = settings.instrument_of(org) {
            table.insert("instrument".to_owned(), instrument.into());
        }
    }
}

/// What these registers say of every entry; the constants of a person go above it.
fn form(settings: &Settings) -> ::toml::Table {
    let mut form = ::toml::Table::new();
    let mut authority = ::toml::Table::new();
    authority.insert("country".to_owned(), "RU".into());
    form.insert("authority".to_owned(), authority.into());
    form.insert("shared_by".to_owned(), "Roskomnadzor".into());
    form.insert("form".to_owned(), "portal_list".into());
    form.insert("territories".to_owned(), vec![::toml::Value::from("RU")].into());
    form.insert("outcome_only".to_owned(), true.into());
    settings.over(form)
}

/// The remedy for what only a person can say.
fn instrument_stated(table: &::toml::Table) -> Result<(), RowError> {
    if table.contains_key("instrument") {
        return Ok(());
    }
    Err(RowError::new(
        "instrument",
        "the form does not say what kind of act the decision is",
        "give --mapping FILE with [constants] instrument = \"administrative_order\", or with \
         [instruments] by the body that decided",
    ))
}

/// One text of the form → targets as a requests file writes them.
fn targets(kind: &str, text: &str, added: &str) -> Vec<::toml::Value> {
    mended(kind, text).into_iter().map(|mended| table(kind, mended, added)).collect()
}

fn table(kind: &str, mended: Mended, added: &str) -> ::toml::Value {
    let Mended { value, raw, repairs } = mended;
    let kind = match kind {
        // Only "*." makes a mask; a name without it is that name.
        "domain_exact" if value.starts_with("*.") => "domain_subtree",
        "cidr" if !value.contains('/') => "ip",
        other => other,
    };
    let mut table = ::toml::Table::new();
    table.insert("kind".to_owned(), kind.into());
    table.insert("value".to_owned(), value.into());
    if !repairs.is_empty() {
        table.insert("raw".to_owned(), raw.into());
        let repairs: Vec<::toml::Value> = repairs.into_iter().map(Into::into).collect();
        table.insert("repaired".to_owned(), repairs.into());
    }
    if !added.is_empty() {
        table.insert("added".to_owned(), added.into());
    }
    table.into()
}
