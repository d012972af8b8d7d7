//! The next version of one request: the newest one, with what has changed in it.

use register::{Target, import::Held, words as field};
use remit_proto::v1;

use super::{complete, enter_requests, held};
use crate::{
    cli::Amend,
    client::{self, RegisterClient},
    config::Config,
    exit::CliError,
    time,
};

pub(crate) async fn amend(config: &Config, args: &Amend) -> Result<(), CliError> {
    let mut client = client::register(config).await?;
    let newest = newest(&mut client, &args.id).await?;
    let now_s = time::now_s();
    let mut next = follows(&newest);
    args.change(&mut next, now_s)?;
    let unchanged = v1::Request {
        version: newest.request.version,
        prev_hash: newest.request.prev_hash.clone(),
        ..next.clone()
    };
    if unchanged == newest.request {
        let problem = "nothing changes: say what (--until, --add-target, ...)";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let effective_at_s = match &args.effective_at {
        Some(text) => time::parse(text, "--effective-at", now_s)?,
        None => now_s,
    };
    let (id, version) = (next.id.clone(), next.version);
    register::Request::try_from(next.clone())
        .map_err(|error| CliError::Usage(format!("{id}: {error}")))?;
    let import = v1::Import {
        rows_read: 1,
        reason: args.reason.clone().unwrap_or_default(),
        ..v1::Import::default()
    };
    let (requests, dry_run) = (vec![next], args.dry_run);
    let entered =
        enter_requests(config, &mut client, import, requests, effective_at_s, dry_run).await?;
    let is = entered.verb(dry_run);
    eprintln!("{id}: version {version} {is} in effect from {}", time::utc(effective_at_s));
    Ok(())
}

/// The newest version of a request, one that waits for a second person too.
pub(super) async fn newest(client: &mut RegisterClient, id: &str) -> Result<Held, CliError> {
    let question = v1::GetRequestRequest { id: id.to_owned() };
    let versions = client.get_request(question).await?.into_inner().versions;
    let missing = || CliError::Malformed("the answer holds no version".to_owned());
    let mut newest = versions.into_iter().next_back().ok_or_else(missing)?;
    complete(client, &mut newest).await?;
    held(newest).ok_or_else(missing)
}

/// The version after it, as it is.
pub(super) fn follows(newest: &Held) -> v1::Request {
    let mut next = newest.request.clone();
    next.version = newest.request.version.saturating_add(1);
    next.prev_hash.clone_from(&newest.digest);
    next
}

impl Amend {
    fn change(&self, request: &mut v1::Request, now_s: i64) -> Result<(), CliError> {
        let Self {
            id: _,
            until,
            add_target,
            remove_target,
            territories,
            techniques,
            implement_by,
            review_due,
            number,
            reasons,
            language,
            redress,
            report_to,
            report_sent,
            received,
            effective_at: _,
            reason: _,
            dry_run: _,
        } = self;
        let at = |text: &Option<String>, flag: &str| {
            text.as_deref().map(|text| time::parse(text, flag, now_s)).transpose()
        };
        let task = request.task.get_or_insert_default();
        match until.as_deref() {
            None => {}
            Some("never") => task.effective_until_s = 0,
            Some(text) => task.effective_until_s = time::parse(text, "--until", now_s)?,
        }
        for text in remove_target {
            let target = target(text, "--remove-target")?.to_wire();
            let before = task.targets.len();
            task.targets.retain(|held| held.target.as_ref() != Some(&target));
            if task.targets.len() == before {
                let problem = format!("--remove-target: {text:?} is no target of the request");
                return Err(CliError::Usage(problem));
            }
        }
        for text in add_target {
            let target = Some(target(text, "--add-target")?.to_wire());
            if !task.targets.iter().any(|held| held.target == target) {
                task.targets.push(v1::RequestTarget { target, ..v1::RequestTarget::default() });
            }
        }
        if !territories.is_empty() {
            task.scope.get_or_insert_default().territories = territories.clone();
        }
        if !techniques.is_empty() {
            let known = |word: &String| {
                let known = field::technique_from(word);
                known.map(i32::from).ok_or_else(|| {
                    CliError::Usage(format!("--technique: {word:?} is no technique"))
                })
            };
            task.measure.get_or_insert_default().techniques =
                techniques.iter().map(known).collect::<Result<_, _>>()?;
        }
        if let Some(at_s) = at(implement_by, "--implement-by")? {
            task.implement_by_s = at_s;
        }
        if let Some(at_s) = at(review_due, "--review-due")? {
            task.review_due_s = at_s;
        }
        let deed = request.authorisation.get_or_insert_default();
        if let Some(number) = number {
            deed.external_ref.clone_from(number);
        }
        if let Some(reasons) = reasons {
            deed.statement_of_reasons.clone_from(reasons);
        }
        let came = request.notification.get_or_insert_default();
        if let Some(language) = language {
            came.language.clone_from(language);
        }
        if !redress.is_empty() {
            let way = |route: &String| v1::Redress { route: route.clone(), ..Default::default() };
            came.redress = redress.iter().map(way).collect();
        }
        if let Some(authority) = report_to {
            came.report_effect_to.get_or_insert_default().authority.clone_from(authority);
        }
        if let Some(at_s) = at(report_sent, "--report-sent")? {
            let Some(report) = &mut came.report_effect_to else {
                let problem = "--report-sent: the request asks for no report; say --report-to";
                return Err(CliError::Usage(problem.to_owned()));
            };
            report.sent_at_s = at_s;
        }
        if let Some(at_s) = at(received, "--received")? {
            request.notification.get_or_insert_default().received_at_s = at_s;
        }
        Ok(())
    }
}

fn target(text: &str, flag: &str) -> Result<Target, CliError> {
    let read = text.parse::<Target>().or_else(|_| Target::guess(text).map(|(target, _)| target));
    read.map_err(|error| CliError::Usage(format!("{flag}: {text:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> v1::Request {
        let target = target("192.0.2.7", "").unwrap().to_wire();
        v1::Request {
            id: "req-7".into(),
            version: 1,
            task: Some(v1::Task {
                targets: vec![v1::RequestTarget {
                    target: Some(target),
                    ..v1::RequestTarget::default()
                }],
                effective_until_s: 100,
                ..v1::Task::default()
            }),
            ..v1::Request::default()
        }
    }

    fn amended(change: impl FnOnce(&mut Amend)) -> Result<v1::Task, String> {
        Ok(whole(change)?.task.unwrap_or_default())
    }

    fn whole(change: impl FnOnce(&mut Amend)) -> Result<v1::Request, String> {
        let mut args = Amend::default();
        change(&mut args);
        let mut request = request();
        args.change(&mut request, 1_768_478_400).map_err(|error| error.to_string())?;
        Ok(request)
    }

    /// What findings about entries ask for.
    #[test]
    fn what_a_file_lacks_can_be_said_later() {
        let amended = whole(|a| {
            a.number = Some("4 K 17/26".into());
            a.reasons = Some("counterfeit goods".into());
            a.language = Some("de".into());
            a.redress = vec!["objection within a month".into()];
            a.report_to = Some("Media authority".into());
            a.report_sent = Some("2026-01-20T00:00:00Z".into());
        });
        let amended = amended.unwrap();
        let deed = amended.authorisation.unwrap();
        assert_eq!(
            (deed.external_ref.as_str(), deed.statement_of_reasons.as_str()),
            ("4 K 17/26", "counterfeit goods")
        );
        let came = amended.notification.unwrap();
        assert_eq!(
            (came.language.as_str(), came.redress[0].route.as_str()),
            ("de", "objection within a month")
        );
        let report = came.report_effect_to.unwrap();
        assert_eq!(
            (report.authority.as_str(), report.sent_at_s),
            ("Media authority", 1_768_867_200)
        );
        let refused = whole(|a| a.report_sent = Some("2026-01-20T00:00:00Z".into())).unwrap_err();
        assert!(refused.contains("asks for no report"), "{refused}");
    }

    #[test]
    fn what_is_said_changes_and_nothing_else() {
        assert_eq!(amended(|_| {}).unwrap(), request().task.unwrap());
        let task = amended(|a| a.until = Some("never".into())).unwrap();
        assert_eq!(task.effective_until_s, 0);
        let task = amended(|a| a.add_target = vec!["example.org".into()]).unwrap();
        assert_eq!(task.targets.len(), 2);
        let task = amended(|a| {
            a.remove_target = vec!["ip:192.0.2.7".into()];
            a.add_target = vec!["192.0.2.8".into()];
        })
        .unwrap();
        let values: Vec<_> = task.targets.iter().map(|t| t.target.clone().unwrap().value).collect();
        assert_eq!(values, ["192.0.2.8"]);
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let refused = amended(|a| a.remove_target = vec!["192.0.2.9".into()]).unwrap_err();
        assert!(refused.contains("is no target of the request"), "{refused}");
        let refused = amended(|a| a.techniques = vec!["nxdomain".into()]).unwrap_err();
        assert!(refused.contains("is no technique"), "{refused}");
    }
}
