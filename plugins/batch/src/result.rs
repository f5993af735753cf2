//! The result of a job: its files with their digests, in one piece for a store, or as a folder.
//!
//! Invariant: a folder has its `result.json` only when every file that it lists is there with its digest.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::BatchError;
use crate::job::{JobId, safe_path};
use crate::limits::{MAX_HEAD_BYTES, MAX_RESULT_BYTES, MAX_RESULT_FILES, VERSION};

/// First bytes of a packed result.
const MAGIC: [u8; 8] = *b"RHEABTCH";
/// The record of a result in its folder.
pub const RECORD: &str = "result.json";
/// Bytes that are copied at a time.
const PIECE: usize = 64 << 10;

/// A file of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Where it lies in the result's folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

/// What is known of a job that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`VERSION`] of this form.
    pub version: u16,
    /// The job.
    pub job: JobId,
    /// Did everything come true that the job expects? A plan that fails its expectations is a result all the same.
    pub passed: bool,
    /// Seconds that it took.
    pub secs: f64,
    /// Failed tries before.
    pub failed_tries: u32,
    /// Who did it: machine and process.
    pub worker: String,
    /// Version of the program.
    pub program: String,
    /// Its files.
    pub files: Vec<Stored>,
}

impl Record {
    fn check(&self, place: &str) -> Result<(), BatchError> {
        if self.version != VERSION {
            let found = u64::from(self.version);
            return Err(BatchError::Version { place: place.to_owned(), found, allowed: VERSION });
        }
        BatchError::at_most(place, "files", self.files.len() as u64, MAX_RESULT_FILES as u64)?;
        let bytes = self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
        BatchError::at_most(place, "bytes", bytes, MAX_RESULT_BYTES)?;
        for (index, file) in self.files.iter().enumerate() {
            safe_path(&file.path)?;
            if file.path == RECORD || self.files[..index].iter().any(|other| other.path == file.path) {
                let what = format!("{:?} stands twice in its list of files", file.path);
                return Err(BatchError::invalid(place, what));
            }
        }
        Ok(())
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Lists the files of a folder with their digests, in the order of their names.
///
/// # Errors
/// A folder that cannot be read, or that has more than a result may have.
pub fn list(folder: &Path) -> Result<Vec<Stored>, BatchError> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    paths.sort();
    let place = folder.display().to_string();
    let mut bytes = 0_u64;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let length = std::fs::metadata(&path).map_err(BatchError::file("read the result", &path))?.len();
        bytes = bytes.saturating_add(length);
        BatchError::at_most(&place, "bytes", bytes, MAX_RESULT_BYTES)?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        safe_path(&name)?;
        files.push(Stored { path: name, bytes: length, sha256: digest_of(&path)? });
    }
    Ok(files)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), BatchError> {
    let failed = || BatchError::file("read the result", folder);
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let kind = entry.file_type().map_err(failed())?;
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if kind.is_file() && entry.file_name() != RECORD {
            found.push(entry.path());
        }
        BatchError::at_most(folder.display().to_string(), "files", found.len() as u64, MAX_RESULT_FILES as u64)?;
    }
    Ok(())
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(path: &Path) -> Result<String, BatchError> {
    let mut file = File::open(path).map_err(BatchError::file("read the result", path))?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).map_err(BatchError::file("read the result", path))?;
        if read == 0 {
            return Ok(hex(digest.finalize()));
        }
        digest.update(&piece[..read]);
    }
}

/// Writes the files of a record, which lie in `folder`, as one piece.
///
/// # Errors
/// Files that cannot be read, a target that cannot be written, or a record that says more than is allowed.
pub fn pack(record: &Record, folder: &Path, target: &Path) -> Result<(), BatchError> {
    let place = format!("the result of {}", record.job);
    record.check(&place)?;
    let head = serde_json::to_vec(record).map_err(|e| BatchError::invalid(&place, e.to_string()))?;
    BatchError::at_most(&place, "bytes of its list", head.len() as u64, MAX_HEAD_BYTES as u64)?;
    let failed = || BatchError::file("write the result", target);
    let mut out = std::io::BufWriter::new(File::create(target).map_err(failed())?);
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&MAGIC[..], &length, &head].iter().try_for_each(|part| out.write_all(part)).map_err(failed())?;
    for stored in &record.files {
        let path = folder.join(&stored.path);
        let file = File::open(&path).map_err(BatchError::file("read the result", &path))?;
        // A file that grows while it is read would shift all that follow.
        let copied = std::io::copy(&mut file.take(stored.bytes), &mut out).map_err(failed())?;
        if copied != stored.bytes {
            return Err(BatchError::Digest { place, file: stored.path.clone() });
        }
    }
    out.flush().map_err(failed())
}

