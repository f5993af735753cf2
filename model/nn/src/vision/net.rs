//! Encoder, quantiser and decoder of the IBQ vision tokenizer.

use candle_core::Tensor;

use super::Result;

use super::config::VisionConfig;
use super::layers::{Attention, Conv, Init, Norm, Parameters, ResBlock};
use super::memory::MemorySkip;
use crate::error::NnError;
use crate::ops::{ConvOp, PatchOrder, reorder};

const DOWN: ConvOp = ConvOp { side: 3, upsample: false, downsample: true };
const UP: ConvOp = ConvOp { side: 3, upsample: true, downsample: false };

#[derive(Clone, Debug)]
struct Level {
    blocks: Vec<ResBlock>,
    attention: Vec<Attention>,
    resample: Option<Conv>,
}

impl Level {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x)?;
            if let Some(attention) = self.attention.get(i) {
                x = attention.forward(&x)?;
            }
        }
        Ok(x)
    }
}

#[derive(Clone, Debug)]
struct Middle {
    block_1: ResBlock,
    attn_1: Attention,
    block_2: ResBlock,
}

impl Middle {
    fn new(p: &dyn Parameters, name: &str, c: usize) -> Result<Self, NnError> {
        Ok(Self {
            block_1: ResBlock::new(p, &format!("{name}.block_1"), c, c)?,
            attn_1: Attention::new(p, &format!("{name}.attn_1"), c)?,
            block_2: ResBlock::new(p, &format!("{name}.block_2"), c, c)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.block_2.forward(&self.attn_1.forward(&self.block_1.forward(x)?)?)
    }
}

/// The whole network. Pictures are channels-last, values in [-1, 1]; the fourth channel is encoded depth.
#[derive(Clone, Debug)]
pub struct VisionNet {
    config: VisionConfig,
    encoder_in: Conv,
    encoder_levels: Vec<Level>,
    encoder_middle: Middle,
    encoder_norm: Norm,
    encoder_out: Conv,
    quant_conv: Conv,
    codebook: Tensor,
    post_quant_conv: Conv,
    decoder_in: Conv,
    decoder_middle: Middle,
    /// Indexed by level; executed from the coarsest down.
    decoder_levels: Vec<Level>,
    decoder_norm: Norm,
    decoder_out: Conv,
    memory: Option<MemorySkip>,
}

impl VisionNet {
    /// Builds the network over its parameters, named as in published folders.
    ///
    /// # Errors
    /// When a parameter is missing or has another shape.
    pub fn new(config: &VisionConfig, p: &dyn Parameters) -> Result<Self, NnError> {
        let c = config;
        let levels = c.ch_mult.len();
        let top = c.channels(levels - 1);
        let area = c.patch_size * c.patch_size;
        let build = |side: &str, level: usize, widths: &[usize]| -> Result<(Vec<ResBlock>, Vec<Attention>), NnError> {
            let (mut blocks, mut attention) = (Vec::new(), Vec::new());
            for (i, pair) in widths.windows(2).enumerate() {
                blocks.push(ResBlock::new(p, &format!("{side}.{level}.block.{i}"), pair[0], pair[1])?);
                if c.attention(level) {
                    attention.push(Attention::new(p, &format!("{side}.{level}.attn.{i}"), pair[1])?);
                }
            }
            Ok((blocks, attention))
        };
        let mut encoder_levels = Vec::new();
        let mut width = c.ch;
        for level in 0..levels {
            let mut widths = vec![c.channels(level); c.num_res_blocks + 1];
            widths[0] = width;
            width = c.channels(level);
            let (blocks, attention) = build("encoder.down", level, &widths)?;
            let name = format!("encoder.down.{level}.downsample.conv");
            let resample = if level + 1 < levels { Some(Conv::new(p, &name, width, width, DOWN, 1.0)?) } else { None };
            encoder_levels.push(Level { blocks, attention, resample });
        }
        let mut decoder_levels = Vec::new();
        width = top;
        for level in (0..levels).rev() {
            let mut widths = vec![c.channels(level); c.num_res_blocks + 2];
            widths[0] = width;
            width = c.channels(level);
            let (blocks, attention) = build("decoder.up", level, &widths)?;
            let name = format!("decoder.up.{level}.upsample.conv");
            let resample = if level > 0 { Some(Conv::new(p, &name, width, width, UP, 1.0)?) } else { None };
            decoder_levels.push(Level { blocks, attention, resample });
        }
        decoder_levels.reverse();
        let conv = |name: &str, i, o, side, gain| Conv::new(p, name, i, o, ConvOp::plain(side), gain);
        let memory = if c.memory_skip { Some(MemorySkip::new(c, p)?) } else { None };
        // With memory the head also gives one gate for colour and one for depth per pixel.
        let out = (c.out_ch + if c.memory_skip { 2 } else { 0 }) * area;
        Ok(Self {
            encoder_in: conv("encoder.conv_in", c.in_channels * area, c.ch, 3, 1.0)?,
            encoder_levels,
            encoder_middle: Middle::new(p, "encoder.mid", top)?,
            encoder_norm: Norm::new(p, "encoder.norm_out", top)?,
            encoder_out: conv("encoder.conv_out", top, c.z_channels, 3, 1.0)?,
            quant_conv: conv("quant_conv", c.z_channels, c.embed_dim, 1, 1.0)?,
            codebook: p.plain("quantize.embedding.weight", &[c.codebook_size, c.embed_dim], Init::Normal(1.0))?,
            post_quant_conv: conv("post_quant_conv", c.embed_dim, c.z_channels, 1, 1.0)?,
            decoder_in: conv("decoder.conv_in", c.z_channels, top, 3, 1.0)?,
            decoder_middle: Middle::new(p, "decoder.mid", top)?,
            decoder_levels,
            decoder_norm: Norm::new(p, "decoder.norm_out", c.ch)?,
            decoder_out: conv("decoder.conv_out", c.ch, out, 3, 0.5)?,
            memory,
            config: config.clone(),
        })
    }

    /// The sizes.
    #[must_use]
    pub fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// Code vectors, `(codebook_size, embed_dim)`.
    #[must_use]
    pub fn codebook(&self) -> &Tensor {
        &self.codebook
    }

    /// `(b, y, x, in_channels)` to latents `(b, y / d, x / d, embed_dim)`, before quantisation.
    ///
    /// # Errors
    /// When the sides are not multiples of the down-sampling.
    pub fn encode(&self, picture: &Tensor) -> Result<Tensor> {
        self.quant_conv.forward(&self.features(picture)?)
    }

    /// `(b, y, x, in_channels)` to what the encoder gives, `(b, y / d, x / d, z_channels)`.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn features(&self, picture: &Tensor) -> Result<Tensor> {
        let mut x = picture.clone();
        if self.config.patch_size > 1 {
            x = reorder(&x, PatchOrder { side: self.config.patch_size, into_channels: true })?;
        }
        x = self.encoder_in.forward(&x)?;
        for level in &self.encoder_levels {
            x = level.forward(&x)?;
            if let Some(down) = &level.resample {
                x = down.forward(&x)?;
            }
        }
        x = self.encoder_middle.forward(&x)?;
        self.encoder_out.forward(&self.encoder_norm.forward(&x, true)?)
    }

    /// Code vectors `(b, y, x, embed_dim)` to a picture `(b, y * d, x * d, out_ch)`; `memory` is `(b, y * d, x * d, 6)` as
    /// `MemorySkip` takes it, all zero where there is none.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn decode(&self, codes: &Tensor, memory: Option<&Tensor>) -> Result<Tensor> {
        let guide = match (&self.memory, memory) {
            (Some(skip), Some(memory)) => Some((skip, memory, skip.injections(memory)?)),
            _ => None,
        };
        let mut x = self.decoder_in.forward(&self.post_quant_conv.forward(codes)?)?;
        x = self.decoder_middle.forward(&x)?;
        for (level, layer) in self.decoder_levels.iter().enumerate().rev() {
            if let Some((_, _, injections)) = &guide {
                x = (x + &injections[level])?;
            }
            x = layer.forward(&x)?;
            if let Some(up) = &layer.resample {
                x = up.forward(&x)?;
            }
        }
        x = self.decoder_out.forward(&self.decoder_norm.forward(&x, true)?)?;
        if self.config.patch_size > 1 {
            x = reorder(&x, PatchOrder { side: self.config.patch_size, into_channels: false })?;
        }
        match guide {
            Some((skip, memory, _)) => skip.compose(&x, memory),
            None if self.config.memory_skip => x.narrow(3, 0, self.config.out_ch)?.contiguous(),
            None => Ok(x),
        }
    }
}
