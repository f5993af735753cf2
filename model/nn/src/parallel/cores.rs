//! A core for each thread of the ranks.
//!
//! Ranks meet after every half layer. A system that puts two of them on one core, as it may for a while when others want cores
//! too, makes each of these meetings as long as a turn of its scheduler.

/// Keeps the calling thread to the `index`th of the cores that it may use, where there is one for each of `threads` threads.
/// Where the system does not let it, it stays where the system puts it: that costs time and nothing else.
#[cfg(target_os = "linux")]
pub(crate) fn keep_to_core(index: usize, threads: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    if let Some(core) = cores.get(index).filter(|_| threads <= cores.len()) {
        let mut set = CpuSet::new();
        set.set(*core);
        sched_setaffinity(None, &set).ok();
    }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_to_core(_: usize, _: usize) {}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn threads_have_cores_of_their_own_where_there_are_enough() {
        let cores = |index: usize, threads: usize| {
            let kept = std::thread::spawn(move || {
                keep_to_core(index, threads);
                let set = rustix::thread::sched_getaffinity(None).unwrap();
                (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect::<Vec<_>>()
            });
            kept.join().unwrap()
        };
        let all = cores(0, usize::MAX);
        assert!(!all.is_empty(), "too many threads stay where they were");
        for (index, core) in all.iter().enumerate() {
            assert_eq!(cores(index, all.len()), [*core]);
        }
    }
}
