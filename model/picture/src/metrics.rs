//! How much a picture is like the truth.
//!
//! Every measure can be limited to a mask, one flag per pixel.

use crate::rgbd::{PictureError, Rgbd};

/// Side of the window of [`ssim`], pixels.
const WINDOW: usize = 11;
/// Standard deviation of the window of [`ssim`], pixels.
const SIGMA: f64 = 1.5;
/// `(K1 * 255)^2` and `(K2 * 255)^2` with K1 = 0.01 and K2 = 0.03 (Wang et al. 2004).
const STABLE: [f64; 2] = [6.5025, 58.5225];
/// Keeps flat regions out of [`gmsd`]; the published value for levels of 255.
const STABLE_GRADIENT: f64 = 170.0;

/// Peak signal to noise ratio over all channels, dB; infinite for equal pictures. 25 is poor, 35 good, 45 hard to tell apart.
///
/// # Errors
/// When the sizes differ or nothing is compared.
pub fn psnr(picture: &Rgbd, truth: &Rgbd, mask: Option<&[bool]>) -> Result<f64, PictureError> {
    check(picture, truth, mask)?;
    let (mut squares, mut count) = (0_u64, 0_u64);
    for (i, (a, b)) in picture.rgb.chunks_exact(3).zip(truth.rgb.chunks_exact(3)).enumerate() {
        if mask.is_none_or(|m| m[i]) {
            squares += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
            count += 3;
        }
    }
    if count == 0 {
        return Err(nothing("PSNR"));
    }
    Ok(10.0 * (255.0 * 255.0 * count as f64 / squares as f64).log10())
}

/// Mean structural similarity of the luma (Wang et al. 2004: Gaussian window of 11 px with sigma 1.5), at most 1.
///
/// Windows lie fully inside the picture; a mask selects them by their middle pixel.
///
/// # Errors
/// When the sizes differ, a side is under 11 px, or nothing is compared.
pub fn ssim(picture: &Rgbd, truth: &Rgbd, mask: Option<&[bool]>) -> Result<f64, PictureError> {
    check(picture, truth, mask)?;
    let (w, h) = (truth.width, truth.height);
    if w < WINDOW || h < WINDOW {
        let reason = "a side is shorter than the window of 11 px";
        return Err(PictureError::Incomparable { what: "SSIM", reason });
    }
    let (a, b) = (luma(picture), luma(truth));
    let product = |p: &[f64], q: &[f64]| -> Vec<f64> { p.iter().zip(q).map(|(p, q)| p * q).collect() };
    let [aa, bb, ab] = [product(&a, &a), product(&b, &b), product(&a, &b)].map(|v| blur(&v, w, h));
    let (a, b) = (blur(&a, w, h), blur(&b, w, h));
    let (half, inner) = (WINDOW / 2, w - WINDOW + 1);
    let (mut sum, mut count) = (0.0, 0_usize);
    for i in 0..a.len() {
        let middle = (i / inner + half) * w + i % inner + half;
        if mask.is_some_and(|m| !m[middle]) {
            continue;
        }
        let (va, vb, cov) = (aa[i] - a[i] * a[i], bb[i] - b[i] * b[i], ab[i] - a[i] * b[i]);
        let above = (2.0 * a[i] * b[i] + STABLE[0]) * (2.0 * cov + STABLE[1]);
        sum += above / ((a[i] * a[i] + b[i] * b[i] + STABLE[0]) * (va + vb + STABLE[1]));
        count += 1;
    }
    if count == 0 { Err(nothing("SSIM")) } else { Ok(sum / count as f64) }
}

/// Gradient magnitude similarity deviation of the luma (Xue et al. 2014, arXiv 1308.3052): halved by 2 x 2 means, Prewitt
/// gradients, and the standard deviation of their similarity; 0 for equal pictures, 0.1 clearly different, 0.3 bad.
///
/// # Errors
/// When the sizes differ or a side is under 6 px.
pub fn gmsd(picture: &Rgbd, truth: &Rgbd) -> Result<f64, PictureError> {
    check(picture, truth, None)?;
    let (w, h) = (truth.width / 2, truth.height / 2);
    if w < 3 || h < 3 {
        return Err(PictureError::Incomparable { what: "GMSD", reason: "a side is shorter than 6 px" });
    }
    let gradients = |view: &Rgbd| {
        let luma = luma(view);
        let at = |x: usize, y: usize| luma[y * view.width + x];
        let quarter = |x: usize, y: usize| 0.25 * (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1));
        let half: Vec<f64> = (0..w * h).map(|i| quarter(i % w * 2, i / w * 2)).collect();
        let mut magnitudes = Vec::with_capacity((w - 2) * (h - 2));
        for i in (w..w * (h - 1)).filter(|i| (1..w - 1).contains(&(i % w))) {
            let side = |j: usize, step: usize| half[j - step] + half[j] + half[j + step];
            let across = (side(i + 1, w) - side(i - 1, w)) / 3.0;
            let down = (side(i + w, 1) - side(i - w, 1)) / 3.0;
            magnitudes.push(across.hypot(down));
        }
        magnitudes
    };
    let alike: Vec<f64> = gradients(picture)
        .iter()
        .zip(gradients(truth))
        .map(|(a, b)| (2.0 * a * b + STABLE_GRADIENT) / (a * a + b * b + STABLE_GRADIENT))
        .collect();
    let mean = alike.iter().sum::<f64>() / alike.len() as f64;
    Ok((alike.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / alike.len() as f64).sqrt())
}

