//! Ranks that are threads of one process.
//!
//! A meeting has two sets of slots, one slot a rank, used in turn: a rank fills its slot, waits until all have, and reads what it
//! needs. When everybody has arrived at a meeting, everybody has finished reading the one before, so the set of slots before
//! that is free again: one wait for each meeting. A rank that waits spins for a moment, then gives its core away, then
//! sleeps.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::{CommError, Communicator};

/// Looks at a meeting before the core is offered to others: some tens of microseconds, longer than ranks usually differ, and
/// about as long as it takes to be woken.
const SPINS: usize = 1500;
/// Times that the core is offered before the rank sleeps.
const YIELDS: usize = 4;
/// Looks at a meeting where there are more ranks than cores, and spinning keeps others from arriving.
const CROWDED_SPINS: usize = 50;

/// What all groups of a world share: who is lost, and where ranks sleep.
#[derive(Debug)]
struct Shared {
    lost: AtomicBool,
    failure: Mutex<Option<(usize, String)>>,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
    spins: usize,
}

/// The lock of something that is never left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn fail(&self, rank: usize, what: &str) {
        lock(&self.failure).get_or_insert_with(|| (rank, what.to_owned()));
        self.lost.store(true, Ordering::SeqCst);
        drop(lock(&self.bed));
        self.bell.notify_all();
    }

    fn check(&self) -> Result<(), CommError> {
        if !self.lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        let failure = lock(&self.failure).clone();
        let (rank, what) = failure.unwrap_or_else(|| (0, "is lost".to_owned()));
        Err(CommError::Lost { rank, what })
    }

    /// Wakes those who sleep; costs a look when nobody does.
    fn ring(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.bed));
            self.bell.notify_all();
        }
    }

    /// Waits until `done`, or until somebody is lost.
    fn wait(&self, done: impl Fn() -> bool) -> Result<(), CommError> {
        for _ in 0..self.spins {
            if done() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        for _ in 0..YIELDS {
            if done() {
                return Ok(());
            }
            std::thread::yield_now();
        }
        let mut bed = lock(&self.bed);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !done() && !self.lost.load(Ordering::SeqCst) {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        drop(bed);
        if done() { Ok(()) } else { self.check() }
    }
}

/// What a rank brings to a meeting.
#[derive(Debug, Default)]
struct Slot {
    doing: &'static str,
    values: Vec<f32>,
    words: Vec<u32>,
}

/// Ranks that meet.
#[derive(Debug)]
struct Group {
    shared: Arc<Shared>,
    arrived: AtomicUsize,
    meeting: AtomicUsize,
    slots: [Vec<RwLock<Slot>>; 2],
}

/// Ranks of one process that can form groups.
#[derive(Clone, Debug)]
pub struct ThreadWorld {
    shared: Arc<Shared>,
}

impl ThreadWorld {
    /// A world of ranks that use so many threads altogether.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let spins = if threads > cores { CROWDED_SPINS } else { SPINS };
        let (lost, sleepers) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (failure, bed, bell) = (Mutex::new(None), Mutex::new(()), Condvar::new());
        Self { shared: Arc::new(Shared { lost, failure, sleepers, bed, bell, spins }) }
    }

    /// A group of ranks that have these numbers in the world; in the group they count from 0. A rank may be in several groups;
    /// one that is dropped is lost to all of them.
    #[must_use]
    pub fn group(&self, world_ranks: &[usize]) -> Vec<ThreadRank> {
        let slots = || world_ranks.iter().map(|_| RwLock::default()).collect();
        let group = Arc::new(Group {
            shared: Arc::clone(&self.shared),
            arrived: AtomicUsize::new(0),
            meeting: AtomicUsize::new(0),
            slots: [slots(), slots()],
        });
        let rank = |(rank, world_rank): (usize, &usize)| ThreadRank {
            group: Arc::clone(&group),
            rank,
            world_rank: *world_rank,
            turn: AtomicUsize::new(0),
        };
        world_ranks.iter().enumerate().map(rank).collect()
    }
}

/// A thread's end of a group.
#[derive(Debug)]
pub struct ThreadRank {
    group: Arc<Group>,
    rank: usize,
    world_rank: usize,
    /// Meetings so far; its parity says which slots are used.
    turn: AtomicUsize,
}

