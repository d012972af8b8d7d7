//! The operator's side: what its register holds of the authority, from the collector or from a bundle.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use evidence::RequestId;
use register::{
    Request, Standing,
    alike::alike,
    reconcile::{
        Item, Names, Operator, Question, Recorded, Veiled, Withheld, of_entry, of_request,
        registered,
    },
    request::Decision,
};
use remit_proto::v1;
use verify::{Outcome, RegisterState};

use crate::{
    cli::Reconcile,
    client::{self, RegisterClient},
    commands::requests::complete,
    commands::{list as pages, lists, verify as bundle},
    config::Config,
    exit::{CliError, Code},
    words::{count, hex},
};

pub(super) struct Held {
    pub(super) operator: Operator,
    pub(super) origin: String,
    pub(super) size: u64,
    /// Empty: nothing is published yet.
    pub(super) root: String,
    /// Who says so, in a sentence.
    pub(super) source: String,
    /// What of it is not known, in sentences.
    pub(super) gaps: Vec<String>,
    pub(super) authorities: Authorities,
    pub(super) code: Code,
}

/// By whom the register holds requests, and whether the one that is asked for is among them.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    pub(super) holds_asked: bool,
    /// Ids, names, and relays.
    pub(super) names: BTreeSet<String>,
}

impl Authorities {
    fn among<'r>(requests: impl IntoIterator<Item = &'r Request>, asked: Names<'_>) -> Self {
        let mut among = Self::default();
        requests.into_iter().for_each(|request| among.saw(request, asked));
        among
    }

    fn saw(&mut self, request: &Request, asked: Names<'_>) {
        self.holds_asked |= asked.is_of(request);
        let issuer = request.authority.iter().flat_map(|issuer| [&issuer.id, &issuer.name]);
        let named = issuer.chain([&request.particulars.shared_by]).filter(|name| !name.is_empty());
        named.for_each(|name| {
            if !self.names.contains(name) {
                self.names.insert(name.clone());
            }
        });
    }

    /// Why nothing is compared, where a name that was mistyped would look like a list of which everything is missing.
    pub(super) fn unknown(&self, asked: &str) -> Option<String> {
        let names = || self.names.iter().map(String::as_str);
        let quoted = |names: Vec<&str>| {
            let names: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
            names.join(", ")
        };
        let like = alike(asked, names(), NAMED_MAX);
        let known = match (self.names.len(), like.as_slice()) {
            (0, _) => "nor of any other authority that is shown here".to_owned(),
            (1..=NAMED_MAX, _) => format!("it holds some of {}", quoted(names().collect())),
            (_, []) => "`remit requests list` shows whose it holds".to_owned(),
            (_, _) => format!("written like it: {}", quoted(like)),
        };
        (!self.holds_asked).then(|| {
            format!(
                "--authority: the register holds no request of {asked:?}; {known}. If that is the finding, and \
                 everything on its list is missing there, give --nothing-held"
            )
        })
    }
}

/// So many names are read at a glance.
const NAMED_MAX: usize = 8;

pub(super) fn of_bundle(
    config: &Config,
    path: &Path,
    args: &Reconcile,
    at_s: i64,
) -> Result<Held, CliError> {
    let (report, state) = bundle::check(config, path, &args.trust)?;
    let result = report.result;
    let name = path.display();
    if result == Outcome::Contradicted {
        return Err(CliError::Contradicted(format!(
            "{name}: it is contradicted, and nothing is compared with it; `remit verify` says by what"
        )));
    }
    let Some(RegisterState { register, root, partial }) = state else {
        return Err(CliError::Malformed(format!(
            "{name}: its register could not be read; `remit verify` says why"
        )));
    };
    let view = register.view();
    let mut gaps = Vec::new();
    if partial {
        gaps.push(
            "Parts of the register are withheld, erased or not understood: what they hold is compared with \
             nothing."
                .to_owned(),
        );
    }
    let names = Names::new(&args.authority);
    gaps.extend(Veiled::among(view.requests().map(|entry| entry.request()), names).says());
    let authorities = Authorities::among(view.requests().map(|entry| entry.request()), names);
    let mut withheld = Withheld::default();
    for entry in view.requests() {
        let in_force = entry.standing_at(at_s).is_some_and(Standing::is_in_force);
        withheld.saw(entry.request(), in_force, names);
    }
    // Of a statement that is withheld it is not known how many requests it brought: it is at least one.
    withheld.saw_none_of(view.withheld_count() as u64);
    Ok(Held {
        authorities,
        operator: Operator { items: registered(&view, names, at_s), withheld },
        origin: register.origin().to_owned(),
        size: register.size(),
        root: root.map(|root| hex(&root.0)).unwrap_or_default(),
        source: format!(
            "the bundle {}, checked offline: {result}",
            path.file_name().unwrap_or_default().to_string_lossy()
        ),
        gaps,
        code: result.into(),
    })
}

