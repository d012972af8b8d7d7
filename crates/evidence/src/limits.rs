//! What evidence of this kind cannot show, in plain words (DESIGN.md section 1, idea 12).
//!
//! In every bundle as `LIMITS.txt` and in every report, whatever its result. Each line ends where the
//! next idea begins; nobody parses them.

pub const LIMITS: [&str; 8] = [
    "A block that no agent saw and no counter counted: at an unobserved point, on a device that \
     nobody declared, or where a person kept the agent from seeing it.",
    "A block that never happened: somebody with the node's key could have recorded it.",
    "That an order in the register is genuine, unless the authority itself signed it (look at \
     basis_proof): a request that was invented and entered in time looks like any other.",
    "What was recorded, changed and signed anew before the oldest checkpoint that you saved or a \
     witness cosigned. With neither, the whole history may have been written yesterday.",
    "What a node did between its last head that is in the log and a silence.",
    "When something happened, beyond the order of the records: times are the operator's clocks.",
    "What an informal word achieved that left no rule and no record.",
    "That a covered block was lawful or proportionate: \"covered\" means covered by an accepted \
     request in the register at the size stated.",
];

/// As a bundle carries them.
pub fn text() -> String {
    let mut text = "What this evidence cannot show\n".to_owned();
    for (number, limit) in (1..).zip(LIMITS) {
        text.push_str(&format!("\n{number}. {limit}\n"));
    }
    text
}
