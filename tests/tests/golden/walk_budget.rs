//! Walks of published models: with the published vocabulary, a step's prompt and its answer never exceed the context, and the plan
//! that is made before anything is encoded is never below what the words really take.

use rhea_tokens::{Budget, Grid, PastTurn, ShownView, WalkPrompt, encode_picture};

use crate::fixtures::{report, tokenizer};

/// The published context.
const CONTEXT: usize = 32_768;
const WORLD: &str = "A long hall with teal walls, a chequered floor of grey and white tiles, two orange doors on the left, a row of \
    tall windows on the right, a green sofa under the third window, a fountain in the middle with a stone rim, and at the far end a \
    staircase of dark wood that leads up to a gallery with framed pictures of ships and mountains; evening light falls in low.";
const NARRATION: &str = "You see an orange door on the left, a green sofa on the right and a stone fountain far ahead. Remember: the \
    dark wooden staircase is behind you, seen at step 118.";

#[test]
fn golden_vocabulary_walk_budget() {
    let Some(t) = tokenizer("the budget of walks") else { return };
    let mut steps = 0;
    for side_px in [512, 720] {
        let grid = Grid::new(side_px / 16, side_px / 16).unwrap();
        let picture = encode_picture(t.vocabulary(), grid, &vec![131_071; grid.cells()]).unwrap();
        assert_eq!(picture.len(), grid.tokens());
        let budget = Budget::new(CONTEXT, grid);
        for step in [0, 1, 2, 3, 12, 14, 40, 100, 400] {
            let turns = step.min(2);
            let share = budget.share(step - turns, turns, step > turns).unwrap();
            let words = |n: usize| format!("Seen at step {}, 12.5 m to the right, 179 degrees to the left", step - n);
            let turn = PastTurn {
                command: "turn left 15 degrees and go forward 0.5 m".into(),
                picture: picture.clone(),
                narration: NARRATION.into(),
            };
            let prompt = WalkPrompt {
                world: WORLD.into(),
                anchor: share.anchor.then(|| picture.clone()),
                recalled: (0..share.recalled)
                    .map(|n| ShownView { words: words(n), picture: picture.clone() })
                    .collect(),
                turns: vec![turn; share.turns],
                command: "turn right 15 degrees and look up 10 degrees".into(),
            };
            let ids = prompt.ids(&t, CONTEXT - grid.tokens()).unwrap();
            let narration = t.encode_text(NARRATION).unwrap().len();
            let whole = ids.conditional.len() + grid.tokens() + narration;
            assert!(whole <= share.tokens && share.tokens <= CONTEXT, "{whole} of {} at step {step}", share.tokens);
            assert_eq!((ids.share.recalled, ids.share.turns), (share.recalled, share.turns), "nothing is given up");
            if step >= 14 {
                assert_eq!((share.recalled, share.turns, share.anchor), (8, 2, true));
            }
            steps += 1;
        }
        // More than fits is given up down to what does, never cut in the middle.
        let view = ShownView { words: "Seen".into(), picture: picture.clone() };
        let prompt = WalkPrompt { recalled: vec![view; 60], command: "turn around".into(), ..WalkPrompt::default() };
        let ids = prompt.ids(&t, CONTEXT - grid.tokens()).unwrap();
        assert!(ids.conditional.len() + grid.tokens() <= CONTEXT && ids.share.recalled > 8);
    }
    report("walk budget", &[(steps, "steps of walks at 512 and 720 px")]);
}
