#!/usr/bin/env bash
# Drives the real windows from outside, with a keyboard that is not there, and takes the pictures of the guide:
#
#     tests/peers/window_pictures.sh [FOLDER] [RHEA]
#
# FOLDER (default: plugins/docs/guide/src/pictures) gets one picture a stage; RHEA is the program (default: what cargo builds).
# Wants Xvfb, xdotool and ImageMagick: `apt-get install -y xvfb xdotool imagemagick`. Fails when a stage leaves no trace of itself.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder="${1:-plugins/docs/guide/src/pictures}"
rhea="${2:-}"
if [ -z "$rhea" ]; then
    cargo build --release --quiet
    rhea="${CARGO_TARGET_DIR:-target}/release/rhea"
fi
mkdir -p "$folder"
work="$(mktemp -d)"
# Nobody's own settings.
export XDG_CONFIG_HOME="$work/config"
for n in $(seq 90 120); do [ -e "/tmp/.X$n-lock" ] || { export DISPLAY=":$n"; break; }; done
Xvfb "$DISPLAY" -screen 0 1280x900x24 2> /dev/null &
screen=$!
trap 'kill "$screen" 2> /dev/null; rm -rf "$work"' EXIT

for _ in $(seq 50); do xdotool getdisplaygeometry > /dev/null 2>&1 && break || sleep 0.2; done

# Waits for a window, up to half a minute, and gives it the keyboard.
window() {
    for _ in $(seq 60); do
        sleep 0.5
        if xdotool search --name Rhea windowfocus 2> /dev/null; then return; fi
    done
    echo "no window came up: $(tail -n 3 "$work/log")" >&2
    exit 1
}
keys() { for key in "$@"; do xdotool key "$key"; sleep 0.7; done; }
shot() { import -window root +dither -colors 200 "png8:$folder/$1.png"; }

# The start page: words become a world; ten moves, a look back, another walk from there; settings; all actions; exports.
"$rhea" explore --out "$work/begun" > "$work/log" 2>&1 &
job=$!
window
sleep 4
xdotool type --delay 30 "a room with teal walls"
sleep 1
shot begin
keys Return
sleep 3
keys e e w q q q w e e e
sleep 2
# The third picture of the strip, and "Branch from here" on the card above the view.
xdotool mousemove 170 640 click 1
sleep 1
shot back
xdotool mousemove 345 37 click 1
sleep 3
keys e F2
shot settings
keys F2 ctrl+p
shot actions
keys Escape ctrl+q
wait "$job"
for left in walk.mcap step-2.world walk-2.mcap walk-2.world; do
    [ -s "$work/begun/$left" ] || { echo "the start page's walk left no $left" >&2; exit 1; }
done
for form in html webp gif; do
    "$rhea" export "$work/begun/walk-2.mcap" --to "$form" --out "$work/begun/walk.$form" > /dev/null
    [ -s "$work/begun/walk.$form" ] || { echo "no export as $form" >&2; exit 1; }
done

# A walk: moves, the map, what comes from which step, help, the walker by itself.
"$rhea" explore --world scenes/worlds/room.ron --out "$work/walk" > "$work/log" 2>&1 &
job=$!
window
sleep 8
shot start
keys e e w w q q q w e e
sleep 2
shot walk
keys o
sleep 1
shot origins
keys o t
xdotool type --delay 30 "go back to step 2"
keys Return
sleep 2
keys g
sleep 8
keys g
sleep 2
shot roam
keys ctrl+q
wait "$job"
[ -s "$work/walk/walk.mcap" ] && [ -s "$work/walk/walk.world" ] || { echo "the walk left no recording" >&2; exit 1; }
"$rhea" export replays/room-v2.mcap --to gif --out "$folder/walk.gif" > /dev/null

# The recording: failed checks, words, labels, a branch, and exports of it.
"$rhea" review "$work/walk/walk.mcap" > "$work/log" 2>&1 &
job=$!
window
sleep 3
keys Home Right Right Right bracketleft shift+Right bracketright a ctrl+b
shot review
keys ctrl+p
xdotool type --delay 30 "fail"
sleep 1
shot review-actions
keys Escape ctrl+e
# The first form of the page in the middle of the window.
xdotool mousemove 532 364 click 1
sleep 4
shot export
keys Escape ctrl+q
wait "$job"
for left in walk.labels.ron walk-record*.world walk.html; do
    compgen -G "$work/walk/$left" > /dev/null || { echo "the review left no $left" >&2; exit 1; }
done

# A plan: the model plans, a planted fault is rejected, the step is proposed again and carried out.
"$rhea" plan scenes/tasks/fault_too_fast.ron --watch --out "$work/plan" > "$work/log" 2>&1 &
job=$!
window
sleep 14
shot plan
keys F1
shot plan-keys
keys Escape ctrl+q
wait "$job"
grep -q "all expectations came true" "$work/log" || { echo "the plan did not come true" >&2; exit 1; }

# The recording of a plan: a step in other words, a thing moved with the mouse, a label; each change leaves a branch.
"$rhea" plan scenes/tasks/put_on_shelf.ron --out "$work/plan2" > /dev/null
"$rhea" review "$work/plan2/plan.mcap" > "$work/log" 2>&1 &
job=$!
window
sleep 4
keys End Home Right
sleep 4
keys Right
sleep 4
keys e
xdotool type --delay 30 "put the red block in the bin"
keys Return
sleep 9
shot other-words
keys End Home Right
sleep 2
keys m
sleep 2
# The block is dragged behind the blue one; the rest is judged again when it is let go.
# Where the block is in a window of this size.
xdotool mousemove 493 332
sleep 0.5
xdotool mousedown 1
sleep 0.5
for step in $(seq 12); do xdotool mousemove_relative -- -8 -4; sleep 0.06; done
sleep 1
xdotool mouseup 1
sleep 8
keys a
shot moved
keys ctrl+q
wait "$job"
for left in plan-2.mcap plan-3.mcap; do
    [ -s "$work/plan2/$left" ] || { echo "a change of the plan left no $left" >&2; exit 1; }
done
compgen -G "$work/plan2/*.labels.ron" > /dev/null || { echo "the label was not kept" >&2; exit 1; }
"$rhea" export "$work/plan2/plan.mcap" --to webp --rate 5 --out "$folder/plan.webp" > /dev/null
ls -la "$folder"
