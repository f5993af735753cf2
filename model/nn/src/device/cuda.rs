//! CUDA devices through candle's library.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc;
use candle_core::{Device, DeviceLocation};
use cudarc::driver::{CudaContext, CudaStream};

use super::{DeviceError, Found, driver};

/// Is there a driver that knows what this program was built for?
fn check_driver() -> Result<(), DeviceError> {
    driver::check(cudarc::driver::sys::CUDA_VERSION as i32 / 1000)
}

fn count() -> Result<usize, DeviceError> {
    check_driver()?;
    match super::caught("CUDA", || Ok(CudaContext::device_count()))? {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(cudarc::driver::DriverError(cudarc::driver::sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
        Err(error) => Err(DeviceError::Other { device: "CUDA".to_owned(), what: format!("{error:?}") }),
    }
}

/// Lists devices; one that does not answer is listed with no memory.
pub fn found() -> Result<Vec<Found>, DeviceError> {
    let one = |number: usize| {
        let context = CudaContext::new(number).ok();
        let of = |context: &Arc<CudaContext>| {
            let (free, total) = context.mem_get_info().ok()?;
            let (major, minor) = context.compute_capability().ok()?;
            let name = context.name().ok()?;
            Some(Found {
                number,
                name,
                free_bytes: free as u64,
                total_bytes: total as u64,
                capability: format!("{major}.{minor}"),
            })
        };
        context.as_ref().and_then(of).unwrap_or_else(|| Found {
            number,
            name: "does not answer".to_owned(),
            free_bytes: 0,
            total_bytes: 0,
            capability: String::new(),
        })
    };
    Ok((0..count()?).map(one).collect())
}

/// Opens a device with a stream of its own, so that threads that take turns see each other's work in order.
pub fn open(number: usize) -> Result<Device, DeviceError> {
    let count = count()?;
    if number >= count {
        return Err(DeviceError::Missing { number, count });
    }
    check_libraries()?;
    let opened = Device::new_cuda_with_stream(number);
    opened.map_err(|error| DeviceError::of(&format!("cuda:{number}"), &error))
}

/// The stream that a device works in order on.
fn stream_of(device: &Device) -> Option<Arc<CudaStream>> {
    match device {
        Device::Cuda(cuda) => Some(cuda.cuda_stream()),
        _ => None,
    }
}

pub fn free_bytes(device: &Device) -> Option<u64> {
    if !matches!(device.location(), DeviceLocation::Cuda { .. }) {
        return None;
    }
    let (free, _) = stream_of(device)?.context().mem_get_info().ok()?;
    Some(free as u64)
}

/// Are the libraries there that opening a device loads?
pub fn check_libraries() -> Result<(), DeviceError> {
    driver::check_libraries(cudarc::driver::sys::CUDA_VERSION as i32 / 1000)
}

/// The version of NCCL.
#[cfg(feature = "nccl")]
pub fn nccl_version() -> Result<String, DeviceError> {
    driver::has_nccl()?;
    let version = cudarc::nccl::result::get_nccl_version();
    let version = version.map_err(|error| DeviceError::Nccl(format!("it does not tell its version ({error:?})")))?;
    Ok(format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100))
}
