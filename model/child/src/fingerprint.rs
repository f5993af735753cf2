//! A short name for the contents of a model folder.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::limits;

/// A hash over names, lengths and parts of all files of a model folder and of its `vision` folder: of large files only the first,
/// the middle and the last MiB are read, so that it takes no time with any model. It tells a changed folder, not a forged one.
///
/// # Errors
/// When a file cannot be read.
pub fn fingerprint(folder: &Path) -> std::io::Result<String> {
    let mut files = Vec::new();
    for place in [folder.to_path_buf(), folder.join("vision"), folder.join("tokenizer")] {
        for entry in place.read_dir().into_iter().flatten().flatten().take(limits::FINGERPRINT_FILES) {
            let path = entry.path();
            if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for path in &files {
        add(&mut hasher, folder, path)?;
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

fn add(hasher: &mut blake3::Hasher, folder: &Path, path: &PathBuf) -> std::io::Result<()> {
    let name = path.strip_prefix(folder).unwrap_or(path);
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    hasher.update(name.to_string_lossy().as_bytes());
    hasher.update(&bytes.to_le_bytes());
    let part = limits::FINGERPRINT_PART;
    let starts = if bytes <= 3 * part { vec![0, part, 2 * part] } else { vec![0, bytes / 2, bytes - part] };
    let mut buffer = Vec::new();
    for start in starts {
        buffer.clear();
        file.seek(SeekFrom::Start(start))?;
        (&mut file).take(part).read_to_end(&mut buffer)?;
        hasher.update(&buffer);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn it_changes_with_any_file_and_not_with_the_place() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let write = |place: &Path| {
            std::fs::create_dir(place.join("vision")).unwrap();
            std::fs::write(place.join("config.json"), "{}").unwrap();
            std::fs::write(place.join("vision/model.safetensors"), vec![7; 5 << 20]).unwrap();
        };
        write(one.path());
        write(two.path());
        let first = fingerprint(one.path()).unwrap();
        assert_eq!(first, fingerprint(two.path()).unwrap());
        let mut weights = vec![7; 5 << 20];
        weights[(5 << 20) - 3] = 8;
        std::fs::write(two.path().join("vision/model.safetensors"), weights).unwrap();
        assert_ne!(first, fingerprint(two.path()).unwrap());
        std::fs::write(one.path().join("generation_config.json"), "{}").unwrap();
        assert_ne!(first, fingerprint(one.path()).unwrap());
    }
}
