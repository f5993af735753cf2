//! The `rhea` command.

/// Pictures and activations come and go in sizes that the system's allocator hands back to the kernel every time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    rhea_app::run()
}
