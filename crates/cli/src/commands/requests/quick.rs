//! One provisional request in under a minute: what a person on duty knows of a call at two in the
//! morning, and nothing else. It lapses at `confirm_by`; what is missing is added with the confirmation.
//!
//! Asked, where it was not typed and a person sits there: who, how, when, where, what. Everything has a
//! flag. Usual values are as narrow as they can be, and each is said. What cannot be taken is asked again at once,
//! and what was answered is shown as a file if it cannot be entered.

mod person;

use std::io::{self, BufRead, IsTerminal};

use register::{
    Target,
    import::{Action, Imported, from_toml, typed_kind},
    request::RECEIVED_AHEAD_MAX_S,
    target::kind_word,
    words as field,
};
use remit_proto::v1::{self, TargetKind};

use self::person::Person;
use super::{enter_requests, tell_rows};
use crate::{
    cli::Quick,
    client::{self, RegisterClient},
    config::Config,
    exit::{CliError, chain},
    output::escape,
    time,
};

/// A provisional request is confirmed within two days (Indian Rule 9 gives 48 hours).
const CONFIRM_WITHIN: &str = "48h";

pub(crate) async fn quick(config: &Config, args: &Quick) -> Result<(), CliError> {
    let stdin = io::stdin();
    let asks = stdin.is_terminal();
    // Whoever cannot reach the register learns it before they have typed anything.
    let now_s = time::now_s();
    let id = args.id.clone().unwrap_or_else(|| provisional_id(now_s));
    let mut client = if asks { Some(client::register(config).await?) } else { None };
    if let Some(client) = &mut client
        && is_known(client, &id).await?
    {
        return Err(taken());
    }
    let mut person = Person { lines: stdin.lock(), asks };
    let mut told = Told::default();
    if let Err(error) = told.ask(args, &mut person, now_s) {
        if asks && told.says_something() {
            let text = told.file(args, &id);
            eprintln!(
                "not entered. What you said, to be completed for remit requests import:\n\n{text}"
            );
        }
        return Err(error);
    }
    let mut client = match client {
        Some(client) => client,
        None => client::register(config).await?,
    };
    let entered = enter(config, args, &mut client, &told.file(args, &id), now_s).await;
    if let Err(error) = &entered
        && asks
    {
        let became = match error {
            CliError::Unanswered { .. } => Became::Unknown,
            // Of somebody else, who entered it since the first question.
            _ if is_known(&mut client, &id).await.unwrap_or(false) => Became::Taken,
            _ => Became::Nothing,
        };
        eprintln!("{}\n\n{}", became.told(&id), told.file(args, became.kept_id(&id)));
    }
    entered
}

/// What became of a request that was to be entered, and was not, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Nothing,
    /// The register has another one of this id.
    Taken,
    Unknown,
}

impl Became {
    fn told(self, id: &str) -> String {
        match self {
            Self::Nothing => {
                "not entered. What you said, as a file for remit requests import:".to_owned()
            }
            Self::Taken => {
                "not entered: its id is taken. What you said, as a file for remit requests import; \
                            give it an id that the register does not have:"
                    .to_owned()
            }
            Self::Unknown => format!(
                "it is not known whether it was entered: remit requests show {}. What you said, as a file for \
                 remit requests import, if the register does not have it:",
                escape(id)
            ),
        }
    }

    /// An id that is taken would make the file the next version of another request. Of one that may have been entered, an
    /// import compares what it reads with what the register has, and enters the same request once.
    fn kept_id(self, id: &str) -> &str {
        match self {
            Self::Taken => "",
            Self::Nothing | Self::Unknown => id,
        }
    }
}

fn taken() -> CliError {
    CliError::Usage(TAKEN.to_owned())
}

const TAKEN: &str = "--id: this one is in the register already; amend it, or take another";

