//! MJCF: the part of MuJoCo's format that describes an arm.
//!
//! Read are nested bodies with hinge and slide joints, primitive and mesh geoms, sites, `compiler` angles, the outermost
//! `default` class and the force ranges of actuators. What would change an arm's motion and is not read is refused.

use std::collections::BTreeMap;
use std::path::Path;

use roxmltree::{Document, Node};

use super::mesh;
use super::tree::{RawJoint, RawLink, Tree};
use crate::error::PhysicsError;
use crate::limits::{MAX_LINKS, MAX_SHAPES};
use crate::math::{PI, Pose, Rot, V3};
use crate::robot::JointKind;
use crate::scene::form::{Prim, Solid};

/// Density MuJoCo gives to geoms without mass, kg per cubic metre.
const DEFAULT_DENSITY: f64 = 1000.0;

struct Reader<'a, 'input> {
    document: &'a Document<'input>,
    path: &'a Path,
    degrees: bool,
    defaults: BTreeMap<&'static str, BTreeMap<String, String>>,
    meshes: BTreeMap<String, String>,
    tree: Tree,
    shapes: usize,
}

/// Reads the text of an MJCF file.
pub(super) fn parse(text: &str, path: &Path) -> Result<Tree, PhysicsError> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.pos();
        PhysicsError::Syntax {
            path: path.to_owned(),
            line: at.row as usize,
            column: at.col as usize,
            what: error.to_string(),
        }
    })?;
    let mut reader = Reader {
        document: &document,
        path,
        degrees: true,
        defaults: BTreeMap::new(),
        meshes: BTreeMap::new(),
        tree: Tree {
            name: document.root_element().attribute("model").unwrap_or("robot").to_owned(),
            ..Tree::default()
        },
        shapes: 0,
    };
    reader.read()?;
    Ok(reader.tree)
}

