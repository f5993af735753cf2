//! Lines of a stream of events, bounded.

use std::io::{BufRead, BufReader, Read};

/// Why lines end early.
#[derive(Debug)]
pub(crate) enum Cut {
    /// A line is longer than allowed.
    Long,
    /// The stream is longer than allowed.
    Much,
    /// The connection broke.
    Broken(std::io::Error),
}

/// Gives the data of each event to `take` until it says that it has enough or the stream ends. Says whether the stream ended with `[DONE]`.
pub(crate) fn events(
    from: impl Read,
    (longest, most): (usize, u64),
    take: &mut dyn FnMut(&str) -> bool,
) -> Result<bool, Cut> {
    let mut from = BufReader::new(from.take(most + 1));
    let (mut line, mut read) = (Vec::new(), 0);
    loop {
        line.clear();
        let n = (&mut from).take(longest as u64 + 1).read_until(b'\n', &mut line).map_err(Cut::Broken)?;
        read += n as u64;
        if read > most {
            return Err(Cut::Much);
        }
        if n == 0 {
            return Ok(false);
        }
        if n > longest {
            return Err(Cut::Long);
        }
        if line.last() != Some(&b'\n') {
            // The last line of a stream that broke off.
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&line);
        let Some(data) = text.trim_end().strip_prefix("data:") else { continue };
        let data = data.trim_start();
        if data == "[DONE]" {
            // The end of the body is read too, so that the connection can be used again.
            std::io::copy(&mut (&mut from).take(1024), &mut std::io::sink()).map_err(Cut::Broken)?;
            return Ok(true);
        }
        if !take(data) {
            return Ok(false);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn data_is_taken_and_comments_are_not() {
        let text = b": hello\r\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:{\"b\":2}\n\ndata: [DONE]\n\n";
        let mut all = Vec::new();
        let done = events(&text[..], (64, 1024), &mut |data| {
            all.push(data.to_owned());
            true
        });
        assert!(done.unwrap());
        assert_eq!(all, ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_told_apart() {
        let ended = |text: &[u8], limits| events(text, limits, &mut |_| true);
        assert!(!ended(b"data: {}\n\n", (64, 1024)).unwrap(), "no end was said");
        assert!(!ended(b"data: {\"a\"", (64, 1024)).unwrap());
        assert!(matches!(ended(&[b'x'; 100], (64, 1024)), Err(Cut::Long)));
        assert!(matches!(ended(&b"data: {}\n".repeat(100), (64, 512)), Err(Cut::Much)));
    }
}
