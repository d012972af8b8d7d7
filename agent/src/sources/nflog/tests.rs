//! Sequence numbers on made datagrams; then the real kernel.

use std::net::UdpSocket;

use proptest::prelude::*;

use super::*;
use crate::rules::nftables::testing::{in_namespace, nft, run};
use crate::rules::nftables::{CounterUse, Reader};

fn datagram(numbers: &[Option<u32>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let mut message = vec![2, 0, 0, 5];
        match number {
            Some(number) => {
                message.extend([8, 0, 12, 0]);
                message.extend(number.to_be_bytes());
            }
            None => message.extend([0, 1, 1, 0]), // a length beyond the message
        }
        bytes.extend((message.len() as u32 + 16).to_ne_bytes());
        bytes.extend([0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(message);
    }
    bytes
}

#[test]
fn gaps_are_losses() {
    let mut sequence = Sequence::default();
    let mut check = |numbers: &[Option<u32>], messages, lost, malformed| {
        let mut stats = ReadStats::default();
        let mut seen = 0;
        sequence.take(&datagram(numbers), false, &mut stats, &mut |_| seen += 1);
        let found = (stats.messages, stats.lost_by_sequence, stats.malformed);
        assert_eq!(found, (messages, lost, malformed), "{numbers:?}");
        assert_eq!(seen, messages);
    };
    check(&[Some(3), Some(4)], 2, 3, 0); // the first after bind is 0
    check(&[Some(5), Some(7), Some(8)], 3, 1, 0);
    check(&[None, Some(10)], 1, 0, 1); // 9 came, unreadable
    check(&[Some(u32::MAX)], 1, u64::from(u32::MAX) - 11, 0);
    check(&[Some(0), Some(2)], 2, 1, 0); // numbers wrap
}

#[test]
fn what_a_cut_datagram_lacks_is_lost_once() {
    let mut sequence = Sequence::default();
    let mut stats = ReadStats::default();
    let bytes = datagram(&[Some(0), Some(1), Some(2)]);
    sequence.take(&bytes[..bytes.len() - 5], true, &mut stats, &mut |_| ());
    assert_eq!((stats.messages, stats.lost_by_sequence, stats.malformed), (2, 0, 0));
    sequence.take(&datagram(&[Some(3)]), false, &mut stats, &mut |_| ());
    assert_eq!((stats.messages, stats.lost_by_sequence, stats.malformed), (3, 1, 0));
}

proptest! {
    #[test]
    fn any_datagram_is_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        Sequence::default().take(&bytes, false, &mut ReadStats::default(), &mut |_| ());
    }
}

fn send(count: usize, port: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..count {
        socket.send_to(b"x", ("127.0.0.1", port)).unwrap();
    }
}

fn add(total: &mut ReadStats, stats: ReadStats) {
    let ReadStats { messages, lost_by_sequence, enobufs, malformed, truncated } = stats;
    total.messages += messages;
    total.lost_by_sequence += lost_by_sequence;
    total.enobufs += enobufs;
    total.malformed += malformed;
    total.truncated += truncated;
}

const RULES: &str = r#"table inet t {
    counter c { }
    chain in { type filter hook input priority 0; policy accept;
        udp dport 9999 log prefix "remit=REQ-7 " group 5 counter name c counter drop
    }
}"#;

#[test]
fn messages_counters_and_packets_sent_agree() {
    in_namespace(|| {
        nft(RULES);
        let mut reader = NflogReader::bind(5, &Settings::default()).unwrap();
        let mut total = ReadStats::default();
        let mut next = 0;
        for _ in 0..10 {
            send(100, 9999);
            send(10, 9998); // not blocked
        }
        loop {
            let stats = reader
                .read(Duration::from_millis(500), &mut |packet| {
                    assert_eq!(packet.prefix, b"remit=REQ-7 ");
                    assert_eq!((packet.hook, packet.protocol), (1, 0x0800));
                    assert_eq!((packet.in_dev, packet.out_dev, packet.mark), (Some(1), None, 0));
                    assert_eq!(packet.seq, Some(next));
                    assert_eq!(packet.seq_global, Some(next + 1));
                    next += 1;
                    let headers = packet.headers.unwrap();
                    assert_eq!((headers.version, headers.l4proto), (4, 17));
                    assert_eq!(
                        (headers.dst.to_string(), headers.dport),
                        ("127.0.0.1".into(), Some(9999))
                    );
                })
                .unwrap();
            if stats == ReadStats::default() {
                break;
            }
            add(&mut total, stats);
        }
        assert_eq!(total, ReadStats { messages: 1000, ..ReadStats::default() });

        let ruleset = Reader::open().unwrap().read_ruleset().unwrap();
        assert_eq!((ruleset.counters[0].name.as_str(), ruleset.counters[0].packets), ("c", 1000));
        let [path] = &ruleset.drops[..] else { panic!("{:?}", ruleset.drops) };
        assert_eq!((path.logs[0].group, path.logs[0].prefix.as_slice()), (5, &b"remit=REQ-7 "[..]));
        assert_eq!(path.counter, Some(CounterUse::Named("c".into())));
    });
}

