pub mod kernel;
pub mod rules {
    pub mod nftables;
}
pub mod sources {
    pub mod nflog;
}