impl ThreadRank {
    /// Fills the own slot and waits for all. The slots stay as they are until this rank comes to the next meeting.
    fn meet(&self, doing: &'static str, fill: impl FnOnce(&mut Slot)) -> Result<&[RwLock<Slot>], CommError> {
        let Group { shared, arrived, meeting, slots } = &*self.group;
        shared.check()?;
        let slots = &slots[self.turn.fetch_add(1, Ordering::Relaxed) % 2];
        {
            let mut slot = slots[self.rank].write().unwrap_or_else(PoisonError::into_inner);
            slot.doing = doing;
            slot.values.clear();
            slot.words.clear();
            fill(&mut slot);
        }
        let now = meeting.load(Ordering::SeqCst);
        if arrived.fetch_add(1, Ordering::SeqCst) + 1 == slots.len() {
            arrived.store(0, Ordering::SeqCst);
            meeting.store(now.wrapping_add(1), Ordering::SeqCst);
            shared.ring();
        } else {
            shared.wait(|| meeting.load(Ordering::SeqCst) != now)?;
        }
        let first = read_slot(&slots[0]).doing;
        match (1..slots.len()).map(|rank| (rank, read_slot(&slots[rank]).doing)).find(|(_, doing)| *doing != first) {
            Some((rank, there)) => Err(CommError::Mismatch { rank, here: first.to_owned(), there: there.to_owned() }),
            None => Ok(slots),
        }
    }
}

fn read_slot(slot: &RwLock<Slot>) -> std::sync::RwLockReadGuard<'_, Slot> {
    slot.read().unwrap_or_else(PoisonError::into_inner)
}

/// Do all ranks bring as many values as this one?
fn check_len(slots: &[RwLock<Slot>], len: usize) -> Result<(), CommError> {
    let values = |count: usize| format!("a sum or copy of {count} values");
    match slots.iter().map(|slot| read_slot(slot).values.len()).enumerate().find(|(_, other)| *other != len) {
        Some((rank, other)) => Err(CommError::Mismatch { rank, here: values(len), there: values(other) }),
        None => Ok(()),
    }
}

