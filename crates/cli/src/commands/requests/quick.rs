//! One provisional request in under a minute: what a person on duty knows of a call at two in the
//! morning, and nothing else. It lapses at `confirm_by`; what is missing is added with the confirmation.
//!
//! Asked, where it was not typed and a person sits there: who, how, when, where, what. Everything has a
//! flag. Usual values are as narrow as they can be, and each is said. What cannot be taken is asked again at once,
//! and what was answered is shown as a file if it cannot be entered.

use std::io::{self, BufRead, IsTerminal, Write};

use register::{
    Target,
    import::{Action, Imported, from_toml, typed_kind},
    target::kind_word,
    words as field,
};
use remit_proto::v1::{self, TargetKind};

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
    let client = if asks { Some(client::register(config).await?) } else { None };
    let mut person = Person { lines: stdin.lock(), asks };
    let now_s = time::now_s();
    let told = Told::of(args, &mut person, now_s)?;
    let text = told.file(args, now_s)?;
    let entered = enter(config, args, client, &text, now_s).await;
    if entered.is_err() && asks {
        eprintln!(
            "not entered. What you said, as a file for remit requests import:\n\n{}",
            lines(&text)
        );
    }
    entered
}

/// Each line as it is, without what a terminal would obey.
fn lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

async fn enter(
    config: &Config,
    args: &Quick,
    client: Option<RegisterClient>,
    text: &str,
    now_s: i64,
) -> Result<(), CliError> {
    let imported = read(text)?;
    let mut client = match client {
        Some(client) => client,
        None => client::register(config).await?,
    };
    if let Some(request) = imported.requests.first()
        && is_known(&mut client, &request.id).await?
    {
        let problem = "--id: this one is in the register already; amend it, or take another";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let merged = imported.merge(&[]);
    tell_rows("this request", &merged.report);
    let Some(request) = merged.requests.first().cloned() else {
        return Err(CliError::Usage("nothing to enter: correct what is refused above".to_owned()));
    };
    let rows_repaired = merged.repaired_count() as u64;
    let import = v1::Import { rows_read: 1, rows_repaired, ..v1::Import::default() };
    let requests = vec![request.clone()];
    let entered =
        enter_requests(config, &mut client, import, requests, now_s, args.dry_run).await?;
    let task = request.task.clone().unwrap_or_default();
    let techniques = task.measure.unwrap_or_default();
    let techniques: Vec<_> = techniques.techniques().map(field::technique).collect();
    let is = entered.verb(args.dry_run);
    eprintln!(
        "{} {is} provisional and lapses at {} unless confirmed: remit requests confirm {}",
        request.id,
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

async fn is_known(client: &mut RegisterClient, id: &str) -> Result<bool, CliError> {
    let question = v1::GetRequestRequest { id: id.to_owned() };
    match client.get_request(question).await.map_err(CliError::from) {
        Ok(_) => Ok(true),
        Err(CliError::Refused(refused)) if refused.is("REQUEST_NOT_FOUND") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whoever answers, or a file that is piped in: its lines are the targets.
struct Person<R> {
    lines: R,
    asks: bool,
}

impl<R: BufRead> Person<R> {
    fn line(&mut self) -> Result<Option<String>, CliError> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        let read = read.map_err(|error| CliError::Usage(format!("standard input: {error}")))?;
        Ok((read > 0).then(|| line.trim().to_owned()))
    }

    /// What was typed as a flag, else what is answered; `usual` answers for an empty line. What cannot be
    /// taken is said, and asked again where somebody sits there.
    fn answer<T>(
        &mut self,
        flag: &str,
        given: Option<&String>,
        question: &str,
        usual: Option<&str>,
        take: impl Fn(&str) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        if let Some(given) = given {
            return take(given);
        }
        if !self.asks {
            let missing =
                || CliError::Usage(format!("{flag}: missing, and nobody is there to ask"));
            return usual.ok_or_else(missing).and_then(take);
        }
        loop {
            let hint = usual.map_or_else(String::new, |usual| format!(" [{usual}]"));
            eprint!("{question}{hint}: ");
            // A prompt that cannot be shown is no reason to lose the answer.
            let _ = io::stderr().flush();
            let Some(text) = self.line()? else {
                return Err(CliError::Usage(format!("{flag}: not answered")));
            };
            let text = match (text.is_empty(), usual) {
                (true, None) => continue,
                (true, Some(usual)) => usual,
                (false, _) => &text,
            };
            match take(text) {
                Ok(taken) => return Ok(taken),
                Err(error) => eprintln!("{}; once more", escape(&error.to_string())),
            }
        }
    }

    /// Pasted lines, until an empty one or the end. One that is no target is said, and the others stay.
    fn targets(
        &mut self,
        given: &[String],
        take: impl Fn(&str) -> Result<Typed, CliError>,
    ) -> Result<Vec<Typed>, CliError> {
        if !given.is_empty() {
            return given.iter().map(|text| take(text)).collect();
        }
        if self.asks {
            eprintln!("What is to be blocked? One per line, an empty line ends:");
        }
        let mut targets = Vec::new();
        while let Some(line) = self.line()? {
            if line.is_empty() && self.asks {
                if targets.is_empty() {
                    eprintln!("nothing to block was named yet:");
                    continue;
                }
                break;
            }
            for text in line.split([' ', '\t']).filter(|text| !text.is_empty()) {
                match take(text) {
                    Ok(target) => targets.push(target),
                    Err(error) if self.asks => {
                        eprintln!("{}; once more, the others are kept", escape(&error.to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if targets.is_empty() {
            return Err(CliError::Usage("--target: nothing to block was named".to_owned()));
        }
        Ok(targets)
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
        let (kind, value) = typed_kind(text).map_err(wrong)?;
        Target::parse(kind, value).map_err(wrong)?;
        Ok(Self { kind, value: value.to_owned() })
    }
}

#[derive(Debug, Clone)]
struct Told {
    authority: String,
    form: String,
    received_at_s: i64,
    territories: Vec<String>,
    targets: Vec<Typed>,
}

impl Told {
    fn of<R: BufRead>(args: &Quick, person: &mut Person<R>, now_s: i64) -> Result<Self, CliError> {
        let received = |text: &str| time::parse(text, "--received", now_s);
        if !person.asks {
            return Self::asked(args, person, received, |_| Ok(()));
        }
        // What flags say is read before anything is asked: nobody answers five questions for nothing.
        let flags = Self {
            authority: args.authority.clone().unwrap_or_else(|| "somebody".to_owned()),
            form: args.form.clone().unwrap_or_else(|| USUAL_FORM.to_owned()),
            received_at_s: args.received.as_deref().map_or(Ok(now_s), received)?,
            territories: places(args.territories.as_deref().unwrap_or("*")),
            targets: match args.targets.as_slice() {
                [] => vec![Typed { kind: TargetKind::WholeService, value: "*".to_owned() }],
                given => given.iter().map(|text| Typed::of(text)).collect::<Result<_, _>>()?,
            },
        };
        flags.check(args, now_s)?;
        Self::asked(args, person, received, |change| {
            let mut told = flags.clone();
            change(&mut told);
            told.check(args, now_s)
        })
    }

    /// `check`: whether a request could say so.
    fn asked<R: BufRead>(
        args: &Quick,
        person: &mut Person<R>,
        received: impl Fn(&str) -> Result<i64, CliError>,
        check: impl Fn(&dyn Fn(&mut Self)) -> Result<(), CliError>,
    ) -> Result<Self, CliError> {
        let text = |put: fn(&mut Self, String), text: &str| {
            check(&|told| put(told, text.to_owned())).map(|()| text.to_owned())
        };
        Ok(Self {
            authority: person.answer(
                "--authority",
                args.authority.as_ref(),
                "Who asks",
                None,
                |answer| text(|told, answer| told.authority = answer, answer),
            )?,
            form: person.answer(
                "--form",
                args.form.as_ref(),
                "How (telephone, oral, email)",
                Some(USUAL_FORM),
                |answer| text(|told, answer| told.form = answer, answer),
            )?,
            received_at_s: person.answer(
                "--received",
                args.received.as_ref(),
                "When it came (10m ago: 10m; or 2026-01-31T02:10:00Z)",
                Some("0m"),
                |answer| {
                    let at_s = received(answer)?;
                    check(&|told| told.received_at_s = at_s).map(|()| at_s)
                },
            )?,
            territories: person.answer(
                "--in",
                args.territories.as_ref(),
                "Where (DE, DE-BE; * is everywhere)",
                None,
                |answer| {
                    let places = places(answer);
                    check(&|told| told.territories.clone_from(&places)).map(|()| places)
                },
            )?,
            targets: person.targets(&args.targets, |text| {
                let target = Typed::of(text)?;
                check(&|told| told.targets = vec![target.clone()]).map(|()| target)
            })?,
        })
    }

    /// What the reader of files refuses of it.
    fn check(&self, args: &Quick, now_s: i64) -> Result<(), CliError> {
        let imported = read(&self.file(args, now_s)?)?;
        let refused = imported.report.into_iter().find_map(|row| match row.action {
            Action::Refused(problem) => Some(format!("{}: {problem}; {}", row.field, row.remedy)),
            Action::Accepted | Action::Repaired(_) => None,
        });
        refused.map_or(Ok(()), |problem| Err(CliError::Usage(problem)))
    }

    /// As a requests file: the same reader, the same refusals as for any import.
    fn file(&self, args: &Quick, now_s: i64) -> Result<String, CliError> {
        let Self { authority, form, received_at_s, territories, targets } = self;
        let received = time::utc(*received_at_s);
        let mut row = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| row.insert(key.to_owned(), value);
        let id = args.id.clone().unwrap_or_else(|| provisional_id(now_s));
        put("id", id.into());
        put("status", "provisional".into());
        put(
            "instrument",
            args.instrument.clone().unwrap_or_else(|| USUAL_INSTRUMENT.into()).into(),
        );
        put("form", form.clone().into());
        let mut issuer = toml::Table::new();
        issuer.insert("name".to_owned(), authority.clone().into());
        put("authority", issuer.into());
        put("received", received.clone().into());
        put("from", received.into());
        put(
            "confirm_by",
            args.confirm_within.clone().unwrap_or_else(|| CONFIRM_WITHIN.into()).into(),
        );
        put("territories", texts(territories));
        let techniques = match args.techniques.is_empty() {
            true => plain_techniques(targets.iter().map(|target| target.kind)),
            false => args.techniques.clone(),
        };
        put("techniques", texts(&techniques));
        put("external_ref", args.external_ref.clone().unwrap_or_default().into());
        let target = |Typed { kind, value }: &Typed| {
            let mut target = toml::Table::new();
            target.insert("kind".to_owned(), kind_word(*kind).into());
            target.insert("value".to_owned(), value.as_str().into());
            toml::Value::Table(target)
        };
        put("targets", toml::Value::Array(targets.iter().map(target).collect()));
        let mut file = toml::Table::new();
        file.insert("request".to_owned(), toml::Value::Array(vec![row.into()]));
        toml::to_string(&file)
            .map_err(|error| CliError::Malformed(format!("the request cannot be written: {error}")))
    }
}

/// Nobody has shown a paper yet.
const USUAL_INSTRUMENT: &str = "informal_government_request";

const USUAL_FORM: &str = "telephone";

fn places(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|place| !place.is_empty()).map(str::to_owned).collect()
}

fn texts(texts: &[String]) -> toml::Value {
    toml::Value::Array(texts.iter().map(|text| text.as_str().into()).collect())
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
        let mut person = Person { lines: typed.as_bytes(), asks };
        let told = Told::of(args, &mut person, NOW_S).map_err(|error| error.to_string())?;
        told.file(args, NOW_S).map_err(|error| error.to_string())
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
                     not_a.name.1 second.example\nhttp://ftp://x\nthird.example\n\n";
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
