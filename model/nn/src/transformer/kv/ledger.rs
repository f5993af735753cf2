//! Who uses which page: counts and the list of free pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::KvUsage;

/// A ledger that a store and its branches share, so that a dropped branch gives its pages back.
pub(super) type SharedLedger = Arc<Mutex<Ledger>>;

/// Counts of users, one per page.
#[derive(Debug)]
pub(super) struct Ledger {
    users: Vec<u32>,
    free: Vec<u32>,
    copied: u64,
}

/// No user of the ledger panics half-way through a change, so a poisoned lock holds nothing broken.
pub(super) fn lock(ledger: &SharedLedger) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// A ledger of `pages` free pages; the first is handed out first.
    pub fn shared(pages: usize) -> SharedLedger {
        let free = (0..pages as u32).rev().collect();
        Arc::new(Mutex::new(Self { users: vec![0; pages], free, copied: 0 }))
    }

    pub fn usage(&self) -> KvUsage {
        KvUsage { free: self.free.len(), pages: self.users.len(), copied: self.copied }
    }

    /// A free page, now with one user.
    pub fn take(&mut self) -> Option<u32> {
        let page = self.free.pop()?;
        self.users[page as usize] = 1;
        Some(page)
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
            if *users == 0 {
                self.free.push(*page);
            }
        }
    }

    pub fn is_shared(&self, page: u32) -> bool {
        self.users[page as usize] > 1
    }

    pub fn note_copy(&mut self) {
        self.copied += 1;
    }
}
