//! One provisional request in under a minute: what a person on duty knows of a call at two in the
//! morning, and nothing else. It lapses at `confirm_by`; what is missing is added with the confirmation.
//!
//! Asked, where it was not typed and a person sits there: who, how, when, where, what. Everything has a
//! flag. Usual values are as narrow as they can be, and each is said.

use std::io::{self, BufRead, IsTerminal, Write};

use register::{Target, import::from_toml, words as field};
use remit_proto::v1;

use super::{enter_requests, tell_rows};
use crate::{
    cli::Quick,
    client,
    config::Config,
    exit::{CliError, chain},
    time,
};

/// A provisional request is confirmed within two days (Indian Rule 9 gives 48 hours).
const CONFIRM_WITHIN: &str = "48h";

pub(crate) async fn quick(config: &Config, args: &Quick) -> Result<(), CliError> {
    let stdin = io::stdin();
    let asks = stdin.is_terminal();
    let mut person = Person { lines: stdin.lock(), asks };
    let now_s = time::now_s();
    let told = Told::of(args, &mut person, now_s)?;
    let text = told.file(args, now_s)?;
    let imported = from_toml(&text).map_err(|error| {
        CliError::Malformed(format!("the request would be malformed: {}", chain(&error)))
    })?;
    let mut client = client::register(config).await?;
    let held = super::newest(&mut client, &imported).await?;
    let merged = imported.merge(&held);
    tell_rows("this request", &merged.report);
    if merged.changed_count + merged.unchanged_count > 0 {
        let problem = "--id: this one is in the register already; amend it, or take another";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let Some(request) = merged.requests.first().cloned() else {
        return Err(CliError::Usage("nothing to enter: correct what is refused above".to_owned()));
    };
    let import = v1::Import { rows_read: 1, ..v1::Import::default() };
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

    /// What was typed as a flag, else what is answered; `usual` answers for an empty line.
    fn answer(
        &mut self,
        flag: &str,
        given: Option<&String>,
        question: &str,
        usual: Option<&str>,
    ) -> Result<String, CliError> {
        if let Some(given) = given {
            return Ok(given.clone());
        }
        if !self.asks {
            return usual.map(str::to_owned).ok_or_else(|| {
                CliError::Usage(format!("{flag}: missing, and nobody is there to ask"))
            });
        }
        loop {
            let hint = usual.map_or_else(String::new, |usual| format!(" [{usual}]"));
            eprint!("{question}{hint}: ");
            // A prompt that cannot be shown is no reason to lose the answer.
            let _ = io::stderr().flush();
            match self.line()? {
                None => return Err(CliError::Usage(format!("{flag}: not answered"))),
                Some(text) if text.is_empty() => match usual {
                    Some(usual) => return Ok(usual.to_owned()),
                    None => continue,
                },
                Some(text) => return Ok(text),
            }
        }
    }

    /// Pasted lines, until an empty one or the end.
    fn targets(&mut self, given: &[String]) -> Result<Vec<String>, CliError> {
        if !given.is_empty() {
            return Ok(given.to_vec());
        }
        if self.asks {
            eprintln!("What is to be blocked? One per line, an empty line ends:");
        }
        let mut targets = Vec::new();
        while let Some(line) = self.line()? {
            if line.is_empty() && self.asks {
                break;
            }
            targets.extend(line.split([' ', '\t']).filter(|t| !t.is_empty()).map(str::to_owned));
        }
        if targets.is_empty() {
            return Err(CliError::Usage("--target: nothing to block was named".to_owned()));
        }
        Ok(targets)
    }
}

struct Told {
    authority: String,
    form: String,
    received_at_s: i64,
    territories: Vec<String>,
    targets: Vec<Target>,
}

impl Told {
    fn of<R: BufRead>(args: &Quick, person: &mut Person<R>, now_s: i64) -> Result<Self, CliError> {
        let authority = person.answer("--authority", args.authority.as_ref(), "Who asks", None)?;
        let form = person.answer(
            "--form",
            args.form.as_ref(),
            "How (telephone, oral, email)",
            Some("telephone"),
        )?;
        let received = person.answer(
            "--received",
            args.received.as_ref(),
            "When it came (10m ago: 10m; or 2026-01-31T02:10:00Z)",
            Some("0m"),
        )?;
        let place = person.answer(
            "--in",
            args.territories.as_ref(),
            "Where (DE, DE-BE; * is everywhere)",
            None,
        )?;
        let read = |text: &String| {
            let exact = text.parse::<Target>();
            let read = exact.or_else(|_| Target::guess(text).map(|(target, _)| target));
            read.map_err(|error| CliError::Usage(format!("--target: {text:?}: {error}")))
        };
        let targets = person.targets(&args.targets)?;
        Ok(Self {
            authority,
            form,
            received_at_s: time::parse(&received, "--received", now_s)?,
            territories: place
                .split([',', ' '])
                .filter(|p| !p.is_empty())
                .map(str::to_owned)
                .collect(),
            targets: targets.iter().map(read).collect::<Result<_, _>>()?,
        })
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
            true => plain_techniques(targets),
            false => args.techniques.clone(),
        };
        put("techniques", texts(&techniques));
        put("external_ref", args.external_ref.clone().unwrap_or_default().into());
        let kinds = |t: &Target| format!("{}:{t}", register::target::kind_word(t.kind()));
        put("targets", texts(&targets.iter().map(kinds).collect::<Vec<_>>()));
        let mut file = toml::Table::new();
        file.insert("request".to_owned(), toml::Value::Array(vec![row.into()]));
        toml::to_string(&file)
            .map_err(|error| CliError::Malformed(format!("the request cannot be written: {error}")))
    }
}

/// Nobody has shown a paper yet.
const USUAL_INSTRUMENT: &str = "informal_government_request";

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
fn plain_techniques(targets: &[Target]) -> Vec<String> {
    let mut techniques: Vec<&str> = Vec::new();
    for target in targets {
        let plain: &[&str] = match target {
            Target::DomainExact(_) | Target::DomainSubtree { .. } => {
                &["dns_nxdomain", "dns_nodata", "dns_refused", "dns_forged_a"]
            }
            Target::Url(_) | Target::UrlPrefix(_) | Target::HttpHost(_) => {
                &["http_451", "http_403_page"]
            }
            Target::Sni(_) => &["tls_sni_drop", "tls_sni_rst"],
            Target::Ip(_) | Target::Cidr(_) | Target::IpPort { .. } => {
                &["ip_acl_drop", "ip_acl_reject", "ip_null_route"]
            }
            Target::ProtocolApp(_) => &["protocol_block"],
            Target::Port(_) => &["port_block"],
            Target::AsnRoute(_) => &["ip_route_withdraw", "ip_null_route"],
            Target::LineAccount(_) | Target::CustomerToken(_) => &["line_suspend"],
            Target::CellArea(_) | Target::WholeService => &["disconnection"],
            Target::Keyword(_) | Target::Category(_) => &["http_451", "dns_nxdomain"],
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
