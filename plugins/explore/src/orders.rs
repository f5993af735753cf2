//! Actions become orders to the session.
//!
//! Invariant: a step that is held repeats only when nothing waits and the last view is on screen; when the gamepad in use goes, the
//! walk pauses.

use std::time::Duration;

use bevy::prelude::*;
use rhea_window::actions::{ActionId, Context, Effect, action, joined_command};
use rhea_window::bindings::Bindings;
use rhea_window::{ActionPlugin, Fired, Held, InputSystems, PadNews};

use crate::link::{Refusal, SessionLink};
use crate::report::Failure;
use crate::walk::Walk;
use crate::words;

/// How long a key is held before it repeats: longer than a tap.
const REPEAT_AFTER: Duration = Duration::from_millis(250);
/// One step of a walker who explores by himself.
const ROAM: &str = "explore 1 step";

/// Reads the devices for a walk and orders what they ask for. Needs Bevy's `InputPlugin` and a [`SessionLink`].
pub struct OrderPlugin;

impl Plugin for OrderPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(ActionPlugin(Context::Explore))
            .init_resource::<Walk>()
            .add_systems(Update, (announce_pads, send_steps, send_controls).chain().in_set(InputSystems::Send));
    }
}

/// Fired and repeating step actions become one command.
fn send_steps(
    mut fired: MessageReader<Fired>,
    held: Res<Held>,
    time: Res<Time<Real>>,
    link: Option<Res<SessionLink>>,
    mut walk: ResMut<Walk>,
) {
    let is_step = |id: &ActionId| matches!(action(*id).effect, Effect::Step { .. });
    let mut wanted: Vec<ActionId> = fired.read().map(|fired| fired.0).filter(is_step).collect();
    let Some(link) = link else { return };
    if !wanted.is_empty() {
        walk.roaming = false;
    } else if walk.roaming && !walk.paused && link.idle() {
        // A step at a time, each told to its end, so that one can stop at any of them.
        submit(&link, &mut walk, ROAM.to_owned());
        return;
    }
    if wanted.is_empty() {
        if walk.paused || !link.wants_more() {
            return;
        }
        wanted.extend(held.since(time.elapsed(), REPEAT_AFTER).filter(|id| action(*id).repeats));
    }
    if let Some(command) = joined_command(&wanted) {
        submit(&link, &mut walk, command);
    }
}

/// Sends a command, and says on screen when it is not taken.
pub(crate) fn submit(link: &SessionLink, walk: &mut Walk, command: String) {
    match link.submit(command) {
        Ok(()) => {}
        Err(Refusal::QueueFull) => walk.refused += 1,
        Err(refusal @ Refusal::Ended) => ended(walk, refusal),
    }
}

fn ended(walk: &mut Walk, refusal: Refusal) {
    walk.fail(Failure::new(refusal.to_string(), words::ALL_IS_SAVED));
}

fn send_controls(
    mut fired: MessageReader<Fired>,
    link: Option<Res<SessionLink>>,
    bindings: Res<Bindings>,
    mut walk: ResMut<Walk>,
) {
    for Fired(id) in fired.read() {
        let Some(link) = &link else { continue };
        let sent = match id {
            ActionId::Undo => {
                walk.roaming = false;
                link.undo()
            }
            ActionId::Stop => {
                walk.banner = None;
                walk.roaming = false;
                link.stop();
                Ok(())
            }
            ActionId::Roam => {
                walk.roaming = !walk.roaming;
                let [stop, roam] = [ActionId::Stop, ActionId::Roam].map(|id| bindings.shortest(id));
                let told = match walk.roaming {
                    true => words::roams(&stop, &roam),
                    false => words::YOU_WALK.to_owned(),
                };
                walk.inform(told);
                Ok(())
            }
            ActionId::Bookmark => {
                submit(link, &mut walk, "pin".to_owned());
                walk.inform(words::KEPT);
                Ok(())
            }
            ActionId::RoamStep => {
                walk.roaming = false;
                submit(link, &mut walk, ROAM.to_owned());
                Ok(())
            }
            ActionId::Pause => link.pause(!walk.paused).map(|()| walk.paused = !walk.paused),
            _ => Ok(()),
        };
        match sent {
            Ok(()) => {}
            Err(Refusal::QueueFull) => walk.refused += 1,
            Err(refusal @ Refusal::Ended) => ended(&mut walk, refusal),
        }
    }
}

fn announce_pads(
    mut news: MessageReader<PadNews>,
    link: Option<Res<SessionLink>>,
    bindings: Res<Bindings>,
    mut walk: ResMut<Walk>,
) {
    for news in news.read() {
        if *news == PadNews::InUseGone {
            walk.roaming = false;
            walk.paused |= link.as_ref().is_some_and(|link| link.pause(true).is_ok());
        }
        let paused = walk.paused.then_some(ActionId::Pause);
        walk.inform(news.told(&bindings, paused));
    }
}
