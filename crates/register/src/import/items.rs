//! Requests → the items of an import statement, none of them longer than a chunk can hold.

use prost::Message;
use remit_proto::v1::{self, register_item::Item};

/// A chunk holds at most 256 KiB with the salts; this leaves room for them.
pub const ITEM_SIZE_MAX: usize = 200 * 1024;

/// What a field of a message costs beside its contents: key and length.
const FIELD_OVERHEAD: usize = 8;

/// One item per request; more for the targets that do not fit it.
pub fn to_items(requests: Vec<v1::Request>) -> Vec<v1::RegisterItem> {
    requests.into_iter().flat_map(split).collect()
}

fn split(mut request: v1::Request) -> Vec<v1::RegisterItem> {
    if request.encoded_len() <= ITEM_SIZE_MAX {
        return vec![item(Item::Request(request))];
    }
    let task = request.task.get_or_insert_default();
    let targets = std::mem::take(&mut task.targets);
    let mut size = request.encoded_len();
    let request_id = request.id.clone();
    let mut blocks: Vec<Vec<v1::RequestTarget>> = vec![Vec::new()];
    for target in targets {
        let target_size = target.encoded_len() + FIELD_OVERHEAD;
        if size + target_size > ITEM_SIZE_MAX {
            size = request_id.len() + FIELD_OVERHEAD;
            blocks.push(Vec::new());
        }
        size += target_size;
        if let Some(block) = blocks.last_mut() {
            block.push(target);
        }
    }
    let mut blocks = blocks.into_iter();
    request.task.get_or_insert_default().targets = blocks.next().unwrap_or_default();
    let mut items = vec![item(Item::Request(request))];
    items.extend(blocks.map(|targets| {
        item(Item::Targets(v1::TargetBlock { request_id: request_id.clone(), targets }))
    }));
    items
}

fn item(item: Item) -> v1::RegisterItem {
    v1::RegisterItem { item: Some(item) }
}
