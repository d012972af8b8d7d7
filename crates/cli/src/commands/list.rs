//! Lists come in pages; all of them are fetched, unless fewer rows were asked for.

use remit_proto::v1;

use crate::{exit::CliError, words};

/// The most that the collector gives at once.
const PAGE_SIZE_MAX: usize = 1000;

/// Rows, the token of the next page, and what the answer rests on: what every list gives.
pub(crate) type Page<T> = (Vec<T>, String, Option<v1::Completeness>);

/// All rows, or as many as `limit` says. `ask` is given the size and the token of a page.
pub(crate) async fn all<T>(
    limit: Option<usize>,
    mut ask: impl AsyncFnMut(u32, String) -> Result<Page<T>, CliError>,
) -> Result<(Vec<T>, Option<v1::Completeness>), CliError> {
    let mut pages = Pages::new(limit);
    loop {
        let (size, token) = pages.next();
        let (rows, next, completeness) = ask(size, token).await?;
        if !pages.take(rows, next, completeness)? {
            return Ok((pages.rows, pages.completeness));
        }
    }
}

/// Rows fetched so far, and the completeness of the last page.
struct Pages<T> {
    limit: Option<usize>,
    rows: Vec<T>,
    token: String,
    completeness: Option<v1::Completeness>,
}

impl<T> Pages<T> {
    fn new(limit: Option<usize>) -> Self {
        Self { limit, rows: Vec::new(), token: String::new(), completeness: None }
    }

    /// Size and token of the next request.
    fn next(&self) -> (u32, String) {
        let left = self.limit.map_or(PAGE_SIZE_MAX, |limit| limit.saturating_sub(self.rows.len()));
        let size = left.clamp(1, PAGE_SIZE_MAX);
        (u32::try_from(size).unwrap_or(u32::MAX), self.token.clone())
    }

    /// Takes a page; true if another one is wanted and there.
    fn take(
        &mut self,
        rows: Vec<T>,
        next_page_token: String,
        completeness: Option<v1::Completeness>,
    ) -> Result<bool, CliError> {
        let stuck = !next_page_token.is_empty() && next_page_token == self.token;
        if stuck || (rows.is_empty() && !next_page_token.is_empty()) {
            return Err(CliError::Malformed(
                "the collector sends pages that do not advance; it is of another version".into(),
            ));
        }
        self.rows.extend(rows);
        self.completeness = completeness.or(self.completeness.take());
        self.token = next_page_token;
        if let Some(limit) = self.limit
            && self.rows.len() >= limit
        {
            self.rows.truncate(limit);
            if !self.token.is_empty() {
                eprintln!("the first {} of more", words::count(limit as u64, "row", "rows"));
            }
            return Ok(false);
        }
        Ok(!self.token.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pages_are_fetched() {
        let mut pages = Pages::new(None);
        assert!(pages.take(vec![1, 2], "a".into(), None).unwrap());
        assert_eq!(pages.next(), (1000, "a".to_owned()));
        assert!(!pages.take(vec![3], String::new(), None).unwrap());
        assert_eq!(pages.rows, [1, 2, 3]);
    }

    #[test]
    fn a_limit_ends_early() {
        let mut pages = Pages::new(Some(2));
        assert_eq!(pages.next().0, 2);
        assert!(!pages.take(vec![1, 2, 3], "a".into(), None).unwrap());
        assert_eq!(pages.rows, [1, 2]);
    }

    #[test]
    fn pages_that_do_not_advance_are_an_error() {
        let mut pages = Pages::new(None);
        assert!(pages.take(vec![1], "a".into(), None).unwrap());
        assert!(pages.take(vec![1], "a".into(), None).is_err());
        assert!(Pages::<u8>::new(None).take(vec![], "a".into(), None).is_err());
    }
}
