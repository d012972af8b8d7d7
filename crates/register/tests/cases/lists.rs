//! Lists with versions: what a claim of one is worth, and who must look before one takes effect.
//! DOMAIN.md section 3 "Claims", 3f "List feeds".

use register::{Selected, Selector};
use remit_proto::v1::{UndeterminedReason, VerdictCode};

use crate::language::{
    at, check, check_clause, check_qualities, statement_after, statement_of, written,
};

/// A regulator's list under one request: two entries from the start, one more from 11 January on, and
/// the second one gone from 20 January on. Grace: one hour and ten minutes.
const LIST: &str = "reg/1 covers rkn recorded 2025-12-01
    feed rkn under reg/1
    list rkn@1 +ip:192.0.2.1 +ip:192.0.2.2 with p-2 effective 2026-01-01
    list rkn@2 after 1 holds 3 +ip:192.0.2.3 effective 2026-01-11 recorded 2026-01-11
    list rkn@3 after 2 holds 2 -ip:192.0.2.2 effective 2026-01-20 recorded 2026-01-20";

#[test]
fn an_entry_is_covered_by_the_version_in_force() {
    check("block 192.0.2.1 for list:rkn@2", LIST, "AUTHORISED by reg/1");
    check("block 192.0.2.1 at 2026-01-05 for list:rkn@1", LIST, "AUTHORISED by reg/1");
    check("block 192.0.2.3 for list:rkn@2", LIST, "AUTHORISED by reg/1");
    check_clause(
        "block 192.0.2.3 for list:rkn@2",
        LIST,
        "target: ip 192.0.2.3 in list:rkn@2 / ip 192.0.2.3",
    );
    // By the request that covers the list, too.
    check("block 192.0.2.3 for reg/1", LIST, "AUTHORISED by reg/1");
    check("block 192.0.2.3", LIST, "AUTHORISED_MISREFERENCED by reg/1");
    // Versions are in force from an instant on, half-open as everything.
    check("block 192.0.2.3 at 2026-01-11 for list:rkn@2", LIST, "AUTHORISED by reg/1");
    check("block 192.0.2.3 at 2026-01-10T23:59:59Z for list:rkn@2", LIST, "TOO_EARLY by reg/1");
}

#[test]
fn a_claim_of_a_version_that_does_not_hold_the_target() {
    check("block 192.0.2.9 for list:rkn@2", LIST, "OUT_OF_SCOPE_TARGET by reg/1");
    check_clause(
        "block 192.0.2.9 for list:rkn@2",
        LIST,
        "target: what list:rkn@2 holds (3 entries) / ip 192.0.2.9",
    );
    check("block 192.0.2.0/24 for list:rkn@2", LIST, "OVERBROAD by reg/1");
    // It is on the list, but was not in the version that is claimed.
    check("block 192.0.2.3 for list:rkn@1", LIST, "AUTHORISED_MISREFERENCED by reg/1");
    check_clause(
        "block 192.0.2.3 for list:rkn@1",
        LIST,
        "reference: reg/1 by list:rkn@2, in force from 2026-01-11T00:00:00Z / list:rkn@1",
    );
    // Not even within the grace: the version before never held it.
    check(
        "block 192.0.2.3 at 2026-01-11T00:30:00Z for list:rkn@1",
        LIST,
        "AUTHORISED_MISREFERENCED by reg/1",
    );
}

#[test]
fn an_old_version_may_be_claimed_for_as_long_as_the_feed_takes() {
    check("block 192.0.2.1 at 2026-01-11T01:09:59Z for list:rkn@1", LIST, "AUTHORISED by reg/1");
    let late = "block 192.0.2.1 at 2026-01-11T01:10:00Z for list:rkn@1";
    check(late, LIST, "AUTHORISED_MISREFERENCED by reg/1");
    check_clause(
        late,
        LIST,
        "reference: reg/1 by list:rkn@2, in force from 2026-01-11T00:00:00Z / list:rkn@1",
    );
    // A version that is not in force yet is not the one to go by either.
    check(
        "block 192.0.2.1 at 2026-01-05 for list:rkn@2",
        LIST,
        "AUTHORISED_MISREFERENCED by reg/1",
    );
    // The right one beside it is enough.
    check("block 192.0.2.1 for list:rkn@1,list:rkn@2", LIST, "AUTHORISED by reg/1");
    // A window in which the version changed cannot tell when the label did.
    check(
        "block 192.0.2.1 at 2026-01-10T23:55:00Z to 2026-01-11T03:00:00Z for list:rkn@1",
        LIST,
        "AUTHORISED by reg/1",
    );
}

