//! The words that files, clauses and sentences use for the values of the wire.

use remit_proto::v1::{Instrument, NetworkType, RequestForm, RequestStatus, RowFault, Technique};

macro_rules! words {
    ($(#[$doc:meta])* $function:ident, $from:ident, $all:ident, $type:ty, { $($variant:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        pub fn $function(value: $type) -> &'static str {
            match value {
                <$type>::Unspecified => "unspecified",
                $(<$type>::$variant => $word,)+
            }
        }

        /// The value that a word names.
        pub fn $from(word: &str) -> Option<$type> {
            match word {
                $($word => Some(<$type>::$variant),)+
                _ => None,
            }
        }

        /// Every value that has a word.
        pub fn $all() -> impl Iterator<Item = $type> {
            [$(<$type>::$variant,)+].into_iter()
        }
    };
}

words!(technique, technique_from, techniques, Technique, {
    DnsNxdomain => "dns_nxdomain",
    DnsNodata => "dns_nodata",
    DnsForgedA => "dns_forged_a",
    DnsRefused => "dns_refused",
    DnsServfail => "dns_servfail",
    DnsDrop => "dns_drop",
    DnsTcpOnly => "dns_tcp_only",
    DnsCnameRedirect => "dns_cname_redirect",
    IpNullRoute => "ip_null_route",
    IpAclDrop => "ip_acl_drop",
    IpAclReject => "ip_acl_reject",
    IpFlowspec => "ip_flowspec",
    IpRouteWithdraw => "ip_route_withdraw",
    TcpRstInjection => "tcp_rst_injection",
    TlsSniDrop => "tls_sni_drop",
    TlsSniRst => "tls_sni_rst",
    TlsCertMitm => "tls_cert_mitm",
    Http451 => "http_451",
    Http403Page => "http_403_page",
    HttpRedirect => "http_redirect",
    HttpModify => "http_modify",
    ProtocolBlock => "protocol_block",
    Throttle => "throttle",
    PortBlock => "port_block",
    QuicBlock => "quic_block",
    Disconnection => "disconnection",
    LineSuspend => "line_suspend",
    Other => "other",
});

words!(
    /// What was wrong with a row that was refused.
    row_fault, row_fault_from, row_faults, RowFault, {
    Missing => "missing",
    Value => "value",
    UnknownKey => "unknown_key",
    Form => "form",
    TooLong => "too_long",
    Duplicate => "duplicate",
    Register => "register",
});

words!(instrument, instrument_from, instruments, Instrument, {
    CourtOrderFinal => "court_order_final",
    CourtOrderInterim => "court_order_interim",
    AdministrativeOrder => "administrative_order",
    RegulatorOrder => "regulator_order",
    PoliceRequest => "police_request",
    ProsecutorRequest => "prosecutor_request",
    MinistryDirection => "ministry_direction",
    LicenceDirection => "licence_direction",
    InformalGovernmentRequest => "informal_government_request",
    PrivateList => "private_list",
    TosMeasure => "tos_measure",
    SecurityMeasure => "security_measure",
    UserChoice => "user_choice",
});

words!(status, status_from, statuses, RequestStatus, {
    Received => "received",
    UnderReview => "under_review",
    ClarificationSought => "clarification_sought",
    Challenged => "challenged",
    Refused => "refused",
    Accepted => "accepted",
    Provisional => "provisional",
});

words!(form, form_from, forms, RequestForm, {
    Oral => "oral",
    Telephone => "telephone",
    Email => "email",
    Letter => "letter",
    PortalApi => "portal_api",
    PortalList => "portal_list",
    Gazette => "gazette",
});

words!(network_type, network_type_from, network_types, NetworkType, {
    Fixed => "fixed",
    Mobile => "mobile",
    Wholesale => "wholesale",
    Enterprise => "enterprise",
    Roaming => "roaming",
});

words!(basis_class, basis_class_from, basis_classes, remit_proto::v1::BasisClass, {
    Law => "law",
    Security => "security",
    Congestion => "congestion",
    UserChoice => "user_choice",
    ContractTos => "contract_tos",
    VoluntaryList => "voluntary_list",
    NoneStated => "none_stated",
});