pub(super) async fn of_collector(config: &Config, question: &Question) -> Result<Held, CliError> {
    let Question { authority, at_s, timing_s, materiality: _ } = question;
    let at_s = *at_s;
    let mut client = client::register(config).await?;
    let mut roots = Roots::default();
    let (mut rows, completeness) = requests(&mut client, 0, &mut roots).await?;
    let (running, _) = requests(&mut client, at_s, &mut roots).await?;
    for row in &mut rows {
        complete(&mut client, row).await?;
    }
    let completeness = completeness.unwrap_or_default();
    let mut gaps = Vec::new();
    if completeness.veiled_requests > 0 {
        gaps.push(veiled_requests(completeness.veiled_requests));
    }
    let running: BTreeSet<String> =
        running.into_iter().filter_map(|row| row.request).map(|request| request.id).collect();
    let names = Names::new(authority);
    let (mut not_understood, mut of) = (0_u64, BTreeMap::new());
    let (mut veiled, mut authorities) = (Veiled::default(), Authorities::default());
    let mut withheld = Withheld::default();
    withheld.saw_none_of(completeness.hidden_requests);
    for row in rows {
        let v1::RequestRow { request, state, recorded_at_s, applies_from_s, decision, .. } = row;
        let Ok(request) = Request::try_from(request.unwrap_or_default()) else {
            not_understood += 1;
            continue;
        };
        veiled += Veiled::among([&request], names);
        withheld.saw(&request, running.contains(request.id.as_str()), names);
        authorities.saw(&request, names);
        if names.is_of(&request) {
            let text = Text { request, recorded_s: recorded_at_s, applies_from_s };
            let id = text.request.id.to_string();
            let state = state_then(state, running.contains(&id));
            let decision = decision.and_then(|decision| Decision::try_from(decision).ok());
            of.insert(id, Of { text, state, decision });
        }
    }
    gaps.extend(veiled.says());
    if not_understood > 0 {
        gaps.push(format!(
            "By this version {} of the register not understood.",
            count(not_understood, "request is", "requests are")
        ));
    }
    let mut items = Vec::new();
    for (id, Of { text, state, decision }) in &mut of {
        // Only for what came in late it is asked how late.
        let is_late = text.recorded_s >= at_s.saturating_sub(*timing_s);
        let mut earlier = match text.request.version {
            2.. if is_late || text.applies_from_s > at_s => {
                earlier(&mut client, &text.request, &mut roots).await?
            }
            _ => Earlier::default(),
        };
        // By the text of then: what an amendment changed later is no difference yet.
        while text.applies_from_s > at_s {
            if earlier.texts.is_empty() {
                gaps.push(format!(
                    "Which text of {id} was in force then is not shown; a later one is compared."
                ));
                break;
            }
            *text = earlier.texts.remove(0);
        }
        let recorded = earlier.before(text.recorded_s);
        let (in_force, decision) = (running.contains(id), decision.as_ref());
        items.extend(of_request(&text.request, state, in_force, decision, at_s, &recorded));
    }
    let covered: BTreeSet<RequestId> =
        of.values().flat_map(|of| of.text.request.covers_lists.iter().cloned()).collect();
    for list in covered {
        let v1::GetListResponse { list: row, versions, register_root, completeness } =
            lists::get(&mut client, &list).await?;
        roots.saw(completeness.as_ref(), register_root);
        if row.is_some_and(|row| row.partial) {
            gaps.push(format!("What some versions of {list} changed is withheld or erased."));
        }
        let in_force = versions
            .iter()
            .rev()
            .find(|version| version.acceptance.is_some() && version.from_s <= at_s);
        let Some(in_force) = in_force else { continue };
        let (rows, completeness) = lists::entries(&mut client, &list, &in_force.version).await?;
        roots.saw_size(completeness.as_ref());
        let place = format!("{list}@{}", in_force.version);
        let recorded = |added_by: &str| {
            let version = versions.iter().find(|version| version.version == added_by)?;
            Some(version.recorded_at_s)
        };
        let under: Vec<(String, i64, Option<i64>)> = rows
            .iter()
            .map(|row| (row.request_id.clone(), row.since_s, recorded(&row.added_by)))
            .collect();
        for ((id, since_s, recorded_s), entry) in under.into_iter().zip(lists::read(rows)?) {
            let Some(Of { text, state, .. }) = of.get(&id) else { continue };
            let in_force = running.contains(&id);
            let item = of_entry(&text.request, &entry, since_s, state, in_force, at_s, &place);
            items.push(Item { recorded_s, ..item });
        }
    }
    gaps.extend(roots.says());
    let (size, root) = roots.first();
    Ok(Held {
        authorities,
        operator: Operator { items, withheld },
        origin: config.register_vkey()?.name().to_string(),
        size,
        root: hex(root),
        source: format!("the collector {}, taken at its word", config.collector()?),
        gaps,
        code: Code::Ok,
    })
}

