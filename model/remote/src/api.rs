//! What is said to the server and what it says, as JSON.

use std::collections::HashMap;

use rhea_engine::Filter;
use serde::{Deserialize, Serialize};

/// A list of ids that stands in many requests, as JSON once and for all.
#[derive(Clone, Debug)]
pub(crate) struct IdList {
    json: String,
    sorted: Vec<u32>,
    /// What these ids are, for errors.
    pub what: &'static str,
}

impl IdList {
    pub fn new(what: &'static str, mut ids: Vec<u32>) -> Self {
        ids.sort_unstable();
        let mut json = String::with_capacity(ids.len() * 7 + 2);
        json.push('[');
        for (index, id) in ids.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(&id.to_string());
        }
        json.push(']');
        Self { json, sorted: ids, what }
    }

    pub fn holds(&self, id: u32) -> bool {
        self.sorted.binary_search(&id).is_ok()
    }
}

/// One prompt, or two that are read side by side.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Prompts<'a> {
    One(&'a [u32]),
    Two([&'a [u32]; 2]),
}

/// The part of a request that differs from one to the next.
#[derive(Debug, Serialize)]
pub(crate) struct Completion<'a> {
    pub model: &'a str,
    pub prompt: Prompts<'a>,
    pub max_tokens: usize,
    pub temperature: f32,
    /// −1 keeps all.
    pub top_k: i64,
    pub top_p: f32,
    pub seed: i64,
    pub stream: bool,
    pub return_token_ids: bool,
    pub ignore_eos: bool,
    pub skip_special_tokens: bool,
    pub stop_token_ids: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub return_tokens_as_token_ids: bool,
}

impl<'a> Completion<'a> {
    /// `count` more ids behind `prompt`.
    pub fn new(model: &'a str, prompt: Prompts<'a>, count: usize, filter: Filter, seed: u64) -> Self {
        Self {
            model,
            prompt,
            max_tokens: count,
            temperature: filter.temperature,
            top_k: if filter.top_k == 0 { -1 } else { i64::try_from(filter.top_k).unwrap_or(i64::MAX) },
            top_p: filter.top_p,
            // Servers take 63 bits.
            seed: (seed >> 1) as i64,
            stream: true,
            return_token_ids: true,
            ignore_eos: true,
            skip_special_tokens: false,
            stop_token_ids: &[],
            logprobs: None,
            return_tokens_as_token_ids: false,
        }
    }

    /// The whole request; `allowed` are the ids that may be drawn.
    pub fn json(&self, allowed: &IdList) -> Result<String, serde_json::Error> {
        let mut json = serde_json::to_string(self)?;
        json.pop();
        json.reserve(allowed.json.len() + 32);
        json.push_str(",\"allowed_token_ids\":");
        json.push_str(&allowed.json);
        json.push('}');
        Ok(json)
    }
}

/// One event of a stream.
#[derive(Debug, Deserialize)]
pub(crate) struct Chunk {
    #[serde(default)]
    pub choices: Vec<Choice>,
    pub error: Option<Trouble>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    /// Which of the prompts.
    #[serde(default)]
    pub index: usize,
    pub token_ids: Option<Vec<u32>>,
    pub finish_reason: Option<String>,
    pub logprobs: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Logprobs {
    #[serde(default)]
    pub top_logprobs: Vec<Option<HashMap<String, f32>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Trouble {
    pub message: Option<String>,
}

/// `GET /v1/models`.
#[derive(Debug, Deserialize)]
pub(crate) struct Models {
    pub data: Vec<Model>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub id: String,
    pub max_model_len: Option<usize>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_json_with_its_lists() {
        let filter = Filter { temperature: 0.0, top_k: 0, top_p: 1.0 };
        let allowed = IdList::new("digits", vec![9, 3]);
        let completion = Completion::new("nano", Prompts::One(&[1, 2]), 4, filter, u64::MAX);
        let json = completion.json(&allowed).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["prompt"], serde_json::json!([1, 2]));
        assert_eq!(value["allowed_token_ids"], serde_json::json!([3, 9]));
        assert_eq!((&value["top_k"], &value["seed"]), (&serde_json::json!(-1), &serde_json::json!(i64::MAX)));
        assert!(allowed.holds(3) && !allowed.holds(4));
        assert!(value.get("logprobs").is_none());
    }
}
