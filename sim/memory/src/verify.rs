//! Does a new view agree with what memory knows? A score for every cell, and what to do about bad ones.
//!
//! Two pictures of one surface differ by a pixel or two of misplacement and by a little blur, whatever drew them. So a pixel is not
//! compared with its counterpart but with the *range of colours* within two pixels of it, both ways: what is missing in one picture
//! or new in it lies outside the other's range. Depth is compared in the same way. The mean over blocks of a quarter of a cell
//! finds things that cover one block; the worst block is the view's difference.

use rhea_picture::{Rgbd, Warp};

/// Reach of the range, pixels of a picture of 128 px.
const REACH_PX: usize = 2;
/// Levels of 255 by which a pixel may lie outside without counting.
const FREE_LEVELS: f32 = 6.0;
/// As much more is free for each factor that memory is enlarged by: it is blurred by as much.
const FREE_PER_MAGNIFICATION: f32 = 10.0;
/// A ratio of depths up to this counts for nothing (a decoded depth is some per cent wrong)...
const FREE_DEPTH_RATIO: f32 = 1.25;
/// ...and beyond it, a further factor of e counts as so many levels.
const LEVELS_PER_LN_DEPTH: f32 = 40.0;
/// A block is compared when memory knows at least this share of it.
const BLOCK_SHARE: f32 = 0.5;
/// Depth differences are capped here, levels.
const MOST_DEPTH_LEVELS: f32 = 40.0;

/// What the differences mean, in levels of 255; smaller is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A view whose worst cell is at most this different is stored as it is.
    pub accept: f32,
    /// A view above this is never stored.
    pub store: f32,
    /// A cell above this is drawn again.
    pub cell: f32,
}

impl Thresholds {
    /// Chosen on the pairs of `rhea eval walks --tier quick`: of 288 views that agree with memory 98 % differ by at most 0.4 and 99 % by
    /// at most 2.4; of views from which one object is missing 99 % differ by 16 and more, of other places and mirrored ones all by
    /// 60. Whatever differs by more than 12.5 is not stored, and what differs by more than 5 is worth another drawing.
    pub const SHIPPED: Self = Self { accept: 5.0, store: 12.5, cell: 5.0 };
}

/// A view beside memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub cols: usize,
    /// Difference of each cell in levels, 0 to 255, row-major; `None` where memory knows too little of it.
    pub cells: Vec<Option<f32>>,
    /// The largest difference of all cells, levels; 0 when none could be compared.
    pub worst: f32,
}

impl Comparison {
    /// Could anything be compared?
    #[must_use]
    pub fn says_something(&self) -> bool {
        self.cells.iter().any(Option::is_some)
    }

    /// Cells above a difference.
    #[must_use]
    pub fn bad(&self, above: f32) -> Vec<bool> {
        self.cells.iter().map(|cell| cell.is_some_and(|difference| difference > above)).collect()
    }
}

/// Compares a view with memory on a grid of cells. Sizes that do not fit compare nothing.
#[must_use]
pub fn verify(view: &Rgbd, memory: &Warp, rows: usize, cols: usize) -> Comparison {
    let (w, h) = (view.width, view.height);
    let nothing = Comparison { rows, cols, cells: vec![None; rows * cols], worst: 0.0 };
    let fits = (memory.view.width, memory.view.height) == (w, h)
        && memory.valid.len() == w * h
        && memory.magnification.len() == w * h
        && rows > 0
        && cols > 0
        && w >= 2 * cols
        && h >= 2 * rows;
    if !fits {
        return nothing;
    }
    let everywhere = vec![true; w * h];
    let mut difference = vec![0.0_f32; w * h];
    for channel in 0..3 {
        let plane = |of: &Rgbd| -> Vec<f32> { of.rgb.iter().skip(channel).step_by(3).map(|v| f32::from(*v)).collect() };
        let (new, old) = (plane(view), plane(&memory.view));
        let (of_new, of_old) = (ranges(&new, &everywhere, (w, h)), ranges(&old, &memory.valid, (w, h)));
        for i in 0..w * h {
            difference[i] += outside(new[i], of_old[i]).max(outside(old[i], of_new[i])) / 3.0;
        }
    }
    let depth = |of: &Rgbd| -> Vec<f32> { of.depth_m.iter().map(|d| d.ln()).collect() };
    let (new, old) = (depth(view), depth(&memory.view));
    let (of_new, of_old) = (ranges(&new, &everywhere, (w, h)), ranges(&old, &memory.valid, (w, h)));
    for i in 0..w * h {
        let free = FREE_LEVELS + FREE_PER_MAGNIFICATION * (memory.magnification[i] - 1.0).max(0.0);
        let apart = outside(new[i], of_old[i]).max(outside(old[i], of_new[i])) - FREE_DEPTH_RATIO.ln();
        let by_depth = (apart * LEVELS_PER_LN_DEPTH).clamp(0.0, MOST_DEPTH_LEVELS);
        difference[i] = (difference[i] - free).max(0.0).max(by_depth);
    }
    let blocks = block_means(&difference, &memory.valid, (w, h), (2 * cols, 2 * rows));
    let cells: Vec<Option<f32>> = (0..rows * cols)
        .map(|cell| {
            let corner = (cell / cols * 2) * (2 * cols) + cell % cols * 2;
            let four = [corner, corner + 1, corner + 2 * cols, corner + 2 * cols + 1];
            four.iter().filter_map(|block| blocks.get(*block).copied().flatten()).reduce(f32::max)
        })
        .collect();
    let worst = cells.iter().flatten().copied().fold(0.0, f32::max);
    Comparison { rows, cols, cells, worst }
}

