//! What `remit-agent doctor` says of null routes.

use super::{NftablesError, Routes, read_counter, tables::Tables};
use crate::{
    doctor::Finding, logging, observation::KnownRule, rules::nftables::Reader,
    sources::SourceContext,
};

/// Reads the tables and the counter. Binds nothing.
pub(super) fn examine(config: &Routes, context: &SourceContext) -> Vec<Finding> {
    let routes = Tables::open().map_err(|error| error.to_string());
    let routes =
        routes.and_then(|mut tables| tables.dump().map_err(|error| logging::chain(&error)));
    let routes = match routes {
        Ok(routes) => routes,
        Err(error) => {
            let remedy = "put that right and ask again; until then no null route is seen";
            return vec![Finding::wrong(PART, error, remedy)];
        }
    };
    let rules: Vec<KnownRule> = routes.rules().map(|route| route.rule(context, None)).collect();
    let (v4, v6) = routes.own();
    let mut findings = vec![Finding::fine(
        PART,
        format!(
            "{} null routes block; {} are a last resort and stop nothing",
            rules.len(),
            v4 + v6
        ),
    )];
    let mut without = rules.iter().filter(|rule| rule.claims.is_empty());
    if let Some(first) = without.next() {
        let count = without.count() + 1;
        findings.push(Finding::incomplete(
            PART,
            format!("{count} of {} null routes claim nothing, such as: {}", rules.len(), first.native),
            "name them in the basis_map: route:prefix/…, route:realm/…, route:metric/…, route:proto/… \
             or route:table/…",
        ));
    }
    findings.push(counter(config));
    if config.log_group.is_none() {
        findings.push(Finding::incomplete(
            PART,
            "no log_group: which null route was hit is not known where there is more than one",
            "load the rule of `remit-agent template routes`, and name its group in log_group",
        ));
    }
    findings
}

fn counter(config: &Routes) -> Finding {
    let Some(name) = &config.counter else {
        return Finding::incomplete(
            PART,
            "no counter: nobody knows what was missed",
            "load the rule of `remit-agent template routes`, and name its counter in counter",
        );
    };
    let read = Reader::open().map_err(NftablesError::read);
    match read.and_then(|mut reader| read_counter(&mut reader, name)) {
        Ok(Some(packets)) => {
            Finding::fine(PART, format!("{packets} packets without a way were counted"))
        }
        Ok(None) => Finding::wrong(
            PART,
            format!("there is no counter {name}"),
            "load the rule of `remit-agent template routes`, or name the counter as family/table/name",
        ),
        Err(error) => Finding::wrong(
            PART,
            logging::chain(&error),
            "put that right; until then nobody knows what was missed",
        ),
    }
}

const PART: &str = "routes";