impl<'a> Reader<'a, '_> {
    fn fault(&self, node: Node<'a, '_>, what: impl Into<String>) -> PhysicsError {
        let at = self.document.text_pos_at(node.range().start);
        PhysicsError::Syntax {
            path: self.path.to_owned(),
            line: at.row as usize,
            column: at.col as usize,
            what: what.into(),
        }
    }

    fn read(&mut self) -> Result<(), PhysicsError> {
        let root = self.document.root_element();
        if !root.has_tag_name("mujoco") {
            return Err(
                self.fault(root, format!("the outermost element is `{}`; it must be `mujoco`", root.tag_name().name()))
            );
        }
        for node in root.descendants().filter(Node::is_element) {
            match node.tag_name().name() {
                "compiler" => self.degrees = node.attribute("angle").is_none_or(|a| a == "degree"),
                "include" => return Err(self.fault(node, "`include` is not read; put all into one file")),
                "mesh" if node.parent().is_some_and(|p| p.has_tag_name("asset")) => {
                    let file = node.attribute("file").ok_or_else(|| self.fault(node, "a mesh needs a `file`"))?;
                    let stem =
                        Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
                    self.meshes.insert(node.attribute("name").map_or(stem, str::to_owned), file.to_owned());
                }
                _ => {}
            }
        }
        if let Some(defaults) = root.children().find(|n| n.has_tag_name("default")) {
            for node in defaults.children().filter(Node::is_element) {
                let kind = match node.tag_name().name() {
                    "joint" => "joint",
                    "geom" => "geom",
                    "default" => {
                        return Err(self.fault(node, "nested default classes are not read; one outer `default` is"));
                    }
                    _ => continue,
                };
                self.defaults
                    .insert(kind, node.attributes().map(|a| (a.name().to_owned(), a.value().to_owned())).collect());
            }
        }
        let world = root
            .children()
            .find(|n| n.has_tag_name("worldbody"))
            .ok_or_else(|| self.fault(root, "there is no `worldbody`"))?;
        let mut bodies = world.children().filter(|n| n.has_tag_name("body"));
        let base = bodies.next().ok_or_else(|| self.fault(world, "there is no `body` in `worldbody`"))?;
        if let Some(second) = bodies.next() {
            return Err(self.fault(second, "a robot is one tree of bodies; this is a second one"));
        }
        self.body(base, None)?;
        for actuator in root.children().filter(|n| n.has_tag_name("actuator")).flat_map(|n| n.children()) {
            let (Some(name), Some(range)) = (actuator.attribute("joint"), actuator.attribute("forcerange")) else {
                continue;
            };
            let force = self.numbers(actuator, "forcerange", range, 2)?;
            if let Some(joint) = self.tree.joints.iter_mut().find(|j| j.name == name) {
                joint.effort = force[1].abs().min(force[0].abs());
            }
        }
        Ok(())
    }

    fn numbers(&self, node: Node<'a, '_>, field: &str, text: &str, count: usize) -> Result<Vec<f64>, PhysicsError> {
        let values: Vec<f64> =
            text.split_whitespace().filter_map(|v| v.parse().ok()).filter(|v: &f64| v.is_finite()).collect();
        if values.len() >= count && values.len() == text.split_whitespace().count() {
            return Ok(values);
        }
        Err(self.fault(node, format!("`{field}` is `{text}`; {count} finite numbers are needed")))
    }

    fn attribute(&self, node: Node<'a, '_>, name: &str) -> Option<String> {
        let kind = node.tag_name().name();
        node.attribute(name).map(str::to_owned).or_else(|| self.defaults.get(kind).and_then(|d| d.get(name)).cloned())
    }

    fn vector(&self, node: Node<'a, '_>, name: &str, otherwise: V3) -> Result<V3, PhysicsError> {
        let Some(text) = self.attribute(node, name) else { return Ok(otherwise) };
        let v = self.numbers(node, name, &text, 3)?;
        Ok(V3(v[0], v[1], v[2]))
    }

    fn angle(&self, value: f64) -> f64 {
        if self.degrees { value * PI / 180.0 } else { value }
    }

    fn pose(&self, node: Node<'a, '_>) -> Result<Pose, PhysicsError> {
        let p = self.vector(node, "pos", V3::ZERO)?;
        let r = if let Some(text) = node.attribute("quat") {
            let q = self.numbers(node, "quat", text, 4)?;
            Rot { w: q[0], v: V3(q[1], q[2], q[3]) }.renormed()
        } else if let Some(text) = node.attribute("euler") {
            // MuJoCo's default sequence turns about the moving x, y and z axes.
            let e = self.numbers(node, "euler", text, 3)?;
            let about = |axis, angle| Rot::about(axis, self.angle(angle));
            about(V3(1.0, 0.0, 0.0), e[0]) * about(V3(0.0, 1.0, 0.0), e[1]) * about(V3::UP, e[2])
        } else if let Some(text) = node.attribute("axisangle") {
            let a = self.numbers(node, "axisangle", text, 4)?;
            let axis = V3(a[0], a[1], a[2]).unit().ok_or_else(|| self.fault(node, "the axis has no length"))?;
            Rot::about(axis, self.angle(a[3]))
        } else {
            Rot::IDENTITY
        };
        Ok(Pose::new(p, r))
    }

    fn body(&mut self, node: Node<'a, '_>, parent: Option<usize>) -> Result<(), PhysicsError> {
        let index = self.tree.links.len();
        if index >= MAX_LINKS {
            return Err(self.fault(node, format!("more than {MAX_LINKS} bodies")));
        }
        let name = node.attribute("name").map_or_else(|| format!("body{index}"), str::to_owned);
        self.tree.links.push(RawLink { name, ..RawLink::default() });
        if let Some(parent) = parent {
            self.joint(node, parent, index)?;
        }
        let mut inertial = None;
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "inertial" => {
                    let text = child.attribute("mass").ok_or_else(|| self.fault(child, "`inertial` needs a `mass`"))?;
                    inertial = Some((self.numbers(child, "mass", text, 1)?[0], self.vector(child, "pos", V3::ZERO)?));
                }
                "geom" => self.geom(child, index)?,
                "site" => {
                    // A site is a link without a body: a frame to name.
                    let pose = self.pose(child)?;
                    let site =
                        RawLink { name: child.attribute("name").unwrap_or("site").to_owned(), ..RawLink::default() };
                    self.tree.links.push(site);
                    let child = self.tree.links.len() - 1;
                    self.tree.joints.push(fixed(index, child, pose));
                }
                "freejoint" => return Err(self.fault(child, "a robot's body cannot float; remove the `freejoint`")),
                "body" => self.body(child, Some(index))?,
                _ => {}
            }
        }
        if let Some((mass, com)) = inertial {
            let link = &mut self.tree.links[index];
            (link.mass_kg, link.com) = (mass, com);
        }
        Ok(())
    }

    fn joint(&mut self, body: Node<'a, '_>, parent: usize, child: usize) -> Result<(), PhysicsError> {
        let pose = self.pose(body)?;
        let mut joints = body.children().filter(|n| n.has_tag_name("joint"));
        let Some(node) = joints.next() else {
            self.tree.joints.push(fixed(parent, child, pose));
            return Ok(());
        };
        if let Some(second) = joints.next() {
            return Err(self.fault(second, "a body with several joints is not read; put a body between them"));
        }
        if self.vector(node, "pos", V3::ZERO)?.norm() > 1e-9 {
            return Err(self.fault(node, "a joint away from its body's origin is not read; move the body there"));
        }
        let kind = match self.attribute(node, "type").as_deref() {
            None | Some("hinge") => JointKind::Revolute,
            Some("slide") => JointKind::Prismatic,
            Some(other) => {
                return Err(self.fault(node, format!("joint type `{other}` is not read; allowed are hinge and slide")));
            }
        };
        let turn = |v: f64| if kind == JointKind::Revolute { self.angle(v) } else { v };
        let (lower, upper) = match self.attribute(node, "range") {
            Some(text) => {
                let range = self.numbers(node, "range", &text, 2)?;
                (turn(range[0]), turn(range[1]))
            }
            None if kind == JointKind::Revolute => (-PI, PI),
            None => return Err(self.fault(node, "a slide joint needs a `range`")),
        };
        let effort = match self.attribute(node, "actuatorfrcrange") {
            Some(text) => self.numbers(node, "actuatorfrcrange", &text, 2)?[1].abs(),
            None => 0.0,
        };
        self.tree.joints.push(RawJoint {
            name: node.attribute("name").map_or_else(|| format!("joint{child}"), str::to_owned),
            kind: Some(kind),
            parent,
            child,
            parent_from_joint: pose,
            axis: self.vector(node, "axis", V3::UP)?,
            lower,
            upper,
            velocity: 0.0,
            acceleration: f64::INFINITY,
            effort,
        });
        Ok(())
    }

    fn geom(&mut self, node: Node<'a, '_>, link: usize) -> Result<(), PhysicsError> {
        self.shapes += 1;
        if self.shapes > MAX_SHAPES {
            return Err(self.fault(node, format!("more than {MAX_SHAPES} geoms")));
        }
        let mut pose = self.pose(node)?;
        let kind = self.attribute(node, "type").unwrap_or_else(|| "sphere".to_owned());
        let mut size = match self.attribute(node, "size") {
            Some(text) => self.numbers(node, "size", &text, 1)?,
            None => vec![0.0],
        };
        if let Some(text) = node.attribute("fromto") {
            let e = self.numbers(node, "fromto", text, 6)?;
            let (a, b) = (V3(e[0], e[1], e[2]), V3(e[3], e[4], e[5]));
            let axis = (b - a).unit().ok_or_else(|| self.fault(node, "`fromto` has no length"))?;
            let side = V3::UP.cross(axis);
            let r = match side.unit() {
                Some(u) => Rot::about(u, libm::acos(axis.2.clamp(-1.0, 1.0))),
                None => Rot::IDENTITY,
            };
            pose = Pose::new((a + b) * 0.5, r);
            size = vec![size[0], a.distance(b) / 2.0];
        }
        let at = |i: usize| size.get(i).copied().unwrap_or(0.0);
        let solid = match kind.as_str() {
            "sphere" => Solid { owner_from_solid: pose, prim: Prim::Ball(at(0)) },
            "capsule" => Solid { owner_from_solid: pose, prim: Prim::Capsule(at(1), at(0)) },
            "cylinder" => Solid { owner_from_solid: pose, prim: Prim::Cylinder(at(1), at(0)) },
            "box" => Solid { owner_from_solid: pose, prim: Prim::Box(V3(at(0), at(1), at(2))) },
            "mesh" => {
                let name = node.attribute("mesh").unwrap_or_default();
                let file = self
                    .meshes
                    .get(name)
                    .ok_or_else(|| self.fault(node, format!("there is no mesh asset `{name}`")))?;
                let solid = mesh::bounding_box(file, V3(1.0, 1.0, 1.0), self.path)?;
                Solid { owner_from_solid: pose * solid.owner_from_solid, ..solid }
            }
            other => {
                let what = format!("geom type `{other}` is not read; allowed are sphere, capsule, cylinder, box, mesh");
                return Err(self.fault(node, what));
            }
        };
        let mass = match self.attribute(node, "mass") {
            Some(text) => self.numbers(node, "mass", &text, 1)?[0],
            None => solid.volume_m3() * DEFAULT_DENSITY,
        };
        let visual = self.attribute(node, "contype").is_some_and(|c| c == "0");
        let body = &mut self.tree.links[link];
        let total = body.mass_kg + mass;
        if total > 0.0 {
            body.com = body.com * (body.mass_kg / total) + solid.owner_from_solid.p * (mass / total);
            body.mass_kg = total;
        }
        if !visual {
            body.solids.push(solid);
        }
        Ok(())
    }
}

fn fixed(parent: usize, child: usize, pose: Pose) -> RawJoint {
    RawJoint {
        name: format!("fixed{child}"),
        kind: None,
        parent,
        child,
        parent_from_joint: pose,
        axis: V3::UP,
        lower: 0.0,
        upper: 0.0,
        velocity: 0.0,
        acceleration: f64::INFINITY,
        effort: 0.0,
    }
}
