//! Which arithmetic this process computes with: chosen once, by what the CPU has and by two settings.
//!
//! `RHEA_KERNELS` forces a unit, `RHEA_WEIGHTS` the format of a decoding model's weights. [`check`] is called once at
//! program start, so that a setting which cannot be followed is an error with a list and not a silent replacement.

use std::sync::OnceLock;

use thiserror::Error;

use super::{amx, avx512};

/// The arithmetic that training, convolutions and rounded decoding run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// AMX tiles: operands rounded to bf16, sums in f32.
    AmxBf16,
    /// AVX-512 dot products of pairs: operands rounded to bf16, sums in f32.
    Avx512Bf16,
    /// f32 throughout.
    F32,
}

/// The instructions of the kernels that read packed panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, BW and VNNI.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// What every CPU of the target architecture has.
    Portable,
}

/// How a decoding model holds its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// 4 bytes a value.
    #[default]
    F32,
    /// 2 bytes a value: the upper half of an f32, rounded to nearest even.
    Bf16,
    /// 1 byte a value and one f32 scale for every output and 64 inner values.
    Int8,
}

/// What a model is packed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// Unit of training and convolutions, and of what decoding rounds to bf16.
    pub unit: Unit,
    /// Instructions for panels.
    pub isa: Isa,
    /// Format of the weights.
    pub format: Format,
}

/// A setting that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KernelError {
    /// `RHEA_KERNELS` names something that does not exist or that this CPU does not have.
    #[error("RHEA_KERNELS={asked}: {why}; this CPU has {present}")]
    Unit {
        /// The setting.
        asked: String,
        /// Unknown, or absent here.
        why: &'static str,
        /// The names that can be used here.
        present: String,
    },
    /// `RHEA_WEIGHTS` names no format.
    #[error("RHEA_WEIGHTS={asked}: there is no such format; there are f32, bf16 and int8")]
    Format {
        /// The setting.
        asked: String,
    },
}

impl Unit {
    /// The name that status lines use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AmxBf16 => "amx-bf16",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::F32 => "f32",
        }
    }

    /// Does this CPU have it?
    #[must_use]
    pub fn is_present(self) -> bool {
        match self {
            Self::AmxBf16 => amx::available(),
            Self::Avx512Bf16 => avx512::available(),
            Self::F32 => true,
        }
    }

    /// All that this CPU has, fastest first.
    #[must_use]
    pub fn present() -> Vec<Self> {
        let [second, third] =
            if avx512::pays() { [Self::Avx512Bf16, Self::F32] } else { [Self::F32, Self::Avx512Bf16] };
        [Self::AmxBf16, second, third].into_iter().filter(|unit| unit.is_present()).collect()
    }
}

impl Isa {
    /// The name that `RHEA_KERNELS` and status lines use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Does this CPU have it?
    #[must_use]
    pub fn is_present(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_present()
                    && std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// All that this CPU has, fastest first.
    #[must_use]
    pub fn present() -> Vec<Self> {
        [Self::Avx512, Self::Avx2, Self::Portable].into_iter().filter(|isa| isa.is_present()).collect()
    }
}

impl Format {
    /// The name that `RHEA_WEIGHTS` uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// All formats, widest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];
}

impl From<Unit> for Arithmetic {
    /// f32 weights on a unit, with the process's instructions.
    fn from(unit: Unit) -> Self {
        Self { unit, isa: arithmetic().isa, format: Format::F32 }
    }
}

/// The settings as they are written, and what exists here.
struct Wishes<'a> {
    kernels: Option<&'a str>,
    weights: Option<&'a str>,
    /// Fastest first; f32 is always there.
    units: &'a [Unit],
    /// Fastest first; portable code is always there.
    isas: &'a [Isa],
}

impl Wishes<'_> {
    fn best(&self) -> Arithmetic {
        let unit = self.units.first().copied().unwrap_or(Unit::F32);
        let isa = self.isas.first().copied().unwrap_or(Isa::Portable);
        Arithmetic { unit, isa, format: Format::F32 }
    }

    /// The names that `RHEA_KERNELS` takes, whether this CPU has them, and what they mean: a unit with the best instructions
    /// for panels, or instructions alone.
    fn choices(&self) -> Vec<(&'static str, bool, Arithmetic)> {
        let best = self.best();
        let units = [Unit::AmxBf16, Unit::Avx512Bf16]
            .map(|unit| (unit.name(), self.units.contains(&unit), Arithmetic { unit, ..best }));
        let isas = [Isa::Avx512, Isa::Avx2, Isa::Portable]
            .map(|isa| (isa.name(), self.isas.contains(&isa), Arithmetic { unit: Unit::F32, isa, ..best }));
        // Whatever there is without tiles: training in full precision on a machine that has them.
        let f32 = (Unit::F32.name(), true, Arithmetic { unit: Unit::F32, ..best });
        units.into_iter().chain(isas).chain([f32]).collect()
    }

    fn choose(&self) -> Result<Arithmetic, KernelError> {
        let choices = self.choices();
        let mut chosen = self.best();
        if let Some(asked) = self.kernels {
            let found = choices.iter().find(|(name, ..)| *name == asked);
            let refuse = |why| {
                let names: Vec<&str> = choices.iter().filter(|choice| choice.1).map(|choice| choice.0).collect();
                KernelError::Unit { asked: asked.to_owned(), why, present: names.join(", ") }
            };
            chosen = match found {
                Some((_, true, arithmetic)) => *arithmetic,
                Some(_) => return Err(refuse("this CPU does not have it")),
                None => return Err(refuse("there is no such unit")),
            };
        }
        if let Some(asked) = self.weights {
            let found = Format::ALL.into_iter().find(|format| format.name() == asked);
            chosen.format = found.ok_or_else(|| KernelError::Format { asked: asked.to_owned() })?;
        }
        Ok(chosen)
    }
}

