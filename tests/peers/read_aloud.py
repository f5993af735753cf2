"""Reads the names in a window of Rhea as a screen reader finds them, over AT-SPI.

    apt-get install -y at-spi2-core python3-pyatspi dbus-x11 xvfb
    xvfb-run dbus-run-session -- /usr/bin/python3 tests/peers/read_aloud.py RHEA

It starts RHEA with the sample room, waits for the window, prints every name with its role, and fails when the view, the map, the text box or the
status is missing.
"""

import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi


def nodes(node, depth=0):
    if node is None or depth > 40:
        return
    yield node
    for i in range(node.get_child_count()):
        yield from nodes(node.get_child_at_index(i), depth + 1)


def main(program):
    subprocess.Popen(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"], stderr=subprocess.DEVNULL)
    time.sleep(1)
    Atspi.init()
    # A screen reader says that it is there; without one no program takes the trouble.
    subprocess.run(["gdbus", "call", "--session", "--dest", "org.a11y.Bus", "--object-path", "/org/a11y/bus", "--method",
                    "org.freedesktop.DBus.Properties.Set", "org.a11y.Status", "ScreenReaderEnabled", "<true>"], check=False,
                   stdout=subprocess.DEVNULL)
    rhea = subprocess.Popen([program, "explore", "--world", "scenes/worlds/room.ron", "--out", "/tmp/read-aloud"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = {"View of step 0": False, "Map of the walk": False, "New world": False, "ready": False}
    found = []
    try:
        for _ in range(60):
            time.sleep(1)
            desktop = Atspi.get_desktop(0)
            apps = [desktop.get_child_at_index(i) for i in range(desktop.get_child_count())]
            found = [(n.get_role_name(), n.get_name()) for app in apps if app and "rhea" in (app.get_name() or "").lower()
                     for n in nodes(app) if n.get_name()]
            for want in wanted:
                wanted[want] = any(name.startswith(want) for _, name in found)
            if all(wanted.values()):
                break
    finally:
        rhea.terminate()
        rhea.wait()
    for role, name in found:
        print(f"{role:14} {name}")
    missing = [want for want, there in wanted.items() if not there]
    if missing:
        sys.exit(f"not found: {missing}")
    print(f"{len(found)} names; the view, the map, the text box and the status are among them")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
