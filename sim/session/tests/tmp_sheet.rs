//! temporary
mod common;
use common::*;
use rhea_picture::*;
use rhea_scene::*;
use rhea_session::*;
#[test]
fn sheets() {
    let root = repository("");
    for name in ["square", "out_and_back40", "spin40"] {
        let script = Script::load(&root.join(format!("scenes/walks/{name}.ron")), &root).unwrap();
        let ScriptStart::Scene(p) = &script.start else { panic!() };
        let scene = Scene::from_ron(&std::fs::read_to_string(p).unwrap()).unwrap();
        let r = Renderer::new(&scene);
        let mut pose = scene.starts()[0];
        let mut sheet = Sheet::new(8, 1);
        sheet.add_view(&r.render(&pose, &Camera::square(128), Threads::All).rgbd, "start");
        for c in &script.steps {
            let Command::Move(m) = c else { panic!() };
            pose = pose.apply(m);
            sheet.add_view(&r.render(&pose, &Camera::square(128), Threads::All).rgbd, c.to_string());
        }
        save_picture(std::path::Path::new(&format!("/tmp/{name}.png")), &sheet.draw().unwrap()).unwrap();
    }
}
#[test]
fn rss() {
    let root = repository("");
    let script = Script::load(&root.join("scenes/walks/long400.ron"), &root).unwrap();
    let rss = || std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4 / 1024;
    let mut model = Painter::default();
    let folder = tempfile::tempdir().unwrap();
    let s = run_script(&script, &mut model, folder.path(), &HeadlessOptions::default(), Box::new(SystemClock::new()), &mut |p| {
        if let SessionEvent::ViewReady(v) = p.event { if v.step == 20 || v.step == 400 { println!("step {} rss {} MiB", v.step, rss()); } }
        if let SessionEvent::Clipped(c) = p.event { println!("{c:?} at {}", p.done); }
    }).unwrap();
    println!("{s:?}");
    println!("{} bytes", std::fs::metadata(&s.replay).unwrap().len());
    let r = rhea_session::replay::ReplayReader::open(&s.replay).unwrap();
    println!("{}", replay::list(&r).lines().take(12).collect::<Vec<_>>().join("\n"));
}
