//! What ranks do together.

use thiserror::Error;

/// Why ranks could not do something together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommError {
    /// A rank failed or ended. All ranks that wait, and all that come later, are told the same.
    #[error("rank {rank} of the model {what}; open the model again")]
    Lost {
        /// Which rank.
        rank: usize,
        /// What happened to it.
        what: String,
    },
    /// Ranks came to a meeting with different things in mind.
    #[error("ranks 0 and {rank} disagree: one does {here}, the other {there}")]
    Mismatch {
        /// The rank that differs from rank 0.
        rank: usize,
        /// What rank 0 does.
        here: String,
        /// What the other one does.
        there: String,
    },
    /// A message that cannot be read.
    #[error("a message between ranks ends too early or has no meaning, at word {at} of {words}")]
    Message {
        /// Where reading stopped.
        at: usize,
        /// Length of the message.
        words: usize,
    },
}

/// A rank's end of a group of ranks. Every rank of the group calls the same methods in the same order.
///
/// Transports differ in where values travel: [`super::ThreadRank`] has threads of one process, `NcclRank` of the feature `nccl` has
/// CUDA devices.
pub trait Communicator: Send + Sync {
    /// This rank's number in the group.
    fn rank(&self) -> usize;

    /// Ranks of the group.
    fn ranks(&self) -> usize;

    /// Replaces `values` by their sums over all ranks, added in the order of ranks.
    ///
    /// # Errors
    /// When a rank is lost, or brings another number of values.
    fn all_reduce_sum(&self, values: &mut [f32]) -> Result<(), CommError>;

    /// Fills `out` with the values of all ranks, in the order of ranks. Each may bring as many as it likes.
    ///
    /// # Errors
    /// When a rank is lost.
    fn all_gather(&self, values: &[f32], out: &mut Vec<f32>) -> Result<(), CommError>;

    /// As [`Self::all_gather`] for rank `root` alone; `out` of the others stays as it is.
    ///
    /// # Errors
    /// When a rank is lost.
    fn gather(&self, root: usize, values: &[f32], out: &mut Vec<f32>) -> Result<(), CommError>;

    /// Replaces `values` by those of rank `root`.
    ///
    /// # Errors
    /// When a rank is lost, or has another number of values.
    fn broadcast(&self, root: usize, values: &mut [f32]) -> Result<(), CommError>;

    /// Replaces `words` by those of rank `root`, whatever their number: what is to be done next, drawn tokens among it.
    ///
    /// # Errors
    /// When a rank is lost.
    fn tell(&self, root: usize, words: &mut Vec<u32>) -> Result<(), CommError>;

    /// Returns when all ranks have called it.
    ///
    /// # Errors
    /// When a rank is lost.
    fn barrier(&self) -> Result<(), CommError>;

    /// Is every rank still there? For those who wait for something else than a meeting.
    ///
    /// # Errors
    /// When a rank is lost.
    fn lost(&self) -> Result<(), CommError>;

    /// Tells all ranks, of whatever group, that this one cannot go on. The first failure is the one that all are told.
    fn fail(&self, what: &str);
}
