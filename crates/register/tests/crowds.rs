//! More targets touch the event's than a verdict looks at: what it then says is true, says that it is of
//! a part, and does not depend on what the register came to hold later.
#![allow(clippy::unwrap_used, reason = "inputs are made here")]

use register::{
    Claim, Event, Known, KnownSizes, Parameters, Register, Span, Target, Verdict, View, explain,
    judge, judge::CONSIDERED_MAX,
};
use remit_proto::v1::{
    self, UndeterminedReason, VerdictCode, register_item::Item, statement::Body,
};

const CROWD: usize = 5_000;
const AT_S: i64 = 2_000_000;

/// `targets` as `<kind>:<value>`, with "!" in front: must stay open. In force since the beginning.
fn request(id: &str, targets: &[String], until_s: i64) -> v1::Request {
    let target = |text: &String| {
        let (exception, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let target = Some(text.parse::<Target>().unwrap().to_wire());
        v1::RequestTarget { target, exception, ..v1::RequestTarget::default() }
    };
    v1::Request {
        id: id.to_owned(),
        version: 1,
        authorisation: Some(v1::Authorisation {
            instrument: v1::Instrument::CourtOrderFinal.into(),
            basis_class: v1::BasisClass::Law.into(),
            ..v1::Authorisation::default()
        }),
        notification: Some(v1::Notification { form: 1, ..v1::Notification::default() }),
        task: Some(v1::Task {
            targets: targets.iter().map(target).collect(),
            measure: Some(v1::Measure { outcome_only: true, ..v1::Measure::default() }),
            scope: Some(v1::Scope { territories: vec!["*".to_owned()], ..v1::Scope::default() }),
            effective_from_s: 1_000_000,
            effective_until_s: until_s,
            ..v1::Task::default()
        }),
        status: v1::RequestStatus::Accepted.into(),
        basis_proof: v1::BasisProof::DocumentHeld.into(),
        ..v1::Request::default()
    }
}

fn enter(register: &mut Register, requests: Vec<v1::Request>) {
    let item = |request| v1::RegisterItem { item: Some(Item::Request(request)) };
    let items: Vec<_> = requests.into_iter().map(item).collect();
    let set = v1::ItemSet { count: items.len() as u64, ..v1::ItemSet::default() };
    let import = v1::Import { items: Some(set), ..v1::Import::default() };
    let statement = v1::Statement {
        format: 1,
        origin: "example.net/register".to_owned(),
        recorded_at_s: 1_000_000,
        effective_at_s: 1_000_000,
        author: None,
        approver: None,
        body: Some(Body::Import(import)),
    };
    register.apply(&statement, Some(items)).unwrap();
}

/// So many requests that had ended long before, each with these targets.
fn ended(count: usize, targets: impl Fn(usize) -> String) -> Register {
    let mut register = Register::new("example.net/register");
    let one = |n| request(&format!("old-{n}"), &[targets(n)], 1_000_100);
    enter(&mut register, (0..count).map(one).collect());
    register
}

fn verdict(view: &View<'_>, target: &str, claims: &[&str], seen: &[&str]) -> Verdict {
    let claims: Vec<Claim> = claims.iter().map(|c| c.parse().unwrap()).collect();
    let seen: Vec<Target> = seen.iter().map(|name| Target::guess(name).unwrap().0).collect();
    let event = Event {
        target: Known::Known(target.parse().unwrap()),
        narrowed: false,
        technique: v1::Technique::DnsNxdomain,
        rate_bits_per_s: None,
        trigger: v1::Trigger::Qname,
        actor: v1::Actor::OperatorStaff,
        claims: &claims,
        attributed: None,
        baseline_until_s: None,
        response: None,
        span: Span { first_s: AT_S, last_s: AT_S, clock_error_s: 0 },
        imported: false,
        place: None,
        observed: &seen,
        ambiguous: 0,
        unseen: &[],
        stands: false,
        deed: None,
    };
    judge(&event, view, &KnownSizes::default(), &Parameters::default())
}

fn check(found: &Verdict, code: VerdictCode, cut: bool) {
    assert_eq!(found.code, code, "{found:?}");
    assert_eq!(found.considered.is_some(), cut, "{found:?}");
    let too_many = found.undetermined == Some(UndeterminedReason::TooMany);
    assert_eq!(too_many, code == VerdictCode::Undetermined, "{found:?}");
    assert!(!explain(&found.to_wire()).is_empty());
}

#[test]
fn what_a_block_claims_is_found_among_thousands() {
    let mut register = ended(CROWD, |_| "domain_exact:example.org".to_owned());
    enter(&mut register, vec![request("req-7", &["domain_exact:example.org".to_owned()], 0)]);
    let found = verdict(&register.view(), "domain_exact:example.org", &["req-7"], &[]);
    check(&found, VerdictCode::Authorised, true);
    let said = explain(&found.to_wire());
    assert!(said.contains("were looked at"), "{said}");
    // By another claim, nobody found it: and nobody says that it is not there.
    for claims in [&["old-7"][..], &[]] {
        let found = verdict(&register.view(), "domain_exact:example.org", claims, &[]);
        check(&found, VerdictCode::Undetermined, true);
    }
}

#[test]
fn an_own_measure_is_not_said_where_an_order_may_be_behind_it() {
    let mut register = ended(CROWD, |_| "domain_exact:example.org".to_owned());
    let mut own = request("spam", &["domain_exact:example.org".to_owned()], 0);
    own.authorisation = Some(v1::Authorisation {
        instrument: v1::Instrument::TosMeasure.into(),
        basis_class: v1::BasisClass::ContractTos.into(),
        ..v1::Authorisation::default()
    });
    enter(&mut register, vec![own]);
    let found = verdict(&register.view(), "domain_exact:example.org", &["spam"], &[]);
    check(&found, VerdictCode::Undetermined, true);
}

#[test]
fn up_to_the_limit_everything_is_looked_at() {
    let mut register = ended(CONSIDERED_MAX - 1, |_| "domain_exact:example.org".to_owned());
    let found = verdict(&register.view(), "domain_exact:example.org", &[], &[]);
    check(&found, VerdictCode::Expired, false);
    enter(&mut register, vec![request("req-7", &["domain_subtree:org".to_owned()], 0)]);
    let found = verdict(&register.view(), "domain_exact:example.org", &[], &[]);
    check(&found, VerdictCode::AuthorisedMisreferenced, false);
}

#[test]
fn up_to_the_limit_everything_below_is_looked_at() {
    let below = |n: usize| format!("domain_exact:n{n}.example.org");
    for (count, cut) in [(CONSIDERED_MAX, false), (CONSIDERED_MAX + 1, true)] {
        let register = ended(count, below);
        let found = verdict(&register.view(), "domain_subtree:example.org", &[], &[]);
        let code = if cut { VerdictCode::Undetermined } else { VerdictCode::Expired };
        check(&found, code, cut);
    }
}

#[test]
fn a_view_of_an_old_size_is_cut_where_it_was_cut_then() {
    let below = |n: usize| format!("domain_exact:n{n}.example.org");
    let mut register = ended(CONSIDERED_MAX / 2, below);
    let then = verdict(&register.view(), "domain_subtree:example.org", &[], &[]);
    check(&then, VerdictCode::Expired, false);
    let size = register.size();
    let later = |n: usize| request(&format!("req-{n}"), &[below(n * 7 % CROWD)], 0);
    enter(&mut register, (0..CROWD).map(later).collect());
    assert_eq!(verdict(&register.at(size), "domain_subtree:example.org", &[], &[]), then);
    let now = verdict(&register.view(), "domain_subtree:example.org", &[], &[]);
    assert!(now.considered.is_some());
}

#[test]
fn what_holds_a_target_comes_before_what_lies_in_it() {
    let mut register = ended(CROWD, |n| format!("domain_exact:n{n}.example.org"));
    enter(&mut register, vec![request("req-7", &["domain_subtree:org".to_owned()], 0)]);
    for target in ["domain_subtree:example.org", "domain_subtree:*.example.org"] {
        check(
            &verdict(&register.view(), target, &[], &[]),
            VerdictCode::AuthorisedMisreferenced,
            true,
        );
    }
    let mut register = ended(CROWD, |n| format!("ip:10.1.{}.{}", n / 256, n % 256));
    enter(&mut register, vec![request("req-7", &["cidr:10.0.0.0/8".to_owned()], 0)]);
    let found = verdict(&register.view(), "cidr:10.1.0.0/16", &[], &[]);
    check(&found, VerdictCode::AuthorisedMisreferenced, true);
    // Everything is more than a choice of means licenses, and one of the others might name it.
    check(&verdict(&register.view(), "cidr:0.0.0.0/0", &[], &[]), VerdictCode::Undetermined, true);
}

#[test]
fn an_exception_that_was_not_looked_at_still_holds() {
    let mut register = ended(CROWD, |n| format!("domain_exact:n{n}.example.org"));
    let mut targets: Vec<String> =
        (0..CROWD).map(|n| format!("domain_exact:n{n}.example.org")).collect();
    targets.push("!domain_exact:open.example.org".to_owned());
    enter(&mut register, vec![request("req-7", &targets, 0)]);
    // The request leaves the means to the operator, so that the wider block is licensed …
    let found = verdict(&register.view(), "domain_subtree:example.org", &["req-7"], &[]);
    check(&found, VerdictCode::Authorised, true);
    // … but not where it was seen to hit what must stay open.
    let seen = ["open.example.org"];
    let found = verdict(&register.view(), "domain_subtree:example.org", &["req-7"], &seen);
    check(&found, VerdictCode::Undetermined, true);
}

#[test]
fn urls_and_ports_and_everything_are_cut_too() {
    let urls = ended(CROWD, |n| format!("url:https://example.org/watch?v={n}"));
    check(&verdict(&urls.view(), "sni:example.org", &[], &[]), VerdictCode::Undetermined, true);
    check(&verdict(&urls.view(), "whole_service:*", &[], &[]), VerdictCode::Undetermined, true);
    let one = verdict(&urls.view(), "url:https://example.org/watch?v=4321", &[], &[]);
    check(&one, VerdictCode::Expired, false);
    let ports = ended(CROWD, |n| format!("ip_port:10.1.{}.{}:443/tcp", n / 256, n % 256));
    check(&verdict(&ports.view(), "port:443/tcp", &[], &[]), VerdictCode::Undetermined, true);
    let one = verdict(&ports.view(), "ip_port:10.1.3.4:443/tcp", &[], &[]);
    check(&one, VerdictCode::Expired, false);
}
