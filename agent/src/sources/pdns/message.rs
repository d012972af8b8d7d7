//! What PowerDNS Recursor sends: a length of two bytes, big-endian, and a `PBDNSMessage` (dnsmessage.proto of
//! the PowerDNS project; `protozero.hh` in pdns/recursordist and pdns/ for the numbers).
//!
//! The types here hold the fields that are needed and no others, so that what names the client is never
//! read: `from` (6), `fromPort` (20), `originalRequestorSubnet` (14), `requestorId` (15), `deviceId` (17),
//! `deviceName` (19), and `appliedPolicyHit` (9 of the response), which is the client's address when a
//! client's address was the trigger.

use prost::Message as _;

use crate::sources::{
    rpz::{Applied, Name, action::Done, owner::Owner},
    stamp::Stamp,
    stream::{self, Turn},
};

#[derive(Clone, PartialEq, prost::Message)]
struct PbDnsMessage {
    /// 1 query, 2 response, 3 outgoing query, 4 incoming response.
    #[prost(int32, tag = "1")]
    kind: i32,
    /// 1 is UDP.
    #[prost(int32, tag = "5")]
    transport: i32,
    #[prost(uint32, tag = "9")]
    time_s: u32,
    #[prost(message, optional, tag = "12")]
    question: Option<PbQuestion>,
    #[prost(message, optional, tag = "13")]
    response: Option<PbResponse>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PbQuestion {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PbResponse {
    #[prost(uint32, tag = "1")]
    rcode: u32,
    #[prost(bytes = "vec", tag = "3")]
    applied_policy: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    tags: Vec<Vec<u8>>,
    /// The owner name of the rule, without its zone.
    #[prost(bytes = "vec", tag = "8")]
    applied_policy_trigger: Vec<u8>,
    #[prost(int32, tag = "10")]
    applied_policy_kind: i32,
}

/// A response to which a policy was applied.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// `policyName`
    pub policy: String,
    pub tags: Vec<String>,
    owner: Owner,
    pub done: Done,
    pub rcode: u16,
    pub at_s: i64,
    asked: String,
    over_udp: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// A query, or an answer that no policy touched.
    NotOurs,
    NotUnderstood,
    Told(Told),
}

pub fn read(bytes: &[u8]) -> Read {
    let Ok(message) = PbDnsMessage::decode(bytes) else { return Read::NotUnderstood };
    let PbDnsMessage { kind, transport, time_s, question, response } = message;
    let (Some(question), Some(response)) = (question, response) else { return Read::NotOurs };
    let PbResponse { rcode, applied_policy, tags, applied_policy_trigger, applied_policy_kind } =
        response;
    if kind != RESPONSE || applied_policy_kind == 0 {
        return Read::NotOurs;
    }
    let told = || {
        let asked = text(&question.name)?;
        let trigger = text(&applied_policy_trigger)?;
        // A policy of a Lua script names no owner: what it covers is not known.
        let owner = match trigger.as_str() {
            "" => Owner::QueryName("".into()),
            trigger => Owner::from_labels(&Name::absolute(trigger)?.labels())?,
        };
        Some(Told {
            policy: text(&applied_policy)?,
            tags: tags.iter().map(|tag| text(tag)).collect::<Option<_>>()?,
            owner,
            done: done(applied_policy_kind)?,
            rcode: rcode.try_into().ok()?,
            at_s: time_s.into(),
            asked: asked.strip_suffix('.').unwrap_or(&asked).to_owned(),
            over_udp: transport == UDP,
        })
    };
    told().map_or(Read::NotUnderstood, Read::Told)
}

impl Told {
    /// `Truncate` is also told of the retry over TCP, which is let through.
    pub fn is_hit(&self) -> bool {
        match self.done {
            Done::Nxdomain | Done::Nodata | Done::Drop | Done::LocalData | Done::CnameOverride => {
                true
            }
            Done::TcpOnly => self.over_udp,
            Done::Passthru | Done::Disabled => false,
        }
    }

