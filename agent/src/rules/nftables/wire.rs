//! What nf_tables puts into netlink: message numbers, attribute values, userdata, requests.
//!
//! Integers in attributes are big-endian and strings end in NUL; bytes inside `NFTA_DATA_VALUE`
//! are register contents and left as they are. Flags NLA_F_NESTED and such are masked before.
//!
//! Sources: `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h`; userdata is a matter
//! of user space only: libnftnl `udata.h`, nft `src/netlink.c`.

use super::model::Verdict;
use crate::kernel::{Attributes, Malformed};

pub(super) const GET_TABLE: u8 = 1;
pub(super) const NEW_TABLE: u8 = 0;
pub(super) const NEW_CHAIN: u8 = 3;
pub(super) const GET_CHAIN: u8 = 4;
pub(super) const NEW_RULE: u8 = 6;
pub(super) const GET_RULE: u8 = 7;
pub(super) const NEW_SET: u8 = 9;
pub(super) const GET_SET: u8 = 10;
pub(super) const NEW_ELEMENT: u8 = 12;
pub(super) const GET_ELEMENT: u8 = 13;
pub(super) const NEW_GENERATION: u8 = 15;
pub(super) const GET_GENERATION: u8 = 16;
pub(super) const NEW_OBJECT: u8 = 18;
/// GETOBJ. The *_RESET messages (21, 25, 33) zero other people's accounts: they have no constant
/// here, so that nothing can send them.
pub(super) const GET_OBJECT: u8 = 19;

pub(super) const OBJECT_COUNTER: u32 = 1;
pub(super) const ELEMENT_INTERVAL_END: u32 = 1;
pub(super) const ELEMENT_CATCH_ALL: u32 = 2;

pub(super) const FLAG_ACK: u16 = 4;
pub(super) const FLAG_DUMP: u16 = 0x300;
const FLAG_REQUEST: u16 = 1;

/// `nlmsg_type` of an nf_tables message.
pub(super) const fn message_type(message: u8) -> u16 {
    const NFNL_SUBSYS_NFTABLES: u16 = 10;
    NFNL_SUBSYS_NFTABLES << 8 | message as u16
}

/// The message number, if the message is of nf_tables.
pub(super) const fn message_number(kind: u16) -> Option<u8> {
    if kind >> 8 == message_type(0) >> 8 { Some(kind as u8) } else { None }
}

/// A request under construction.
#[derive(Debug)]
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(message: u8, flags: u16, sequence: u32, family: u8) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(message_type(message).to_ne_bytes());
        bytes.extend((FLAG_REQUEST | flags).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]); // the kernel knows our port id
        bytes.extend([family, 0, 0, 0]); // nfgenmsg: family, version 0, resource id 0
        Self(bytes)
    }

    pub(super) fn string(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.value(kind, &bytes)
    }

    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.value(kind, &value.to_be_bytes())
    }

    pub(super) fn value(mut self, kind: u16, value: &[u8]) -> Self {
        // Names are at most 256 bytes: the length fits.
        self.0.extend((value.len() as u16 + 4).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let size = self.0.len() as u32;
        self.0[..4].copy_from_slice(&size.to_ne_bytes());
        self.0
    }
}

/// `nfgenmsg`: (family, low 16 bits of the generation, attributes).
pub(super) fn header(payload: &[u8]) -> Result<(u8, u16, Attributes<'_>), Malformed> {
    let (header, attributes) = payload.split_first_chunk::<4>().ok_or(Malformed)?;
    let resource = u16::from_be_bytes([header[2], header[3]]);
    Ok((header[0], resource, Attributes::new(attributes)))
}

pub(super) fn be_u16(value: &[u8]) -> Result<u16, Malformed> {
    Ok(u16::from_be_bytes(*value.first_chunk().ok_or(Malformed)?))
}

pub(super) fn be_u32(value: &[u8]) -> Result<u32, Malformed> {
    Ok(u32::from_be_bytes(*value.first_chunk().ok_or(Malformed)?))
}

pub(super) fn be_u64(value: &[u8]) -> Result<u64, Malformed> {
    Ok(u64::from_be_bytes(*value.first_chunk().ok_or(Malformed)?))
}

pub(super) fn ne_u32(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*value.first_chunk()?))
}