#[test]
fn what_a_newer_version_removed() {
    check("block 192.0.2.2 at 2026-01-19T23:59:59Z for list:rkn@2", LIST, "AUTHORISED by reg/1");
    check(
        "block 192.0.2.2 at 2026-01-20T01:09:59Z for list:rkn@2",
        LIST,
        "IN_REMOVAL_GRACE by reg/1",
    );
    let late = "block 192.0.2.2 at 2026-01-20T01:10:00Z for list:rkn@2";
    check(late, LIST, "EXPIRED by reg/1");
    check_clause(
        late,
        LIST,
        "time: until 2026-01-20T00:00:00Z, removed by list:rkn@3 / 2026-01-20T01:10:00Z",
    );
    // Whatever version the rule claims by then.
    check("block 192.0.2.2 at 2026-01-21 for list:rkn@3", LIST, "EXPIRED by reg/1");
    check("block 192.0.2.2 at 2026-01-21 for reg/1", LIST, "EXPIRED by reg/1");
    check(
        "block 192.0.2.2 at 2026-01-19T23:00:00Z to 2026-01-20T02:00:00Z for list:rkn@2",
        LIST,
        "UNDETERMINED(boundary) by reg/1",
    );
}

#[test]
fn the_longer_grace_holds() {
    let day = LIST.replace("covers rkn", "covers rkn grace 24");
    check("block 192.0.2.2 at 2026-01-20T23:59:59Z for list:rkn@2", &day, "IN_REMOVAL_GRACE");
    check("block 192.0.2.2 at 2026-01-21 for list:rkn@2", &day, "EXPIRED");
    // What the request itself ends with is not the feed's delay.
    let ended = LIST.replace("covers rkn", "covers rkn until 2026-01-15");
    check("block 192.0.2.2 at 2026-01-15T00:30:00Z for list:rkn@2", &ended, "EXPIRED");
}

#[test]
fn another_grace_of_the_feed_reaches_what_was_removed() {
    let event = "block 192.0.2.2 at 2026-01-20T12:00:00Z";
    check(event, LIST, "EXPIRED by reg/1");
    let feed = |rest: &str| format!("{LIST}\n feed rkn under reg/1 {rest} recorded 2026-01-21");
    let longer = feed("every 86400");
    check(event, &longer, "IN_REMOVAL_GRACE by reg/1");
    let (register, _) = written(&longer);
    let reached = |target: &str| {
        let target: register::Target = target.parse().unwrap();
        let reach = register.reach(5, 6);
        let of_it = reach.into_iter().find(|one| one.selected == Selected::Target(target.clone()));
        of_it.map(|one| one.since_s)
    };
    assert_eq!(reached("ip:192.0.2.2"), Some(at("2026-01-20")), "from its removal on");
    assert_eq!(reached("ip:192.0.2.1"), None, "it stands on the list, whatever the grace");
    // Nobody approved it, or it grants the same: nothing that was removed is judged otherwise.
    for same in ["every 86400 with nobody", "changes 7"] {
        let (register, _) = written(&feed(same));
        let is_target = |one: &Selector| matches!(one.selected, Selected::Target(_));
        assert!(!register.reach(5, 6).iter().any(is_target), "{same}");
    }
}

#[test]
fn what_is_not_on_the_list_yet() {
    check("block 192.0.2.3 at 2026-01-05 for list:rkn@2", LIST, "TOO_EARLY by reg/1");
    check_clause(
        "block 192.0.2.3 at 2026-01-05 for list:rkn@2",
        LIST,
        "time: from 2026-01-11T00:00:00Z, added by list:rkn@2 / 2026-01-05T00:00:00Z",
    );
}

#[test]
fn a_version_that_nobody_knows() {
    check("block 192.0.2.9 for list:rkn@4", LIST, "UNKNOWN_BASIS by nobody");
    check_clause(
        "block 192.0.2.9 for list:rkn@4",
        LIST,
        "reference: not in the register; newest version of the list: 3 / list:rkn@4",
    );
    check("block 192.0.2.9 for list:nobody@1", LIST, "UNKNOWN_BASIS by nobody");
    check("block 192.0.2.1 for list:rkn@4", LIST, "AUTHORISED_MISREFERENCED by reg/1");
}

