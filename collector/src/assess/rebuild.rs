//! The index made anew from the evidence.

use std::{fs, io, path::Path, sync::Arc};

use evidence::Operator;

use super::{AssessError, Assessor};
use crate::{
    committed::{Chunks, Committed},
    store::SqliteStore,
};

/// Committed things that are applied at once.
const RUN: usize = 1024;
const NEW_FOLDER: &str = "index.new";
const FILE_NAME: &str = "index.db";

/// Feeds the whole journal into an empty index beside the old one and puts it in its place. No
/// collector may have the folder open. Returns the last position.
pub fn rebuild(
    folder: &Path,
    operator: &Operator,
    chunks: Arc<dyn Chunks>,
    journal: impl Iterator<Item = Committed>,
) -> Result<Option<u64>, AssessError> {
    let beside = folder.join(NEW_FOLDER);
    remove(fs::remove_dir_all(&beside))?;
    fs::create_dir(&beside).map_err(AssessError::Replace)?;
    let store = SqliteStore::open(&beside)?;
    let mut assessor = Assessor::new(operator, Box::new(store), chunks)?;
    let mut run = Vec::with_capacity(RUN);
    for committed in journal {
        run.push(committed);
        if run.len() == RUN {
            assessor.apply(std::mem::take(&mut run))?;
        }
    }
    assessor.apply(run)?;
    let watermark = assessor.watermark();
    // Closing the only connection moves everything into the one file.
    drop(assessor);
    fs::File::open(beside.join(FILE_NAME))
        .and_then(|file| file.sync_all())
        .map_err(AssessError::Replace)?;
    // Crash before the rename: the old index stands, without the tail that its log still held, and
    // is brought up to date at the next start like after any crash.
    SqliteStore::remove_companions(folder).map_err(AssessError::Replace)?;
    fs::rename(beside.join(FILE_NAME), folder.join(FILE_NAME)).map_err(AssessError::Replace)?;
    fs::File::open(folder).and_then(|dir| dir.sync_all()).map_err(AssessError::Replace)?;
    remove(fs::remove_dir_all(&beside))?;
    Ok(watermark)
}

/// What is not there need not be removed.
fn remove(result: io::Result<()>) -> Result<(), AssessError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(AssessError::Replace),
    }
}
