//! What `iptables-legacy-save -c` and `ip6tables-legacy-save -c` print (iptables-save(8); measured with
//! 1.8.9): tables, chains with their policies, rules, and a count of packets before each.
//!
//! A dump that does not end its last table is torn: it was read while it was written.

/// One chain and what is said of it in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub table: String,
    pub name: String,
    /// Of a built-in chain: "ACCEPT" or "DROP"; "-" of others.
    pub policy: String,
    pub policy_packets: u64,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    pub packets: u64,
    /// As it is printed, without the count.
    pub text: String,
    pub source: Option<Value>,
    pub destination: Option<Value>,
    pub protocol: Option<Value>,
    /// `--dport`: one port, or "from:to".
    pub port: Option<Value>,
    pub comment: Option<String>,
    /// What else must hold: all that is not read.
    pub others: bool,
    pub action: Action,
}

/// What an option asks for; `inverted`: with `!` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub value: String,
    pub inverted: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Action {
    /// No target, or one behind which the packet goes on.
    #[default]
    GoOn,
    Drop,
    /// With `--reject-with`, as it is printed.
    Reject(String),
    /// ACCEPT, RETURN: the rest of the chain is not asked.
    Ends,
    /// `-j` or `-g` to a chain of the table.
    Chain(String),
    /// NFQUEUE, DNAT, TPROXY, …: handed to something whose outcome the dump does not say.
    Diverts(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    #[error(
        "the dump is empty or its last table has no COMMIT: it is being written, or nothing writes it"
    )]
    Torn,
    #[error("the dump has no counts: write it with -c")]
    NotCounted,
    #[error("line {0} of the dump is not understood")]
    Line(usize),
}

/// All chains of all tables, in their order.
pub fn parse(text: &str) -> Result<Vec<Chain>, SaveError> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut table: Option<String> = None;
    let mut tables = 0;
    for (at, line) in text.lines().enumerate() {
        let wrong = SaveError::Line(at + 1);
        let line = line.trim_end();
        match (line.chars().next(), &table) {
            (None | Some('#'), _) => {}
            (Some('*'), None) => table = line.strip_prefix('*').map(str::to_owned),
            (Some(':'), Some(table)) => chains.push(chain(line, table).ok_or(wrong)?),
            (Some('['), Some(table)) => {
                let (count, rest) = line.split_once(' ').ok_or(wrong)?;
                let packets = packets(count).ok_or(wrong)?;
                let (name, rule) = rule(rest, packets).ok_or(wrong)?;
                let of = chains.iter_mut().rev().find(|c| c.table == *table && c.name == name);
                of.ok_or(wrong)?.rules.push(rule);
            }
            (Some('-'), Some(_)) => return Err(SaveError::NotCounted),
            (Some('C'), Some(_)) if line == "COMMIT" => {
                table = None;
                tables += 1;
            }
            _ => return Err(wrong),
        }
    }
    if table.is_some() || tables == 0 { Err(SaveError::Torn) } else { Ok(chains) }
}

/// `:FORWARD ACCEPT [12:720]`
fn chain(line: &str, table: &str) -> Option<Chain> {
    let mut words = line.strip_prefix(':')?.split(' ');
    let (name, policy) = (words.next()?.to_owned(), words.next()?.to_owned());
    let policy_packets = words.next().and_then(packets)?;
    Some(Chain { table: table.to_owned(), name, policy, policy_packets, rules: Vec::new() })
}

/// `[12:720]`
fn packets(count: &str) -> Option<u64> {
    let inside = count.strip_prefix('[')?.strip_suffix(']')?;
    inside.split_once(':')?.0.parse().ok()
}

