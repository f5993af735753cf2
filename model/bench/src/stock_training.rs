//! A training step of the same network in stock candle: autograd over padded batches, f32, candle's AdamW.

use std::collections::HashMap;

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, ops};
use rhea_nn::transformer::{NO_ID, TransformerConfig};
use rhea_train::world::Laid;

use crate::error::BenchError;
use crate::model::RandomModel;

/// How the report calls it.
pub const NAME: &str = "the same step in stock candle f32";

/// The network's variables with candle's optimiser.
pub struct StockTrainer {
    vars: HashMap<String, Var>,
    config: TransformerConfig,
    visual_start: usize,
    optimiser: AdamW,
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

impl StockTrainer {
    /// Copies of the weights.
    ///
    /// # Errors
    /// What candle says.
    pub fn new(random: &RandomModel, rate: f64) -> Result<Self, BenchError> {
        let mut vars = HashMap::new();
        for (name, var) in random.parameters.vars() {
            vars.insert(name.clone(), Var::from_tensor(&var.as_tensor().copy()?)?);
        }
        let settings = ParamsAdamW { lr: rate, ..ParamsAdamW::default() };
        let optimiser = AdamW::new(vars.values().cloned().collect(), settings)?;
        Ok(Self { vars, config: random.parameters.config().clone(), visual_start: random.visual_start, optimiser })
    }

    /// One step on the sequences. Returns the weighted mean loss before it.
    ///
    /// # Errors
    /// What candle says.
    pub fn step(&mut self, laid: &[Laid]) -> Result<f32, BenchError> {
        let loss = self.loss(laid)?;
        self.optimiser.backward_step(&loss)?;
        Ok(loss.to_scalar()?)
    }

    fn var(&self, name: &str) -> Result<&Tensor, BenchError> {
        let missing = || candle_core::Error::Msg(format!("no weight {name}"));
        Ok(self.vars.get(name).ok_or_else(missing)?.as_tensor())
    }

    /// Mean cross entropy of all targets, by their weights; each target is compared within its half of the vocabulary.
    fn loss(&self, laid: &[Laid]) -> Result<Tensor, BenchError> {
        let length = laid.iter().map(|l| l.tokens.len()).max().unwrap_or(0);
        let hidden = self.hidden(&self.padded(laid, length)?)?.flatten_to(1)?;
        let head = self.var("lm_head.weight")?;
        let mut total = Tensor::zeros((), DType::F32, &Device::Cpu)?;
        let mut weight_sum = 0.0;
        for visual in [false, true] {
            let (mut rows, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
            for (sequence, l) in laid.iter().enumerate() {
                for target in &l.targets {
                    if (target.target as usize >= self.visual_start) == visual {
                        rows.push((sequence * length) as u32 + target.row);
                        targets.push(target.target - if visual { self.visual_start as u32 } else { 0 });
                        weights.push(target.weight);
                        weight_sum += f64::from(target.weight);
                    }
                }
            }
            if rows.is_empty() {
                continue;
            }
            let n = rows.len();
            let (from, count) = if visual {
                (self.visual_start, self.config.vocab_size - self.visual_start)
            } else {
                (0, self.visual_start)
            };
            let head = head.narrow(0, from, count)?.t()?;
            let logits = hidden.index_select(&Tensor::new(rows, &Device::Cpu)?, 0)?.matmul(&head)?;
            let nats = ops::log_softmax(&logits, D::Minus1)?
                .gather(&Tensor::from_vec(targets, (n, 1), &Device::Cpu)?, 1)?
                .squeeze(1)?
                .neg()?;
            total = (total + (nats * Tensor::from_vec(weights, n, &Device::Cpu)?)?.sum_all()?)?;
        }
        Ok((total / weight_sum)?)
    }

    fn padded(&self, laid: &[Laid], length: usize) -> Result<Padded, BenchError> {
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
        let ids = Tensor::from_vec(ids, b * length, &Device::Cpu)?;
        let [first, second] = marks;
        let [first_shown, second_shown] = shown;
        Ok(Padded {
            ids,
            marks: [Tensor::new(first, &Device::Cpu)?, Tensor::new(second, &Device::Cpu)?],
            mark_shown: [
                Tensor::from_vec(first_shown, (b * length, 1), &Device::Cpu)?,
                Tensor::from_vec(second_shown, (b * length, 1), &Device::Cpu)?,
            ],
            cos: Tensor::from_vec(cos, (b, 1, length, half), &Device::Cpu)?,
            sin: Tensor::from_vec(sin, (b, 1, length, half), &Device::Cpu)?,
            mask: Tensor::from_vec(mask, (b, 1, length, length), &Device::Cpu)?,
        })
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor, BenchError> {
        Ok(ops::rms_norm_slow(x, self.var(name)?, self.config.rms_norm_eps as f32)?)
    }

    /// `x wᵀ` over the last dimension.
    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor, BenchError> {
        Ok(x.broadcast_matmul(&self.var(name)?.t()?)?)
    }

    /// The final norm's output, `(b, l, hidden)`.
    fn hidden(&self, batch: &Padded) -> Result<Tensor, BenchError> {
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
            let heads = |part: &str, n: usize| -> Result<Tensor, BenchError> {
                let y = self.linear(&normed, &name(&format!("self_attn.{part}_proj")))?;
                Ok(y.reshape((b, length, n, c.head_dim))?.transpose(1, 2)?.contiguous()?)
            };
            let q = self.norm(&heads("q", c.num_attention_heads)?, &name("self_attn.q_norm"))?;
            let k = self.norm(&heads("k", c.num_key_value_heads)?, &name("self_attn.k_norm"))?;
            let v = heads("v", c.num_key_value_heads)?;
            let (q, k) = (turned(&q, batch)?, turned(&k, batch)?);
            let group = c.num_attention_heads / c.num_key_value_heads;
            let repeat = |t: &Tensor| -> Result<Tensor, BenchError> {
                let wide = t.unsqueeze(2)?.expand((b, c.num_key_value_heads, group, length, c.head_dim))?;
                Ok(wide.reshape((b, c.num_attention_heads, length, c.head_dim))?)
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
fn turned(x: &Tensor, batch: &Padded) -> Result<Tensor, BenchError> {
    let half = x.dim(D::Minus1)? / 2;
    let (first, second) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let a = (first.broadcast_mul(&batch.cos)? - second.broadcast_mul(&batch.sin)?)?;
    let b = (second.broadcast_mul(&batch.cos)? + first.broadcast_mul(&batch.sin)?)?;
    Ok(Tensor::cat(&[a, b], D::Minus1)?)
}
