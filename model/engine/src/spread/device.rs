//! Devices by name.

use std::fmt;
use std::str::FromStr;

use rhea_nn::device::{DeviceError, OnDevice};

use crate::error::EngineError;

/// Devices that may be named.
const MOST: usize = rhea_nn::parallel::limits::RANKS;

/// Something that a rank runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// The processor; ranks on it share its cores and its memory.
    Cpu,
    /// A CUDA device by its number.
    Cuda(usize),
    /// The processor, through the operations that CUDA devices run instead of the kernels made for it: slower, and for checking
    /// what those compute.
    Candle,
}

impl Device {
    /// Is it the processor? Any number of ranks can share it.
    #[must_use]
    pub fn is_processor(self) -> bool {
        !matches!(self, Self::Cuda(_))
    }

    /// Opens it for one of `parts` ranks that hold parts of the same layers; `None` for the kernels of the processor. Where a rank
    /// holds whole layers, a CUDA device records next-token steps.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn open(self, parts: usize) -> Result<Option<OnDevice>, DeviceError> {
        match self {
            Self::Cpu => Ok(None),
            Self::Candle => Ok(Some(OnDevice::processor())),
            Self::Cuda(number) if parts == 1 => OnDevice::cuda_recording(number).map(Some),
            Self::Cuda(number) => OnDevice::cuda(number).map(Some),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Candle => f.write_str("candle"),
        }
    }
}

/// A device that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name here.
    pub device: Device,
    /// What it is.
    pub name: String,
    /// Memory that it has left; `None` where that cannot be found out.
    pub free_bytes: Option<u64>,
}

impl DeviceInfo {
    /// The processor of this machine.
    #[must_use]
    pub fn processor() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let free_bytes = crate::estimate::available_memory();
        Self { device: Device::Cpu, name: format!("processor, {cores} threads"), free_bytes }
    }
}

/// The devices that ranks of this build can run on, the processor first. Why there are no CUDA devices is said by
/// [`rhea_nn::device::found`], and where one is asked for that is not there.
#[must_use]
pub fn devices_found() -> Vec<DeviceInfo> {
    let cuda = rhea_nn::device::found().unwrap_or_default();
    let cuda = cuda.into_iter().map(|found| DeviceInfo {
        device: Device::Cuda(found.number),
        name: found.name,
        free_bytes: Some(found.free_bytes),
    });
    std::iter::once(DeviceInfo::processor()).chain(cuda).collect()
}

/// What a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceRequest {
    /// All CUDA devices that there are, else the processor.
    #[default]
    Auto,
    /// These.
    These(Vec<Device>),
}

impl FromStr for DeviceRequest {
    type Err = String;

    /// `auto`, `cpu`, CUDA devices as `cuda:0`, `cuda:0,1` or `cuda:0,cuda:1`, or, for checks, `candle`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no device; allowed are auto, cpu, candle, cuda:N and lists such as cuda:0,1 of up to {MOST}"
            )
        };
        match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::These(vec![Device::Cpu])),
            "candle" => return Ok(Self::These(vec![Device::Candle])),
            _ => {}
        }
        let rest = text.strip_prefix("cuda:").ok_or_else(wrong)?;
        let mut devices = Vec::new();
        for part in rest.split(',') {
            let number = part.strip_prefix("cuda:").unwrap_or(part);
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let number = number.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
            let device = Device::Cuda(number);
            if devices.contains(&device) {
                return Err(format!("{device} is named twice in {text:?}; each device may be named once"));
            }
            devices.push(device);
        }
        if devices.len() > MOST { Err(wrong()) } else { Ok(Self::These(devices)) }
    }
}

