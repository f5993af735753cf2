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
        let stat = "4242 (a (b) c) S 1 4242 4242 0 -1 4194304 100 0 0 0 5 1 0 0 20 0 3 0 987654 1000 200";
        assert_eq!(started_ticks(stat), Some(987_654.0));
        let (name, features) = processor_in("model name\t: Some CPU @ 2.0\nflags\t\t: fpu avx2 avx512f\n");
        assert_eq!((name.as_str(), features), ("Some CPU @ 2.0", vec!["AVX2", "AVX-512"]));
    }

    #[test]
    fn this_process_began_a_short_while_ago_and_has_memory() {
        assert!(since_process_start().unwrap() < Duration::from_secs(600));
        assert!(resident_mb().unwrap() > 0.5);
    }
}
