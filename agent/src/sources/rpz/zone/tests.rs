use std::fs;

use proptest::prelude::*;

use super::*;

/// `owner action`, one per rule, `;` between.
fn shown(zone: &Zone) -> String {
    let one = |(owner, entry): (&Owner, &Entry)| {
        let owner = match owner {
            Owner::QueryName(name) => name.to_string(),
            Owner::ServerName(name) => format!("nsdname {name}"),
            Owner::ResponseIp(net) => format!("ip {net}"),
            Owner::ServerIp(net) => format!("nsip {net}"),
            Owner::ClientIp(net) => format!("client {net}"),
        };
        format!("{owner} {:?}", entry.action)
    };
    zone.entries.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn check(text: &str, want: &str) {
    let zone = read(text.as_bytes(), "rpz.example.com").expect("memory does not fail");
    assert_eq!(shown(&zone), want, "{text}");
}

/// The zones inside one of Unbound's own replay tests, by name.
fn sample(file: &str, zone: &str) -> Zone {
    let path = format!("{}/testdata/rpz/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("test data");
    let start = format!("TEMPFILE_CONTENTS {zone}\n");
    let (_, rest) = text.split_once(&start).expect("the zone");
    let (zone_text, _) = rest.split_once("TEMPFILE_END").expect("its end");
    read(zone_text.as_bytes(), zone).expect("memory does not fail")
}

#[test]
fn unbounds_own_zone_of_names() {
    let zone = sample("rpz_qname.rpl", "rpz.example.com");
    assert_eq!((zone.serial, zone.not_understood), (Some(1_379_078_166), 0));
    // "duplicate CNAME here on purpose": the first decides.
    assert_eq!(shown(&zone), "*.a OtherData; a Nxdomain; b.a Nodata; c.a Passthru; c.g Passthru");
    let zone = sample("rpz_qname.rpl", "rpz2.example.com");
    assert_eq!(
        shown(&zone),
        "*.e Redirect; a OtherData; c.g Nxdomain; d OtherData; drop Drop; e Redirect; tcp TcpOnly"
    );
}

#[test]
fn unbounds_own_zone_of_addresses() {
    let zone = sample("rpz_respip.rpl", "rpz.example.com");
    assert_eq!(zone.not_understood, 0);
    assert_eq!(
        shown(&zone),
        "ip 10.0.0.0/8 Nodata; ip 10.1.1.1/32 TcpOnly; ip 10.10.0.0/16 Nxdomain; \
         ip 10.10.10.0/24 Drop; ip 10.10.10.10/32 Passthru; ip 2001:db8::/32 Nodata; \
         ip 2001:db8:aa::/48 Nxdomain; ip 2001:db8:aa:bb::/64 Drop; \
         ip 2001:db8:aa:bb:cc::1/128 Passthru; ip 2001:db8:aa:bb:cc::123/128 ForgedAddress; \
         ip 2001:db8:aa:bb:cc::124/128 ForgedAddress"
    );
}

#[test]
fn unbounds_own_zones_of_every_other_trigger() {
    for (file, rules) in
        [("rpz_clientip.rpl", "client"), ("rpz_nsip.rpl", "nsip"), ("rpz_nsdname.rpl", "nsdname")]
    {
        let zone = sample(file, "rpz.example.com");
        assert_eq!(zone.not_understood, 0, "{file}");
        assert!(!zone.entries.is_empty(), "{file}");
        assert!(shown(&zone).split("; ").all(|r| r.starts_with(rules)), "{file}: {}", shown(&zone));
    }
    assert!(shown(&sample("rpz_rootwc.rpl", "rpz.example.com")).starts_with("* Nxdomain; "));
}

#[test]
fn owners_relative_absolute_repeated_and_foreign() {
    check("A CNAME .\nb.rpz.example.com. CNAME .\n", "a Nxdomain; b Nxdomain");
    check(
        "$ORIGIN x.rpz.example.com.\na CNAME .\n$ORIGIN y\nb CNAME .",
        "a.x Nxdomain; b.y.x Nxdomain",
    );
    check(
        "a 300 IN CNAME .\n  IN 1h AAAA ::1\nb A 192.0.2.1\n\tTXT x",
        "a Nxdomain; b ForgedAddress",
    );
    check("elsewhere.example. CNAME .", "");
    check("a CNAME rpz-drop", "a Redirect");
    check("a CNAME rpz-whim.\nb CNAME x.rpz-whim.", "");
    check("a NS .\na DNAME .\na RRSIG x", "");
}

#[test]
fn a_comment_on_the_line_claims_for_that_record() {
    let text = "a CNAME . ; remit=de/7 by order\nb CNAME . ; see ticket 7\nc CNAME . ; remit=,\n";
    let zone = read(text.as_bytes(), "rpz.example.com").expect("memory does not fail");
    let claims: Vec<_> = zone.entries.values().map(|e| e.claims.as_ref().map(Vec::len)).collect();
    assert_eq!(claims, [Some(1), None, Some(0)]);
    // What else stands in a comment or a text is nobody's business.
    let shown = format!("{zone:?}");
    assert!(!shown.contains("order") && !shown.contains("ticket"));
}

#[test]
fn what_is_not_understood_is_counted_and_stops_nothing() {
    let count = |text: &str| read(text.as_bytes(), "rpz.example.com").expect("ok").not_understood;
    assert_eq!(count("$INCLUDE other.zone\na CNAME .\n"), 1);
    assert_eq!(count("a CNAME\n"), 1);
    assert_eq!(count("99.1.2.0.192.rpz-ip CNAME .\n"), 1);
    assert_eq!(count("\tCNAME .\n"), 1);
    assert_eq!(count("a\\999 CNAME .\n\tTXT x\nb CNAME .\n"), 2);
    check("a\\999 CNAME .\n\tTXT x\nb CNAME .\n", "b Nxdomain");
}

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in "[a-z.*\\\\;()\"$ \t\n0-9-]{0,200}") {
        let _ = read(bytes.as_slice(), "rpz.example.com");
        let _ = read(text.as_bytes(), "rpz.example.com");
        let _ = read(format!("a CNAME {text}").as_bytes(), &text);
    }
}
