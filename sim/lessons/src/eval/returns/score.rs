//! A picture at a probe against the truth.

use rhea_picture::{Rgbd, gmsd, psnr, ssim};

use super::truth::{Patch, ProbeTruth};

/// Regions smaller than this share of a view are not scored.
const LEAST_SHARE: f32 = 0.02;
/// A landmark is found at most this far from its place, pixels...
const FOUND_WITHIN_PX: i32 = 4;
/// ...with a normalised correlation above this.
const FOUND_FROM: f64 = 0.6;
/// Landmarks are looked for in this reach, pixels.
const SEARCH_PX: i32 = 6;
/// Levels of 255 up to which two pixels are the same.
const INLIER_LEVELS: u8 = 20;
/// What scores count as at most, dB: equal pictures.
const MOST_DB: f64 = 60.0;

/// What a picture is worth at its probe. Not a number where nothing could be compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeScore {
    /// What the start has shown, against truth, dB.
    pub seen_psnr: f64,
    pub seen_ssim: f64,
    /// Over the whole picture: it has no mask.
    pub gmsd: f64,
    /// The rest, dB.
    pub novel_psnr: f64,
    pub landmarks: usize,
    pub found: usize,
    /// Where the picture really stands, from its best match: degrees and metres off.
    pub rot_err_deg: f64,
    pub trans_err_m: f64,
}

pub(super) fn score(view: &Rgbd, truth: &ProbeTruth) -> ProbeScore {
    let db = |mask: &[bool]| match worth(mask) {
        true => psnr(view, &truth.view, Some(mask)).map_or(f64::NAN, |db| db.min(MOST_DB)),
        false => f64::NAN,
    };
    let seen = worth(&truth.seen);
    let seen_ssim = if seen { ssim(view, &truth.view, Some(&truth.seen)).unwrap_or(f64::NAN) } else { f64::NAN };
    let aside = |of: fn(&super::truth::Aside) -> bool| {
        let fits = truth.around.iter().filter(|a| of(a)).map(|a| (psnr(view, &a.view, Some(&truth.seen)), a));
        fits.filter_map(|(db, a)| db.ok().map(|db| (db, a))).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, a)| a)
    };
    let turned = aside(|a| a.shift_m == 0.0).filter(|_| seen);
    let shifted = aside(|a| a.turn_deg == 0.0).filter(|_| seen);
    ProbeScore {
        seen_psnr: db(&truth.seen),
        seen_ssim,
        gmsd: gmsd(view, &truth.view).unwrap_or(f64::NAN),
        novel_psnr: db(&truth.novel),
        landmarks: truth.landmarks.len(),
        found: truth.landmarks.iter().filter(|patch| is_found(view, &truth.view, patch)).count(),
        rot_err_deg: turned.map_or(f64::NAN, |a| f64::from(a.turn_deg.abs())),
        trans_err_m: shifted.map_or(f64::NAN, |a| f64::from(a.shift_m)),
    }
}

fn worth(mask: &[bool]) -> bool {
    mask.iter().filter(|m| **m).count() as f32 >= LEAST_SHARE * mask.len() as f32
}

/// Two pictures from one pose, where the start has shown it: mean difference, levels of 255, and the share of pixels that are the
/// same.
pub(super) fn reprojection(first: &Rgbd, again: &Rgbd, seen: &[bool]) -> (f64, f64) {
    let (mut sum, mut same, mut count) = (0_u64, 0_usize, 0_usize);
    for i in (0..seen.len()).filter(|i| seen[*i]) {
        let (a, b) = (&first.rgb[3 * i..3 * i + 3], &again.rgb[3 * i..3 * i + 3]);
        let apart: Vec<u8> = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).collect();
        sum += apart.iter().map(|d| u64::from(*d)).sum::<u64>();
        same += usize::from(apart.iter().all(|d| *d <= INLIER_LEVELS));
        count += 1;
    }
    (sum as f64 / (3 * count) as f64, same as f64 / count as f64)
}

