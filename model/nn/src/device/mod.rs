//! Devices that a transformer can decode on: the processor through candle, and CUDA devices where the program was built for them.
//!
//! * [`found`] lists CUDA devices; without a driver, or with one that is too old, it says so;
//! * [`OnDevice`] is one that was opened, with the name that errors carry; [`Replays`] is what became of work that it recorded;
//! * [`DeviceError`] is everything that can be wrong with one.
//!
//! It knows no model. The library under candle panics where there is no driver, so the driver is looked for before that library is
//! called (`driver.rs`), and whatever panics all the same is caught here.
//!
//! Invariant: no driver, an old one, a device that is not there, full or lost is an error of one line, never a panic.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(any(feature = "cuda", test))]
#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "tests look at parts of it"))]
mod driver;
#[cfg(feature = "nccl")]
mod nccl;
#[cfg_attr(not(any(feature = "cuda", test)), expect(dead_code, reason = "only CUDA devices record"))]
mod replay;

use std::sync::Arc;

use candle_core::{DType, Device};
use thiserror::Error;

#[cfg(feature = "nccl")]
pub use nccl::{NcclRank, new_group};
pub(crate) use replay::Repeated;
pub use replay::Replays;

/// What can be wrong with a device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// The program cannot use CUDA devices.
    #[error("this program was built without CUDA; tests/peers/build_cuda.sh builds one that has it")]
    NotBuilt,
    /// The system has no CUDA driver.
    #[error("there is no CUDA driver here: {looked_for} was not found; install NVIDIA's driver, or use the processor")]
    NoDriver {
        /// What was looked for.
        looked_for: String,
    },
    /// The driver does not know what the program was built for.
    #[error("NVIDIA's driver {has} is too old: CUDA {release} needs {needs} or newer")]
    OldDriver {
        /// The number of its version before the first point.
        has: u32,
        /// The least that is needed.
        needs: u32,
        /// What the program was built with.
        release: i32,
    },
    /// A library of CUDA that products or random numbers need.
    #[error("{name} was not found; install CUDA's own libraries (cuBLAS, cuRAND) where the system looks for libraries")]
    Library {
        /// Its name.
        name: String,
    },
    /// A device that is not there.
    #[error("there is no cuda:{number} here; there are {count} CUDA devices, counted from 0")]
    Missing {
        /// Its number.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// The device's memory is full.
    #[error("{device} is out of memory ({what}); use a shorter context, --quant fp8, or more devices")]
    Memory {
        /// Which device.
        device: String,
        /// What the driver said.
        what: String,
    },
    /// The device no longer answers; everything on it is gone.
    #[error("{device} is lost ({what}); what was on it is gone, open the model again")]
    Lost {
        /// Which device.
        device: String,
        /// What the driver said.
        what: String,
    },
    /// NCCL cannot be used.
    #[error("NCCL cannot be used: {0}")]
    Nccl(String),
    /// Anything else that a device refused.
    #[error("{device}: {what}")]
    Other {
        /// Which device.
        device: String,
        /// What was said.
        what: String,
    },
}

impl DeviceError {
    /// Does the device answer nobody any more, until this process has ended?
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// May another process do better? What was on the device is given back with the process that had it.
    #[must_use]
    pub fn ends_process(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Memory { .. })
    }

    /// What an error of candle means on a device.
    #[must_use]
    pub fn of(device: &str, error: &candle_core::Error) -> Self {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim().to_owned();
        let device = device.to_owned();
        if MEMORY.iter().any(|sign| text.contains(sign)) {
            Self::Memory { device, what }
        } else if LOST.iter().any(|sign| text.contains(sign)) {
            Self::Lost { device, what }
        } else {
            Self::Other { device, what }
        }
    }
}

/// What drivers say when memory is full.
const MEMORY: [&str; 3] = ["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED"];

/// What drivers say once and then to every further call of the process.
const LOST: [&str; 17] = [
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_DEINITIALIZED",
    "CUDA_ERROR_NO_DEVICE",
    "CUBLAS_STATUS_EXECUTION_FAILED",
];

/// A CUDA device that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub number: usize,
    /// What it is.
    pub name: String,
    /// Memory that nobody uses.
    pub free_bytes: u64,
    /// All of its memory.
    pub total_bytes: u64,
    /// Compute capability, such as `9.0`.
    pub capability: String,
}

/// The CUDA devices of this machine.
///
/// # Errors
/// When the program was built without CUDA, there is no driver, or it is too old.
pub fn found() -> Result<Vec<Found>, DeviceError> {
    #[cfg(feature = "cuda")]
    return caught("CUDA", cuda::found);
    #[cfg(not(feature = "cuda"))]
    Err(DeviceError::NotBuilt)
}

/// Are the libraries there that opening a CUDA device loads?
///
/// # Errors
/// When the program was built without CUDA, or one is missing.
pub fn check_libraries() -> Result<(), DeviceError> {
    #[cfg(feature = "cuda")]
    return cuda::check_libraries();
    #[cfg(not(feature = "cuda"))]
    Err(DeviceError::NotBuilt)
}