    pub fn applied<'a>(&'a self, label: Option<&'a str>) -> Applied<'a> {
        Applied {
            stamp: Stamp::Absolute(self.at_s),
            label,
            owner: self.owner.clone(),
            done: self.done,
            asked: &self.asked,
        }
    }
}

/// `appliedPolicyKind`
fn done(kind: i32) -> Option<Done> {
    match kind {
        1 => Some(Done::Passthru),
        2 => Some(Done::Drop),
        3 => Some(Done::Nxdomain),
        4 => Some(Done::Nodata),
        5 => Some(Done::TcpOnly),
        6 => Some(Done::LocalData),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

const RESPONSE: i32 = 2;
const UDP: i32 = 1;

/// Bytes of one connection, cut into messages.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl stream::Frames for Frames {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> Turn {
        let mut start = 0;
        while let Some(&[high, low]) = self.0.get(start..start + 2).and_then(|b| b.first_chunk()) {
            let size = usize::from(u16::from_be_bytes([high, low]));
            let Some(message) = self.0.get(start + 2..start + 2 + size) else { break };
            take(message);
            start += 2 + size;
        }
        self.0.drain(..start);
        Turn::default()
    }

    fn is_broken(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::stream::Frames as _;

    /// A response as PowerDNS sends it, with all that names a client.
    pub(in super::super) fn told(
        policy: &str,
        kind: i32,
        (trigger, asked): (&str, &str),
        transport: i32,
    ) -> Vec<u8> {
        let question = PbQuestion { name: format!("{asked}.").into_bytes() };
        let response = PbResponse {
            rcode: if kind == 3 { 3 } else { 0 },
            applied_policy: policy.as_bytes().to_vec(),
            tags: vec![b"court".to_vec()],
            applied_policy_trigger: format!("{trigger}.").into_bytes(),
            applied_policy_kind: kind,
        };
        let mut response = response.encode_to_vec();
        // appliedPolicyHit
        response.extend([9 << 3 | 2, 10]);
        response.extend(b"100.64.0.5");
        let mut all = PbDnsMessage {
            kind: 2,
            transport,
            time_s: 1_795_492_465,
            question: Some(question),
            response: None,
        }
        .encode_to_vec();
        // from, its port, requestorId, deviceName
        all.extend([6 << 3 | 2, 4, 100, 64, 0, 5]);
        all.extend([0xa0, 1, 0xcc, 0x9c, 2]);
        all.extend([15 << 3 | 2, 6]);
        all.extend(b"secret");
        all.extend([13 << 3 | 2, u8::try_from(response.len()).expect("short")]);
        all.extend(response);
        all
    }

    #[test]
    fn a_response_with_a_policy_is_read_and_the_client_is_not() {
        let bytes = told("remit=de/42", 3, ("*.wild.example", "a.Wild.example"), 1);
        let Read::Told(read) = read(&bytes) else { panic!("not read") };
        assert!(read.is_hit());
        assert_eq!(
            (read.policy.as_str(), read.rcode, read.at_s),
            ("remit=de/42", 3, 1_795_492_465)
        );
        assert_eq!(read.tags, ["court"]);
        assert_eq!(read.owner, Owner::QueryName("*.wild.example".into()));
        let shown = format!("{read:?}");
        assert!(!shown.contains("100") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_blocks_nothing_is_no_hit() {
        let hit = |kind, transport| match read(&told("p", kind, ("a", "a"), transport)) {
            Read::Told(told) => told.is_hit(),
            other => panic!("{other:?}"),
        };
        assert!(!hit(1, 1), "passthru");
        assert!(hit(5, 1) && !hit(5, 2), "truncated over UDP, and let through over TCP");
        assert!(hit(4, 2) && hit(6, 1));
        assert_eq!(read(&told("p", 7, ("a", "a"), 1)), Read::NotUnderstood);
        assert_eq!(read(&told("p", 0, ("a", "a"), 1)), Read::NotOurs);
        assert_eq!(read(&told("p", 3, ("a", "a\x1b"), 1)), Read::NotUnderstood);
        assert_eq!(read(&[0xff; 20]), Read::NotUnderstood);
        assert_eq!(read(&[]), Read::NotOurs);
    }

    #[test]
    fn messages_come_in_any_pieces() {
        let message = told("p", 3, ("a", "a"), 1);
        let mut stream = Vec::new();
        for _ in 0..3 {
            stream.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
            stream.extend(&message);
        }
        for size in [1, 2, 7, stream.len()] {
            let (mut frames, mut count) = (Frames::default(), 0);
            for piece in stream.chunks(size) {
                frames.push(piece);
                frames.drain(&mut |bytes| {
                    assert_eq!(bytes, message);
                    count += 1;
                });
            }
            assert_eq!((count, frames.is_broken()), (3, false), "{size}");
        }
        let mut frames = Frames::default();
        frames.push(&stream[..5]);
        frames.drain(&mut |_| panic!("half a message"));
        assert!(frames.is_broken());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let mut frames = Frames::default();
            frames.push(&bytes);
            frames.drain(&mut |message| { let _ = read(message); });
        }

        #[test]
        fn every_changed_byte_is_read_or_refused(at in 0usize..120, to: u8) {
            let mut bytes = told("remit=de/42", 3, ("a.example", "a.example"), 1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            let _ = read(&bytes);
        }
    }
}
