"""Layers and zip functions: the archive, publishing, the targets, and that they run."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdaimg.container.dial import dialer
from lambdaimg.container.engine import endpoint
from lambdaimg.context import Context
from lambdaimg.emulator.containers import DockerExecutor
from lambdaimg.emulator.protocol import FunctionSpec
from lambdaimg.errors import InterruptedRunError, ProjectError
from lambdaimg.layers import archive, interpreter
from lambdaimg.layers.archive import Entry
from lambdaimg.settings import Settings
from tests.languages.language import HERE, Served
from tests.support.commandline import CommandLine
from tests.support.endpoint import AwsEndpoint

# What Lambda sets; the interpreters of the layers must not take libraries from there.
LIBRARIES = "/lib64:/usr/lib64:/lib/x86_64-linux-gnu:/var/runtime:/opt/lib"

MAPPED = {
    "perl": (
        "Mapped.pm",
        "sub handler { open my $maps, '<', '/proc/self/maps'; require Encode; "
        "return { mapped => [ map { m{ (/\\S+)$} ? $1 : () } <$maps> ], event => $_[0] } } 1;",
    ),
    "php": (
        "mapped.php",
        "<?php function handler($event) { preg_match_all('~ (/\\S+)$~m', "
        "file_get_contents('/proc/self/maps'), $found); "
        "return ['mapped' => $found[1], 'event' => $event]; }",
    ),
}


def test_an_interrupted_run_builds_no_interpreter(engine: Any, tmp_path: Path) -> None:
    """Before its first step has anything to show, too."""
    context = Context(tmp_path, Settings())
    context.stopping.now()
    with pytest.raises(InterruptedRunError):
        list(interpreter.entries(context.for_target("layers"), "perl"))


# --- the archive --------------------------------------------------------------------------------


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__/x.pyc").write_bytes(b"left out")
        (folder / "sub/b.txt").write_text("b")
        (folder / "a").write_text("#!/bin/sh\n")
    made = [archive.archive(archive.files(tmp_path / name), "it") for name in ("one", "two")]
    assert made[0].zipped == made[1].zipped
    assert made[0].content_hash == made[1].content_hash
    infos = zipfile.ZipFile(io.BytesIO(made[0].zipped)).infolist()
    assert [(i.filename, i.external_attr >> 16, i.date_time[0]) for i in infos] == [
        ("a", 0o100755, 1980),
        ("sub/b.txt", 0o100644, 1980),
    ]
    changed = archive.archive([Entry("a", b"#!/bin/sh\n")], "it")
    assert changed.content_hash != made[0].content_hash


def test_sizes_that_lambda_refuses_are_refused() -> None:
    with pytest.raises(ProjectError, match=r"The layer has 263 MB unzipped; Lambda takes 262 MB"):
        archive.archive([Entry("a", bytes(archive.MAX_UNZIPPED + 1_000_000))], "the layer")
    import random

    noise = random.Random(7).randbytes(archive.MAX_ZIPPED)
    with pytest.raises(ProjectError, match="zipped"):
        archive.archive([Entry("a", noise)], "the layer")
    with pytest.raises(ProjectError, match="no files"):
        archive.archive([], "the layer")


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("s")
    folder = tmp_path / "folder"
    folder.mkdir()
    for target in ("secret", "secret/file"):
        (folder / "link").symlink_to(tmp_path / target)
        with pytest.raises(ProjectError, match="leads out"):
            list(archive.files(folder))
        (folder / "link").unlink()


def test_linked_folders_are_in_the_zip(tmp_path: Path) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "real" / "sub" / "file").write_text("x")
    (tmp_path / "linked").symlink_to("real")
    made = archive.archive(archive.files(tmp_path), "it")
    assert [entry.path for entry in made.entries] == ["linked/sub/file", "real/sub/file"]
    (tmp_path / "real" / "sub" / "up").symlink_to("..")
    with pytest.raises(ProjectError, match="a folder that it is in"):
        list(archive.files(tmp_path))


# --- layers that run ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed(engine: Any, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each language's layer unpacked, made by `lambdaimg layer`."""
    folder = tmp_path_factory.mktemp("layers")
    command = CommandLine(folder)
    for language in ("bash", "perl", "php", "cpp"):
        file = folder / f"{language}.zip"
        told = command("layer", "--lang", language, "-o", file, "--json").ok().json()["result"]
        assert told["zipped"] == file.stat().st_size < archive.MAX_ZIPPED
        assert told["unzipped"] < archive.MAX_UNZIPPED
        says_so = any("provided.al2023 has no" in note for note in told["notes"])
        assert says_so == (language != "cpp")
        unpack(file, folder / language)
    return folder


def unpack(file: Path, folder: Path) -> None:
    """Unpacks a zip with its modes, as Lambda does."""
    with zipfile.ZipFile(file) as source:
        for info in source.infolist():
            path = folder / info.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read(info))
            path.chmod(info.external_attr >> 16)


