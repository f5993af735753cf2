//! Ranks on CUDA devices that meet through NCCL.
//!
//! Collectives are put on each device's own stream, so a sum of a layer costs no wait of the processor for the device. NCCL's handle
//! lives on a thread of its own, which does what it is sent: the handle may not be used from two threads. The library is loaded when
//! the first rank asks for it. Who is lost is known to the threads of the ranks ([`Communicator::lost`] of the group that they came
//! from): a rank that waits for its device looks there, and gives the collective up when somebody is gone.
//!
//! Sums are added in an order of NCCL's choice, which is the same in every run over the same devices.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use candle_core::backend::BackendStorage as _;
use candle_core::cuda_backend::{CudaDevice, CudaStorage, cudarc};
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};
use cudarc::driver::{CudaSlice, CudaStream};
use cudarc::nccl::result::NcclError;
use cudarc::nccl::{Comm, Id, NcclType, ReduceOp};

use super::{DeviceError, OnDevice, caught, driver};
use crate::parallel::{CommError, Communicator};

/// Words that the name of a group travels as.
const ID_WORDS: usize = 32;
/// Looks at a collective before the core is offered to others.
const SPINS: usize = 2000;

/// A rank's end of a group of CUDA devices.
pub struct NcclRank {
    /// To the thread that has NCCL's handle; it ends with this.
    work: Sender<Work>,
    stream: Arc<CudaStream>,
    device: CudaDevice,
    rank: usize,
    ranks: usize,
    /// The threads of the same ranks, who know whether one of them is gone.
    threads: Arc<dyn Communicator>,
}

/// Something to do with NCCL's handle.
type Work = Box<dyn FnOnce(&Comm) + Send>;

impl std::fmt::Debug for NcclRank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NCCL rank {} of {}", self.rank, self.ranks)
    }
}

fn told(doing: &str, error: &NcclError) -> DeviceError {
    DeviceError::Nccl(format!("{doing} failed ({:?})", error.0))
}

/// Makes the name of a new group, as words.
///
/// # Errors
/// When NCCL is not there.
pub fn new_group() -> Result<Vec<u32>, DeviceError> {
    driver::has_nccl()?;
    let id = caught("NCCL", || Id::new().map_err(|error| told("making a group", &error)))?;
    let bytes: Vec<u8> = id.internal().iter().map(|byte| *byte as u8).collect();
    Ok(bytes.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect())
}

impl NcclRank {
    /// Joins the group of a name; returns when all ranks have. `threads` is the group of the threads of the same ranks.
    ///
    /// # Errors
    /// When NCCL is not there, the name is none, the device is no CUDA device, or NCCL cannot connect the devices.
    pub fn join(on: &OnDevice, name: &[u32], threads: Arc<dyn Communicator>) -> Result<Self, DeviceError> {
        driver::has_nccl()?;
        let Device::Cuda(device) = on.device() else {
            return Err(DeviceError::Nccl(format!("{} is no CUDA device", on.name())));
        };
        if name.len() != ID_WORDS {
            return Err(DeviceError::Nccl(format!("a group's name of {} words; it has {ID_WORDS}", name.len())));
        }
        let mut internal = [0; ID_WORDS * 4];
        let bytes = name.iter().flat_map(|word| word.to_le_bytes());
        internal.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte as _);
        let (stream, rank, ranks) = (device.cuda_stream(), threads.rank(), threads.ranks());
        let (work, ordered) = channel::<Work>();
        let (tell, joined) = channel();
        let own = Arc::clone(&stream);
        let serve = move || {
            let join = || {
                own.context().bind_to_thread().map_err(|error| DeviceError::Nccl(format!("{error:?}")))?;
                let comm = Comm::from_rank(Arc::clone(&own), rank, ranks, Id::uninit(internal));
                comm.map_err(|error| told("joining a group", &error))
            };
            let (comm, joined) = match caught("NCCL", join) {
                Ok(comm) => (Some(comm), Ok(())),
                Err(why) => (None, Err(why)),
            };
            // Whoever waits for it is still there, or nothing is to be done.
            tell.send(joined).ok();
            if let Some(comm) = comm {
                ordered.iter().for_each(|work| work(&comm));
            }
        };
        let started = std::thread::Builder::new().name(format!("nccl {rank}")).spawn(serve);
        started.map_err(|error| DeviceError::Nccl(format!("no thread for it: {error}")))?;
        joined.recv().map_err(|_| DeviceError::Nccl("its thread ended".to_owned()))??;
        Ok(Self { work, stream, device: device.clone(), rank, ranks, threads })
    }

    /// Has the thread with the handle do something, and waits for what comes of it; `None` when the thread has ended.
    fn with<R: Send + 'static>(&self, work: impl FnOnce(&Comm) -> R + Send + 'static) -> Option<R> {
        let (tell, done) = channel();
        let work = move |comm: &Comm| drop(tell.send(work(comm)));
        self.work.send(Box::new(work)).ok()?;
        done.recv().ok()
    }

    /// The sum over all ranks of a tensor of f32 on this rank's device. It is put on the stream: nobody waits.
    ///
    /// # Errors
    /// What the device or NCCL says.
    pub fn sum(&self, part: &Tensor) -> candle_core::Result<Tensor> {
        part.to_dtype(DType::F32)?.contiguous()?.apply_op1_no_bwd(&SumOp(self))
    }

    /// Waits until the device has done what stands on its stream, or until a rank is lost.
    ///
    /// # Errors
    /// When a rank is lost or the device fails.
    pub fn wait(&self) -> Result<(), CommError> {
        let failed = |what: String| CommError::Lost { rank: self.rank, what };
        let event = self.stream.record_event(None).map_err(|error| failed(format!("stopped: {error:?}")))?;
        let mut looks = 0_usize;
        while !event.is_complete() {
            self.threads.lost()?;
            looks += 1;
            if looks > SPINS { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        self.stream.context().check_err().map_err(|error| failed(format!("stopped: {error:?}")))
    }

    /// Runs a collective over values of the host, through the device, and brings back `out` values.
    fn through<T: NcclType + cudarc::driver::DeviceRepr + cudarc::driver::ValidAsZeroBits + Send + 'static>(
        &self,
        doing: &str,
        values: &[T],
        out: usize,
        work: impl FnOnce(&Comm, &CudaSlice<T>, &mut CudaSlice<T>) -> Result<(), NcclError> + Send + 'static,
    ) -> Result<Vec<T>, CommError> {
        self.threads.lost()?;
        let failed = |what: String| CommError::Lost { rank: self.rank, what: format!("stopped: {doing}: {what}") };
        let driver = |error: cudarc::driver::DriverError| failed(format!("{error:?}"));
        // NCCL takes no empty buffers.
        let own = self.stream.clone_htod(values).map_err(driver)?;
        let mut all = self.stream.alloc_zeros::<T>(out.max(1)).map_err(driver)?;
        let done = self.with(move |comm| work(comm, &own, &mut all).map(|()| (own, all)));
        let ended = || failed("its thread ended".to_owned());
        // Both buffers live until the collective has ended.
        let (_own, all) = done.ok_or_else(ended)?.map_err(|error| failed(format!("{:?}", error.0)))?;
        self.wait()?;
        let mut all = self.stream.clone_dtoh(&all).map_err(driver)?;
        all.truncate(out);
        Ok(all)
    }

    /// How many values each rank brings.
    fn counts(&self, own: usize) -> Result<Vec<usize>, CommError> {
        let counts =
            self.through("a count", &[own as u32], self.ranks, |comm, own, all| comm.all_gather(own, all).map(|_| ()))?;
        Ok(counts.into_iter().map(|count| count as usize).collect())
    }
}

