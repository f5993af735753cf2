//! The session thread as a Bevy plugin: its reports become the [`Walk`] resource.
//!
//! It starts no thread and opens no window.

use bevy::prelude::*;

use crate::link::SessionLink;
use crate::walk::Walk;

/// Order of the systems that take reports in; all in `PreUpdate`.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelSystems {
    /// Reports are applied to [`Walk`].
    Receive,
}

/// Takes reports of the session thread into [`Walk`]. Does nothing until a [`SessionLink`] is there.
pub struct ModelPlugin;

impl Plugin for ModelPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Walk>()
            .add_systems(PreUpdate, receive.run_if(resource_exists::<SessionLink>).in_set(ModelSystems::Receive));
    }
}

fn receive(link: Res<SessionLink>, mut walk: ResMut<Walk>) {
    for report in link.reports() {
        walk.apply(report);
    }
}
