"""Runtimes of other people's making, which the kit builds, runs and deploys as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.languages.conftest import remove_image, scaffold_image
from tests.languages.language import HERE, Language, Rie
from tests.support.commandline import CommandLine


class ForeignContract:
    """Inherited by the classes of languages in which people have written runtimes."""

    language: Language

    def test_a_runtime_of_somebody_elses(
        self, scaffold: CommandLine, tmp_path: Path, engine: Any, rie_binary: Path
    ) -> None:
        name = f"{scaffold_image(scaffold)}-theirs"
        folder = tmp_path / "theirs"
        shutil.copytree(HERE / "foreign" / self.language.name, folder)
        command = scaffold.at(folder)
        made = command("init", "--name", name, "--json").ok().json()["result"]
        assert "Dockerfile" in made["kept"]
        settings = folder / "lambdaimg.toml"
        argument = f"{self.language.name.upper()}_IMAGE"
        if argument in (folder / "Dockerfile").read_text():
            text = f'[build_args]\n{argument} = "{scaffold_image(scaffold)}"\n'
            settings.write_text(settings.read_text() + text)
        try:
            self.check(command, name, engine, rie_binary)
        finally:
            remove_image(engine, name)

    def check(self, command: CommandLine, name: str, engine: Any, rie_binary: Path) -> None:
        """It answers in every way there is."""
        wanted = {"theirs": self.language.name, "event": {"n": 1}}
        event = json.dumps(wanted["event"])
        command("lambda-function").ok()
        assert command("run", "--json-payload", event).ok().json() == wanted
        assert command("invoke", "--json-payload", event).ok().json() == wanted
        configured = engine.images.get(name).attrs["Config"]
        rie = Rie(engine, rie_binary, name, (configured["Cmd"] or ["x.y"])[0], {})
        try:
            assert rie.invoke(event.encode()).json() == wanted
        finally:
            rie.close()
