//! Work that a device does again and again: recorded once, then put there as one piece.
//!
//! A next-token step is some twenty small pieces of work a layer, and each of them costs the processor more than the device. As a
//! CUDA graph all of them are one. The first time work is done piece by piece, which loads whatever it needs; the second time it is
//! recorded; from then on it is replayed. What it reads has to stand in tensors that stay where they are.
//!
//! A recording holds addresses, and numbers as they were. So the first ones on a device are believed only after comparison: the same
//! work is done piece by piece as well, with what stands in its tensors at that time. Whatever a driver refuses to record, or replays
//! wrong, is done piece by piece for good, and [`Replays`] says why.
//!
//! Graphs stay on the thread that recorded them, because handles of CUDA may not change threads; another thread makes its own.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use candle_core::{DType, Result, Tensor};

/// Replays of a device that are compared with the same work done piece by piece.
const COMPARED: u32 = 8;
/// How far a replay may be from that, as a share of the largest value: sums of bf16 products in another order.
const NEAR: f32 = 0.01;

/// What became of recordings on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// Passes that were recorded.
    pub recorded: u64,
    /// Passes that were replayed.
    pub replayed: u64,
    /// Why no more are; `None` while recordings are used.
    pub refused: Option<String>,
    compared: u32,
    paused: bool,
}

/// The recordings of a device; clones of the device share it.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Replays>);

impl Book {
    pub fn read(&self) -> Replays {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, change: impl FnOnce(&mut Replays)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn pause(&self, paused: bool) {
        self.write(|replays| replays.paused = paused);
    }

    fn refuse(&self, why: String) {
        self.write(|replays| replays.refused = Some(why));
    }
}

/// What can record work.
pub(super) trait Recorder {
    /// A recording.
    type Taken;

    /// Does work so that all that it needs is there when it is recorded.
    fn warm(&self, work: &dyn Fn() -> Result<()>) -> Result<()>;

    /// Records work, which is not done.
    fn record(&self, work: &dyn Fn() -> Result<()>) -> std::result::Result<Self::Taken, String>;

    /// Does what was recorded.
    fn replay(&self, taken: &Self::Taken) -> std::result::Result<(), String>;
}

/// Where some work stands on a thread.
enum State<T> {
    Warm,
    Taken(T),
}

/// The recordings of a thread, by whose they are.
pub(super) struct Kept<T>(Vec<(Weak<()>, State<T>)>);

impl<T> Kept<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn take(&mut self, owner: &Arc<()>) -> Option<State<T>> {
        // What nobody owns any more goes.
        self.0.retain(|(weak, _)| weak.strong_count() > 0);
        let at = self.0.iter().position(|(weak, _)| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(owner)))?;
        Some(self.0.swap_remove(at).1)
    }

    fn put(&mut self, owner: &Arc<()>, state: State<T>) {
        self.0.push((Arc::downgrade(owner), state));
    }
}

/// Work that is the same every time but for the values in its tensors.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    owner: Arc<()>,
}

impl Repeated {
    /// Does the work, which ends in `out`; recorded where the device records.
    pub fn run(&self, on: &super::OnDevice, out: &Tensor, work: &dyn Fn() -> Result<()>) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some((recorder, book)) = on.recorder() {
            return super::cuda::with_kept(|kept| self.run_by(&recorder, book, kept, (out, work)));
        }
        #[cfg(not(feature = "cuda"))]
        // Only CUDA devices record.
        let _ = (on, out);
        work()
    }

    fn run_by<R: Recorder>(
        &self,
        recorder: &R,
        book: &Book,
        kept: &mut Kept<R::Taken>,
        (out, work): (&Tensor, &dyn Fn() -> Result<()>),
    ) -> Result<()> {
        let Replays { refused, compared, paused, .. } = book.read();
        if refused.is_some() || paused {
            return work();
        }
        let taken = match kept.take(&self.owner) {
            None => {
                recorder.warm(work)?;
                kept.put(&self.owner, State::Warm);
                return Ok(());
            }
            Some(State::Taken(taken)) => Ok(taken),
            Some(State::Warm) => recorder.record(work).inspect(|_| book.write(|replays| replays.recorded += 1)),
        };
        let replayed = taken.and_then(|taken| recorder.replay(&taken).map(|()| taken));
        let taken = match replayed {
            Ok(taken) => taken,
            Err(why) => {
                book.refuse(why);
                return work();
            }
        };
        if compared < COMPARED {
            let got = values(out)?;
            work()?;
            if let Some(why) = apart(&got, &values(out)?) {
                book.refuse(why);
                return Ok(());
            }
            book.write(|replays| replays.compared += 1);
        }
        book.write(|replays| replays.replayed += 1);
        kept.put(&self.owner, State::Taken(taken));
        Ok(())
    }
}

