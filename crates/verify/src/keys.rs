//! Whose signature counts at which position of the log.
//!
//! A node's key comes from `NodeKey` entries and continues through `KeyChange` leaves; a person's
//! from `PersonKey` entries. Validity is by position and size, never by time: a clock can be set.

use std::collections::BTreeMap;

use evidence::{
    batch::{SecondKeyChange, changed_key},
    leaf::Leaf,
    statement::signed_text,
};
use remit_proto::v1::{self, leaf::Body};
use tlog::note::{InvalidKey, KeyName, VerifierKey};

/// Keys of people.
#[derive(Debug, Default)]
pub(crate) struct Persons {
    keys: BTreeMap<String, Vec<PersonKey>>,
}

#[derive(Debug)]
struct PersonKey {
    role: i32,
    key: VerifierKey,
    from_index: u64,
    revoked_index: Option<u64>,
}

/// Why a statement does not count as a person's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("signatures.person: {0} had no valid key of that role in the log at this point")]
    NoKey(String),
    #[error("signatures.signature: that of {0} is wrong")]
    Wrong(String),
    #[error("{0}, named as author or approver, did not sign")]
    Unsigned(String),
    #[error("signatures.person.role: {person} signed as {role}, who may not write this log")]
    Role { person: String, role: &'static str },
}

impl Persons {
    pub(crate) fn learn(&mut self, index: u64, wire: &v1::PersonKey) -> Result<(), InvalidKey> {
        let v1::PersonKey { person, public_key, revoked, approver: _ } = wire;
        let v1::PersonRef { person, role } = person.clone().unwrap_or_default();
        let public = public_key.as_slice().try_into().map_err(|_| InvalidKey::PublicKey)?;
        let key = VerifierKey::new(KeyName::new(person.as_str())?, public)?;
        let keys = self.keys.entry(person).or_default();
        if *revoked {
            for known in keys.iter_mut().filter(|k| k.key == key && k.revoked_index.is_none()) {
                known.revoked_index = Some(index);
            }
        } else {
            keys.push(PersonKey { role, key, from_index: index, revoked_index: None });
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Checks every signature, and that author and approver are among the signers.
    ///
    /// `span`: the statement was made after the log had `span.0` entries at the earliest, and before
    /// entry `span.1`; a key counts if it was valid at some point of the span. `roles`: those who may
    /// sign entries of this log.
    pub(crate) fn check(
        &self,
        origin: &str,
        bytes: &[u8],
        (author, approver): (&v1::PersonRef, Option<&v1::PersonRef>),
        signatures: &[v1::PersonSignature],
        span: (u64, u64),
        roles: &[v1::Role],
    ) -> Result<(), SignatureError> {
        let text = signed_text(origin, bytes);
        for v1::PersonSignature { person, signature } in signatures {
            let person = person.clone().unwrap_or_default();
            let role = person.role();
            if !roles.contains(&role) {
                let role = role.as_str_name();
                return Err(SignatureError::Role { person: person.person, role });
            }
            let mut valid = self.valid(&person, span).peekable();
            if valid.peek().is_none() {
                return Err(SignatureError::NoKey(person.person));
            }
            if !valid.any(|k| k.key.verify_raw(text.as_bytes(), signature)) {
                return Err(SignatureError::Wrong(person.person));
            }
        }
        for named in std::iter::once(author).chain(approver) {
            if !signatures.iter().any(|s| s.person.as_ref() == Some(named)) {
                return Err(SignatureError::Unsigned(named.person.clone()));
            }
        }
        Ok(())
    }

    /// That somebody could have been logged in as operator staff: whoever has a key also has a
    /// certificate that holds it.
    pub(crate) fn may_write(
        &self,
        person: &v1::PersonRef,
        span: (u64, u64),
    ) -> Result<(), SignatureError> {
        if person.role() != v1::Role::Operator {
            let role = person.role().as_str_name();
            return Err(SignatureError::Role { person: person.person.clone(), role });
        }
        let known = self.valid(person, span).next();
        known.map(drop).ok_or_else(|| SignatureError::NoKey(person.person.clone()))
    }

    fn valid<'s>(
        &'s self,
        person: &v1::PersonRef,
        span: (u64, u64),
    ) -> impl Iterator<Item = &'s PersonKey> + use<'s> {
        let role = person.role;
        let keys = self.keys.get(&person.person).into_iter().flatten();
        keys.filter(move |k| k.role == role && k.from_index < span.1)
            .filter(move |k| k.revoked_index.is_none_or(|revoked| revoked >= span.0))
    }
}

/// The keys of one agent tree: the enrolled one, and those that the tree itself introduced.
pub(crate) struct KeyChain {
    /// From which tree size on a head must be signed by this key; the first is the enrolled one.
    from_size: Vec<(u64, [u8; 32])>,
}

impl KeyChain {
    /// A `KeyChange` takes effect after the batch it lies in, and a `Seal` ends every batch.
    pub(crate) fn of(enrolled: [u8; 32], leaves: &[Leaf]) -> Result<Self, SecondKeyChange> {
        let mut from_size = vec![(0, enrolled)];
        let mut size = 0_u64;
        let is_seal = |leaf: &Leaf| matches!(leaf.body(), Some(Body::Seal(_)));
        for batch in leaves.split_inclusive(is_seal) {
            size = size.saturating_add(batch.len() as u64);
            if let Some(key) = changed_key(batch)? {
                from_size.push((size.saturating_add(1), key));
            }
        }
        Ok(Self { from_size })
    }

    pub(crate) fn enrolled(&self) -> Option<[u8; 32]> {
        self.from_size.first().map(|(_, key)| *key)
    }

    /// The key that signs the head of this size.
    pub(crate) fn at(&self, size: u64) -> Option<[u8; 32]> {
        self.from_size.iter().rev().find(|(from, _)| *from <= size).map(|(_, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which key signs the heads of these sizes, of a tree of these leaves: "." any, "s" a seal,
    /// "1" to "9" a change to the key of that number.
    fn check(leaves: &str, sizes: &[u64], expected: Option<&[u8]>) {
        let leaves: Vec<Leaf> = leaves
            .chars()
            .map(|leaf| {
                Leaf::Known(match leaf {
                    's' => Body::Seal(v1::Seal::default()),
                    '.' => Body::Gap(v1::Gap::default()),
                    key => {
                        let new_public_key = vec![key.to_digit(10).unwrap() as u8; 32];
                        Body::KeyChange(v1::KeyChange { at_s: 1, new_public_key })
                    }
                })
            })
            .collect();
        let chain = KeyChain::of([0; 32], &leaves).ok();
        let keys: Option<Vec<u8>> =
            chain.map(|chain| sizes.iter().map(|size| chain.at(*size).unwrap()[0]).collect());
        assert_eq!(keys.as_deref(), expected);
    }

    #[test]
    fn a_new_key_signs_from_the_head_after_its_batch() {
        check("..s1.s..s", &[3, 6, 9], Some(&[0, 0, 1]));
        check("1s2s.s", &[2, 4, 6], Some(&[0, 1, 2]));
    }

    #[test]
    fn two_new_keys_in_one_batch_are_none() {
        check("..s12s", &[3], None);
    }
}