async fn enter(
    config: &Config,
    args: &Quick,
    client: &mut RegisterClient,
    text: &str,
    now_s: i64,
) -> Result<(), CliError> {
    let imported = read(text)?;
    if let Some(request) = imported.requests.first()
        && is_known(client, &request.id).await?
    {
        return Err(taken());
    }
    let merged = imported.merge(&[]);
    tell_rows("this request", &merged.report);
    let Some(request) = merged.requests.first().cloned() else {
        return Err(CliError::Usage("nothing to enter: correct what is refused above".to_owned()));
    };
    let rows_repaired = merged.repaired_count() as u64;
    let import = v1::Import { rows_read: 1, rows_repaired, ..v1::Import::default() };
    let requests = vec![request.clone()];
    let entered = enter_requests(config, client, import, requests, now_s, args.dry_run).await?;
    let task = request.task.clone().unwrap_or_default();
    let techniques = task.measure.unwrap_or_default();
    let techniques: Vec<_> = techniques.techniques().map(field::technique).collect();
    let is = entered.verb(args.dry_run);
    eprintln!(
        "{} {is} provisional and {} {} unless confirmed: remit requests confirm {}",
        request.id,
        if task.confirm_by_s > now_s { "lapses at" } else { "has lapsed by now, at" },
        time::utc(task.confirm_by_s),
        request.id
    );
    eprintln!("it permits {}", techniques.join(", "));
    Ok(())
}

fn read(text: &str) -> Result<Imported, CliError> {
    from_toml(text).map_err(|error| {
        CliError::Malformed(format!("the request would be malformed: {}", chain(&error)))
    })
}

/// A call that is still to come nobody has received.
fn received_at(text: &str, now_s: i64) -> Result<i64, CliError> {
    let at_s = time::parse(text, "--received", now_s)?;
    if at_s > now_s.saturating_add(RECEIVED_AHEAD_MAX_S) {
        let at = time::utc(at_s);
        let problem = format!("--received: {at} is still to come; write when the call came");
        return Err(CliError::Usage(problem));
    }
    Ok(at_s)
}

async fn is_known(client: &mut RegisterClient, id: &str) -> Result<bool, CliError> {
    let question = v1::GetRequestRequest { id: id.to_owned() };
    match client.get_request(question).await.map_err(CliError::from) {
        Ok(_) => Ok(true),
        Err(CliError::Refused(refused)) if refused.is("REQUEST_NOT_FOUND") => Ok(false),
        Err(error) => Err(error),
    }
}

/// A target as it was typed: the reader of files keeps what it repairs in it.
#[derive(Debug, Clone)]
struct Typed {
    kind: TargetKind,
    value: String,
}

impl Typed {
    fn of(text: &str) -> Result<Self, CliError> {
        let wrong = |error| CliError::Usage(format!("--target: {text:?}: {error}"));
        if text == "*" {
            let problem =
                "--target: \"*\" is everything; if that is to be blocked, write whole_service:*";
            return Err(CliError::Usage(problem.to_owned()));
        }
        let (kind, value) = typed_kind(text).map_err(wrong)?;
        Target::parse(kind, value).map_err(wrong)?;
        Ok(Self { kind, value: value.to_owned() })
    }
}

/// What was said by now; what is empty was not asked yet.
#[derive(Debug, Clone, Default)]
struct Told {
    authority: String,
    form: String,
    received_at_s: Option<i64>,
    territories: Vec<String>,
    targets: Vec<Typed>,
}

impl Told {
    /// Where it fails, what was answered before is kept.
    fn ask<R: BufRead>(
        &mut self,
        args: &Quick,
        person: &mut Person<R>,
        now_s: i64,
    ) -> Result<(), CliError> {
        let received = |text: &str| received_at(text, now_s);
        if !person.asks {
            self.asked(args, person, received, |_| Ok(()))?;
            return self.check(args, now_s);
        }
        // What flags say is read before anything is asked: nobody answers five questions for nothing.
        let flags = Self {
            authority: args.authority.clone().unwrap_or_else(|| "somebody".to_owned()),
            form: args.form.clone().unwrap_or_else(|| USUAL_FORM.to_owned()),
            received_at_s: Some(args.received.as_deref().map_or(Ok(now_s), received)?),
            territories: places(args.territories.as_deref().unwrap_or("*")),
            targets: match args.targets.as_slice() {
                [] => vec![Typed { kind: TargetKind::WholeService, value: "*".to_owned() }],
                given => given.iter().map(|text| Typed::of(text)).collect::<Result<_, _>>()?,
            },
        };
        flags.check(args, now_s)?;
        *self = Self {
            authority: args.authority.clone().unwrap_or_default(),
            form: args.form.clone().unwrap_or_default(),
            received_at_s: args.received.as_ref().and(flags.received_at_s),
            territories: args.territories.as_deref().map(places).unwrap_or_default(),
            targets: if args.targets.is_empty() { Vec::new() } else { flags.targets.clone() },
        };
        self.asked(args, person, received, |change| {
            let mut told = flags.clone();
            change(&mut told);
            told.check(args, now_s)
        })
    }

