//! From when until when a certificate holds, and when the next one is due.
//!
//! Of X.509 only the way to `validity` is walked (RFC 5280 section 4.1: `TBSCertificate` is version,
//! serialNumber, signature, issuer, validity, …). A library that knows all of it costs 100 KB of a
//! router's flash, and whether the certificate is good is decided by TLS.

use crate::{CERTIFICATE, der_of};

/// In seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from_s: i64,
    /// The last second.
    pub until_s: i64,
}

impl Validity {
    pub fn is_over(&self, now_s: i64) -> bool {
        now_s > self.until_s
    }

    /// When the next certificate is to be asked for: between half of the life and two thirds, so that a
    /// third is left for a collector that is away, and a fleet that was enrolled in one night does not
    /// come in one night. `share`: where between the two, random.
    pub fn renewal_s(&self, share: u16) -> i64 {
        let life = self.until_s.saturating_sub(self.from_s).max(0);
        let spread = (life / 6).saturating_mul(share.into()) / i64::from(u16::MAX);
        self.from_s.saturating_add(life / 2).saturating_add(spread)
    }

    /// From here on it is late: two thirds of the life are over.
    pub fn late_s(&self) -> i64 {
        self.renewal_s(u16::MAX)
    }
}

/// Of the first certificate of a PEM file (RFC 7468). `None`: it is none.
pub fn validity(pem: &str) -> Option<Validity> {
    of_der(&der_of(pem, CERTIFICATE)?)
}

fn of_der(der: &[u8]) -> Option<Validity> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    /// `[0] EXPLICIT`: the version, which certificates of version 1 leave out.
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(der, SEQUENCE)?;
    let (tbs, _) = element(certificate, SEQUENCE)?;
    let rest = element(tbs, VERSION).map_or(tbs, |(_, rest)| rest);
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (validity, _) = element(rest, SEQUENCE)?;
    let (from_s, rest) = time(validity)?;
    let (until_s, _) = time(rest)?;
    Some(Validity { from_s, until_s })
}

/// The content of the first element, if it has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    // X.690 section 8.1.3: up to 127 in one byte, else so many bytes follow.
    let (size, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(size)?;
    (found == tag).then_some((content, rest))
}

/// `UTCTime` as YYMMDDHHMMSSZ or `GeneralizedTime` as YYYYMMDDHHMMSSZ (RFC 5280 section 4.1.2.5).
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let (text, rest, century) = match element(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, None),
        None => {
            let (text, rest) = element(der, GENERALIZED_TIME)?;
            (text.get(2..)?, rest, Some(pair(text.get(..2)?)?))
        }
    };
    let [y, m, d, h, min, s, last] = text.chunks(2).collect::<Vec<_>>().try_into().ok()?;
    let [year, month, day] = [pair(y)?, pair(m)?, pair(d)?];
    let [hour, minute, second] = [pair(h)?, pair(min)?, pair(s)?];
    let century = century.unwrap_or(if year < 50 { 20 } else { 19 });
    let date_is_one = (1..=12).contains(&month) && (1..=31).contains(&day);
    let time_is_one = hour < 24 && minute < 60 && second < 60;
    if last != b"Z" || !date_is_one || !time_is_one {
        return None;
    }
    let days = days(century * 100 + year, month, day);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second, rest))
}

fn pair(digits: &[u8]) -> Option<i64> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. The year begins in March, so that the day
/// that some years have more is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(until: i32) -> rcgen::Certificate {
        let mut parameters = CertificateParams::new(vec!["edge-1".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2024, 2, 29);
        parameters.not_after = date_time_ymd(until, 12, 31);
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let from_s = 1_709_164_800;
        // RFC 5280: UTCTime until 2049, GeneralizedTime from then on.
        for (year, until_s) in [(2049, 2_524_521_600), (2050, 2_556_057_600)] {
            let pem = certificate(year).pem();
            assert_eq!(validity(&pem), Some(Validity { from_s, until_s }), "{year}");
            // A chain: the first is the node's own.
            assert_eq!(validity(&(pem + "rest")).map(|v| v.until_s), Some(until_s));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_validity() {
        let der = certificate(2030).der().to_vec();
        for size in 0..der.len().min(120) {
            assert_eq!(of_der(&der[..size]), None, "{size}");
        }
        for text in ["", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert_eq!(validity(text), None, "{text:?}");
        }
    }

    #[test]
    fn whatever_a_byte_is_changed_to_the_walk_ends() {
        let der = certificate(2030).der().to_vec();
        for at in 0..120 {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                let _ = of_der(&changed);
            }
        }
    }

    #[test]
    fn the_next_one_is_due_between_half_and_two_thirds_of_the_life() {
        let validity = Validity { from_s: 1000, until_s: 1600 };
        assert_eq!([0, u16::MAX].map(|share| validity.renewal_s(share)), [1300, 1400]);
        assert_eq!(validity.late_s(), 1400);
        assert!(!validity.is_over(1600) && validity.is_over(1601));
        // A certificate that ends before it begins is over, and nothing overflows.
        let odd = Validity { from_s: i64::MAX, until_s: i64::MIN };
        assert_eq!(odd.renewal_s(u16::MAX), i64::MAX);
    }
}
