//! Taking results out of the store into a folder. What is there already and whole is not fetched again.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;

use super::status::{aside, results};
use super::{Batch, Entry, whole};
use crate::error::BatchError;
use crate::folder::{OutFolder, Summary};
use crate::job::JobId;
use crate::limits::{MAX_HEAD_BYTES, MAX_RESULT_BYTES};
use crate::result::unpack;

/// Bytes of a piece that is fetched.
const PIECE: usize = 128 << 10;
/// How often a result is fetched that does not come whole.
const FETCHES: usize = 3;

/// What was collected.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Results that were fetched now.
    pub fetched: usize,
    /// All of them.
    pub summary: Summary,
}

/// Fetches every result that the folder does not have, and writes reasons and summary; `tell` hears how many of how many were looked at.
///
/// # Errors
/// A folder of others, a result that does not come whole, a server that does not answer. Calling again goes on.
pub async fn collect(batch: &Batch, out: &Path, tell: &mut dyn FnMut(usize, usize)) -> Result<Collected, BatchError> {
    let jobs: Vec<JobId> = batch.entries(Entry::Job).await?.into_iter().map(|(id, _)| id).collect();
    let folder = OutFolder::take(out, &batch.name.to_string(), &jobs)?;
    let mut stored = BTreeMap::new();
    let mut list = results(batch).await?;
    while let Some(info) = list.next().await {
        let info = info.map_err(|e| BatchError::Server { what: "list the results", said: whole(&e) })?;
        stored.insert(info.name.clone(), info.size as u64);
    }
    let mut fetched = 0;
    for (index, job) in jobs.iter().enumerate() {
        tell(index, jobs.len());
        let Some(bytes) = stored.get(job.as_str()) else { continue };
        if folder.result(job)?.is_none() {
            fetch(batch, &folder, job, *bytes).await?;
            fetched += 1;
        }
    }
    let mut set_aside = BTreeMap::new();
    for (job, _) in batch.entries(Entry::Aside).await? {
        if let Some(bytes) = batch.entry(&job, Entry::Aside).await? {
            set_aside.insert(job, aside(&bytes)?);
        }
    }
    for job in jobs.iter().filter(|job| !stored.contains_key(job.as_str())) {
        match set_aside.get(job) {
            Some(aside) => folder.set_aside(aside)?,
            // It was put back since the last call.
            None => folder.take_back(job)?,
        }
    }
    tell(jobs.len(), jobs.len());
    Ok(Collected { fetched, summary: folder.sum_up()? })
}

async fn fetch(batch: &Batch, folder: &OutFolder, job: &JobId, bytes: u64) -> Result<(), BatchError> {
    let place = || format!("the result of {job}");
    BatchError::at_most(place(), "bytes", bytes, MAX_RESULT_BYTES + MAX_HEAD_BYTES as u64)?;
    let mut tries = 1;
    loop {
        match fetch_once(batch, folder, job, bytes).await {
            // A worker that was thought dead may be storing the same result again just now.
            Err(BatchError::Server { .. } | BatchError::Invalid { .. } | BatchError::Digest { .. })
                if tries < FETCHES =>
            {
                tries += 1
            }
            other => return other,
        }
    }
}

async fn fetch_once(batch: &Batch, folder: &OutFolder, job: &JobId, most: u64) -> Result<(), BatchError> {
    let failed = |said: String| BatchError::Server { what: "give a result", said };
    let mut object = batch.store.get(job.as_str()).await.map_err(|e| failed(whole(&e)))?;
    let written = || BatchError::file("write the result in", folder.path());
    let mut packed = tempfile::tempfile_in(folder.path()).map_err(written())?;
    let (mut piece, mut sum) = (vec![0; PIECE], 0_u64);
    loop {
        let read = object.read(&mut piece).await.map_err(|e| failed(e.to_string()))?;
        if read == 0 {
            break;
        }
        sum += read as u64;
        BatchError::at_most(format!("the result of {job}"), "bytes", sum, most)?;
        packed.write_all(&piece[..read]).map_err(written())?;
    }
    packed.seek(SeekFrom::Start(0)).map_err(written())?;
    let part = folder.part()?;
    let record = unpack(&mut std::io::BufReader::new(packed), part.path())?;
    if record.job != *job {
        return Err(BatchError::invalid(format!("the result of {job}"), format!("it is that of {}", record.job)));
    }
    folder.keep(part, job)
}
