//! NVIDIA's driver, looked for before anything of CUDA is called.
//!
//! This is the one place beside kernels and weight mapping with `unsafe` code: a library is loaded and one function of it called.

use std::ffi::c_int;

use super::DeviceError;

/// The names that drivers have.
#[cfg(not(windows))]
const NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
/// The names that drivers have.
#[cfg(windows)]
const NAMES: [&str; 1] = ["nvcuda.dll"];
/// The names that NCCL has.
#[cfg(feature = "nccl")]
const NCCL: [&str; 2] = ["libnccl.so.2", "libnccl.so"];

/// The CUDA version that the driver supports, as 1000 times the major and 10 times the minor number.
///
/// # Errors
/// When there is no driver.
#[allow(unsafe_code, reason = "loads the driver")]
pub fn version() -> Result<i32, DeviceError> {
    let none = || DeviceError::NoDriver { looked_for: NAMES.join(" or ") };
    // SAFETY: loading runs the initialisers of NVIDIA's own library, which expect nothing of the program.
    let library = NAMES.iter().find_map(|name| unsafe { libloading::Library::new(*name) }.ok()).ok_or_else(none)?;
    let mut version: c_int = 0;
    // SAFETY: `cuDriverGetVersion(int*)` has this type in every driver and may be called before anything else; the pointer is to
    // a live `c_int`, and the library outlives the call.
    let told = unsafe {
        let ask = library.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDriverGetVersion\0");
        ask.map(|ask| ask(&raw mut version))
    };
    match told {
        Ok(0) => Ok(version),
        _ => Err(none()),
    }
}

/// Are the libraries there that candle loads when it opens a device? `major` is the version of CUDA.
///
/// # Errors
/// The first that is missing.
pub fn check_libraries(major: i32) -> Result<(), DeviceError> {
    // cuRAND has kept the number of an older CUDA.
    for (name, numbers) in [("cublas", &[major][..]), ("curand", &[major, 10])] {
        let there = numbers.iter().map(|number| format!("lib{name}.so.{number}")).chain([format!("lib{name}.so")]);
        if !there.map(|file| loads(&file)).any(|loads| loads) {
            return Err(DeviceError::Library { name: format!("lib{name}.so.{}", numbers[numbers.len() - 1]) });
        }
    }
    Ok(())
}

#[allow(unsafe_code, reason = "loads a library")]
fn loads(file: &str) -> bool {
    // SAFETY: loading runs the initialisers of NVIDIA's own library, which expect nothing of the program.
    cfg!(windows) || unsafe { libloading::Library::new(file) }.is_ok()
}

/// Is the library of NCCL there?
///
/// # Errors
/// When it is not.
#[cfg(feature = "nccl")]
pub fn has_nccl() -> Result<(), DeviceError> {
    if NCCL.iter().any(|name| loads(name)) {
        return Ok(());
    }
    let names = NCCL.join(" or ");
    let text = format!("{names} was not found; install NCCL 2, or leave it out: sums then go through the processor");
    Err(DeviceError::Nccl(text))
}

/// A version as people write it.
pub fn written(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}
