//! What a store of the first rank knows of those of the others.

use std::sync::Arc;

use super::super::kv::Work;
use super::Team;

/// Beside a store of the first rank: its number with the others, and what is still to be told them.
#[derive(Debug)]
pub(in super::super) struct Remote {
    team: Arc<Team>,
    pub id: u32,
    /// Copies of pages since the last pass: lane, from, to, rows.
    copies: Vec<[u32; 4]>,
    /// What the first rank itself does of a pass; the store's own buffer has the pass of all lanes.
    pub own: Work,
    /// Lane of each wanted row of the last pass, and its number there.
    pub places: Vec<(usize, usize)>,
    /// Logits as they come from the ranks, and in their order.
    pub gathered: Vec<f32>,
    pub joined: Vec<f32>,
    pub words: Vec<u32>,
}

impl Remote {
    pub fn new(team: Arc<Team>, id: u32) -> Self {
        let (own, copies, places) = (Work::default(), Vec::new(), Vec::new());
        Self { team, id, copies, own, places, gathered: Vec::new(), joined: Vec::new(), words: Vec::new() }
    }

    /// A page was copied before it is written to.
    pub fn note_copy(&mut self, lane: usize, from: u32, to: u32, rows: usize) {
        self.copies.push([lane as u32, from, to, rows as u32]);
    }

    /// Does it belong to this team?
    pub fn is_of(&self, team: &Team) -> bool {
        std::ptr::eq(&*self.team, team)
    }

    /// Appends the copies that are due to a message, and forgets them.
    pub fn write_copies(&mut self) {
        self.words.push(self.copies.len() as u32);
        self.words.extend(self.copies.drain(..).flatten());
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.team.forget(self.id);
    }
}