#[test]
fn the_request_of_the_list_must_cover_everything_else() {
    let narrow = LIST.replace("covers rkn", "covers rkn in FR");
    check("block 192.0.2.1 for list:rkn@2", &narrow, "WRONG_PLACE by reg/1");
    let names = LIST.replace("covers rkn", "covers rkn by dns_nxdomain");
    check("block 192.0.2.1 for list:rkn@2", &names, "WRONG_METHOD by reg/1");
    let gone = format!("{LIST}\n reg/1 revokes effective 2026-01-12 recorded 2026-01-12");
    check("block 192.0.2.1 for list:rkn@2", &gone, "REVOKED by reg/1");
    check("block 192.0.2.1 at 2026-01-11 for list:rkn@2", &gone, "AUTHORISED by reg/1");
    // A newer text that covers the list no more.
    let text = format!(
        "{LIST}\n reg/1 version 2 ip:198.51.100.1 effective 2026-01-12 recorded 2026-01-12"
    );
    check("block 192.0.2.1 at 2026-01-11T12:00:00Z for list:rkn@2", &text, "AUTHORISED by reg/1");
    check("block 192.0.2.1 for list:rkn@2", &text, "OUT_OF_SCOPE_TARGET by reg/1");
}

#[test]
fn entries_under_requests_of_their_own() {
    let register = "reg/1 covers rkn; court/7 covers rkn until 2026-01-10; feed rkn under reg/1
        list rkn@1 +ip:192.0.2.1 +ip:192.0.2.7=court/7 with p-2 effective 2026-01-01";
    check("block 192.0.2.1 for list:rkn@1", register, "AUTHORISED by reg/1");
    check("block 192.0.2.7 at 2026-01-09 for list:rkn@1", register, "AUTHORISED by court/7");
    check("block 192.0.2.7 for list:rkn@1", register, "EXPIRED by court/7");
    check(
        "block 192.0.2.7 at 2026-01-09 for reg/1",
        register,
        "AUTHORISED_MISREFERENCED by court/7",
    );
}

#[test]
fn what_a_list_says_must_stay_open() {
    let register = "reg/1 covers rkn; feed rkn under reg/1
        list rkn@1 +cidr:192.0.2.0/24 +!ip:192.0.2.80 with p-2 effective 2026-01-01";
    check("block 192.0.2.80 for list:rkn@1", register, "OUT_OF_SCOPE_TARGET by reg/1");
    check_clause(
        "block 192.0.2.80 for list:rkn@1",
        register,
        "target: not ip 192.0.2.80 in list:rkn@1 / ip 192.0.2.80",
    );
    check("block 192.0.2.0/24 for list:rkn@1", register, "AUTHORISED by reg/1");
}

#[test]
fn own_measures_by_list() {
    let register = "worm covers feed as security_measure; feed feed under worm
        list feed@1 +ip:192.0.2.1 with p-2 effective 2026-01-01";
    check("block 192.0.2.1 for list:feed@1", register, "SECURITY_MEASURE by worm");
    check("block 192.0.2.1", register, "SECURITY_MEASURE by worm");
    check("block 192.0.2.1 for req-9", register, "UNKNOWN_BASIS by nobody");
}

#[test]
fn a_version_that_waits_for_a_person_is_no_basis() {
    // Three changes of three: above both thresholds.
    let held = format!(
        "{LIST}\n list rkn@4 after 3 holds 5 +ip:198.51.100.1 +ip:198.51.100.2 +ip:198.51.100.3 \
         effective 2026-01-25 recorded 2026-01-25"
    );
    let event = "block 198.51.100.1 at 2026-01-26 for list:rkn@4";
    check(event, &held, "BASIS_NOT_ACCEPTED by reg/1");
    check_clause(
        event,
        &held,
        "status: list:rkn@4 waits for a second person's approval / 2026-01-26T00:00:00Z",
    );
    check("block 198.51.100.1 at 2026-01-26 for reg/1", &held, "OUT_OF_SCOPE_TARGET by reg/1");
    check("block 198.51.100.1 at 2026-01-26", &held, "NO_BASIS by nobody");
    check(
        "block 192.0.2.1 at 2026-01-26 for list:rkn@4",
        &held,
        "AUTHORISED_MISREFERENCED by reg/1",
    );

    let approved = format!("{held}\n approve 5 recorded 2026-01-27");
    check("block 198.51.100.1 at 2026-01-27 for list:rkn@4", &approved, "AUTHORISED by reg/1");
    // Not from when it would have been in force, but from when somebody had looked.
    check("block 198.51.100.1 at 2026-01-26 for list:rkn@4", &approved, "TOO_EARLY by reg/1");
    let early = format!("{held}\n approve 5 effective 2026-01-25 recorded 2026-01-27");
    // Unless the one who looked says so, which is on record with the time at which he did.
    check("block 198.51.100.1 at 2026-01-26 for list:rkn@4", &early, "AUTHORISED by reg/1");
    let qualities = "no, document_held";
    check_qualities("block 198.51.100.1 at 2026-01-26 for list:rkn@4 logged 6", &early, qualities);
    // As known before the approval.
    check(
        "block 198.51.100.1 at 2026-01-28 for list:rkn@4 size 6",
        &approved,
        "BASIS_NOT_ACCEPTED by reg/1",
    );
    // A newer version took its place: it is a version that the register knows of no more.
    let passed = format!(
        "{held}\n list rkn@5 after 3 holds 3 +ip:198.51.100.9 effective 2026-01-26 recorded 2026-01-26"
    );
    check("block 198.51.100.1 at 2026-01-26 for list:rkn@4", &passed, "UNKNOWN_BASIS by nobody");
    check("block 198.51.100.9 at 2026-01-26 for list:rkn@5", &passed, "AUTHORISED by reg/1");
}