fn values(of: &Tensor) -> Result<Vec<f32>> {
    of.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// What is wrong with a replay.
fn apart(got: &[f32], want: &[f32]) -> Option<String> {
    let largest = want.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let near = |(got, want): (&f32, &f32)| (got - want).abs() <= NEAR * largest;
    let at = got.iter().zip(want).position(|pair| !near(pair))?;
    Some(format!("a replayed pass gave {} where {} is right", got[at], want[at]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::cell::{Cell, RefCell};

    use candle_core::Device;

    use super::*;

    /// Keeps what work did to its last tensor instead of the work: what a graph does whose inputs were not tensors that stay.
    struct Stale {
        out: Tensor,
        records: bool,
    }

    impl Recorder for Stale {
        type Taken = Tensor;

        fn warm(&self, work: &dyn Fn() -> Result<()>) -> Result<()> {
            work()
        }

        fn record(&self, work: &dyn Fn() -> Result<()>) -> std::result::Result<Tensor, String> {
            work().map_err(|error| error.to_string())?;
            if self.records { self.out.copy().map_err(|error| error.to_string()) } else { Err("not here".to_owned()) }
        }

        fn replay(&self, taken: &Tensor) -> std::result::Result<(), String> {
            self.out.slice_set(taken, 0, 0).map_err(|error| error.to_string())
        }
    }

    /// Does recorded work as it was recorded.
    struct Honest<'a> {
        doubles: &'a dyn Fn() -> Result<()>,
        replays: Cell<u32>,
    }

    impl Recorder for Honest<'_> {
        type Taken = ();

        fn warm(&self, work: &dyn Fn() -> Result<()>) -> Result<()> {
            work()
        }

        fn record(&self, _: &dyn Fn() -> Result<()>) -> std::result::Result<(), String> {
            Ok(())
        }

        fn replay(&self, (): &()) -> std::result::Result<(), String> {
            self.replays.set(self.replays.get() + 1);
            (self.doubles)().map_err(|error| error.to_string())
        }
    }

    /// A tensor that is doubled into another one, as often as is asked: each time what comes out is checked.
    fn doubled<R: Recorder>(times: u32, make: impl Fn(&Tensor, &Tensor) -> R) -> (u32, Replays) {
        let [x, out] = [0; 2].map(|_| Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
        let (recorder, book, kept) = (make(&x, &out), Book::default(), RefCell::new(Kept::new()));
        let (repeated, plain) = (Repeated::default(), Cell::new(0));
        for time in 0..times {
            let values = [0.0, 1.0, 2.0].map(|value| value + time as f32);
            x.slice_set(&Tensor::new(&values, &Device::Cpu).unwrap(), 0, 0).unwrap();
            let work = || {
                plain.set(plain.get() + 1);
                out.slice_set(&(&x * 2.0)?, 0, 0)
            };
            repeated.run_by(&recorder, &book, &mut kept.borrow_mut(), (&out, &work)).unwrap();
            assert_eq!(out.to_vec1::<f32>().unwrap(), values.map(|value| 2.0 * value), "time {time}");
        }
        (plain.get(), book.read())
    }

    #[test]
    fn what_was_recorded_is_compared_and_then_replayed() {
        let (x, out) = (RefCell::new(None), RefCell::new(None));
        let again = || {
            let (x, out): (Tensor, Tensor) = (x.borrow().clone().unwrap(), out.borrow().clone().unwrap());
            out.slice_set(&(&x * 2.0)?, 0, 0)
        };
        let (plain, replays) = doubled(40, |from, to| {
            *x.borrow_mut() = Some(from.clone());
            *out.borrow_mut() = Some(to.clone());
            Honest { doubles: &again, replays: Cell::new(0) }
        });
        // Piece by piece: the first time, and where a replay is compared.
        assert_eq!(plain, 1 + COMPARED);
        assert_eq!((replays.recorded, replays.replayed, replays.refused), (1, 39, None));
    }

    #[test]
    fn what_replays_wrong_or_cannot_be_recorded_is_done_piece_by_piece() {
        let (plain, replays) = doubled(10, |_, out| Stale { out: out.clone(), records: true });
        // Recorded at the second time, compared there and at the third, where the values are others.
        assert_eq!(plain, 1 + 2 + 1 + 7);
        assert_eq!((replays.recorded, replays.replayed), (1, 1));
        assert!(replays.refused.unwrap().contains("a replayed pass gave 2 where 4 is right"));

        let (plain, replays) = doubled(10, |_, out| Stale { out: out.clone(), records: false });
        assert_eq!((plain, replays.recorded, replays.refused.as_deref()), (11, 0, Some("not here")));
    }

    #[test]
    fn what_nobody_owns_is_forgotten() {
        let mut kept = Kept::<()>::new();
        let [first, second] = [Arc::new(()), Arc::new(())];
        kept.put(&first, State::Taken(()));
        kept.put(&second, State::Warm);
        drop(first);
        assert!(matches!(kept.take(&second), Some(State::Warm)));
        assert!(kept.0.is_empty() && kept.take(&second).is_none());
    }
}
