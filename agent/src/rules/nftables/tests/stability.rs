//! One generation, whole, or an error; and no commit unheard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

#[test]
fn a_watcher_that_slept_has_heard_every_commit() {
    in_namespace(|| {
        let mut watch = Watch::open().unwrap();
        assert_eq!(watch.next(Duration::from_millis(50)).unwrap(), None);
        let elements: Vec<_> =
            (0..20_000).map(|i| format!("10.{}.{}.0", i / 256, i % 256)).collect();
        let table = format!(
            "table inet t {{ set s {{ type ipv4_addr; flags interval; elements = {{ {} }} }} }}",
            elements.join(", ")
        );
        let mut expected = Vec::new();
        for _ in 0..3 {
            nft(&format!("table inet t {{ }}\nflush table inet t\ndelete table inet t\n{table}"));
            expected.push(Reader::open().unwrap().generation().unwrap());
        }
        let mut heard = Vec::new();
        while let Some(generation) = watch.next(Duration::from_millis(200)).unwrap() {
            assert_eq!(generation.process_name, "nft");
            assert_ne!(generation.pid, 0);
            heard.push(generation.id);
        }
        assert_eq!(heard, expected);
    });
}

/// While the ruleset is replaced again and again, each reading is one of the two whole ones, or an
/// error.
#[test]
fn a_reading_is_whole_or_refused() {
    const READINGS: u32 = 100;
    in_namespace(|| {
        let version = |name: &str, count: usize| {
            let rules: String = (0..count)
                .map(|i| format!("ip daddr 10.0.{}.{} drop; ", i / 256, i % 256))
                .collect();
            let elements: Vec<_> =
                (0..count).map(|i| format!("10.9.{}.{} : drop", i / 256, i % 256)).collect();
            format!(
                "flush ruleset
                 table ip t {{
                    map {name} {{ type ipv4_addr : verdict; elements = {{ {} }} }}
                    chain c {{ type filter hook input priority 0; {rules} ip daddr vmap @{name}; }} }}",
                elements.join(", ")
            )
        };
        let (small, large) = (version("small", 300), version("large", 700));
        nft(&small);
        let stop = AtomicBool::new(false);
        // Also when an assertion fails, or the writer would go on for ever.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        // The writer must be in our namespace: it is a thread of ours, which inherits it.
        let (whole, refused) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut writes = 0;
                while !stop.load(Ordering::Relaxed) {
                    nft(if writes % 2 == 0 { &large } else { &small });
                    writes += 1;
                    // Long enough for a reading, sometimes.
                    std::thread::sleep(Duration::from_millis(writes % 4 * 15));
                }
                writes
            });
            let done = Stop(&stop);
            let mut reader = Reader::open().unwrap();
            let (mut whole, mut refused) = (0, 0);
            for _ in 0..READINGS {
                match reader.read_ruleset() {
                    Ok(ruleset) => {
                        whole += 1;
                        let expected = match ruleset.sets[0].name.as_str() {
                            "small" => 600,
                            _ => 1400,
                        };
                        assert_eq!(ruleset.drops.len(), expected);
                    }
                    Err(ReadError::NotStable) => refused += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            drop(done);
            assert!(writer.join().unwrap() > 1);
            (whole, refused)
        });
        eprintln!("{whole} whole, {refused} refused");
        assert_eq!(whole + refused, READINGS);
        assert!(whole > 0);
    });
}

#[test]
fn elements_that_change_while_they_stream_are_refused() {
    in_namespace(|| {
        let elements: Vec<_> =
            (0..20_000).map(|i| format!("10.{}.{}.0", i / 256, i % 256)).collect();
        nft(&format!(
            "table inet t {{ set s {{ type ipv4_addr; flags interval; elements = {{ {} }} }} }}",
            elements.join(", ")
        ));
        let mut reader = Reader::open().unwrap();
        let mut seen = 0;
        let result = reader.for_each_element(Family::Inet, "t", "s", |_| {
            seen += 1;
            if seen == 1000 {
                run("nft", &["flush", "set", "inet", "t", "s"]);
            }
        });
        assert!(matches!(result, Err(ReadError::NotStable)), "{result:?} after {seen}");
        // The reader is of use afterwards, whatever was left on its socket.
        assert_eq!(reader.for_each_element(Family::Inet, "t", "s", |_| ()).unwrap().count, 0);
        assert!(reader.read_ruleset().unwrap().drops.is_empty());
    });
}

#[test]
fn counters_read_what_was_sent() {
    in_namespace(|| {
        nft(r#"table inet t { counter a { }
            counter b { }
            chain c { type filter hook input priority 0;
                udp dport 9 counter name a counter drop; udp dport 10 counter name b drop; } }"#);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for i in 0..90 {
            let port = if i % 3 == 0 { 10 } else { 9 };
            socket.send_to(b"abcd", ("127.0.0.1", port)).unwrap();
        }
        let mut reader = Reader::open().unwrap();
        let mut counters: Vec<_> = reader
            .read_counters()
            .unwrap()
            .1
            .into_iter()
            .map(|c| (c.table, c.name, c.packets, c.bytes))
            .collect();
        counters.sort();
        let expected =
            |name: &str, packets| ("t".to_owned(), name.to_owned(), packets, packets * 32);
        assert_eq!(counters, [expected("a", 60), expected("b", 30)]);
        // Reading again has not reset anything.
        assert_eq!(reader.read_counters().unwrap().1.iter().map(|c| c.packets).sum::<u64>(), 90);
        nft("add rule inet t c udp dport 11 counter drop");
        assert_eq!(reader.read_ruleset().unwrap().counters.len(), 2);
    });
}

#[test]
fn the_generation_goes_up_with_each_commit() {
    in_namespace(|| {
        let mut reader = Reader::open().unwrap();
        let before = reader.generation().unwrap();
        nft("table inet t { }");
        assert_eq!(reader.generation().unwrap(), before + 1);
        let empty = reader.read_ruleset().unwrap();
        assert_eq!((empty.generation, empty.drops.len()), (before + 1, 0));
    });
}

/// The second opinion: nft's own JSON has the same drops by handle.
#[test]
fn nft_lists_the_same_handles() {
    in_namespace(|| {
        nft(r#"table inet t {
            chain d { drop; }
            chain c { type filter hook input priority 0;
                ip daddr 192.0.2.1 drop; tcp dport 80 accept; udp dport 53 reject; jump d; } }"#);
        let json: serde_json::Value =
            serde_json::from_str(&run("nft", &["-j", "list", "ruleset"])).unwrap();
        let mut expected: Vec<u64> = json["nftables"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|object| object.get("rule"))
            .filter(|rule| {
                rule["expr"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|e| e.get("drop").is_some() || e.get("reject").is_some())
            })
            .map(|rule| rule["handle"].as_u64().unwrap())
            .collect();
        let mut found: Vec<_> = read().drops.iter().map(|path| path.rule.handle).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    });
}
