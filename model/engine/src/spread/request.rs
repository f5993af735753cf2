//! How a user wants a model spread.

use std::str::FromStr;

use rhea_nn::parallel::limits;

/// How a model shall be spread over devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParallelRequest {
    /// As the devices suggest.
    #[default]
    Auto,
    /// Layers in so many parts, rows of long passes over so many readers, guidance branches in so many lanes.
    Parts {
        /// Parts of every layer.
        tp: usize,
        /// Readers of a branch: they share out the rows of prompts and canvases, and each holds all layers and all keys and values.
        context: usize,
        /// Lanes of guidance branches.
        cfg: usize,
    },
    /// Runs of layers, one a device where no number is given, and lanes.
    Layers {
        /// Runs.
        runs: Option<usize>,
        /// Lanes of guidance branches.
        cfg: usize,
    },
}

impl FromStr for ParallelRequest {
    type Err = String;

    /// `auto`, `tp=4,context=2,cfg=2` (each may be missing), `layers` or `layers=4`, with `cfg=2` behind it where wanted.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let form = format!(
            "allowed are auto, tp=N, context=N, cfg=N and lists of these such as tp=N,cfg=N, layers and layers=N, with 1 to {} ranks \
             and up to {} lanes",
            limits::RANKS,
            limits::LANES
        );
        let wrong = |what: &str| format!("{what} in {text:?}; {form}");
        let (mut tp, mut context, mut cfg, mut layers) = (None, None, None, None);
        for part in text.split(',') {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            let number = |most: usize| {
                let number = value.and_then(|value| value.parse().ok());
                number.filter(|number| (1..=most).contains(number)).ok_or_else(|| wrong(&format!("{part:?}")))
            };
            let twice = match name {
                "tp" => tp.replace(number(limits::RANKS)?).is_some(),
                "context" => context.replace(number(limits::RANKS)?).is_some(),
                "cfg" => cfg.replace(number(limits::LANES)?).is_some(),
                "layers" if value.is_none() => layers.replace(None).is_some(),
                "layers" => layers.replace(Some(number(limits::RANKS)?)).is_some(),
                _ => return Err(wrong(&format!("{part:?} is unknown"))),
            };
            if twice {
                return Err(wrong(&format!("{name} stands twice")));
            }
        }
        let cfg = cfg.unwrap_or(1);
        match (tp, context, layers) {
            (Some(_), _, Some(_)) => Err(wrong("tp and layers exclude each other")),
            (_, Some(_), Some(_)) => Err(wrong("context and layers exclude each other")),
            (_, _, Some(runs)) => Ok(Self::Layers { runs, cfg }),
            (tp, context, None) => Ok(Self::Parts { tp: tp.unwrap_or(1), context: context.unwrap_or(1), cfg }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_wrong_ones_refused_with_the_forms() {
        let read = |text: &str| text.parse::<ParallelRequest>();
        assert_eq!(read("auto"), Ok(ParallelRequest::Auto));
        assert_eq!(read("tp=4,cfg=2"), Ok(ParallelRequest::Parts { tp: 4, context: 1, cfg: 2 }));
        assert_eq!(read("cfg=3"), Ok(ParallelRequest::Parts { tp: 1, context: 1, cfg: 3 }));
        assert_eq!(read("context=2"), Ok(ParallelRequest::Parts { tp: 1, context: 2, cfg: 1 }));
        assert_eq!(read("cfg=2,context=3,tp=4"), Ok(ParallelRequest::Parts { tp: 4, context: 3, cfg: 2 }));
        assert_eq!(read("layers"), Ok(ParallelRequest::Layers { runs: None, cfg: 1 }));
        assert_eq!(read("cfg=2,layers=3"), Ok(ParallelRequest::Layers { runs: Some(3), cfg: 2 }));
        for (text, says) in [
            ("", "unknown"),
            ("tp", "\"tp\""),
            ("tp=0", "tp=0"),
            ("tp=65", "tp=65"),
            ("cfg=4", "cfg=4"),
            ("pp=2", "pp=2"),
            ("tp=2,tp=2", "twice"),
            ("tp=2,layers", "exclude"),
            ("layers=2,context=2", "exclude"),
            ("context=0", "context=0"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says) && error.contains("allowed are"), "{text}: {error}");
        }
    }
}