/// Smallest and largest value within [`REACH_PX`] of each pixel, over those that count.
fn ranges(values: &[f32], counts: &[bool], (w, h): (usize, usize)) -> Vec<[f32; 2]> {
    let none = [f32::INFINITY, f32::NEG_INFINITY];
    let join = |a: [f32; 2], b: [f32; 2]| [a[0].min(b[0]), a[1].max(b[1])];
    let own: Vec<[f32; 2]> = values.iter().zip(counts).map(|(v, c)| if *c { [*v, *v] } else { none }).collect();
    let mut across = vec![none; w * h];
    for y in 0..h {
        let row = &own[y * w..(y + 1) * w];
        for x in 0..w {
            let (from, to) = (x.saturating_sub(REACH_PX), (x + REACH_PX + 1).min(w));
            across[y * w + x] = row[from..to].iter().copied().fold(none, join);
        }
    }
    let mut all = vec![none; w * h];
    for y in 0..h {
        for near in y.saturating_sub(REACH_PX)..(y + REACH_PX + 1).min(h) {
            for x in 0..w {
                all[y * w + x] = join(all[y * w + x], across[near * w + x]);
            }
        }
    }
    all
}

/// How far a value lies outside a range; 0 for an empty one.
fn outside(value: f32, [low, high]: [f32; 2]) -> f32 {
    if low > high { 0.0 } else { (low - value).max(value - high).max(0.0) }
}

/// Mean over the known pixels of each block, where enough of it is known.
fn block_means(
    values: &[f32],
    known: &[bool],
    (w, h): (usize, usize),
    (cols, rows): (usize, usize),
) -> Vec<Option<f32>> {
    let mut sums = vec![(0.0_f32, 0_usize, 0_usize); cols * rows];
    for (i, value) in values.iter().enumerate() {
        let block = &mut sums[(i / w * rows / h) * cols + i % w * cols / w];
        block.2 += 1;
        if known[i] {
            block.0 += value;
            block.1 += 1;
        }
    }
    let mean = |(sum, count, all): (f32, usize, usize)| {
        (count > 0 && count as f32 >= BLOCK_SHARE * all as f32).then(|| sum / count as f32)
    };
    sums.into_iter().map(mean).collect()
}

/// The cell of each pixel.
fn cell_of(i: usize, view: &Rgbd, rows: usize, cols: usize) -> usize {
    let (x, y) = (i % view.width.max(1), i / view.width.max(1));
    (y * rows / view.height.max(1)) * cols + x * cols / view.width.max(1)
}

/// Memory for drawing bad cells again: the good cells of `view` are known as they are; the bad ones are as memory knows them, or
/// unknown when it is `withheld`.
#[must_use]
pub fn keep_good_cells(view: &Rgbd, memory: &Warp, bad: &[bool], (rows, cols): (usize, usize), withheld: bool) -> Warp {
    let mut out = memory.clone();
    for i in 0..view.depth_m.len().min(out.valid.len()) {
        let is_bad = bad.get(cell_of(i, view, rows, cols)).copied().unwrap_or(false);
        if is_bad && !withheld {
            continue;
        }
        let grey = [128; 3];
        let rgb = if is_bad { grey } else { view.pixel(i % view.width, i / view.width) };
        out.view.rgb[3 * i..3 * i + 3].copy_from_slice(&rgb);
        out.view.depth_m[i] = if is_bad { rhea_picture::FARTHEST_M } else { view.depth_m[i] };
        out.valid[i] = !is_bad;
        out.magnification[i] = if is_bad { 0.0 } else { 1.0 };
    }
    out
}