/// Writes a packed result as a folder, which must not have anything in it. Every digest is checked; the record comes last.
///
/// # Errors
/// A piece that is cut, changed, of another version, or says more than is allowed; a folder that cannot be written.
pub fn unpack(source: &mut dyn Read, folder: &Path) -> Result<Record, BatchError> {
    let place = "a result";
    let cut = |_: std::io::Error| BatchError::invalid(place, "it ends too early");
    let mut start = [0; 12];
    source.read_exact(&mut start).map_err(cut)?;
    let (magic, length) = start.split_at(8);
    if magic != MAGIC {
        return Err(BatchError::invalid(place, "it does not begin as results do"));
    }
    let length = length.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX) as usize;
    BatchError::at_most(place, "bytes of its list", length as u64, MAX_HEAD_BYTES as u64)?;
    let mut head = vec![0; length];
    source.read_exact(&mut head).map_err(cut)?;
    let record = parse(&head, place)?;
    let place = format!("the result of {}", record.job);
    for stored in &record.files {
        let path = folder.join(&stored.path);
        let failed = || BatchError::file("write the result", &path);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).map_err(failed())?;
        }
        let mut file = File::create_new(&path).map_err(failed())?;
        let (mut left, mut digest, mut piece) = (stored.bytes, Sha256::new(), vec![0; PIECE]);
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            source.read_exact(&mut piece[..part]).map_err(cut)?;
            digest.update(&piece[..part]);
            file.write_all(&piece[..part]).map_err(failed())?;
            left -= part as u64;
        }
        if hex(digest.finalize()) != stored.sha256 {
            return Err(BatchError::Digest { place, file: stored.path.clone() });
        }
    }
    write_record(&record, folder)?;
    Ok(record)
}

/// Writes the record into its folder, after its files.
pub(crate) fn write_record(record: &Record, folder: &Path) -> Result<(), BatchError> {
    let path = folder.join(RECORD);
    let text = serde_json::to_vec_pretty(record).map_err(|e| BatchError::invalid("a result", e.to_string()))?;
    std::fs::write(&path, text).map_err(BatchError::file("write the result", &path))
}

fn parse(head: &[u8], place: &str) -> Result<Record, BatchError> {
    let record: Record = serde_json::from_slice(head).map_err(|e| BatchError::invalid(place, e.to_string()))?;
    record.check(place)?;
    Ok(record)
}

/// Reads a result's folder and checks every digest.
///
/// # Errors
/// No record, a file that is missing or changed.
pub fn verify(folder: &Path) -> Result<Record, BatchError> {
    let path = folder.join(RECORD);
    let failed = || BatchError::file("read the result", &path);
    let length = std::fs::metadata(&path).map_err(failed())?.len();
    let place = folder.display().to_string();
    // Written for people, so with more white space than as it travels.
    BatchError::at_most(&place, "bytes of its list", length, 2 * MAX_HEAD_BYTES as u64)?;
    let record = parse(&std::fs::read(&path).map_err(failed())?, &place)?;
    for stored in &record.files {
        if digest_of(&folder.join(&stored.path))? != stored.sha256 {
            return Err(BatchError::Digest { place, file: stored.path.clone() });
        }
    }
    Ok(record)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn made(folder: &Path) -> Record {
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        std::fs::write(folder.join("report.ron"), "()").unwrap();
        std::fs::write(folder.join("deep/walk.mcap"), vec![7; 200_000]).unwrap();
        std::fs::write(folder.join("empty"), "").unwrap();
        let job = JobId::try_from("plan-x-1".to_owned()).unwrap();
        let (worker, program) = ("here".to_owned(), "0".to_owned());
        let files = list(folder).unwrap();
        Record { version: VERSION, job, passed: true, secs: 1.5, failed_tries: 0, worker, program, files }
    }

    #[test]
    fn a_result_comes_back_file_by_file_and_is_checked_again() {
        let folder = tempfile::tempdir().unwrap();
        let record = made(&folder.path().join("a"));
        assert_eq!(
            record.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
            ["deep/walk.mcap", "empty", "report.ron"]
        );
        let packed = folder.path().join("packed");
        pack(&record, &folder.path().join("a"), &packed).unwrap();
        let out = folder.path().join("b");
        std::fs::create_dir(&out).unwrap();
        assert_eq!(unpack(&mut File::open(&packed).unwrap(), &out).unwrap(), record);
        assert_eq!(verify(&out).unwrap(), record);
        std::fs::write(out.join("report.ron"), "(x)").unwrap();
        assert!(matches!(verify(&out), Err(BatchError::Digest { file, .. }) if file == "report.ron"));
    }

    #[test]
    fn a_cut_or_changed_piece_leaves_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let record = made(&folder.path().join("a"));
        let packed = folder.path().join("packed");
        pack(&record, &folder.path().join("a"), &packed).unwrap();
        let whole = std::fs::read(&packed).unwrap();
        let mut number = 0;
        let mut says = |bytes: &[u8]| {
            number += 1;
            let out = folder.path().join(format!("out-{number}"));
            std::fs::create_dir(&out).unwrap();
            let said = unpack(&mut &bytes[..], &out).unwrap_err().to_string();
            assert!(!out.join(RECORD).exists());
            said
        };
        for cut in [0, 5, 12, 100, whole.len() - 200_001, whole.len() - 1] {
            assert!(says(&whole[..cut]).contains("ends too early"), "cut at {cut}");
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(says(&changed).contains("report.ron does not have the digest"));
        changed[0] = b'x';
        assert!(says(&changed).contains("does not begin as results do"));
        let mut long = whole.clone();
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(says(&long).contains("allowed are at most"));
        let evil = String::from_utf8_lossy(&whole[12..400]).contains("report.ron");
        assert!(evil, "the list stands at the start");
        let at = whole.windows(10).position(|w| w == b"report.ron").unwrap();
        let mut outside = whole.clone();
        outside[at..at + 10].copy_from_slice(b"../../x.rn");
        assert!(says(&outside).contains("without `..`"));
    }
}
