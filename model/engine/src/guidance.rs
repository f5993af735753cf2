//! Classifier-free guidance of picture tokens.

use rhea_nn::transformer::Mix;

use crate::error::EngineError;

/// How strongly a picture follows its prompt: logits `u + scale * (c - u)` of the model with its prompt (`c`) and with the
/// prompt that names neither task nor text (`u`).
///
/// Emu3.5 takes both in log-softmax space over the whole vocabulary. That moves all logits of a position by one number,
/// which changes no draw, so the plain logits of the visual codes are enough here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// 1 is no guidance, 2 to 5 is usual; 0 to 100.
    pub scale: f32,
    /// Share of the passes over a canvas that are guided, the first ones; 0 to 1. Next-token decoding is guided throughout.
    pub share: f32,
}

impl Guidance {
    /// Largest scale.
    pub const MAX_SCALE: f32 = 100.0;

    /// Guidance of all passes.
    #[must_use]
    pub fn new(scale: f32) -> Self {
        Self { scale, share: 1.0 }
    }

    /// # Errors
    /// When a number is out of range.
    pub(crate) fn check(self) -> Result<(), EngineError> {
        if !(0.0..=Self::MAX_SCALE).contains(&self.scale) {
            let text = format!("guidance of scale {}; allowed are 0 to {}", self.scale, Self::MAX_SCALE);
            return Err(EngineError::Request(text));
        }
        if !(0.0..=1.0).contains(&self.share) {
            let text = format!("guidance of a share of {} of the passes; allowed are 0 to 1", self.share);
            return Err(EngineError::Request(text));
        }
        Ok(())
    }

    /// Does it change anything?
    pub(crate) fn acts(self) -> bool {
        self.scale != 1.0
    }

    /// Passes to guide out of `passes`.
    pub(crate) fn guided(self, passes: u32) -> u32 {
        (f64::from(passes) * f64::from(self.share)).ceil() as u32
    }
}

/// `logits += (scale - 1) * (logits - unconditional)`, which is `u + scale * (c - u)` and exact for a scale of 1.
pub(crate) fn guide(logits: &mut [f32], unconditional: &[f32], scale: f32) {
    Mix::Away(scale).apply(logits, unconditional);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn log_softmax(values: &[f32]) -> Vec<f64> {
        let total: f64 = values.iter().map(|v| f64::from(*v).exp()).sum();
        values.iter().map(|v| f64::from(*v) - total.ln()).collect()
    }

    #[test]
    fn plain_logits_give_the_distribution_of_the_log_softmax_form() {
        let (c, u) = ([0.5_f32, -1.0, 2.0, 0.0, 3.0], [1.5_f32, 0.0, -2.0, 0.25, 9.0]);
        // The last two entries are no picture codes: the published form takes them into its normalisation.
        let published: Vec<f32> =
            log_softmax(&c).iter().zip(log_softmax(&u)).map(|(c, u)| (u + 3.0 * (c - u)) as f32).take(3).collect();
        let mut plain = c[..3].to_vec();
        guide(&mut plain, &u[..3], 3.0);
        for (got, want) in log_softmax(&plain).iter().zip(log_softmax(&published)) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        let mut same = c;
        guide(&mut same, &u, 1.0);
        assert_eq!(same, c);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let check = |scale, share| Guidance { scale, share }.check().map_err(|e| e.to_string());
        check(3.0, 0.5).unwrap();
        assert!(check(f32::NAN, 1.0).unwrap_err().contains("0 to 100"));
        assert!(check(-1.0, 1.0).is_err());
        assert!(check(3.0, 1.5).unwrap_err().contains("0 to 1"));
        assert_eq!([0.0, 0.1, 0.5, 1.0].map(|share| Guidance { scale: 2.0, share }.guided(6)), [0, 1, 3, 6]);
    }
}