@pytest.fixture
def function(packed: Path, engine: Any, base_image: str, tmp_path: Path) -> Iterator[Any]:
    """`function(language, handler, name, text)` is a zip function under the emulator."""
    made: list[Served] = []

    def make(language: str, handler: str, files: dict[str, bytes]) -> Served:
        task = tmp_path / f"task-{len(made)}"
        for name, data in files.items():
            path = task / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755)
        spec = FunctionSpec(
            "zipped",
            image=base_image,
            entrypoint=("/opt/bootstrap",),
            command=(handler,),
            workdir="/var/task",
            environment={"LD_LIBRARY_PATH": LIBRARIES, "LAMBDA_TASK_ROOT": "/var/task"},
            timeout=60.0,
            mounts=((str(packed / language), "/opt"), (str(task), "/var/task")),
        )
        made.append(Served(spec, DockerExecutor(dialer(endpoint()))))
        return made[-1]

    yield make
    for served in made:
        served.close()


@pytest.mark.parametrize("language", ["perl", "php"])
def test_an_interpreter_comes_with_all_its_libraries(function: Any, language: str) -> None:
    name, text = MAPPED[language]
    served = function(language, f"{Path(name).stem}.handler", {name: text.encode()})
    told = json.loads(served.invoke('["Grüße"]'.encode()).payload)
    assert told["event"] == ["Grüße"]
    libraries = {path for path in told["mapped"] if ".so" in path}
    assert any("libc.so" in path for path in libraries)
    assert {path for path in libraries if not path.startswith("/opt/")} == set()


def test_the_bash_layer_has_jq(function: Any) -> None:
    text = b"handler() { /opt/bin/jq -c '{theirs: .}'; }\n"
    served = function("bash", "zipped.handler", {"zipped.sh": text})
    assert served.invoke('{"n": "ü"}'.encode()).payload == '{"theirs":{"n":"ü"}}'.encode()


def test_a_compiled_function_is_found_by_its_name(function: Any, packed: Path) -> None:
    # Any program that speaks the Runtime API will do for a compiled one.
    program = (HERE.parent.parent / "share/bash/runtime/bootstrap").read_bytes()
    files = {"compiled": program, "compiled.sh": b"handler() { cat; }\n"}
    served = function("cpp", "compiled.handler", files)
    assert served.invoke(b"[1]").payload == b"[1]"
    told = json.loads(function("cpp", "other.handler", files).invoke(b"[1]").payload)
    assert told["errorType"] == "Runtime.ImportModuleError"
    assert (packed / "cpp/include/lambda_runtime.hpp").is_file()


@pytest.mark.parametrize("language", ["bash", "perl", "php"])
def test_without_an_interpreter_it_says_so(
    tmp_path: Path, lambdaimg: CommandLine, language: str
) -> None:
    file = tmp_path / "layer.zip"
    words = ("layer", "--lang", language, "--no-interpreter", "-o", file)
    told = lambdaimg(*words, "--json").ok().json()["result"]
    assert "another layer must bring it" in " ".join(told["notes"])
    names = zipfile.ZipFile(file).namelist()
    assert "bootstrap" in names
    assert not any("/lib/libc" in name for name in names)


def test_an_unknown_language_is_refused(lambdaimg: CommandLine) -> None:
    result = lambdaimg("layer", "--lang", "ruby")
    assert result.status == 2
    assert "Choose one of bash, perl, php, cpp." in result.stderr


# --- publishing and zip functions ---------------------------------------------------------------


@pytest.fixture
def zipped(tmp_path: Path, moto_server: AwsEndpoint) -> CommandLine:
    """A project with a zip function, against moto. The C++ layer needs no engine."""
    folder = tmp_path / "zipped"
    folder.mkdir()
    command = CommandLine(folder, moto_server.variables)
    (folder / "policies").write_text("# none: moto knows no managed policies\n")
    command("init", "--lang", "bash", "--name", "zipped").ok()
    settings = folder / "lambdaimg.toml"
    settings.write_text(f'package = "zip"\nlayers = ["cpp"]\n{settings.read_text()}')
    return command


def test_publishing_twice_gives_one_version(zipped: CommandLine, moto_server: AwsEndpoint) -> None:
    first, second = (
        zipped("publish-layer", "--lang", "cpp", "--json").ok().json()["result"] for _ in "12"
    )
    assert (first["created"], second["created"]) == (True, False)
    assert first["value"] == second["value"]
    client = moto_server.client("lambda")
    (version,) = client.list_layer_versions(LayerName="lambdaimg-cpp")["LayerVersions"]
    assert version["CompatibleRuntimes"] == ["provided.al2023"]
    words = ("publish-layer", "--lang", "bash", "--no-interpreter", "--name", "lambdaimg-cpp")
    other = zipped(*words, "--json").ok()
    assert other.json()["result"]["value"].endswith(":2")


