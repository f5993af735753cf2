//! rhea-tests.
