"""A replacement for `python -m training`: it writes the same files, and fails as FAKE says."""

import itertools
import json
import os
import sys
from pathlib import Path

command, *arguments = sys.argv[1:]
options = {name: value for name, value in itertools.pairwise(arguments) if name.startswith("--")}
fake = json.loads(os.environ.get("FAKE", "{}"))


def publish_to(models_dir: str, ref: str, made_of: str) -> None:
    name, _, version = ref.partition("@")
    directory = Path(models_dir, name, version)
    if directory.exists():
        sys.exit(f"{directory} is published already")
    directory.mkdir(parents=True)
    (directory / "model.json").write_text(json.dumps({"files": {"model.tflite": made_of}}))


print(f"{command} at work", file=sys.stderr)
if command == fake.get("fails") and ("--resume" in arguments or not fake.get("only_resumed")):
    sys.exit("no, thank you")
if command == "train":
    step = {"epoch": 1, "epochs": 1, "step": 5, "steps": 5}
    print(json.dumps(step | {"loss": 0.5, "accuracy": 0.9, "val_accuracy": None, "eta_s": 0.0}), flush=True)
    Path(options["--weights"]).touch()
    Path(options["--weights"] + ".json").write_text("{}")
elif command == "export":
    ref = f"{options['--name']}@{options['--version']}"
    if not Path(options["--models-dir"], ref.replace("@", "/")).exists():
        publish_to(options["--models-dir"], ref, "ours")
elif command == "qa":
    checks = [{"name": "accuracy", "passed": fake.get("passes", True), "sentence": "as set by FAKE"}]
    print(json.dumps({"passed": fake.get("passes", True), "checks": checks}, indent=1))
    sys.exit(0 if fake.get("passes", True) else "qa: failed")
elif command == "publish":
    if arguments[0] == fake.get("taken"):
        publish_to(options["--models-dir"], arguments[0], "somebody else's")
    publish_to(options["--models-dir"], arguments[0], "ours")
