//! Sets, maps and their elements.

use super::*;

fn elements(set: &str) -> Vec<String> {
    let mut reader = Reader::open().unwrap();
    let mut found = Vec::new();
    let read = reader.for_each_element(Family::Inet, "t", set, |e| found.push(show(&e))).unwrap();
    assert_eq!(read.count, found.len() as u64);
    assert_eq!(read.generation, reader.generation().unwrap());
    found.sort();
    found
}

fn show(element: &Element) -> String {
    let fields = |fields: &[KeyField]| {
        let fields: Vec<_> = fields
            .iter()
            .map(|field| match field {
                KeyField::Address(address) => address.to_string(),
                KeyField::Protocol(protocol) => format!("proto {protocol}"),
                KeyField::Port(port) => port.to_string(),
                KeyField::Mark(mark) => format!("{mark:#x}"),
                KeyField::Interface(name) => format!("{name:?}"),
                KeyField::Other(bytes) => format!("{bytes:02x?}"),
            })
            .collect();
        fields.join(" . ")
    };
    let mut text = if element.catch_all { "*".into() } else { fields(&element.low) };
    if element.high != element.low {
        text += &format!(" to {}", fields(&element.high));
    }
    if let Some(verdict) = &element.verdict {
        text += &format!(" : {verdict}");
    }
    if let Some(comment) = &element.comment {
        text += &format!(" ({comment})");
    }
    text
}

const TABLE: &str = r#"table inet t {
    counter c1 { }
    set iv { type ipv4_addr; flags interval; counter; comment "a list"; elements = {
        10.0.0.0/8 comment "e1", 192.0.2.5 comment "e2", 192.0.2.6-192.0.2.9 comment "e3",
        255.0.0.0/8 comment "last" } }
    set v6 { type ipv6_addr; flags interval; elements = { 2001:db8::/32 comment "six", ::1 } }
    set hash { type ipv4_addr; elements = { 10.0.0.1 comment "h", 10.0.0.2, 10.0.0.3 } }
    set cc { type ipv4_addr . inet_proto . inet_service; flags interval; elements = {
        10.1.0.0/16 . tcp . 80-90 comment "x", 10.2.0.1 . udp . 53 } }
    set c2 { type ipv4_addr . inet_proto . inet_service; elements = { 10.1.0.1 . tcp . 80 } }
    set marks { type mark; elements = { 0x2a, 0x2b } }
    set names { type ifname; elements = { "eth0", "wan1" } }
    map vm { type ipv4_addr : verdict; elements = {
        10.9.0.1 : drop, 10.9.0.2 : jump other, 10.9.0.3 : accept } }
    map vi { type ipv4_addr : verdict; flags interval; elements = {
        10.8.0.0/16 comment "net" : drop, * : drop } }
    map vc { type ipv4_addr . inet_service : verdict; elements = { 10.7.0.1 . 443 : drop } }
    map om { type ipv4_addr : counter; elements = { 10.9.0.1 : "c1" } }
    chain other { counter drop; }
    chain c { type filter hook input priority 0;
        ip daddr @iv drop
        ip daddr != @iv ip protocol icmp drop
        ip6 saddr @v6 drop
        ip daddr { 10.8.0.1, 10.8.0.5/31 } drop
        tcp dport { 80, 443, 1000-2000 } drop
        ip daddr . meta l4proto . th dport @cc drop
        ip daddr . meta l4proto . th dport @c2 drop
        meta mark @marks drop
        iifname @names drop
        ip daddr vmap @vm
        ip daddr vmap @vi
        ip daddr . tcp dport vmap @vc
        tcp dport vmap { 22 : drop, 25 : jump other }
        counter name ip daddr map @om drop
    } }"#;

