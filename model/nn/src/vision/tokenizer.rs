//! The vision tokenizer over pictures: a loaded folder that turns views into codes and codes into views.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use rhea_picture::{Picture, Rgbd, Warp, decode_depth, encode_depth};

use super::config::VisionConfig;
use super::layers::{Init, Parameters};
use super::memory::MEMORY_CHANNELS;
use super::net::VisionNet;
use crate::error::NnError;
use crate::kernels::{self, Packed, Unit, product};
use crate::weights::Weights;

/// Cells of a picture of any size: 128 x 128 are 2048 x 2048 pixels, twice the largest published size.
const MAX_CELLS: usize = 128 * 128;
/// Scores that stand in memory at once when codes are looked up.
const SCORES: usize = 1 << 23;

/// A loaded vision tokenizer.
pub struct VisionTokenizer {
    net: VisionNet,
    codebook: Vec<f32>,
    packed_codebook: Packed,
    side_px: usize,
}

/// What the two halves of a vision tokenizer are computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// The encoder's. Codes are an argmax over many close values, so anything but f32 changes some of them.
    pub encoder: Unit,
    /// The decoder's. Rounding changes pixels by less than can be seen.
    pub decoder: Unit,
}

impl Units {
    /// The process's unit for both.
    #[must_use]
    pub fn fast() -> Self {
        Self { encoder: kernels::unit(), decoder: kernels::unit() }
    }

    /// Codes as the reference computes them; pixels as fast as the process can.
    #[must_use]
    pub fn exact_codes() -> Self {
        Self { encoder: Unit::F32, decoder: kernels::unit() }
    }
}

/// The codes of a picture of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeGrid {
    /// Rows of codes.
    pub rows: usize,
    /// Columns of codes.
    pub cols: usize,
    /// Codes, row-major.
    pub codes: Vec<u32>,
}

struct FromFile {
    weights: Weights,
    units: Units,
}

impl Parameters for FromFile {
    fn conv(&self, name: &str, c_out: usize, c_in: usize, side: usize, _: Init) -> Result<Tensor, NnError> {
        Ok(self.weights.tensor_f32(name, &[c_out, c_in, side, side])?.permute((0, 2, 3, 1))?.contiguous()?)
    }

    fn plain(&self, name: &str, shape: &[usize], _: Init) -> Result<Tensor, NnError> {
        self.weights.tensor_f32(name, shape)
    }

    fn frozen(&self) -> bool {
        true
    }

    fn unit(&self, name: &str) -> Unit {
        if name.starts_with("decoder.") || name.starts_with("post_quant_conv") {
            self.units.decoder
        } else {
            self.units.encoder
        }
    }
}

impl VisionTokenizer {
    /// Opens a folder's settings (`config.json` or `config.yaml`) and `model.safetensors`, to be computed with the process's
    /// unit.
    ///
    /// # Errors
    /// When a file is missing or damaged, or tensors do not fit the configuration.
    pub fn open(dir: &Path) -> Result<Self, NnError> {
        Self::open_for(dir, Units::fast())
    }