/// Sum of the strength of the luma gradient (central differences), over the inner pixels that the mask selects.
#[must_use]
pub fn gradient_strength(view: &Rgbd, mask: Option<&[bool]>) -> f64 {
    let (w, h) = (view.width, view.height);
    let luma = luma(view);
    let mut sum = 0.0;
    for y in 1..h.max(1) - 1 {
        for x in 1..w.max(1) - 1 {
            let i = y * w + x;
            if mask.is_none_or(|m| m.get(i).copied().unwrap_or(false)) {
                sum += (luma[i + 1] - luma[i - 1]).hypot(luma[i + w] - luma[i - w]);
            }
        }
    }
    sum
}

/// Gradient strength of a picture divided by that of the truth: 1 as crisp as the truth, 0.5 soft.
///
/// # Errors
/// When the sizes differ, a side is under 3 px, or the truth has no gradient.
pub fn gradient_sharpness(picture: &Rgbd, truth: &Rgbd, mask: Option<&[bool]>) -> Result<f64, PictureError> {
    check(picture, truth, mask)?;
    let of_truth = gradient_strength(truth, mask);
    if of_truth == 0.0 { Err(nothing("sharpness")) } else { Ok(gradient_strength(picture, mask) / of_truth) }
}

/// Median of the relative depth error `|d - d'| / d'`, where `d'` is the truth.
///
/// # Errors
/// When the sizes differ or nothing is compared.
pub fn depth_rel_err(picture: &Rgbd, truth: &Rgbd, mask: Option<&[bool]>) -> Result<f64, PictureError> {
    check(picture, truth, mask)?;
    let pairs = picture.depth_m.iter().zip(&truth.depth_m).enumerate();
    let chosen = pairs.filter(|(i, _)| mask.is_none_or(|m| m[*i]));
    let mut errors: Vec<f64> =
        chosen.map(|(_, (d, t))| (f64::from(*d) - f64::from(*t)).abs() / f64::from(*t)).collect();
    if errors.is_empty() {
        return Err(nothing("depth"));
    }
    let middle = errors.len() / 2;
    Ok(*errors.select_nth_unstable_by(middle, f64::total_cmp).1)
}

fn check(picture: &Rgbd, truth: &Rgbd, mask: Option<&[bool]>) -> Result<(), PictureError> {
    let want = truth.width * truth.height;
    let equal = |what, got| if got == want { Ok(()) } else { Err(PictureError::Unequal { what, want, got }) };
    if picture.width != truth.width {
        return Err(PictureError::Unequal { what: "a picture", want, got: picture.width * picture.height });
    }
    equal("a picture", picture.rgb.len() / 3)?;
    equal("a picture", truth.rgb.len() / 3)?;
    equal("a depth", picture.depth_m.len())?;
    equal("a depth", truth.depth_m.len())?;
    mask.map_or(Ok(()), |m| equal("a mask", m.len()))
}

fn nothing(what: &'static str) -> PictureError {
    PictureError::Incomparable { what, reason: "no pixel of the truth can be compared" }
}

/// Brightness of each pixel, 0 to 255.
fn luma(view: &Rgbd) -> Vec<f64> {
    let weigh = |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
    view.rgb.chunks_exact(3).map(weigh).collect()
}

