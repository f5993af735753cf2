//! Names of what is drawn and not written, for screen readers (AccessKit) and for tests.

use bevy_egui::egui::{Response, WidgetInfo, WidgetType};

/// Gives a picture, a bar or anything else that was drawn by hand a name.
pub fn name(response: &Response, kind: WidgetType, text: impl Into<String>) {
    let text = text.into();
    response.widget_info(|| WidgetInfo::labeled(kind, response.enabled(), &text));
}

/// Gives something that is dragged a name and a value.
pub fn name_value(response: &Response, text: &str, value: f64) {
    response.widget_info(|| WidgetInfo::slider(response.enabled(), value, text));
}
