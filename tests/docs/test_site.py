from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from pages import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from links import dead_links

GOOD = '<a href="../b/">to b</a> <a href="../b/#there">to a place</a> <a href="https://arxiv.org/abs/1">out</a>'


def site(folder: Path, first: str) -> Path:
    for name, content in (("a", first), ("b", '<h1 id="there">B</h1>')):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(content)
    (folder / "picture.svg").write_text("<svg/>")
    return folder


def test_a_site_whose_links_lead_somewhere_is_passed(tmp_path: Path) -> None:
    assert dead_links(site(tmp_path, GOOD + '<img src="../picture.svg">')) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('<a href="../c/">', "a/index.html: ../c/: is not there"),
        ('<a href="../b/#here">', "a/index.html: ../b/#here: has no such anchor"),
        ('<a href="#here">', "a/index.html: #here: has no such anchor"),
        ('<img src="../photo.png">', "a/index.html: ../photo.png: is not there"),
        ('<a href="../walk.py">', "a/index.html: ../walk.py: is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "is loaded from elsewhere"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "is loaded from elsewhere"),
    ],
)
def test_a_dead_link_is_told_with_its_page(tmp_path: Path, content: str, said: str) -> None:
    (found,) = dead_links(site(tmp_path, content))
    assert said in found


def test_what_lies_beside_the_site_is_not_there_where_the_site_is_put(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("")
    (tmp_path / "site").mkdir()
    assert dead_links(site(tmp_path / "site", '<a href="../../LICENSE">')) == [
        "a/index.html: ../../LICENSE: is not there"
    ]


def test_every_link_and_anchor_of_the_documentation_leads_somewhere(tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="it builds the site: pip install -e '.[docs]'")
    # A copy, since the generator follows no link to a folder, and builds into a folder beside its settings.
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    (tmp_path / "asr").symlink_to(ROOT / "asr")
    build = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        build, cwd=tmp_path, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert dead_links(tmp_path / "site") == []


@pytest.mark.parametrize("script", sorted((ROOT / "docs" / "peers").glob("*.py")), ids=lambda p: p.stem)
def test_a_script_that_made_a_page_finds_what_it_imports(script: Path) -> None:
    missing = r"No module named '(\w+)'"
    code = f"import runpy; runpy.run_path({str(script)!r}, run_name='imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lacking = re.findall(missing, done.stderr)
    # Peers need not be installed; what is ours is there.
    assert done.returncode == 0 or (lacking and not any((ROOT / "tests").rglob(f"{lacking[-1]}.py"))), done.stderr


def test_every_page_is_in_the_navigation_and_every_picture_is_small() -> None:
    told = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text()))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert told == there, "zensical.toml names the pages of the navigation; docs/ has others"
    assert tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["theme"]["font"] is False
    heavy = [path.name for path in (ROOT / "docs" / "images").iterdir() if path.stat().st_size > 150_000]
    assert heavy == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_pages_beside_the_site_lead_to_files(name: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", (ROOT / name).read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_pre_commit_and_ci_run_the_same_programs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    ci = (ROOT / ".ci" / "run").read_text()
    for hook in hooks:
        program = hook["entry"].removeprefix("bash -c '").split()[0]
        assert program == "python" or f'"$bin/{program}"' in ci, hook["id"]
    assert "docs/links.py site" in ci


def test_the_citation_is_of_this_version_and_has_what_the_format_asks_for() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def test_a_training_step_calls_no_room_above_its_own() -> None:
    """In a process of its own: a trace must not see other tests' modules."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "walk.py"), "trace"], capture_output=True, text=True, check=True
    )
    arrows = {(a, b) for a, b, _ in yaml.safe_load(done.stdout)}
    assert ("step", "objective") in arrows
    below: dict[str, set[str]] = {a: {b for start, b in arrows if start == a} for a, _ in arrows}

    def reached(room: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        for other in below.get(room, set()) - seen:
            seen = reached(other, seen | {other})
        return seen

    assert [room for room in below if room in reached(room)] == []