/// A request of the authority, as the collector shows it.
struct Of {
    text: Text,
    state: String,
    /// The last one.
    decision: Option<Decision>,
}

/// A collector tells where a request stands now; of then it tells whether it was in force.
fn state_then(now: String, in_force: bool) -> String {
    match (matches!(now.as_str(), "active" | "provisional"), in_force) {
        (true, false) => format!("not then; {now} now"),
        (false, true) => format!("in force then; {now} now"),
        (true, true) | (false, false) => now,
    }
}

/// One version of a request.
struct Text {
    request: Request,
    recorded_s: i64,
    /// 0: it is the first.
    applies_from_s: i64,
}

/// The texts before the one that is shown, the newest first.
#[derive(Default)]
struct Earlier {
    texts: Vec<Text>,
    /// Not all of them were shown.
    is_cut: bool,
}

impl Earlier {
    fn before(&self, recorded_s: i64) -> Recorded<'_> {
        let recorded = self.texts.iter().fold(Recorded::at(recorded_s), |recorded, text| {
            recorded.after(&text.request, text.recorded_s)
        });
        if self.is_cut { recorded.after_others() } else { recorded }
    }
}

async fn earlier(
    client: &mut RegisterClient,
    request: &Request,
    roots: &mut Roots,
) -> Result<Earlier, CliError> {
    let question = v1::GetRequestRequest { id: request.id.to_string() };
    let v1::GetRequestResponse { versions, version_count, completeness, .. } =
        client.get_request(question).await?.into_inner();
    roots.saw_size(completeness.as_ref());
    let mut earlier =
        Earlier { is_cut: version_count > versions.len() as u64, ..Earlier::default() };
    for mut row in versions.into_iter().rev() {
        let version = row.request.as_ref().map_or(0, |text| text.version);
        if version >= request.version {
            continue;
        }
        complete(client, &mut row).await?;
        match Request::try_from(row.request.unwrap_or_default()) {
            Ok(request) => earlier.texts.push(Text {
                request,
                recorded_s: row.recorded_at_s,
                applies_from_s: row.applies_from_s,
            }),
            Err(_) => {
                earlier.is_cut = true;
                break;
            }
        }
    }
    Ok(earlier)
}

fn veiled_requests(number: u64) -> String {
    format!(
        "{} restricted or secret parts that are not shown to you: {} compared as far as shown, or not at all.",
        count(number, "request has", "requests have"),
        if number == 1 { "it is" } else { "they are" }
    )
}