/// The version of NCCL that is there.
///
/// # Errors
/// When the program was built without it, or its library is not there.
pub fn nccl_version() -> Result<String, DeviceError> {
    #[cfg(feature = "nccl")]
    return caught("NCCL", cuda::nccl_version);
    #[cfg(not(feature = "nccl"))]
    Err(DeviceError::Nccl("this program was built without it (feature nccl)".to_owned()))
}

/// Runs something of the library under candle; a panic there becomes an error.
#[cfg(feature = "cuda")]
fn caught<T>(device: &str, work: impl FnOnce() -> Result<T, DeviceError>) -> Result<T, DeviceError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let what = text.unwrap_or("the library of CUDA stopped").lines().next().unwrap_or_default().to_owned();
        Err(DeviceError::Other { device: device.to_owned(), what })
    })
}

/// A device that was opened. Clones are the same device.
#[derive(Clone, Debug)]
pub struct OnDevice {
    device: Device,
    name: String,
    /// Where work that comes again is recorded.
    recordings: Option<Arc<replay::Book>>,
}

impl OnDevice {
    /// The processor, through candle's operations instead of this project's kernels: for tests of what CUDA devices do.
    #[must_use]
    pub fn processor() -> Self {
        Self { device: Device::Cpu, name: "cpu".to_owned(), recordings: None }
    }

    /// CUDA device `number`, with a stream of its own.
    ///
    /// # Errors
    /// As [`found`], or when there is no such device.
    pub fn cuda(number: usize) -> Result<Self, DeviceError> {
        Self::open(number, false)
    }

    /// CUDA device `number`, which records work that comes again and replays it. It works on the stream of whichever thread calls, so
    /// one thread at a time may have something for it, and waits ([`Self::finish`], or for values) before the next one has.
    ///
    /// # Errors
    /// As [`Self::cuda`].
    pub fn cuda_recording(number: usize) -> Result<Self, DeviceError> {
        Self::open(number, true)
    }

    fn open(number: usize, records: bool) -> Result<Self, DeviceError> {
        #[cfg(feature = "cuda")]
        {
            let name = format!("cuda:{number}");
            let device = caught(&name, || cuda::open(number, records))?;
            Ok(Self { device, name, recordings: records.then(Arc::default) })
        }
        #[cfg(not(feature = "cuda"))]
        {
            // Only the build decides here.
            let _ = (number, records);
            Err(DeviceError::NotBuilt)
        }
    }

    /// candle's handle.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// `cpu` or `cuda:N`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Is it a CUDA device?
    #[must_use]
    pub fn is_cuda(&self) -> bool {
        self.device.is_cuda()
    }

    /// What an error of candle means here.
    #[must_use]
    pub fn told(&self, error: &candle_core::Error) -> DeviceError {
        DeviceError::of(&self.name, error)
    }

    /// What products are computed in and keys and values are held in when weights are at most bf16: bf16 on CUDA, f32 on the
    /// processor, where candle would widen both sides of every product.
    #[must_use]
    pub fn short_type(&self) -> DType {
        if self.is_cuda() { DType::BF16 } else { DType::F32 }
    }

    /// What became of recordings; `None` where nothing is recorded.
    #[must_use]
    pub fn replays(&self) -> Option<Replays> {
        self.recordings.as_ref().map(|book| book.read())
    }

    /// Does everything piece by piece from now on, or goes on with recordings: for comparing the two.
    pub fn pause_replays(&self, paused: bool) {
        if let Some(book) = &self.recordings {
            book.pause(paused);
        }
    }

    /// What records here.
    #[cfg(feature = "cuda")]
    fn recorder(&self) -> Option<(cuda::GraphRecorder<'_>, &replay::Book)> {
        let book = self.recordings.as_deref()?;
        Some((cuda::GraphRecorder::new(&self.device)?, book))
    }

    /// Memory that nobody uses, where that can be found out.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        #[cfg(feature = "cuda")]
        return cuda::free_bytes(&self.device);
        #[cfg(not(feature = "cuda"))]
        None
    }

    /// Waits until everything that was asked of the device is done.
    ///
    /// # Errors
    /// What the driver says.
    pub fn finish(&self) -> Result<(), DeviceError> {
        self.device.synchronize().map_err(|error| self.told(&error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_say_is_told_apart() {
        let told = |text: &str| DeviceError::of("cuda:1", &candle_core::Error::Msg(text.to_owned()));
        let full = told("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\nwith a trace");
        assert!(matches!(&full, DeviceError::Memory { device, .. } if device == "cuda:1"), "{full:?}");
        assert!(full.to_string().lines().count() == 1 && full.to_string().contains("--quant fp8") && !full.is_lost());
        for text in ["DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"..\")", "CublasError(CUBLAS_STATUS_EXECUTION_FAILED)"] {
            let lost = told(text);
            assert!(lost.is_lost() && lost.to_string().contains("cuda:1 is lost"), "{lost}");
        }
        assert_eq!(told("shape mismatch").to_string(), "cuda:1: shape mismatch");
    }

    #[test]
    fn a_device_that_cannot_be_had_is_an_error_of_one_line() {
        // No machine has this many.
        for error in [OnDevice::cuda(4096).unwrap_err(), found().err().unwrap_or(DeviceError::NotBuilt)] {
            assert!(error.to_string().lines().count() == 1 && !error.is_lost(), "{error}");
        }
        assert!(OnDevice::processor().finish().is_ok());
    }
}
