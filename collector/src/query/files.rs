//! Files that were read into the register: how many of their rows were taken, and which were refused.

use register::register::{FileRead, HeldFile};
use remit_proto::v1::{self, file_row::Holds};
use tonic::Status;

use super::{
    QueryHandle, Scene, completeness::completeness, error::QueryError, filter::Filter, page::Page,
};
use crate::access::sees;

impl QueryHandle {
    pub fn list_files(
        &self,
        request: v1::ListFilesRequest,
    ) -> Result<v1::ListFilesResponse, Status> {
        Ok(self.files(request)?)
    }

    fn files(&self, request: v1::ListFilesRequest) -> Result<v1::ListFilesResponse, QueryError> {
        let v1::ListFilesRequest { page_size, page_token } = request;
        let question = v1::ListFilesRequest::default();
        let page = Page::open("files", &question, page_size, &page_token)?;
        let scene = self.scene()?;
        let is_there = |file: &&FileRead| match &file.holds {
            HeldFile::Requests(_) => file.existence.is_none_or(|secrecy| {
                sees(self.clearance, secrecy.tier, secrecy.until_s, scene.now_s)
            }),
            HeldFile::List { list, version: _ } => !scene.veil.hides_list(list),
        };
        let found = scene.whole().files().iter().filter(is_there).collect();
        let (found, mut next_page_token) = page.cut(found, |file| key(file.statement));
        let mut files: Vec<v1::FileRow> = Vec::new();
        let mut size = 0;
        for file in found {
            let row = row(&scene, file);
            size += prost::Message::encoded_len(&row);
            if size > super::requests::ANSWER_SIZE_MAX
                && let Some(last) = files.last()
            {
                next_page_token = page.token(key(last.statement).as_bytes());
                break;
            }
            files.push(row);
        }
        Ok(v1::ListFilesResponse {
            files,
            next_page_token,
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }
}

/// Sorts as the register counts.
fn key(statement: u64) -> String {
    format!("{statement:020}")
}

fn row(scene: &Scene, file: &FileRead) -> v1::FileRow {
    let FileRead {
        statement,
        recorded_at_s,
        holds,
        file_digest,
        rows_read,
        rows_repaired,
        rows_refused,
        refused,
        existence: _,
    } = file;
    let author = usize::try_from(*statement).ok().and_then(|at| scene.memory.authors.get(at));
    v1::FileRow {
        statement: *statement,
        recorded_at_s: *recorded_at_s,
        author: author.cloned().unwrap_or_default(),
        file_digest: file_digest.clone(),
        rows_read: *rows_read,
        rows_repaired: *rows_repaired,
        rows_refused: *rows_refused,
        refused: refused.clone(),
        holds: match holds {
            HeldFile::Requests(count) => count.map(Holds::Requests),
            HeldFile::List { list, version } => {
                Some(Holds::ListVersion(format!("{list}@{version}")))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use remit_proto::v1::DisclosureTier;

    use super::*;
    use crate::{
        assess::testing::{Stream, World},
        query::tests::network,
    };

    fn import(file: u8, refused: u64) -> v1::Import {
        let row = |row| v1::RefusedRow {
            row,
            line: row,
            field: "from".to_owned(),
            fault: v1::RowFault::Value.into(),
            digest: vec![file; 32],
        };
        v1::Import {
            file_digest: vec![file; 32],
            rows_read: refused + 1,
            rows_refused: refused,
            refused: (1..=refused.min(100)).map(row).collect(),
            ..v1::Import::default()
        }
    }

    fn files(stream: &mut Stream, clearance: DisclosureTier, page_size: u32) -> Vec<v1::FileRow> {
        stream.publish();
        let world = World::of(stream);
        let query = world.query.seen_by(clearance);
        let (mut files, mut page_token) = (Vec::new(), String::new());
        loop {
            let question = v1::ListFilesRequest { page_size, page_token };
            let answer = query.list_files(question).unwrap();
            files.extend(answer.files);
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return files;
            }
        }
    }

    #[test]
    fn what_was_refused_of_a_file_is_told_as_its_statement_says_it() {
        let mut stream = network();
        stream.request("by-hand", "ip:192.0.2.7");
        stream.request_of_file(import(1, 2), "a", "ip:192.0.2.8");
        stream.request_of_file(import(2, 1_500), "b", "ip:192.0.2.9");
        let all = files(&mut stream, DisclosureTier::Public, 1);
        let told: Vec<_> =
            all.iter().map(|f| (f.file_digest[0], f.rows_refused, f.refused.len())).collect();
        assert_eq!(told, [(1, 2, 2), (2, 1_500, 100)], "what was typed by hand is no file");
        assert_eq!((&*all[0].author, all[0].holds.clone()), ("p1", Some(Holds::Requests(1))));
        assert_eq!(all[0].refused, import(1, 2).refused);
    }

    #[test]
    fn a_file_of_requests_that_are_not_there_is_not_there() {
        let mut stream = network();
        let secret = v1::Import { existence: DisclosureTier::Secret.into(), ..import(1, 1) };
        stream.request_of_file(secret, "a", "ip:192.0.2.8");
        stream.request_of_file(import(2, 0), "b", "ip:192.0.2.9");
        let seen = |stream: &mut Stream, clearance| -> Vec<u8> {
            files(stream, clearance, 0).iter().map(|file| file.file_digest[0]).collect()
        };
        assert_eq!(seen(&mut stream, DisclosureTier::Restricted), [2]);
        assert_eq!(seen(&mut stream, DisclosureTier::Secret), [1, 2]);
    }
}