impl DeviceRequest {
    /// Of the devices that are meant, those that are there: what can be gone on with when one is lost. The processor is not among
    /// them unless it was meant.
    #[must_use]
    pub fn those_left(&self, there: &[DeviceInfo]) -> Vec<DeviceInfo> {
        let meant = |info: &&DeviceInfo| match self {
            Self::Auto => !info.device.is_processor(),
            Self::These(devices) => devices.contains(&info.device),
        };
        there.iter().filter(meant).cloned().collect()
    }

    /// The devices that are meant, of those that there are.
    ///
    /// # Errors
    /// When one is not there; the message names those that are.
    pub fn among(&self, there: &[DeviceInfo]) -> Result<Vec<DeviceInfo>, EngineError> {
        match self {
            Self::Auto => {
                let cuda = |info: &&DeviceInfo| matches!(info.device, Device::Cuda(_));
                let all: Vec<DeviceInfo> = there.iter().filter(cuda).cloned().collect();
                if all.is_empty() { Ok(there.iter().take(1).cloned().collect()) } else { Ok(all) }
            }
            Self::These(devices) => {
                let find = |device: &Device| {
                    if *device == Device::Candle {
                        // The processor is always there.
                        return Ok(DeviceInfo { device: Device::Candle, ..DeviceInfo::processor() });
                    }
                    there.iter().find(|info| info.device == *device).cloned().ok_or_else(|| {
                        let valid = there.iter().map(|info| info.device.to_string()).collect::<Vec<_>>().join(", ");
                        let why = match rhea_nn::device::found() {
                            Err(why) if there.iter().all(|info| info.device.is_processor()) => format!(" ({why})"),
                            _ => String::new(),
                        };
                        EngineError::Devices(format!("there is no {device} here; there are: {valid}{why}"))
                    })
                };
                devices.iter().map(find).collect()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn there() -> Vec<DeviceInfo> {
        let cuda = |n| DeviceInfo { device: Device::Cuda(n), name: "a GPU".to_owned(), free_bytes: Some(80 << 30) };
        vec![DeviceInfo::processor(), cuda(0), cuda(1)]
    }

    #[test]
    fn lists_are_read_and_repeats_and_nonsense_refused() {
        let read = |text: &str| text.parse::<DeviceRequest>();
        assert_eq!(read("auto"), Ok(DeviceRequest::Auto));
        assert_eq!(read("cpu"), Ok(DeviceRequest::These(vec![Device::Cpu])));
        assert_eq!(read("candle"), Ok(DeviceRequest::These(vec![Device::Candle])));
        for text in ["cuda:3,0", "cuda:3,cuda:0"] {
            assert_eq!(read(text), Ok(DeviceRequest::These(vec![Device::Cuda(3), Device::Cuda(0)])));
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:a", "cuda:-1", "cuda:+1", "cuda:0,", "cpu,cuda:0", "cuda:0,cpu"]
        {
            assert!(read(text).unwrap_err().contains("allowed are auto, cpu"), "{text}");
        }
        assert!(read("cuda:1,0,1").unwrap_err().contains("cuda:1 is named twice"));
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_with_those_that_are() {
        let meant = |text: &str| text.parse::<DeviceRequest>().unwrap().among(&there());
        assert_eq!(meant("auto").unwrap().len(), 2);
        assert_eq!(meant("cpu").unwrap()[0].device, Device::Cpu);
        assert_eq!(meant("candle").unwrap()[0].device, Device::Candle);
        let error = meant("cuda:0,7").unwrap_err().to_string();
        assert!(error.contains("no cuda:7 here") && error.contains("cpu, cuda:0, cuda:1"), "{error}");
        let left = |text: &str, there: &[DeviceInfo]| text.parse::<DeviceRequest>().unwrap().those_left(there);
        assert_eq!(left("cuda:1,0,7", &there()).len(), 2);
        assert_eq!(left("cuda:1", &there()[..2]), []);
        assert_eq!(left("auto", &there()).len(), 2);
        let alone = DeviceRequest::Auto.among(&there()[..1]).unwrap();
        assert_eq!(alone[0].device, Device::Cpu);
    }
}
