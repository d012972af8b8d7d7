//! Random registers and events: nothing panics, and the index agrees with looking at everything.
#![allow(clippy::unwrap_used, reason = "inputs are made here")]

use proptest::prelude::*;
use register::{
    Claim, Event, Known, KnownSizes, Parameters, Register, Relation, Span, Target, explain, judge,
    relation,
};
use remit_proto::v1::{self, register_item::Item, statement::Body};

/// Few values, so that they meet.
fn target() -> impl Strategy<Value = Target> {
    let name = prop::sample::select(vec![
        "org",
        "example.org",
        "www.example.org",
        "a.www.example.org",
        "example.net",
        "xn--fa-hia.example",
    ]);
    let address = prop::sample::select(vec![
        "192.0.2.7",
        "192.0.2.8",
        "198.51.100.1",
        "2001:db8::7",
        "2001:db8:1::7",
    ]);
    let net = prop::sample::select(vec![
        "0.0.0.0/0",
        "192.0.0.0/16",
        "192.0.2.0/24",
        "192.0.2.0/28",
        "::/0",
        "2001:db8::/32",
        "2001:db8::/48",
    ]);
    let rest = prop::sample::select(vec![
        "whole_service:*",
        "port:443/tcp",
        "port:443/any",
        "port:80/tcp",
        "keyword:x",
        "keyword:y",
        "asn_route:AS64500",
        "category:games",
    ]);
    let path = prop::sample::select(vec!["/", "/a", "/a/b", "/a?q"]);
    let text = prop_oneof![
        (
            prop::sample::select(vec!["domain_exact", "domain_subtree", "sni", "http_host"]),
            name.clone()
        )
            .prop_map(|(kind, name)| format!("{kind}:{name}")),
        name.clone().prop_map(|name| format!("domain_subtree:*.{name}")),
        (
            any::<bool>(),
            any::<bool>(),
            prop_oneof![
                name.prop_map(str::to_owned),
                prop::sample::select(vec!["192.0.2.7", "[2001:db8::7]"]).prop_map(str::to_owned)
            ],
            path
        )
            .prop_map(|(prefix, secure, host, path)| {
                let kind = if prefix { "url_prefix" } else { "url" };
                let path = if prefix { path.trim_end_matches("?q") } else { path };
                format!("{kind}:http{}://{host}{path}", if secure { "s" } else { "" })
            }),
        address.clone().prop_map(|ip| format!("ip:{ip}")),
        net.prop_map(|net| format!("cidr:{net}")),
        (address, prop::sample::select(vec!["443/tcp", "443/any", "80/tcp"])).prop_map(
            |(ip, port)| {
                if ip.contains(':') {
                    format!("ip_port:[{ip}]:{port}")
                } else {
                    format!("ip_port:{ip}:{port}")
                }
            }
        ),
        rest.prop_map(str::to_owned),
    ];
    text.prop_map(|text| text.parse().unwrap())
}

fn request(id: usize) -> impl Strategy<Value = v1::Request> {
    let times = (0..60_i64, prop::option::of(1..60_i64), 0..10_u64, 1..60_i64);
    let kinds = (0..=14_i32, 0..=8_i32, 0..=2_usize, any::<bool>(), 0..=8_i32);
    let targets = prop::collection::vec((target(), any::<u8>(), 0..60_i64, 0..60_i64), 1..4);
    (targets, times, kinds).prop_map(move |(targets, times, kinds)| {
        let (from, length, remove_within_s, confirm) = times;
        let (instrument, status, territories, outcome_only, coarsest) = kinds;
        v1::Request {
            id: format!("req-{id}"),
            version: 1,
            authorisation: Some(v1::Authorisation {
                instrument,
                basis_class: 1 + instrument % 6,
                ..v1::Authorisation::default()
            }),
            notification: Some(v1::Notification { form: 1, ..v1::Notification::default() }),
            task: Some(v1::Task {
                targets: targets
                    .into_iter()
                    .map(|(target, odd, added, removed)| v1::RequestTarget {
                        target: Some(target.to_wire()),
                        added_at_s: if odd & 3 == 0 { 1_000 + added } else { 0 },
                        removed_at_s: if odd & 12 == 0 { 1_060 + removed } else { 0 },
                        exception: odd > 230,
                        ..v1::RequestTarget::default()
                    })
                    .collect(),
                measure: Some(v1::Measure {
                    techniques: vec![1, 10],
                    outcome_only,
                    coarsest: if coarsest < 8 { coarsest } else { 17 },
                    ..v1::Measure::default()
                }),
                scope: Some(v1::Scope {
                    territories: [
                        vec![],
                        vec!["*".to_owned()],
                        vec!["DE".to_owned(), "FR-75".to_owned()],
                    ]
                    .into_iter()
                    .nth(territories)
                    .unwrap_or_default(),
                    ..v1::Scope::default()
                }),
                effective_from_s: 1_000 + from,
                effective_until_s: length.map_or(0, |l| 1_000 + from + l),
                confirm_by_s: 1_000 + from + confirm,
                remove_within_s,
                ..v1::Task::default()
            }),
            status,
            basis_proof: 1,
            ..v1::Request::default()
        }
    })
}

