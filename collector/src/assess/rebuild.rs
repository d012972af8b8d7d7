//! The index made anew from the evidence.

use std::{fs, io, path::Path, sync::Arc};

use evidence::Operator;

use super::{AssessError, Assessor};
use crate::{
    committed::{Chunks, Committed},
    store::{FOLDER, SqliteStore},
};

/// Committed things that are applied at once.
const RUN: usize = 1024;
const NEW_FOLDER: &str = "index.new";
const OLD_FOLDER: &str = "index.old";

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
    assessor.finish_work()?;
    let watermark = assessor.watermark();
    // Closing the connections moves everything into the files.
    drop(assessor);
    let (index, old) = (folder.join(FOLDER), folder.join(OLD_FOLDER));
    remove(fs::remove_dir_all(&old))?;
    let sync = |dir: &Path| fs::File::open(dir).and_then(|dir| dir.sync_all());
    sync(&beside.join(FOLDER)).map_err(AssessError::Replace)?;
    remove(fs::rename(&index, &old))?;
    // Crash here: there is no index, and the next start makes one from the whole journal.
    fs::rename(beside.join(FOLDER), &index).map_err(AssessError::Replace)?;
    sync(folder).map_err(AssessError::Replace)?;
    SqliteStore::remove_former(folder).map_err(AssessError::Replace)?;
    remove(fs::remove_dir_all(&old))?;
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