#[test]
fn a_feed_that_nobody_approved_lets_nothing_in() {
    let register = "reg/1 covers rkn; feed rkn under reg/1 with nobody";
    let version = "list rkn@1 +ip:192.0.2.1 with p-2";
    refused(register, version, "list rkn has no approved feed");
    let approved = format!("{register}; approve 1; {version} effective 2026-01-01");
    check("block 192.0.2.1 for list:rkn@1", &approved, "AUTHORISED by reg/1");
}

#[test]
fn the_register_knows_a_version_from_its_statement_on() {
    check_qualities("block 192.0.2.3 for list:rkn@2 before 3", LIST, "unknown, document_held");
    check_qualities("block 192.0.2.3 for list:rkn@2 before 4", LIST, "yes, document_held");
    check_qualities("block 192.0.2.3 for list:rkn@2 logged 3", LIST, "no, document_held");
    check_qualities("block 192.0.2.1 for list:rkn@2 before 3", LIST, "yes, document_held");
    // As known then: what was removed later stood, what was added later did not.
    check("block 192.0.2.2 at 2026-01-21 for list:rkn@2 size 4", LIST, "AUTHORISED by reg/1");
    check("block 192.0.2.3 for list:rkn@2 size 3", LIST, "UNKNOWN_BASIS by nobody");
}

#[test]
fn withheld_changes_make_a_claim_unknown_and_nothing_else() {
    let (mut register, _) = written("reg/1 covers rkn; feed rkn under reg/1");
    let (statement, _) = statement_of("list rkn@1 +ip:192.0.2.1 with p-2");
    register.apply(&statement, None).unwrap();
    let next = "list rkn@2 after 1 holds 1 -ip:192.0.2.9 +ip:192.0.2.2 with p-2";
    let (next, items) = statement_of(next);
    register.apply(&next, items).unwrap();
    let view = register.view();
    assert_eq!(view.withheld_count(), 1);
    let list = view.list_of(&"rkn".parse().unwrap()).unwrap();
    assert!(list.is_partial());
    assert_eq!(list.newest().unwrap().version.as_str(), "2");
    let shown = |event| {
        let verdict = crate::language::verdict_in(event, &register);
        (verdict.code, verdict.undetermined)
    };
    let erased = Some(UndeterminedReason::Erased);
    assert_eq!(shown("block 192.0.2.1 for list:rkn@1"), (VerdictCode::Undetermined, erased));
    assert_eq!(shown("block 192.0.2.2 for list:rkn@2"), (VerdictCode::Authorised, None));
    assert_eq!(shown("block 192.0.2.1"), (VerdictCode::NoBasis, None));
}

#[test]
fn what_withheld_changes_may_have_taken_out_is_not_covered_for_sure() {
    let (mut register, _) = written(
        "reg/1 covers rkn
         feed rkn under reg/1
         list rkn@1 +ip:192.0.2.1 +ip:192.0.2.2 with p-2 effective 2026-01-01",
    );
    let next = "list rkn@2 after 1 holds 1 -ip:192.0.2.1 with p-2 effective 2026-01-20 recorded 2026-01-20";
    let (withheld, _) = statement_of(next);
    register.apply(&withheld, None).unwrap();
    let shown = |event| {
        let verdict = crate::language::verdict_in(event, &register);
        (verdict.code, verdict.undetermined)
    };
    let covered = (VerdictCode::Authorised, None);
    assert_eq!(shown("block 192.0.2.1 at 2026-01-19 for list:rkn@1"), covered);
    let may_be_gone = (VerdictCode::Undetermined, Some(UndeterminedReason::Erased));
    assert_eq!(shown("block 192.0.2.1 at 2026-01-21 for list:rkn@2"), may_be_gone);
    assert_eq!(shown("block 192.0.2.1 at 2026-01-21 for reg/1"), may_be_gone);
    // The register of before knew nothing of it.
    assert_eq!(shown("block 192.0.2.1 at 2026-01-21 for list:rkn@1 size 3"), covered);
}