fn statement(body: Body, recorded_at_s: i64, effective_at_s: i64) -> v1::Statement {
    let origin = "example.net/register".to_owned();
    let format = 1;
    v1::Statement {
        format,
        origin,
        recorded_at_s,
        effective_at_s,
        author: None,
        approver: None,
        body: Some(body),
    }
}

/// Statements that make no sense are refused, and the rest must still be answered.
fn register() -> impl Strategy<Value = Register> {
    let requests: Vec<_> = (0..6).map(request).collect();
    let acts =
        prop::collection::vec((0..7_usize, 0..=11_i32, 990..1_130_i64, any::<bool>()), 0..12);
    (requests, acts, any::<bool>()).prop_map(|(requests, acts, amend)| {
        let mut register = Register::new("example.net/register");
        let mut again = requests.clone();
        let mut enter = |requests: Vec<v1::Request>, at_s: i64| {
            for request in requests {
                let item = v1::RegisterItem { item: Some(Item::Request(request)) };
                let set = v1::ItemSet { count: 1, ..v1::ItemSet::default() };
                let import = v1::Import { items: Some(set), ..v1::Import::default() };
                let _ =
                    register.apply(&statement(Body::Import(import), at_s, at_s), Some(vec![item]));
            }
        };
        enter(requests, 990);
        if amend {
            again.iter_mut().for_each(|r| r.version = 2);
            again.rotate_left(3);
            let ids: Vec<_> = again.iter().map(|r| r.id.clone()).collect();
            again.iter_mut().zip(ids.into_iter().rev()).for_each(|(r, id)| r.id = id);
            enter(again, 1_030);
        }
        for (id, kind, effective, by) in acts {
            let by_request_id = if by { "req-1".to_owned() } else { String::new() };
            let act = v1::Transition {
                request_id: format!("req-{id}"),
                kind,
                by_request_id,
                ..v1::Transition::default()
            };
            let before = register.size();
            let done = register.apply(&statement(Body::Transition(act), 1_000, effective), None);
            assert_eq!(register.size(), before + u64::from(done.is_ok()));
        }
        register
    })
}

