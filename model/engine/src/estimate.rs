//! What a model will need in memory, before any of it is loaded.

use std::fmt;

use rhea_nn::transformer::{Role, TransformerConfig, WeightForm};

use crate::error::EngineError;

/// Branches of positions are kept in f32.
pub(crate) const KV_BYTES: u64 = 4;
/// Rows of a prompt that one pass may read, and their widest buffers.
pub(crate) const PASS_ROWS: u64 = 512;
/// Contexts that are tried for a suggestion, after the one asked for.
pub(crate) const SHORTER: [usize; 4] = [16_384, 8192, 4096, 2048];

/// Bytes that a model needs, part by part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryEstimate {
    /// How matrices are held.
    pub form: WeightForm,
    /// Weights in memory of their own.
    pub weights_bytes: u64,
    /// Weights that stay in their mapped file. They take memory that the system can take back, but reading them again from disk
    /// for every token is too slow to be of use.
    pub mapped_bytes: u64,
    /// The largest matrix, which stands in f32 beside its converted form while it is loaded; only then.
    pub loading_bytes: u64,
    /// Keys and values of all branches.
    pub kv_bytes: u64,
    /// Tokens of a branch.
    pub context: usize,
    /// Branches: 1 without guidance, 2 with, 3 with guidance by reference pictures.
    pub branches: usize,
    /// Buffers of a pass.
    pub working_bytes: u64,
    /// The vision tokenizer with the buffers of its largest usual picture.
    pub vision_bytes: u64,
    /// What the machine, or the group of processes this one belongs to, has left; `None` where that cannot be found out.
    pub available_bytes: Option<u64>,
    /// The sizes that this was computed from, for suggestions.
    shape: Shape,
}

/// The sizes of a transformer that decide what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) layers: u64,
    pub(crate) hidden: u64,
    pub(crate) inner: u64,
    pub(crate) q: u64,
    pub(crate) kv: u64,
    pub(crate) vocabulary: u64,
    pub(crate) visual_start: u64,
    /// Bytes of a stored value.
    pub(crate) stored: u64,
}

impl Shape {
    /// Of a model's settings; `stored` is the bytes of a value in its file, `visual_start` its first visual id.
    pub(crate) fn of(config: &TransformerConfig, stored: u64, visual_start: usize) -> Self {
        let heads = config.head_shape();
        Self {
            layers: config.num_hidden_layers as u64,
            hidden: config.hidden_size as u64,
            inner: config.intermediate_size as u64,
            q: heads.q_width() as u64,
            kv: heads.kv_width() as u64,
            vocabulary: config.vocab_size as u64,
            visual_start: visual_start.min(config.vocab_size) as u64,
            stored,
        }
    }

    /// Matrices as (how many, outputs, inner values, role); the embedding stays in its file and is not among them.
    pub(crate) fn matrices(self) -> [(u64, u64, u64, Role); 6] {
        let Self { layers, hidden, inner, q, kv, vocabulary, visual_start, .. } = self;
        [
            (layers, q + 2 * kv, hidden, Role::Attention),
            (layers, hidden, q, Role::Attention),
            (layers, 2 * inner, hidden, Role::Other),
            (layers, hidden, inner, Role::Other),
            (1, visual_start, hidden, Role::Other),
            (1, vocabulary - visual_start, hidden, Role::Other),
        ]
    }
}

impl MemoryEstimate {
    /// What a transformer with these settings needs. `stored` is the bytes of a value in its file, `visual_start` the first
    /// visual id.
    #[must_use]
    pub fn new(
        config: &TransformerConfig,
        (stored, visual_start): (u64, usize),
        form: WeightForm,
        (context, branches): (usize, usize),
        vision_bytes: u64,
    ) -> Self {
        let shape = Shape::of(config, stored, visual_start);
        Self::of_shape(shape, form, (context, branches), vision_bytes, available_memory())
    }

    fn of_shape(
        shape: Shape,
        form: WeightForm,
        (context, branches): (usize, usize),
        vision_bytes: u64,
        available_bytes: Option<u64>,
    ) -> Self {
        let (mut weights_bytes, mut mapped_bytes) = (0, shape.vocabulary * shape.hidden * shape.stored);
        let mut largest = 0;
        for (count, n, k, role) in shape.matrices() {
            let (own, mapped) = form.bytes(n, k, role, shape.stored);
            weights_bytes += count * own;
            mapped_bytes += count * mapped;
            largest = largest.max(n * k * 4);
        }
        let rows = context as u64 * branches as u64;
        let wide = 3 * shape.inner + 4 * shape.hidden + 3 * (shape.q + 2 * shape.kv);
        Self {
            form,
            weights_bytes,
            mapped_bytes,
            loading_bytes: if form == WeightForm::Stored { 0 } else { largest },
            kv_bytes: rows * shape.layers * 2 * shape.kv * KV_BYTES,
            context,
            branches,
            working_bytes: PASS_ROWS * wide * 4 + branches as u64 * shape.vocabulary * 4,
            vision_bytes,
            available_bytes,
            shape,
        }
    }

