//! One request through time: its versions, and what was stated about it since.

use evidence::RequestId;

use crate::{
    request::{Request, RequestTarget},
    state::{self, Bounds, Standing, Transition},
};

/// Everything the register knows about one request id; views show the part below their size.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub id: RequestId,
    pub versions: Vec<Version>,
    /// In order of effect.
    pub transitions: Vec<Transition>,
}

/// The text of a request from one statement on.
#[derive(Debug, Clone)]
pub struct Version {
    pub request: Request,
    /// Index of the statement that entered it.
    pub statement: u64,
    pub recorded_at_s: i64,
    /// An amendment is judged from its receipt on; the first version has always applied.
    pub(crate) applies_from_s: i64,
}

/// A request as a view knows it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    history: &'a History,
    newest: &'a Version,
    size: u64,
}

impl<'a> Entry<'a> {
    /// `None` if the register did not hold the request at this size.
    pub(crate) fn known(history: &'a History, size: u64) -> Option<Self> {
        let newest = history.versions.iter().rfind(|v| v.statement < size)?;
        Some(Self { history, newest, size })
    }

    pub fn id(&self) -> &'a RequestId {
        &self.history.id
    }

    /// Oldest first; at least one.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &'a Version> + use<'a> {
        let size = self.size;
        self.history.versions.iter().filter(move |v| v.statement < size)
    }

    pub(crate) fn newest(&self) -> &'a Version {
        self.newest
    }

    /// The newest text.
    pub fn request(&self) -> &'a Request {
        &self.newest.request
    }

    /// In order of effect.
    pub fn transitions(&self) -> Vec<&'a Transition> {
        self.history.transitions.iter().filter(|t| t.statement < self.size).collect()
    }

    /// The text that is judged at an instant.
    pub fn version_at(&self, at_s: i64) -> Option<&'a Version> {
        self.versions().rfind(|v| v.applies_from_s <= at_s)
    }

    /// Where the request stands at an instant, whatever its targets.
    pub fn standing_at(&self, at_s: i64) -> Option<Standing> {
        let version = self.version_at(at_s)?;
        let request = &version.request;
        let bounds = Bounds::of(request);
        let known = self.transitions();
        Some(state::standing_at(request, bounds, self.entered_at_s(), &known, at_s))
    }

    /// Where one target of one version stands at an instant; `None` while another version is the
    /// one to be judged.
    pub(crate) fn standing_of(
        &self,
        version: &'a Version,
        bounds: Bounds,
        known: &[&Transition],
        at_s: i64,
    ) -> Option<Standing> {
        let next = self.versions().find(|v| v.request.version > version.request.version);
        let amended_at_s = next.map_or(i64::MAX, |v| v.applies_from_s);
        if at_s < version.applies_from_s {
            return None;
        }
        let standing =
            state::standing_at(&version.request, bounds, self.entered_at_s(), known, at_s);
        if at_s < amended_at_s {
            return Some(standing);
        }
        // What an amendment took away may be removed within the grace (DOMAIN.md 3f).
        let until_s = amended_at_s.saturating_add(version.request.remove_within_s);
        (standing.is_in_force() && at_s < until_s && !version.request.is_own_measure())
            .then_some(Standing::RemovalGrace { ended_at_s: amended_at_s, until_s })
    }

    /// Every instant at which a standing of this version may change.
    pub(crate) fn turning_points(
        &self,
        version: &Version,
        bounds: Bounds,
        known: &[&Transition],
    ) -> Vec<i64> {
        let request = &version.request;
        let mut points = state::turning_points(request, bounds, self.entered_at_s(), known);
        for version in self.versions() {
            points.push(version.applies_from_s);
            points.push(version.applies_from_s.saturating_add(request.remove_within_s));
        }
        points
    }

    /// When the register first heard of the request.
    pub(crate) fn entered_at_s(&self) -> i64 {
        self.versions().next().map_or(i64::MIN, |v| v.recorded_at_s)
    }
}

impl RequestTarget {
    /// The target's own span within the request's.
    pub(crate) fn bounds(&self, request: &Request) -> Bounds {
        let until_s = match (request.effective_until_s, self.removed_at_s) {
            (Some(until), Some(removed)) => Some(until.min(removed)),
            (until, removed) => until.or(removed),
        };
        let from_s = request.effective_from_s.max(self.added_at_s.unwrap_or(i64::MIN));
        Bounds { from_s, until_s, grace_s: request.remove_within_s }
    }
}
