//! `remit lists feed`: under which request a list stands, and what of it enters without a person.

use remit_proto::v1::{self, statement::Body};

use super::Named;
use crate::{
    cli::ListsFeed,
    client,
    commands::{adopt, preview},
    config::Config,
    exit::CliError,
    time,
};

pub(crate) async fn feed(config: &Config, args: &ListsFeed) -> Result<(), CliError> {
    let Named { list, version } = args.list.parse()?;
    if version.is_some() {
        return Err(CliError::Usage(format!(
            "{:?}: a feed is of a list, not of a version",
            args.list
        )));
    }
    let body = Body::ListFeed(v1::ListFeed {
        list_id: list.to_string(),
        request_id: args.request.clone(),
        publication_interval_s: seconds(&args.every, "--every")?,
        fetch_time_s: seconds(&args.fetch, "--fetch")?,
        change_entries_max: args.max_changes,
        change_permille_max: permille(&args.max_share, "--max-share")?,
    });
    let mut client = client::register(config).await?;
    if args.dry_run {
        // It changes nothing before it is approved, and is refused for what it would be refused for.
        preview::tell(config, &mut client, body, Vec::new(), time::now_s(), true).await?;
        eprintln!(
            "nothing was entered (--dry-run); the feed of {list} would wait for a second person"
        );
        return Ok(());
    }
    adopt::enter(config, &mut client, body, Vec::new()).await?;
    eprintln!(
        "the feed of {list} counts once a second person has approved it: remit lists approve {list}"
    );
    Ok(())
}

/// "10m" as the times of other flags have it.
pub(in crate::commands) fn seconds(text: &str, flag: &str) -> Result<u64, CliError> {
    let now_s = time::now_s();
    let wrong =
        || CliError::Usage(format!("{flag}: {text:?} is no span such as 90s, 10m, 1h or 1d"));
    if !text.ends_with(['s', 'm', 'h', 'd']) {
        return Err(wrong());
    }
    let ago = time::parse(text, flag, now_s).map_err(|_| wrong())?;
    u64::try_from(now_s.saturating_sub(ago)).map_err(|_| wrong())
}

/// "5%" or "0.5%".
pub(in crate::commands) fn permille(text: &str, flag: &str) -> Result<u32, CliError> {
    let wrong = || {
        CliError::Usage(format!(
            "{flag}: {text:?} is no share such as 5% or 0.5%, at most 100% and in steps of 0.1%"
        ))
    };
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digit =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok());
    let whole = digit(whole).flatten().filter(|whole| *whole <= 100).ok_or_else(wrong)?;
    let tenth = digit(tenth).flatten().filter(|_| tenth.len() == 1).ok_or_else(wrong)?;
    Some(whole * 10 + tenth).filter(|permille| *permille <= 1000).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_with_one_decimal() {
        for (text, want) in [("5%", 50), ("0.5%", 5), ("100%", 1000), ("0%", 0), ("12.3%", 123)] {
            assert_eq!(permille(text, "--max-share").unwrap(), want, "{text}");
        }
        for text in ["5", "100.1%", "-1%", "0.55%", "%", "1.%", "five%"] {
            assert!(permille(text, "--max-share").is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_has_a_unit() {
        assert_eq!(seconds("10m", "--fetch").unwrap(), 600);
        assert_eq!(seconds("1h", "--every").unwrap(), 3600);
        for text in ["10", "", "2026-01-01", "soon"] {
            assert!(seconds(text, "--every").is_err(), "{text}");
        }
    }
}
