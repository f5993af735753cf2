"""MuJoCo as a second engine: the same arms, towers and grasps, verdicts side by side.

    pip install mujoco
    cargo run --release -p rhea-physics --example second_engine -- DIR
    python tests/peers/mujoco_verdicts.py DIR [--json FILE]

DIR holds MJCF files and `cases.json` with what Rhea says. MuJoCo runs twice: as it comes with steps of 2 ms, and `careful`, with steps of
0.5 ms, contacts of 1.5 ms, elliptic cones and impratio 10: its contacts creep and lean otherwise. Prints one line a case, then every
disagreement. The exit code is 0 if arms agree and no verdict outside of the stated bands differs with the careful settings, else 1.
"""

import argparse
import json
import sys
from pathlib import Path

import mujoco
import numpy as np

STEP_SECS = 0.002
CAREFUL_STEP_SECS = 0.0005
CAREFUL_CONTACT_SECS = 0.0015
SETTLE_SECS = 2.0
GRIP_SECS = 0.3
REST_SECS = 0.5
FELL_M = 0.005
# A thing in the hand that is lower than this below where the hand would hold it was dropped.
DROPPED_M = 0.02
# Arms agree when tool and torque do up to rounding.
TOOL_M = 1e-9
TURN_RAD = 1e-7
TORQUE_NM = 1e-9


def load(path, careful):
    model = mujoco.MjModel.from_xml_path(str(path))
    model.opt.timestep = STEP_SECS
    if careful:
        model.opt.timestep = CAREFUL_STEP_SECS
        model.opt.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        model.opt.impratio = 10
        model.geom_solref[:] = [CAREFUL_CONTACT_SECS, 1]
    return model, mujoco.MjData(model)


def steps(model, secs):
    return round(secs / model.opt.timestep)


def tower(folder, case, careful):
    """Does the tower stand after two seconds?"""
    model, data = load(folder / case["file"], careful)
    top = model.body(case["top"]).id
    mujoco.mj_forward(model, data)
    before = data.xpos[top][2]
    for _ in range(steps(model, SETTLE_SECS)):
        mujoco.mj_step(model, data)
    return bool(before - data.xpos[top][2] <= FELL_M)


def grip(folder, case, cases, careful):
    """Is the cube held between two fingers, gravity coming on after they have closed?"""
    model, data = load(folder / case["file"], careful)
    # In these files z points along the tool: gravity along it pulls the thing out of the hand.
    model.opt.gravity[:] = 0
    fingers = [model.joint(name).dofadr[0] for name in ("finger_left", "finger_right")]
    data.qfrc_applied[fingers] = -case["force_n"]
    thing = model.body("thing").id
    for _ in range(steps(model, cases["squeeze_secs"])):
        mujoco.mj_step(model, data)
    before = data.xpos[thing].copy()
    model.opt.gravity[2] = cases["gravity"]
    for _ in range(steps(model, cases["hold_secs"])):
        mujoco.mj_step(model, data)
    return bool(np.linalg.norm(data.xpos[thing] - before) < cases["slip_m"])


def arm(folder, case):
    """Largest differences of tool position, tool rotation and holding torque over all postures."""
    model, data = load(folder / case["file"], False)
    worst = np.zeros(3)
    site = model.site("tcp").id
    for posture in case["postures"]:
        q = posture["q"]
        data.qpos[:] = 0
        data.qpos[: len(q)] = q
        data.qvel[:] = 0
        mujoco.mj_forward(model, data)
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, data.site_xmat[site])
        turn = 2 * np.arccos(min(1.0, abs(float(np.dot(quat, posture["quat"])))))
        torque = np.abs(data.qfrc_bias[: len(q)] - posture["torque"]).max()
        worst = np.maximum(worst, [np.linalg.norm(data.site_xpos[site] - posture["tcp"]), turn, torque])
    return worst


