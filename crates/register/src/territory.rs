//! Where a request holds: countries, and the European Union.
//!
//! Countries are those of ISO 3166-1 alpha-2 (as `iso3166.tab` of the time zone database has them), and XK, which
//! the standard leaves to its users and everybody uses for Kosovo. EU is reserved there for the European Union,
//! and orders of its member states name it (DSA Art. 9(2)(b)): it is its members since 1 February 2020, with what
//! has a code of its own and lies in it (TFEU Art. 355(1) and (4)).

/// The European Union.
pub const EU: &str = "EU";

const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW \
    XK";

const IN_EU: &str = "\
    AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK \
    AX GF GP MF MQ RE YT";

fn is_one_of(codes: &str, code: &str) -> bool {
    codes.split(' ').any(|one| one == code)
}

pub(crate) fn is_country(code: &str) -> bool {
    is_one_of(COUNTRIES, code)
}

pub(crate) fn is_in_eu(country: &str) -> bool {
    is_one_of(IN_EU, country)
}

/// Whether all of one territory lies in another.
pub(crate) fn holds(wide: &str, narrow: &str) -> bool {
    let country = narrow.split('-').next().unwrap_or_default();
    wide == narrow || wide == country || (wide == EU && is_in_eu(country))
}

/// What is wrong with a territory, and what to write instead; `None`: everybody knows where that is. Which
/// subdivisions a country has changes, and is not looked at.
pub fn problem(territory: &str) -> Option<(String, &'static str)> {
    let country = territory.split('-').next().unwrap_or_default();
    if territory == "*" || territory == EU || is_country(country) {
        return None;
    }
    let remedy = match country {
        "UK" => "the United Kingdom is GB",
        "EL" => "Greece is GR",
        _ => {
            "write a country or a subdivision of it such as DE or DE-BE, EU, or \"*\" for everywhere"
        }
    };
    Some((format!("{country:?} is no country of ISO 3166-1"), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_those_of_the_standard() {
        let count = COUNTRIES.split(' ').count();
        assert_eq!(count, 250, "249 and XK");
        assert!(COUNTRIES.split(' ').all(|code| code.len() == 2));
        assert!(IN_EU.split(' ').all(is_country));
        assert_eq!(IN_EU.split(' ').count(), 27 + 7);
        assert!(!is_in_eu("GB") && !is_in_eu("CH") && is_in_eu("GR"));
    }

    #[test]
    fn a_country_lies_in_itself_and_a_member_in_the_union() {
        for (wide, narrow) in [("DE", "DE"), ("DE", "DE-BE"), ("EU", "DE"), ("EU", "FI-01")] {
            assert!(holds(wide, narrow), "{narrow} in {wide}");
        }
        for (wide, narrow) in [("DE-BE", "DE"), ("DE", "EU"), ("EU", "CH"), ("D", "DE")] {
            assert!(!holds(wide, narrow), "{narrow} in {wide}");
        }
    }

    #[test]
    fn what_nobody_knows_has_a_remedy() {
        for known in ["DE", "DE-BE", "GB", "XK", "EU", "*"] {
            assert_eq!(problem(known), None, "{known}");
        }
        assert_eq!(problem("UK").unwrap().1, "the United Kingdom is GB");
        assert!(problem("XX").unwrap().0.contains("\"XX\""));
        assert!(problem("UK-ENG").is_some());
    }
}