/// The states of the register of which the answers are: a statement is made from one.
#[derive(Default)]
struct Roots {
    sizes: BTreeSet<u64>,
    /// By size; of one size there is one root, or the collector shows two registers.
    roots: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    first: Option<(u64, Vec<u8>)>,
}

impl Roots {
    fn saw(&mut self, completeness: Option<&v1::Completeness>, root: Vec<u8>) {
        self.saw_size(completeness);
        let size = completeness.map_or(0, |answer| answer.register_size);
        self.roots.entry(size).or_default().insert(root.clone());
        self.first.get_or_insert((size, root));
    }

    fn saw_size(&mut self, completeness: Option<&v1::Completeness>) {
        self.sizes.extend(completeness.map(|answer| answer.register_size));
    }

    /// Of the first answer.
    fn first(&self) -> (u64, &[u8]) {
        self.first.as_ref().map_or((0, &[]), |(size, root)| (*size, root))
    }

    fn says(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.sizes.len() > 1 {
            said.push(
                "While this was asked, the register grew; make the statement again for one state."
                    .to_owned(),
            );
        }
        let split = self.roots.iter().filter(|(_, roots)| roots.len() > 1);
        said.extend(split.map(|(size, _)| {
            format!(
                "The collector showed more than one root of the register at size {size}: keep this \
                 statement and ask the operator."
            )
        }));
        said
    }
}

/// All requests, or those in force at an instant, with the root of the register.
async fn requests(
    client: &mut RegisterClient,
    in_force_at_s: i64,
    roots: &mut Roots,
) -> Result<(Vec<v1::RequestRow>, Option<v1::Completeness>), CliError> {
    pages::all(None, async |page_size, page_token| {
        let question = v1::ListRequestsRequest {
            in_force_at_s,
            page_size,
            page_token,
            ..v1::ListRequestsRequest::default()
        };
        let v1::ListRequestsResponse { requests, next_page_token, completeness, register_root } =
            client.list_requests(question).await?.into_inner();
        roots.saw(completeness.as_ref(), register_root);
        Ok((requests, next_page_token, completeness))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_the_register_does_not_know_is_refused_with_those_that_it_knows() {
        let unknown = |asked: &str, names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            Authorities { holds_asked: false, names }.unknown(asked).unwrap()
        };
        let few = unknown("Polize Berlin", &["Police Berlin", "court"]);
        let want = "the register holds no request of \"Polize Berlin\"; it holds some of \"Police Berlin\", \
                    \"court\". If";
        assert!(few.contains(want) && few.ends_with("give --nothing-held"), "{few}");
        assert!(unknown("court", &[]).contains("; nor of any other authority"));
        let names: Vec<String> = (0..20).map(|n| format!("authority number {n}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.push("Police Berlin");
        let many = unknown("Polize Berlin", &names);
        assert!(many.contains("; written like it: \"Police Berlin\". If"), "{many}");
        assert!(unknown("zzz", &names).contains("; `remit requests list` shows"));
        let held = Authorities { holds_asked: true, names: BTreeSet::new() };
        assert_eq!(held.unknown("court"), None);
    }

    #[test]
    fn a_statement_is_made_from_one_state_of_the_register() {
        let check = |seen: &[(u64, u8)], said: &[&str]| {
            let mut roots = Roots::default();
            for (register_size, root) in seen {
                let answer =
                    v1::Completeness { register_size: *register_size, ..Default::default() };
                roots.saw(Some(&answer), vec![*root; 32]);
            }
            let (size, root) = roots.first();
            assert_eq!((size, root), (seen[0].0, [seen[0].1; 32].as_slice()));
            let found = roots.says();
            assert_eq!(found.len(), said.len(), "{found:?}");
            assert!(found.iter().zip(said).all(|(found, said)| found.contains(said)), "{found:?}");
        };
        check(&[(3, 1), (3, 1)], &[]);
        check(&[(3, 1), (4, 2)], &["the register grew"]);
        check(&[(3, 1), (3, 2)], &["more than one root of the register at size 3"]);
    }
}
