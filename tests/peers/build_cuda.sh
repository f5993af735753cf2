#!/usr/bin/env bash
# Builds `rhea` with CUDA devices (decoding, training, NCCL), on a machine that has neither a GPU nor CUDA:
#
#     tests/peers/build_cuda.sh [FOLDER]
#
# FOLDER (default: ~/.cache/rhea-cuda) takes NVIDIA's compiler and headers from PyPI (0.6 GB, without root), candle-core with the
# one setting changed that lets a program start where there is no driver, a copy of the sources, and the build; this checkout stays
# as it is. What is built needs no CUDA file to start: with a driver of CUDA 13.0 or newer `rhea imagine --device cuda:0` uses it,
# without one it says so, and `rhea doctor` says what is there. On a device it wants cuBLAS and cuRAND of CUDA 13, from a CUDA installation
# or from PyPI ("cuda-toolkit[cublas,curand]==13.0.*", with LD_LIBRARY_PATH=.../site-packages/nvidia/cu13/lib). NCCL is looked for when
# several devices want it.
# The first build takes about 35 minutes of one core, mostly of NVIDIA's assembler; later ones build the workspace alone.
# CUDA_COMPUTE_CAP chooses the device: 80 A100, 86 RTX 30, 89 RTX 40 and L4, 90 H100 and H200 (default), 120 RTX 50.
# RHEA_CUDA_CHECK=1 only checks that everything compiles.
set -euo pipefail
here="$(cd "$(dirname "$0")/../.." && pwd)"
folder="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/rhea-cuda}"
mkdir -p "$folder/link"
folder="$(cd "$folder" && pwd)"

if [ ! -x "$folder/venv/bin/pip" ]; then
    python3 -m venv "$folder/venv"
fi
"$folder/venv/bin/pip" install --quiet "cuda-toolkit[nvcc,cudart,cccl,curand,nvrtc]==13.0.*" "nvidia-cuda-crt==13.0.*"
cuda="$("$folder/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/nvidia/cu13"
[ -x "$cuda/bin/nvcc" ] || { echo "no nvcc in $cuda: the packages of CUDA 13.0 did not install" >&2; exit 1; }

# candle's kernels ask for a shared cudart; the static one needs no file at run time.
echo "INPUT($cuda/lib/libcudart_static.a -ldl -lrt -lpthread)" > "$folder/link/libcudart.so"

# The files of the checkout, because patching changes the lock file. Times are kept, so that only what changed is built again.
cd "$here"
mkdir -p "$folder/source"
find "$folder/source" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
git ls-files --cached --others --exclude-standard -z | xargs -0 --no-run-if-empty cp --parents -p --no-dereference -t "$folder/source"
cd "$folder/source"

# candle-core links the driver at build time; loaded at run time, a program starts without one.
cargo fetch --locked --quiet
version="$(sed -n '/^name = "candle-core"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)"
source="$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -type d -name "candle-core-$version" | head -n 1)"
[ -n "$source" ] || { echo "the sources of candle-core $version were not found" >&2; exit 1; }
if [ ! -d "$folder/candle-core-$version" ]; then
    rm -rf "$folder/candle-core-"*
    cp -rp "$source" "$folder/candle-core-$version"
    sed -i 's/"dynamic-linking"/"dynamic-loading"/' "$folder/candle-core-$version/Cargo.toml"
fi

export CUDA_HOME="$cuda" CUDA_PATH="$cuda" NVCC="$cuda/bin/nvcc" PATH="$cuda/bin:$PATH"
export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-90}"
export CARGO_TARGET_DIR="$folder/target"
do="build"
[ -z "${RHEA_CUDA_CHECK:-}" ] || do="check"
RUSTFLAGS="-L native=$folder/link" cargo "$do" --release -p rhea-app --features cuda,nccl \
    --config "patch.crates-io.candle-core.path=\"$folder/candle-core-$version\""
[ "$do" = check ] || echo "built $folder/target/release/rhea"
