//! `[sources.person]`: who may record deeds, by login.

use std::{collections::BTreeSet, sync::Arc};

use evidence::PersonId;
use remit_proto::v1::SourceKind;
use serde::{Deserialize, Serialize};

use super::{Login, Person, SOCKET};
use crate::{config::Check, sources::Technology};

pub const TECHNOLOGY: Technology = Technology {
    kind: SourceKind::Person,
    read: |section, check| Some(Arc::new(read(check.section(section), check)?)),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    socket: Option<String>,
    #[serde(default)]
    persons: toml::Table,
}

fn read(section: Section, check: &mut Check<'_>) -> Option<Person> {
    let Section { socket, persons } = section;
    let socket = check.absolute(Some(socket.unwrap_or_else(|| SOCKET.to_owned())), "socket", "");
    let mut known = Vec::new();
    let mut logins = BTreeSet::new();
    for (id, login) in persons {
        let key = format!("persons.{id}");
        let person = check.given(
            id.parse::<PersonId>().ok(),
            &key,
            "must be the person's opaque id, as enrolled: 1 to 63 of a-z, 0-9 and '-'",
        );
        let login = match login {
            toml::Value::String(name) if !name.is_empty() && name != "root" => {
                Some(Login::Name(name))
            }
            toml::Value::Integer(uid) => {
                u32::try_from(uid).ok().filter(|uid| *uid != 0).map(Login::Uid)
            }
            _ => None,
        };
        let remedy = "must be a login of this machine, by name or number, and not root's: root is nobody \
                      in particular";
        let login = check.given(login, &key, remedy);
        let (Some(person), Some(login)) = (person, login) else { continue };
        if !logins.insert(format!("{login:?}")) {
            check.wrong(&key, "has the login of another person: two persons are two logins");
        }
        known.push((person, login));
    }
    check.that(
        known.len() >= 2,
        "persons",
        "must name at least two, such as { person-1 = \"alice\", person-2 = \"bob\" }: what one \
         records, another confirms",
    );
    Some(Person { socket: socket?.into(), persons: known })
}

pub(super) fn print(settings: &Person) -> toml::Table {
    let Person { socket, persons } = settings;
    let login = |login: &Login| match login {
        Login::Name(name) => toml::Value::String(name.clone()),
        Login::Uid(uid) => toml::Value::Integer((*uid).into()),
    };
    let mut section = Section { socket: Some(socket.display().to_string()), ..Section::default() };
    section.persons.extend(persons.iter().map(|(id, name)| (id.to_string(), login(name))));
    crate::config::table(&section)
}
