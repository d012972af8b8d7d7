//! Domain names as master files and BIND's log write them: relative to the origin or absolute, with escapes (RFC 1035
//! section 5.1), compared without regard to case.

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name(Vec<Vec<u8>>);

impl Name {
    /// A whole name, with or without its last dot.
    pub fn absolute(text: &str) -> Option<Self> {
        Self::parse(text.as_bytes(), &Self::default()).filter(|name| !name.is_root())
    }

    pub fn labels(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }

    /// `None` if a label or the name is too long, empty, or wrongly escaped.
    pub fn parse(text: &[u8], origin: &Self) -> Option<Self> {
        match text {
            b"@" => return Some(origin.clone()),
            b"." => return Some(Self::default()),
            _ => {}
        }
        let mut labels = vec![Vec::new()];
        let mut bytes = text.iter().copied();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'.' => {
                    labels.push(Vec::new());
                    continue;
                }
                b'\\' => match bytes.next()? {
                    first @ b'0'..=b'9' => {
                        let mut code = u32::from(first - b'0');
                        for _ in 0..2 {
                            let digit = bytes.next().filter(u8::is_ascii_digit)?;
                            code = code * 10 + u32::from(digit - b'0');
                        }
                        u8::try_from(code).ok()?
                    }
                    other => other,
                },
                other => other,
            };
            labels.last_mut()?.push(byte.to_ascii_lowercase());
        }
        if labels.last().is_some_and(Vec::is_empty) {
            labels.pop();
        } else {
            labels.extend(origin.0.iter().cloned());
        }
        let fits = labels.iter().all(|l| (1..=63).contains(&l.len()))
            && labels.iter().map(|l| l.len() + 1).sum::<usize>() < 255;
        (fits && !labels.is_empty()).then_some(Self(labels))
    }

    /// The labels in front of `apex`, if the name lies in it.
    pub fn below(&self, apex: &Self) -> Option<Vec<&[u8]>> {
        let count = self.0.len().checked_sub(apex.0.len())?;
        let (front, back) = self.0.split_at_checked(count)?;
        (back == apex.0).then(|| front.iter().map(Vec::as_slice).collect())
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn is_single(&self, label: &[u8]) -> bool {
        matches!(self.0.as_slice(), [only] if only == label)
    }

    pub fn last_starts_with(&self, prefix: &[u8]) -> bool {
        self.0.last().is_some_and(|l| l.starts_with(prefix))
    }
}
