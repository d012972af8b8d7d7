//! From leaves in log order to the spans in which rules stood: for whoever has the leaves and no index. The
//! collector's index keeps the same spans by the same steps (`store/write_rules.rs`), and a test compares.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use evidence::{AgentOrigin, Claim, NodeId, canonical};
use remit_proto::v1::{self, ServiceAct};

use super::{Begun, Installed, Rules, SpanId, Stood, rules::Unread};
use crate::{
    deed::is_deed,
    integrity::Contradiction,
    outside::Stands,
    register::View,
    target::{Known, Target},
};

/// Spans in the order in which they began to be told of.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    spans: Vec<Span>,
    /// Of each rule the span that has not ended.
    open: BTreeMap<(AgentOrigin, u64), usize>,
    /// Sources of which a generation has listed all rules, and when first. An unstable snapshot lists what could be read.
    seen: BTreeMap<(AgentOrigin, i32), i64>,
    unread: BTreeMap<(NodeId, i32), Unread>,
    /// Generations and sources whose last snapshot was not to be had: what stands since is not known as it was told.
    missed: BTreeSet<(AgentOrigin, i32)>,
}

#[derive(Debug, Clone)]
struct Span {
    node: NodeId,
    number: u64,
    /// Without its number.
    form: v1::Rule,
    target: Option<v1::Target>,
    from_s: i64,
    begun: Begun,
    /// When it was installed, as far as that was seen; 0: it stood when a generation listed all rules first.
    installed_s: i64,
    until_s: Option<i64>,
    /// It ended by a control snapshot that lacks it.
    phantom: bool,
}

impl Timeline {
    /// A change that installs or modifies (`stands`), or one that removes.
    pub fn change(
        &mut self,
        origin: &AgentOrigin,
        rule: &v1::Rule,
        target: Option<&v1::Target>,
        at_s: i64,
        stands: bool,
    ) {
        if stands {
            // Before all rules were listed once, nobody knows of any since when it stands.
            let listed = self.seen.contains_key(&(origin.clone(), rule.source));
            let begun = if listed { Begun::Seen } else { Begun::Before };
            self.show(origin, rule, target, (at_s, at_s), begun);
        } else {
            self.end((origin.clone(), rule.number), at_s);
        }
    }

    /// An agent begins, and has not looked yet: of what the node had shown until then it is not known that it stands.
    pub fn start(&mut self, origin: &AgentOrigin, at_s: i64) {
        let node = &origin.node;
        let listed = self.seen.keys().filter(|(of, _)| of.node == *node).map(|(_, source)| *source);
        let open = self.open.iter().filter(|((of, _), _)| of.node == *node);
        let open = open.filter_map(|(_, at)| self.spans.get(*at)).map(|span| &span.form);
        let shown = open.filter(|form| !is_deed(form)).map(|form| form.source);
        let sources: BTreeSet<i32> = listed.chain(shown).collect();
        for source in sources {
            let unread = self.unread.entry((node.clone(), source)).or_default();
            if unread.values().all(Option::is_some) {
                unread.entry(at_s).or_default();
            }
        }
    }

    /// A person's word of a deed; its number is the same in all generations of the node.
    pub fn deed(
        &mut self,
        origin: &AgentOrigin,
        rule: &v1::Rule,
        target: Option<&v1::Target>,
        leaf: &v1::ServiceAction,
    ) {
        match leaf.act() {
            ServiceAct::Recorded | ServiceAct::Ended => {}
            ServiceAct::Confirmed | ServiceAct::Unspecified => return,
        }
        // Its end may be the first that a new generation tells of it.
        let ended = leaf.until_s != 0;
        let ends_s = if ended { leaf.until_s } else { leaf.from_s };
        let told: Vec<_> = self
            .open
            .keys()
            .filter(|(of, number)| {
                *number == rule.number && of.node == origin.node && (ended || of != origin)
            })
            .cloned()
            .collect();
        told.into_iter().for_each(|key| self.end(key, ends_s));
        if ended {
            return;
        }
        self.show(origin, rule, target, (leaf.from_s, leaf.from_s), Begun::Seen);
    }

