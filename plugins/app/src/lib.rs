//! rhea-app.
