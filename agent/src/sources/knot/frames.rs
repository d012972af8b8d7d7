//! Frame Streams, as `fstrm` writes them (fstrm/control.h): each frame has a length of four bytes, big-endian;
//! length 0 is followed by a control frame with a length of its own.
//!
//! A writer over a Unix socket asks first (READY), is answered (ACCEPT), begins (START), ends (STOP) and is
//! told that all of it arrived (FINISH). One that begins without asking is read as well.

use crate::sources::stream::{self, Turn};

/// Of dnstap: a DNS message is at most 65535 bytes, and what stands around it is little.
const FRAME_SIZE_MAX: usize = 128 * 1024;
/// `FSTRM_CONTROL_FRAME_LENGTH_MAX`
const CONTROL_SIZE_MAX: usize = 512;
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
const ACCEPT: u32 = 1;
const STOP: u32 = 3;
const READY: u32 = 4;
const FINISH: u32 = 5;
/// `FSTRM_CONTROL_FIELD_CONTENT_TYPE`
const FIELD_CONTENT_TYPE: u32 = 1;

/// Bytes of one connection, cut into frames.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl stream::Frames for Frames {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Less than one frame stays.
    fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> Turn {
        let mut turn = Turn::default();
        let mut start = 0;
        while let Some(size) = number(&self.0, start) {
            let (control, begin, size) = match size {
                0 => match number(&self.0, start + 4) {
                    Some(size) => (true, start + 8, size as usize),
                    None => break,
                },
                size => (false, start + 4, size as usize),
            };
            let most = if control { CONTROL_SIZE_MAX } else { FRAME_SIZE_MAX };
            if size > most {
                turn.end = true;
                break;
            }
            let Some(frame) = self.0.get(begin..begin + size) else { break };
            match number(frame, 0).filter(|_| control) {
                Some(READY) if offers(frame) => turn.answer.extend(accept()),
                // Another content than ours.
                Some(READY) => turn.end = true,
                Some(STOP) => {
                    turn.answer.extend(frame_of(&FINISH.to_be_bytes()));
                    turn.end = true;
                }
                Some(_) => {}
                None if control => turn.end = true,
                None => take(frame),
            }
            start = begin + size;
            if turn.end {
                break;
            }
        }
        self.0.drain(..start);
        turn
    }

    fn is_broken(&self) -> bool {
        !self.0.is_empty()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Whether READY names our content among its own.
fn offers(frame: &[u8]) -> bool {
    let mut at = 4;
    while let (Some(field), Some(size)) = (number(frame, at), number(frame, at + 4)) {
        let value = frame.get(at + 8..at + 8 + size as usize);
        if field == FIELD_CONTENT_TYPE && value == Some(CONTENT_TYPE) {
            return true;
        }
        at += 8 + size as usize;
    }
    false
}

fn accept() -> Vec<u8> {
    let mut body = ACCEPT.to_be_bytes().to_vec();
    body.extend(FIELD_CONTENT_TYPE.to_be_bytes());
    body.extend((CONTENT_TYPE.len() as u32).to_be_bytes());
    body.extend(CONTENT_TYPE);
    frame_of(&body)
}

fn frame_of(body: &[u8]) -> Vec<u8> {
    [&[0; 4], &(body.len() as u32).to_be_bytes()[..], body].concat()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::stream::Frames as _;

    pub(in super::super) fn ready() -> Vec<u8> {
        let mut body = READY.to_be_bytes().to_vec();
        body.extend([0, 0, 0, 1, 0, 0, 0, 22]);
        body.extend(CONTENT_TYPE);
        frame_of(&body)
    }

    pub(in super::super) fn data(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
    }

    #[test]
    fn a_stream_in_any_pieces_is_accepted_read_and_finished() {
        let start = frame_of(&[0, 0, 0, 2]);
        let stop = frame_of(&[0, 0, 0, 3]);
        let stream = [ready(), start, data(b"one"), data(b"two"), stop].concat();
        for size in [1, 3, 8, stream.len()] {
            let (mut frames, mut answer, mut seen, mut ended) =
                (Frames::default(), Vec::new(), Vec::new(), false);
            for piece in stream.chunks(size) {
                frames.push(piece);
                let turn = frames.drain(&mut |frame| seen.push(frame.to_vec()));
                answer.extend(turn.answer);
                ended |= turn.end;
            }
            assert_eq!(seen, [b"one", b"two"]);
            assert_eq!(answer, [accept(), frame_of(&[0, 0, 0, 5])].concat());
            assert!(ended && !frames.is_broken());
        }
    }

    #[test]
    fn what_is_no_such_stream_is_ended() {
        for bytes in [
            &b"GET / HTTP/1.0\r\n\r\n"[..],
            &[0, 0, 0, 0, 0, 0, 2, 1],
            &[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4],
            &[0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let mut frames = Frames::default();
            frames.push(bytes);
            assert!(frames.drain(&mut |_| panic!("a frame")).end, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, control: Vec<u8>) {
            let mut frames = Frames::default();
            frames.push(&bytes);
            frames.push(&frame_of(&control));
            frames.drain(&mut |_| {});
        }
    }
}
