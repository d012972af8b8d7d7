//! Pages of a list, and the opaque token that asks for the next one.
//!
//! A token is base64url of: version (1 byte), SHA-256 of the question (its first 8 bytes), the key
//! after which the next page begins. It fits no other list and no other filter. It holds no secret
//! and grants nothing: a made-up one at worst begins a page somewhere else in the same list.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest, Sha256};

use super::error::{QueryError, invalid};

pub(super) const SIZE_DEFAULT: usize = 100;
pub(super) const SIZE_MAX: usize = 1000;
/// Keys are ids and numbers; longer is not ours.
const TOKEN_SIZE_MAX: usize = 1024;
const VERSION: u8 = 1;
const QUESTION_SIZE: usize = 8;

pub(super) struct Page {
    pub(super) size: usize,
    /// The key of the last item of the page before.
    pub(super) after: Option<Vec<u8>>,
    question: [u8; QUESTION_SIZE],
}

impl Page {
    /// `question` is the request with its page fields emptied; `list` names the list.
    pub(super) fn open(
        list: &str,
        question: &impl Message,
        page_size: u32,
        page_token: &str,
    ) -> Result<Self, QueryError> {
        let size = match usize::try_from(page_size) {
            Ok(0) => SIZE_DEFAULT,
            Ok(size) if size <= SIZE_MAX => size,
            Ok(_) | Err(_) => {
                return Err(invalid(
                    "page_size",
                    format!("at most {SIZE_MAX}; 0 means {SIZE_DEFAULT}"),
                ));
            }
        };
        let mut hash = Sha256::new();
        hash.update(list.as_bytes());
        hash.update([0]);
        hash.update(question.encode_to_vec());
        let digest: [u8; 32] = hash.finalize().into();
        let mut question = [0; QUESTION_SIZE];
        question.copy_from_slice(digest.get(..QUESTION_SIZE).unwrap_or(&[0; QUESTION_SIZE]));
        let after = match page_token {
            "" => None,
            token => Some(key_of(token, &question).ok_or(QueryError::PageToken)?),
        };
        Ok(Self { size, after, question })
    }

    /// The token of the page that begins after this key.
    pub(super) fn token(&self, key: &[u8]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.question);
        bytes.extend(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether the item of this key is of the page, as far as items were kept.
    pub(super) fn has_room<T>(&self, kept: &BTreeMap<String, T>, key: &str) -> bool {
        let is_after = self.after.as_ref().is_none_or(|after| key.as_bytes() > after.as_slice());
        is_after
            && (kept.len() <= self.size
                || kept.last_key_value().is_some_and(|(last, _)| key < last.as_str()))
    }

    /// Keeps an item of a list that comes in no order, and no more than [`cut`](Self::cut) needs of it.
    pub(super) fn keep<T>(&self, kept: &mut BTreeMap<String, T>, key: String, item: T) {
        if self.has_room(kept, &key) {
            kept.insert(key, item);
            // One beyond the page says that there are more.
            if kept.len() > self.size.saturating_add(1) {
                kept.pop_last();
            }
        }
    }

    /// Cuts a page out of a whole list that is sorted by its keys, which are unique.
    pub(super) fn cut<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, String) {
        let begins = match &self.after {
            None => 0,
            Some(after) => items.partition_point(|item| key(item).as_bytes() <= after.as_slice()),
        };
        let more = items.len() > begins.saturating_add(self.size);
        let page: Vec<T> = items.into_iter().skip(begins).take(self.size).collect();
        let next = page.last().filter(|_| more).map(|last| self.token(key(last).as_bytes()));
        (page, next.unwrap_or_default())
    }
}

fn key_of(token: &str, question: &[u8]) -> Option<Vec<u8>> {
    if token.len() > TOKEN_SIZE_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let rest = bytes.strip_prefix(&[VERSION])?;
    Some(rest.strip_prefix(question)?.to_vec())
}

#[cfg(test)]
mod tests {
    use remit_proto::v1;

    use super::*;

    fn question(target: &str) -> v1::ListEventsRequest {
        let filter = v1::Filter { target: target.into(), ..v1::Filter::default() };
        v1::ListEventsRequest { filter: Some(filter), ..v1::ListEventsRequest::default() }
    }

    #[test]
    fn pages_together_are_the_list() {
        let all: Vec<String> = (0..25).map(|n| format!("{n:03}")).collect();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = Page::open("events", &question("a"), 10, &token).unwrap();
            let (items, next) = page.cut(all.clone(), Clone::clone);
            seen.extend(items);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn what_is_kept_of_a_list_in_no_order_is_its_page() {
        let all: Vec<String> = (0..25).map(|n| format!("{:03}", n * 7 % 25)).collect();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = Page::open("events", &question("a"), 10, &token).unwrap();
            let mut kept = BTreeMap::new();
            for key in &all {
                page.keep(&mut kept, key.clone(), ());
                assert!(kept.len() <= 11);
            }
            let (items, next) = page.cut(kept.into_keys().collect(), Clone::clone);
            seen.extend(items);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        let mut sorted = all;
        sorted.sort_unstable();
        assert_eq!(seen, sorted);
    }

    #[test]
    fn a_token_fits_its_own_question_only() {
        let page = Page::open("events", &question("a"), 0, "").unwrap();
        let token = page.token(b"key");
        assert!(Page::open("events", &question("a"), 5, &token).is_ok(), "another size is fine");
        assert!(Page::open("events", &question("b"), 0, &token).is_err());
        assert!(Page::open("rules", &question("a"), 0, &token).is_err());
        for bad in ["x", "????", "AAAA", &token[1..], &"A".repeat(5000)] {
            assert!(Page::open("events", &question("a"), 0, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_holds_at_most_a_thousand() {
        assert!(Page::open("events", &question("a"), 1000, "").is_ok());
        assert!(Page::open("events", &question("a"), 1001, "").is_err());
        assert_eq!(Page::open("events", &question("a"), 0, "").unwrap().size, 100);
    }
}