fn chosen() -> &'static (Result<Arithmetic, KernelError>, Arithmetic) {
    static CHOSEN: OnceLock<(Result<Arithmetic, KernelError>, Arithmetic)> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let setting = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let (kernels, weights) = (setting("RHEA_KERNELS"), setting("RHEA_WEIGHTS"));
        let (units, isas) = (Unit::present(), Isa::present());
        let wishes = Wishes { kernels: kernels.as_deref(), weights: weights.as_deref(), units: &units, isas: &isas };
        (wishes.choose(), wishes.best())
    })
}

/// The arithmetic that CPU and settings ask for. To be called once at program start.
///
/// # Errors
/// When `RHEA_KERNELS` or `RHEA_WEIGHTS` cannot be followed; the message lists what can be used here.
pub fn check() -> Result<Arithmetic, KernelError> {
    chosen().0.clone()
}

/// What [`check`] found; after an error that nobody looked at, the best of this CPU.
#[must_use]
pub fn arithmetic() -> Arithmetic {
    let (chosen, best) = chosen();
    *chosen.as_ref().unwrap_or(best)
}

/// The format that `RHEA_WEIGHTS` asks for; `None` leaves it to the model.
#[must_use]
pub fn weights_asked() -> Option<Format> {
    std::env::var_os("RHEA_WEIGHTS").map(|_| arithmetic().format)
}

/// The unit of [`arithmetic`].
#[must_use]
pub fn unit() -> Unit {
    arithmetic().unit
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ALL: &[Isa] = &[Isa::Avx512, Isa::Avx2, Isa::Portable];
    const OLD: &[Isa] = &[Isa::Avx2, Isa::Portable];

    fn wishes<'a>(kernels: Option<&'a str>, weights: Option<&'a str>) -> Wishes<'a> {
        Wishes { kernels, weights, units: &[Unit::F32], isas: OLD }
    }

    #[test]
    fn settings_are_followed_where_they_can_be() {
        let best = wishes(None, None).choose().unwrap();
        assert_eq!(best, Arithmetic { unit: Unit::F32, isa: Isa::Avx2, format: Format::F32 });
        let forced = wishes(Some("portable"), Some("int8")).choose().unwrap();
        assert_eq!(forced, Arithmetic { unit: Unit::F32, isa: Isa::Portable, format: Format::Int8 });
        let amx = |kernels, weights| Wishes {
            units: &[Unit::AmxBf16, Unit::Avx512Bf16, Unit::F32],
            isas: ALL,
            ..wishes(kernels, weights)
        };
        let tiles = amx(None, Some("bf16")).choose().unwrap();
        assert_eq!((tiles.unit, tiles.isa, tiles.format), (Unit::AmxBf16, Isa::Avx512, Format::Bf16));
        let without = amx(Some("f32"), None).choose().unwrap();
        assert_eq!((without.unit, without.isa), (Unit::F32, Isa::Avx512));
        let dots = amx(Some("avx512-bf16"), None).choose().unwrap();
        assert_eq!((dots.unit, dots.isa), (Unit::Avx512Bf16, Isa::Avx512));
        let older = amx(Some("avx2"), None).choose().unwrap();
        assert_eq!((older.unit, older.isa), (Unit::F32, Isa::Avx2));
    }

    #[test]
    fn what_is_absent_or_unknown_is_refused_with_a_list() {
        let absent = wishes(Some("amx-bf16"), None).choose().unwrap_err().to_string();
        assert_eq!(absent, "RHEA_KERNELS=amx-bf16: this CPU does not have it; this CPU has avx2, portable, f32");
        let plain = Wishes { isas: &[Isa::Portable], ..wishes(Some("avx2"), None) }.choose().unwrap_err().to_string();
        assert!(plain.ends_with("this CPU has portable, f32"), "{plain}");
        let unknown = wishes(Some("fast"), None).choose().unwrap_err().to_string();
        assert!(unknown.contains("there is no such unit") && unknown.contains("portable"), "{unknown}");
        let format = wishes(None, Some("int4")).choose().unwrap_err().to_string();
        assert!(format.contains("f32, bf16 and int8"), "{format}");
    }
}
