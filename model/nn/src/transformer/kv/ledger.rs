//! Who uses which page: counts of users.
//!
//! A branch gets the page behind its last one where that is free, and a new branch begins in the middle of the longest free run, so that
//! branches that grow side by side stay in few runs of pages: on a device a run is read where it lies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::KvUsage;

/// A ledger that a store and its branches share, so that a dropped branch gives its pages back.
pub(super) type SharedLedger = Arc<Mutex<Ledger>>;

/// Counts of users, one per page.
#[derive(Debug)]
pub(super) struct Ledger {
    users: Vec<u32>,
    free: usize,
    copied: u64,
}

/// No user of the ledger panics half-way through a change, so a poisoned lock holds nothing broken.
pub(super) fn lock(ledger: &SharedLedger) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// A ledger of `pages` free pages.
    pub fn shared(pages: usize) -> SharedLedger {
        Arc::new(Mutex::new(Self { users: vec![0; pages], free: pages, copied: 0 }))
    }

    pub fn usage(&self) -> KvUsage {
        KvUsage { free: self.free, pages: self.users.len(), copied: self.copied }
    }

    /// A free page, now with one user: the one behind `last` where it can be had.
    pub fn take(&mut self, last: Option<u32>) -> Option<u32> {
        let next = last.map(|last| last as usize + 1).filter(|next| self.users.get(*next) == Some(&0));
        let page = next.or_else(|| self.fresh())?;
        self.users[page] = 1;
        self.free -= 1;
        Some(page as u32)
    }

    /// Where a branch may begin with room behind it and without taking the room of the one in front of it.
    fn fresh(&self) -> Option<usize> {
        let (mut best, mut first) = (0..0, 0);
        for run in self.users.chunk_by(|a, b| (*a == 0) == (*b == 0)) {
            if run[0] == 0 && run.len() > best.len() {
                best = first..first + run.len();
            }
            first += run.len();
        }
        let middle = if best.start == 0 { 0 } else { best.len() / 2 };
        (!best.is_empty()).then_some(best.start + middle)
    }

    /// One more user for each of `pages`.
    pub fn share(&mut self, pages: &[u32]) {
        pages.iter().for_each(|page| self.users[*page as usize] += 1);
    }

    /// One user less for each of `pages`; a page without users is free.
    pub fn give_back(&mut self, pages: &[u32]) {
        for page in pages {
            let users = &mut self.users[*page as usize];
            *users -= 1;
            self.free += usize::from(*users == 0);
        }
    }

    pub fn is_shared(&self, page: u32) -> bool {
        self.users[page as usize] > 1
    }

    pub fn note_copy(&mut self) {
        self.copied += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn branches_that_grow_side_by_side_stay_in_one_run_each() {
        let shared = Ledger::shared(40);
        let mut ledger = lock(&shared);
        let mut tables = [vec![ledger.take(None).unwrap()], Vec::new(), Vec::new()];
        for table in &mut tables[1..] {
            table.push(ledger.take(None).unwrap());
        }
        for _ in 0..8 {
            for table in &mut tables {
                table.push(ledger.take(table.last().copied()).unwrap());
            }
        }
        for table in &tables {
            assert!(table.is_sorted_by(|a, b| a + 1 == *b), "{table:?}");
        }
        // Every page can be had, and none twice.
        let mut all: Vec<u32> = tables.concat();
        while let Some(page) = ledger.take(all.last().copied()) {
            all.push(page);
        }
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
        assert_eq!(ledger.usage().free, 0);
        ledger.give_back(&all);
        assert_eq!(ledger.usage().free, 40);
    }
}