    /// As [`Self::open`], for given units.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for(dir: &Path, units: Units) -> Result<Self, NnError> {
        let config = VisionConfig::open_folder(dir)?;
        let weights = FromFile { weights: Weights::open_folder(dir)?, units };
        let net = VisionNet::new(&config, &weights)?;
        let codebook = net.codebook().flatten_all()?.to_vec1::<f32>()?;
        // Scores in f32 whatever the unit: codes are an argmax over thousands of close values.
        let packed_codebook = Packed::from_nk(Unit::F32, &codebook, config.codebook_size, config.embed_dim);
        let side_px = config.resolution * config.patch_size;
        Ok(Self { net, codebook, packed_codebook, side_px })
    }

    /// The network.
    #[must_use]
    pub fn net(&self) -> &VisionNet {
        &self.net
    }

    /// Pixels a side that one code stands for; pictures have sides that are multiples of it.
    #[must_use]
    pub fn cell_px(&self) -> usize {
        self.net.config().downsampling()
    }

    /// The codes of a picture of any size.
    ///
    /// # Errors
    /// When a side is no multiple of [`Self::cell_px`], or the picture has too many cells.
    pub fn encode_picture(&self, picture: &Picture) -> Result<CodeGrid, NnError> {
        let (cell, (w, h)) = (self.cell_px(), (picture.width, picture.height));
        if !w.is_multiple_of(cell) || !h.is_multiple_of(cell) || picture.rgb.len() != w * h * 3 {
            let text = format!(
                "a picture of {w} x {h} px and {} values; sides must be multiples of {cell}",
                picture.rgb.len()
            );
            return Err(NnError::Input(text));
        }
        let (rows, cols) = (h / cell, w / cell);
        check_cells(rows, cols)?;
        let channels = self.net.config().in_channels;
        let mut data = Vec::with_capacity(w * h * channels);
        for rgb in picture.rgb.chunks_exact(3) {
            // In double precision, as the reference does.
            data.extend(rgb.iter().map(|v| (f64::from(*v) / 127.5 - 1.0) as f32));
            // Without depth, everything is far away.
            data.extend((channels == 4).then_some(1.0));
        }
        let x = Tensor::from_vec(data, (1, h, w, channels), &Device::Cpu)?;
        let latents = rayon::scope(|_| self.net.encode(&x))?.flatten_all()?.to_vec1::<f32>()?;
        Ok(CodeGrid { rows, cols, codes: nearest_codes(&latents, &self.packed_codebook) })
    }

    /// The picture of `rows` x `cols` codes, without memory. Colours are clamped and truncated as in the reference.
    ///
    /// # Errors
    /// When there are more or fewer codes, too many, or one outside the codebook.
    pub fn decode_picture(&self, codes: &[u32], rows: usize, cols: usize) -> Result<Picture, NnError> {
        check_cells(rows, cols)?;
        let z = self.vectors(&[codes], (rows, cols))?;
        let out = rayon::scope(|_| self.net.decode(&z, None))?.flatten_all()?.to_vec1::<f32>()?;
        let pixels = out.chunks_exact(self.net.config().out_ch);
        let rgb = pixels.flat_map(|pixel| pixel.iter().take(3).map(|v| ((v + 1.0) * 127.5).clamp(0.0, 255.0) as u8));
        Ok(Picture { width: cols * self.cell_px(), height: rows * self.cell_px(), rgb: rgb.collect() })
    }

    /// Side of the square views the model was trained on, pixels.
    #[must_use]
    pub fn side_px(&self) -> usize {
        self.side_px
    }

    /// Rows and columns of codes of such a view.
    #[must_use]
    pub fn grid(&self) -> (usize, usize) {
        let side = self.side_px / self.net.config().downsampling();
        (side, side)
    }

    /// Number of codes.
    #[must_use]
    pub fn codebook_size(&self) -> usize {
        self.net.config().codebook_size
    }

    /// Code vectors, row-major `(codebook_size, embed_dim)`.
    #[must_use]
    pub fn codebook(&self) -> &[f32] {
        &self.codebook
    }

    /// The codes of a view, row-major.
    ///
    /// # Errors
    /// When the view's side is not [`VisionTokenizer::side_px`].
    pub fn encode(&self, view: &Rgbd) -> Result<Vec<u32>, NnError> {
        self.encode_batch(&[view]).map(|mut codes| codes.pop().unwrap_or_default())
    }

    /// As [`VisionTokenizer::encode`] for several views at once.
    ///
    /// # Errors
    /// As [`VisionTokenizer::encode`].
    pub fn encode_batch(&self, views: &[&Rgbd]) -> Result<Vec<Vec<u32>>, NnError> {
        let (side, channels) = (self.side_px, self.net.config().in_channels);
        let mut data = Vec::with_capacity(views.len() * side * side * channels);
        for view in views {
            self.check(view)?;
            if channels == 4 {
                picture_values(view, &mut data);
            } else {
                data.extend(view.rgb.iter().map(|v| colour_value(*v)));
            }
        }
        let x = Tensor::from_vec(data, (views.len(), side, side, channels), &Device::Cpu)?;
        let latents = rayon::scope(|_| self.net.encode(&x))?.flatten_all()?.to_vec1::<f32>()?;
        let codes = nearest_codes(&latents, &self.packed_codebook);
        let (rows, cols) = self.grid();
        Ok(codes.chunks_exact(rows * cols).map(<[u32]>::to_vec).collect())
    }

    /// Codes to a view; what `memory` shows stays crisp. A tokenizer without depth gives the largest one everywhere.
    ///
    /// # Errors
    /// When the number of codes is not that of a view, a code is out of range, or the memory has another size.
    pub fn decode(&self, codes: &[u32], memory: Option<&Warp>) -> Result<Rgbd, NnError> {
        let mut views = self.decode_batch(&[codes], &[memory])?;
        views.pop().ok_or_else(|| NnError::Input("nothing was decoded".into()))
    }

    /// As [`VisionTokenizer::decode`] for several views at once; the two lists are equally long.
    ///
    /// # Errors
    /// As [`VisionTokenizer::decode`].
    pub fn decode_batch(&self, codes: &[&[u32]], memory: &[Option<&Warp>]) -> Result<Vec<Rgbd>, NnError> {
        let (config, side) = (self.net.config(), self.side_px);
        let z = self.vectors(codes, self.grid())?;
        let guide = if config.memory_skip && memory.iter().any(Option::is_some) {
            let mut data = Vec::with_capacity(codes.len() * side * side * MEMORY_CHANNELS);
            for warp in memory {
                match warp {
                    Some(warp) => {
                        self.check(&warp.view)?;
                        memory_values(warp, &mut data);
                    }
                    None => data.resize(data.len() + side * side * MEMORY_CHANNELS, 0.0),
                }
            }
            Some(Tensor::from_vec(data, (codes.len(), side, side, MEMORY_CHANNELS), &Device::Cpu)?)
        } else {
            None
        };
        let out = rayon::scope(|_| self.net.decode(&z, guide.as_ref()))?;
        let mut out = out.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if config.out_ch == 3 {
            out = out.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 1.0]).collect();
        }
        Ok(out.chunks_exact(side * side * 4).map(|values| picture_view(values, side)).collect())
    }

    /// The code vectors of pictures of one size, `(pictures, rows, cols, embed_dim)`.
    fn vectors(&self, codes: &[&[u32]], (rows, cols): (usize, usize)) -> Result<Tensor, NnError> {
        let config = self.net.config();
        let dim = config.embed_dim;
        let mut vectors = Vec::with_capacity(codes.len() * rows * cols * dim);
        for codes in codes {
            if codes.len() != rows * cols {
                return Err(NnError::Input(format!("a view has {rows} x {cols} codes, got {}", codes.len())));
            }
            for code in *codes {
                let at = *code as usize * dim;
                let vector = self.codebook.get(at..at + dim).ok_or_else(|| {
                    NnError::Input(format!("code {code} is outside the codebook of {}", config.codebook_size))
                })?;
                vectors.extend_from_slice(vector);
            }
        }
        Ok(Tensor::from_vec(vectors, (codes.len(), rows, cols, dim), &Device::Cpu)?)
    }

    fn check(&self, view: &Rgbd) -> Result<(), NnError> {
        if view.width == self.side_px && view.height == self.side_px {
            return Ok(());
        }
        Err(NnError::Input(format!(
            "the model takes views of {0} x {0} px, got {1} x {2}",
            self.side_px, view.width, view.height
        )))
    }
}

