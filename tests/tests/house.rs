//! The house: imports go down only, windows stay in `plugins`, and `unsafe` stays where it is allowed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--no-deps"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Storey of a workspace member: 0 model, 1 sim, 2 plugins, 3 tests.
fn storey(manifest: &str) -> usize {
    let relative = Path::new(manifest).strip_prefix(root()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    ["model", "sim", "plugins", "tests"].iter().position(|s| *s == first).unwrap()
}

#[test]
fn imports_go_down_only() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let members: BTreeMap<&str, usize> = packages
        .iter()
        .filter(|p| p["source"].is_null())
        .map(|p| (p["name"].as_str().unwrap(), storey(p["manifest_path"].as_str().unwrap())))
        .collect();
    assert!(members.len() >= 10, "{members:?}");
    for package in packages.iter().filter(|p| p["source"].is_null()) {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            if let Some(below) = members.get(other) {
                assert!(*below <= members[name], "{name} must not import {other}: imports go down only");
            }
        }
    }
}

#[test]
fn windows_live_in_plugins_and_tensors_in_model() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let only = |storeys: &[usize], crates: &[&str]| {
        for package in packages.iter().filter(|p| p["source"].is_null()) {
            let at = storey(package["manifest_path"].as_str().unwrap());
            for dependency in package["dependencies"].as_array().unwrap() {
                let other = dependency["name"].as_str().unwrap();
                let name = package["name"].as_str().unwrap();
                assert!(storeys.contains(&at) || !crates.contains(&other), "{name} must not depend on {other}");
            }
        }
    };
    only(&[2], &["bevy", "bevy_egui", "winit", "wgpu", "gilrs", "egui"]);
    // Tests read golden tensors.
    only(&[0, 3], &["candle-core", "candle-nn", "tokenizers", "safetensors"]);
    only(&[1], &["parry3d", "rapier3d", "mcap"]);
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_stands_in_kernels_and_weight_mapping_only() {
    let mut files = Vec::new();
    for storey in ["model", "sim", "plugins"] {
        sources(&root().join(storey), &mut files);
    }
    let with: BTreeSet<String> = files
        .iter()
        .filter(|f| {
            let text = std::fs::read_to_string(f).unwrap();
            text.lines().any(|l| l.contains("unsafe {") || l.contains("unsafe fn"))
        })
        .map(|f| f.strip_prefix(root()).unwrap().to_string_lossy().into_owned())
        .collect();
    for file in &with {
        let allowed = file.starts_with("model/nn/src/kernels/") || file == "model/nn/src/weights/shard.rs";
        assert!(allowed, "{file} has unsafe code");
    }
    assert!(with.contains("model/nn/src/weights/shard.rs"), "the search finds what is there: {with:?}");
}
