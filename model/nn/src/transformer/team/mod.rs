//! A transformer on several ranks of this process.
//!
//! The first rank plans: it checks what is asked for, keeps the books of the pages, and tells all ranks what to do, as words of a
//! message ([`commands`]): which tokens, drawn ones among them, which pages, which rows are wanted. Every rank then runs its
//! layers, heads and lane, and they meet at each sum. So whatever decodes over one rank decodes over several, and what is decided
//! is decided once.
//!
//! * [`Team`] is the first rank's handle of the others; [`serve`] is what they do;
//! * [`Remote`] is what a store of the first rank knows of theirs.
//!
//! A transport between processes would bring its own [`Communicator`]s for [`Links`] and call [`serve::serve`] there; messages
//! are words already.
//!
//! Invariant: a rank that fails is an error of the next thing that is asked for, and no rank waits for it.

mod commands;
mod remote;
mod serve;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rayon::{ThreadPool, ThreadPoolBuilder};

use self::commands::{Command, Words, write_lanes, write_rows};
pub(super) use self::remote::Remote;
use self::serve::{own_list, rows_asked, serve};
use super::passes::Rows;
use super::shortlist::{Mix, Shortlist, join};
use super::{Half, KvStore, Transformer, TransformerError};
use crate::NnError;
use crate::parallel::{Communicator, Place, Slice, Spread, ThreadWorld, keep_to_core};

/// The groups that a rank belongs to.
pub(super) struct Links {
    /// All ranks: what is to be done, and what comes back to the first.
    pub world: Box<dyn Communicator>,
    /// The ranks that hold one whole model together.
    pub lane: Arc<dyn Communicator>,
    /// The ranks of all lanes that hold the same part.
    pub across: Box<dyn Communicator>,
    /// Where rows are shared out, the ranks of this lane beside this one.
    pub sharing: Option<Sharing>,
}

/// The groups of a rank whose lane shares out the rows of passes.
pub(super) struct Sharing {
    /// The ranks that hold the parts of layers and read the same rows.
    pub parts: Arc<dyn Communicator>,
    /// The ranks that hold the same part and read other rows.
    pub readers: Box<dyn Communicator>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.world.rank(), self.world.ranks())
    }
}

/// The other ranks.
#[derive(Debug)]
pub(super) struct Team {
    links: Arc<Links>,
    /// The threads of the first rank's kernels.
    pool: ThreadPool,
    /// One thing at a time.
    turn: Mutex<()>,
    next_store: AtomicU32,
    slices: Vec<Slice>,
    held_bytes: Vec<u64>,
    workers: Vec<JoinHandle<()>>,
}

/// What a rank says when it is ready: bytes of weights that it holds, and what it was loaded from in brief.
type Ready = (usize, Result<(u64, u64), NnError>);

impl Transformer {
    /// A model on several ranks, each a thread of this process with `threads` threads for its kernels. `build` makes what a rank
    /// holds, on the rank's own thread; each rank opens its files itself.
    ///
    /// # Errors
    /// What `build` says, and when ranks were not given the same model or threads cannot be started.
    pub fn spread(
        spread: Spread,
        threads: usize,
        build: impl Fn(Place) -> Result<Self, NnError> + Send + Sync + 'static,
    ) -> Result<Self, NnError> {
        if spread == Spread::SINGLE {
            return build(Place::ONLY);
        }
        let ranks = spread.ranks();
        if ranks == 0 || ranks > crate::parallel::limits::RANKS {
            let most = crate::parallel::limits::RANKS;
            return Err(NnError::Input(format!("a model on {ranks} ranks; allowed are 1 to {most}")));
        }
        let (mut links, build) = (links(spread, threads), Arc::new(build));
        let first = Arc::new(links.remove(0));
        let (sender, ready) = channel();
        let mut workers = Vec::new();
        for (rank, links) in (1..).zip(links) {
            let (build, sender, links) = (Arc::clone(&build), sender.clone(), Arc::new(links));
            let work = move || run_rank(Place { spread, rank }, threads, &*build, &links, &sender);
            let name = format!("rhea-rank-{rank}");
            let thread = std::thread::Builder::new().name(name.clone()).spawn(work);
            workers.push(thread.map_err(|e| NnError::Input(format!("thread {name} cannot be started: {e}")))?);
        }
        drop(sender);
        let pool = rank_pool(Place { spread, rank: 0 }, threads)?;
        let built = pool.install(|| build(Place { spread, rank: 0 }));
        let mut held_bytes = vec![0; ranks];
        let built = built.and_then(|mut model| {
            held_bytes[0] = model.held_bytes();
            hear_ready(&ready, model.fingerprint, &mut held_bytes)?;
            pool.install(|| connect(&mut model, &first))?;
            Ok(model)
        });
        let mut model = match built {
            Ok(model) => model,
            Err(error) => {
                first.world.fail("was not opened");
                end(workers);
                return Err(error);
            }
        };
        let slice = |rank| Place { spread, rank }.slice(model.config(), model.visual_start());
        let slices = (0..ranks).map(slice).collect();
        model.links = Some(Arc::clone(&first));
        model.team = Some(Arc::new(Team {
            links: first,
            pool,
            turn: Mutex::new(()),
            next_store: AtomicU32::new(0),
            slices,
            held_bytes,
            workers,
        }));
        Ok(model)
    }