    /// All of it at its highest point.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let lasting = self.weights_bytes + self.mapped_bytes + self.vision_bytes;
        lasting + self.loading_bytes.max(self.kv_bytes + self.working_bytes)
    }

    /// Does it fit what is available? What cannot be found out is no reason to refuse.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.available_bytes.is_none_or(|available| self.total_bytes() <= available)
    }

    /// Refuses what does not fit, with the numbers and with something that would.
    ///
    /// # Errors
    /// [`EngineError::Memory`].
    pub fn check(&self) -> Result<(), EngineError> {
        if self.fits() {
            return Ok(());
        }
        Err(EngineError::Memory { estimate: Box::new(*self), suggestion: self.suggestion() })
    }

    /// The mildest change that makes it fit: stronger quantisation first, then a shorter context.
    #[must_use]
    pub fn suggestion(&self) -> String {
        let with = |form, context| {
            let (size, available) = ((context, self.branches), self.available_bytes);
            Self::of_shape(self.shape, form, size, self.vision_bytes, available)
        };
        let forms: &[WeightForm] = match self.form {
            WeightForm::Q8 => &[WeightForm::Q8, WeightForm::Q4K],
            WeightForm::Q4K => &[WeightForm::Q4K],
            WeightForm::Fp8 => &[WeightForm::Fp8],
            WeightForm::Stored | WeightForm::Packed(_) => &[self.form, WeightForm::Q8, WeightForm::Q4K],
        };
        let contexts = std::iter::once(self.context).chain(SHORTER.into_iter().filter(|c| *c < self.context));
        let all = contexts.flat_map(|context| forms.iter().map(move |form| with(*form, context)));
        match all.clone().find(Self::fits) {
            Some(it) => {
                let mut changes = Vec::new();
                if it.form != self.form {
                    changes.push(format!("--quant {}", it.form.name()));
                }
                if it.context != self.context {
                    changes.push(format!("a context of {} tokens", it.context));
                }
                format!("{} would need {}", changes.join(" and "), Bytes(it.total_bytes()))
            }
            None => match all.map(|it| it.total_bytes()).min() {
                Some(least) => format!("the least it can do with is {}: use a machine with more memory", Bytes(least)),
                None => "use a machine with more memory".to_owned(),
            },
        }
    }
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form, context, branches, .. } = self;
        write!(f, "weights {} ({})", Bytes(self.weights_bytes + self.mapped_bytes), form.name())?;
        if self.mapped_bytes > 0 {
            write!(f, ", {} of them mapped", Bytes(self.mapped_bytes))?;
        }
        write!(f, "; keys and values {} ({branches} x {context} tokens)", Bytes(self.kv_bytes))?;
        write!(f, "; buffers {}; vision {}", Bytes(self.working_bytes), Bytes(self.vision_bytes))?;
        write!(f, "; in all {}", Bytes(self.total_bytes()))?;
        match self.available_bytes {
            Some(available) => write!(f, " of {} available", Bytes(available)),
            None => Ok(()),
        }
    }
}

/// Bytes in the unit that people read.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (scale, unit) = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
            .into_iter()
            .find(|(scale, _)| self.0 >= *scale)
            .unwrap_or((1, "bytes"));
        if scale == 1 { write!(f, "{} bytes", self.0) } else { write!(f, "{:.1} {unit}", bytes / scale as f64) }
    }
}

/// What the system can still give: the least of the machine's free memory and the limits of the process's group.
pub(crate) fn available_memory() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = meminfo.as_deref().and_then(mem_available);
    let groups = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ];
    let group = groups.into_iter().filter_map(|(most, used)| Some(number(most)?.saturating_sub(number(used)?)));
    machine.into_iter().chain(group).min()
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The published sizes.
    const EMU: Shape = Shape {
        layers: 64,
        hidden: 5120,
        inner: 25_600,
        q: 8192,
        kv: 1024,
        vocabulary: 282_926,
        visual_start: 151_854,
        stored: 2,
    };
    const GIB: u64 = 1 << 30;

    fn emu(form: WeightForm, context: usize, available: u64) -> MemoryEstimate {
        MemoryEstimate::of_shape(EMU, form, (context, 2), 0, Some(available))
    }

    #[test]
    fn published_sizes_need_what_is_known_of_them() {
        let stored = emu(WeightForm::Stored, 32_768, 1 << 40);
        // 34,103,460,864 parameters less the norms, 2 bytes each.
        let norms = 64 * (2 * 5120 + 2 * 128) + 5120;
        assert_eq!((stored.weights_bytes, stored.mapped_bytes), (0, (34_103_460_864 - norms) * 2));
        // 512 KiB a token in f32.
        assert_eq!(stored.kv_bytes, 2 * 32_768 * 512 * 1024);
        let q4 = emu(WeightForm::Q4K, 4096, 1 << 40);
        let share = q4.weights_bytes as f64 / (34_103_460_864_u64 - 282_926 * 5120) as f64;
        assert!((share - 4.5 / 8.0).abs() < 0.001, "{share} bytes a value");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let refuse = |form, context, gib: u64| emu(form, context, gib * GIB).check().unwrap_err().to_string();
        assert!(emu(WeightForm::Stored, 4096, 90 * GIB).check().is_ok());
        let text = refuse(WeightForm::Stored, 4096, 50);
        assert!(text.contains("--quant q8_0") && text.contains("GiB") && text.contains("50.0 GiB available"), "{text}");
        let text = refuse(WeightForm::Q8, 4096, 30);
        assert!(text.contains("--quant q4_k") && !text.contains("context of"), "{text}");
        let text = refuse(WeightForm::Q4K, 32_768, 40);
        assert!(text.contains("a context of 16384 tokens would need"), "{text}");
        let text = refuse(WeightForm::Stored, 32_768, 8);
        assert!(text.contains("the least it can do with is"), "{text}");
    }

    #[test]
    fn the_systems_line_is_read() {
        assert_eq!(mem_available("MemTotal: 5 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(mem_available("MemTotal: 5 kB\n"), None);
        assert_eq!(Bytes(1536 << 20).to_string(), "1.5 GiB");
    }
}
