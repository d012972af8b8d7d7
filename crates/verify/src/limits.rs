//! What this evidence cannot show, in plain words. Part of every report, whatever its result.

pub(crate) const LIMITS: [&str; 7] = [
    "A block that no agent saw: one at an unobserved point, on a device that nobody declared, or \
     outside every counter that the agents read.",
    "A block that never happened: somebody with the node's key could have recorded it.",
    "That an order in the register is genuine, unless the authority itself signed it; a request \
     that was invented and entered in time looks like any other.",
    "What was recorded, changed and signed anew before the oldest checkpoint that you saved or a \
     witness cosigned. With neither, the whole history may have been written yesterday.",
    "When something happened, beyond the order of the records: times are the operator's clocks.",
    "What an informal word achieved that left no rule and no record.",
    "That a covered block was lawful or proportionate.",
];
