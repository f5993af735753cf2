//! The geometry of a scene: all shapes placed in the world, in a tree.
//!
//! Invariant: shape `i` of `solids` is leaf `i` of `bvh`.

use crate::limits::{MAX_PARTS, WALKER_RADIUS_M};
use crate::material::Material;
use crate::solid::{Form, Ray, Solid};
use crate::spec::{Above, SceneSpec};
use crate::{SceneError, colour::Paint};
use parry3d::bounding_volume::Aabb;
use parry3d::math::Vec3;
use parry3d::partitioning::{Bvh, BvhBuildStrategy};

/// Thickness of outer walls, floor and ceiling, metres.
const SHELL_M: f32 = 0.2;
/// Half the side of the land around a courtyard, metres.
const LAND_M: f32 = 95.0;
/// Radius and height of the disc that a lamp shows under the ceiling, metres.
const FIXTURE_M: [f32; 2] = [0.32, 0.07];
/// Things lower than this do not stop the walker (rugs), metres.
const STEP_OVER_M: f32 = 0.12;
/// Things that begin above this height do not stop the walker, metres.
const HEADROOM_M: f32 = 1.75;

/// A material as placed: walls may carry a skirting board.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Surface {
    pub(crate) material: Material,
    pub(crate) skirting: Option<Paint>,
}

/// Everything placed.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) solids: Vec<Solid>,
    pub(crate) surfaces: Vec<Surface>,
    pub(crate) bvh: Bvh,
    /// Box around the walkable space.
    pub(crate) room: Aabb,
    outline: Vec<[f32; 2]>,
    /// Per solid: does it stop the walker?
    obstacle: Vec<bool>,
}

impl Built {
    pub(crate) fn new(spec: &SceneSpec) -> Result<Self, SceneError> {
        let mut outline = spec.outline_m.clone();
        let area = signed_area(&outline);
        if area.abs() < 1.0 {
            return Err(SceneError::Outline { reason: "encloses less than 1 square metre" });
        }
        if area < 0.0 {
            outline.reverse();
        }
        let mut build = Self {
            solids: Vec::with_capacity(spec.objects.len() * 8 + 16),
            surfaces: Vec::new(),
            bvh: Bvh::default(),
            room: plan_box(&outline, spec.walls.height_m),
            outline,
            obstacle: Vec::new(),
        };
        build.shell(spec);
        build.walls(spec);
        for object in &spec.objects {
            for part in object.shapes().iter().take(MAX_PARTS) {
                let surface = build.surface(part.material, None);
                let solid = Solid::of_part(part, object.position_m, object.yaw_deg.to_radians(), surface, object.id);
                let aabb = solid.aabb();
                build.obstacle.push(aabb.maxs.y > STEP_OVER_M && aabb.mins.y < HEADROOM_M);
                build.solids.push(solid);
            }
        }
        let boxes: Vec<Aabb> = build.solids.iter().map(Solid::aabb).collect();
        build.bvh = Bvh::from_leaves(BvhBuildStrategy::Binned, &boxes);
        Ok(build)
    }

    /// Is `(x, z)` inside the outline?
    pub(crate) fn inside(&self, x: f32, z: f32) -> bool {
        let mut inside = false;
        for (a, b) in edges(&self.outline) {
            if (a[1] > z) != (b[1] > z) && x < a[0] + (b[0] - a[0]) * (z - a[1]) / (b[1] - a[1]) {
                inside = !inside;
            }
        }
        inside
    }

    /// Plan distance to the nearest thing that stops the walker and its id; looks no further than `within`.
    pub(crate) fn nearest_obstacle(&self, x: f32, z: f32, within: f32) -> (f32, u16) {
        let reach = Vec3::new(within, 0.0, within);
        let query = Aabb::new(Vec3::new(x, STEP_OVER_M, z) - reach, Vec3::new(x, HEADROOM_M, z) + reach);
        let mut nearest = (within, 0);
        for leaf in self.bvh.intersect_aabb(&query) {
            let leaf = leaf as usize;
            if self.obstacle[leaf] {
                let distance = self.solids[leaf].plan_distance(x, z);
                if distance < nearest.0 {
                    nearest = (distance, self.solids[leaf].id);
                }
            }
        }
        nearest
    }

    /// Free distance around the walker's body, capped at `within`; negative when it overlaps something.
    pub(crate) fn free(&self, x: f32, z: f32, within: f32) -> f32 {
        self.nearest_obstacle(x, z, within + WALKER_RADIUS_M).0 - WALKER_RADIUS_M
    }

    /// The first solid that a ray meets: ray parameter and index.
    pub(crate) fn first_hit(&self, origin: Vec3, dir: Vec3, max: f32) -> Option<(f32, usize)> {
        let ray = Ray::new(origin, dir);
        let search = parry3d::query::Ray::new(origin, dir);
        let best = self.bvh.cast_ray(&search, max, |leaf, best| self.solids[leaf as usize].hit(&ray, best));
        best.map(|(leaf, t)| (t, leaf as usize))
    }

    fn surface(&mut self, material: Material, skirting: Option<Paint>) -> u32 {
        let surface = Surface { material, skirting };
        // Neighbouring parts often share a look; a longer search would cost more than it saves.
        let recent = self.surfaces.len().saturating_sub(64);
        let known = self.surfaces[recent..].iter().position(|known| *known == surface);
        let index = known.map_or(self.surfaces.len(), |position| recent + position);
        if known.is_none() {
            self.surfaces.push(surface);
        }
        u32::try_from(index).unwrap_or(0)
    }

