//! Questions at a terminal: what cannot be taken is asked again at once, and nothing that was said is lost.

use std::io::{self, BufRead, Write};

use crate::{exit::CliError, output::escape};

/// Whoever answers, or a file that is piped in: its lines are the targets.
pub(super) struct Person<R> {
    pub(super) lines: R,
    pub(super) asks: bool,
}

impl<R: BufRead> Person<R> {
    /// `None`: the end. What is not UTF-8 is asked again where somebody sits there.
    fn line(&mut self) -> Result<Option<String>, CliError> {
        loop {
            let mut line = Vec::new();
            let read = self.lines.read_until(b'\n', &mut line);
            let read = read.map_err(|error| CliError::Usage(format!("standard input: {error}")))?;
            if read == 0 {
                return Ok(None);
            }
            match String::from_utf8(line) {
                Ok(line) => return Ok(Some(line.trim().to_owned())),
                Err(_) if self.asks => eprintln!("that is not UTF-8 text; the line once more:"),
                Err(_) => {
                    return Err(CliError::Usage("standard input: not UTF-8 text".to_owned()));
                }
            }
        }
    }

    /// What was typed as a flag, else what is answered; `usual` answers for an empty line. What cannot be
    /// taken is said, and asked again where somebody sits there.
    pub(super) fn answer<T>(
        &mut self,
        flag: &str,
        given: Option<&String>,
        question: &str,
        usual: Option<&str>,
        take: impl Fn(&str) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        if let Some(given) = given {
            return take(given);
        }
        if !self.asks {
            let missing =
                || CliError::Usage(format!("{flag}: missing, and nobody is there to ask"));
            return usual.ok_or_else(missing).and_then(take);
        }
        loop {
            let hint = usual.map_or_else(String::new, |usual| format!(" [{usual}]"));
            eprint!("{question}{hint}: ");
            // A prompt that cannot be shown is no reason to lose the answer.
            let _ = io::stderr().flush();
            let Some(text) = self.line()? else {
                return Err(CliError::Usage(format!("{flag}: not answered")));
            };
            let text = match (text.is_empty(), usual) {
                (true, None) => continue,
                (true, Some(usual)) => usual,
                (false, _) => &text,
            };
            match take(text) {
                Ok(taken) => return Ok(taken),
                Err(error) => eprintln!("{}; once more", escape(&error.to_string())),
            }
        }
    }

    /// Pasted lines, until an empty one or the end. One that is no target is said, and the others stay.
    pub(super) fn targets<T>(
        &mut self,
        given: &[String],
        take: impl Fn(&str) -> Result<T, CliError>,
        targets: &mut Vec<T>,
    ) -> Result<(), CliError> {
        if !given.is_empty() {
            *targets = given.iter().map(|text| take(text)).collect::<Result<_, _>>()?;
            return Ok(());
        }
        if self.asks {
            eprintln!("What is to be blocked? One per line, an empty line ends:");
        }
        while let Some(line) = self.line()? {
            if line.is_empty() && self.asks {
                if targets.is_empty() {
                    eprintln!("nothing to block was named yet:");
                    continue;
                }
                break;
            }
            let text = line.trim();
            if text.is_empty() {
                continue;
            }
            match take(text) {
                Ok(target) => targets.push(target),
                Err(error) if self.asks => {
                    eprintln!("{}; once more, the others are kept", escape(&error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        if targets.is_empty() {
            return Err(CliError::Usage("--target: nothing to block was named".to_owned()));
        }
        Ok(())
    }
}
