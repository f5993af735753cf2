"""Reads a dataset that `rhea export --to lerobot` wrote, with LeRobot's own reader, and says what is in it.

    python -m venv v && v/bin/pip install "lerobot==0.4.4"
    v/bin/python tests/peers/read_lerobot.py FOLDER

It fails when a frame cannot be read, times are not evenly spaced, or an action is not the state of the next frame.
"""

import sys
from pathlib import Path

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main(folder):
    data = LeRobotDataset("local/rhea", root=Path(folder))
    print(f"{data.num_episodes} episodes, {data.num_frames} frames at {data.fps} Hz, robot {data.meta.robot_type}")
    print("values:", ", ".join(data.meta.features["observation.state"]["names"]))
    episodes = data.meta.episodes
    for episode in episodes:
        first, end = episode["dataset_from_index"], episode["dataset_to_index"]
        frames = [data[i] for i in range(first, end)]
        assert len(frames) == episode["length"]
        times = torch.stack([frame["timestamp"] for frame in frames])
        assert torch.allclose(times, torch.arange(len(frames)) / data.fps, atol=1e-4), "times are uneven"
        steps = {}
        for frame, after in zip(frames, frames[1:]):
            if int(frame["subtask_index"]) == int(after["subtask_index"]):
                assert torch.equal(frame["action"], after["observation.state"]), "an action is not the next state"
        for frame in frames:
            assert frame["observation.images.front"].shape == (3, 128, 128)
            steps.setdefault(frame["subtask"], []).append(frame)
        state = "success" if episode["success"] else "no success"
        print(f"episode {episode['episode_index']}: {frames[0]['task']!r}, {state}, failures {episode['failures']}")
        for words, of in steps.items():
            accepted = "accepted" if bool(of[0]["accepted"]) else f"rejected for {of[0]['failure']!r}"
            print(f"  {len(of):4d} frames  {words!r}, {accepted}")
    for name in ("observation.state", "action"):
        low, high = data.meta.stats[name]["min"], data.meta.stats[name]["max"]
        values = torch.stack([data[i][name] for i in range(data.num_frames)]).numpy()
        assert abs(values.min(0) - low).max() < 1e-5 and abs(values.max(0) - high).max() < 1e-5, "wrong statistics"
    delta = LeRobotDataset("local/rhea", root=Path(folder), delta_timestamps={"action": [0.0, 1.0 / data.fps]})
    assert delta[0]["action"].shape == (2, len(data.meta.features["action"]["names"]))
    print("all frames were read")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