proptest! {
    #[test]
    fn the_index_agrees_with_looking_at_everything(register in register(), wanted in target(), part in 0..8_u64) {
        for view in [register.view(), register.at(part)] {
            let mut by_index: Vec<_> = view
                .touching(&wanted)
                .iter()
                .map(|t| (t.entry.id().to_string(), t.version.request.version, t.target.target.to_string(), t.relation))
                .collect();
            let mut by_hand = Vec::new();
            for entry in view.requests() {
                for version in entry.versions() {
                    for held in &version.request.targets {
                        let relation = relation(&wanted, &held.target);
                        if relation != Relation::Disjoint {
                            by_hand.push((entry.id().to_string(), version.request.version, held.target.to_string(), relation));
                        }
                    }
                }
            }
            by_index.sort();
            by_hand.sort();
            prop_assert_eq!(by_index, by_hand);
        }
    }

    #[test]
    fn relations_mirror_each_other(a in target(), b in target()) {
        let mirrored = match relation(&a, &b) {
            Relation::Inside => Relation::Contains,
            Relation::Contains => Relation::Inside,
            same => same,
        };
        prop_assert_eq!(relation(&b, &a), mirrored);
        prop_assert_eq!(relation(&a, &b) == Relation::Equal, a == b);
    }

    #[test]
    fn holding_is_transitive(a in target(), b in target(), c in target()) {
        let within = |x: &Target, y: &Target| matches!(relation(x, y), Relation::Inside | Relation::Equal);
        if within(&a, &b) && within(&b, &c) {
            prop_assert!(within(&a, &c), "{a} in {b} in {c}");
        }
    }

    #[test]
    fn every_event_gets_one_well_formed_verdict(
        register in register(),
        wanted in prop_oneof![4 => target().prop_map(Known::Known), 1 => Just(Known::Erased), 1 => Just(Known::NotUnderstood)],
        span in (980..1_140_i64, 0..40_i64, prop_oneof![Just(0_u32), Just(5), Just(u32::MAX)]),
        claims in prop::collection::vec(prop::sample::select(vec!["req-0", "req-1", "req-2", "req-9", "list:a@1", "class:contract_tos", "class:security"]), 0..3),
        kinds in (0..29_i32, 0..11_i32, 0..8_i32, any::<bool>(), 0..4_u8),
        sizes in (prop::option::of(0..20_u64), 0..20_u64, 0..20_u64),
    ) {
        let claims: Vec<Claim> = claims.iter().map(|c| c.parse().unwrap()).collect();
        let (technique, trigger, actor, imported, place) = kinds;
        let facts = v1::NodeFacts {
            node: "router-1".into(),
            country: ["", "DE", "FR"][usize::from(place) % 3].into(),
            ..v1::NodeFacts::default()
        };
        let seen = ["domain_exact:other.example", "ip:192.0.2.9"].map(|text| text.parse().unwrap());
        let event = Event {
            target: wanted,
            narrowed: false,
            technique: v1::Technique::try_from(technique).unwrap(),
            rate_bits_per_s: None,
            trigger: v1::Trigger::try_from(trigger).unwrap(),
            actor: v1::Actor::try_from(actor).unwrap(),
            claims: &claims,
            attributed: None,
            baseline_until_s: None,
            response: None,
            span: Span { first_s: span.0, last_s: span.0 + span.1, clock_error_s: span.2 },
            imported,
            place: (place > 0).then_some(&facts),
            observed: &seen,
            ambiguous: 0,
            unseen: &[],
            stands: false,
            deed: None,
        };
        let view = register.at(sizes.2);
        let known = KnownSizes { before_act: sizes.0, when_logged: sizes.1 };
        let verdict = judge(&event, &view, &known, &Parameters::default());
        prop_assert_eq!(&verdict, &judge(&event, &view, &known, &Parameters::default()));
        prop_assert_eq!(verdict.undetermined.is_some(), verdict.code == v1::VerdictCode::Undetermined);
        prop_assert_ne!(verdict.code, v1::VerdictCode::Unspecified);
        prop_assert!(verdict.added.is_sorted_by_key(|f| *f as i32));
        if let Some(id) = verdict.request() {
            prop_assert!(view.request(id).is_some());
        }
        prop_assert!(!explain(&verdict.to_wire()).is_empty());
    }

    /// A window is covered only if each of its seconds is, and whenever one request covers each.
    #[test]
    fn a_window_says_no_more_than_its_seconds(
        register in register(),
        wanted in target(),
        span in (985..1_135_i64, 0..30_i64),
        claims in prop::collection::vec(prop::sample::select(vec!["req-0", "req-1", "req-2"]), 0..2),
    ) {
        let claims: Vec<Claim> = claims.iter().map(|c| c.parse().unwrap()).collect();
        let facts = v1::NodeFacts { country: "DE".into(), ..v1::NodeFacts::default() };
        let of = |first_s: i64, last_s: i64| {
            let event = Event {
                target: Known::Known(wanted.clone()),
                narrowed: false,
                technique: v1::Technique::IpAclDrop,
                rate_bits_per_s: None,
                trigger: v1::Trigger::Destination,
                actor: v1::Actor::OperatorStaff,
                claims: &claims,
                attributed: None,
                baseline_until_s: None,
                response: None,
                span: Span { first_s, last_s, clock_error_s: 0 },
                imported: false,
                place: Some(&facts),
                observed: &[],
                ambiguous: 0,
                unseen: &[],
                stands: false,
                deed: None,
            };
            judge(&event, &register.view(), &KnownSizes::default(), &Parameters::default())
        };
        let window = of(span.0, span.0 + span.1);
        let seconds: Vec<_> = (span.0..=span.0 + span.1).map(|at| of(at, at)).collect();
        let covered = |v: &register::Verdict| matches!(
            v.code,
            v1::VerdictCode::Authorised
                | v1::VerdictCode::AuthorisedMisreferenced
                | v1::VerdictCode::AuthorisedProvisional
        );
        if covered(&window) {
            prop_assert!(seconds.iter().all(covered));
        }
        let first = seconds.first().and_then(|v| v.request().cloned());
        if seconds.iter().all(|v| covered(v) && v.request() == first.as_ref()) {
            prop_assert!(covered(&window), "{window:?}");
        }
        // Where no second is undetermined for another reason, something changes in between.
        let determined = seconds.iter().all(|v| v.undetermined.is_none());
        if window.undetermined == Some(v1::UndeterminedReason::Boundary) && determined {
            let said = |v: &register::Verdict| (v.code, v.request().cloned());
            prop_assert!(seconds.windows(2).any(|w| said(&w[0]) != said(&w[1])), "{window:?}");
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_reads_back(kind in 0..21_i32, text in "\\PC{0,40}|[a-z0-9.:/*%\\[\\]@-]{0,30}") {
        let kind = v1::TargetKind::try_from(kind).unwrap_or_default();
        for read in [Target::parse(kind, &text), Target::guess(&text), Target::guess(&format!("http://{text}"))] {
            let Ok((target, _)) = read else { continue };
            prop_assert_eq!(Target::from_wire(&target.to_wire()), Ok(target));
        }
    }

    #[test]
    fn any_bytes_are_imported_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
        let mapping = "columns = { id = \"a\" }\n[[targets]]\ncolumn = \"b\"\nkind = \"url\"\n";
        let mapping = register::import::Mapping::parse(mapping).unwrap();
        let mut file = b"a,b\n".to_vec();
        file.extend(bytes);
        let _ = register::import::from_csv(&file, &mapping);
        let _ = register::import::from_toml(&text);
        let _ = register::import::Mapping::parse(&text);
    }
}
