//! The thread that draws the scene. It always draws what was asked for last; what was asked for in between is left out.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use rhea_physics::film::Still;
use rhea_physics::math::V3;
use rhea_physics::scene::CameraSpec;
use rhea_physics::scene::spec::ZoneRule;
use rhea_physics::view::{Drawing, View};
use rhea_physics::world::stage::Stage;

/// Paint of what a step is rejected for (no thing of a scene has this colour), and of what it comes close to.
pub(crate) const CULPRIT: [u8; 3] = [255, 40, 220];
/// See [`CULPRIT`].
pub(crate) const CLOSE: [u8; 3] = [255, 160, 0];
/// Paint of the tool's way, and of zones.
const WAY: [u8; 3] = [124, 183, 255];
const KEEP_OUT: [u8; 3] = [255, 60, 60];
const SLOW: [u8; 3] = [255, 190, 60];
/// Radius of a dot of the way, metres.
const DOT_M: f64 = 0.004;
/// Distance between two dots, metres.
const DOT_GAP_M: f64 = 0.02;
/// Threads of one drawing.
const THREADS: usize = 2;

/// A picture that was drawn, and what for.
pub(crate) type Drawn = (View, Order);

/// A picture to draw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub still: Still,
    pub way: Vec<V3>,
    /// Names to paint, and with what.
    pub marks: (Vec<String>, [u8; 3]),
    pub camera: CameraSpec,
    pub size_px: [usize; 2],
}

#[derive(Default)]
struct Slot {
    order: Option<Order>,
    closed: bool,
}

type Shared = Arc<(Mutex<Slot>, Condvar)>;

/// The drawing thread; it ends when this is dropped.
pub(crate) struct Painter {
    shared: Shared,
    pictures: Option<Receiver<Drawn>>,
    thread: Option<JoinHandle<()>>,
}

/// A poisoned lock is taken over: the slot is consistent after every statement.
fn slot(shared: &Shared) -> MutexGuard<'_, Slot> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Painter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(stage: Arc<Stage>) -> std::io::Result<Self> {
        let shared = Shared::default();
        let (out, pictures) = bounded(1);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("painter".to_owned());
        let thread = thread.spawn(move || paint(&stage, &theirs, &out))?;
        Ok(Self { shared, pictures: Some(pictures), thread: Some(thread) })
    }

    /// Asks for a picture; one that was asked for before and is not begun yet is left out.
    pub fn ask(&self, order: Order) {
        slot(&self.shared).order = Some(order);
        self.shared.1.notify_one();
    }

    /// A picture that is ready.
    pub fn ready(&self) -> Option<Drawn> {
        self.pictures.as_ref().and_then(|p| p.try_recv().ok())
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        slot(&self.shared).closed = true;
        self.shared.1.notify_one();
        // A thread that waits to hand a picture over ends as well.
        self.pictures = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn paint(stage: &Stage, shared: &Shared, out: &Sender<Drawn>) {
    loop {
        let order = {
            let mut slot = slot(shared);
            loop {
                if slot.closed {
                    return;
                }
                match slot.order.take() {
                    Some(order) => break order,
                    None => slot = shared.1.wait(slot).unwrap_or_else(PoisonError::into_inner),
                }
            }
        };
        if out.send((drawn(stage, &order), order)).is_err() {
            return;
        }
    }
}

fn drawn(stage: &Stage, order: &Order) -> View {
    let mut drawing = Drawing::new(stage, &order.still);
    drawing.mark(stage, &order.marks.0, order.marks.1);
    drawing.dot(&spaced(&order.way), DOT_M, WAY);
    drawing.glaze(stage, ZoneRule::KeepOut, KEEP_OUT);
    drawing.glaze(stage, ZoneRule::Slow, SLOW);
    drawing.draw(&order.camera, order.size_px, THREADS)
}

/// Points of a way that are at least a gap apart.
fn spaced(way: &[V3]) -> Vec<V3> {
    let mut dots: Vec<V3> = Vec::new();
    for point in way {
        if dots.iter().all(|dot| dot.distance(*point) >= DOT_GAP_M) {
            dots.push(*point);
        }
    }
    dots
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use rhea_physics::scene::TaskScene;
    use rhea_physics::world::World;
    use rhea_physics::world::stage::RobotShelf;

    use super::*;

    fn stage() -> Arc<Stage> {
        let robots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/robots");
        let scene = TaskScene::with_arm("bare", "rhea_arm7.urdf");
        Arc::new(Stage::new(scene, &robots, &mut RobotShelf::default()).unwrap())
    }

    fn order(stage: &Arc<Stage>, width: usize) -> Order {
        let world = World::new(stage.clone()).unwrap();
        let camera = rhea_physics::view::scene_camera(&world);
        Order { still: Still::of(&world), way: Vec::new(), marks: (Vec::new(), CLOSE), camera, size_px: [width, 40] }
    }

    fn wait(painter: &Painter) -> View {
        let start = Instant::now();
        loop {
            if let Some((picture, _)) = painter.ready() {
                return picture;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no picture came");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_last_order_is_drawn_and_a_painter_that_nobody_listens_to_ends() {
        let stage = stage();
        let painter = Painter::start(stage.clone()).unwrap();
        let last = order(&stage, 64);
        for width in 50..60 {
            painter.ask(order(&stage, width));
        }
        painter.ask(last.clone());
        let mut pictures = 1;
        while wait(&painter) != drawn(&stage, &last) {
            pictures += 1;
        }
        assert!(pictures <= 11, "{pictures}");
        // One picture waits to be taken, another to be handed over: both are dropped.
        painter.ask(order(&stage, 50));
        painter.ask(order(&stage, 51));
        drop(painter);
    }

    #[test]
    fn dots_of_a_way_keep_their_distance() {
        let way: Vec<V3> = (0..1000).map(|i| V3(f64::from(i) * 1e-3, 0.0, 0.0)).collect();
        assert_eq!(spaced(&way).len(), 50);
    }
}
