//! What a person adds to a file whose form brings its own columns: RPZ zones and the forms of
//! Roskomnadzor.
//!
//! ```toml
//! time_zone = "Europe/Berlin"        # of constants without an offset; the forms of Roskomnadzor: their own
//! end_date = "removal_day"           # of an "until" that is a date
//!
//! [constants]                        # keys of a requests file that no column holds
//! instrument = "administrative_order"
//!
//! [instruments]                      # who decided (decision@org) → kind of act
//! "Мосгорсуд" = "court_order_interim"
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ImportError,
    row::{Defaults, Purpose, Row},
    times::{self, EndDate},
    toml::{setting_error, syntax_error},
    whole::added_ended,
};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    time_zone: Option<String>,
    end_date: Option<EndDate>,
    constants: ::toml::Table,
    instruments: BTreeMap<String, String>,
}

impl Settings {
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let settings: Self = ::toml::from_str(text).map_err(|e| syntax_error(text, &e))?;
        added_ended(text)?;
        if let Some(name) = &settings.time_zone {
            times::zone(name).map_err(setting_error)?;
        }
        // What is wrong in the constants is wrong in every row: say it once, before any.
        Row::read(settings.constants.clone()).map_err(|e| {
            let field = format!("constants.{}", e.field);
            ImportError::Setting { field, problem: e.problem, remedy: e.remedy }
        })?;
        Ok(settings)
    }

    /// As [`csv_for`](super::csv_for) reads constants: a list is compared by the numbers that its entries have.
    #[must_use]
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        match purpose {
            Purpose::Compare => drop(self.constants.remove("external_ref")),
            Purpose::Enter => {}
        }
        self
    }

    pub(super) fn defaults(&self, form_zone: Option<&str>) -> Defaults {
        Defaults {
            time_zone: self.time_zone.clone().or_else(|| form_zone.map(str::to_owned)),
            end_date: self.end_date,
            date_format: None,
            assumptions: Vec::new(),
            commits_text: false,
            purpose: Purpose::Enter,
        }
    }

    /// The constants over what the form itself says.
    pub(super) fn over(&self, form: ::toml::Table) -> ::toml::Table {
        let mut table = form;
        for (key, value) in &self.constants {
            table.insert(key.clone(), value.clone());
        }
        table
    }

    pub(super) fn constant(&self, key: &str) -> Option<&str> {
        self.constants.get(key).and_then(|value| value.as_str())
    }

    /// The kind of act by which a body decides, if the settings name that body.
    pub(super) fn instrument_of(&self, body: &str) -> Option<&str> {
        self.instruments.get(body).map(String::as_str)
    }
}