    /// Bytes of weights that each rank holds, norms and mapped ones included.
    #[must_use]
    pub fn rank_bytes(&self) -> Vec<u64> {
        self.team.as_ref().map_or_else(|| vec![self.held_bytes()], |team| team.held_bytes.clone())
    }

    /// The largest of the logits behind the last rows of the branches of the last pass, mixed: `keep` of them, and ties. Each
    /// rank looks for its own, and lists travel instead of logits. `None` for a model that is alone, where that saves
    /// nothing.
    ///
    /// # Errors
    /// When the last pass had another number of branches than `mix` takes, or a rank is lost.
    pub fn shortlist(
        &self,
        store: &mut KvStore,
        half: Half,
        mix: Mix,
        keep: usize,
    ) -> Result<Option<Shortlist>, TransformerError> {
        let Some(team) = &self.team else { return Ok(None) };
        if store.work.spans.len() != mix.branches() {
            let text = format!("a mix of {} branches of a pass of {}", mix.branches(), store.work.spans.len());
            return Err(TransformerError::Input(text));
        }
        team.shortlist(self, store, (half, keep, mix)).map(Some)
    }

    /// Logits of a half of the vocabulary that this rank makes.
    pub(super) fn own_len(&self, half: Half) -> usize {
        self.own_ids(half).len()
    }

    /// Which these are, counted from the first of the half.
    pub(super) fn own_ids(&self, half: Half) -> std::ops::Range<usize> {
        ids(&self.slice, half)
    }
}

fn ids(slice: &Slice, half: Half) -> std::ops::Range<usize> {
    match half {
        Half::Text => slice.text.clone(),
        Half::Visual => slice.visual.clone(),
    }
}

/// The links of all ranks.
fn links(spread: Spread, threads: usize) -> Vec<Links> {
    let Spread { lanes, .. } = spread;
    let (ranks, lane_ranks) = (spread.ranks(), spread.lane_ranks());
    let world = ThreadWorld::new(ranks * threads.max(1));
    let everybody: Vec<usize> = (0..ranks).collect();
    let mut of_lanes: Vec<_> =
        everybody.chunks(lane_ranks).flat_map(|lane| world.group(lane)).map(|rank| Some(Arc::new(rank))).collect();
    let mut of_parts: Vec<_> = (0..ranks).map(|_| None).collect();
    for part in 0..lane_ranks {
        let same: Vec<usize> = (0..lanes).map(|lane| lane * lane_ranks + part).collect();
        for (rank, link) in same.iter().zip(world.group(&same)) {
            of_parts[*rank] = Some(Box::new(link));
        }
    }
    let mut sharing = sharing(spread, &world);
    let mut all = Vec::with_capacity(ranks);
    for (rank, link) in world.group(&everybody).into_iter().enumerate() {
        if let (Some(lane), Some(across)) = (of_lanes[rank].take(), of_parts[rank].take()) {
            all.push(Links { world: Box::new(link), lane, across, sharing: sharing[rank].take() });
        }
    }
    all
}

/// For each rank, the groups within its lane; `None` where rows are not shared out.
fn sharing(spread: Spread, world: &ThreadWorld) -> Vec<Option<Sharing>> {
    let Spread { tensor, context, .. } = spread;
    if context == 1 {
        return (0..spread.ranks()).map(|_| None).collect();
    }
    let ranks: Vec<usize> = (0..spread.ranks()).collect();
    let of_parts = ranks.chunks(tensor).flat_map(|parts| world.group(parts));
    let mut of_readers: Vec<_> = ranks.iter().map(|_| None).collect();
    for lane in ranks.chunks(spread.lane_ranks()) {
        for part in 0..tensor {
            let same: Vec<usize> = lane.iter().copied().skip(part).step_by(tensor).collect();
            for (rank, link) in same.iter().zip(world.group(&same)) {
                of_readers[*rank] = Some(link);
            }
        }
    }
    let both = of_parts.zip(of_readers);
    both.map(|(parts, readers)| Some(Sharing { parts: Arc::new(parts), readers: Box::new(readers?) })).collect()
}

