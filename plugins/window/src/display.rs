//! Can a window be opened here? Asked before any windowing code runs, because that code panics where this one explains.
//!
//! It looks at the environment, at library files and at Vulkan driver manifests; it loads nothing.

use std::ffi::OsString;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// Why no window can be opened, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoWindow {
    /// There is no display at all.
    #[error("there is no display (neither WAYLAND_DISPLAY nor DISPLAY is set)")]
    NoDisplay,
    /// A display is named but nobody answers.
    #[error("the display {0} does not answer")]
    Silent(String),
    /// Libraries or drivers are missing.
    #[error("missing: {}; install with: apt-get install {}", .lacks.join(", "), .packages.join(" "))]
    Missing {
        /// What was not found.
        lacks: Vec<&'static str>,
        /// Debian and Ubuntu packages that bring it.
        packages: Vec<&'static str>,
    },
    /// The windowing code failed although everything seemed to be there.
    #[error("the window could not be opened: {0}")]
    Failed(String),
}

/// Shared libraries of an X11 window and the packages that bring them.
const X11: [(&str, &str); 5] = [
    ("libX11.so.6", "libx11-6"),
    ("libXcursor.so.1", "libxcursor1"),
    ("libXi.so.6", "libxi6"),
    ("libX11-xcb.so.1", "libx11-xcb1"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
];
/// Shared libraries of a Wayland window.
const WAYLAND: [(&str, &str); 2] =
    [("libwayland-client.so.0", "libwayland-client0"), ("libxkbcommon.so.0", "libxkbcommon0")];
/// The Vulkan loader.
const VULKAN: (&str, &str) = ("libvulkan.so.1", "libvulkan1");
/// How long a remote display may take to answer.
const DISPLAY_PATIENCE: Duration = Duration::from_secs(2);

/// What this module asks of the machine; a stand-in in tests.
trait Machine {
    fn env(&self, name: &str) -> Option<OsString>;
    fn has_library(&self, name: &str) -> bool;
    fn has_vulkan_driver(&self) -> bool;
    fn x_answers(&self, display: &str) -> bool;
}

/// Checks that a window can be opened.
///
/// # Errors
/// What is missing, with the packages that bring it.
pub fn check() -> Result<(), NoWindow> {
    check_on(&ThisMachine)
}

fn check_on(machine: &dyn Machine) -> Result<(), NoWindow> {
    let set = |name| machine.env(name).filter(|value| !value.is_empty());
    let wayland = set("WAYLAND_DISPLAY").or_else(|| set("WAYLAND_SOCKET")).is_some();
    let x_display = set("DISPLAY").map(|value| value.to_string_lossy().into_owned());
    if !wayland {
        let Some(display) = &x_display else { return Err(NoWindow::NoDisplay) };
        if !machine.x_answers(display) {
            return Err(NoWindow::Silent(display.clone()));
        }
    }
    let windowing: &[_] = if wayland { &WAYLAND } else { &X11 };
    let mut lacks = Vec::new();
    let mut packages = Vec::new();
    for (library, package) in windowing.iter().chain([&VULKAN]) {
        if !machine.has_library(library) {
            lacks.push(*library);
            packages.push(*package);
        }
    }
    if !machine.has_vulkan_driver() {
        lacks.push("a Vulkan driver");
        packages.push("mesa-vulkan-drivers");
    }
    if lacks.is_empty() { Ok(()) } else { Err(NoWindow::Missing { lacks, packages }) }
}

struct ThisMachine;

impl Machine for ThisMachine {
    fn env(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn has_library(&self, name: &str) -> bool {
        in_loader_cache(name) || library_folders().iter().any(|folder| folder.join(name).exists())
    }

    fn has_vulkan_driver(&self) -> bool {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(files) = named("VK_DRIVER_FILES").or_else(|| named("VK_ICD_FILENAMES")) {
            return std::env::split_paths(&files).any(|path| path.exists());
        }
        vulkan_folders().iter().any(|folder| holds_manifest(folder))
    }

    fn x_answers(&self, display: &str) -> bool {
        x_answers(display)
    }
}

/// Is the library in the dynamic loader's cache? The cache holds plain file names, each ended by a zero byte.
fn in_loader_cache(name: &str) -> bool {
    let Ok(cache) = std::fs::read("/etc/ld.so.cache") else { return false };
    let needle = [name.as_bytes(), &[0]].concat();
    cache.windows(needle.len()).any(|window| window == needle)
}

fn library_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("LD_LIBRARY_PATH").map(|paths| std::env::split_paths(&paths).collect()).unwrap_or_default();
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    for root in ["/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64", "/run/opengl-driver/lib"] {
        folders.push(Path::new(root).join(&multiarch));
        folders.push(PathBuf::from(root));
    }
    folders
}

fn vulkan_folders() -> Vec<PathBuf> {
    let env_paths = |name, default: &str| -> Vec<PathBuf> {
        let value = std::env::var_os(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.into());
        std::env::split_paths(&value).collect()
    };
    let mut roots = env_paths("XDG_DATA_DIRS", "/usr/local/share:/usr/share");
    roots.extend(env_paths("XDG_CONFIG_DIRS", "/etc/xdg"));
    roots.extend(["/etc", "/usr/share", "/usr/local/share", "/run/opengl-driver/share"].map(PathBuf::from));
    if let Some(home) = std::env::var_os("HOME") {
        roots.push(Path::new(&home).join(".local/share"));
    }
    roots.into_iter().map(|root| root.join("vulkan/icd.d")).collect()
}

fn holds_manifest(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
}

fn x_answers(display: &str) -> bool {
    let Some((host, number)) = display.rsplit_once(':') else { return false };
    let number = number.split('.').next().unwrap_or_default();
    let Ok(number) = number.parse::<u16>() else { return false };
    let socket = format!("/tmp/.X11-unix/X{number}");
    let local = || {
        UnixStream::connect(&socket).is_ok()
            || SocketAddr::from_abstract_name(&socket).is_ok_and(|address| UnixStream::connect_addr(&address).is_ok())
    };
    let remote = |host: &str| {
        let Some(port) = number.checked_add(6000) else { return false };
        let Ok(mut addresses) = (host, port).to_socket_addrs() else { return false };
        addresses.any(|address| TcpStream::connect_timeout(&address, DISPLAY_PATIENCE).is_ok())
    };
    match host {
        "" | "unix" => local(),
        host if host.starts_with('/') => UnixStream::connect(display).is_ok(),
        host => remote(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Pretend {
        display: Option<&'static str>,
        wayland: Option<&'static str>,
        lacking: Vec<&'static str>,
        silent: bool,
    }

    impl Machine for Pretend {
        fn env(&self, name: &str) -> Option<OsString> {
            match name {
                "DISPLAY" => self.display.map(Into::into),
                "WAYLAND_DISPLAY" => self.wayland.map(Into::into),
                _ => None,
            }
        }
        fn has_library(&self, name: &str) -> bool {
            !self.lacking.contains(&name)
        }
        fn has_vulkan_driver(&self) -> bool {
            !self.lacking.contains(&"driver")
        }
        fn x_answers(&self, _display: &str) -> bool {
            !self.silent
        }
    }

    #[test]
    fn a_desktop_is_fine_and_a_bare_machine_has_no_display() {
        assert_eq!(check_on(&Pretend { display: Some(":0"), ..Pretend::default() }), Ok(()));
        assert_eq!(check_on(&Pretend { wayland: Some("wayland-0"), ..Pretend::default() }), Ok(()));
        assert_eq!(check_on(&Pretend::default()), Err(NoWindow::NoDisplay));
        let empty = Pretend { display: Some(""), ..Pretend::default() };
        assert_eq!(check_on(&empty), Err(NoWindow::NoDisplay), "an empty variable is no display");
        let silent = Pretend { display: Some(":7"), silent: true, ..Pretend::default() };
        assert_eq!(check_on(&silent), Err(NoWindow::Silent(":7".to_owned())));
    }

    #[test]
    fn missing_parts_are_named_with_their_packages() {
        let machine = Pretend { display: Some(":0"), lacking: vec!["libX11.so.6", "driver"], ..Pretend::default() };
        let message = check_on(&machine).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(
            message,
            "missing: libX11.so.6, a Vulkan driver; install with: apt-get install libx11-6 mesa-vulkan-drivers"
        );
    }

    #[test]
    fn the_c_library_is_found_and_nonsense_is_not() {
        assert!(ThisMachine.has_library("libc.so.6"));
        assert!(!ThisMachine.has_library("libnonsense.so.6"));
        assert!(!x_answers(":64999"));
        assert!(!x_answers("nonsense"));
    }
}
