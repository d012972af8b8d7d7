//! Names that are written like one that nobody knows: what a typing mistake was to be.

/// The most alike first, each once; at most so many. Large and small letters, spaces and signs make no difference.
pub fn alike<'k>(
    wanted: &str,
    known: impl IntoIterator<Item = &'k str>,
    count_max: usize,
) -> Vec<&'k str> {
    let wanted = plain(wanted);
    let distance_max = (wanted.len() / 4).clamp(1, 8);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| Some((difference(&wanted, &plain(name), distance_max)?, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(count_max).map(|(_, name)| name).collect()
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// In letters; that one is a part of the other counts as the most that is alike. `None`: more than that.
fn difference(one: &[char], other: &[char], distance_max: usize) -> Option<usize> {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let distance = if long.len() - short.len() > distance_max {
        None
    } else {
        distance(short, long, distance_max)
    };
    let is_part = || short.len() >= PART_MIN && long.windows(short.len()).any(|part| part == short);
    distance.or_else(|| is_part().then_some(distance_max))
}

/// Letters of a part that says something.
const PART_MIN: usize = 3;

/// Levenshtein's, one row of the table at a time. It is left when a whole row is beyond: then the rest is too.
fn distance(short: &[char], long: &[char], distance_max: usize) -> Option<usize> {
    let mut row: Vec<usize> = (0..=short.len()).collect();
    for (at, letter) in long.iter().enumerate() {
        let (mut before, mut left) = (at, at + 1);
        for (cell, other) in row.iter_mut().skip(1).zip(short) {
            let changed = before + usize::from(letter != other);
            before = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
        if row.iter().all(|cell| *cell > distance_max) {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= distance_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_typing_mistake_was_to_be_is_found() {
        let known = ["12 O 345/26", "12 O 346/26", "7 K 1/25", "Regional Court Berlin"];
        let check = |wanted: &str, want: &[&str]| {
            assert_eq!(alike(wanted, known, 3), want, "{wanted}");
        };
        check("12 O 345/26", &["12 O 345/26", "12 O 346/26"]);
        check("12O345/26", &["12 O 345/26", "12 O 346/26"]);
        check("12 o 354/26", &["12 O 345/26", "12 O 346/26"]);
        check("Court Berlin", &["Regional Court Berlin"]);
        check("Regionl Cuort Berlin", &["Regional Court Berlin"]);
        check("99 Z 9/99", &[]);
        check("", &[]);
        assert_eq!(alike("12 O 345/26", known, 1).len(), 1);
    }
}
