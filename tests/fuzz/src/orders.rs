//! What persons tell programs: an order to the agent by its socket, and the collector's settings.

use prost::Message as _;
use remit_agent::sources::person::wire::Order;
use remit_collector::config::Config;

use crate::text;

/// `remit-agent record`, as it arrives at the agent's socket. What is taken is one order, and reads back as
/// itself.
pub fn record_order(data: &[u8]) {
    let Ok(order) = Order::decode(data) else { return };
    let again = Order::decode(order.encode_to_vec().as_slice());
    assert_eq!(again.as_ref(), Ok(&order));
}

pub fn collector_config(data: &[u8]) {
    let path = std::path::Path::new("collector.toml");
    let _ = text(data).map(|text| Config::parse(text, path));
}