    /// `check`: whether a request could say so.
    fn asked<R: BufRead>(
        &mut self,
        args: &Quick,
        person: &mut Person<R>,
        received: impl Fn(&str) -> Result<i64, CliError>,
        check: impl Fn(&dyn Fn(&mut Self)) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let text = |put: fn(&mut Self, String), text: &str| {
            check(&|told| put(told, text.to_owned())).map(|()| text.to_owned())
        };
        self.authority =
            person.answer("--authority", args.authority.as_ref(), "Who asks", None, |answer| {
                text(|told, answer| told.authority = answer, answer)
            })?;
        self.form = person.answer(
            "--form",
            args.form.as_ref(),
            "How (telephone, oral, email)",
            Some(USUAL_FORM),
            |answer| text(|told, answer| told.form = answer, answer),
        )?;
        self.received_at_s = Some(person.answer(
            "--received",
            args.received.as_ref(),
            "When it came (10m ago: 10m; or 2026-01-31T02:10:00Z)",
            Some("0m"),
            |answer| {
                let at_s = received(answer)?;
                check(&|told| told.received_at_s = Some(at_s)).map(|()| at_s)
            },
        )?);
        self.territories = person.answer(
            "--in",
            args.territories.as_ref(),
            "Where (DE, DE-BE; * is everywhere)",
            None,
            |answer| {
                let places = places(answer);
                check(&|told| told.territories.clone_from(&places)).map(|()| places)
            },
        )?;
        let take = |text: &str| {
            let target = Typed::of(text)?;
            check(&|told| told.targets = vec![target.clone()]).map(|()| target)
        };
        person.targets(&args.targets, take, &mut self.targets)
    }

    fn says_something(&self) -> bool {
        !self.authority.is_empty()
    }

    /// What the reader of files refuses of it.
    fn check(&self, args: &Quick, now_s: i64) -> Result<(), CliError> {
        let id = args.id.clone().unwrap_or_else(|| provisional_id(now_s));
        let imported = read(&self.file(args, &id))?;
        let refused = imported.report.into_iter().find_map(|row| match row.action {
            // Nobody has typed it under the name that files have for it.
            Action::Refused(problem) if row.field == "confirm_by" => {
                let remedy = "write how long after receipt, such as 48h or 3d: a number and s, min, h, d or w";
                Some(format!("--confirm-within: {problem}; {remedy}"))
            }
            Action::Refused(problem) => Some(format!("{}: {problem}; {}", row.field, row.remedy)),
            Action::Accepted | Action::Repaired(_) => None,
        });
        refused.map_or(Ok(()), |problem| Err(CliError::Usage(problem)))
    }

    /// As a requests file: the same reader, the same refusals as for any import. What is empty is left out.
    fn file(&self, args: &Quick, id: &str) -> String {
        let Self { authority, form, received_at_s, territories, targets } = self;
        let mut text = "[[request]]\n".to_owned();
        let mut put = |key: &str, value: String| text.push_str(&format!("{key} = {value}\n"));
        let said = |given: &Option<String>, usual: &str| quoted(given.as_deref().unwrap_or(usual));
        if !id.is_empty() {
            put("id", quoted(id));
        }
        put("status", quoted("provisional"));
        put("instrument", said(&args.instrument, USUAL_INSTRUMENT));
        if !form.is_empty() {
            put("form", quoted(form));
        }
        if !authority.is_empty() {
            put("authority", format!("{{ name = {} }}", quoted(authority)));
        }
        if let Some(at_s) = received_at_s {
            let received = quoted(&time::utc(*at_s));
            put("received", received.clone());
            put("from", received);
        }
        put("confirm_by", said(&args.confirm_within, CONFIRM_WITHIN));
        if !territories.is_empty() {
            put("territories", texts(territories.iter().map(|place| quoted(place))));
        }
        let techniques = match args.techniques.is_empty() {
            true => plain_techniques(targets.iter().map(|target| target.kind)),
            false => args.techniques.clone(),
        };
        if !techniques.is_empty() {
            put("techniques", texts(techniques.iter().map(|word| quoted(word))));
        }
        put("external_ref", said(&args.external_ref, ""));
        let target = |Typed { kind, value }: &Typed| {
            format!("{{ kind = {}, value = {} }}", quoted(kind_word(*kind)), quoted(value))
        };
        if !targets.is_empty() {
            put("targets", texts(targets.iter().map(target)));
        }
        text
    }
}