/// The sum as an operation of candle.
struct SumOp<'a>(&'a NcclRank);

impl CustomOp1 for SumOp<'_> {
    fn name(&self) -> &'static str {
        "nccl-sum"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        candle_core::bail!("NCCL sums values of CUDA devices alone")
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        let Some((from, to)) = layout.contiguous_offsets() else { candle_core::bail!("a sum of strided values") };
        let part = storage.as_cuda_slice::<f32>()?.slice(from..to);
        let mut sum = self.0.device.alloc_zeros::<f32>(to - from)?;
        self.0.device.memcpy_dtod(&part, &mut sum)?;
        let done = self.0.with(move |comm| comm.all_reduce_in_place(&mut sum, &ReduceOp::Sum).map(|_| sum));
        let Some(done) = done else { candle_core::bail!("the thread of NCCL ended") };
        let sum = done.map_err(|error| candle_core::Error::Msg(told("a sum", &error).to_string()))?;
        Ok((CudaStorage::wrap_cuda_slice(sum, storage.device().clone()), layout.shape().clone()))
    }
}

impl Communicator for NcclRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn lost(&self) -> Result<(), CommError> {
        self.threads.lost()
    }

    fn all_reduce_sum(&self, values: &mut [f32]) -> Result<(), CommError> {
        let sums = self.through("a sum", values, values.len(), |comm, own, all| {
            comm.all_reduce(own, all, &ReduceOp::Sum).map(|_| ())
        })?;
        values.copy_from_slice(&sums);
        Ok(())
    }

    fn all_gather(&self, values: &[f32], out: &mut Vec<f32>) -> Result<(), CommError> {
        let counts = self.counts(values.len())?;
        // Ranks bring as many as they like, NCCL takes as many of each.
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        let mut padded = values.to_vec();
        padded.resize(most, 0.0);
        let all = self.through("a gathering", &padded, most * self.ranks, |comm, own, all| {
            comm.all_gather(own, all).map(|_| ())
        })?;
        out.clear();
        all.chunks_exact(most).zip(counts).for_each(|(values, count)| out.extend_from_slice(&values[..count]));
        Ok(())
    }

    fn gather(&self, root: usize, values: &[f32], out: &mut Vec<f32>) -> Result<(), CommError> {
        let mut all = Vec::new();
        self.all_gather(values, &mut all)?;
        if root == self.rank {
            *out = all;
        }
        Ok(())
    }

    fn broadcast(&self, root: usize, values: &mut [f32]) -> Result<(), CommError> {
        let counts = self.counts(values.len())?;
        if let Some((rank, other)) = counts.iter().enumerate().find(|(_, other)| **other != counts[0]) {
            let values = |count: usize| format!("a copy of {count} values");
            return Err(CommError::Mismatch { rank, here: values(counts[0]), there: values(*other) });
        }
        let copied = self.through("a copy", values, values.len(), move |comm, own, all| {
            comm.broadcast(Some(own), all, root as i32).map(|_| ())
        })?;
        values.copy_from_slice(&copied);
        Ok(())
    }

    fn tell(&self, root: usize, words: &mut Vec<u32>) -> Result<(), CommError> {
        let count = self.counts(words.len())?[root];
        words.resize(count, 0);
        let told = self.through("a message", words, count, move |comm, own, all| {
            comm.broadcast(Some(own), all, root as i32).map(|_| ())
        })?;
        *words = told;
        Ok(())
    }

    fn barrier(&self) -> Result<(), CommError> {
        self.counts(0).map(|_| ())
    }

    fn fail(&self, what: &str) {
        self.threads.fail(what);
    }
}
