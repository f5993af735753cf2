//! Whole-program tests; this crate holds no product code.
