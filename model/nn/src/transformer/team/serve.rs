//! What a rank does that is not the first.

use std::collections::BTreeMap;

use super::super::kv::{KvStore, Work};
use super::super::shortlist::{Mix, list};
use super::super::{Half, Transformer, TransformerError};
use super::Links;
use super::commands::{Command, Words, copy_pages, read_lane, read_rows};
use crate::parallel::CommError;

/// Does what the first rank says until it says that there is no more.
///
/// # Errors
/// When a rank is lost, a message has no meaning, or memory for keys and values cannot be reserved.
pub fn serve(model: &Transformer, links: &Links) -> Result<(), TransformerError> {
    let mut stores: BTreeMap<u32, KvStore> = BTreeMap::new();
    let (mut words, mut none) = (Vec::new(), Vec::new());
    loop {
        links.world.tell(0, &mut words)?;
        let mut message = Words::new(&words);
        let command = Command::read(&mut message)?;
        let unknown = || CommError::Message { at: 1, words: words.len() };
        match command {
            Command::NewStore(id, rows) => {
                stores.insert(id, model.own_store(1, rows)?);
            }
            Command::DropStore(id) => drop(stores.remove(&id)),
            Command::Pass(id, rows) => {
                let store = stores.get_mut(&id).ok_or_else(unknown)?;
                read_pass(model, &mut message, store)?;
                model.run_layers(&mut store.pages, &mut store.work, rows)?;
            }
            Command::Logits(id, half) => {
                let store = stores.get_mut(&id).ok_or_else(unknown)?;
                let logits = rows_asked(model, &mut message, &mut store.work, half)?;
                links.world.gather(0, logits, &mut none)?;
            }
            Command::Shortlist(id, half, keep, mix) => {
                let store = stores.get_mut(&id).ok_or_else(unknown)?;
                let own = own_list(model, links, &mut message, &mut store.work, (half, keep, mix))?;
                links.world.gather(0, &own, &mut none)?;
            }
            Command::Quit => return Ok(()),
        }
    }
}

/// Takes a pass out of a message: copies of pages, and what the own lane reads.
pub fn read_pass(model: &Transformer, message: &mut Words<'_>, store: &mut KvStore) -> Result<(), CommError> {
    let lane = model.place.lane();
    copy_pages(message, lane, store)?;
    read_lane(message, model.lanes(), lane, &mut store.work)
}

/// Logits of the rows of the own lane that a message asks for, over the own ids.
pub fn rows_asked<'w>(
    model: &Transformer,
    message: &mut Words<'_>,
    work: &'w mut Work,
    half: Half,
) -> Result<&'w mut [f32], TransformerError> {
    let rows = read_rows(message, model.lanes(), model.place.lane(), work.outputs.len())?;
    let Work { stream, normed, scales, logits, .. } = work;
    model.head_logits(stream, rows.into_iter(), (normed, scales, logits), half)
}

/// The list of a draw over the own ids, with its length in front; empty in other lanes than the first.
pub fn own_list(
    model: &Transformer,
    links: &Links,
    message: &mut Words<'_>,
    work: &mut Work,
    (half, keep, mix): (Half, usize, Mix),
) -> Result<Vec<f32>, TransformerError> {
    // The branches in order: lane, and number among the rows of that lane.
    let count = message.count()?;
    let branches = message.some(count.saturating_mul(2))?.as_chunks::<2>().0;
    let (own, n) = (rows_asked(model, message, work, half)?, model.own_len(half));
    let mut all = Vec::new();
    links.across.all_gather(own, &mut all)?;
    if model.place.lane() > 0 {
        return Ok(Vec::new());
    }
    // Lanes came in order, each with its own rows.
    let rows_before = |lane: u32| branches.iter().filter(|branch| branch[0] < lane).count();
    let row = |branch: &[u32; 2]| {
        let first = (rows_before(branch[0]) + branch[1] as usize) * n;
        all.get(first..first + n).ok_or_else(|| message.fault())
    };
    let rows = branches.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let Some((conditional, others)) = rows.split_first() else { return Ok(vec![0.0]) };
    let mut mixed = conditional.to_vec();
    mix.apply(&mut mixed, &others.concat());
    let list = list(&mixed, model.own_ids(half).start, keep);
    Ok([&[list.len() as f32], &list[..]].concat())
}