#[test]
fn elements_of_every_kind() {
    in_namespace(|| {
        nft(TABLE);
        assert_eq!(
            elements("iv"),
            [
                "10.0.0.0 to 10.255.255.255 (e1)",
                "192.0.2.5 (e2)",
                "192.0.2.6 to 192.0.2.9 (e3)",
                "255.0.0.0 to 255.255.255.255 (last)",
            ]
        );
        assert_eq!(
            elements("v6"),
            ["2001:db8:: to 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff (six)", "::1"]
        );
        assert_eq!(elements("hash"), ["10.0.0.1 (h)", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(
            elements("cc"),
            [
                "10.1.0.0 . proto 6 . 80 to 10.1.255.255 . proto 6 . 90 (x)",
                "10.2.0.1 . proto 17 . 53",
            ]
        );
        assert_eq!(elements("c2"), ["10.1.0.1 . proto 6 . 80"]);
        assert_eq!(elements("marks"), ["0x2a", "0x2b"]);
        assert_eq!(elements("names"), ["\"eth0\"", "\"wan1\""]);
        assert_eq!(
            elements("vm"),
            ["10.9.0.1 : drop", "10.9.0.2 : jump other", "10.9.0.3 : accept"]
        );
        assert_eq!(elements("vi"), ["* : drop", "10.8.0.0 to 10.8.255.255 : drop (net)"]);
        let anonymous: Vec<_> =
            read().sets.into_iter().map(|s| s.name).filter(|n| n.starts_with("__")).collect();
        assert_eq!(anonymous, ["__map0", "__set0", "__set1"].map(String::from));
        assert_eq!(elements("__set1"), ["1000 to 2000", "443", "80"]);
        let comment = read().sets.into_iter().find(|s| s.name == "iv").unwrap().comment;
        assert_eq!(comment.as_deref(), Some("a list"));
        let error = Reader::open().unwrap().for_each_element(Family::Inet, "t", "nowhere", |_| ());
        assert!(matches!(error, Err(ReadError::NoSuchSet)), "{error:?}");
    });
}

#[test]
fn rules_over_sets_and_maps() {
    in_namespace(|| {
        nft(TABLE);
        assert_eq!(
            described(),
            [
                "meta nfproto ipv4, daddr @iv -> drop",
                "meta nfproto ipv4, daddr != @iv, meta l4proto icmp -> drop",
                "meta nfproto ipv6, saddr @v6 -> drop",
                "meta nfproto ipv4, daddr @__set0 -> drop",
                "meta l4proto tcp, tcp dport @__set1 -> drop",
                "meta nfproto ipv4, ip daddr . meta l4proto . th dport @cc -> drop",
                "meta nfproto ipv4, ip daddr . meta l4proto . th dport @c2 -> drop",
                "meta mark @marks -> drop",
                "iifname @names -> drop",
                "meta nfproto ipv4, ip daddr 10.9.0.1 -> drop",
                "meta nfproto ipv4, ip daddr 10.9.0.2 -> drop",
                "meta nfproto ipv4, ip daddr 10.8.0.0-10.8.255.255 -> drop",
                "meta nfproto ipv4, no other element of @vi -> drop",
                "meta nfproto ipv4, meta l4proto tcp, ip daddr 10.7.0.1, tcp dport 443 -> drop",
                "meta l4proto tcp, tcp dport 22 -> drop",
                "meta l4proto tcp, tcp dport 25 -> drop",
                "meta nfproto ipv4, daddr @om -> drop",
            ]
            .map(String::from)
            .as_slice()
        );
        let ruleset = read();
        assert_eq!(ruleset.drops[11].comment.as_deref(), Some("net"));
        assert_eq!(ruleset.drops[16].counter, Some(CounterUse::ByMap("om".into())));
        assert_eq!(ruleset.drops[0].native, "ip daddr @iv drop");
    });
}

#[test]
fn element_counters_count() {
    in_namespace(|| {
        nft(r#"table inet t {
            set l { type ipv4_addr; flags interval; counter; elements = { 127.0.0.0/8 } }
            chain c { type filter hook input priority 0; udp dport 9 ip daddr @l drop; } }"#);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..25 {
            socket.send_to(b"x", "127.0.0.1:9").unwrap();
        }
        let mut packets = Vec::new();
        let mut reader = Reader::open().unwrap();
        let count = |element: Element| packets.push(element.counter.unwrap().packets);
        reader.for_each_element(Family::Inet, "t", "l", count).unwrap();
        assert_eq!(packets, [25]);
    });
}

#[test]
fn a_long_verdict_map_is_abridged() {
    in_namespace(|| {
        let mut list: Vec<_> =
            (0..1500).map(|i| format!("10.0.{}.{} : drop", i / 256, i % 256)).collect();
        list.push("10.1.0.0 : accept".into());
        nft(&format!(
            "table inet t {{ map m {{ type ipv4_addr : verdict; elements = {{ {} }} }}
             chain c {{ type filter hook input priority 0; ip daddr vmap @m; }} }}",
            list.join(", ")
        ));
        assert_eq!(described(), ["meta nfproto ipv4, daddr @m, element of @m says drop -> drop"]);
        assert_eq!(elements("m").len(), 1501);
    });
}
