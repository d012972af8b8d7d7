//! What BIND says over its statistics channel (`statistics-channels`, bin/named/statschannel.c): HTTP,
//! and XML of which two things are read, piece by piece, so that ten thousand zones cost no memory.
//!
//! - `/xml/v3/server`: `RPZRewrites`, which counts every rewrite but `passthru` and `disabled`. (Each
//!   zone's own counter of that name counts those too, so it is not used.)
//! - `/xml/v3/zones`: the serial that is loaded for a zone.

use std::{
    io::{self, BufRead, Read as _},
    net::SocketAddr,
};

use crate::sources::{rpz::is_same_name, web};

/// No tag that is read here is longer.
const PIECE_SIZE_MAX: u64 = 64 * 1024;

/// All rewrites since BIND started; `Ok(None)`: it answers and does not say.
pub fn rewrites(address: SocketAddr) -> io::Result<Option<u64>> {
    read_rewrites(web::get(address, "/xml/v3/server")?)
}

/// The serials that are loaded for these zones.
pub fn serials(address: SocketAddr, zones: &[&str]) -> io::Result<Vec<Option<u32>>> {
    read_serials(web::get(address, "/xml/v3/zones")?, zones)
}

pub fn read_rewrites(answer: impl BufRead) -> io::Result<Option<u64>> {
    let mut pieces = Pieces(answer);
    let mut piece = Vec::new();
    while pieces.next(&mut piece)? {
        if piece.ends_with(b"<counter name=\"RPZRewrites\">") && pieces.next(&mut piece)? {
            return Ok(number(&piece, b"</counter>"));
        }
    }
    Ok(None)
}

pub fn read_serials(answer: impl BufRead, zones: &[&str]) -> io::Result<Vec<Option<u32>>> {
    let mut pieces = Pieces(answer);
    let mut piece = Vec::new();
    let mut serials = vec![None; zones.len()];
    // Which of the zones the pieces speak of.
    let mut at = None;
    while pieces.next(&mut piece)? {
        if let Some(name) = attribute(&piece, b"<zone name=\"") {
            at = zones.iter().position(|zone| is_same_name(zone, &name));
        } else if piece.ends_with(b"</serial>")
            && let Some(serial) = at.take().and_then(|at| serials.get_mut(at))
            // In several views: the first.
            && serial.is_none()
        {
            *serial = number(&piece, b"</serial>").and_then(|n| n.try_into().ok());
        }
    }
    Ok(serials)
}

/// An XML text cut behind every `>`.
struct Pieces<R>(R);

impl<R: BufRead> Pieces<R> {
    /// False at the end. A piece that is too long comes in parts, which match nothing.
    fn next(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        piece.clear();
        Ok((&mut self.0).take(PIECE_SIZE_MAX).read_until(b'>', piece)? > 0)
    }
}

fn attribute(piece: &[u8], before: &[u8]) -> Option<String> {
    let at = piece.windows(before.len()).position(|w| w == before)?;
    let value = piece.get(at + before.len()..)?;
    let value = value.get(..value.iter().position(|b| *b == b'"')?)?;
    let text = std::str::from_utf8(value).ok()?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Some(text.replace("&amp;", "&"))
}

fn number(piece: &[u8], end: &[u8]) -> Option<u64> {
    std::str::from_utf8(piece.strip_suffix(end)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: &str = "HTTP/1.0 200 OK\r\n\r\n<?xml version=\"1.0\"?><statistics><server>\
        <counters type=\"nsstat\"><counter name=\"RateSlipped\">3</counter>\
        <counter name=\"RPZRewrites\">19</counter><counter name=\"QryUDP\">25</counter>";
    const ZONES: &str = "<views><view name=\"_default\"><zones>\
        <zone name=\"remit=de/2026-42.rpz.test\" rdataclass=\"IN\"><type>primary</type>\
        <serial>7</serial></zone><zone name=\"late.test\" rdataclass=\"IN\"><type>secondary</type>\
        <serial>-</serial></zone><zone name=\"A.&amp;b.test\" rdataclass=\"IN\"><serial>4294967295\
        </serial></zone></view><view name=\"two\"><zone name=\"remit=de/2026-42.rpz.test\">\
        <serial>9</serial>";

    #[test]
    fn the_counter_and_the_serials_are_found() {
        assert_eq!(read_rewrites(SERVER.as_bytes()).expect("read"), Some(19));
        assert_eq!(read_rewrites(ZONES.as_bytes()).expect("read"), None);
        let zones = ["late.test", "REMIT=de/2026-42.rpz.test.", "a.&b.test", "absent"];
        let serials = read_serials(ZONES.as_bytes(), &zones).expect("read");
        assert_eq!(serials, [None, Some(7), Some(u32::MAX), None]);
    }

    proptest! {
        #[test]
        fn nothing_panics(text: Vec<u8>, more: String) {
            let _ = read_rewrites(&text[..]);
            let _ = read_rewrites(format!("<counter name=\"RPZRewrites\">{more}").as_bytes());
            let _ = read_serials(format!("<zone name=\"{more}\"><serial>{more}</serial>").as_bytes(), &["a"]);
        }
    }
}