/// Does a picture look more like another place than like its own?
pub(super) fn is_aliased(view: &Rgbd, own: &Rgbd, others: &[&Rgbd]) -> bool {
    let db = |other: &Rgbd| psnr(view, other, None).unwrap_or(0.0);
    let best = db(own);
    others.iter().any(|other| db(other) > best)
}

/// Sum of the differences between two pictures where a mask says so.
pub(super) fn change(a: &Rgbd, b: &Rgbd, mask: &[bool]) -> u64 {
    let pixels = a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3)).zip(mask).filter(|(_, counts)| **counts);
    pixels.map(|((a, b), _)| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()).sum()
}

/// Is the landmark of a true patch in the picture, at its place, as far as normalised correlation tells?
pub(super) fn is_found(view: &Rgbd, truth: &Rgbd, patch: &Patch) -> bool {
    let Patch { left, top, width, height } = *patch;
    let template = cut(truth, left, top, width, height);
    let mut best = (f64::NEG_INFINITY, 0);
    for dy in -SEARCH_PX..=SEARCH_PX {
        for dx in -SEARCH_PX..=SEARCH_PX {
            let (x, y) = (left as i32 + dx, top as i32 + dy);
            let inside = x >= 0 && y >= 0 && x as usize + width <= view.width && y as usize + height <= view.height;
            if inside {
                let fit = correlation(&template, &cut(view, x as usize, y as usize, width, height));
                if fit > best.0 {
                    best = (fit, dx * dx + dy * dy);
                }
            }
        }
    }
    best.0 > FOUND_FROM && best.1 <= FOUND_WITHIN_PX * FOUND_WITHIN_PX
}

/// The colours of a rectangle, each channel about its own mean.
fn cut(view: &Rgbd, left: usize, top: usize, width: usize, height: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(3 * width * height);
    for channel in 0..3 {
        let start = values.len();
        for y in top..top + height {
            values.extend((left..left + width).map(|x| f64::from(view.rgb[(y * view.width + x) * 3 + channel])));
        }
        let mean = values[start..].iter().sum::<f64>() / (width * height).max(1) as f64;
        values[start..].iter_mut().for_each(|v| *v -= mean);
    }
    values
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (dot(a, a) * dot(b, b)).sqrt();
    if scale > 0.0 { dot(a, b) / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(at: usize) -> Rgbd {
        let mut view = Rgbd::filled(40, 40, [200, 190, 180]);
        for y in 14..22 {
            for x in at..at + 8 {
                view.rgb[(y * 40 + x) * 3..(y * 40 + x) * 3 + 3].copy_from_slice(&[200, 30, 30]);
            }
        }
        view
    }

    #[test]
    fn a_landmark_is_found_at_its_place_only() {
        let patch = Patch { left: 11, top: 11, width: 14, height: 14 };
        let truth = spot(14);
        assert!(is_found(&truth, &truth, &patch));
        assert!(is_found(&spot(17), &truth, &patch), "3 px off is near enough");
        assert!(!is_found(&spot(19), &truth, &patch), "5 px off is not");
        assert!(!is_found(&Rgbd::filled(40, 40, [200, 190, 180]), &truth, &patch), "and gone is gone");
    }

    #[test]
    fn differences_count_where_the_mask_says() {
        let (a, b) = (spot(14), spot(16));
        let all = vec![true; 1600];
        let (levels, same) = reprojection(&a, &b, &all);
        // Two columns of 8 pixels differ on either side, by 160 and 150 levels in two channels.
        assert!((levels - 32.0 * 310.0 / (3.0 * 1600.0)).abs() < 1e-9, "{levels}");
        assert!((same - (1.0 - 32.0 / 1600.0)).abs() < 1e-9);
        let left: Vec<bool> = (0..1600).map(|i| i % 40 < 10).collect();
        assert_eq!(reprojection(&a, &b, &left), (0.0, 1.0));
        assert_eq!((change(&a, &b, &all), change(&a, &b, &left)), (32 * 310, 0));
        assert!(is_aliased(&a, &b, &[&a]) && !is_aliased(&a, &a, &[&b]));
    }
}