/// `-A FORWARD -d 192.0.2.1/32 -j DROP`: the chain and what is asked.
fn rule(text: &str, packets: u64) -> Option<(String, Rule)> {
    let words = words(text)?;
    let mut words = words.iter().map(String::as_str);
    if words.next()? != "-A" {
        return None;
    }
    let name = words.next()?.to_owned();
    let mut rule = Rule { packets, text: text.to_owned(), ..Rule::default() };
    let mut inverted = false;
    let mut target: Option<&str> = None;
    let mut reject = "";
    while let Some(word) = words.next() {
        if word == "!" {
            inverted = true;
            continue;
        }
        let mut value = || {
            let value = words.next()?.to_owned();
            Some(Value { value, inverted })
        };
        match word {
            "-s" => rule.source = Some(value()?),
            "-d" => rule.destination = Some(value()?),
            "-p" => rule.protocol = Some(value()?),
            "--dport" => rule.port = Some(value()?),
            "--comment" => rule.comment = Some(value()?.value),
            "-j" | "-g" => target = Some(words.next()?),
            "--reject-with" => reject = words.next()?,
            // The match that the options after it belong to; of these three all is read.
            "-m" => {
                let read = ["comment", "tcp", "udp"].contains(&words.next()?);
                rule.others |= !read && target.is_none();
            }
            // Behind the target stand its own options.
            _ if target.is_some() => {}
            // A condition that is not read, or a value of it.
            _ => rule.others = true,
        }
        inverted = false;
    }
    rule.action = match target {
        None => Action::GoOn,
        Some("DROP") => Action::Drop,
        Some("REJECT") => Action::Reject(reject.to_owned()),
        Some("ACCEPT" | "RETURN") => Action::Ends,
        Some(
            "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "SECMARK" | "CLASSIFY" | "TOS" | "DSCP" | "TTL"
            | "HL" | "TCPMSS" | "TRACE" | "AUDIT" | "CT" | "NOTRACK" | "CHECKSUM" | "SET" | "ULOG"
            | "RATEEST" | "IDLETIMER" | "LED" | "TEE" | "ECN" | "TCPOPTSTRIP" | "HMARK"
            | "CONNSECMARK" | "MASQUERADE" | "SNAT" | "NETMAP",
        ) => Action::GoOn,
        Some(
            name
            @ ("NFQUEUE" | "QUEUE" | "DNAT" | "REDIRECT" | "TPROXY" | "SYNPROXY" | "CLUSTERIP"),
        ) => Action::Diverts(name.to_owned()),
        Some(chain) => Action::Chain(chain.to_owned()),
    };
    Some((name, rule))
}

/// Words as iptables-save prints them: what holds a space is in quotes, with `\` before quotes.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(first) = letters.next() {
        if first == ' ' {
            continue;
        }
        let mut word = String::new();
        if first == '"' {
            loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => word.push(letters.next()?),
                    letter => word.push(letter),
                }
            }
        } else {
            word.push(first);
            while let Some(letter) = letters.next_if(|letter| *letter != ' ') {
                word.push(letter);
            }
        }
        words.push(word);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DUMP: &str = include_str!("../../../testdata/iptables/iptables-legacy-save.txt");

    fn of<'a>(chains: &'a [Chain], name: &str) -> &'a Chain {
        chains.iter().find(|chain| chain.table == "filter" && chain.name == name).unwrap()
    }

    #[test]
    fn a_captured_dump_is_read() {
        let chains = parse(DUMP).unwrap();
        let forward = of(&chains, "FORWARD");
        assert_eq!((forward.policy.as_str(), of(&chains, "INPUT").policy_packets), ("ACCEPT", 0));
        let [jump, comment, range, other] = &forward.rules[..] else { panic!("{forward:#?}") };
        assert_eq!((&jump.action, jump.others), (&Action::Chain("BLOCK".into()), false));
        assert_eq!(comment.comment.as_deref(), Some("remit=court/1 the \"first\" one"));
        assert_eq!(comment.destination.as_ref().unwrap().value, "192.0.2.1/32");
        assert_eq!((comment.packets, &comment.action), (3, &Action::Drop));
        assert!(range.port.as_ref().unwrap().value == "443" && !range.others, "{range:?}");
        assert_eq!(range.action, Action::Reject("icmp-admin-prohibited".into()));
        assert!(other.others && other.source.as_ref().unwrap().inverted, "{other:?}");
    }

    #[test]
    fn what_is_torn_or_not_counted_says_so() {
        let cut = DUMP.rsplit_once("COMMIT").unwrap().0;
        assert_eq!(parse(cut), Err(SaveError::Torn));
        assert_eq!(parse(""), Err(SaveError::Torn));
        assert_eq!(
            parse("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j DROP\nCOMMIT\n"),
            Err(SaveError::NotCounted)
        );
        assert_eq!(parse("*filter\n[1:2] -A NONE -j DROP\nCOMMIT\n"), Err(SaveError::Line(2)));
        assert_eq!(parse("hello\n"), Err(SaveError::Line(1)));
    }

    proptest! {
        #[test]
        fn any_change_of_a_dump_is_safe(at in any::<prop::sample::Index>(), letter in any::<char>(), cut in any::<prop::sample::Index>()) {
            let mut letters: Vec<char> = DUMP.chars().collect();
            let place = at.index(letters.len());
            letters[place] = letter;
            letters.truncate(cut.index(letters.len()));
            let _ = parse(&letters.into_iter().collect::<String>());
        }
    }
}
