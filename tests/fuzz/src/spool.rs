//! What lies on a node's disk: a segment of the spool, as a power cut, a bad disk or a hand left it.

use std::{fs, path::Path};

use remit_agent::spool::{Spool, prepare_new};

/// The generation of `corpus/spool`; it stands in the name of a segment.
const SEGMENT: &str = "00000001-55ee4c2e07f18448-00000000000000000000.seg";
const BYTES_MAX: u64 = 64 << 20;

/// Records without their checksums, which are set here: what a checksum would refuse is not what is
/// looked for. What is recovered once is recovered the second time as well, and nothing more is torn.
pub fn spool(data: &[u8]) {
    let dir = crate::folder().join("spool");
    let _ = fs::remove_dir_all(&dir);
    let opened = |dir: &Path| Spool::open(dir, BYTES_MAX).ok().map(|(_, recovery)| recovery);
    prepare_new(&dir).expect("a folder of our own can be made");
    fs::write(dir.join(SEGMENT), with_checksums(data)).expect("a file of our own can be written");
    let Some(first) = opened(&dir) else { return };
    let Some(second) = opened(&dir) else { panic!("what was recovered cannot be opened") };
    if first.damage.is_none() {
        assert_eq!(second.torn_bytes, 0, "the tail was cut already");
        assert_eq!(second.damage, None);
        assert_eq!(second.tree, first.tree);
        assert_eq!(second.state, first.state);
    }
}

/// Length (big-endian, of type and message), type, message; with the checksum behind the length, as
/// `spool/mod.rs` has it.
fn with_checksums(mut rest: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let size = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((record, behind)) = behind.split_at_checked(size) else { break };
        let checksum = crc32c::crc32c_append(crc32c::crc32c(length), record);
        file.extend([length, &checksum.to_be_bytes(), record].concat());
        rest = behind;
    }
    file.extend_from_slice(rest);
    file
}
