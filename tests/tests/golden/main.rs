//! Agreement with the reference implementation of Emu3.5 on golden numbers, group by group.
//!
//! The numbers are in `tests/golden`, or in the folder that `RHEA_GOLDEN` names. Each group prints how many cases it compared.
#![allow(clippy::unwrap_used, reason = "tests")]

mod build_image;
mod e2e;
mod fixtures;
mod image_grammar;
mod image_resize;
mod logits;
mod multimodal_decode;
mod prompts;
mod proto;
mod ranks;
mod text_tokenizer;
mod transformer;
mod vision;
mod vocabulary;
mod walk_budget;
