//! The view, large and crisp: either exact square pixels at a whole-number scale, or a smooth enlargement that keeps edges.
//!
//! It shows pixels; it never changes what the model drew.

use bevy::asset::RenderAssetUsages;
use bevy::image::{Image, ImageSampler};
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy_egui::egui::{self, Color32, TextureId, pos2, vec2};
use bevy_egui::{EguiTextureHandle, EguiUserTextures};
use image::RgbImage;
use image::imageops::{self, FilterType};
use rhea_picture::Rgbd;

use crate::preferences::Preferences;

/// Smooth enlargement is computed up to this side; a larger window stretches the result.
const MAX_SMOOTH_PX: usize = 1024;

/// How a small picture fills a large window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// Bicubic enlargement to the window's pixels.
    #[default]
    Smooth,
    /// Enlarged by the graphics card: less sharp, and free, for views that change many times a second.
    Quick,
    /// Every picture pixel is a square of the same whole number of window pixels.
    Pixels,
}

impl Sampling {
    /// What the user likes.
    #[must_use]
    pub fn of(likes: &Preferences) -> Self {
        if likes.smooth { Self::Smooth } else { Self::Pixels }
    }

    /// The same where views change many times a second.
    #[must_use]
    pub fn quick_of(likes: &Preferences) -> Self {
        if likes.smooth { Self::Quick } else { Self::Pixels }
    }
}

/// A picture on the graphics card that changes in place: the old one stays on screen until the new one is there.
#[derive(Default)]
pub struct Picture {
    handle: Option<Handle<Image>>,
    id: Option<TextureId>,
}

impl Picture {
    /// Replaces the picture; `rgba` holds `width * height` pixels.
    pub fn set(
        &mut self,
        (width, height): (usize, usize),
        rgba: Vec<u8>,
        sampler: ImageSampler,
        images: &mut Assets<Image>,
        textures: &mut EguiUserTextures,
    ) {
        let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else { return };
        let size = Extent3d { width, height, depth_or_array_layers: 1 };
        let usages = RenderAssetUsages::default();
        let mut image = Image::new(size, TextureDimension::D2, rgba, TextureFormat::Rgba8UnormSrgb, usages);
        image.sampler = sampler;
        if let Some(mut old) = self.handle.as_ref().and_then(|handle| images.get_mut(handle)) {
            *old = image;
        } else {
            let handle = images.add(image);
            self.id = Some(textures.add_image(EguiTextureHandle::Strong(handle.clone())));
            self.handle = Some(handle);
        }
    }

    /// Draws the picture over `rect`; nothing before the first [`Picture::set`].
    pub fn draw(&self, painter: &egui::Painter, rect: egui::Rect, tint: Color32) {
        if let Some(id) = self.id {
            painter.image(id, rect, egui::Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), tint);
        }
    }
}

/// The view on screen, and what its picture was made from.
#[derive(Default)]
pub struct ViewOnScreen {
    picture: Picture,
    made_for: Option<(u64, Sampling, [usize; 2])>,
    space_px: [usize; 2],
}

impl ViewOnScreen {
    /// Brings the picture up to date with the view and with the space found when it was last drawn.
    pub fn refresh(
        &mut self,
        view: &Rgbd,
        serial: u64,
        sampling: Sampling,
        images: &mut Assets<Image>,
        textures: &mut EguiUserTextures,
    ) {
        let shown_px = shown_size_px([view.width, view.height], self.space_px, sampling);
        let wanted = (serial, sampling, shown_px);
        if self.made_for == Some(wanted) {
            return;
        }
        let (size, rgba, sampler) = texture(view, shown_px, sampling);
        self.picture.set(size, rgba, sampler, images, textures);
        self.made_for = Some(wanted);
    }

