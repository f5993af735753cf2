//! Prompts of every published settings file, task and number of pictures.

use rhea_tokens::prompts::{PromptStyle, Task, styled_prompt, unconditional};
use rhea_tokens::{Grid, encode_picture};
use serde::Deserialize;

use crate::fixtures::{group, json, report, tokenizer};

#[derive(Deserialize)]
struct Case {
    config: String,
    config_default_task: String,
    task: String,
    question: String,
    image_codes: Option<Vec<Vec<Vec<u32>>>>,
    prompt: String,
    unc_prompt: String,
    input_ids: Vec<u32>,
    unconditional_ids: Vec<u32>,
}

#[test]
fn golden_prompts() {
    let Some(t) = tokenizer("prompts") else { return };
    let cases: Vec<Case> = json(&group("prompts").join("prompts.json"));
    for case in &cases {
        let name = format!("{} {}", case.config, case.task);
        let style = match case.config.as_str() {
            "example_config_x2i" => PromptStyle::PicturesFirst,
            "example_config_visual_guidance" => PromptStyle::Interleaved,
            _ => PromptStyle::Common,
        };
        let task = Task::from_tag(&case.task).unwrap();
        if case.task == case.config_default_task {
            assert_eq!(task.style(), style, "{name}: a task has the style of its own settings");
        }
        let picture = |codes: &Vec<Vec<u32>>| {
            encode_picture(t.vocabulary(), Grid::new(codes.len(), codes[0].len()).unwrap(), &codes.concat()).unwrap()
        };
        let pictures: Vec<Vec<u32>> = case.image_codes.iter().flatten().map(picture).collect();
        let ids = styled_prompt(&t, task, style, &case.question, &pictures).unwrap();
        assert_eq!(t.decode(&ids), case.prompt, "{name}");
        assert_eq!(ids, case.input_ids, "{name}");
        let blind = unconditional(&t, &pictures).unwrap();
        assert_eq!(t.decode(&blind), case.unc_prompt, "{name}");
        assert_eq!(blind, case.unconditional_ids, "{name}");
    }
    report("prompts", &[(cases.len(), "prompts with their unconditional ones")]);
}
