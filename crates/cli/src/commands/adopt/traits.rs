//! What a rule says of itself that is worth grouping by: read from its native text, as the agent's
//! sources write it (`agent/src/rules/nftables/render.rs`, `agent/src/sources/unbound_rpz/rules.rs`).

use remit_proto::v1::{self, BasisClass, VerdictCode};

use crate::words;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) node: String,
    pub(super) number: u64,
    pub(super) source: String,
    pub(super) technique: String,
    /// The first named set of the rule; empty: none. So are the three below.
    pub(super) set: String,
    /// Of the set's element, else of the rule.
    pub(super) comment: String,
    pub(super) log: String,
    pub(super) counter: String,
    /// What the rule claims and the register does not know.
    pub(super) claim: String,
    /// What it was attributed to already.
    pub(super) attributed: String,
    /// The request that speaks of it now, because it touches the target.
    pub(super) touched_by: String,
    /// 0: it stood before the agent first looked.
    pub(super) installed_at_s: i64,
    pub(super) verdict: String,
    pub(super) target: String,
    pub(super) hits: u64,
}

impl Traits {
    /// `None`: there is nothing to adopt; the rule says what it rests on.
    pub(super) fn of(row: &v1::RuleRow) -> Option<Self> {
        let rule = row.rule.as_ref()?;
        let verdict = row.verdict.as_ref()?;
        let nothing = rule.claims.iter().all(|claim| {
            claim.claim == Some(v1::claim::Claim::BasisClass(BasisClass::NoneStated.into()))
        });
        let clause = verdict.clause.clone().unwrap_or_default();
        let unknown = verdict.code() == VerdictCode::UnknownBasis;
        let attributed = verdict.attributed.as_ref();
        if !nothing && !unknown && attributed.is_none() {
            return None;
        }
        let native = row.native.as_str();
        let (own, element) = native.split_once("; element ").unwrap_or((native, ""));
        let comment = quoted(element, "comment ").or_else(|| quoted(own, "comment "));
        Some(Self {
            node: row.node.clone(),
            number: rule.number,
            source: words::source(rule),
            technique: words::technique(rule.technique()),
            set: set(own).unwrap_or_default().to_owned(),
            comment: comment.unwrap_or_default(),
            log: quoted(own, "log prefix ").unwrap_or_default(),
            counter: quoted(own, "counter name ").unwrap_or_default(),
            claim: if unknown { clause.event_shows } else { String::new() },
            attributed: attributed
                .map(|said| words::claims(&said.claims).join(", "))
                .unwrap_or_default(),
            touched_by: clause.request_id,
            installed_at_s: row.installed_at_s,
            verdict: words::verdict_code(verdict),
            target: words::target(row.target.as_ref()),
            hits: row.hits,
        })
    }
}

/// "@name" as a word of its own; anonymous sets have names that say nothing.
fn set(native: &str) -> Option<&str> {
    let names = native.split(' ').filter_map(|word| word.strip_prefix('@'));
    names.map(|name| name.trim_end_matches([',', ';'])).find(|name| !name.starts_with("__"))
}

/// The text after a keyword, as Rust and nft write a quoted string.
fn quoted(native: &str, keyword: &str) -> Option<String> {
    let (_, rest) = native.split_once(&format!("{keyword}\""))?;
    let mut text = String::new();
    let mut escaped = false;
    for c in rest.chars() {
        match (escaped, c) {
            (false, '"') => return Some(text),
            (false, '\\') => escaped = true,
            (_, c) => {
                text.push(c);
                escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn row(node: &str, number: u64, native: &str, target: &str) -> v1::RuleRow {
        v1::RuleRow {
            node: node.into(),
            rule: Some(v1::Rule {
                number,
                source: v1::SourceKind::Nftables.into(),
                technique: v1::Technique::IpAclDrop.into(),
                ..v1::Rule::default()
            }),
            target: Some(v1::Target { kind: v1::TargetKind::Ip.into(), value: target.into() }),
            native: native.into(),
            verdict: Some(v1::Verdict {
                code: VerdictCode::NoBasis.into(),
                ..v1::Verdict::default()
            }),
            ..v1::RuleRow::default()
        }
    }

    /// "<set> <comment> <log> <counter>" of a native text.
    fn check(native: &str, want: [&str; 4]) {
        let traits = Traits::of(&row("edge-1", 1, native, "192.0.2.7")).unwrap();
        let found = [&traits.set, &traits.comment, &traits.log, &traits.counter];
        assert_eq!(found, want, "{native}");
    }

    #[test]
    fn a_native_text_names_set_comment_log_and_counter() {
        check(
            r#"ip daddr @blocked_de counter drop comment "order 17"; element 192.0.2.7"#,
            ["blocked_de", "order 17", "", ""],
        );
        check(
            r#"ip daddr @x drop comment "list"; element 192.0.2.7 comment "court \"2026-4\"""#,
            ["x", r#"court "2026-4""#, "", ""],
        );
        check(
            r#"ip daddr 192.0.2.7 counter name "c_1" log prefix "blocked" group 7 drop"#,
            ["", "", "blocked", "c_1"],
        );
        check("ip daddr @__set3 drop", ["", "", "", ""]);
        check("forum.example CNAME .", ["", "", "", ""]);
        check(r#"drop comment "cut off"#, ["", "", "", ""]);
    }

    #[test]
    fn a_rule_that_says_what_it_rests_on_is_not_adopted() {
        let mut claims = row("edge-1", 1, "drop", "192.0.2.7");
        let known = v1::Claim { claim: Some(v1::claim::Claim::RequestId("court/1".into())) };
        claims.rule.as_mut().unwrap().claims = vec![known];
        claims.verdict.as_mut().unwrap().code = VerdictCode::Expired.into();
        assert_eq!(Traits::of(&claims), None);
        let verdict = claims.verdict.as_mut().unwrap();
        verdict.code = VerdictCode::UnknownBasis.into();
        let shows = "court/1".to_owned();
        verdict.clause = Some(v1::Clause { event_shows: shows, ..v1::Clause::default() });
        assert_eq!(Traits::of(&claims).unwrap().claim, "court/1");
    }
}
