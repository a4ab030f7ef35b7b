"""`python -m tools.compare_models DIR`: import the models that other people made, and compare every way in with each
file's own interpreter.

DIR has files of FILES, such as `../shared/data/models`. Prints a table of the largest differences of a probability, and
exits with 1 if one is above its limit: 1e-5 for files with floats, 0 for quantised ones.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tritonclient.http as triton
from ai_edge_litert.interpreter import Interpreter

from mnistified import Client
from shared.images import Images, Probabilities
from tests.support.processes import ROOT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import image_file, npy, zipped

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PERSON = ("no person", "person")
IMAGES = 40
ALONE = 8  # images that are sent one by one
Numbers = npt.NDArray[Any]


class Given(NamedTuple):
    """One of the files: its labels, the side of its images, its `--values`, and the numbers that it takes."""

    labels: tuple[str, ...]
    side: int
    values: str
    numbers: Callable[[Images], Numbers]
    limit: float


def floats(images: Images) -> Numbers:
    return images.astype(np.float32)


def int8(images: Images) -> Numbers:
    return (images.astype(np.int16) - 128).astype(np.int8)


FILES = {
    "pretrainedResnet.h5": Given(CIFAR, 32, "0..255", floats, 1e-5),
    "pretrainedResnet.tflite": Given(CIFAR, 32, "0..255", floats, 1e-5),
    "pretrainedResnet_quant.tflite": Given(CIFAR, 32, "quantized", int8, 0.0),
    "vww_96_float.tflite": Given(PERSON, 96, "0..1", lambda images: floats(images) / np.float32(255), 1e-5),
    "vww_96_int8.tflite": Given(PERSON, 96, "quantized", int8, 0.0),
}


def main() -> int:
    """Import, serve, ask and print. Return 1 if a difference is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare_models", description=__doc__.partition("\n\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with the files")
    folder: Path = parser.parse_args().folder
    files = {name: given for name, given in FILES.items() if (folder / name).is_file()}
    if not files:
        parser.error(f"{folder} has none of {', '.join(FILES)}")
    with tempfile.TemporaryDirectory(prefix="compare-models-") as name:
        differences = compare(folder, files, Path(name))
    print("\n".join(table(differences, files)))
    return int(any(max(row.values()) > files[name].limit for name, row in differences.items()))


def table(differences: Mapping[str, Mapping[str, float]], files: Mapping[str, Given]) -> list[str]:
    """Return the lines of a Markdown table with a row per way in and a column per file."""
    ways = list(next(iter(differences.values())))
    lines = ["| way in | " + " | ".join(differences) + " |", "|---|" + "--:|" * len(differences)]
    lines += [f"| {way} | " + " | ".join(f"{row[way]:.1g}" for row in differences.values()) + " |" for way in ways]
    return [*lines, "| limit | " + " | ".join(f"{files[name].limit:.1g}" for name in differences) + " |"]


def compare(folder: Path, files: Mapping[str, Given], work: Path) -> dict[str, dict[str, float]]:
    """Return the largest difference by file and way in. `work` is for temporary files."""
    models = work / "models"
    models.mkdir()
    (models / "cnn").symlink_to(ROOT / "models/cnn")
    for name, given in files.items():
        labels = work / "labels.txt"
        labels.write_text("\n".join(given.labels))
        command = ["training", "import", str(folder / name), "--name", model_of(name), "--labels", str(labels)]
        run(*command, "--values", given.values, "--models-dir", str(models))
    (work / "redis").mkdir()
    redis_server = RedisServer(work / "redis")
    try:
        with running(redis_server.new_url(), environ={"MODELS_DIR": str(models)}) as system:
            return {name: differences_of(system, folder / name, given, work) for name, given in files.items()}
    finally:
        redis_server.process.stop()


def differences_of(system: System, file: Path, given: Given, work: Path) -> dict[str, float]:
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, given.side, given.side, 3), np.uint8)
    images[: IMAGES // 4] //= 3
    right = interpreted(file, given.numbers(images))
    found = ask_all(system, model_of(file.name), images, work)
    return {way: float(np.abs(answers - right[: len(answers)]).max()) for way, answers in found.items()}


def ask_all(system: System, model: str, images: Images, work: Path) -> dict[str, Probabilities]:
    """Return the answers float32[N,K] by way in. A single image at a time is asked for the first ALONE images."""
    path, alone = f"/models/{model}/classify", images[:ALONE]
    files = [(f"{number:02}.png", image_file(image)) for number, image in enumerate(images)]
    (work / "pictures").mkdir(exist_ok=True)
    for name, content in files[:ALONE]:
        (work / "pictures" / name).write_bytes(content)
    singles = [system.http.post(path, content=content).json()["probabilities"] for _, content in files[:ALONE]]
    tf_serving = system.http.post(f"/v1/models/{model}:predict", json={"instances": images[:9].tolist()}).json()
    url = ("--url", system.url, "--model", model)
    lines = run("mnistified", "bulk", "pictures", "--json", *url, cwd=work).splitlines()
    classified = [run("mnistified", "classify", f"pictures/{files[at][0]}", "--json", *url, cwd=work) for at in (0, 1)]
    with Client(system.url) as client:
        answers = {
            "single": singles,
            "bulk, array": ask_job(system, path, npy(images), "application/x-npy"),
            "bulk, zip of PNGs": ask_job(system, path, zipped(files), "application/zip"),
            "OIP, one image": [row for image in alone for row in infer(system, model, image[None])],
            "OIP, many images": infer(system, model, images),
            "TensorFlow Serving": tf_serving["predictions"],
            "Python client, one image": [client.classify(image, model=model).probabilities for image in alone],
            "Python client, many images": [item.probabilities for item in client.submit(images, model=model).items()],
            "command line, one image": [json.loads(line)["probabilities"] for line in classified],
            "command line, many images": [json.loads(line)["probabilities"] for line in lines],
        }
    return {way: np.array(rows, np.float32) for way, rows in answers.items()}


def ask_job(system: System, path: str, body: bytes, kind: str) -> list[Any]:
    reply = system.http.post(f"{path}/bulk", content=body, headers={"Content-Type": kind})
    reply.raise_for_status()
    system.finished(reply.json()["id"])
    return [item["probabilities"] for item in system.items(reply.json()["id"])]


def infer(system: System, model: str, images: Images) -> Any:
    tensor = triton.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images)
    with triton.InferenceServerClient(system.url.removeprefix("http://")) as client:
        return client.infer(model, [tensor]).as_numpy("probabilities")


def interpreted(file: Path, numbers: Numbers) -> Probabilities:
    """Return the answers of LiteRT, or of Keras for an H5 file, one image at a time."""
    if file.suffix == ".h5":
        import keras

        model = keras.saving.load_model(file, compile=False)
        return np.concatenate([np.asarray(model([row[None]], training=False)) for row in numbers])
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    (tensor,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for row in numbers:
        interpreter.set_tensor(tensor["index"], row[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(output["index"])[0].copy())
    scale, zero = output["quantization"]
    raw = np.array(answers)
    return (raw.astype(np.float32) - zero) * np.float32(scale) if scale else raw


def model_of(file_name: str) -> str:
    return file_name.lower().replace("_", "-").replace(".", "-")


def run(*words: str, cwd: Path = ROOT) -> str:
    command = [sys.executable, "-m", *words]
    return subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