/// Gaussian mean of every window inside the picture: `(w - 10) * (h - 10)` values.
fn blur(values: &[f64], w: usize, h: usize) -> Vec<f64> {
    let raw: [f64; WINDOW] = std::array::from_fn(|k| (-0.5 * ((k as f64 - 5.0) / SIGMA).powi(2)).exp());
    let total: f64 = raw.iter().sum();
    let kernel = raw.map(|v| v / total);
    let inner = w - WINDOW + 1;
    let mut rows = vec![0.0; inner * h];
    for y in 0..h {
        for x in 0..inner {
            let window = &values[y * w + x..y * w + x + WINDOW];
            rows[y * inner + x] = window.iter().zip(&kernel).map(|(v, k)| v * k).sum();
        }
    }
    let mut blurred = vec![0.0; inner * (h - WINDOW + 1)];
    for (i, out) in blurred.iter_mut().enumerate() {
        *out = kernel.iter().enumerate().map(|(k, weight)| weight * rows[i + k * inner]).sum();
    }
    blurred
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const W: usize = 40;
    const H: usize = 32;

    /// Checks with a saw-tooth and noise.
    fn noisy(seed: u32) -> Rgbd {
        let mut state = seed;
        let mut rgb = Vec::new();
        for i in 0..W * H * 3 {
            let (x, y, c) = ((i / 3 % W) as i32, (i / 3 / W) as i32, (i % 3) as i32);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let base = 128 + 70 * ((x / 5 + y / 4) % 2 * 2 - 1) + (x * 3 + y * 2 + c * 17) % 23;
            rgb.push((base + (state >> 24) as i32 % 31 - 15).clamp(0, 255) as u8);
        }
        Rgbd::new(W, H, rgb, vec![2.0; W * H]).unwrap()
    }

    fn pair() -> (Rgbd, Rgbd, Vec<bool>) {
        let mut other = noisy(77);
        other.rgb.iter_mut().for_each(|v| *v = (i32::from(*v) * 9 / 10 + 12) as u8);
        let mask = (0..W * H).map(|i| (8..20).contains(&(i / W)) && (10..30).contains(&(i % W))).collect();
        (noisy(1), other, mask)
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{got} instead of {want}");
    }

    // The numbers come from the same pictures in Python: scikit-image's peak_signal_noise_ratio(data_range=255) and
    // structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True) on
    // the luma 0.299 R + 0.587 G + 0.114 B, and plain numpy for the masked PSNR and the gradients.

    #[test]
    fn psnr_agrees_with_scikit_image() {
        let (a, b, mask) = pair();
        close(psnr(&b, &a, None).unwrap(), 25.007365867486445);
        close(psnr(&b, &a, Some(&mask)).unwrap(), 24.760817069921277);
        assert_eq!(psnr(&a, &a, None).unwrap(), f64::INFINITY);
    }

    #[test]
    fn ssim_agrees_with_scikit_image() {
        let (a, b, mask) = pair();
        close(ssim(&b, &a, None).unwrap(), 0.98658000598215);
        close(ssim(&b, &a, Some(&mask)).unwrap(), 0.9861362742333242);
        close(ssim(&a, &a, None).unwrap(), 1.0);
    }

    #[test]
    fn sharpness_agrees_with_numpy() {
        let (a, b, mask) = pair();
        close(gradient_sharpness(&b, &a, None).unwrap(), 0.9018823910377403);
        close(gradient_sharpness(&b, &a, Some(&mask)).unwrap(), 0.8972251107357315);
    }

    #[test]
    fn gmsd_of_an_edge_that_is_gone() {
        let flat = Rgbd::filled(20, 12, [90; 3]);
        let mut edge = flat.clone();
        (0..20 * 12).filter(|i| i % 20 >= 10).for_each(|i| edge.rgb[3 * i..3 * i + 3].fill(190));
        close(gmsd(&edge, &edge).unwrap(), 0.0);
        // Halved, 8 inner columns; the edge of 100 levels has a gradient of 100 in two of them.
        let (share, low) = (2.0 / 8.0, 170.0 / (10_000.0 + 170.0));
        close(gmsd(&flat, &edge).unwrap(), (1.0 - low) * f64::sqrt(share * (1.0 - share)));
        assert!(gmsd(&Rgbd::filled(5, 9, [0; 3]), &Rgbd::filled(5, 9, [0; 3])).is_err());
    }

    #[test]
    fn depth_error_is_the_median() {
        let truth = Rgbd::new(5, 1, vec![0; 15], vec![1.0, 2.0, 4.0, 10.0, 50.0]).unwrap();
        let guess = Rgbd::new(5, 1, vec![0; 15], vec![1.1, 2.0, 3.0, 12.0, 90.0]).unwrap();
        close(depth_rel_err(&guess, &truth, None).unwrap(), (12.0 - 10.0) / 10.0);
        let mask = [true, true, false, false, false];
        assert!((depth_rel_err(&guess, &truth, Some(&mask)).unwrap() - 0.1).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let (a, _, _) = pair();
        let small = Rgbd::filled(8, 8, [1; 3]);
        for (what, error) in [
            ("size", psnr(&small, &a, None)),
            ("mask", psnr(&a, &a, Some(&[true]))),
            ("nothing", psnr(&a, &a, Some(&vec![false; W * H]))),
            ("window", ssim(&small, &small, None)),
            ("flat", gradient_sharpness(&small, &small, None)),
            ("empty", depth_rel_err(&a, &a, Some(&vec![false; W * H]))),
        ] {
            assert!(error.is_err(), "{what}");
        }
    }
}
