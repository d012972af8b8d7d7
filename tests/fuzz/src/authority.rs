//! What authorities sign: CMS structures and PDF files.

use authority::{Status, check, detached, in_pdf};

/// An instant at which the certificates of the corpus are valid.
const THEN: i64 = 1_830_297_600;

/// A signature over nothing, without an anchor: whatever it is, it does not hold.
pub fn cms(data: &[u8]) {
    if let Ok(kept) = detached(b"", data) {
        assert_eq!(kept.cms, data, "what is kept is what came");
        let status = check(&kept, &[], THEN);
        assert!(!matches!(status, Status::Valid { .. }), "{status}");
        // Whatever is an anchor is read like a certificate of the structure.
        let status = check(&kept, &[data.to_vec()], THEN);
        assert!(!matches!(status, Status::Valid { .. }), "{status}");
    }
    let _ = ::authority::anchors(data);
}

pub fn pdf(data: &[u8]) {
    if let Ok(kept) = in_pdf(data) {
        let status = check(&kept, &[], THEN);
        assert!(!matches!(status, Status::Valid { .. }), "{status}");
    }
}
