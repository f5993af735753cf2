//! `rhea eval walks --tier quick|full`: does a place look the same after 40, 100 and 400 steps, by every method.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use rhea_engine::Imagine;
use rhea_lessons::eval::returns::{
    ExtraOptions, Extras, HORIZONS, HorizonFigures, Method, Outing, RETURN_SEEDS, ReturnFigures, ReturnOptions,
    Returns, WalkKind, WalkRow, by_scene, evaluate_extras, evaluate_returns, gather, horizon_figures, is_held_out,
    mean_of, score_frames, views_of, write_plan,
};
use rhea_picture::{Sheet, save_picture};

use crate::engine;
use crate::eval::{EvalWalksArgs, Tier, write_json};
use crate::fault::WithHint as _;
use crate::machine;
use crate::place;
use crate::progress::Progress;
use crate::say::say;

/// Scenes of the quick tier.
const QUICK_SCENES: u64 = 6;
/// Its walks, one a scene in turns: all kinds of returning.
const QUICK_WALKS: [WalkKind; 6] =
    [WalkKind::Spin, WalkKind::OutAndBack, WalkKind::FigureEight, WalkKind::Loop, WalkKind::OffLattice, WalkKind::Abca];
/// Side of the pictures of a plan, pixels: the shipped model's.
const PLAN_SIDE_PX: usize = 128;
/// The quick tier goes on to the last horizon in so many scenes, and to the one before in the others: ten minutes on two cores.
const QUICK_LONG: usize = 4;
/// Most models that walk side by side: each takes a quarter of a gigabyte.
const MOST_WALKERS: usize = 8;

/// The walks of a tier, the long ones first.
fn outings(tier: Tier, seeds: &Range<u64>, steps: usize) -> Vec<Outing> {
    let horizons = HORIZONS.iter().filter(|horizon| **horizon <= steps).count();
    let of = |(index, seed): (usize, u64)| -> Vec<Outing> {
        let (walks, horizons) = match tier {
            Tier::Full => (WalkKind::ALL.to_vec(), horizons),
            Tier::Quick | Tier::Smoke => {
                let most = HORIZONS.len() - usize::from(index % QUICK_WALKS.len() >= QUICK_LONG);
                (vec![QUICK_WALKS[index % QUICK_WALKS.len()]], horizons.min(most))
            }
        };
        walks.into_iter().map(|walk| Outing { seed, walk, horizons }).collect()
    };
    seeds.clone().enumerate().flat_map(of).collect()
}