/// And what changes it is judged again.
#[test]
fn a_name_that_is_hit_beside_an_address_is_no_other_from_when_a_list_holds_it() {
    let shop = "reg/1 ip:192.0.2.7 covers bad recorded 2025-12-01
        feed bad under reg/1
        list bad@1 +domain_exact:example.org with p-2 effective 2026-01-01
        list bad@2 after 1 holds 2 +domain_exact:shop.example with p-2 effective 2026-01-20 recorded 2026-01-20";
    let hit = |at: &str| format!("block 192.0.2.7 at {at} for reg/1 seeing shop.example");
    check(&hit("2026-01-19"), shop, "AUTHORISED by reg/1 + COLLATERAL");
    check(&hit("2026-01-21"), shop, "AUTHORISED by reg/1");
    let gone = "list bad@3 after 2 holds 1 -domain_exact:shop.example with p-2 effective 2026-01-25 recorded 2026-01-25";
    let gone = format!("{shop}\n{gone}");
    check(&hit("2026-01-21"), &gone, "AUTHORISED by reg/1");
    check(&hit("2026-01-26"), &gone, "AUTHORISED by reg/1 + COLLATERAL");
    let (register, _) = written(shop);
    let reach = register.reach(3, 4);
    let since_s = at("2026-01-20");
    for selected in [
        Selected::Target("ip:192.0.2.7".parse().unwrap()),
        Selected::Claim("reg/1".parse().unwrap()),
    ] {
        assert!(reach.contains(&Selector { selected, since_s }), "{reach:?}");
    }
}

#[test]
fn statements_about_lists_that_are_refused() {
    refused("reg/1 ip:192.0.2.1", "feed rkn under reg/1", "no request reg/1 that covers list rkn");
    refused("", "feed rkn under reg/1", "no request reg/1 that covers list rkn");
    refused("reg/1 covers rkn", "list rkn@1 +ip:192.0.2.1", "list rkn has no approved feed");
    refused(LIST, "list rkn@2 after 3 holds 2", "has a version 2 already");
    refused(LIST, "list rkn@4 after 2 holds 2", "\"2\" is not the newest accepted version");
    refused(LIST, "list rkn@4 holds 2", "\"\" is not the newest accepted version");
    refused(LIST, "list rkn@4 after 3 holds 2 effective 2026-01-19", "in force before version 3");
    let later = "effective 2026-01-30 recorded 2026-01-30";
    let then = |changes: &str| format!("list rkn@4 after 3 {changes} {later}");
    refused(LIST, &then("holds 3 +ip:192.0.2.1"), "added that the version before holds");
    refused(LIST, &then("holds 1 -ip:192.0.2.2"), "removed that the version before does not hold");
    refused(LIST, &then("holds 2 +ip:192.0.2.9 -ip:192.0.2.9"), "changed twice");
    refused(
        LIST,
        &then("holds 2 +ip:192.0.2.9"),
        "entries: 2 is stated, and the changes make it 3",
    );
    refused(
        LIST,
        &then("holds 3 +ip:192.0.2.9=court/9"),
        "no request court/9 that covers list rkn",
    );
}

#[test]
fn approvals_that_are_refused() {
    let held = format!(
        "{LIST}\n list rkn@4 after 3 holds 5 +ip:198.51.100.1 +ip:198.51.100.2 +ip:198.51.100.3 \
         effective 2026-01-25 recorded 2026-01-25"
    );
    refused(&held, "approve 5 by p-1", "somebody else must approve");
    refused(&held, "approve 5 another", "statement 5 is another one");
    refused(&held, "approve 4", "statement 4 awaits no second person's approval");
    refused(&held, "approve 0", "statement 0 awaits no second person's approval");
    refused(&format!("{held}\n approve 5 recorded 2026-01-26"), "approve 5", "awaits no second");
    let passed =
        format!("{held}\n list rkn@5 after 3 holds 2 effective 2026-01-26 recorded 2026-01-26");
    refused(&passed, "approve 5", "awaits no second person's approval");
    refused(LIST, "approve 1", "awaits no second person's approval");
}

/// The last line is refused with this message; what stood before stays.
fn refused(lines: &str, last: &str, want: &str) {
    let (mut register, digests) = written(lines);
    let before = register.size();
    let (statement, items) = statement_after(last, &digests);
    let error = register.apply(&statement, items).expect_err(last).to_string();
    assert!(error.contains(want), "{last}: {error}");
    assert_eq!(register.size(), before);
}
