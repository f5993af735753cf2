//! Guidance behind a server that knows nothing of it: the log-probabilities of all codes, with the prompt and without, for each code.

use std::time::Instant;

use rhea_engine::generate::{Next, Scales, guide};
use rhea_engine::{EngineError, Filter};

use crate::answer::{Drawn, Run};
use crate::api::{Choice, Completion, Prompts};
use crate::client::{Client, Failed};
use crate::error::RemoteError;

/// What errors say.
const DOING: &str = "drawing a guided picture";

/// Draws the next code. Both prompts are one request, which the server reads side by side.
pub(crate) fn code(run: &mut Run<'_, '_>, client: &mut Client) -> Result<Drawn, EngineError> {
    let Next::Code { cell } = run.machine.next() else { return Ok(Drawn::More) };
    let url = client.endpoint().to_string();
    let mut tries = 0;
    let [mut conditional, unconditional] = loop {
        let prompts = Prompts::Two([&run.ids, &run.unconditional]);
        let completion = Completion {
            // All of the vocabulary: servers list only a few ids by name.
            logprobs: Some(-1),
            return_tokens_as_token_ids: true,
            ..Completion::new(run.model, prompts, 1, Filter::GREEDY, 0)
        };
        let body = completion.json(&run.lists.codes).map_err(|e| EngineError::Request(e.to_string()))?;
        let began = Instant::now();
        let mut found: [Option<Vec<f32>>; 2] = [None, None];
        let (vocabulary, cancel) = (run.vocabulary, run.cancel);
        let (first, count) = (vocabulary.visual_base(), vocabulary.len() - vocabulary.visual_base() as usize);
        let outcome = client.complete(body, cancel, &mut |chunk| {
            for choice in chunk.choices {
                let index = choice.index;
                if let (Some(scores), Some(place)) = (scores(choice, first, count, &url)?, found.get_mut(index)) {
                    *place = Some(scores);
                }
            }
            Ok(true)
        });
        run.passed(began, 1);
        match (outcome, found) {
            (_, [Some(conditional), Some(unconditional)]) => break [conditional, unconditional],
            (Err(Failed::Cancelled), _) => return Ok(Drawn::More),
            (Err(failed), _) => {
                tries += 1;
                run.pause_or_give_up(client, failed, DOING, tries)?;
            }
            (Ok(()), _) => {
                let what = "its answers have no log-probabilities (--max-logprobs -1)".to_owned();
                return Err(RemoteError::SomethingElse { url, what }.into());
            }
        }
    };
    let scales = Scales { text: run.request.settings.guidance, pictures: None };
    guide(&mut conditional, &unconditional, None, scales);
    // The same random numbers as a model inside has for this cell.
    let address = (1 + run.machine.pictures() as u64, cell as u64);
    let drawn = run.sampler.draw(&conditional, |_| true, address)?.index as u32;
    run.usage.drawn += 1;
    let id = run.vocabulary.visual(drawn)?;
    Ok(run.push(id).map_or(Drawn::More, Drawn::End))
}

/// Log-probabilities of all codes; `None` in an event that brings none.
fn scores(choice: Choice, first: u32, count: usize, url: &str) -> Result<Option<Vec<f32>>, RemoteError> {
    let Some(told) = choice.logprobs.and_then(|l| l.top_logprobs.into_iter().flatten().next()) else { return Ok(None) };
    let mut scores = vec![f32::NAN; count];
    for (name, value) in told {
        let id = name.strip_prefix("token_id:").and_then(|id| id.parse::<u32>().ok());
        if let Some(score) = id.and_then(|id| id.checked_sub(first)).and_then(|code| scores.get_mut(code as usize)) {
            *score = value;
        }
    }
    let missing = scores.iter().filter(|score| score.is_nan()).count();
    if missing > 0 {
        let what = format!(
            "it left out the log-probabilities of {missing} of {count} codes (it has to be started with --max-logprobs -1)"
        );
        return Err(RemoteError::SomethingElse { url: url.to_owned(), what });
    }
    Ok(Some(scores))
}
