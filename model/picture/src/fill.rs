//! Filling the holes of a warped picture smoothly, so that it can be encoded.

use crate::rgbd::{Rgbd, Warp, decode_depth, encode_depth};

/// One level of the pyramid: weighted sums of red, green, blue, encoded depth, and the weight.
type Level = (usize, usize, Vec<[f32; 5]>);

impl Warp {
    /// The warped view with holes filled from their surroundings: averages of what is known, from the finest scale that
    /// knows anything (pull-push, Gortler et al. 1996). A warp that knows nothing stays grey.
    #[must_use]
    pub fn filled(&self) -> Rgbd {
        let (w, h) = (self.view.width, self.view.height);
        let pixels = self.view.rgb.chunks_exact(3).zip(&self.view.depth_m).zip(&self.valid);
        let finest = pixels
            .map(|((rgb, depth), valid)| {
                if *valid {
                    [f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2]), encode_depth(*depth), 1.0]
                } else {
                    [0.0; 5]
                }
            })
            .collect();
        let mut levels: Vec<Level> = vec![(w, h, finest)];
        while let Some((w, h, fine)) = levels.last().filter(|(w, h, _)| *w > 1 || *h > 1) {
            let coarse = halved(*w, *h, fine);
            levels.push(coarse);
        }
        for i in (0..levels.len().saturating_sub(1)).rev() {
            let (fine, coarse) = levels.split_at_mut(i + 1);
            fill_from(&mut fine[i], &coarse[0]);
        }
        let mut out = self.view.clone();
        let Some((_, _, finest)) = levels.first() else { return out };
        for (i, valid) in self.valid.iter().enumerate() {
            let value = finest[i];
            if *valid || value[4] <= 0.0 {
                continue;
            }
            for c in 0..3 {
                out.rgb[i * 3 + c] = (value[c] / value[4]).round() as u8;
            }
            out.depth_m[i] = decode_depth(value[3] / value[4]);
        }
        out
    }
}

fn halved(w: usize, h: usize, fine: &[[f32; 5]]) -> Level {
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let mut coarse = vec![[0.0; 5]; cw * ch];
    for y in 0..h {
        for x in 0..w {
            let to = &mut coarse[(y / 2) * cw + x / 2];
            for (t, f) in to.iter_mut().zip(&fine[y * w + x]) {
                *t += *f;
            }
        }
    }
    for value in &mut coarse {
        // A cell counts at most as one pixel, so that a coarse average does not outweigh the next scale's own.
        let weight = value[4];
        if weight > 1.0 {
            value.iter_mut().for_each(|v| *v /= weight);
        }
    }
    (cw, ch, coarse)
}

fn fill_from(fine: &mut Level, coarse: &Level) {
    let (w, _, values) = fine;
    for (i, value) in values.iter_mut().enumerate() {
        if value[4] >= 1.0 {
            continue;
        }
        let from = coarse.2[(i / *w / 2) * coarse.0 + i % *w / 2];
        if from[4] > 0.0 {
            let missing = (1.0 - value[4]) / from[4];
            for (v, f) in value.iter_mut().zip(from) {
                *v += f * missing;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_the_colour_of_their_surroundings() {
        let mut warp = Warp::empty(8, 8);
        for i in 0..64 {
            warp.valid[i] = i % 8 != 3 && i / 8 != 5;
            if warp.valid[i] {
                warp.view.rgb[i * 3..i * 3 + 3].copy_from_slice(&[200, 100, 50]);
                warp.view.depth_m[i] = 2.0;
            }
        }
        let filled = warp.filled();
        for i in 0..64 {
            assert_eq!(&filled.rgb[i * 3..i * 3 + 3], &[200, 100, 50], "pixel {i}");
            assert!((filled.depth_m[i] - 2.0).abs() < 1e-3);
        }
        assert_eq!(Warp::empty(8, 8).filled(), Warp::empty(8, 8).view);
    }
}