    /// A slab of the shell.
    fn slab(&mut self, centre: Vec3, half: Vec3, yaw: [f32; 2], surface: u32, casts: bool, stops: bool) {
        self.solids.push(Solid::new(centre, yaw, Form::Box { half }, surface, 0, casts));
        self.obstacle.push(stops);
    }

    /// Floor, and ceiling or land.
    fn shell(&mut self, spec: &SceneSpec) {
        let (centre, half) = (self.room.center(), self.room.half_extents());
        let thick = SHELL_M * 0.5;
        let size = Vec3::new(half.x + SHELL_M, thick, half.z + SHELL_M);
        let floor = self.surface(spec.floor, None);
        self.slab(Vec3::new(centre.x, -thick, centre.z), size, [1.0, 0.0], floor, false, false);
        match spec.above {
            Above::Ceiling(material) => {
                let ceiling = self.surface(material, None);
                let at = Vec3::new(centre.x, spec.walls.height_m + thick, centre.z);
                self.slab(at, size, [1.0, 0.0], ceiling, false, false);
                for lamp in &spec.lamps {
                    let [x, _, z] = lamp.position_m;
                    let shine = self.surface(Material::Glow(lamp.paint), None);
                    let centre = Vec3::new(x, spec.walls.height_m - FIXTURE_M[1] * 0.5, z);
                    let form = Form::Cylinder { radius: FIXTURE_M[0], half_height: FIXTURE_M[1] * 0.5 };
                    self.solids.push(Solid::new(centre, [1.0, 0.0], form, shine, 0, false));
                    self.obstacle.push(false);
                }
            }
            Above::Sky(sky) => {
                let land = self.surface(Material::Flat(sky.land), None);
                let at = Vec3::new(centre.x, -thick - 0.04, centre.z);
                self.slab(at, Vec3::new(LAND_M, thick, LAND_M), [1.0, 0.0], land, false, false);
            }
        }
    }

    /// Outer walls and partitions.
    fn walls(&mut self, spec: &SceneSpec) {
        let height = spec.walls.height_m;
        let outdoors = matches!(spec.above, Above::Sky(_));
        let surface = self.surface(spec.walls.material, spec.walls.skirting);
        let count = self.outline.len();
        let convex: Vec<bool> = (0..count)
            .map(|i| {
                let (a, b, c) = (self.outline[(i + count - 1) % count], self.outline[i], self.outline[(i + 1) % count]);
                (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) > 0.0
            })
            .collect();
        let casts = outdoors || convex.contains(&false);
        let corners = edges(&self.outline).collect::<Vec<_>>();
        for (i, (a, b)) in corners.into_iter().enumerate() {
            let Some((along, length)) = direction(a, b) else { continue };
            // Around the outline the inside is on one hand; the wall stands on the other. It runs past convex corners to close them.
            let (before, after) =
                (if convex[i] { SHELL_M } else { 0.0 }, if convex[(i + 1) % count] { SHELL_M } else { 0.0 });
            let middle = (length + after - before) * 0.5;
            let out = [along[1], -along[0]];
            let centre = Vec3::new(
                a[0] + along[0] * middle + out[0] * SHELL_M * 0.5,
                height * 0.5,
                a[1] + along[1] * middle + out[1] * SHELL_M * 0.5,
            );
            let half = Vec3::new((length + before + after) * 0.5, height * 0.5, SHELL_M * 0.5);
            self.slab(centre, half, [along[0], -along[1]], surface, casts, true);
        }
        for partition in &spec.partitions {
            let Some((along, length)) = direction(partition.from_m, partition.to_m) else { continue };
            let surface = match partition.material {
                Some(material) => self.surface(material, spec.walls.skirting.filter(|_| partition.base_m < 0.1)),
                None => surface,
            };
            let (a, b) = (partition.from_m, partition.to_m);
            let half_height = (height - partition.base_m) * 0.5;
            let centre = Vec3::new((a[0] + b[0]) * 0.5, partition.base_m + half_height, (a[1] + b[1]) * 0.5);
            let half = Vec3::new(length * 0.5, half_height, partition.thickness_m * 0.5);
            self.slab(centre, half, [along[0], -along[1]], surface, true, partition.base_m < HEADROOM_M);
        }
    }
}

/// Edges of a closed outline.
fn edges(outline: &[[f32; 2]]) -> impl Iterator<Item = ([f32; 2], [f32; 2])> + '_ {
    outline.iter().copied().zip(outline.iter().copied().cycle().skip(1))
}

/// Unit vector and distance from `a` to `b`; none when they coincide.
fn direction(a: [f32; 2], b: [f32; 2]) -> Option<([f32; 2], f32)> {
    let d = [b[0] - a[0], b[1] - a[1]];
    let length = (d[0] * d[0] + d[1] * d[1]).sqrt();
    (length > 1e-3).then(|| ([d[0] / length, d[1] / length], length))
}

fn signed_area(outline: &[[f32; 2]]) -> f32 {
    edges(outline).map(|(a, b)| (a[0] * b[1] - b[0] * a[1]) * 0.5).sum()
}

fn plan_box(outline: &[[f32; 2]], height: f32) -> Aabb {
    let mut aabb = Aabb::new_invalid();
    for [x, z] in outline {
        aabb.take_point(Vec3::new(*x, 0.0, *z));
        aabb.take_point(Vec3::new(*x, height, *z));
    }
    aabb
}
