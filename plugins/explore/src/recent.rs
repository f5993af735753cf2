//! Recent walks: the newest recordings below a folder, each with its last view.
//!
//! Recordings that cannot be read are left out; `rhea review` says what is wrong with them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rhea_picture::Rgbd;
use rhea_session::replay::ReplayReader;

/// Most walks that are listed.
pub const MOST: usize = 6;
/// Recordings that are looked at for them.
const MOST_TRIED: usize = 24;

/// A recording to go on from or to look at.
#[derive(Clone, Debug)]
pub struct RecentWalk {
    /// The recording.
    pub replay: PathBuf,
    /// The world that it left, if it is there.
    pub world: Option<PathBuf>,
    /// What the walk began with.
    pub title: String,
    /// Views after the first that are still part of it.
    pub steps: usize,
    /// Its last view.
    pub view: Rgbd,
    /// When it was last written to.
    pub written: SystemTime,
}

/// The newest walks recorded in folders of `home`, the newest first.
#[must_use]
pub fn recent(home: &Path) -> Vec<RecentWalk> {
    let below = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<(SystemTime, PathBuf)> = below(home)
        .flat_map(|folder| below(&folder).collect::<Vec<_>>())
        .filter(|file| file.extension().is_some_and(|extension| extension == "mcap"))
        .filter_map(|file| Some((std::fs::metadata(&file).ok()?.modified().ok()?, file)))
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    files.into_iter().take(MOST_TRIED).filter_map(|(written, file)| read(file, written)).take(MOST).collect()
}

fn read(file: PathBuf, written: SystemTime) -> Option<RecentWalk> {
    let replay = ReplayReader::open(&file).ok()?;
    let kept = replay.kept();
    let view = replay.view(*kept.last()?).ok()?;
    let header = &replay.header;
    let title = if header.world.is_empty() { header.start.clone() } else { header.world.clone() };
    let world = Some(file.with_extension("world")).filter(|world| world.is_file());
    Some(RecentWalk { world, title, steps: kept.len() - 1, view, written, replay: file })
}

/// How long ago, in words.
#[must_use]
pub fn ago(past: Duration) -> String {
    let (minutes, hours, days) = (past.as_secs() / 60, past.as_secs() / 3600, past.as_secs() / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => "just now".to_owned(),
        (0, 0, minutes) => format!("{minutes} min ago"),
        (0, hours, _) => format!("{hours} h ago"),
        (1, ..) => "yesterday".to_owned(),
        (days, ..) => format!("{days} days ago"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_newest_readable_walks_are_listed() {
        let home = std::env::temp_dir().join(format!("rhea-recent-{}", std::process::id()));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replays/room-v2.mcap");
        for n in 0..MOST + 2 {
            let folder = home.join(format!("walk-{n:03}"));
            std::fs::create_dir_all(&folder).unwrap();
            let file = folder.join("walk.mcap");
            if n == MOST + 1 {
                std::fs::write(&file, "no recording").unwrap();
            } else {
                std::fs::copy(&sample, &file).unwrap();
            }
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 * n as u64);
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        }
        std::fs::write(home.join(format!("walk-{MOST:03}")).join("walk.world"), "").unwrap();
        let walks = recent(&home);
        assert_eq!(walks.len(), MOST);
        assert!(walks.windows(2).all(|pair| pair[0].written > pair[1].written));
        assert!(walks[0].world.is_some() && walks[1].world.is_none());
        assert_eq!((walks[0].steps, walks[0].view.width), (7, 128));
        assert!(walks[0].title.starts_with("a room"), "{}", walks[0].title);
        std::fs::remove_dir_all(&home).unwrap();
        assert!(recent(&home).is_empty());
    }

    #[test]
    fn times_are_told_in_words() {
        let told = |secs| ago(Duration::from_secs(secs));
        assert_eq!(told(59), "just now");
        assert_eq!(told(3599), "59 min ago");
        assert_eq!(told(7200), "2 h ago");
        assert_eq!(told(86_400), "yesterday");
        assert_eq!(told(3 * 86_400), "3 days ago");
    }
}
