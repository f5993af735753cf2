//! Lines for the terminal. A reader that stops reading (`rhea doctor | head`) is no reason to stop, so nothing here can fail.

/// Prints a line to standard output.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($line)*).ok();
    }};
}

/// Prints a line to standard error.
macro_rules! complain {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stderr(), $($line)*).ok();
    }};
}

pub(crate) use {complain, say};
