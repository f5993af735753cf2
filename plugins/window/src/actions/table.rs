//! The rows: walking first, then the recordings, in the order of [`ActionId`] and of the help page.

use bevy::input::gamepad::{GamepadAxis as Axis, GamepadButton as Pad};
use bevy::input::keyboard::KeyCode as K;

use super::ActionId as Do;
use super::{ALL, Action, FILMS, PLAN, REVIEW, VIEWS, ctrl, key, row, shift, stick};

/// The table.
pub const ACTIONS: [Action; 51] = [
    row(Do::Forward, "Forward", "Walk half a metre forward.")
        .walks("go forward 0.5 m", Some(Do::Back))
        .repeats()
        .keys(&[key(K::KeyW, "W"), key(K::ArrowUp, "Up")])
        .buttons(&[(Pad::DPadUp, "D-pad up")])
        .sticks(&[stick(Axis::LeftStickY, 1.0, "left stick up")]),
    row(Do::Back, "Back", "Walk half a metre back.")
        .walks("go back 0.5 m", Some(Do::Forward))
        .repeats()
        .keys(&[key(K::KeyS, "S"), key(K::ArrowDown, "Down")])
        .buttons(&[(Pad::DPadDown, "D-pad down")])
        .sticks(&[stick(Axis::LeftStickY, -1.0, "left stick down")]),
    row(Do::StepLeft, "Step left", "Step a quarter metre to the left.")
        .walks("step left 0.25 m", Some(Do::StepRight))
        .repeats()
        .keys(&[key(K::KeyA, "A")])
        .sticks(&[stick(Axis::LeftStickX, -1.0, "left stick left")]),
    row(Do::StepRight, "Step right", "Step a quarter metre to the right.")
        .walks("step right 0.25 m", Some(Do::StepLeft))
        .repeats()
        .keys(&[key(K::KeyD, "D")])
        .sticks(&[stick(Axis::LeftStickX, 1.0, "left stick right")]),
    row(Do::TurnLeft, "Turn left", "Turn 15 degrees to the left.")
        .walks("turn left 15 degrees", Some(Do::TurnRight))
        .repeats()
        .keys(&[key(K::KeyQ, "Q"), key(K::ArrowLeft, "Left")])
        .buttons(&[(Pad::DPadLeft, "D-pad left")])
        .sticks(&[stick(Axis::RightStickX, -1.0, "right stick left")]),
    row(Do::TurnRight, "Turn right", "Turn 15 degrees to the right.")
        .walks("turn right 15 degrees", Some(Do::TurnLeft))
        .repeats()
        .keys(&[key(K::KeyE, "E"), key(K::ArrowRight, "Right")])
        .buttons(&[(Pad::DPadRight, "D-pad right")])
        .sticks(&[stick(Axis::RightStickX, 1.0, "right stick right")]),
    row(Do::LookUp, "Look up", "Raise the view by 10 degrees.")
        .walks("look up 10 degrees", Some(Do::LookDown))
        .repeats()
        .keys(&[key(K::KeyR, "R"), key(K::PageUp, "PgUp")])
        .sticks(&[stick(Axis::RightStickY, 1.0, "right stick up")]),
    row(Do::LookDown, "Look down", "Lower the view by 10 degrees.")
        .walks("look down 10 degrees", Some(Do::LookUp))
        .repeats()
        .keys(&[key(K::KeyF, "F"), key(K::PageDown, "PgDn")])
        .sticks(&[stick(Axis::RightStickY, -1.0, "right stick down")]),
    row(Do::TurnAround, "Turn around", "Turn by 180 degrees on the spot.")
        .walks("turn around", None)
        .keys(&[key(K::KeyX, "X")])
        .buttons(&[(Pad::South, "A / cross")]),
    row(Do::Undo, "Undo", "Take back the last step; a view that is being drawn is dropped instead.")
        .keys(&[key(K::Backspace, "Backspace"), key(K::KeyZ, "Z")])
        .buttons(&[(Pad::West, "X / square")]),
    row(
        Do::Stop,
        "Stop",
        "Stop what runs: a view that is being drawn with the moves that wait, or playing; close open pages.",
    )
    .within(ALL)
    .keys(&[key(K::Escape, "Esc")])
    .buttons(&[(Pad::East, "B / circle")]),
    row(Do::Pause, "Pause", "Hold the walk after the running step; press again to go on.")
        .keys(&[key(K::KeyP, "P"), key(K::Space, "Space")])
        .buttons(&[(Pad::Start, "Start")]),
    row(Do::Text, "Type", "Write a command (\"turn around\", \"go forward 2 m\") or the caption of a new world.")
        .keys(&[key(K::Enter, "Enter"), key(K::KeyT, "T")])
        .buttons(&[(Pad::RightTrigger2, "right trigger")]),
    row(Do::Help, "Help", "Show or hide this page.")
        .within(ALL)
        .keys(&[key(K::F1, "F1"), key(K::KeyH, "H")])
        .buttons(&[(Pad::Select, "Select")]),
    row(Do::Map, "Map", "Show or hide the map of the walk.")
        .keys(&[key(K::KeyM, "M")])
        .buttons(&[(Pad::North, "Y / triangle")]),
    row(Do::Origins, "Origins", "Show or hide from which step every part of the view comes.")
        .keys(&[key(K::KeyO, "O")])
        .buttons(&[(Pad::LeftTrigger, "left shoulder")]),
    row(
        Do::Roam,
        "Walk by itself",
        "Let the walker explore: to where most is unseen, and back to old places; any move ends it.",
    )
    .keys(&[key(K::KeyG, "G")])
    .buttons(&[(Pad::RightTrigger, "right shoulder")]),
    row(Do::Sampling, "Pixels", "Switch between smooth enlargement and exact square pixels.")
        .within(VIEWS)
        .keys(&[key(K::KeyC, "C")])
        .buttons(&[(Pad::RightThumb, "right stick press")]),
    row(Do::Screenshot, "Screenshot", "Save the window as PNG, and the view of a walk beside it.")
        .within(ALL)
        .keys(&[key(K::F12, "F12")])
        .buttons(&[(Pad::LeftThumb, "left stick press")]),
    row(Do::GoTo, "Go to", "Write where to go: the name of a thing that memory knows.").keys(&[key(K::KeyJ, "J")]),
    row(Do::Bookmark, "Bookmark", "Keep this view for good: memory takes it for true, and it cannot be forgotten.")
        .keys(&[key(K::KeyB, "B")]),
    row(Do::RoamStep, "One step by itself", "Let the walker choose one step to where there is most to see.")
        .keys(&[key(K::KeyN, "N")]),
    row(
        Do::Palette,
        "All actions",
        "List every action: write a part of its name, choose with up and down, Enter or A does it.",
    )
    .within(ALL)
    .keys(&[ctrl(K::KeyP, "Ctrl+P")])
    .buttons(&[(Pad::LeftTrigger2, "left trigger")]),
    row(Do::Start, "Start page", "A new world, a recent walk, a robot task.")
        .keys(&[ctrl(K::KeyN, "Ctrl+N"), key(K::F3, "F3")]),
    row(Do::Settings, "Settings", "Sizes, pixels, sticks, and which key does what.")
        .within(ALL)
        .keys(&[ctrl(K::Comma, "Ctrl+,"), key(K::F2, "F2")]),
    row(Do::Export, "Export", "Write the recording as a page, an animation, pictures or data, beside it.")
        .within(ALL)
        .keys(&[ctrl(K::KeyE, "Ctrl+E")]),
    row(Do::Quit, "Quit", "Close the window; everything done so far is already saved.")
        .within(ALL)
        .keys(&[ctrl(K::KeyQ, "Ctrl+Q")])
        .buttons(&[(Pad::Mode, "guide")]),
    row(Do::Play, "Play", "Play from here on; press again to stop.")
        .within(FILMS)
        .keys(&[key(K::Space, "Space")])
        .buttons(&[(Pad::South, "A / cross"), (Pad::Start, "Start")]),
    row(Do::Next, "Next", "Go on by one: to the next record of a walk, or through the next step of a plan.")
        .within(FILMS)
        .keys(&[key(K::ArrowRight, "Right")])
        .buttons(&[(Pad::DPadRight, "D-pad right")])
        .sticks(&[stick(Axis::LeftStickX, 1.0, "left stick right")]),
    row(Do::Previous, "Previous", "Go back by one.")
        .within(FILMS)
        .keys(&[key(K::ArrowLeft, "Left")])
        .buttons(&[(Pad::DPadLeft, "D-pad left")])
        .sticks(&[stick(Axis::LeftStickX, -1.0, "left stick left")]),
    row(Do::FarOn, "Far on", "Go on by ten records of a walk, or five steps of a plan.")
        .within(FILMS)
        .keys(&[shift(K::ArrowRight, "Shift+Right")])
        .buttons(&[(Pad::RightTrigger, "right shoulder")]),
    row(Do::FarBack, "Far back", "Go back by ten records of a walk, or five steps of a plan.")
        .within(FILMS)
        .keys(&[shift(K::ArrowLeft, "Shift+Left")])
        .buttons(&[(Pad::LeftTrigger, "left shoulder")]),
    row(Do::First, "First", "Go to the beginning.").within(FILMS).keys(&[key(K::Home, "Home")]),
    row(Do::Last, "Last", "Go to the end.").within(FILMS).keys(&[key(K::End, "End")]),
    row(Do::Faster, "Faster", "Play faster.")
        .within(FILMS)
        .keys(&[key(K::ArrowUp, "Up")])
        .buttons(&[(Pad::DPadUp, "D-pad up")]),
    row(Do::Slower, "Slower", "Play slower.")
        .within(FILMS)
        .keys(&[key(K::ArrowDown, "Down")])
        .buttons(&[(Pad::DPadDown, "D-pad down")]),
    row(Do::NextFailed, "Next failed", "Go on to where a check failed.")
        .within(FILMS)
        .keys(&[key(K::KeyN, "N")])
        .buttons(&[(Pad::RightTrigger2, "right trigger")]),
    row(Do::LastFailed, "Last failed", "Go back to where a check failed.").within(FILMS).keys(&[key(K::KeyP, "P")]),
    row(Do::Accept, "Accept", "Say that this step is as it should be.")
        .within(FILMS)
        .keys(&[key(K::KeyA, "A")])
        .buttons(&[(Pad::North, "Y / triangle")]),
    row(Do::Reject, "Reject", "Say that this step is not as it should be.")
        .within(FILMS)
        .keys(&[key(K::KeyX, "X")])
        .buttons(&[(Pad::West, "X / square")]),
    row(Do::LoopFrom, "Loop from here", "Let playing begin again here.")
        .within(REVIEW)
        .keys(&[key(K::BracketLeft, "[")]),
    row(Do::LoopTo, "Loop to here", "Let playing end here and begin again.")
        .within(REVIEW)
        .keys(&[key(K::BracketRight, "]")]),
    row(Do::Search, "Search", "Write words to look for in what was asked and said.")
        .within(REVIEW)
        .keys(&[key(K::Slash, "/"), ctrl(K::KeyF, "Ctrl+F")]),
    row(Do::NextHit, "Next found", "Go on to the next record with the words that are looked for.")
        .within(REVIEW)
        .keys(&[key(K::KeyF, "F")]),
    row(Do::Branch, "Branch", "Save the world as it was here, and walk on from it as another walk.")
        .within(VIEWS)
        .keys(&[ctrl(K::KeyB, "Ctrl+B")]),
    row(Do::SkipOn, "Skip step", "Show how the next step ends.").within(PLAN).keys(&[key(K::PageDown, "PgDn")]),
    row(Do::SkipBack, "Skip step back", "Show how the step before ends.").within(PLAN).keys(&[key(K::PageUp, "PgUp")]),
    row(Do::NextCheck, "Next check", "Choose the next check of the step.").within(PLAN).keys(&[key(K::KeyC, "C")]),
    row(Do::Camera, "Camera", "Look from where the scene's camera stands.")
        .within(PLAN)
        .keys(&[key(K::KeyF, "F")])
        .buttons(&[(Pad::RightThumb, "right stick press")]),
    row(
        Do::MoveThings,
        "Move things",
        "Let the mouse move things, and have the rest of the plan judged again; or let it turn the scene.",
    )
    .within(PLAN)
    .keys(&[key(K::KeyM, "M")]),
    row(Do::Edit, "Other words", "Write other words for the step, and have the rest of the plan judged again.")
        .within(PLAN)
        .keys(&[key(K::Enter, "Enter"), key(K::KeyE, "E"), key(K::KeyT, "T")]),
];
