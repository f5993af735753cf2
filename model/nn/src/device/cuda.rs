//! CUDA devices through candle's library.

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::cuda_backend::{CudaDevice, cudarc};
use candle_core::{Device, DeviceLocation};
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaContext, CudaGraph, CudaStream, DriverError};

use super::replay::{Kept, Recorder};
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

/// Opens a device. With a stream of its own, threads that take turns see each other's work in order; such a stream keeps events for
/// that, which cannot be recorded, so a device that records works on the stream of the thread that calls.
pub fn open(number: usize, records: bool) -> Result<Device, DeviceError> {
    let count = count()?;
    if number >= count {
        return Err(DeviceError::Missing { number, count });
    }
    check_libraries()?;
    let opened = if records { Device::new_cuda(number) } else { Device::new_cuda_with_stream(number) };
    opened.map_err(|error| DeviceError::of(&format!("cuda:{number}"), &error))
}

/// The stream that a device works in order on.
fn stream_of(device: &Device) -> Option<Arc<CudaStream>> {
    match device {
        Device::Cuda(cuda) => Some(cuda.cuda_stream()),
        _ => None,
    }
}

thread_local! {
    /// Graphs belong to the thread that recorded them.
    static KEPT: RefCell<Kept<CudaGraph>> = const { RefCell::new(Kept::new()) };
}

/// Does something with the graphs of this thread.
pub fn with_kept<T>(work: impl FnOnce(&mut Kept<CudaGraph>) -> T) -> T {
    KEPT.with_borrow_mut(work)
}

/// Records CUDA graphs.
pub struct GraphRecorder<'a> {
    device: &'a CudaDevice,
    stream: Arc<CudaStream>,
}

impl<'a> GraphRecorder<'a> {
    pub fn new(device: &'a Device) -> Option<Self> {
        let Device::Cuda(device) = device else { return None };
        Some(Self { device, stream: device.cuda_stream() })
    }
}

impl Recorder for GraphRecorder<'_> {
    type Taken = CudaGraph;

    fn warm(&self, work: &dyn Fn() -> candle_core::Result<()>) -> candle_core::Result<()> {
        // Dimensions and strides that kernels read stay on the device, by what they hold.
        let _kept = self.device.enable_cuda_graph_htod_cache();
        work()
    }

    fn record(&self, work: &dyn Fn() -> candle_core::Result<()>) -> Result<CudaGraph, String> {
        let _kept = self.device.enable_cuda_graph_htod_cache();
        let told = |error: DriverError| format!("the driver does not record: {error:?}");
        self.stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).map_err(told)?;
        let done = work();
        let graph = self.stream.end_capture(CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
        // What went wrong while recording is not for the next call to tell.
        let left = self.stream.context().check_err();
        done.map_err(|error| error.to_string())?;
        let graph = graph.map_err(told)?;
        left.map_err(told)?;
        graph.ok_or_else(|| "the driver recorded nothing".to_owned())
    }

    fn replay(&self, taken: &CudaGraph) -> Result<(), String> {
        taken.launch().map_err(|error| format!("the driver does not replay: {error:?}"))
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
