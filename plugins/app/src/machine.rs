//! What the operating system says about this process and this machine, from `/proc`.

use std::time::Duration;

/// Ticks per second of the times in `/proc/*/stat`; fixed by the Linux interface for user programs.
const TICKS_PER_SEC: f64 = 100.0;

/// Resident memory of this process, megabytes (10^6 bytes); `None` where `/proc` does not tell.
#[must_use]
pub fn resident_mb() -> Option<f64> {
    resident_mb_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_mb_in(status: &str) -> Option<f64> {
    let kib: f64 = field(status, "VmRSS:")?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Most memory that was resident since [`forget_peak`], megabytes; `None` where `/proc` does not tell.
#[must_use]
pub fn peak_mb() -> Option<f64> {
    let kib: f64 = field(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Lets [`peak_mb`] begin anew. Where the system does not allow it, the peak stays that of the whole process.
pub fn forget_peak() {
    if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
        tracing::debug!("the peak of memory goes on: {error}");
    }
}

/// Processor time of this process and its finished children, seconds; `None` where `/proc` does not tell.
#[must_use]
pub fn processor_secs() -> Option<f64> {
    processor_ticks(&std::fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| ticks / TICKS_PER_SEC)
}

/// Fields 14 to 17 of `/proc/*/stat`: user and system time, own and children's.
fn processor_ticks(stat: &str) -> Option<f64> {
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    fields.map(|field| field.parse::<f64>().ok()).sum()
}

/// Keeps this thread, all threads and programs that it starts from now on, to the first `count` of the cores it may use.
#[cfg(target_os = "linux")]
pub fn keep_to_cores(count: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let kept = sched_getaffinity(None).and_then(|allowed| {
        let mut set = CpuSet::new();
        (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).take(count).for_each(|cpu| set.set(cpu));
        sched_setaffinity(None, &set)
    });
    if let Err(error) = kept {
        crate::say::complain!("warning: cannot keep to {count} cores ({error}); the figures are those of all cores");
    }
}

/// Elsewhere the figures are those of all cores.
#[cfg(not(target_os = "linux"))]
pub fn keep_to_cores(count: usize) {
    crate::say::complain!("warning: cannot keep to {count} cores on this system; the figures are those of all cores");
}

/// Time since the operating system started this process, to about 10 ms; `None` where `/proc` does not tell.
#[must_use]
pub fn since_process_start() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let started_secs = started_ticks(&stat)? / TICKS_PER_SEC;
    let now_secs: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(now_secs - started_secs).ok()
}

/// Field 22 of `/proc/*/stat`. The second field is the program's name in brackets and may hold anything.
fn started_ticks(stat: &str) -> Option<f64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Name of the processor and whether it has AVX2, AVX-512 and AMX.
#[must_use]
pub fn processor() -> (String, Vec<&'static str>) {
    processor_in(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

fn processor_in(cpuinfo: &str) -> (String, Vec<&'static str>) {
    let value = |name| field(cpuinfo, name).map(|text| text.trim_start_matches([' ', '\t', ':']).trim().to_owned());
    let name = value("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let flags = value("flags").unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|known| known == flag);
    let known = [
        ("avx2", "AVX2"),
        ("avx512f", "AVX-512"),
        ("avx512_bf16", "AVX-512 BF16"),
        ("avx512_vnni", "VNNI"),
        ("amx_bf16", "AMX bf16"),
        ("amx_int8", "AMX int8"),
    ];
    (name, known.into_iter().filter(|(flag, _)| has(flag)).map(|(_, label)| label).collect())
}

/// Memory of the machine that is free for new programs, and all of it, in gigabytes (10^9 bytes).
#[must_use]
pub fn memory_gb() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let gb = |name| Some(field(&text, name)?.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0 / 1e9);
    Some((gb("MemAvailable:")?, gb("MemTotal:")?))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_the_kernel_writes_them() {
        assert_eq!(resident_mb_in("Name:\trhea\nVmRSS:\t  125000 kB\n"), Some(128.0));
        let stat = "4242 (a (b) c) S 1 4242 4242 0 -1 4194304 100 0 0 0 5 1 1 0 20 0 3 0 987654 1000 200";
        assert_eq!(started_ticks(stat), Some(987_654.0));
        assert_eq!(processor_ticks(stat), Some(7.0));
        let (name, features) = processor_in("model name\t: Some CPU @ 2.0\nflags\t\t: fpu avx2 avx512f\n");
        assert_eq!((name.as_str(), features), ("Some CPU @ 2.0", vec!["AVX2", "AVX-512"]));
    }

    #[test]
    fn this_process_began_a_short_while_ago_and_has_memory() {
        assert!(since_process_start().unwrap() < Duration::from_secs(600));
        assert!(resident_mb().unwrap() > 0.5 && peak_mb().unwrap() >= resident_mb().unwrap());
    }
}
