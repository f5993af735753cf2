//! The program as a file: what it needs of the system, and how large it is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::process::Command;

/// Libraries that every desktop Linux has; everything else is inside, or opened at run time where it is there.
const ALLOWED: [&str; 7] =
    ["linux-vdso.so", "libc.so", "libm.so", "libgcc_s.so", "libudev.so", "ld-linux", "/lib64/ld-linux"];

#[test]
fn the_program_needs_nothing_beyond_libc_libm_libgcc_and_libudev() {
    let program = env!("CARGO_BIN_EXE_rhea");
    let size = std::fs::metadata(program).unwrap().len();
    println!("{program}: {:.1} MB", size as f64 / 1e6);
    let Ok(listed) = Command::new("ldd").arg(program).output() else {
        println!("skipped: there is no ldd here");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    println!("{listed}");
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.iter().any(|name| name.starts_with("libc.so")), "{listed}");
    for name in names {
        let file = name.rsplit('/').next().unwrap_or(name);
        assert!(ALLOWED.iter().any(|allowed| file.starts_with(allowed)), "{name} is one library more:\n{listed}");
    }
}
