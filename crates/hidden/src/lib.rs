//! Characters that nobody sees, and that change what is seen around them.
//!
//! Out: what kind of such a character a letter is. Texts of the register are refused that hold one
//! ([`strange`]), and nothing that may hold one reaches a terminal as it is ([`is_hidden`]). It is one list,
//! so that no text is taken in here and means something else there.
//!
//! | Characters | Why | Source |
//! |---|---|---|
//! | control characters | a terminal obeys them | ISO/IEC 6429 |
//! | U+2028, U+2029 | they end a line where nobody looks for one | Unicode 5.8 |
//! | U+202A to U+202E, U+2066 to U+2069 | embeddings, overrides and isolates reorder all that stands behind them | UAX #9 section 2, UTS #55 section 3.1, UTR #36 section 2.5 |
//! | U+200E, U+200F, U+061C | marks of direction: they place the neutral characters beside them | UAX #9 section 2.6 |
//! | U+E0000 to U+E007F | tags: whole sentences can stand in them, beside a name or in it, and show nowhere | Unicode 23.9, UTR #36 section 2 |
//! | U+00AD, U+200B, U+2060 to U+2065, U+206A to U+206F, U+FEFF, U+FFF9 to U+FFFB | two texts that look the same are two | UTR #36 section 2, UTS #39 section 3.1 |
//!
//! Not here: U+200C and U+200D (zero width non-joiner and joiner). Persian, Hindi and other living scripts are spelt with
//! them (UAX #31 section 2.3), and who shows them by number shows no word of these languages. Marks of direction
//! stand in texts for the same reason, and are shown by number.

/// What is the matter with a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    LineBreak,
    Control,
    /// It turns the direction of the text behind it.
    Turns,
    /// It takes no room.
    Invisible,
    /// It says in which direction a neutral character belongs.
    Mark,
}

impl Hidden {
    /// `None`: nobody needs to look at it.
    pub fn of(letter: char) -> Option<Self> {
        Some(match letter {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => Self::LineBreak,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Self::Turns,
            '\u{200e}' | '\u{200f}' | '\u{61c}' => Self::Mark,
            '\u{ad}'
            | '\u{200b}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => Self::Invisible,
            control if control.is_control() => Self::Control,
            _ => return None,
        })
    }

    /// "a line break"
    pub fn told(self) -> &'static str {
        match self {
            Self::LineBreak => "a line break",
            Self::Control => "a control character",
            Self::Turns => "a character that turns the direction of text",
            Self::Invisible => "a character that nobody sees",
            Self::Mark => "a mark of direction",
        }
    }
}

/// A terminal, or a reader, must not get it as it is.
pub fn is_hidden(letter: char) -> bool {
    Hidden::of(letter).is_some()
}

/// No text of living languages needs it. A line break is one; where sentences stand, the caller lets it.
pub fn strange(letter: char) -> Option<Hidden> {
    Hidden::of(letter).filter(|hidden| *hidden != Hidden::Mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_hidden_and_what_scripts_are_spelt_with_is_not() {
        let check = |letters: &str, wanted: Option<Hidden>| {
            for letter in letters.chars() {
                assert_eq!(Hidden::of(letter), wanted, "U+{:04X}", u32::from(letter));
                let strange = wanted.filter(|hidden| *hidden != Hidden::Mark);
                assert_eq!(super::strange(letter), strange, "U+{:04X}", u32::from(letter));
                assert_eq!(is_hidden(letter), wanted.is_some(), "U+{:04X}", u32::from(letter));
            }
        };
        check("\n\r\u{2028}\u{2029}", Some(Hidden::LineBreak));
        check("\0\t\u{1b}\u{7f}\u{85}\u{9b}", Some(Hidden::Control));
        check("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", Some(Hidden::Turns));
        check("\u{2066}\u{2067}\u{2068}\u{2069}", Some(Hidden::Turns));
        check("\u{200e}\u{200f}\u{61c}", Some(Hidden::Mark));
        check("\u{ad}\u{200b}\u{2060}\u{2064}\u{206a}\u{feff}\u{fff9}", Some(Hidden::Invisible));
        check("\u{e0000}\u{e0001}\u{e0041}\u{e007f}", Some(Hidden::Invisible));
        check("\u{200c}\u{200d}\u{e0080}", None);
        check("aüЯ नमस्ते نمی\u{200c}خواهم 例\u{a0}\u{2010}\u{fffd}\u{1f3f4}", None);
    }
}