#[test]
fn ipv6_and_marks_arrive() {
    in_namespace(|| {
        nft(r#"table ip6 t { chain out { type filter hook output priority 0;
            udp dport 9999 meta mark set 0x2a log prefix "v6" group 9 drop; } }"#);
        let mut reader = NflogReader::bind(9, &Settings::default()).unwrap();
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        let _ = socket.send_to(b"x", "[::1]:9999"); // refused: dropped on output
        let mut seen = 0;
        let stats = reader
            .read(Duration::from_secs(2), &mut |packet| {
                seen += 1;
                assert_eq!((packet.prefix, packet.mark, packet.hook), (&b"v6"[..], 0x2a, 3));
                assert_eq!((packet.in_dev, packet.out_dev), (None, Some(1)));
                let headers = packet.headers.unwrap();
                assert_eq!((headers.version, headers.l4proto, headers.dport), (6, 17, Some(9999)));
            })
            .unwrap();
        assert_eq!((seen, stats.messages), (1, 1));
    });
}

/// A reader that sleeps through a burst: messages received, lost and sent add up, as soon as one
/// more message shows the gap.
#[test]
fn a_stalled_reader_knows_exactly_how_many_it_lost() {
    in_namespace(|| {
        nft(RULES);
        let settings = Settings { receive_buffer_bytes: 64 * 1024, ..Settings::default() };
        let mut reader = NflogReader::bind(5, &settings).unwrap();
        send(20_000, 9999);
        std::thread::sleep(Duration::from_millis(300)); // the flush timer
        let mut total = ReadStats::default();
        let mut drain = || loop {
            let stats = reader.read(Duration::from_millis(500), &mut |_| ()).unwrap();
            if stats == ReadStats::default() {
                break;
            }
            add(&mut total, stats);
        };
        drain();
        send(1, 9999); // the canary
        drain();
        assert!(total.enobufs > 0 && total.lost_by_sequence > 0, "{total:?}");
        assert_eq!(total.messages + total.lost_by_sequence, 20_001, "{total:?}");
        let counters = Reader::open().unwrap().read_counters().unwrap();
        assert_eq!(counters.1[0].packets, 20_001);
    });
}

#[test]
fn a_group_has_one_owner() {
    in_namespace(|| {
        let first = NflogReader::bind(5, &Settings::default()).unwrap();
        let second = NflogReader::bind(5, &Settings::default());
        assert!(matches!(second, Err(NflogError::Refused { group: 5, .. })), "{second:?}");
        drop(first);
        NflogReader::bind(5, &Settings::default()).unwrap();
    });
}

#[test]
fn only_headers_are_copied() {
    in_namespace(|| {
        nft(RULES);
        run("ip", &["link", "set", "lo", "mtu", "9000"]);
        let mut reader = NflogReader::bind(5, &Settings::default()).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[0x5a; 4000], "127.0.0.1:9999").unwrap();
        reader
            .read(Duration::from_secs(2), &mut |packet| assert!(packet.headers.is_some()))
            .unwrap();
        // A number in a header may hold this byte too; only the payload repeats it.
        let runs = reader.buffer.chunk_by(|one, next| one == next);
        let copied = runs.filter(|run| run.first() == Some(&0x5a)).map(<[u8]>::len).max();
        let copied = copied.unwrap_or(0);
        assert!((1..=96 - 28).contains(&copied), "{copied} bytes of payload");
    });
}