/// The best code of each latent: the first maximum of the dot products with all code vectors.
#[must_use]
pub fn nearest_codes(latents: &[f32], codebook: &Packed) -> Vec<u32> {
    let (n, k) = (codebook.n(), codebook.k());
    let mut codes = Vec::with_capacity(latents.len() / k);
    let mut scores = Vec::new();
    for part in latents.chunks((SCORES / n.max(1)).clamp(1, 256) * k) {
        let m = part.len() / k;
        scores.resize(m * n, 0.0);
        product(part, m, codebook, None, &mut scores);
        for row in scores.chunks_exact(n) {
            let best =
                row.iter().enumerate().fold((0, f32::NEG_INFINITY), |b, (i, s)| if *s > b.1 { (i, *s) } else { b });
            codes.push(best.0 as u32);
        }
    }
    codes
}

fn check_cells(rows: usize, cols: usize) -> Result<(), NnError> {
    if rows.checked_mul(cols).is_some_and(|cells| (1..=MAX_CELLS).contains(&cells)) {
        return Ok(());
    }
    Err(NnError::Input(format!("a picture of {rows} x {cols} cells; allowed are 1 to {MAX_CELLS} in all")))
}

/// A colour as the network takes it.
fn colour_value(value: u8) -> f32 {
    f32::from(value) / 127.5 - 1.0
}

/// Appends a view's values as the network takes them: `(y, x, 4)`, colour `u8 / 127.5 - 1`, then encoded depth.
pub fn picture_values(view: &Rgbd, to: &mut Vec<f32>) {
    for (rgb, depth) in view.rgb.chunks_exact(3).zip(&view.depth_m) {
        to.extend(rgb.iter().map(|v| colour_value(*v)));
        to.push(encode_depth(*depth));
    }
}

/// The inverse of [`picture_values`] for a square view; colours are clamped and truncated as in the reference.
#[must_use]
pub fn picture_view(values: &[f32], side: usize) -> Rgbd {
    let mut view = Rgbd::filled(side, side, [0; 3]);
    for ((from, rgb), depth) in values.chunks_exact(4).zip(view.rgb.chunks_exact_mut(3)).zip(&mut view.depth_m) {
        for (to, value) in rgb.iter_mut().zip(from) {
            *to = ((value + 1.0) * 127.5 + 1e-3).clamp(0.0, 255.0) as u8;
        }
        *depth = if from[3].is_finite() { decode_depth(from[3]) } else { rhea_picture::FARTHEST_M };
    }
    view
}

/// Appends warped memory as the decoder takes it: `(y, x, 6)`, all zero where nothing was seen.
pub fn memory_values(warp: &Warp, to: &mut Vec<f32>) {
    let pixels = warp.view.rgb.chunks_exact(3).zip(&warp.view.depth_m).zip(&warp.valid).zip(&warp.magnification);
    for (((rgb, depth), valid), magnification) in pixels {
        if *valid {
            to.extend(rgb.iter().map(|v| colour_value(*v)));
            to.extend([encode_depth(*depth), 1.0, magnification.max(1e-3).log2().clamp(-4.0, 4.0)]);
        } else {
            to.extend([0.0; MEMORY_CHANNELS]);
        }
    }
}