/// As TOML writes a text. What a terminal would obey, or would not show, stands in escapes of TOML's own.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if escape(letter.encode_utf8(&mut [0; 4])).starts_with('\\') => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(letter)));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn texts(quoted: impl Iterator<Item = String>) -> String {
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

/// Nobody has shown a paper yet.
const USUAL_INSTRUMENT: &str = "informal_government_request";

const USUAL_FORM: &str = "telephone";

fn places(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|place| !place.is_empty()).map(str::to_owned).collect()
}

/// "quick/20260131-021005": to the second; two in one second are refused by the register.
fn provisional_id(now_s: i64) -> String {
    let text = time::utc(now_s);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (day, clock) = digits.split_at(digits.len().min(8));
    format!("quick/{day}-{clock}")
}

/// The plain means for each kind of target: no coarser than what was named.
fn plain_techniques(kinds: impl Iterator<Item = TargetKind>) -> Vec<String> {
    let mut techniques: Vec<&str> = Vec::new();
    for kind in kinds {
        let plain: &[&str] = match kind {
            TargetKind::DomainExact | TargetKind::DomainSubtree => {
                &["dns_nxdomain", "dns_nodata", "dns_refused", "dns_forged_a"]
            }
            TargetKind::Url | TargetKind::UrlPrefix | TargetKind::HttpHost => {
                &["http_451", "http_403_page"]
            }
            TargetKind::Sni => &["tls_sni_drop", "tls_sni_rst"],
            TargetKind::Ip | TargetKind::Cidr | TargetKind::IpPort => {
                &["ip_acl_drop", "ip_acl_reject", "ip_null_route"]
            }
            TargetKind::ProtocolApp => &["protocol_block"],
            TargetKind::Port => &["port_block"],
            TargetKind::AsnRoute => &["ip_route_withdraw", "ip_null_route"],
            TargetKind::LineAccount | TargetKind::CustomerToken => &["line_suspend"],
            TargetKind::CellArea | TargetKind::WholeService => &["disconnection"],
            TargetKind::Keyword | TargetKind::Category => &["http_451", "dns_nxdomain"],
            // No text names them.
            TargetKind::Unspecified | TargetKind::NotUnderstood => &[],
        };
        techniques.extend(plain);
    }
    techniques.sort_unstable();
    techniques.dedup();
    techniques.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_769_825_405;

    fn told(args: &Quick, typed: &str, asks: bool) -> Result<String, String> {
        let (told, asked) = answered(args, typed.as_bytes(), asks);
        asked.map(|()| told)
    }

    /// The file as far as it got, and how that ended.
    fn answered(args: &Quick, typed: &[u8], asks: bool) -> (String, Result<(), String>) {
        let mut person = Person { lines: typed, asks };
        let mut told = Told::default();
        let asked = told.ask(args, &mut person, NOW_S).map_err(|error| error.to_string());
        let id = args.id.clone().unwrap_or_else(|| provisional_id(NOW_S));
        (told.file(args, &id), asked)
    }

    fn entered(text: &str) -> v1::Request {
        let imported = from_toml(text).unwrap();
        assert_eq!(imported.refused_count(), 0, "{:?}", imported.report);
        imported.requests.into_iter().next().unwrap()
    }

    #[test]
    fn five_answers_make_a_request_that_lapses() {
        let typed = "Police Berlin\n\n30m\nDE\nexample.org\n192.0.2.7 \n\n";
        let request = entered(&told(&Quick::default(), typed, true).unwrap());
        let task = request.task.clone().unwrap();
        assert_eq!(request.id, "quick/20260131-021005");
        assert_eq!(request.status(), v1::RequestStatus::Provisional);
        assert_eq!(request.basis_proof(), v1::BasisProof::Oral);
        let received_at_s = request.notification.unwrap().received_at_s;
        assert_eq!(received_at_s, NOW_S - 30 * 60);
        assert_eq!(
            (task.effective_from_s, task.confirm_by_s),
            (received_at_s, received_at_s + 48 * 3600)
        );
        assert_eq!(task.targets.len(), 2);
        let measure = task.measure.unwrap();
        assert!(!measure.outcome_only, "a call gives no free choice of means");
        assert!(measure.techniques.contains(&v1::Technique::IpAclDrop.into()));
    }

    #[test]
    fn with_every_flag_nobody_is_asked() {
        let args = Quick {
            authority: Some("Court".into()),
            form: Some("email".into()),
            received: Some("2026-01-31T01:00:00Z".into()),
            territories: Some("DE,AT".into()),
            targets: vec!["url:https://example.org/page".into()],
            id: Some("court/7".into()),
            instrument: Some("court_order_interim".into()),
            ..Quick::default()
        };
        let request = entered(&told(&args, "", false).unwrap());
        assert_eq!(request.id, "court/7");
        assert_eq!(request.task.unwrap().scope.unwrap().territories, ["DE", "AT"]);
    }

    #[test]
    fn a_call_that_is_still_to_come_was_not_received() {
        let args = Quick { received: Some("2030-01-01".into()), ..Quick::default() };
        let error = told(&args, "Police\n\nDE\na.example\n\n", true).unwrap_err().to_string();
        assert!(error.contains("--received: 2030-01-01T00:00:00Z is still to come"), "{error}");
    }

    #[test]
    fn how_long_it_holds_unconfirmed_is_refused_with_its_form() {
        for wrong in ["soon", "2 days", "48", "0h"] {
            for asks in [true, false] {
                let args = Quick {
                    authority: Some("Police".into()),
                    territories: Some("DE".into()),
                    confirm_within: Some(wrong.into()),
                    ..Quick::default()
                };
                let error = told(&args, "a.example\n\n", asks).unwrap_err().to_string();
                assert!(error.contains("--confirm-within: "), "{wrong}: {error}");
                assert!(
                    error.contains("such as 48h or 3d: a number and s, min"),
                    "{wrong}: {error}"
                );
                assert!(!error.contains("confirm_by"), "{wrong}: {error}");
            }
        }
    }

    #[test]
    fn a_piped_line_is_one_target_or_none() {
        for line in ["bad host", "*"] {
            let args = Quick {
                authority: Some("Police".into()),
                territories: Some("DE".into()),
                ..Quick::default()
            };
            let error = told(&args, &format!("a.example\n{line}\n"), false).unwrap_err();
            assert!(error.to_string().contains(&format!("{line:?}")), "{error}");
        }
    }

    #[test]
    fn a_list_that_is_piped_in_is_the_targets() {
        let args = Quick {
            authority: Some("Police".into()),
            territories: Some("DE".into()),
            ..Quick::default()
        };
        let request = entered(&told(&args, "a.example\nb.example\n", false).unwrap());
        assert_eq!(request.task.unwrap().targets.len(), 2);
    }

    #[test]
    fn a_mistyped_answer_is_asked_again_and_nothing_is_lost() {
        let typed = "Police\nfax\nemail\nyesterday\n30m\nBerlin\nDE-BE\n\nfirst.example\n\
                     bad second.example\nsecond.example\n*\nhttp://ftp://x\nthird.example\n\n";
        let request = entered(&told(&Quick::default(), typed, true).unwrap());
        assert_eq!(request.notification.clone().unwrap().form(), v1::RequestForm::Email);
        let task = request.task.unwrap();
        assert_eq!(task.effective_from_s, NOW_S - 30 * 60);
        assert_eq!(task.scope.unwrap().territories, ["DE-BE"]);
        let named = task.targets.iter().map(|target| target.target.clone().unwrap().value);
        let named: Vec<_> = named.collect();
        assert_eq!(named, ["first.example", "second.example", "third.example"]);
    }

    #[test]
    fn what_was_answered_before_the_end_is_shown_as_a_file() {
        let typed = b"Pol\xefce\nPolice \"Berlin\"\n\n30m\nDE\n";
        let (text, asked) = answered(&Quick::default(), typed, true);
        assert!(asked.unwrap_err().contains("nothing to block was named"));
        assert!(text.contains("name = \"Police \\\"Berlin\\\"\""), "{text}");
        assert!(text.contains("territories = [\"DE\"]") && !text.contains("targets"), "{text}");
        let (text, asked) = answered(&Quick::default(), b"Police\n", true);
        assert!(asked.unwrap_err().contains("--form: not answered") && text.contains("Police"));
        let args = Quick {
            authority: Some("A".into()),
            territories: Some("DE".into()),
            ..Quick::default()
        };
        let (_, asked) = answered(&args, b"a.example\n\xff\n", false);
        assert!(asked.unwrap_err().contains("not UTF-8"));
    }

    #[test]
    fn the_file_is_toml_whatever_was_typed() {
        let name = "a\u{200b}\u{202e}\u{1b}[2J\t\"'\\ \u{e0001}\u{7f}";
        let args = Quick {
            authority: Some(name.into()),
            territories: Some("DE".into()),
            targets: vec!["domain_exact:a.example".into()],
            ..Quick::default()
        };
        // What it says is refused, and shown.
        let (text, asked) = answered(&args, b"", false);
        assert!(asked.unwrap_err().contains("authority.name: "));
        assert!(!text.contains(['\u{200b}', '\u{202e}', '\u{1b}', '\t']), "{text}");
        let read: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(read["request"][0]["authority"]["name"].as_str(), Some(name));
    }

    #[test]
    fn no_file_is_shown_with_an_id_that_the_register_has() {
        assert_eq!(Became::Taken.kept_id("court/7"), "");
        let without = Told::default().file(&Quick::default(), "");
        assert!(!without.contains("id ="), "{without}");
        assert!(Became::Taken.told("court/7").contains("give it an id"));
        // An import of the same request enters it once.
        assert_eq!(Became::Unknown.kept_id("court/7"), "court/7");
        let said = Became::Unknown.told("court/7");
        assert!(said.contains("not known whether it was entered: remit requests show court/7"));
    }

    #[test]
    fn what_flags_say_is_read_before_anything_is_asked() {
        for (args, said) in [
            (Quick { received: Some("soon".into()), ..Quick::default() }, "--received"),
            (Quick { instrument: Some("order".into()), ..Quick::default() }, "instrument: "),
            (Quick { techniques: vec!["nxdomain".into()], ..Quick::default() }, "techniques: "),
            (Quick { targets: vec!["two words".into()], ..Quick::default() }, "--target"),
        ] {
            let refused = told(&args, "Police\n", true).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn what_was_typed_is_on_record_with_what_was_repaired_in_it() {
        let args = Quick {
            authority: Some("Police".into()),
            territories: Some("DE".into()),
            targets: vec![
                "http://http://Example.org/".into(),
                ".example.net".into(),
                "domain_exact:http://example.com/".into(),
                "192.0.2.0/32".into(),
                "domain_exact:p\u{430}ypal.example".into(),
            ],
            ..Quick::default()
        };
        let imported = from_toml(&told(&args, "", false).unwrap()).unwrap();
        let targets = &imported.requests[0].task.as_ref().unwrap().targets;
        let raw: Vec<_> = targets.iter().map(|target| target.raw.as_str()).collect();
        assert_eq!(
            raw,
            [
                "http://http://Example.org/",
                ".example.net",
                "http://example.com/",
                "192.0.2.0/32",
                "p\u{430}ypal.example"
            ]
        );
        assert!(targets[..4].iter().all(|target| !target.repair.is_empty()), "{targets:?}");
        assert_eq!(imported.repaired_count(), 1);
        assert!(imported.report[0].notes[0].contains("mixes Cyrillic and Latin"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let refused = told(&Quick::default(), "", false).unwrap_err();
        assert!(refused.contains("--authority"), "{refused}");
        let args = Quick {
            authority: Some("Police".into()),
            territories: Some("DE".into()),
            targets: vec!["two words".into()],
            ..Quick::default()
        };
        assert!(told(&args, "", false).unwrap_err().contains("--target"));
    }
}