    /// Draws the view in the middle of `space`; says where.
    pub fn show(&mut self, ui: &egui::Ui, space: egui::Rect, view: &Rgbd, sampling: Sampling) -> egui::Rect {
        let scale = ui.ctx().pixels_per_point();
        self.space_px = [space.width(), space.height()].map(|side| (side * scale).max(1.0) as usize);
        let shown_px = shown_size_px([view.width, view.height], self.space_px, sampling);
        let size = vec2(shown_px[0] as f32, shown_px[1] as f32) / scale;
        // On whole window pixels, or square pixels would not be square.
        let snap = |value: f32| (value * scale).round() / scale;
        let corner = space.center() - size / 2.0;
        let rect = egui::Rect::from_min_size(pos2(snap(corner.x), snap(corner.y)), size);
        self.picture.draw(ui.painter(), rect, Color32::WHITE);
        rect
    }
}

/// Side lengths on screen, window pixels, for a picture in a space; never zero.
#[must_use]
pub fn shown_size_px(picture_px: [usize; 2], space_px: [usize; 2], sampling: Sampling) -> [usize; 2] {
    let [width, height] = picture_px.map(|side| side.max(1));
    let [space_x, space_y] = space_px;
    let whole = (space_x / width).min(space_y / height);
    if sampling == Sampling::Pixels && whole >= 1 {
        return [width * whole, height * whole];
    }
    // The larger picture that fits: compare space_x / width with space_y / height without rounding.
    if space_x * height <= space_y * width {
        [space_x.max(1), (space_x * height / width).max(1)]
    } else {
        [(space_y * width / height).max(1), space_y.max(1)]
    }
}

/// Size, pixels and filter of the picture to upload.
fn texture(view: &Rgbd, shown_px: [usize; 2], sampling: Sampling) -> ((usize, usize), Vec<u8>, ImageSampler) {
    let rgba = |rgb: &[u8]| rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
    if sampling == Sampling::Smooth {
        let [width, height] = shown_px.map(|side| side.min(MAX_SMOOTH_PX));
        let enlarged = (u32::try_from(view.width).ok())
            .zip(u32::try_from(view.height).ok())
            .and_then(|(width, height)| RgbImage::from_raw(width, height, view.rgb.clone()))
            .map(|small| imageops::resize(&small, width as u32, height as u32, FilterType::CatmullRom));
        if let Some(large) = enlarged {
            return ((width, height), rgba(large.as_raw()), ImageSampler::linear());
        }
    }
    let sampler = if sampling == Sampling::Pixels { ImageSampler::nearest() } else { ImageSampler::linear() };
    ((view.width, view.height), rgba(&view.rgb), sampler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn square_pixels_take_the_largest_whole_scale_that_fits() {
        assert_eq!(shown_size_px([128, 128], [700, 650], Sampling::Pixels), [640, 640]);
        assert_eq!(shown_size_px([128, 128], [640, 639], Sampling::Pixels), [512, 512]);
        assert_eq!(
            shown_size_px([128, 128], [100, 90], Sampling::Pixels),
            [90, 90],
            "smaller than the picture: shrink"
        );
    }

    #[test]
    fn smooth_fills_the_space_and_keeps_the_shape() {
        assert_eq!(shown_size_px([128, 128], [700, 650], Sampling::Smooth), [650, 650]);
        assert_eq!(shown_size_px([200, 100], [700, 650], Sampling::Smooth), [700, 350]);
        assert_eq!(shown_size_px([0, 0], [0, 0], Sampling::Smooth), [1, 1]);
    }

    #[test]
    fn enlarging_keeps_flat_colours_and_exact_pixels_stay_exact() {
        let view = Rgbd::filled(4, 4, [10, 200, 30]);
        let (size, smooth, _) = texture(&view, [9, 9], Sampling::Smooth);
        assert_eq!((size, smooth.len()), ((9, 9), 9 * 9 * 4));
        assert!(smooth.chunks_exact(4).all(|pixel| pixel == [10, 200, 30, 255]));
        for sampling in [Sampling::Pixels, Sampling::Quick] {
            let (size, exact, _) = texture(&view, [8, 8], sampling);
            assert_eq!((size, exact.len()), ((4, 4), 4 * 4 * 4), "{sampling:?}: nothing is enlarged here");
        }
    }
}
