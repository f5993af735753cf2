//! The transformer in candle's own operations: autograd over padded batches, on any device that candle has.
//!
//! It computes what [`Pass`](rhea_nn::transformer::training::Pass) computes with the kernels of this project; a test holds the
//! two together.

use std::collections::HashMap;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::ops;
use rhea_nn::transformer::training::RowLoss;
use rhea_nn::transformer::{NO_ID, Parameters, TransformerConfig};

use super::{Kind, Laid};

/// The network's variables on a device.
pub struct CandleNetwork {
    vars: HashMap<String, Var>,
    config: TransformerConfig,
    visual_start: usize,
    device: Device,
    /// What products are computed in; weights and sums stay f32.
    products: DType,
}

/// One padded batch.
struct Padded {
    ids: Tensor,
    marks: [Tensor; 2],
    mark_shown: [Tensor; 2],
    cos: Tensor,
    sin: Tensor,
    mask: Tensor,
}

/// Losses of a batch, and what each target came to.
pub struct BatchLoss {
    /// The sum of cross entropies times their weights; a scalar that gradients can be taken of.
    pub total: Tensor,
    /// Sum of the weights.
    pub weight: f64,
    /// Every target's own loss.
    pub rows: Vec<(Kind, RowLoss)>,
}

impl CandleNetwork {
    /// Copies of the weights on a device.
    ///
    /// # Errors
    /// What candle says, out of memory included.
    pub fn new(parameters: &Parameters, visual_start: usize, device: &Device, products: DType) -> Result<Self> {
        let copy = |(name, var): &(String, Var)| {
            // A copy even where the device is the same: the optimiser changes its own in place.
            Ok((name.clone(), Var::from_tensor(&var.as_tensor().to_device(device)?.copy()?)?))
        };
        let vars = parameters.vars().iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { vars, config: parameters.config().clone(), visual_start, device: device.clone(), products })
    }

    /// The variables by name.
    #[must_use]
    pub fn vars(&self) -> &HashMap<String, Var> {
        &self.vars
    }

    fn var(&self, name: &str) -> Result<&Tensor> {
        let missing = || candle_core::Error::Msg(format!("no weight {name}"));
        Ok(self.vars.get(name).ok_or_else(missing)?.as_tensor())
    }

    /// Cross entropies of all targets, each within its half of the vocabulary.
    ///
    /// # Errors
    /// What candle says.
    pub fn loss(&self, laid: &[&Laid]) -> Result<BatchLoss> {
        let length = laid.iter().map(|l| l.tokens.len()).max().unwrap_or(0);
        let hidden = self.hidden(&self.padded(laid, length)?)?.flatten_to(1)?;
        let head = self.var("lm_head.weight")?;
        let mut total = Tensor::zeros((), DType::F32, &self.device)?;
        let (mut weight, mut all) = (0.0, Vec::new());
        for visual in [false, true] {
            let (mut rows, mut targets, mut weights, mut kinds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let (from, count) = if visual {
                (self.visual_start, self.config.vocab_size - self.visual_start)
            } else {
                (0, self.visual_start)
            };
            for (sequence, l) in laid.iter().enumerate() {
                for (target, kind) in l.targets.iter().zip(&l.kinds) {
                    if (target.target as usize >= self.visual_start) == visual {
                        rows.push((sequence * length) as u32 + target.row);
                        targets.push(target.target - from as u32);
                        weights.push(target.weight);
                        weight += f64::from(target.weight);
                        kinds.push(*kind);
                    }
                }
            }
            if rows.is_empty() {
                continue;
            }
            let n = rows.len();
            let head = head.narrow(0, from, count)?;
            let logits = self.product(&hidden.index_select(&Tensor::new(rows, &self.device)?, 0)?, &head)?;
            let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
            let column = Tensor::from_slice(&targets, (n, 1), &self.device)?;
            let nats = ops::log_softmax(&logits, D::Minus1)?.gather(&column, 1)?.squeeze(1)?.neg()?;
            let each = nats.to_vec1::<f32>()?;
            total = (total + (nats * Tensor::from_vec(weights, n, &self.device)?)?.sum_all()?)?;
            let losses = each.into_iter().zip(best.iter().zip(&targets).map(|(best, target)| best == target));
            all.extend(kinds.into_iter().zip(losses.map(|(nats, correct)| RowLoss { nats, correct })));
        }
        Ok(BatchLoss { total, weight, rows: all })
    }

    fn padded(&self, laid: &[&Laid], length: usize) -> Result<Padded> {
        let half = self.config.head_dim / 2;
        let (mut ids, mut cos, mut sin, mut mask) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut marks, mut shown) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for l in laid {
            for row in 0..length {
                let token = l.tokens.get(row);
                ids.push(token.map_or(0, |t| t.id));
                for i in 0..2 {
                    let mark = token.map(|t| t.marks[i]).filter(|mark| *mark != NO_ID);
                    marks[i].push(mark.unwrap_or(0));
                    shown[i].push(if mark.is_some() { 1.0f32 } else { 0.0 });
                }
                for pair in 0..half {
                    let share = pair as f64 / half as f64;
                    let angle = f64::from(token.map_or(0, |t| t.position)) / self.config.rope_theta.powf(share);
                    cos.push(angle.cos() as f32);
                    sin.push(angle.sin() as f32);
                }
                for key in 0..length as u32 {
                    let seen = token.map_or(key as usize == row, |t| {
                        let v = t.visible;
                        key < v.causal || (v.block_start..v.block_end).contains(&key)
                    });
                    mask.push(if seen { 0.0f32 } else { f32::NEG_INFINITY });
                }
            }
        }
        let b = laid.len();
        let ids = Tensor::from_vec(ids, b * length, &self.device)?;
        let [first, second] = marks;
        let [first_shown, second_shown] = shown;
        Ok(Padded {
            ids,
            marks: [Tensor::new(first, &self.device)?, Tensor::new(second, &self.device)?],
            mark_shown: [
                Tensor::from_vec(first_shown, (b * length, 1), &self.device)?,
                Tensor::from_vec(second_shown, (b * length, 1), &self.device)?,
            ],
            cos: Tensor::from_vec(cos, (b, 1, length, half), &self.device)?,
            sin: Tensor::from_vec(sin, (b, 1, length, half), &self.device)?,
            mask: Tensor::from_vec(mask, (b, 1, length, length), &self.device)?,
        })
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        ops::rms_norm_slow(x, self.var(name)?, self.config.rms_norm_eps as f32)
    }

    /// `x wᵀ` over the last dimension.
    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.product(x, self.var(name)?)
    }

    fn product(&self, x: &Tensor, w: &Tensor) -> Result<Tensor> {
        x.to_dtype(self.products)?.broadcast_matmul(&w.to_dtype(self.products)?.t()?)?.to_dtype(DType::F32)
    }

    /// The final norm's output, `(b, l, hidden)`.
    fn hidden(&self, batch: &Padded) -> Result<Tensor> {
        let c = &self.config;
        let (b, _, length, _) = batch.mask.dims4()?;
        let table = self.var("model.embed_tokens.weight")?;
        let mut x = table.index_select(&batch.ids, 0)?;
        for (marks, shown) in batch.marks.iter().zip(&batch.mark_shown) {
            x = (x + table.index_select(marks, 0)?.broadcast_mul(shown)?)?;
        }
        let mut x = x.reshape((b, length, c.hidden_size))?;
        for i in 0..c.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{i}.{part}.weight");
            let normed = self.norm(&x, &name("input_layernorm"))?;
            let heads = |part: &str, n: usize| -> Result<Tensor> {
                let y = self.linear(&normed, &name(&format!("self_attn.{part}_proj")))?;
                y.reshape((b, length, n, c.head_dim))?.transpose(1, 2)?.contiguous()
            };
            let q = self.norm(&heads("q", c.num_attention_heads)?, &name("self_attn.q_norm"))?;
            let k = self.norm(&heads("k", c.num_key_value_heads)?, &name("self_attn.k_norm"))?;
            let v = heads("v", c.num_key_value_heads)?;
            let (q, k) = (turned(&q, batch)?, turned(&k, batch)?);
            let group = c.num_attention_heads / c.num_key_value_heads;
            let repeat = |t: &Tensor| -> Result<Tensor> {
                let wide = t.unsqueeze(2)?.expand((b, c.num_key_value_heads, group, length, c.head_dim))?;
                wide.reshape((b, c.num_attention_heads, length, c.head_dim))
            };
            let (k, v) = (repeat(&k)?, repeat(&v)?);
            let scores = (q.matmul(&k.t()?)? / (c.head_dim as f64).sqrt())?.broadcast_add(&batch.mask)?;
            let context = ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
            let context = context.transpose(1, 2)?.reshape((b, length, c.num_attention_heads * c.head_dim))?;
            x = (x + self.linear(&context, &name("self_attn.o_proj"))?)?;
            let normed = self.norm(&x, &name("post_attention_layernorm"))?;
            let gate = ops::silu(&self.linear(&normed, &name("mlp.gate_proj"))?)?;
            let up = self.linear(&normed, &name("mlp.up_proj"))?;
            x = (x + self.linear(&(gate * up)?, &name("mlp.down_proj"))?)?;
        }
        self.norm(&x, "model.norm.weight")
    }
}

/// Half-split rotation of `(b, heads, l, head_dim)`.
fn turned(x: &Tensor, batch: &Padded) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (first, second) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let a = (first.broadcast_mul(&batch.cos)? - second.broadcast_mul(&batch.sin)?)?;
    let b = (second.broadcast_mul(&batch.cos)? + first.broadcast_mul(&batch.sin)?)?;
    Tensor::cat(&[a, b], D::Minus1)
}
