//! Which targets stand at a node, in four bytes of the node and lists beside the tree.

use super::{TargetNumber, nodes::index, place::Class};

/// [`AtNode`] as a word: what it is in the two highest bits, its number in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posted(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtNode {
    Nothing,
    /// One target, up to [`Posted::NUMBER_MAX`].
    Wide(TargetNumber),
    Here(TargetNumber),
    /// A position in [`Lists::pairs`].
    Pair(u32),
    /// A position in [`Lists::several`].
    Several(u32),
}

/// What does not fit into nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    /// One target of each class, as of a name that a request names with all below it and another one
    /// without. Where a third one came, the pair is in `several` too, and nobody asks for it here.
    pairs: Vec<Pair>,
    several: Vec<Several>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    wide: TargetNumber,
    here: TargetNumber,
}

/// Ascending.
#[derive(Debug, Clone, Default)]
struct Several {
    wide: Vec<TargetNumber>,
    here: Vec<TargetNumber>,
}

/// What is posted at a node in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers<'t> {
    One(Option<TargetNumber>),
    /// Ascending.
    Many(&'t [TargetNumber]),
}

impl Posted {
    /// As it is kept, the last of all positions in `several`: there are not so many nodes
    /// ([`super::nodes`]).
    pub(super) const NOTHING: Self = Self(u32::MAX);
    /// A target with a higher number stands in `several`.
    const NUMBER_MAX: u32 = !Self::KIND;
    const KIND: u32 = 0b11 << 30;
    const HERE: u32 = 0b01 << 30;
    const PAIR: u32 = 0b10 << 30;
    const SEVERAL: u32 = 0b11 << 30;

    fn new(at_node: AtNode) -> Self {
        let (kind, number) = match at_node {
            AtNode::Nothing => return Self::NOTHING,
            AtNode::Wide(number) => (0, number),
            AtNode::Here(number) => (Self::HERE, number),
            AtNode::Pair(at) => (Self::PAIR, at),
            AtNode::Several(at) => (Self::SEVERAL, at),
        };
        Self(kind | (number & Self::NUMBER_MAX))
    }

    fn read(self) -> AtNode {
        let number = self.0 & Self::NUMBER_MAX;
        match self.0 & Self::KIND {
            _ if self == Self::NOTHING => AtNode::Nothing,
            Self::HERE => AtNode::Here(number),
            Self::PAIR => AtNode::Pair(number),
            Self::SEVERAL => AtNode::Several(number),
            _ => AtNode::Wide(number),
        }
    }
}

impl Lists {
    /// What the node's word becomes. Numbers come in ascending order.
    pub(super) fn post(&mut self, posted: Posted, class: Class, number: TargetNumber) -> Posted {
        let Self { pairs, several } = self;
        let becomes = match (posted.read(), class) {
            (AtNode::Nothing, class) if number > Posted::NUMBER_MAX => {
                let mut first = Several::default();
                first.of(class).push(number);
                push(several, first)
            }
            (AtNode::Nothing, Class::Wide) => AtNode::Wide(number),
            (AtNode::Nothing, Class::Here) => AtNode::Here(number),
            (AtNode::Wide(wide), Class::Here) => {
                pairs.push(Pair { wide, here: number });
                AtNode::Pair(last(pairs))
            }
            (AtNode::Here(here), Class::Wide) => {
                pairs.push(Pair { wide: number, here });
                AtNode::Pair(last(pairs))
            }
            (AtNode::Wide(wide), Class::Wide) => {
                push(several, Several { wide: vec![wide, number], here: Vec::new() })
            }
            (AtNode::Here(here), Class::Here) => {
                push(several, Several { wide: Vec::new(), here: vec![here, number] })
            }
            (AtNode::Pair(at), class) => {
                let Some(Pair { wide, here }) = pairs.get(index(at)) else { return posted };
                let mut three = Several { wide: vec![*wide], here: vec![*here] };
                three.of(class).push(number);
                push(several, three)
            }
            (AtNode::Several(at), class) => {
                if let Some(several) = several.get_mut(index(at)) {
                    several.of(class).push(number);
                }
                return posted;
            }
        };
        Posted::new(becomes)
    }

    pub(super) fn posted(&self, posted: Posted, class: Class) -> Numbers<'_> {
        match (posted.read(), class) {
            (AtNode::Wide(number), Class::Wide) | (AtNode::Here(number), Class::Here) => {
                Numbers::One(Some(number))
            }
            (AtNode::Nothing | AtNode::Wide(_) | AtNode::Here(_), _) => Numbers::One(None),
            (AtNode::Pair(at), class) => {
                let pair = self.pairs.get(index(at));
                Numbers::One(pair.map(|Pair { wide, here }| *class.of(wide, here)))
            }
            (AtNode::Several(at), class) => {
                let several = self.several.get(index(at));
                let numbers = several.map(|Several { wide, here }| class.of(wide, here));
                Numbers::Many(numbers.map_or(&[], Vec::as_slice))
            }
        }
    }
}

impl Several {
    fn of(&mut self, class: Class) -> &mut Vec<TargetNumber> {
        class.of(&mut self.wide, &mut self.here)
    }
}

fn push(several: &mut Vec<Several>, new: Several) -> AtNode {
    several.push(new);
    AtNode::Several(last(several))
}

/// The position of what was pushed last.
fn last<T>(items: &[T]) -> u32 {
    u32::try_from(items.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_as_it_was_made() {
        for number in [0, 1, Posted::NUMBER_MAX - 1] {
            for made in [
                AtNode::Nothing,
                AtNode::Wide(number),
                AtNode::Here(number),
                AtNode::Pair(number),
                AtNode::Several(number),
            ] {
                assert_eq!(Posted::new(made).read(), made);
            }
        }
    }

    /// Up to six targets at a node, in every order of classes; with numbers that fit into a word and with
    /// some that do not.
    #[test]
    fn what_is_posted_is_found_in_its_class() {
        for first in [0, Posted::NUMBER_MAX - 2] {
            for (length, classes) in (0..=6).flat_map(|n| (0..1_u32 << n).map(move |c| (n, c))) {
                let (mut lists, mut posted) = (Lists::default(), Posted::NOTHING);
                let (mut wide, mut here) = (Vec::new(), Vec::new());
                for nth in 0..length {
                    let class = if classes >> nth & 1 == 0 { Class::Wide } else { Class::Here };
                    let number = first + nth;
                    posted = lists.post(posted, class, number);
                    class.of(&mut wide, &mut here).push(number);
                }
                for (class, wanted) in [(Class::Wide, &wide), (Class::Here, &here)] {
                    let found = match lists.posted(posted, class) {
                        Numbers::One(number) => number.into_iter().collect(),
                        Numbers::Many(numbers) => numbers.to_vec(),
                    };
                    assert_eq!(found, *wanted, "{classes:b} of {length} from {first}");
                }
            }
        }
    }
}
