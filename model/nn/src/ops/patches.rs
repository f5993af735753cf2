//! Moving pixels between space and channels.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::values;

/// `side x side` pixels of space become channels, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchOrder {
    /// Side of the patch, pixels.
    pub side: usize,
    /// True: `(b, y, x, c)` to `(b, y / side, x / side, side * side * c)`, channels ordered `(dy, dx, c)`.
    pub into_channels: bool,
}

/// Reorders; differentiable.
///
/// # Errors
/// When the sizes do not divide.
pub fn reorder(x: &Tensor, order: PatchOrder) -> Result<Tensor> {
    x.contiguous()?.apply_op1(order)
}

impl CustomOp1 for PatchOrder {
    fn name(&self) -> &'static str {
        "patch-order"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, xl)?;
        let (b, y, w, c) = xl.shape().dims4()?;
        let p = self.side;
        // Sizes of the spatial side: height, width, channels per pixel.
        let (fine_y, fine_x, per, shape) = if self.into_channels {
            if y % p != 0 || w % p != 0 {
                bail!("{y} x {w} pixels do not divide into patches of {p}");
            }
            (y, w, c, (b, y / p, w / p, c * p * p))
        } else {
            if c % (p * p) != 0 {
                bail!("{c} channels do not divide into patches of {p} x {p}");
            }
            (y * p, w * p, c / (p * p), (b, y * p, w * p, c / (p * p)))
        };
        let mut out = vec![0.0; x.len()];
        let run = p * per;
        for image in 0..b {
            for row in 0..fine_y {
                for patch in 0..fine_x / p {
                    let fine = ((image * fine_y + row) * fine_x + patch * p) * per;
                    let coarse = ((image * (fine_y / p) + row / p) * (fine_x / p) + patch) * run * p + row % p * run;
                    if self.into_channels {
                        out[coarse..coarse + run].copy_from_slice(&x[fine..fine + run]);
                    } else {
                        out[fine..fine + run].copy_from_slice(&x[coarse..coarse + run]);
                    }
                }
            }
        }
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back = Self { side: self.side, into_channels: !self.into_channels };
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(&back)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn patches_follow_the_definition_and_come_back() {
        let x = Tensor::arange(0f32, 2. * 4. * 6. * 3., &Device::Cpu).unwrap().reshape((2, 4, 6, 3)).unwrap();
        let packed = reorder(&x, PatchOrder { side: 2, into_channels: true }).unwrap();
        assert_eq!(packed.dims(), &[2, 2, 3, 12]);
        let at = |t: &Tensor, i: [usize; 4]| {
            let mut t = t.clone();
            for i in i {
                t = t.get(i).unwrap();
            }
            t.to_scalar::<f32>().unwrap()
        };
        // Channel (dy 1, dx 0, c 2) of patch (1, 2) in picture 1 is pixel (3, 4), channel 2.
        assert_eq!(at(&packed, [1, 1, 2, 2 * 3 + 2]), at(&x, [1, 3, 4, 2]));
        let back = reorder(&packed, PatchOrder { side: 2, into_channels: false }).unwrap();
        assert_eq!(
            back.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
    }
}
