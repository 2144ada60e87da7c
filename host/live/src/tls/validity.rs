//! Validity of an X.509 certificate, which rustls checks only for the certificates of servers.

use wasmote_mqtt::timestamp::days_since_1970;

use crate::der::{Der, SEQUENCE};

/// Beginning and end of the validity of a certificate in DER, in seconds since 1970 (RFC 5280, section 4.1.2.5); `None` if
/// it is no certificate.
pub(crate) fn of(certificate: &[u8]) -> Option<(i64, i64)> {
    let mut certificate = Der::new(Der::new(certificate).next_of(SEQUENCE)?);
    let mut fields = Der::new(certificate.next_of(SEQUENCE)?);
    // The version is optional; then come the serial number, the algorithm and the issuer.
    if fields.rest().first() == Some(&VERSION) {
        fields.next()?;
    }
    fields.next_of(INTEGER)?;
    fields.next_of(SEQUENCE)?;
    fields.next_of(SEQUENCE)?;
    let mut validity = Der::new(fields.next_of(SEQUENCE)?);
    Some((time(validity.next()?)?, time(validity.next()?)?))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let text = text.strip_suffix(b"Z")?;
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0, |sum: i64, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let [month, day, hour, minute, second] = rest.chunks(2).map(number).collect::<Option<Vec<_>>>()?[..]
    else {
        return None;
    };
    Some(days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date whose month and day exist in some month.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    i64::try_from(days_since_1970(year.into(), month.into(), day.into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_forms_are_read() {
        assert_eq!(time((UTC_TIME, b"700101000000Z")), Some(0));
        assert_eq!(time((UTC_TIME, b"491231235959Z")), Some(2_524_607_999));
        assert_eq!(time((GENERALIZED_TIME, b"20240229120000Z")), Some(1_709_208_000));
        for invalid in [&b"7001010000Z"[..], b"70010100000xZ", b"701301000000Z", b"700101000000", b"Z", b""] {
            assert_eq!(time((UTC_TIME, invalid)), None, "{invalid:?}");
        }
    }

    #[test]
    fn a_certificate_cut_anywhere_has_no_validity_and_does_not_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["device".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(of(certificate.der()), Some((1_709_164_800, 2_840_140_800)));
        for end in 0..certificate.der().len() {
            assert_eq!(of(&certificate.der()[..end]), None);
        }
    }
}
