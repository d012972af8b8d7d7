//! What a rule does to an answer, and what a log line says was done.

use remit_proto::v1::Technique;

use crate::observation::Response;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Nxdomain,
    Nodata,
    Drop,
    /// Answers over UDP are truncated, so that the client comes back over TCP and is answered.
    TcpOnly,
    /// Not a block: the rule exempts from others.
    Passthru,
    /// Local data: A or AAAA.
    ForgedAddress,
    /// Local data: CNAME.
    Redirect,
    /// Local data of other types only: whoever asks for an address gets none.
    OtherData,
    /// Logged, not done, as the resolver's settings have it.
    Disabled,
}

/// What a log line says was done; all local data is one word there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Done {
    Nxdomain,
    Nodata,
    Drop,
    LocalData,
    CnameOverride,
    /// Unbound logs the truncated answer *and* the TCP retry that is let through in the same words;
    /// BIND logs the truncated answer alone.
    TcpOnly,
    Passthru,
    Disabled,
}

impl Action {
    /// `None`: not a block.
    pub fn technique(self) -> Option<Technique> {
        match self {
            Self::Nxdomain => Some(Technique::DnsNxdomain),
            Self::Nodata => Some(Technique::DnsNodata),
            Self::Drop => Some(Technique::DnsDrop),
            Self::TcpOnly => Some(Technique::DnsTcpOnly),
            Self::ForgedAddress => Some(Technique::DnsForgedA),
            Self::Redirect => Some(Technique::DnsCnameRedirect),
            Self::OtherData => Some(Technique::Other),
            Self::Passthru | Self::Disabled => None,
        }
    }

    pub fn is_local_data(self) -> bool {
        match self {
            Self::ForgedAddress | Self::Redirect | Self::OtherData => true,
            Self::Nxdomain
            | Self::Nodata
            | Self::Drop
            | Self::TcpOnly
            | Self::Passthru
            | Self::Disabled => false,
        }
    }

    /// Whether a line with this word can be the work of this rule.
    pub fn matches(self, done: Done) -> bool {
        match done {
            Done::Nxdomain => self == Self::Nxdomain,
            Done::Nodata => self == Self::Nodata,
            Done::Drop => self == Self::Drop,
            Done::TcpOnly => self == Self::TcpOnly,
            Done::Passthru => self == Self::Passthru,
            Done::Disabled => self == Self::Disabled,
            Done::LocalData => self.is_local_data(),
            Done::CnameOverride => self == Self::Redirect,
        }
    }
}

impl Done {
    const ALL: [Self; 8] = [
        Self::Nxdomain,
        Self::Nodata,
        Self::Drop,
        Self::LocalData,
        Self::CnameOverride,
        Self::TcpOnly,
        Self::Passthru,
        Self::Disabled,
    ];

    /// In Unbound's log lines, after `num.rpz.action.` in its counters, and for people
    /// (`rpz_action_to_string` in services/rpz.c).
    pub fn word(self) -> &'static str {
        match self {
            Self::Nxdomain => "rpz-nxdomain",
            Self::Nodata => "rpz-nodata",
            Self::Drop => "rpz-drop",
            Self::LocalData => "rpz-local-data",
            Self::CnameOverride => "rpz-cname-override",
            Self::TcpOnly => "rpz-tcp-only",
            Self::Passthru => "rpz-passthru",
            Self::Disabled => "rpz-disabled",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    /// No extended error goes with any of these: Unbound sets none (`LDNS_EDE_NONE` in
    /// services/rpz.c), and BIND 9.18 knows none for policy zones.
    pub fn response(self) -> Response {
        let dns = |rcode| Response::Dns { rcode, extended_errors: Vec::new() };
        match self {
            Self::Nxdomain => dns(3),
            Self::Drop => Response::Silent,
            Self::Nodata
            | Self::LocalData
            | Self::CnameOverride
            | Self::TcpOnly
            | Self::Passthru
            | Self::Disabled => dns(0),
        }
    }

    /// For a rule that is known from its log line alone.
    pub fn technique(self) -> Option<Technique> {
        match self {
            Self::Nxdomain => Some(Technique::DnsNxdomain),
            Self::Nodata => Some(Technique::DnsNodata),
            Self::Drop => Some(Technique::DnsDrop),
            // Addresses or something else: the line does not say.
            Self::LocalData => Some(Technique::Other),
            Self::CnameOverride => Some(Technique::DnsCnameRedirect),
            Self::TcpOnly => Some(Technique::DnsTcpOnly),
            Self::Passthru | Self::Disabled => None,
        }
    }
}
