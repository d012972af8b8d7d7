//! nftables, read as the kernel holds it.