/// The threads of a rank's kernels: its own, on cores of their own where there are enough, so that ranks do not wait for each
/// other's products.
fn rank_pool(Place { spread, rank }: Place, threads: usize) -> Result<ThreadPool, NnError> {
    let (threads, name) = (threads.max(1), move |thread| format!("rhea-rank-{rank}-{thread}"));
    let keep = move |thread| keep_to_core(rank * threads + thread, spread.ranks() * threads);
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).start_handler(keep).build();
    pool.map_err(|e| NnError::Input(format!("the threads of rank {rank} cannot be started: {e}")))
}

/// The life of a rank that is not the first.
fn run_rank(
    place: Place,
    threads: usize,
    build: &(impl Fn(Place) -> Result<Transformer, NnError> + Sync),
    links: &Arc<Links>,
    sender: &Sender<Ready>,
) {
    let say = |ready| {
        // The first rank no longer listens where it has failed itself; its end is heard in the world.
        if sender.send((place.rank, ready)).is_err() {
            links.world.fail("was not opened");
        }
    };
    let live = || {
        let pool = match rank_pool(place, threads) {
            Ok(pool) => pool,
            Err(error) => return say(Err(error)),
        };
        pool.install(|| {
            let mut model = match build(place) {
                Ok(model) => model,
                Err(error) => return say(Err(error)),
            };
            model.links = Some(Arc::clone(links));
            say(Ok((model.held_bytes(), model.fingerprint)));
            if let Err(error) = connect(&mut model, links).and_then(|()| serve(&model, links)) {
                links.world.fail(&format!("stopped: {error}"));
            }
        });
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(live)) {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("stopped: {}", text.unwrap_or("its thread panicked"));
        links.world.fail(&what);
        // Where it was not ready yet, the first rank waits for this.
        say(Err(NnError::Input(format!("rank {} of the model {what}", place.rank))));
    }
}

/// Connects the devices of ranks that hold parts of each layer.
fn connect(model: &mut Transformer, links: &Links) -> Result<(), TransformerError> {
    let parts = links.sharing.as_ref().map_or(&links.lane, |sharing| &sharing.parts);
    match &mut model.device {
        Some(net) if model.place.spread.tensor > 1 => net.connect(parts),
        _ => Ok(()),
    }
}

/// Waits until all other ranks are ready and have the model of the first.
fn hear_ready(ready: &Receiver<Ready>, fingerprint: u64, held_bytes: &mut [u64]) -> Result<(), NnError> {
    for _ in 1..held_bytes.len() {
        let Ok((rank, outcome)) = ready.recv() else {
            return Err(NnError::Input("a rank ended before it was ready".to_owned()));
        };
        let (bytes, theirs) = outcome?;
        if theirs != fingerprint {
            return Err(NnError::Input(format!(
                "rank {rank} has opened another model than rank 0: settings, tensors or values differ; all ranks need the same \
                 folder"
            )));
        }
        held_bytes[rank] = bytes;
    }
    Ok(())
}

/// Waits for threads that have been told to end.
fn end(workers: Vec<JoinHandle<()>>) {
    // Their panics were caught and told as failures.
    workers.into_iter().for_each(|worker| drop(worker.join()));
}

impl Team {
    /// Gives the other ranks stores like the first one's.
    pub(super) fn adopt(self: &Arc<Self>, mut store: KvStore) -> Result<KvStore, TransformerError> {
        let id = self.next_store.fetch_add(1, Ordering::Relaxed);
        self.turn(|| {
            let mut words = Vec::new();
            Command::NewStore(id, store.capacity()).write(&mut words);
            Ok(self.links.world.tell(0, &mut words)?)
        })?;
        store.remote = Some(Remote::new(Arc::clone(self), id));
        Ok(store)
    }

    /// A store is gone. That others are lost is said where it matters.
    fn forget(&self, id: u32) {
        let told = self.turn(|| {
            let mut words = Vec::new();
            Command::DropStore(id).write(&mut words);
            Ok(self.links.world.tell(0, &mut words)?)
        });
        drop(told);
    }