impl Communicator for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.group.slots[0].len()
    }

    fn all_reduce_sum(&self, values: &mut [f32]) -> Result<(), CommError> {
        if self.ranks() == 1 {
            return self.group.shared.check();
        }
        let slots = self.meet("a sum", |slot| slot.values.extend_from_slice(values))?;
        check_len(slots, values.len())?;
        for (rank, slot) in slots.iter().enumerate() {
            let slot = read_slot(slot);
            if rank == 0 {
                values.copy_from_slice(&slot.values);
            } else {
                values.iter_mut().zip(&slot.values).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn all_gather(&self, values: &[f32], out: &mut Vec<f32>) -> Result<(), CommError> {
        if self.ranks() == 1 {
            out.clear();
            out.extend_from_slice(values);
            return self.group.shared.check();
        }
        let slots = self.meet("a gathering", |slot| slot.values.extend_from_slice(values))?;
        out.clear();
        slots.iter().for_each(|slot| out.extend_from_slice(&read_slot(slot).values));
        Ok(())
    }

    fn gather(&self, root: usize, values: &[f32], out: &mut Vec<f32>) -> Result<(), CommError> {
        let slots = self.meet("a collection", |slot| slot.values.extend_from_slice(values))?;
        if root == self.rank {
            out.clear();
            slots.iter().for_each(|slot| out.extend_from_slice(&read_slot(slot).values));
        }
        Ok(())
    }

    fn broadcast(&self, root: usize, values: &mut [f32]) -> Result<(), CommError> {
        let own = if root == self.rank { &*values } else { &[] };
        let slots = self.meet("a copy", |slot| slot.values.extend_from_slice(own))?;
        let from = read_slot(&slots[root]);
        if from.values.len() != values.len() {
            let count = |count: usize| format!("a copy of {count} values");
            let (here, there) = (count(from.values.len()), count(values.len()));
            return Err(CommError::Mismatch { rank: self.rank, here, there });
        }
        values.copy_from_slice(&from.values);
        Ok(())
    }

    fn tell(&self, root: usize, words: &mut Vec<u32>) -> Result<(), CommError> {
        let own = if root == self.rank { &words[..] } else { &[] };
        let slots = self.meet("a message", |slot| slot.words.extend_from_slice(own))?;
        if root != self.rank {
            words.clear();
            words.extend_from_slice(&read_slot(&slots[root]).words);
        }
        Ok(())
    }

    fn barrier(&self) -> Result<(), CommError> {
        self.meet("a barrier", |_| {}).map(|_| ())
    }

    fn lost(&self) -> Result<(), CommError> {
        self.group.shared.check()
    }

    fn fail(&self, what: &str) {
        self.group.shared.fail(self.world_rank, what);
    }
}

impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.group.shared.fail(self.world_rank, "has ended");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Runs `work` on a thread for each rank of one group; results in the order of ranks.
    fn together<T: Send>(ranks: usize, work: impl Fn(ThreadRank) -> T + Sync) -> Vec<T> {
        let group = ThreadWorld::new(ranks).group(&(0..ranks).collect::<Vec<_>>());
        let work = &work;
        std::thread::scope(|scope| {
            let running: Vec<_> = group.into_iter().map(|rank| scope.spawn(move || work(rank))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// A pause that differs from rank to rank and from turn to turn.
    fn dawdle(rank: usize, turn: usize) {
        match (rank * 7 + turn * 5) % 11 {
            0 => std::thread::sleep(Duration::from_micros(300)),
            1..4 => std::thread::yield_now(),
            _ => {}
        }
    }

    #[test]
    fn sums_are_in_the_order_of_ranks_whatever_the_timing() {
        // Values whose sum depends on the order: 1e8 + 1 - 1e8 is 0 or 1.
        let value = |rank: usize, i: usize| [1e8, 1.0, -1e8, 0.25][(rank + i) % 4];
        for ranks in [1, 2, 3, 5] {
            let want: Vec<f32> = (0..6).map(|i| (0..ranks).map(|rank| value(rank, i)).sum()).collect();
            let all = together(ranks, |comm| {
                for turn in 0..200 {
                    dawdle(comm.rank(), turn);
                    let mut values: Vec<f32> = (0..6).map(|i| value(comm.rank(), i)).collect();
                    comm.all_reduce_sum(&mut values).unwrap();
                    assert_eq!(
                        values,
                        (0..6).map(|i| (1..ranks).fold(value(0, i), |s, r| s + value(r, i))).collect::<Vec<_>>()
                    );
                }
                comm.barrier().unwrap();
                let mut values: Vec<f32> = (0..6).map(|i| value(comm.rank(), i)).collect();
                comm.all_reduce_sum(&mut values).unwrap();
                comm.barrier().unwrap();
                values
            });
            assert!(all.iter().all(|values| values.len() == want.len() && *values == all[0]), "{ranks}");
        }
    }

    #[test]
    fn what_is_gathered_copied_and_told_arrives() {
        together(3, |comm| {
            let rank = comm.rank();
            for turn in 0..50 {
                dawdle(rank, turn);
                let (mut all, own) = (vec![9.0; 7], vec![rank as f32; rank]);
                comm.all_gather(&own, &mut all).unwrap();
                assert_eq!(all, [1.0, 2.0, 2.0]);
                all = vec![7.0];
                comm.gather(1, &own, &mut all).unwrap();
                assert_eq!(all, if rank == 1 { vec![1.0, 2.0, 2.0] } else { vec![7.0] });
                let mut values = [rank as f32, turn as f32];
                comm.broadcast(2, &mut values).unwrap();
                assert_eq!(values, [2.0, turn as f32]);
                let mut words = if rank == 0 { vec![turn as u32; turn] } else { vec![1] };
                comm.tell(0, &mut words).unwrap();
                assert_eq!(words, vec![turn as u32; turn]);
            }
            comm.barrier().unwrap();
        });
    }

    #[test]
    fn a_rank_that_is_dropped_or_fails_wakes_all_groups() {
        for fails in [false, true] {
            let world = ThreadWorld::new(4);
            let (left, right) = (world.group(&[0, 1]), world.group(&[2, 3]));
            let began = Instant::now();
            std::thread::scope(|scope| {
                let mut waiting = Vec::new();
                let mut quitter = None;
                for (i, rank) in left.into_iter().chain(right).enumerate() {
                    if i == 3 {
                        quitter = Some(rank);
                    } else if i != 1 {
                        waiting.push(scope.spawn(move || rank.all_reduce_sum(&mut [1.0]).unwrap_err()));
                    } else {
                        // Rank 1 never comes; it lives on until the others were woken.
                        waiting.push(scope.spawn(move || rank.group.shared.wait(|| false).unwrap_err()));
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
                let quitter = quitter.unwrap();
                let what = if fails { "ran out of memory" } else { "has ended" };
                if fails {
                    quitter.fail(what);
                }
                drop(quitter);
                for thread in waiting {
                    assert_eq!(thread.join().unwrap(), CommError::Lost { rank: 3, what: what.to_owned() });
                }
            });
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    }

    #[test]
    fn ranks_that_do_different_things_are_told_so() {
        let errors = together(2, |comm| {
            let done = if comm.rank() == 0 { comm.barrier() } else { comm.all_reduce_sum(&mut [1.0]) };
            let error = done.unwrap_err();
            // Nobody leaves before the other has looked.
            std::thread::sleep(Duration::from_millis(10));
            error
        });
        assert!(errors.iter().all(|e| matches!(e, CommError::Mismatch { rank: 1, .. })), "{errors:?}");
        let errors = together(2, |comm| {
            let error = comm.all_reduce_sum(&mut vec![0.0; 1 + comm.rank()]).unwrap_err();
            std::thread::sleep(Duration::from_millis(10));
            error
        });
        assert!(errors.iter().any(|e| e.to_string().contains("2 values")), "{errors:?}");
    }
}
