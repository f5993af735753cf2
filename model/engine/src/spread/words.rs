//! Requests as they are written on the command line.

use std::fmt;

use super::{DeviceRequest, ParallelRequest};

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::These(devices) = self else { return f.write_str("auto") };
        for (at, device) in devices.iter().enumerate() {
            write!(f, "{}{device}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for ParallelRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cfg = match self {
            Self::Auto => return f.write_str("auto"),
            Self::Parts { tp, context, cfg } => {
                write!(f, "tp={tp}")?;
                if *context > 1 {
                    write!(f, ",context={context}")?;
                }
                cfg
            }
            Self::Layers { runs, cfg } => {
                f.write_str("layers")?;
                runs.map_or(Ok(()), |runs| write!(f, "={runs}"))?;
                cfg
            }
        };
        if *cfg > 1 { write!(f, ",cfg={cfg}") } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_what_it_was() {
        for text in ["auto", "cpu", "cuda:3", "cuda:0,cuda:2,cuda:1"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        for text in ["auto", "tp=1", "tp=4,cfg=2", "tp=2,context=2,cfg=3", "layers", "layers=3,cfg=2"] {
            assert_eq!(text.parse::<ParallelRequest>().unwrap().to_string(), text);
        }
    }
}