/// Up to the first NUL. Names are ASCII by custom, not by rule.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// The members of a list: attributes of type 1.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Attributes::new(value).filter_map(|attribute| match attribute {
        Ok((1, member)) => Some(Ok(member)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// `NFTA_*_EXPR`-like pair of name and data.
pub(super) fn named(value: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut data) = (&[][..], &[][..]);
    for attribute in Attributes::new(value) {
        match attribute? {
            (1, value) => name = value.strip_suffix(&[0]).unwrap_or(value),
            (2, value) => data = value,
            _ => {}
        }
    }
    Ok((name, data))
}

#[derive(Debug)]
pub(super) enum Data<'a> {
    Value(&'a [u8]),
    Verdict(Verdict),
}

pub(super) fn data(value: &[u8]) -> Result<Data<'_>, Malformed> {
    match Attributes::new(value).next().ok_or(Malformed)?? {
        (1, bytes) => Ok(Data::Value(bytes)),
        (2, inside) => verdict(inside).map(Data::Verdict),
        _ => Err(Malformed),
    }
}

pub(super) fn data_value(value: &[u8]) -> Result<&[u8], Malformed> {
    match data(value)? {
        Data::Value(bytes) => Ok(bytes),
        Data::Verdict(_) => Err(Malformed),
    }
}

fn verdict(value: &[u8]) -> Result<Verdict, Malformed> {
    let (mut code, mut chain) = (None, String::new());
    for attribute in Attributes::new(value) {
        match attribute? {
            (1, value) => code = Some(be_u32(value)? as i32),
            (2, value) => chain = text(value),
            _ => {}
        }
    }
    Ok(match code.ok_or(Malformed)? {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        -1 => Verdict::Continue,
        -2 => Verdict::Break,
        -3 => Verdict::Jump(chain),
        -4 => Verdict::Goto(chain),
        -5 => Verdict::Return,
        // NF_QUEUE: its number is in the high half.
        queue if queue > 0 && queue & 0xff == 3 => Verdict::Queue((queue >> 16) as u16),
        other => Verdict::Other(other),
    })
}

/// A string from userdata: one byte type, one byte length, value, repeated. Comments of rules,
/// elements, tables and objects have type 0, those of sets type 7.
pub(super) fn comment(userdata: &[u8], kind: u8) -> Option<String> {
    let mut rest = userdata;
    while let [found, size, tail @ ..] = rest {
        let value = tail.get(..usize::from(*size))?;
        if *found == kind {
            return Some(text(value));
        }
        rest = &tail[value.len()..];
    }
    None
}

pub(super) const COMMENT: u8 = 0;
pub(super) const SET_COMMENT: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_comment_is_found_behind_other_userdata() {
        assert_eq!(comment(b"\x01\x04abcd\x00\x03e1\0", COMMENT).as_deref(), Some("e1"));
        assert_eq!(comment(b"\x00\x04abcd\x07\x02x\0", SET_COMMENT).as_deref(), Some("x"));
        assert_eq!(comment(b"\x01\x04abcd", COMMENT), None);
        assert_eq!(comment(b"\x00\x09abcd", COMMENT), None);
        assert_eq!(comment(b"\x00", COMMENT), None);
    }

    #[test]
    fn a_request_reads_back() {
        let bytes = Request::new(GET_ELEMENT, FLAG_ACK, 7, 1)
            .string(1, "tab")
            .u32(3, OBJECT_COUNTER)
            .finish();
        assert_eq!(bytes.len() % 4, 0);
        let message = crate::kernel::Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!(message_number(message.kind), Some(GET_ELEMENT));
        assert_eq!(message.sequence, 7);
        let (family, _, attributes) = header(message.payload).unwrap();
        let attributes: Vec<_> = attributes.map(|a| a.unwrap()).collect();
        assert_eq!((family, attributes[0]), (1, (1, &b"tab\0"[..])));
        assert_eq!((attributes[1].0, be_u32(attributes[1].1)), (3, Ok(OBJECT_COUNTER)));
    }

    #[test]
    fn verdict_codes_are_signed() {
        let verdict = |code: i32| {
            let mut bytes = vec![8, 0, 1, 0];
            bytes.extend(code.to_be_bytes());
            super::verdict(&bytes)
        };
        assert_eq!(verdict(0), Ok(Verdict::Drop));
        assert_eq!(verdict(-3), Ok(Verdict::Jump(String::new())));
        assert_eq!(verdict(0x5_0003), Ok(Verdict::Queue(5)));
        assert_eq!(verdict(-77), Ok(Verdict::Other(-77)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = comment(&bytes, COMMENT);
            let _ = data(&bytes);
            let _ = named(&bytes);
            let _ = header(&bytes);
            let _ = list(&bytes).count();
        }
    }
}