def actions(command: CommandLine, *words: str) -> dict[str, str]:
    """What became of each target."""
    targets = command(*words, "--json").ok().json()["targets"]
    return {target["target"]: target["action"] for target in targets}


def test_a_zip_function_from_nothing_to_new_code(
    zipped: CommandLine, moto_server: AwsEndpoint
) -> None:
    first = actions(zipped, "lambda-function")
    assert (first["layers"], first["lambda-function"]) == ("created", "created")
    assert not {"image", "ecr-repo", "deploy"} & set(first)
    client = moto_server.client("lambda")

    def now() -> dict[str, Any]:
        found: dict[str, Any] = client.get_function_configuration(FunctionName="zipped")
        return found

    assert (now()["PackageType"], now()["Runtime"]) == ("Zip", "provided.al2023")
    assert now()["Handler"] == "zipped.handler"
    (layer,) = now()["Layers"]
    assert zipped("show", "layers").ok().stdout.strip() == layer["Arn"]
    assert set(actions(zipped, "lambda-function").values()) == {"up to date"}

    before = now()["CodeSha256"]
    assert actions(zipped, "update-function")["update-function"] == "adopted"
    path = zipped.folder / "zipped.sh"
    path.write_text(path.read_text().replace("Hello", "Salut"))
    assert actions(zipped, "update-function")["update-function"] == "updated"
    assert now()["CodeSha256"] != before
    assert actions(zipped, "update-function")["update-function"] == "up to date"

    changed = actions(zipped, "lambda-function", "--memory", "512", "--handler", "zipped.other")
    assert changed["lambda-function"] == "updated"
    assert (now()["MemorySize"], now()["Handler"]) == (512, "zipped.other")


def test_another_machine_makes_nothing_twice(zipped: CommandLine, moto_server: AwsEndpoint) -> None:
    zipped("lambda-function").ok()
    zipped("clean").ok()
    again = actions(zipped, "lambda-function")
    assert (again["layers"], again["lambda-function"]) == ("adopted", "adopted")
    client = moto_server.client("lambda")
    assert len(client.list_layer_versions(LayerName="lambdaimg-cpp")["LayerVersions"]) == 1


UNASKED = ("not done", "not recorded")


def states(command: CommandLine) -> dict[str, str]:
    """What `status --verify` says of each target that was ever done."""
    rows = command("status", "--verify", "--json").ok().json()["result"]["targets"]
    return {row["target"]: row["state"] for row in rows if row["state"] not in UNASKED}


def test_nothing_differs_where_nothing_was_changed(
    zipped: CommandLine, moto_server: AwsEndpoint
) -> None:
    zipped("update-function").ok()
    zipped("update-policies").ok()
    assert set(states(zipped).values()) == {"as recorded"}
    assert zipped("diff").ok().stdout.strip() == "no difference"
    zipped("clean").ok()
    assert zipped("diff").ok().stdout.strip() == "no difference"
    zipped("update-function").ok()
    client = moto_server.client("lambda")
    (version,) = client.list_layer_versions(LayerName="lambdaimg-cpp")["LayerVersions"]
    client.delete_layer_version(LayerName="lambdaimg-cpp", VersionNumber=version["Version"])
    assert states(zipped)["layers"] == "gone"
    assert zipped("diff").status == 4
    zipped("update-function", "--verify").ok()
    assert states(zipped)["layers"] == "as recorded"
    assert zipped("diff").ok().stdout.strip() == "no difference"


def test_what_does_not_fit_is_refused(zipped: CommandLine) -> None:
    zipped("lambda-function").ok()
    as_image = zipped("lambda-function", "--package", "image", "--dry-run")
    assert "exists as a zip function; its package type cannot change" in as_image.stderr
    no_handler = zipped("lambda-function", "--lambda-module", "runtime")
    assert (no_handler.status, "no handler is named" in no_handler.stderr) == (2, True)
    missing = zipped("lambda-function", "--lambda-module", "missing.sh")
    assert "There is no handler missing.sh" in missing.stderr
    wrong = zipped("lambda-function", "--layers", "ruby")
    assert (wrong.status, "'ruby'" in wrong.stderr) == (2, True)


def test_the_embedded_aws_runs_a_zip_function(
    tmp_path: Path, aws_local: AwsEndpoint, base_image: str
) -> None:
    folder = tmp_path / "zipped"
    folder.mkdir()
    command = CommandLine(folder, {"LAMBDAIMG_LOCAL": "1"})
    command("init", "--lang", "bash", "--name", "zipped-here").ok()
    settings = folder / "lambdaimg.toml"
    settings.write_text(f'package = "zip"\nlayers = ["bash"]\n{settings.read_text()}')
    command("lambda-function").ok()
    assert command("invoke").ok().json()["message"] == "Hello, Lambda!"
    path = folder / "zipped_here.sh"
    path.write_text(path.read_text().replace("Hello", "Salut"))
    command("update-function").ok()
    assert command("invoke").ok().json()["message"] == "Salut, Lambda!"