/// The last resort: memory's own pixels in the bad cells, faded in over a few pixels; the view everywhere else.
#[must_use]
pub fn composite(view: &Rgbd, memory: &Warp, bad: &[bool], (rows, cols): (usize, usize)) -> Rgbd {
    const FADE_PX: i32 = 3;
    let (w, h) = (view.width, view.height);
    let from_memory = |x: i32, y: i32| {
        if x < 0 || y < 0 || x >= w as i32 || y >= h as i32 {
            return None;
        }
        let i = y as usize * w + x as usize;
        let here = bad.get(cell_of(i, view, rows, cols)).copied().unwrap_or(false);
        Some(here && memory.valid.get(i).copied().unwrap_or(false))
    };
    let mut out = view.clone();
    for i in 0..w * h {
        let (x, y) = ((i % w) as i32, (i / w) as i32);
        if !memory.valid.get(i).copied().unwrap_or(false) {
            continue;
        }
        // Full inside the bad cells, fading outside of them, so that what was bad is gone.
        let mut nearest = FADE_PX + 1;
        for dy in -FADE_PX..=FADE_PX {
            for dx in -FADE_PX..=FADE_PX {
                if from_memory(x + dx, y + dy) == Some(true) {
                    nearest = nearest.min(dx.abs().max(dy.abs()));
                }
            }
        }
        if nearest > FADE_PX {
            continue;
        }
        let share = 1.0 - nearest as f32 / (FADE_PX + 1) as f32;
        for c in 0..3 {
            let (new, old) = (f32::from(view.rgb[3 * i + c]), f32::from(memory.view.rgb[3 * i + c]));
            out.rgb[3 * i + c] = (new + (old - new) * share).round() as u8;
        }
        if nearest == 0 {
            out.depth_m[i] = memory.view.depth_m[i];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    /// Stripes with a box, everything 3 m away; `shift` moves it all to the right.
    fn picture(shift: usize, with_box: bool) -> Rgbd {
        let mut view = Rgbd::filled(SIDE, SIDE, [0; 3]);
        view.depth_m.fill(3.0);
        for i in 0..SIDE * SIDE {
            let (x, y) = (i % SIDE + 8 - shift, i / SIDE);
            let mut rgb = if x / 6 % 2 == 0 { [200, 190, 180] } else { [90, 120, 150] };
            if with_box && (30..40).contains(&x) && (20..30).contains(&y) {
                rgb = [210, 40, 40];
            }
            view.rgb[3 * i..3 * i + 3].copy_from_slice(&rgb);
        }
        view
    }

    fn memory(of: Rgbd) -> Warp {
        let n = of.depth_m.len();
        Warp {
            view: of,
            valid: vec![true; n],
            magnification: vec![1.0; n],
            source: vec![0; n],
            trust: vec![rhea_picture::Trust::Given; n],
        }
    }

    #[test]
    fn a_shift_of_two_pixels_agrees_and_a_missing_box_does_not() {
        let known = memory(picture(0, true));
        assert!(verify(&picture(0, true), &known, 8, 8).worst < 0.01);
        assert!(verify(&picture(2, true), &known, 8, 8).worst < 8.0);
        let gone = verify(&picture(0, false), &known, 8, 8);
        assert!(gone.worst > 30.0, "{}", gone.worst);
        let bad = gone.bad(20.0);
        assert!(bad.iter().filter(|b| **b).count() <= 4, "only where the box was");
        // And the other way: a box that memory does not know.
        assert!(verify(&picture(0, true), &memory(picture(0, false)), 8, 8).worst > 30.0);
    }

    #[test]
    fn what_memory_does_not_know_is_not_judged() {
        let mut known = memory(picture(0, true));
        for i in 0..SIDE * SIDE {
            known.valid[i] = i % SIDE < 8;
        }
        let compared = verify(&picture(0, false), &known, 8, 8);
        assert!(compared.worst < 0.01 && compared.says_something());
        assert_eq!(compared.cells.iter().flatten().count(), 8);
        assert!(!verify(&picture(0, true), &Warp::empty(SIDE, SIDE), 8, 8).says_something());
        assert!(!verify(&picture(0, true), &Warp::empty(32, 32), 8, 8).says_something());
    }

    #[test]
    fn depth_alone_gives_a_thing_away() {
        let known = memory(picture(0, false));
        let mut nearer = picture(0, false);
        (0..SIDE * SIDE).filter(|i| i % SIDE < 24 && i / SIDE < 24).for_each(|i| nearer.depth_m[i] = 1.0);
        assert!(verify(&nearer, &known, 8, 8).worst > 15.0);
    }

    #[test]
    fn a_composite_agrees_with_memory_and_keeps_the_rest() {
        let known = memory(picture(0, true));
        let mut drawn = picture(0, false);
        drawn.rgb[0] = 255;
        let bad = verify(&drawn, &known, 8, 8).bad(20.0);
        let mixed = composite(&drawn, &known, &bad, (8, 8));
        assert!(verify(&mixed, &known, 8, 8).worst < 8.0);
        assert_eq!(mixed.rgb[0], 255, "good cells stay as they were drawn");
    }

    #[test]
    fn bad_cells_are_withheld_or_offered() {
        let known = memory(picture(0, true));
        let drawn = picture(0, false);
        let mut bad = vec![false; 64];
        bad[9] = true;
        let offered = keep_good_cells(&drawn, &known, &bad, (8, 8), false);
        let withheld = keep_good_cells(&drawn, &known, &bad, (8, 8), true);
        let in_bad = 8 * SIDE + 8;
        assert!(offered.valid[in_bad] && !withheld.valid[in_bad]);
        assert_eq!(offered.view.pixel(0, 0), drawn.pixel(0, 0));
        assert_eq!(withheld.valid.iter().filter(|v| !**v).count(), 64);
    }
}
