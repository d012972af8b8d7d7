//! What blocks may rest on beside requests: for how long late registers are waited for, until when old rules may be
//! explained, which basis maps may stand at nodes.

use register::{Adopted, adoption::What};
use remit_proto::v1::{self, adopted_row};
use tonic::Status;

use super::{
    QueryHandle, completeness::completeness, error::QueryError, filter::Filter, page::Page,
};

impl QueryHandle {
    pub fn list_adopted(
        &self,
        request: v1::ListAdoptedRequest,
    ) -> Result<v1::ListAdoptedResponse, Status> {
        Ok(self.adopted(request)?)
    }

    fn adopted(
        &self,
        request: v1::ListAdoptedRequest,
    ) -> Result<v1::ListAdoptedResponse, QueryError> {
        let v1::ListAdoptedRequest { page_size, page_token } = request;
        let question = v1::ListAdoptedRequest::default();
        let page = Page::open("adopted", &question, page_size, &page_token)?;
        let scene = self.scene()?;
        let view = scene.whole();
        let key = |one: &Adopted| format!("{:020}", one.statement);
        let (found, next_page_token) = page.cut(view.adopted().collect(), |one| key(one));
        let row = |one: &Adopted| {
            let Adopted { statement, recorded_at_s, since_s, by, what } = one.clone();
            v1::AdoptedRow {
                statement,
                recorded_at_s,
                since_s,
                author: Some(by),
                in_force: view.is_in_force(one, scene.now_s),
                what: Some(match what {
                    What::LateRegister(late) => adopted_row::What::LateRegister(late),
                    What::Baseline(baseline) => adopted_row::What::Baseline(baseline),
                    What::BasisMap(map) => adopted_row::What::BasisMap(map),
                }),
            }
        };
        Ok(v1::ListAdoptedResponse {
            adopted: found.into_iter().map(row).collect(),
            next_page_token,
            completeness: Some(completeness(&scene, &Filter::default())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assess::testing::{NOON, World},
        query::tests::network,
    };

    #[test]
    fn the_grace_of_now_is_the_newest_that_has_begun_and_says_who_stated_it() {
        let mut stream = network();
        for grace_s in [600, 60] {
            stream.late_register(grace_s);
            stream.wait(10);
        }
        stream.publish();
        let world = World::of(&stream);
        let answer = world.query.list_adopted(v1::ListAdoptedRequest::default()).unwrap();
        let told: Vec<_> = answer
            .adopted
            .iter()
            .map(|row| {
                let Some(adopted_row::What::LateRegister(late)) = &row.what else { panic!() };
                assert!(row.author.as_ref().is_some_and(|by| !by.person.is_empty()));
                assert!(row.since_s >= NOON && row.since_s >= row.recorded_at_s);
                (late.grace_s, row.in_force)
            })
            .collect();
        assert_eq!(told, [(600, false), (60, true)]);
    }
}