    /// A snapshot whose rules are withheld, erased or not held. It may have stood for any changes, so that the
    /// next one contradicts nothing.
    pub fn missed(&mut self, origin: &AgentOrigin, leaf: &v1::RuleSnapshot) {
        self.missed.insert((origin.clone(), leaf.source));
    }

    /// All rules of one source: what it does not list is gone, and so is what the generations before had shown. Of a
    /// ruleset that did not hold still nothing is gone, but what a generation lists is no more what those before had
    /// shown.
    pub fn snapshot(
        &mut self,
        origin: &AgentOrigin,
        leaf: &v1::RuleSnapshot,
        rules: &[v1::SnapshotRule],
    ) {
        let key = (origin.clone(), leaf.source);
        let first = !self.seen.contains_key(&key);
        if leaf.unstable {
            self.take_over(origin, leaf, rules);
        } else {
            self.seen.entry(key).or_insert(leaf.at_s);
            self.read_whole(origin, leaf);
        }
        let missed = self.missed.remove(&(origin.clone(), leaf.source));
        let control = leaf.control && !first && !missed;
        let listed: BTreeSet<u64> =
            rules.iter().filter_map(|rule| Some(rule.rule.as_ref()?.number)).collect();
        let gone: Vec<_> = self
            .open
            .iter()
            .filter(|((of, number), at)| {
                let same_source =
                    self.spans.get(**at).is_some_and(|span| span.form.source == leaf.source);
                let same_node = of.node == origin.node && same_source;
                let missing = if of == origin { !listed.contains(number) } else { first };
                same_node && !leaf.unstable && missing
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let span = self.open.get(&key).and_then(|at| self.spans.get_mut(*at));
            if let Some(span) = span.filter(|_| control) {
                span.phantom = true;
            }
            self.end(key, leaf.at_s);
        }
        let begun = match (first, control) {
            (true, _) => Begun::Before,
            (false, true) => Begun::Untold,
            (false, false) => Begun::Found,
        };
        for v1::SnapshotRule { rule, target, native: _ } in rules {
            if let Some(rule) = rule {
                let installed_s = if first { 0 } else { leaf.at_s };
                self.show(origin, rule, target.as_ref(), (leaf.at_s, installed_s), begun);
            }
        }
    }

    /// What duties are computed from; claims are those that the register knows of.
    pub fn rules(&self, view: &View<'_>) -> Rules {
        let spans = (0_u64..).zip(&self.spans).filter_map(|(id, span)| {
            let Span { from_s, begun, until_s, .. } = *span;
            let rule = span.rule(view)?;
            Some((SpanId([id, 0, 0]), Stood { rule, from_s, begun, until_s }))
        });
        let mut rules = Rules::new(spans);
        for ((origin, source), at_s) in &self.seen {
            rules.look(origin.node.as_str(), *source, *at_s);
        }
        for ((node, source), unread) in &self.unread {
            for (from_s, until_s) in unread {
                rules.unread(node.as_str(), *source, *from_s, *until_s);
            }
        }
        // A person lists nothing; from the first word on somebody looks.
        for span in self.spans.iter().filter(|span| is_deed(&span.form)) {
            rules.look(span.node.as_str(), span.form.source, span.from_s);
        }
        rules
    }

    /// What probes are held against: rules that stand.
    pub fn stands(&self, view: &View<'_>) -> Vec<Stands> {
        let open = self.spans.iter().filter(|span| span.until_s.is_none());
        let stands = open
            .filter_map(|span| Some(Stands { rule: span.rule(view)?, since_s: span.installed_s }));
        stands.collect()
    }

    /// Where a control snapshot and the changes before it do not agree.
    pub fn contradictions(&self) -> impl Iterator<Item = (&NodeId, u64, Contradiction)> {
        self.spans.iter().flat_map(|span| {
            let untold = (span.begun == Begun::Untold).then_some(Contradiction::Unreported);
            let phantom = span.phantom.then_some(Contradiction::Phantom);
            untold.into_iter().chain(phantom).map(|found| (&span.node, span.number, found))
        })
    }

    fn show(
        &mut self,
        origin: &AgentOrigin,
        rule: &v1::Rule,
        target: Option<&v1::Target>,
        (at_s, installed_s): (i64, i64),
        mut begun: Begun,
    ) {
        let form = v1::Rule { number: 0, ..rule.clone() };
        let key = (origin.clone(), rule.number);
        if let Some(open) = self.open.get(&key).and_then(|at| self.spans.get(*at)) {
            // A target that is withheld this time stays what it was.
            if open.form == form && (target.is_none() || open.target.as_ref() == target) {
                return;
            }
            // A target that was withheld before and is seen now is no other form.
            if open.form == form && open.target.is_none() && begun == Begun::Untold {
                begun = Begun::Found;
            }
            self.end(key.clone(), at_s);
        }
        self.open.insert(key, self.spans.len());
        self.spans.push(Span {
            node: origin.node.clone(),
            number: rule.number,
            form,
            target: target.cloned(),
            from_s: at_s,
            begun,
            installed_s,
            until_s: None,
            phantom: false,
        });
    }

    fn read_whole(&mut self, origin: &AgentOrigin, leaf: &v1::RuleSnapshot) {
        let unread = self.unread.get_mut(&(origin.node.clone(), leaf.source));
        for (from_s, until_s) in unread.into_iter().flatten() {
            until_s.get_or_insert(leaf.at_s.max(*from_s));
        }
    }

    /// A rule that a generation lists in part is the one that those before had shown in the same form: of several the
    /// first, so that none stands twice and none is lost.
    fn take_over(
        &mut self,
        origin: &AgentOrigin,
        leaf: &v1::RuleSnapshot,
        rules: &[v1::SnapshotRule],
    ) {
        if self.seen.contains_key(&(origin.clone(), leaf.source)) {
            return;
        }
        let mut former: BTreeMap<Vec<u8>, VecDeque<(AgentOrigin, u64)>> = BTreeMap::new();
        for (key, at) in self.open.iter().filter(|((of, _), _)| of.node == origin.node) {
            let of_source = self.spans.get(*at).filter(|span| span.form.source == leaf.source);
            let of_former = of_source.filter(|_| key.0 != *origin);
            if let Some(kind) = of_former.and_then(|span| kind_of(&span.form, span.target.as_ref()))
            {
                former.entry(kind).or_default().push_back(key.clone());
            }
        }
        for v1::SnapshotRule { rule, target, native: _ } in rules {
            let Some(rule) = rule else { continue };
            let Some(kind) = kind_of(rule, target.as_ref()) else { continue };
            let own =
                self.open.get(&(origin.clone(), rule.number)).and_then(|at| self.spans.get(*at));
            let is_known =
                own.and_then(|own| kind_of(&own.form, own.target.as_ref())).as_ref() == Some(&kind);
            let key = former.get_mut(&kind).filter(|_| !is_known).and_then(VecDeque::pop_front);
            if let Some(key) = key {
                self.end(key, leaf.at_s);
            }
        }
    }

    fn end(&mut self, key: (AgentOrigin, u64), at_s: i64) {
        let span = self.open.remove(&key).and_then(|at| self.spans.get_mut(at));
        if let Some(span) = span {
            // A clock that was set back ends nothing before it began.
            span.until_s = Some(at_s.max(span.from_s));
        }
    }
}

impl Span {
    /// `None`: its target is not known.
    fn rule(&self, view: &View<'_>) -> Option<Installed> {
        let Known::Known(target) = Known::<Target>::from_wire(self.target.as_ref()) else {
            return None;
        };
        let own = self.form.claims.iter().filter_map(|claim| Claim::try_from(claim).ok());
        let claims = view.claims_of(&self.node, self.number, own.collect()).claims;
        Some(Installed {
            node: self.node.clone(),
            source: self.form.source,
            target,
            technique: self.form.technique(),
            narrowed: self.form.narrowed,
            claims,
            by_person: is_deed(&self.form),
        })
    }
}

/// What makes rules of two generations the same; `None`: its target is not known.
fn kind_of(form: &v1::Rule, target: Option<&v1::Target>) -> Option<Vec<u8>> {
    let mut kind = canonical::encode(target?);
    kind.extend(canonical::encode(&v1::Rule { number: 0, ..form.clone() }));
    Some(kind)
}
