//! How severe an interference is: UN Guiding Principles, Principle 14 and its commentary, which name
//! scale, scope and irremediable character.
//!
//! In: what is blocked, for how many lines, for how long. Out: three grades. They are never folded into
//! one number: severity is high if any of them is, and which one says what to do about it. They grade an
//! interference with access, not its author; whether it was lawful is another question.
//!
//! The bounds are ours, and stated here so that everybody counts alike:
//!
//! | | low | medium | high |
//! |---|---|---|---|
//! | scale | one page, one port of one address | one host name or address | a tree of names, a prefix, an application, a whole service, everything of a line; what the request says must stay open |
//! | scope, lines served | below 1,000 | below 100,000 | 100,000 and more |
//! | irremediability | below a day | below 30 days | 30 days and more: what was to be read then is past |

use remit_proto::v1::{Severity, SeverityGrade as Grade};

use crate::target::Target;

const DAY_S: u64 = 86_400;

/// `target`: `None` if it is not known. `lines_served`: 0 if nobody declared it.
pub fn severity(target: Option<&Target>, lines_served: u64, duration_s: u64) -> Severity {
    Severity {
        scale: target.map_or(Grade::Unspecified, scale).into(),
        scope: scope(lines_served).into(),
        irremediability: irremediability(duration_s).into(),
    }
}

/// The target of these that takes away most.
pub fn widest(targets: &[Target]) -> Option<&Target> {
    targets.iter().max_by_key(reach)
}

/// To find the target that takes away most.
pub(crate) fn reach(target: &&Target) -> i32 {
    scale(target).into()
}

fn scale(target: &Target) -> Grade {
    match target {
        Target::Url(_) | Target::UrlPrefix(_) | Target::IpPort { .. } => Grade::Low,
        Target::DomainExact(_) | Target::Sni(_) | Target::HttpHost(_) | Target::Ip(_) => {
            Grade::Medium
        }
        Target::DomainSubtree { .. }
        | Target::Cidr(_)
        | Target::ProtocolApp(_)
        | Target::Port(_)
        | Target::Keyword(_)
        | Target::Category(_)
        | Target::AsnRoute(_)
        | Target::LineAccount(_)
        | Target::CustomerToken(_)
        | Target::CellArea(_)
        | Target::WholeService => Grade::High,
    }
}

fn scope(lines_served: u64) -> Grade {
    match lines_served {
        0 => Grade::Unspecified,
        1..1_000 => Grade::Low,
        1_000..100_000 => Grade::Medium,
        100_000.. => Grade::High,
    }
}

fn irremediability(duration_s: u64) -> Grade {
    match duration_s / DAY_S {
        0 => Grade::Low,
        1..30 => Grade::Medium,
        30.. => Grade::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, lines_served: u64, days: u64, want: [Grade; 3]) {
        let target: Target = target.parse().unwrap();
        let found = severity(Some(&target), lines_served, days * DAY_S);
        let found = [found.scale(), found.scope(), found.irremediability()];
        assert_eq!(found, want, "{target}, {lines_served} lines, {days} days");
    }

    #[test]
    fn each_grade_depends_on_its_own_fact() {
        use Grade::{High, Low, Medium, Unspecified};
        check("url:https://example.org/a", 999, 0, [Low, Low, Low]);
        check("domain_exact:example.org", 1_000, 1, [Medium, Medium, Medium]);
        check("domain_subtree:example.org", 99_999, 29, [High, Medium, Medium]);
        check("whole_service:*", 100_000, 30, [High, High, High]);
        check("ip:192.0.2.1", 0, 0, [Medium, Unspecified, Low]);
    }

    #[test]
    fn an_erased_target_has_no_scale() {
        assert_eq!(severity(None, 5, 0).scale(), Grade::Unspecified);
    }
}
