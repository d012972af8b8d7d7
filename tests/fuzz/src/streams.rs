//! What resolvers send over connections: PowerDNS's protobuf messages, dnstap over Frame Streams.

use remit_agent::sources::{
    knot::{answer, frames as knot},
    pdns::message as pdns,
    stream::{Frames, Turn},
};

/// A connection to which the Recursor logs; the first byte says where it is cut.
pub fn pdns(data: &[u8]) {
    for message in messages::<pdns::Frames>(data) {
        let _ = pdns::read(&message);
    }
    let _ = pdns::read(data);
}

/// A connection over which a resolver sends dnstap frames, and the input as one frame.
pub fn dnstap(data: &[u8]) {
    for frame in messages::<knot::Frames>(data) {
        let _ = answer::read(&frame);
    }
    if let answer::Read::Answer(answer) = answer::read(data) {
        assert!(!answer.asked.contains(char::is_control));
    }
}

/// The messages of a stream; in two pieces it holds the same as in one.
fn messages<F: Frames>(data: &[u8]) -> Vec<Vec<u8>> {
    let Some((at, stream)) = data.split_first() else { return Vec::new() };
    let (first, second) = stream.split_at(stream.len().min(usize::from(*at)));
    let whole = drained::<F>(&[stream]);
    assert_eq!(drained::<F>(&[first, second]), whole);
    whole.0
}

type Drained = (Vec<Vec<u8>>, Turn);

fn drained<F: Frames>(pieces: &[&[u8]]) -> Drained {
    let (mut frames, mut messages, mut all) = (F::default(), Vec::new(), Turn::default());
    for piece in pieces {
        if all.end {
            break;
        }
        frames.push(piece);
        let Turn { answer, end } = frames.drain(&mut |message| messages.push(message.to_vec()));
        all.answer.extend(answer);
        all.end = end;
    }
    (messages, all)
}
