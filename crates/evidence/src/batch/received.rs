//! A batch as it came: its parts are slices of the message's bytes, and nothing is copied.
//!
//! `Batch` of `ingest.proto`, read strictly: known fields only, in the order of their numbers, those
//! that are not repeated at most once. So the openings are the end of the message, and what is
//! evidence is the rest of it, byte for byte: each part is an encoded `Batch` by itself.

use crate::{
    canonical::Malformed,
    wire::{Fields, Value},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    pub note: &'a [u8],
    pub old_size: u64,
    pub consistency: Vec<&'a [u8]>,
    pub leaves: Vec<&'a [u8]>,
    pub openings: Vec<ReceivedOpening<'a>>,
    /// Where the openings begin.
    evidence_size: usize,
}

/// A `LeafOpening`; `field` is 0 where it holds no opening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceivedOpening<'a> {
    pub index: u64,
    pub field: u32,
    pub salt: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> Received<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut batch = Self {
            note: &[],
            old_size: 0,
            consistency: Vec::new(),
            leaves: Vec::new(),
            openings: Vec::new(),
            evidence_size: 0,
        };
        let mut fields = Fields::of(bytes, &[3, 4, 5]);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(note)) => batch.note = note,
                (2, Value::Number(size)) => batch.old_size = size,
                (3, Value::Bytes(hash)) => batch.consistency.push(hash),
                (4, Value::Bytes(leaf)) => batch.leaves.push(leaf),
                (5, Value::Bytes(opening)) => batch.openings.push(read_opening(opening)?),
                _ => return Err(Malformed::NotProtobuf),
            }
            if number < 5 {
                batch.evidence_size = bytes.len() - fields.rest_size();
            }
        }
        Ok(batch)
    }

    /// How many of the message's bytes are evidence; those behind them are the openings.
    pub fn evidence_size(&self) -> usize {
        self.evidence_size
    }
}

fn read_opening(bytes: &[u8]) -> Result<ReceivedOpening<'_>, Malformed> {
    let mut opening = ReceivedOpening::default();
    let mut fields = Fields::of(bytes, &[]);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(index)) => opening.index = index,
            (2, Value::Bytes(inner)) => {
                let mut fields = Fields::of(inner, &[]);
                while let Some((number, value)) = fields.next()? {
                    match (number, value) {
                        (1, Value::Number(field)) => {
                            opening.field =
                                u32::try_from(field).map_err(|_| Malformed::NotProtobuf)?;
                        }
                        (2, Value::Bytes(salt)) => opening.salt = salt,
                        (3, Value::Bytes(value)) => opening.value = value,
                        _ => return Err(Malformed::NotProtobuf),
                    }
                }
            }
            _ => return Err(Malformed::NotProtobuf),
        }
    }
    Ok(opening)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use remit_proto::v1;

    use super::*;

    fn batch() -> v1::Batch {
        let opening = |field| v1::Opening { field, salt: vec![3; 16], value: vec![4, 5] };
        v1::Batch {
            note: b"note".to_vec(),
            old_size: 300,
            consistency: vec![vec![1; 32], vec![2; 32]],
            leaves: vec![b"one".to_vec(), Vec::new(), vec![9; 200]],
            openings: vec![
                v1::LeafOpening { index: 300, opening: Some(opening(7)) },
                v1::LeafOpening { index: 0, opening: None },
                v1::LeafOpening { index: 302, opening: Some(v1::Opening::default()) },
            ],
        }
    }

    /// Back into the message, to compare with what prost reads.
    fn message(received: &Received<'_>) -> v1::Batch {
        let owned = |parts: &[&[u8]]| parts.iter().map(|part| part.to_vec()).collect();
        v1::Batch {
            note: received.note.to_vec(),
            old_size: received.old_size,
            consistency: owned(&received.consistency),
            leaves: owned(&received.leaves),
            openings: received
                .openings
                .iter()
                .map(|ReceivedOpening { index, field, salt, value }| v1::LeafOpening {
                    index: *index,
                    opening: Some(v1::Opening {
                        field: *field,
                        salt: salt.to_vec(),
                        value: value.to_vec(),
                    }),
                })
                .collect(),
        }
    }

    #[test]
    fn what_an_author_encodes_is_read_as_it_was_meant() {
        let mut sent = batch();
        let bytes = sent.encode_to_vec();
        let received = Received::read(&bytes).unwrap();
        // Empty and absent are one here: both open nothing.
        sent.openings[1].opening = Some(v1::Opening::default());
        assert_eq!(message(&received), sent);
        let (evidence, openings) = bytes.split_at(received.evidence_size());
        let evidence = v1::Batch::decode(evidence).unwrap();
        assert_eq!(evidence, v1::Batch { openings: Vec::new(), ..batch() });
        let beside = v1::Batch { openings: batch().openings, ..v1::Batch::default() };
        assert_eq!(v1::Batch::decode(openings).unwrap(), beside);
    }

    #[test]
    fn a_batch_of_nothing_is_read() {
        let received = Received::read(&[]).unwrap();
        assert_eq!((received.leaves.len(), received.evidence_size()), (0, 0));
    }

    #[test]
    fn nothing_is_read_that_prost_reads_otherwise() {
        let bytes = batch().encode_to_vec();
        let mut refused = 0;
        for cut in 0..bytes.len() {
            refused += usize::from(Received::read(&bytes[..cut]).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(received) = Received::read(&changed) else {
                refused += 1;
                continue;
            };
            let mut read = v1::Batch::decode(changed.as_slice()).unwrap();
            for opening in &mut read.openings {
                opening.opening.get_or_insert_default();
            }
            assert_eq!(message(&received), read, "bit {bit}");
        }
        assert!(refused > bytes.len(), "{refused}");
    }

    #[test]
    fn parts_out_of_order_twice_or_unknown_are_refused() {
        let note = v1::Batch { note: b"note".to_vec(), ..Default::default() }.encode_to_vec();
        let size = v1::Batch { old_size: 1, ..Default::default() }.encode_to_vec();
        for (parts, sound) in [
            (vec![&note, &size], true),
            (vec![&size, &note], false),
            (vec![&note, &note], false),
            (vec![&note, &vec![0x32, 0]], false),
            (vec![&note, &vec![0x11, 0, 0, 0, 0, 0, 0, 0, 0]], false),
        ] {
            let bytes = parts.into_iter().flatten().copied().collect::<Vec<_>>();
            assert_eq!(Received::read(&bytes).is_ok(), sound, "{bytes:?}");
        }
    }
}
