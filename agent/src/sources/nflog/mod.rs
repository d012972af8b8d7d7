//! NFLOG: packets that rules log.