words!(basis_proof, basis_proof_from, basis_proofs, remit_proto::v1::BasisProof, {
    AuthoritySigned => "authority_signed",
    DocumentHeld => "document_held",
    OperatorsWord => "operators_word",
    Oral => "oral",
});

words!(role, role_from, roles, remit_proto::v1::Role, {
    Operator => "operator",
    Officer => "officer",
    Assessor => "assessor",
    Public => "public",
    Agent => "agent",
});

words!(transition, transition_from, transitions, remit_proto::v1::TransitionKind, {
    Accept => "accept",
    Confirm => "confirm",
    Suspend => "suspend",
    Resume => "resume",
    Withdraw => "withdraw",
    Revoke => "revoke",
    Annul => "annul",
    Refuse => "refuse",
    Challenge => "challenge",
    Supersede => "supersede",
    Review => "review",
    Clarify => "clarify",
    Moot => "moot",
    Close => "close",
});

words!(act, act_from, acts, remit_proto::v1::DecisionAct, {
    Acknowledge => "acknowledge",
    Explain => "explain",
    Remedy => "remedy",
    Dispute => "dispute",
    Reopen => "reopen",
});

words!(reason, reason_from, reasons, remit_proto::v1::DecisionReason, {
    UnderInvestigation => "under_investigation",
    RegisterIncomplete => "register_incomplete",
    ClaimWrong => "claim_wrong",
    MeasurementError => "measurement_error",
    TechnicalLimit => "technical_limit",
    ThirdParty => "third_party",
    InformalInstruction => "informal_instruction",
    Secrecy => "secrecy",
    RuleRemoved => "rule_removed",
    RuleNarrowed => "rule_narrowed",
    RuleInstalled => "rule_installed",
    RequestRegistered => "request_registered",
    AffectedNotified => "affected_notified",
    ExplanationInsufficient => "explanation_insufficient",
    RemedyNotEffective => "remedy_not_effective",
    NewEvidence => "new_evidence",
    Other => "other",
});

words!(finding_state, finding_state_from, finding_states, remit_proto::v1::FindingState, {
    Open => "open",
    Acknowledged => "acknowledged",
    Explained => "explained",
    Remedied => "remedied",
    Disputed => "disputed",
});

words!(finding_kind, finding_kind_from, finding_kinds, remit_proto::v1::FindingKind, {
    Rule => "rule",
    Duty => "duty",
    Entry => "entry",
    Integrity => "integrity",
});

words!(grade, grade_from, grades, remit_proto::v1::SeverityGrade, {
    Low => "low",
    Medium => "medium",
    High => "high",
});

words!(signature_status, signature_status_from, signature_statuses, remit_proto::v1::SignatureStatus, {
    None => "none",
    NotChecked => "not_checked",
    Valid => "valid",
    Invalid => "invalid",
    NotMachineReadable => "not_machine_readable",
    Unsupported => "unsupported",
});

words!(competence, competence_from, competences, remit_proto::v1::CompetenceResult, {
    Competent => "competent",
    NotCompetent => "not_competent",
    Unclear => "unclear",
});

words!(party, party_from, parties, remit_proto::v1::PartyRole, {
    Applicant => "applicant",
    Defendant => "defendant",
    TargetParty => "target_party",
});

words!(tier, tier_from, tiers, remit_proto::v1::DisclosureTier, {
    Public => "public",
    Restricted => "restricted",
    Secret => "secret",
});

words!(confidential, confidential_from, confidentials, remit_proto::v1::ConfidentialScope, {
    Existence => "existence",
    Content => "content",
    Officer => "officer",
    Targets => "targets",
});

words!(addressee, addressee_from, addressees, remit_proto::v1::AddresseeRole, {
    Operator => "operator",
    Publisher => "publisher",
});

words!(validity_element, validity_element_from, validity_elements, remit_proto::v1::ValidityElement, {
    LegalBasis => "legal_basis",
    Reasons => "reasons",
    Issuer => "issuer",
    Location => "location",
    Redress => "redress",
    EffectReport => "effect_report",
    Territory => "territory",
    Language => "language",
});

