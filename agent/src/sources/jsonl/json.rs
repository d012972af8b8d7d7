//! One flat JSON object (RFC 8259): texts, whole numbers, truth values and lists of texts. All that a
//! relayed record needs; nothing nested, no fractions, no name twice.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(u64),
    Bool(bool),
    List(Vec<String>),
    Null,
}

/// Where it ceases to be one: the byte, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no flat JSON object from byte {0} on")]
pub struct NotJson(pub usize);

pub fn object(text: &str) -> Result<Vec<(String, Value)>, NotJson> {
    let mut reader = Reader { text, at: 0 };
    reader.expect('{')?;
    let mut fields: Vec<(String, Value)> = Vec::new();
    if !reader.skip('}') {
        loop {
            let begins = reader.at;
            let name = reader.string()?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(NotJson(begins));
            }
            reader.expect(':')?;
            fields.push((name, reader.value()?));
            if !reader.skip(',') {
                break;
            }
        }
        reader.expect('}')?;
    }
    reader.space();
    if reader.at == text.len() { Ok(fields) } else { Err(NotJson(reader.at)) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self) -> NotJson {
        NotJson(self.at)
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn skip(&mut self, what: char) -> bool {
        self.space();
        let found = self.rest().starts_with(what);
        self.at += if found { what.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, what: char) -> Result<(), NotJson> {
        if self.skip(what) { Ok(()) } else { Err(self.wrong()) }
    }

    fn value(&mut self) -> Result<Value, NotJson> {
        self.space();
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        match self.rest().chars().next() {
            Some('"') => self.string().map(Value::Text),
            Some('[') => self.list().map(Value::List),
            Some('0'..='9') => self.number().map(Value::Number),
            _ => Err(self.wrong()),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, NotJson> {
        self.expect('[')?;
        let mut list = Vec::new();
        if !self.skip(']') {
            loop {
                list.push(self.string()?);
                if !self.skip(',') {
                    break;
                }
            }
            self.expect(']')?;
        }
        Ok(list)
    }

    fn number(&mut self) -> Result<u64, NotJson> {
        let rest = self.rest();
        let size = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(size);
        let whole = !after.starts_with(['.', 'e', 'E']) && (size == 1 || !digits.starts_with('0'));
        let number = digits.parse().ok().filter(|_| whole).ok_or(self.wrong())?;
        self.at += size;
        Ok(number)
    }

    fn string(&mut self) -> Result<String, NotJson> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(self.wrong()) };
            if c.is_control() {
                return Err(self.wrong());
            }
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, NotJson> {
        let Some(c) = self.rest().chars().next() else { return Err(self.wrong()) };
        self.at += c.len_utf8();
        Ok(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.unit()?;
                let code = match high {
                    0xd800..=0xdbff if self.rest().starts_with("\\u") => {
                        self.at += 2;
                        let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400);
                        0x1_0000 + ((high - 0xd800) << 10) + low.ok_or(self.wrong())?
                    }
                    code => code,
                };
                char::from_u32(code).ok_or(self.wrong())?
            }
            _ => return Err(self.wrong()),
        })
    }

    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or(self.wrong())?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flat_object() {
        let read = object(
            r#" { "a" : "x\n\"é\ud83d\ude00", "b":12,"c":[ ],"d":["1","2"], "e":true,"f":null } "#,
        );
        let text = |text: &str| Value::Text(text.to_owned());
        let list = |list: &[&str]| Value::List(list.iter().map(|t| (*t).to_owned()).collect());
        let wanted = [
            ("a", text("x\n\"é😀")),
            ("b", Value::Number(12)),
            ("c", list(&[])),
            ("d", list(&["1", "2"])),
            ("e", Value::Bool(true)),
            ("f", Value::Null),
        ];
        assert_eq!(read.unwrap(), wanted.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(object("{}"), Ok(vec![]));
    }

    #[test]
    fn all_else_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "{}x",
            r#"{"a":1,}"#,
            r#"{"a":1.5}"#,
            r#"{"a":1e3}"#,
            r#"{"a":-1}"#,
            r#"{"a":01}"#,
            r#"{"a":{}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\ud800A"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":18446744073709551616}"#,
            r#"{a:1}"#,
        ] {
            assert!(object(text).is_err(), "{text}");
        }
    }

    /// Found by fuzzing.
    #[test]
    fn half_an_escape_is_wrong_where_it_stands() {
        assert_eq!(object(r#"{"a":"\u0"#), Err(NotJson(8)));
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = object(&text);
            let _ = object(&format!("{{\"a\":{text}}}"));
            let _ = object(&format!("{{\"a\":\"{text}\"}}"));
        }

        #[test]
        fn what_serde_writes_is_read(a: String, b: u64, c: Vec<String>) {
            let written = serde_json::json!({ "a": a, "b": b, "c": c }).to_string();
            // Control characters beyond ASCII stand unescaped in it.
            prop_assume!(!written.chars().any(char::is_control));
            let read = object(&written).unwrap();
            let wanted = [("a", Value::Text(a)), ("b", Value::Number(b)), ("c", Value::List(c))];
            prop_assert_eq!(read, wanted.map(|(name, value)| (name.to_owned(), value)));
        }
    }
}
