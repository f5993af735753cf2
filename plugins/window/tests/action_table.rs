//! The action table against the walking language, which another crate defines.
#![allow(clippy::unwrap_used, reason = "tests")]

use rhea_window::actions::{ACTIONS, ActionId, joined_command};

#[test]
fn every_command_of_the_action_table_is_understood_by_the_walking_language() {
    let pairs = ACTIONS.iter().flat_map(|a| ACTIONS.iter().map(move |b| [a.id, b.id]));
    let mut understood = 0;
    for ids in pairs {
        if let Some(command) = joined_command(&ids) {
            rhea_scene::Move::parse(&command).unwrap();
            understood += 1;
        }
    }
    assert!(understood > 60, "{understood}");
    let both = joined_command(&[ActionId::Forward, ActionId::TurnLeft]).unwrap();
    let step = rhea_scene::Move::parse(&both).unwrap();
    assert!(step.forward_m == 0.5 && (step.turn_rad.to_degrees() - 15.0).abs() < 1e-3);
}