words!(validity_state, validity_state_from, validity_states, remit_proto::v1::ValidityState, {
    Present => "present",
    Absent => "absent",
    NotRequired => "not_required",
    Disputed => "disputed",
});

words!(decision, decision_from, decisions, remit_proto::v1::DecisionKind, {
    Accept => "accept",
    AcceptNarrowed => "accept_narrowed",
    Partial => "partial",
    Clarify => "clarify",
    Challenge => "challenge",
    Refuse => "refuse",
});

words!(operator_reason, operator_reason_from, operator_reasons, remit_proto::v1::OperatorReason, {
    Incomplete => "incomplete",
    ManifestErrors => "manifest_errors",
    InsufficientInformation => "insufficient_information",
    DeFactoImpossibility => "de_facto_impossibility",
    InvalidIssuingAuthority => "invalid_issuing_authority",
    ServiceNotCovered => "service_not_covered",
    ImmunitiesOrPrivileges => "immunities_or_privileges",
    ConflictOfLaw => "conflict_of_law",
});

words!(relation, relation_from, relations, remit_proto::v1::RelationKind, {
    Confirms => "confirms",
    Amends => "amends",
    Extends => "extends",
    Supersedes => "supersedes",
    Suspends => "suspends",
    Revokes => "revokes",
    Annuls => "annuls",
    Appeals => "appeals",
    ImplementsListOf => "implements_list_of",
    SameMeasureAs => "same_measure_as",
    DependsOnProceeding => "depends_on_proceeding",
});

words!(part, part_from, parts, remit_proto::v1::RequestPart, {
    Targets => "targets",
    Scope => "scope",
    Measure => "measure",
    Reasons => "reasons",
    Reference => "reference",
    Authority => "authority",
    Officer => "officer",
    Parties => "parties",
    Documents => "documents",
    Remarks => "remarks",
});

words!(loss, loss_from, losses, remit_proto::v1::LossCause, {
    AgentDown => "agent_down",
    KernelQueue => "kernel_queue",
    AgentQueue => "agent_queue",
    NotParsed => "not_parsed",
    SpoolFull => "spool_full",
    SpoolDamaged => "spool_damaged",
    CounterReset => "counter_reset",
    FileLost => "file_lost",
    CanaryLost => "canary_lost",
});

words!(precision, precision_from, precisions, remit_proto::v1::TimePrecision, {
    Date => "date",
    Minute => "minute",
    Second => "second",
});

/// Values of `category` in the DSA transparency database, in lower case and without their prefix.
pub const CATEGORIES: [&str; 16] = [
    "animal_welfare",
    "consumer_information",
    "cyber_violence",
    "cyber_violence_against_women",
    "data_protection_and_privacy_violations",
    "illegal_or_harmful_speech",
    "intellectual_property_infringements",
    "negative_effects_on_civic_discourse_or_elections",
    "not_specified_notice",
    "other_violation_tc",
    "protection_of_minors",
    "risk_for_public_security",
    "scams_and_fraud",
    "self_harm",
    "unsafe_and_prohibited_products",
    "violence",
];

/// By a state in the word of lists: it ended by a step, after which no version follows.
pub fn is_ended(state: &str) -> bool {
    matches!(state, "withdrawn" | "revoked" | "superseded" | "annulled_ab_initio" | "moot")
}

/// The instants of clauses: UTC, to the second.
pub fn time(at_s: i64) -> String {
    jiff::Timestamp::from_second(at_s).map_or_else(|_| format!("{at_s} s"), |t| t.to_string())
}

/// The same instant in a zone of the IANA database, with its offset; `None` where the zone is not
/// stated, not known here, or UTC itself.
pub fn time_in(at_s: i64, zone: &str) -> Option<String> {
    let at = jiff::Timestamp::from_second(at_s).ok()?;
    // The database that is compiled in: the same text on every machine.
    let offset = jiff::tz::TimeZoneDatabase::bundled().get(zone).ok()?.to_offset(at);
    (zone != "UTC").then(|| at.display_with_offset(offset).to_string())
}