    /// Does something that all ranks take part in, in the threads of the first one. Where it fails, no rank goes on.
    fn turn<T: Send>(&self, work: impl FnOnce() -> Result<T, TransformerError> + Send) -> Result<T, TransformerError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.pool.install(work);
        if let Err(error) = &done {
            self.links.world.fail(&format!("stopped: {error}"));
        }
        done
    }

    /// A pass over the tokens of `store.work`.
    pub(super) fn pass(&self, model: &Transformer, store: &mut KvStore, rows: Rows) -> Result<(), TransformerError> {
        let remote = own(self, &mut store.remote)?;
        store.work.positions.clear();
        store.work.positions.extend(store.work.tokens.iter().map(|token| token.position));
        Command::Pass(remote.id, rows).write(&mut remote.words);
        remote.write_copies();
        write_lanes(&store.work, model.lanes(), &mut remote.words, &mut remote.places);
        let pages = &mut store.pages;
        self.turn(|| {
            let Remote { words, own, .. } = remote;
            self.links.world.tell(0, words)?;
            let mut message = Words::new(words);
            Command::read(&mut message)?;
            // The first rank has copied its pages when it planned.
            let copies = message.count()?;
            message.some(copies * 4)?;
            commands::read_lane(&mut message, model.lanes(), 0, own)?;
            model.run_layers(pages, own, rows)
        })
    }

    /// Logits of wanted rows of the last pass.
    pub(super) fn logits<'s>(
        &self,
        model: &Transformer,
        store: &'s mut KvStore,
        rows: impl ExactSizeIterator<Item = usize>,
        half: Half,
    ) -> Result<&'s mut [f32], TransformerError> {
        let remote = own(self, &mut store.remote)?;
        let asked: Vec<(usize, usize)> = rows.filter_map(|row| remote.places.get(row).copied()).collect();
        Command::Logits(remote.id, half).write(&mut remote.words);
        write_rows(asked.iter().copied(), model.lanes(), &mut remote.words);
        self.turn(|| {
            let Remote { words, own, gathered, .. } = &mut *remote;
            self.links.world.tell(0, words)?;
            let mut message = Words::new(words);
            Command::read(&mut message)?;
            let logits = rows_asked(model, &mut message, own, half)?;
            Ok(self.links.world.gather(0, logits, gathered)?)
        })?;
        Ok(self.join(&asked, model, half, remote))
    }

    /// Puts the logits of all ranks in the order of the rows that were asked for.
    fn join<'r>(
        &self,
        asked: &[(usize, usize)],
        model: &Transformer,
        half: Half,
        remote: &'r mut Remote,
    ) -> &'r mut [f32] {
        let Remote { gathered, joined, .. } = remote;
        let len = model.half_len(half);
        let out = super::sized(joined, asked.len() * len);
        let lane_ranks = model.place.spread.lane_ranks();
        let mut first = 0;
        for (rank, slice) in self.slices.iter().enumerate() {
            let (lane, ids) = (rank / lane_ranks, ids(slice, half));
            for (row, _) in asked.iter().enumerate().filter(|(_, place)| place.0 == lane) {
                let from = &gathered[first..first + ids.len()];
                out[row * len..][ids.clone()].copy_from_slice(from);
                first += ids.len();
            }
        }
        out
    }

    fn shortlist(
        &self,
        model: &Transformer,
        store: &mut KvStore,
        (half, keep, mix): (Half, usize, Mix),
    ) -> Result<Shortlist, TransformerError> {
        let remote = own(self, &mut store.remote)?;
        let last = super::passes::last_rows(&store.work.spans, &store.work.outputs);
        let asked: Vec<(usize, usize)> = last.filter_map(|row| remote.places.get(row).copied()).collect();
        Command::Shortlist(remote.id, half, keep, mix).write(&mut remote.words);
        remote.words.push(asked.len() as u32);
        for (at, (lane, _)) in asked.iter().enumerate() {
            let before = asked[..at].iter().filter(|place| place.0 == *lane).count();
            remote.words.extend([*lane as u32, before as u32]);
        }
        write_rows(asked.iter().copied(), model.lanes(), &mut remote.words);
        self.turn(|| {
            let Remote { words, own, gathered, .. } = &mut *remote;
            self.links.world.tell(0, words)?;
            let mut message = Words::new(words);
            Command::read(&mut message)?;
            let own = own_list(model, &self.links, &mut message, own, (half, keep, mix))?;
            self.links.world.gather(0, &own, gathered)?;
            Ok(join(gathered, model.half_len(half), keep))
        })
    }
}

/// The other ranks' side of a store of this team.
fn own<'s>(team: &Team, remote: &'s mut Option<Remote>) -> Result<&'s mut Remote, TransformerError> {
    let stranger = || TransformerError::Input("a memory of another model; allowed are those of this one".to_owned());
    remote.as_mut().filter(|remote| remote.is_of(team)).ok_or_else(stranger)
}

impl Drop for Team {
    fn drop(&mut self) {
        let mut words = Vec::new();
        Command::Quit.write(&mut words);
        // Where a rank is lost, the others have ended already.
        drop(self.links.world.tell(0, &mut words));
        end(std::mem::take(&mut self.workers));
    }
}
