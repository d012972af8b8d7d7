//! The words that files, clauses and sentences use for the values of the wire.

use remit_proto::v1::{Instrument, NetworkType, RequestForm, RequestStatus, Technique};

macro_rules! words {
    ($(#[$doc:meta])* $function:ident, $from:ident, $type:ty, { $($variant:ident => $word:literal,)+ }) => {
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
    };
}

words!(technique, technique_from, Technique, {
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

words!(instrument, instrument_from, Instrument, {
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

words!(status, status_from, RequestStatus, {
    Received => "received",
    UnderReview => "under_review",
    ClarificationSought => "clarification_sought",
    Challenged => "challenged",
    Refused => "refused",
    Accepted => "accepted",
    Provisional => "provisional",
});

words!(form, form_from, RequestForm, {
    Oral => "oral",
    Telephone => "telephone",
    Email => "email",
    Letter => "letter",
    PortalApi => "portal_api",
    PortalList => "portal_list",
    Gazette => "gazette",
});

words!(network_type, network_type_from, NetworkType, {
    Fixed => "fixed",
    Mobile => "mobile",
    Wholesale => "wholesale",
    Enterprise => "enterprise",
    Roaming => "roaming",
});

words!(basis_class, basis_class_from, remit_proto::v1::BasisClass, {
    Law => "law",
    Security => "security",
    Congestion => "congestion",
    UserChoice => "user_choice",
    ContractTos => "contract_tos",
    VoluntaryList => "voluntary_list",
    NoneStated => "none_stated",
});

words!(basis_proof, basis_proof_from, remit_proto::v1::BasisProof, {
    AuthoritySigned => "authority_signed",
    DocumentHeld => "document_held",
    OperatorsWord => "operators_word",
    Oral => "oral",
});

words!(transition, transition_from, remit_proto::v1::TransitionKind, {
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
});

/// The instants of clauses: UTC, to the second.
pub fn time(at_s: i64) -> String {
    jiff::Timestamp::from_second(at_s).map_or_else(|_| format!("{at_s} s"), |t| t.to_string())
}