/// Runs the quick or the full benchmark.
///
/// # Errors
/// When the model or the output files cannot be used.
pub fn run(args: &EvalWalksArgs) -> Result<ExitCode> {
    let seeds = args.seeds.clone().unwrap_or(match args.tier {
        Tier::Full => RETURN_SEEDS,
        Tier::Quick | Tier::Smoke => RETURN_SEEDS.start..RETURN_SEEDS.start + QUICK_SCENES,
    });
    if let Some(dir) = &args.plan {
        let plan = outings(args.tier, &seeds, args.steps);
        write_plan(dir, &plan, PLAN_SIDE_PX).hint("Choose another --plan DIR.")?;
        say!("{} walks to draw are in {}", plan.len(), dir.join("poses.json").display());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(dir) = &args.frames {
        let told = score_frames(dir).hint("Begin with a folder that --plan DIR has written.")?;
        table(&told).lines().for_each(|line| say!("{line}"));
        write_json(args.json.as_ref(), &ReturnFigures::of(&told, None))?;
        write_json(args.details.as_ref(), &told)?;
        return Ok(ExitCode::SUCCESS);
    }
    let methods = if args.methods.is_empty() { Method::ALL.to_vec() } else { args.methods.clone() };
    let outings = outings(args.tier, &seeds, args.steps);
    let mut models = open(args, outings.len())?;
    let progress = Progress::new(views_of(&outings, &methods));
    let sheet = args.sheet.is_some().then(|| Sheet::new(2 + HORIZONS.len(), 1));
    let mut options = ReturnOptions { outings, methods, sheet };
    let shown = AtomicU64::new(0);
    let on_view = |views: u64, label: &str| {
        // Several walk at once: the count only grows.
        if shown.fetch_max(views, Ordering::Relaxed) < views {
            progress.step(views, label, "");
        }
    };
    let told = evaluate_returns(&mut models, &mut options, &on_view).hint("Choose other scenes with --seeds A..B.")?;
    progress.finish();
    table(&told).lines().for_each(|line| say!("{line}"));
    if let Some(peak_mb) = machine::peak_mb() {
        say!("{} models side by side, {peak_mb:.0} MB resident at most", models.len());
    }
    let extras =
        if args.methods.is_empty() || args.extras { Some(extras(&mut models, &seeds, args.tier)?) } else { None };
    if let Some(extras) = &extras {
        table_of_extras(extras).lines().for_each(|line| say!("{line}"));
    }
    let figures = ReturnFigures::of(&told, extras.as_ref());
    write_json(args.json.as_ref(), &figures)?;
    write_json(args.details.as_ref(), &told)?;
    if let (Some(path), Some(sheet)) = (&args.sheet, options.sheet) {
        sheet.draw().and_then(|page| save_picture(path, &page)).hint("Choose another --sheet FILE.png.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Verifier, edits, turns, words and recall.
fn extras(models: &mut [Box<dyn Imagine>], seeds: &Range<u64>, tier: Tier) -> Result<Extras> {
    let all: Vec<u64> = seeds.clone().collect();
    // The threshold wants many pairs and narration many words, so the usual scenes give them in any tier.
    let pair_seeds = if tier == Tier::Full { all.clone() } else { RETURN_SEEDS.collect() };
    let options = ExtraOptions { seeds: all, pair_seeds };
    let progress = Progress::new((options.seeds.len() + options.pair_seeds.len()) as u64);
    let on_scene = |done: u64| progress.step(done, "scenes: verifier, edits, turns, words", "");
    let extras = evaluate_extras(models, &options, &on_scene).hint("Look at the model with `rhea doctor`.")?;
    progress.finish();
    Ok(extras)
}

fn table_of_extras(e: &Extras) -> String {
    let v = &e.verifier;
    let percent = |share: f64| share * 100.0;
    let mut out = format!(
        "\nverifier, threshold {:.1} from scenes not held out ({:.1} % false accept, {:.1} % false reject there)\n",
        v.threshold,
        percent(v.dev.false_accept),
        percent(v.dev.false_reject)
    );
    let (accept, reject) = (percent(v.held_out.false_accept), percent(v.held_out.false_reject));
    out += &format!("  held out: false accept {accept:.1} %, false reject {reject:.1} %\n");
    for (kind, accepted, pairs) in &v.by_kind {
        out += &format!("  accepted, {}: {:.1} % of {pairs}\n", kind.name(), percent(*accepted));
    }
    out += &format!("  curve over all scenes, {} right pairs: threshold, false reject, false accept\n", v.right);
    for point in &v.roc {
        let (reject, accept) = (percent(point.false_reject), percent(point.false_accept));
        out += &format!("  {:>6.1} {reject:>6.1} % {accept:>6.1} %\n", point.threshold);
    }
    out += &format!("edits: the old view came back in {} of {}\n", e.edit.restored, e.edit.edits);
    let p = &e.pinning;
    out += &format!(
        "turns of 10 to 15 degrees: {:.2} times fewer tokens decoded; back again {:.2} dB, {:.2} dB with all decoded\n",
        p.token_ratio(),
        p.pinned_psnr,
        p.decoded_psnr
    );
    out += &format!(
        "true codes beside self-made memory: {:.2} dB, without memory {:.2} dB, so memory costs {:.2} dB\n",
        e.ghosting.with_memory,
        e.ghosting.without,
        e.ghosting.cost_db()
    );
    let words = &e.narration;
    out += &format!(
        "narration: {:.1} % of {} named objects in view or in memory, {:.1} % of {} directions right\n",
        percent(words.named_share()),
        words.named,
        percent(words.direction_share()),
        words.directed
    );
    out + &format!("recall from 10,000 views: {:.2} ms\n", e.recall_ms_10k)
}

/// One model for each core, as far as there is work.
fn open(args: &EvalWalksArgs, walks: usize) -> Result<Vec<Box<dyn Imagine>>> {
    let folder = place::model_folder(args.model.model.as_deref())?;
    let engine = args.engine.local(&folder)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let open = |_| -> Result<Box<dyn Imagine>> { Ok(engine::open(&folder, &engine)?) };
    (0..(cores / engine.ranks()).min(walks).clamp(1, MOST_WALKERS)).map(open).collect()
}

/// The tables of the terminal.
fn table(told: &Returns) -> String {
    let rows = &told.rows;
    let seeds: std::collections::BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
    let held_out = seeds.iter().filter(|seed| is_held_out(**seed)).count();
    let mut out = format!("{} scenes, {held_out} of them held out; a scene weighs as much as any other\n", seeds.len());
    let ceiling: Vec<f64> = told.ceiling.iter().map(|(_, db)| *db).collect();
    out += &format!("tokenizer round trip where the start has shown it: {:.2} dB\n", mean_of(&ceiling));
    out += &format!("ours: {} walks had a view drawn again, {} views mended\n", told.redrawn, told.mended);
    let figures = gather(rows);
    for horizon in HORIZONS {
        let key = horizon.to_string();
        let of = |method: &Method| figures.get(method.name()).and_then(|f| f.get(&key)).copied();
        if !rows.iter().any(|row| row.horizon == horizon) {
            continue;
        }
        out += &format!(
            "\n{horizon:>3} steps         loss   seen [95 % interval]   novel  marks   gate    ssim   gmsd  L1  same  turn  shift  alias\n"
        );
        for method in Method::ALL.into_iter().chain([Method::Frames]) {
            let Some(f) = of(&method) else { continue };
            let mine = rows.iter().filter(|r| r.method == method && r.horizon == horizon);
            out += &line(method.name(), &f, mine);
        }
        let unseen = rows.iter().filter(|r| r.method == Method::Ours && r.horizon == horizon && r.held_out);
        if unseen.clone().next().is_some() {
            out += &line("ours, held out", &horizon_figures(unseen.clone()), unseen);
        }
    }
    for c in &told.costs {
        out += &format!(
            "{}: {:.1} ms a step at 20, {:.1} at 400, one in twenty over {:.1}; {:.2} passes a view; {:.0} bytes a view on disk\n",
            c.walk.name(),
            c.step_ms_20,
            c.step_ms_400,
            c.step_ms_p95,
            c.mean_passes,
            c.bytes_per_step
        );
    }
    out += &slopes(rows);
    out
}

fn line<'a>(name: &str, f: &HorizonFigures, rows: impl Iterator<Item = &'a WalkRow> + Clone) -> String {
    let mean = |of: &dyn Fn(&WalkRow) -> f64| mean_of(&by_scene(rows.clone(), of));
    let [low, high] = f.seen_ci;
    format!(
        "{name:<15} {:>6.2} {:>6.2} [{low:>5.2}, {high:>5.2}] {:>10.2} {:>6.2} {:>6.2}  {:>6.3} {:>6.3} {:>4.1} {:>5.2} {:>5.1} {:>6.2} {:>6.2}\n",
        f.memory_loss_db,
        f.seen_psnr,
        f.novel_psnr,
        f.landmark_recall,
        f.gate,
        mean(&|r| r.seen_ssim),
        mean(&|r| r.gmsd),
        mean(&|r| r.reprojection),
        mean(&|r| r.inliers),
        mean(&|r| r.rot_err_deg),
        mean(&|r| r.trans_err_m),
        mean(&|r| r.aliased),
    )
}

/// Drift from the first to the last horizon.
fn slopes(rows: &[WalkRow]) -> String {
    let seen = |method: Method, horizon: usize| {
        mean_of(&by_scene(rows.iter().filter(|r| r.method == method && r.horizon == horizon), &|r| r.seen_psnr))
    };
    let mut out = String::new();
    for method in [Method::Ours, Method::None, Method::Last4, Method::Last8] {
        let slope = (seen(method, HORIZONS[2]) - seen(method, HORIZONS[0])) / (HORIZONS[2] - HORIZONS[0]) as f64;
        if !slope.is_nan() {
            out += &format!("drift from 40 to 400 steps, {}: {slope:+.4} dB a step\n", method.name());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_have_their_walks() {
        let full = outings(Tier::Full, &RETURN_SEEDS, 400);
        assert_eq!(full.len(), 24 * WalkKind::ALL.len());
        let quick = outings(Tier::Quick, &(7..13), 100);
        assert_eq!(quick.len(), 6);
        assert!(quick.iter().all(|outing| outing.horizons == 2));
        let long = outings(Tier::Quick, &(7..13), 400);
        assert_eq!(long.iter().filter(|outing| outing.horizons == 3).count(), QUICK_LONG);
    }
}