def pick(folder, case, careful):
    """Is the block still in the hand after the arm took and lifted it? The arm's joints follow Rhea's plan exactly."""
    model, data = load(folder / case["file"], careful)
    name = case["arm"] + "."
    joints = [model.joint(name + joint) for joint in case["joints"]]
    position = np.array([j.qposadr[0] for j in joints])
    speed = np.array([j.dofadr[0] for j in joints])
    fingers = [model.joint(f"{name}finger_{side}_slide") for side in ("left", "right")]
    slide = np.array([j.qposadr[0] for j in fingers])
    push = np.array([j.dofadr[0] for j in fingers])
    block, site = model.body("block").id, model.site(name + "tcp").id
    closed = False

    # Samples of the plan are 2 ms apart; finer steps go straight between them.
    parts = max(1, round(STEP_SECS / model.opt.timestep))

    def drive(q, before):
        for part in range(1, parts + 1):
            data.qpos[position] = before + (q - before) * part / parts
            data.qvel[speed] = (q - before) / STEP_SECS
            if closed:
                # The weight of the fingers themselves is carried by their drives.
                data.qfrc_applied[push] = data.qfrc_bias[push] - case["force_n"]
            else:
                data.qpos[slide] = case["opening_m"] / 2
                data.qvel[push] = 0
            mujoco.mj_step(model, data)

    last = np.array(case["legs"][0]["path"][0])
    held_at = 0.0
    for leg in case["legs"]:
        for q in map(np.array, leg["path"]):
            drive(q, last)
            last = q
        if leg["grips"]:
            closed = True
            for _ in range(round(GRIP_SECS / STEP_SECS)):
                drive(last, last)
            held_at = data.xpos[block][2] - data.site_xpos[site][2]
    for _ in range(round(REST_SECS / STEP_SECS)):
        drive(last, last)
    return bool(data.xpos[block][2] - data.site_xpos[site][2] > held_at - DROPPED_M)


def words(value, yes, no):
    return yes if value else no


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cases = json.loads((args.folder / "cases.json").read_text())
    print(f"MuJoCo {mujoco.__version__}; gravity {cases['gravity']} m/s^2")
    table, bad = [], 0

    print("\narms: largest difference over all postures")
    for case in cases["arms"]:
        off, turn, torque = arm(args.folder, case)
        right = off < TOOL_M and turn < TURN_RAD and torque < TORQUE_NM
        bad += not right
        print(f"  {case['name']:12} tool {off:.1e} m, {turn:.1e} rad, torque {torque:.1e} Nm  {words(right, 'same', 'DIFFERS')}")

    def section(title, rows, yes, no, run):
        nonlocal bad
        print(f"\n{title:60} {'law':8} {'Rhea':8} {'MuJoCo':8} {'careful':8}")
        for case in rows:
            plain, careful = run(case, False), run(case, True)
            law, ours = case.get("law"), case["ours"]
            mark = "" if ours == careful == plain else "  <- differs"
            shown = [words(v, yes, no) if v is not None else "-" for v in (law, ours, plain, careful)]
            note = case.get("note", "") + ("  [in the band]" if case.get("in_band") else "")
            print(f"  {case['name']:58} {shown[0]:8} {shown[1]:8} {shown[2]:8} {shown[3]:8}{mark}{note}")
            bad += ours != careful and not case.get("in_band")
            table.append({"name": case["name"], "law": law, "ours": ours, "mujoco": plain, "mujoco_careful": careful,
                          "in_band": bool(case.get("in_band"))})

    section("towers", cases["towers"], "stands", "falls", lambda c, careful: tower(args.folder, c, careful))
    section("grips", cases["grips"], "holds", "drops", lambda c, careful: grip(args.folder, c, cases, careful))
    picks = []
    for item in cases["picks"]:
        case = item["case"]
        share = case["force_n"] / case["need_n"] * 1.5 if case["need_n"] else float("nan")
        note = f"  force {share:.2f} of the law's, plan {words(case['accepted'], 'accepted', 'refused ' + str(case['first_code']))}"
        picks.append({**item, **case, "file": item["file"], "name": item["name"], "ours": case["ours"], "in_band": 0.9 < share < 1.1, "note": note})
    section("picks by the whole arm", picks, "holds", "drops", lambda c, careful: pick(args.folder, c, careful))

    print("\nwhere the engines disagree:")
    for row in table:
        for column in ("mujoco", "mujoco_careful"):
            if row[column] != row["ours"]:
                where = " inside the band" if row["in_band"] else ""
                print(f"  {row['name']}: Rhea {row['ours']}, {column} {row[column]}{where}")
    for column in ("law", "mujoco", "mujoco_careful"):
        rows = [r for r in table if r[column] is not None and not r["in_band"]]
        same = sum(r["ours"] == r[column] for r in rows)
        print(f"outside of the bands Rhea and {column} agree on {same} of {len(rows)}")
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
