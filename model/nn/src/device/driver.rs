//! NVIDIA's driver and libraries, looked for before anything of CUDA is called. Files are looked at; nothing is loaded.

use std::path::{Path, PathBuf};

use super::DeviceError;

/// The names that drivers have.
const DRIVER: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
/// The names that NCCL has.
#[cfg(feature = "nccl")]
const NCCL: [&str; 2] = ["libnccl.so.2", "libnccl.so"];
/// Where the driver says which one it is.
const ABOUT: &str = "/proc/driver/nvidia/version";
/// Releases of CUDA and the driver that each needs at least: CUDA Toolkit release notes, "CUDA Toolkit and Minimum Required Driver
/// Version for CUDA Minor Version Compatibility".
const NEEDED: [(i32, u32); 2] = [(12, 525), (13, 580)];

/// Is there a driver for programs of this release of CUDA? Where the system does not tell which driver it is (the Windows subsystem
/// for Linux), being there is enough.
///
/// # Errors
/// When there is none, or it is too old.
pub fn check(release: i32) -> Result<(), DeviceError> {
    if cfg!(windows) {
        return Ok(());
    }
    if !DRIVER.iter().any(|name| is_there(name)) {
        return Err(DeviceError::NoDriver { looked_for: DRIVER.join(" or ") });
    }
    let about = std::fs::read_to_string(ABOUT).unwrap_or_default();
    match (number(&about), needed(release)) {
        (Some(has), Some(needs)) if has < needs => Err(DeviceError::OldDriver { has, needs, release }),
        _ => Ok(()),
    }
}

fn needed(release: i32) -> Option<u32> {
    NEEDED.iter().find(|(cuda, _)| *cuda == release).map(|(_, driver)| *driver)
}

/// The number before the first point of a driver's version, such as 580 of 580.65.06.
fn number(about: &str) -> Option<u32> {
    let first = about.lines().next()?;
    let version = first.split_whitespace().find(|word| word.contains('.') && word.as_bytes()[0].is_ascii_digit())?;
    version.split('.').next()?.parse().ok()
}

/// Are the libraries there that candle loads when it opens a device? `major` is the version of CUDA.
///
/// # Errors
/// The first that is missing.
pub fn check_libraries(major: i32) -> Result<(), DeviceError> {
    // cuRAND has kept the number of an older CUDA.
    for (name, numbers) in [("cublas", &[major][..]), ("curand", &[major, 10])] {
        let mut there = numbers.iter().map(|number| format!("lib{name}.so.{number}")).chain([format!("lib{name}.so")]);
        if !there.any(|file| is_there(&file)) {
            return Err(DeviceError::Library { name: format!("lib{name}.so.{}", numbers[numbers.len() - 1]) });
        }
    }
    Ok(())
}

/// Is the library of NCCL there?
///
/// # Errors
/// When it is not.
#[cfg(feature = "nccl")]
pub fn has_nccl() -> Result<(), DeviceError> {
    if NCCL.iter().any(|name| is_there(name)) {
        return Ok(());
    }
    let names = NCCL.join(" or ");
    let text = format!("{names} was not found; install NCCL 2, or leave it out: sums then go through the processor");
    Err(DeviceError::Nccl(text))
}

/// Will the system's loader find a library? Looked at are the folders of `LD_LIBRARY_PATH`, the loader's cache and the folders that
/// it always looks into.
fn is_there(file: &str) -> bool {
    let own = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/lib/wsl/lib"].map(PathBuf::from);
    cfg!(windows)
        || std::env::split_paths(&own).chain(usual).any(|folder| folder.join(file).exists())
        || std::fs::read("/etc/ld.so.cache").is_ok_and(|cache| is_in(&cache, file))
        || Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)).join(file).exists()
}

/// The cache holds plain names of files, each ended by a zero byte.
fn is_in(cache: &[u8], file: &str) -> bool {
    let name = [b"\0", file.as_bytes(), b"\0"].concat();
    cache.windows(name.len()).any(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_s_number_is_read() {
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)\nGCC version:";
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024";
        assert_eq!([open, closed, "", "something else"].map(number), [Some(580), Some(535), None, None]);
        assert_eq!([12, 13, 99].map(needed), [Some(525), Some(580), None]);
    }

    #[test]
    fn libraries_are_found_by_their_whole_name() {
        let cache = b"\0libcublas.so.13\0/x/libcublas.so.13\0";
        assert!(is_in(cache, "libcublas.so.13") && !is_in(cache, "libcublas.so.1") && !is_in(cache, "cublas.so.13"));
        assert!(is_there("libc.so.6") && !is_there("libnobody.so.1"));
    }
}
